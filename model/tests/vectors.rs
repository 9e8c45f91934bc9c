//! The golden vectors: what paths, predicates and templates mean, here and in a second implementation.
#![allow(clippy::unwrap_used, clippy::panic)]

use hedgerow_model::labels::Labels;
use hedgerow_model::predicate::{Constraint, LabelPattern, PathPattern, When};
use hedgerow_model::registration::{Instance, Mesh, Registration};
use hedgerow_model::template::{Operation, Term};
use hedgerow_model::{Glob, Name, Predicate, SeriesKey, SeriesPath, SyntaxError, Template};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn load(kind: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder().join(kind)).unwrap()).unwrap()
}

fn cases(file: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() > 50);
    cases.iter().map(|case| (case["text"].as_str().unwrap(), case))
}

/// What was read, if it should have been; checks the error if not.
fn outcome<T: std::fmt::Debug>(text: &str, case: &Value, read: Result<T, SyntaxError>) -> Option<T> {
    match (read, case.get("error")) {
        (Ok(read), None) => Some(read),
        (Ok(read), Some(error)) => panic!("{text:?} was read as {read:?}, wanted {error}"),
        (Err(error), None) => panic!("{text:?} was refused: {error}"),
        (Err(error), Some(wanted)) => {
            assert_eq!(json!(error.at), wanted["at"], "{text:?}: {error}");
            assert!(
                error.what.contains(wanted["what"].as_str().unwrap()),
                "{text:?}: {error}, wanted {wanted}"
            );
            None
        }
    }
}

fn printed<'a>(case: &'a Value, key: &str, otherwise: &'a str) -> &'a str {
    case.get(key).map_or(otherwise, |text| text.as_str().unwrap())
}

fn object<'a, V: Into<Value>>(pairs: impl Iterator<Item = (&'a str, V)>) -> Value {
    Value::Object(pairs.map(|(key, value)| (key.to_owned(), value.into())).collect())
}

#[test]
fn paths_are_read_and_printed_as_the_vectors_say() {
    let file = load("paths.json");
    for (text, case) in cases(&file) {
        let Some(path) = outcome(text, case, SeriesPath::parse(text)) else { continue };
        let wanted = &case["path"];
        let part = |part: &str| Name::new(wanted[part].as_str().unwrap()).unwrap();
        let labels =
            wanted["labels"].as_object().unwrap().iter().map(|(key, value)| (key, value.as_str().unwrap()));
        let key = SeriesKey {
            cluster: part("cluster"),
            node: part("node"),
            parameter: part("parameter"),
            labels: Labels::new(labels).unwrap(),
        };
        assert_eq!(path, SeriesPath { farm: part("farm"), key }, "{text:?}");
        assert_eq!(path.to_string(), printed(case, "print", text));
        assert!(PathPattern::exact(&path).matches(&path.farm, &path.key), "{text:?}");
        let key = path.key.to_string();
        assert!(path.to_string().ends_with(&format!("/{key}")), "{text:?}");
        assert_eq!(key.parse::<SeriesKey>().unwrap(), path.key, "{text:?}");
    }
}

fn decoded(predicate: &Predicate) -> Value {
    let pattern = |pattern: &PathPattern| {
        let labels = match &pattern.labels {
            LabelPattern::Any => Value::Null,
            LabelPattern::None => json!({}),
            LabelPattern::All(pairs) => object(pairs.iter().map(|(key, glob)| (key.as_str(), glob.as_str()))),
        };
        json!({
            "farm": pattern.farm.as_str(), "cluster": pattern.cluster.as_str(), "node": pattern.node.as_str(),
            "parameter": pattern.parameter.as_str(), "labels": labels,
        })
    };
    let when = |when: &When| match when {
        When::At(at) => json!({ "at": at }),
        When::Ago(ago) => json!({ "ago_ms": u64::try_from(ago.as_millis()).unwrap() }),
    };
    let constraint = predicate.constraint.as_ref().map(|constraint| match constraint {
        Constraint::Compare(comparison, number) => {
            let text = format!("{number:?}");
            json!({ "op": comparison.as_str(), "number": text.strip_suffix(".0").unwrap_or(&text) })
        }
        Constraint::In(values) => json!({ "in": values }),
    });
    let every = predicate.window.every.as_ref().map(|every| {
        let aggregates: Vec<_> = every.aggregates.iter().map(|aggregate| aggregate.as_str()).collect();
        json!({ "width_ms": u64::try_from(every.width.as_millis()).unwrap(), "aggregates": aggregates })
    });
    json!({
        "patterns": predicate.patterns.iter().map(pattern).collect::<Vec<_>>(),
        "constraint": constraint,
        "since": predicate.window.since.as_ref().map(when),
        "until": predicate.window.until.as_ref().map(when),
        "last": predicate.window.last,
        "every": every,
        "as": predicate.reading.as_str(),
    })
}

