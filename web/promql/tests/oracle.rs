//! What Prometheus answers, this answers: the same samples, some hundred queries, each at one time and at several.
//!
//! `oracle/answers.json` is what Prometheus 2.42 said. With `UPDATE_EXPECTED=1` it is asked again (`promtool`, `prometheus`
//! and `curl` have to be there).
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "oracle/record.rs"]
mod record;
#[path = "oracle/samples.rs"]
mod samples;

use hedgerow_promql::{Answer, LOOKBACK_MS, Labels, Line, Query, Series, Times, number_text};
use samples::T0;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const QUERIES: &str = include_str!("oracle/queries.txt");
const ANSWERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/answers.json");
/// As close as rounding in another order may lead.
const TOLERANCE: f64 = 1e-9;

const AT: i64 = T0 + 1_800_000;
const TIMES: Times = Times { start: T0 - 60_000, end: T0 + 3_900_000, step: 660_000 };

fn queries() -> impl Iterator<Item = &'static str> {
    QUERIES.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// For each selector of `query` what it asks for, and not a sample more.
fn data(query: &Query, times: &Times, all: &[Series]) -> Vec<Vec<Series>> {
    let of = |fetch: hedgerow_promql::Fetch| {
        let taken = |series: &&Series| fetch.matchers.iter().all(|matcher| matcher.matches(&series.labels));
        all.iter().filter(taken).map(|series| samples::seen(series, &fetch)).collect()
    };
    query.plan(times, LOOKBACK_MS).into_iter().map(of).collect()
}

fn labels_json(labels: &Labels) -> Value {
    labels.iter().map(|(key, value)| (key.to_owned(), json!(value))).collect::<serde_json::Map<_, _>>().into()
}

fn lines_json(lines: &[Line]) -> Value {
    let point = |(time, value): &(i64, f64)| json!([*time as f64 / 1000.0, number_text(*value)]);
    let line = |line: &Line| {
        let points: Vec<Value> = line.points.iter().map(point).collect();
        json!({"metric": labels_json(&line.labels), "values": points})
    };
    lines.iter().map(line).collect()
}

/// In the form in which Prometheus answers, without what doesn't differ.
fn instant(text: &str, all: &[Series]) -> Value {
    let query = match Query::parse(text) {
        Ok(query) => query,
        Err(_) => return json!("bad_data"),
    };
    let (times, at) = (Times::at(AT), AT as f64 / 1000.0);
    match query.evaluate(&times, LOOKBACK_MS, &data(&query, &times, all)) {
        Err(_) => json!("execution"),
        Ok(Answer::Scalar(value)) => json!([at, number_text(value)]),
        Ok(Answer::Text(text)) => json!([at, text]),
        Ok(Answer::Matrix(lines)) => lines_json(&lines),
        Ok(Answer::Vector(points)) => points
            .iter()
            .map(|point| json!({"metric": labels_json(&point.labels), "value": [at, number_text(point.value)]}))
            .collect(),
    }
}

fn range(text: &str, all: &[Series]) -> Value {
    let query = match Query::parse(text) {
        Ok(query) if query.is_for_ranges() => query,
        _ => return json!("bad_data"),
    };
    match query.evaluate_range(&TIMES, LOOKBACK_MS, &data(&query, &TIMES, all)) {
        Err(_) => json!("execution"),
        Ok(lines) => lines_json(&lines),
    }
}

/// Order is of no meaning but where a query sorts.
fn in_order(answer: Value) -> Value {
    match answer {
        Value::Array(mut all) if all.first().is_some_and(Value::is_object) => {
            all.sort_by_key(|one| one["metric"].to_string());
            Value::Array(all)
        }
        other => other,
    }
}

fn near(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| near(value, other)))
        }
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::String(a), Value::String(b)) if a != b => match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1e-3),
            _ => false,
        },
        (a, b) => a == b,
    }
}

#[test]
fn answers_are_those_of_prometheus() {
    let all = samples::all();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        let answers = record::ask(&queries().collect::<Vec<_>>(), AT, &TIMES, &samples::as_text(&all));
        let lines: Vec<String> =
            answers.iter().map(|(query, answer)| format!("{}: {answer}", json!(query))).collect();
        std::fs::write(ANSWERS, format!("{{\n{}\n}}\n", lines.join(",\n"))).unwrap();
    }
    let expected: BTreeMap<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(ANSWERS).unwrap()).unwrap();
    let mut different = Vec::new();
    for text in queries() {
        let expected = expected.get(text).unwrap_or_else(|| panic!("no answer is recorded for {text}"));
        let sorts = ["sort", "topk", "bottomk"].iter().any(|word| text.starts_with(word));
        let order = |answer: Value| if sorts { answer } else { in_order(answer) };
        let pairs = [
            ("at one time", order(instant(text, &all)), order(expected["instant"].clone())),
            ("at several", in_order(range(text, &all)), in_order(expected["range"].clone())),
        ];
        for (when, ours, theirs) in pairs {
            if !near(&ours, &theirs) {
                different.push(format!("{text}\n  {when}\n  ours   {ours}\n  theirs {theirs}"));
            }
        }
    }
    let count = queries().count();
    assert!(count >= 300, "only {count} queries");
    assert!(different.is_empty(), "{} of {count} differ:\n{}", different.len(), different.join("\n"));
}
