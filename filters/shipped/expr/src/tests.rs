#![allow(clippy::unwrap_used)]
use super::*;
use hedgerow_filter::{Bench, Seen};

fn bench(expression: &str, more: &str) -> Bench<Expr> {
    let mut bench = Bench::new(&format!(r#"{{"expr":"{expression}"{more}}}"#)).unwrap();
    // The window that it begins in is not whole.
    assert!(bench.tick(0).is_empty());
    bench
}

fn labelled(bench: &mut Bench<Expr>, node: &str, parameter: &str, item: &str) -> u32 {
    bench.series_with("net", node, parameter, |series| series.labels = vec![("item".into(), item.into())])
}

/// What it says of two series of one node in windows of a minute.
fn said(expression: &str) -> Vec<Option<f64>> {
    let mut bench = bench(expression, "");
    let [a, b] = ["one", "two"].map(|item| labelled(&mut bench, "n1", "x", item));
    let mut all = Vec::new();
    for (minute, values) in [[2.0, 4.0, 6.0], [6.0, 0.0, 12.0]].iter().enumerate() {
        let begin = 60_000 * minute as Millis;
        for (third, value) in values.iter().enumerate() {
            bench.batch(begin + 20_000 * third as Millis, &[(a, *value), (b, value * 10.0)]);
            bench.restart();
        }
        all.push(bench.tick(begin + 60_000).value("n1", "value"));
    }
    all.push(bench.tick(180_000).value("n1", "value"));
    all
}

#[test]
fn aggregates_are_over_all_samples_of_the_window() {
    for (expression, expected) in [
        ("mean(x)", [Some(22.0), Some(33.0), None]),
        ("min(x)", [Some(2.0), Some(0.0), None]),
        ("max(x)", [Some(60.0), Some(120.0), None]),
        ("sum(x)", [Some(132.0), Some(198.0), None]),
        ("count(x)", [Some(6.0), Some(6.0), Some(0.0)]),
        // From the first sample on, then from the last of the window before: 4 in 40 s and 40 in 40 s; 6 and 60 in 60 s.
        ("rate(x)", [Some(1.1), Some(1.1), None]),
        ("x", [Some(33.0), Some(66.0), Some(66.0)]),
        ("total(x)", [Some(66.0), Some(132.0), Some(132.0)]),
        ("series(x)", [Some(2.0), Some(2.0), Some(2.0)]),
        ("default(mean(x), -1)", [Some(22.0), Some(33.0), Some(-1.0)]),
        ("max(x) > 100 and series(x) == 2", [Some(0.0), Some(1.0), None]),
        ("1 / 0", [None, None, None]),
        ("1 / (count(x) - 6)", [None, None, Some(-1.0 / 6.0)]),
    ] {
        let near = |(found, expected): (&Option<f64>, &Option<f64>)| match (found, expected) {
            (Some(found), Some(expected)) => (found - expected).abs() < 1e-12,
            (found, expected) => found == expected,
        };
        let found = said(expression);
        assert!(found.iter().zip(&expected).all(near), "{expression}: {found:?}");
    }
}

/// Node, labels, value of all that it said.
fn groups(seen: &Seen) -> Vec<(String, String, f64)> {
    let labels = |labels: &[(String, String)]| {
        labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    };
    seen.emitted.iter().map(|one| (one.node.clone(), labels(&one.labels), one.value)).collect()
}

#[test]
fn groups_are_series_nodes_clusters_labels_or_all() {
    for (by, expected) in [
        ("series", vec![("n1", "item=a", 3.0), ("n1", "item=b", 12.0), ("n2", "item=a", 48.0)]),
        ("node", vec![("n1", "", 15.0), ("n2", "", 48.0)]),
        ("cluster", vec![("net", "", 63.0)]),
        ("all", vec![("all", "", 63.0)]),
        ("label:item", vec![("all", "item=a", 51.0), ("all", "item=b", 12.0)]),
        ("label:rack", vec![]),
    ] {
        let more = format!(r#","by":"{by}","name":"both","unit":"By/s""#);
        let mut bench = bench("total(in) + total(out)", &more);
        let mut value = 1.0;
        for (node, item) in [("n1", "a"), ("n1", "b"), ("n2", "a")] {
            for parameter in ["in", "out"] {
                let series = labelled(&mut bench, node, parameter, item);
                bench.batch(0, &[(series, value)]);
                value *= 2.0;
            }
        }
        let seen = bench.tick(60_000);
        let expected: Vec<_> = expected
            .iter()
            .map(|(node, labels, value)| ((*node).to_owned(), (*labels).to_owned(), *value))
            .collect();
        assert_eq!(groups(&seen), expected, "{by}");
        assert!(seen.emitted.iter().all(|one| one.parameter == "both" && one.unit == "By/s"));
    }
}

#[test]
fn what_does_not_speak_does_not_count() {
    let mut bench = bench("total(x)", r#","by":"all""#);
    let [a, b] = ["a", "b"].map(|node| bench.series("hosts", node, "x"));
    bench.batch(0, &[(a, 1.0), (b, 2.0)]);
    bench.life(a, Life::Stale, 1);
    assert_eq!(bench.tick(60_000).value("all", "value"), Some(2.0));
    bench.batch(60_001, &[(a, 5.0)]);
    bench.life(b, Life::Ended, 60_002);
    assert_eq!(bench.tick(120_000).value("all", "value"), Some(5.0));
}

#[test]
fn a_name_that_no_series_has_is_told_once() {
    let mut bench = bench("x + lod1", "");
    assert!(bench.tick(60_000).logs.is_empty(), "nothing has come as yet");
    let a = bench.series("hosts", "a", "x");
    bench.batch(60_000, &[(a, 1.0)]);
    assert!(bench.tick(120_000).logs[0].1.contains("called `lod1`"));
    bench.restart();
    assert!(bench.tick(180_000).is_empty());
}

#[test]
fn a_window_that_was_not_seen_whole_gives_nothing() {
    let mut bench = Bench::<Expr>::new(r#"{"expr":"count(x)"}"#).unwrap();
    let a = bench.series("hosts", "a", "x");
    bench.batch(59_999, &[(a, 1.0)]);
    assert!(bench.tick(60_000).is_empty(), "begun in its middle");
    for (end, lost, expected) in
        [(120_000, false, Some(1.0)), (180_000, true, None), (240_000, false, Some(1.0))]
    {
        bench.batch(end - 1, &[(a, 1.0)]);
        bench.restart();
        if lost {
            bench.gap(Gap { reason: hedgerow_filter::GapReason::Lag, count: None });
        }
        assert_eq!(bench.tick(end).value("a", "value"), expected, "{end}");
    }
}

#[test]
fn a_result_that_is_no_number_is_told_once() {
    let mut bench = bench("x / 0", "");
    let a = bench.series("hosts", "a", "x");
    bench.batch(1, &[(a, 1.0)]);
    let seen = bench.tick(60_000);
    assert!(seen.emitted.is_empty() && seen.logs[0].1.contains("not a number, at a first"), "{seen:?}");
    bench.restart();
    assert!(bench.tick(120_000).is_empty());
}

#[test]
fn parameters_that_do_not_fit_are_refused() {
    for (given, expected) in [
        ("{}", "the parameter `expr` is missing"),
        (r#"{"expr":"a +"}"#, "the parameter `expr`: at character 4: expected a number"),
        (
            r#"{"expr":"a","by":"rack"}"#,
            "the parameter `by`: expected one of series node cluster all, or label:KEY",
        ),
        (r#"{"expr":"a","by":"label:"}"#, "the parameter `by`"),
        (r#"{"expr":"a","name":""}"#, "the parameter `name`"),
    ] {
        let error = Bench::<Expr>::new(given).unwrap_err();
        assert!(error.starts_with(expected), "{given}: {error}");
    }
}
