#![allow(clippy::unwrap_used)]
use super::*;
use serde_json::Value;
use std::path::Path;

#[test]
fn every_reference_leads_somewhere_and_every_operation_says_what_it_is() {
    let document: Value = serde_json::from_str(&openapi().to_json().unwrap()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut names = Vec::new();
    references(&document, &mut names);
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(document.pointer(name.trim_start_matches('#')).is_some(), "{name} leads nowhere");
    }
    for (method, path, operation) in rows() {
        let summary = operation.summary.unwrap_or_default();
        assert!(!summary.is_empty() && !summary.ends_with('.'), "{method} {path}: `{summary}`");
        assert_eq!(operation.security.is_some(), method != "GET", "{method} {path}");
    }
}

fn references(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            names.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| references(value, names));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, names)),
        _ => {}
    }
}

/// The reference names every operation, as the code has it.
#[test]
fn the_reference_is_what_the_code_says() {
    const BEGIN: &str = "<!-- made from the code: HEDGEROW_WRITE_REFERENCE=1 -->\n";
    const END: &str = "<!-- end of what is made -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/web-api.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}\n{}{END}{after}", reference());
    if std::env::var_os("HEDGEROW_WRITE_REFERENCE").is_some() {
        std::fs::write(&path, &expected).unwrap();
    } else {
        assert!(
            page == expected,
            "docs/reference/web-api.md is not what the code says: run with HEDGEROW_WRITE_REFERENCE=1"
        );
    }
}