#[test]
fn predicates_are_read_printed_and_matched_as_the_vectors_say() {
    let file = load("predicates.json");
    for (text, case) in cases(&file) {
        let Some(predicate) = outcome(text, case, Predicate::parse(text)) else { continue };
        assert_eq!(decoded(&predicate), case["predicate"], "{text:?}");
        let print = printed(case, "print", text);
        assert_eq!(predicate.to_string(), print);
        assert_eq!(predicate.canonical(), printed(case, "canonical", print));
        assert_eq!(Predicate::parse(print).unwrap(), predicate);
        assert_eq!(Predicate::parse(&predicate.canonical()).unwrap().canonical(), predicate.canonical());
        for pattern in &predicate.patterns {
            for glob in [&pattern.farm, &pattern.cluster, &pattern.node, &pattern.parameter] {
                assert_eq!(&Glob::new(glob.as_str()).unwrap(), glob, "a glob alone in its field");
            }
        }
        for (key, wanted) in [("matches", true), ("rejects", false)] {
            for path in case.get(key).and_then(Value::as_array).into_iter().flatten() {
                let path = SeriesPath::parse(path.as_str().unwrap()).unwrap();
                assert_eq!(predicate.matches(&path.farm, &path.key), wanted, "{text:?} on {path}");
            }
        }
    }
}

fn registration(from: &Value) -> Registration {
    let text = |key: &str| from[key].as_str().unwrap().to_owned();
    let list =
        |key: &str| from[key].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect();
    let id = text("id").parse().unwrap();
    Registration {
        id,
        mesh: Mesh { name: "test".to_owned(), id },
        name: text("name"),
        kind: text("kind"),
        groups: list("groups"),
        attributes: from["attributes"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
            .collect(),
        endpoints: Vec::new(),
        apis: list("apis"),
        version: text("version"),
        description: String::new(),
        instance: Instance { start: 1, random: 0 },
        serial: 1,
    }
}

fn decoded_term(term: &Term) -> Value {
    let text = |bound: &Option<String>| bound.clone().unwrap_or_default();
    let (operation, values) = match &term.operation {
        Operation::Is(values) => ("is", values.clone()),
        Operation::IsNot(values) => ("is_not", values.clone()),
        Operation::Range(low, high) => ("range", vec![text(low), text(high)]),
        Operation::Present => ("present", Vec::new()),
        Operation::Absent => ("absent", Vec::new()),
    };
    json!([term.key, operation, values])
}

#[test]
fn templates_are_read_printed_and_matched_as_the_vectors_say() {
    let file = load("templates.json");
    let services: Vec<_> = file["services"].as_array().unwrap().iter().map(registration).collect();
    for (text, case) in cases(&file) {
        let Some(template) = outcome(text, case, Template::parse(text)) else { continue };
        let terms: Vec<_> = template.terms.iter().map(decoded_term).collect();
        assert_eq!(Value::from(terms), case["terms"], "{text:?}");
        let print = printed(case, "print", text);
        assert_eq!(template.to_string(), print);
        assert_eq!(Template::parse(print).unwrap(), template);
        let matcher = template.compile().unwrap();
        let found: Vec<_> = services.iter().filter(|s| matcher.matches(s)).map(|s| s.name.as_str()).collect();
        assert_eq!(json!(found), case["matches"], "{text:?}");
        assert!(services.iter().all(|service| template.matches(service) == matcher.matches(service)));
    }
}

#[test]
fn the_python_implementation_agrees_with_the_vectors() {
    let output = Command::new("python3").arg("-B").arg(folder().join("check.py")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_python_implementation_notices_a_vector_that_is_wrong() {
    let wrong = std::env::temp_dir().join(format!("hedgerow-vectors-{}", std::process::id()));
    std::fs::create_dir_all(&wrong).unwrap();
    for kind in ["paths.json", "predicates.json", "templates.json"] {
        let text = std::fs::read_to_string(folder().join(kind)).unwrap();
        std::fs::write(wrong.join(kind), text.replace("disk_used", "disk_free[").replace("fnal\"]", "\"]"))
            .unwrap();
    }
    let output =
        Command::new("python3").arg("-B").arg(folder().join("check.py")).arg(&wrong).output().unwrap();
    std::fs::remove_dir_all(&wrong).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.trim_end().ends_with(" failed") && !said.contains(" 0 failed"),
        "it compared to the end: {said}"
    );
}
