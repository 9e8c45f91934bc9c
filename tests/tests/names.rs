//! Promise: any name goes through every path and back: made by a script, kept, listed, watched, printed, typed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_e2e::{PATIENCE, Sandbox, wait_for};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const CLUSTER: &str = "clus/ter [1] \\ *";

fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "plain",
        "a/b",
        "/",
        "//x//",
        "x[y]",
        "[",
        "]",
        "[]",
        "back\\slash",
        "\\",
        "st*r?",
        "{a,b}",
        "{",
        "a,b",
        "a=b",
        "a b",
        "  lead and trail  ",
        "\"quoted\"",
        "it's",
        "é🙂",
        "e\u{301}",
        "שלום עולם",
        "مرحبا/[عالم]",
        "\u{202e}desrever",
        "..",
        "-rf",
        "where",
        "last",
        "since=1h",
        "as=rate",
        "$HOME",
        "#5",
        "~",
        "%41",
        "\u{feff}bom",
        "NaN",
    ]
    .map(str::to_owned)
    .to_vec();
    names.extend(["n".repeat(255), "€".repeat(85), "/".repeat(255), "\\".repeat(255)]);
    names
}

/// (node, parameter, item) of what is printed.
fn key(line: &Value) -> (String, String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    assert_eq!(line["cluster"], CLUSTER, "{line}");
    (text(&line["node"]), text(&line["parameter"]), text(&line["labels"]["item"]))
}

/// The path that begins a line of a table: up to the first space that no backslash stands before.
fn path(line: &str) -> &str {
    let mut escaped = false;
    let end = line.find(|c| {
        let ends = c == ' ' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    &line[..end.unwrap_or(line.len())]
}

#[test]
fn any_name_is_listed_watched_printed_and_typed_again() {
    let sandbox = Sandbox::new();
    let _up = sandbox.up();
    // Each name once in each place, with a value of its own.
    let mut expected: BTreeMap<(String, String, String), u64> = BTreeMap::new();
    for name in names() {
        let value = expected.len() as u64;
        expected.insert((name.clone(), "p".into(), String::new()), value);
        expected.insert(("node".into(), name.clone(), String::new()), value + 1);
        expected.insert(("node".into(), "p".into(), name), value + 2);
    }
    let sample = |((node, parameter, item), value): (&(String, String, String), &u64)| {
        let mut sample = json!({"node": node, "parameter": parameter, "value": value});
        if !item.is_empty() {
            sample["item"] = json!(item);
        }
        sample
    };
    let samples: Vec<Value> = expected.iter().map(sample).collect();
    let file = sandbox.path("samples.json");
    fs::write(&file, json!({ "samples": samples }).to_string()).unwrap();
    sandbox.configure_more(&format!(
        "[collector.odd]\nmodule = \"script\"\ncommand = [\"cat\", {:?}]\nformat = \"json\"\nperiod = \"1s\"\ncluster = {}",
        file.to_str().unwrap(),
        json!(CLUSTER)
    ));

    let listed = wait_for("all of them in `ls`", PATIENCE, || {
        let listed = sandbox.client(&["ls", "*/clus*", "--json"]).json();
        let listed: Vec<Value> = listed.into_iter().filter(|line| line["parameter"] != "up").collect();
        println!("{} of {} series", listed.len(), expected.len());
        (listed.len() >= expected.len()).then_some(listed)
    });
    let listed: BTreeSet<_> = listed.iter().map(key).filter(|key| expected.contains_key(key)).collect();
    assert_eq!(listed, expected.keys().cloned().collect());

    let watch = sandbox.start_client("watch", &["watch", "*/clus*", "--last", "--json"]);
    let watched = wait_for("all of them in `watch`", PATIENCE, || {
        let seen: BTreeMap<_, u64> =
            watch.json().iter().filter_map(|line| Some((key(line), line["value"].as_u64()?))).collect();
        expected.keys().all(|key| seen.contains_key(key)).then_some(seen)
    });
    for (key, value) in &expected {
        assert_eq!(watched.get(key), Some(value), "{key:?}");
    }

    // What is printed for people can be typed again, and means that series alone.
    let table = sandbox.client(&["ls", "*/clus*"]).ok().stdout;
    let paths: Vec<&str> = table.lines().skip(1).map(path).collect();
    let mut typed = BTreeSet::new();
    let mut wrong = Vec::new();
    for path in &paths {
        let run = sandbox.client(&["query", path, "--last", "--json"]);
        let found = hedgerow_e2e::json_lines(&run.stdout);
        match found.as_slice() {
            [line] => drop(typed.insert(key(line))),
            // A series without labels is a prefix of those with: all of them are meant.
            [_, ..] if !path.ends_with(']') => {
                let without =
                    found.iter().filter(|line| line["labels"].is_null()).map(key).collect::<Vec<_>>();
                assert_eq!(without.len(), 1, "{path}: {}", run.told());
                typed.extend(without);
            }
            _ => wrong.push(format!("{path}: {}", run.told())),
        }
    }
    let missing: Vec<_> = expected.keys().filter(|key| !typed.contains(*key)).collect();
    assert!(
        wrong.is_empty() && missing.is_empty(),
        "not read back: {}\nnever printed: {missing:?}",
        wrong.join("\n")
    );
    println!("{} paths printed and typed again", paths.len());
}
