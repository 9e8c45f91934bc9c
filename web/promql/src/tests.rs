//! What the oracle cannot show: staleness, whole numbers larger than floats tell apart, words of errors, bounds.
#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use proptest::prelude::*;

fn series(labels: &[(&str, &str)], times: &[i64], values: Values, stale: &[i64]) -> Series {
    let labels = Labels::new(labels.iter().copied());
    Series { labels, times: times.to_vec(), values, stale: stale.to_vec() }
}

fn vector(query: &str, at: i64, data: &Series) -> Vec<f64> {
    let query = Query::parse(query).unwrap();
    let count = query.plan(&Times::at(at), LOOKBACK_MS).len();
    match query.evaluate(&Times::at(at), LOOKBACK_MS, &vec![vec![data.clone()]; count]).unwrap() {
        Answer::Vector(points) => points.iter().map(|point| point.value).collect(),
        other => panic!("{other:?}"),
    }
}

fn fault(query: &str) -> String {
    Query::parse(query).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_stale_series_is_not_shown_until_it_has_a_new_sample() {
    let data = series(&[(NAME, "x")], &[0, 60_000, 200_000], Values::F64(vec![1.0, 2.0, 3.0]), &[90_000]);
    for (at, shown) in [(59_999, vec![1.0]), (60_000, vec![2.0]), (89_999, vec![2.0]), (90_000, vec![])] {
        assert_eq!(vector("x", at, &data), shown, "at {at}");
    }
    assert_eq!(vector("x", 199_999, &data), [0.0; 0]);
    assert_eq!(vector("x", 200_000, &data), [3.0]);
    assert_eq!(vector("x", 500_000, &data), [3.0], "five minutes later it still speaks");
    assert_eq!(vector("x", 500_001, &data), [0.0; 0]);
    assert_eq!(vector("count_over_time(x[5m])", 200_000, &data), [3.0], "what a range shows has no marks");
}

#[test]
fn a_mark_of_the_same_time_as_a_sample_is_the_later() {
    let data = series(&[(NAME, "x")], &[1000], Values::F64(vec![1.0]), &[1000]);
    assert_eq!(vector("x", 1000, &data), [0.0; 0]);
}

#[test]
fn counters_larger_than_floats_tell_apart_grow_exactly() {
    let big = u64::MAX - 10;
    let values = Values::U64(vec![big, big + 1, big + 4, 2, 5]);
    let data = series(&[(NAME, "x")], &[0, 10_000, 20_000, 30_000, 40_000], values, &[]);
    assert_eq!(vector("idelta(x[20s])", 20_000, &data), [3.0]);
    assert_eq!(vector("increase(x[20s])", 20_000, &data), [4.0]);
    assert_eq!(vector("rate(x[20s])", 20_000, &data), [0.2]);
    assert_eq!(vector("irate(x[20s])", 40_000, &data), [0.3]);
    assert_eq!(vector("irate(x[20s])", 30_000, &data), [0.2], "it began again at zero");
    assert_eq!(vector("resets(x[1m])", 40_000, &data), [1.0]);
    assert_eq!(vector("changes(x[20s])", 20_000, &data), [2.0]);
    assert_eq!(vector("delta(x[10s])", 30_000, &data), [-((big + 2) as f64)]);
}

#[test]
fn what_is_no_query_is_said_with_its_place() {
    for (query, said) in [
        ("", "1:1: parse error: no expression found in input"),
        ("sum(x", "1:6: parse error: unexpected end of input, expected an operator, `,` or `)`"),
        ("x{job=web}", "1:7: parse error: unexpected `web`, expected a text in quotes"),
        (
            "rate(x)",
            "1:1: parse error: expected type range vector in call to function \"rate\", got instant vector",
        ),
        ("1 +\n  nope(x)", "2:3: parse error: unknown function with name \"nope\""),
        ("é", "1:1: parse error: unexpected character 'é'"),
        ("x{a=~\"(\"}", "1:3: parse error: the regular expression \"(\" cannot be read"),
        (
            "x[5m] + 1",
            "1:7: parse error: binary expression must contain only scalar and instant vector types",
        ),
        ("x 5", "1:3: parse error: unexpected `5`, expected an operator or the end"),
    ] {
        assert_eq!(fault(query), said, "{query}");
    }
}

#[test]
fn what_is_promql_but_unknown_here_is_said_with_what_to_write_instead() {
    for (query, what) in [
        ("1 + limitk(2, x)", "1:5: not supported here: `limitk`; take `topk`"),
        ("limit_ratio by (a) (0.1, x)", "1:1: not supported here: `limit_ratio`"),
        (
            "histogram_count(x)",
            "1:1: not supported here: `histogram_count`; there are no native histograms here",
        ),
        ("{\"my.name\"}", "1:2: not supported here: a quoted name; what isn't of A-Z"),
        ("x{\"a.b\"=\"c\"}", "1:3: not supported here: a quoted name"),
        ("sum by (\"a.b\") (x)", "1:9: not supported here: a quoted name"),
        ("x{a=\"b\" or c=\"d\"}", "1:9: not supported here: `or` within braces; write two selectors"),
        ("x + fill(0) y", "1:5: not supported here: the modifier `fill`"),
        ("x > 5m", "1:5: not supported here: a duration as a number; write the seconds"),
        ("rate(x[5m] smoothed)", "1:12: not supported here: the modifier `smoothed`"),
    ] {
        assert!(fault(query).starts_with(what), "{query}: {}", fault(query));
    }
    for (name, instead) in reference::unsupported() {
        let said = fault(&format!("{name}(x)"));
        assert!(said.contains(name) && said.ends_with(instead), "{said}");
    }
}

#[test]
fn what_would_take_too_much_is_refused() {
    assert!(fault(&"(".repeat(101)).contains("more than 100 deep"));
    assert!(fault(&"-".repeat(200)).contains("more than 100 deep"));
    assert!(fault(&vec!["1"; 102].join("+")).contains("more than 100 deep"));
    assert!(Query::parse(&vec!["1"; 100].join("+")).is_ok());
    assert!(fault(&"1".repeat(MAX_QUERY_BYTES + 1)).contains("at most 16384"));
    let evaluate = |query: &str, data: &[Vec<Series>]| {
        Query::parse(query).unwrap().evaluate(&Times::at(0), LOOKBACK_MS, data).unwrap_err()
    };
    assert!(matches!(evaluate("max_over_time(vector(1)[100y:1ms])", &[]), EvalError::TooMuch { .. }));
    let long = series(&[(NAME, "x")], &[0], Values::F64(vec![1.0]), &[]);
    let error = evaluate("max_over_time(x[100d:1s])", &[vec![long; 10]]);
    assert!(error.to_string().contains("at most 10000000"), "{error}");
}

#[test]
fn a_plan_says_what_each_selector_needs() {
    let query = "rate(a[5m] offset 1h) + max_over_time(b[10m:1m]) + c @ 100 + sum_over_time(d[1m] @ end())";
    let times = Times { start: 10_000_000, end: 10_400_000, step: 300_000 };
    let fetches = Query::parse(query).unwrap().plan(&times, LOOKBACK_MS);
    let spans: Vec<(i64, i64)> = fetches.iter().map(|fetch| (fetch.from, fetch.to)).collect();
    assert_eq!(
        spans,
        [
            (6_100_000, 6_700_000),
            // From the first whole minute of the subquery, and what speaks for it; up to the last that is evaluated.
            (9_420_000 - 300_000, 10_260_000),
            (-200_000, 100_000),
            (10_340_000, 10_400_000),
        ]
    );
    assert_eq!(times.iter().collect::<Vec<_>>(), [10_000_000, 10_300_000]);
}

#[test]
fn a_selector_alone_is_read() {
    let matchers = Query::selector("up{job=\"x\"}").unwrap();
    assert_eq!(matchers.iter().map(|matcher| matcher.key.as_str()).collect::<Vec<_>>(), [NAME, "job"]);
    for other in ["up[5m]", "sum(up)", "up offset 5m", "1", "up @ 1"] {
        assert!(Query::selector(other).is_err(), "{other}");
    }
}

/// What a query may be made of.
const PARTS: [&str; 44] = [
    "x",
    "sum",
    "rate",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "5m",
    "1h30m",
    ":",
    ",",
    "+",
    "-",
    "^",
    "==",
    "bool",
    "on",
    "by",
    "group_left",
    "offset",
    "@",
    "start()",
    "1",
    "0x1f",
    "\"a\"",
    "'b",
    "a",
    "=",
    "=~",
    "!~",
    "and",
    "or",
    "unless",
    "#",
    "\n",
    "topk",
    "label_replace",
    "ignoring",
    "é",
    "\\",
    "NaN",
    "without",
];

/// Those of which the other reader and Prometheus think the same.
const PLAIN: [&str; 24] = [
    "x",
    "sum",
    "rate",
    "(",
    ")",
    "{",
    "}",
    "[5m]",
    ",",
    "+",
    "-",
    "^",
    "==",
    "on",
    "by",
    "offset 5m",
    "1",
    "a",
    "=",
    "'b'",
    "and",
    "unless",
    "topk",
    "ignoring",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_that_is_asked_makes_it_fall(
        parts in prop::collection::vec(prop::sample::select(&PARTS[..]), 0..12),
        text in ".{0,20}",
        start in -1_000_000i64..1_000_000,
    ) {
        let data = series(&[(NAME, "x"), ("a", "a")], &[0, 1000, 2000], Values::U64(vec![1, 5, 2]), &[]);
        for text in [parts.join(" "), parts.concat(), text] {
            let Ok(query) = Query::parse(&text) else { continue };
            let times = Times { start, end: start + 5000, step: 1000 };
            let count = query.plan(&times, LOOKBACK_MS).len();
            let _ = query.evaluate(&Times::at(start), LOOKBACK_MS, &vec![vec![data.clone()]; count]);
            let _ = query.evaluate_range(&times, LOOKBACK_MS, &vec![vec![data.clone()]; count]);
        }
    }

    /// A second opinion on what is PromQL.
    #[test]
    fn what_others_read_is_read(parts in prop::collection::vec(prop::sample::select(&PLAIN[..]), 0..8)) {
        let text = parts.join(" ");
        if promql_parser::parser::parse(&text).is_ok()
            && let Err(error) = Query::parse(&text)
        {
            // It lets a sign before a text or a range pass, which Prometheus refuses in these words.
            let signed = error.to_string().contains("unary expression only allowed on expressions of type");
            prop_assert!(signed, "{text}: {error}");
        }
    }
}

/// What is kept of a series whose samples come in some order.
fn seen(series: &Series, fetch: &Fetch, order: &[usize]) -> Series {
    let mut taken = Vec::new();
    let count = series.times.len();
    let mut came: Vec<usize> = (0..count).collect();
    for (at, other) in order.iter().enumerate().take(count) {
        came.swap(at, other % count);
    }
    for at in came {
        fetch.looks.take(&mut taken, series.times[at], series.values.at(at));
    }
    taken.sort_by_key(|(time, _)| *time);
    let (times, values) = taken.into_iter().unzip();
    Series { times, values: Values::F64(values), ..series.clone() }
}

proptest! {
    #[test]
    fn what_is_not_kept_changes_no_answer(
        times in proptest::collection::btree_set(0..400_i64, 0..60),
        order in proptest::collection::vec(0..60_usize, 0..60),
        stale in proptest::collection::btree_set(0..400_i64, 0..3),
        (start, step, count) in (0..300_i64, 1..120_i64, 0..8_i64),
        lookback in 1..60_i64,
    ) {
        let ms = |seconds: i64| seconds * 1000;
        let times: Vec<i64> = times.into_iter().map(ms).collect();
        let stale: Vec<i64> = stale.into_iter().map(ms).collect();
        let values = Values::F64(times.iter().map(|time| (time % 7_000) as f64).collect());
        let whole = series(&[(NAME, "x")], &times, values, &stale);
        let asked = Times { start: ms(start), end: ms(start + count * step), step: ms(step) };
        for query in [
            "x", "timestamp(x)", "x offset 20s", "x @ 100", "last_over_time(x[50s])", "absent_over_time(x[40s])", "absent(x)",
            "rate(x[30s])", "avg_over_time(x[1m])", "count_over_time(x[10s] offset 7s)", "max_over_time(x[1m:7s])",
            "last_over_time(x[45s] @ end())", "sum_over_time(last_over_time(x[20s])[1m:10s])",
        ] {
            let query = Query::parse(query).unwrap();
            let plan = query.plan(&asked, ms(lookback));
            let kept: Vec<Vec<Series>> = plan.iter().map(|fetch| vec![seen(&whole, fetch, &order)]).collect();
            let whole = vec![vec![whole.clone()]; plan.len()];
            prop_assert_eq!(
                query.evaluate_range(&asked, ms(lookback), &kept).unwrap(),
                query.evaluate_range(&asked, ms(lookback), &whole).unwrap(),
                "{:?}", query
            );
        }
    }
}

#[test]
fn of_a_long_time_only_what_each_step_shows_is_kept() {
    let day = 86_400_000;
    let asked = Times { start: 0, end: 30 * day, step: 3_600_000 };
    let fetch = |query: &str| Query::parse(query).unwrap().plan(&asked, LOOKBACK_MS).remove(0);
    let kept = |query: &str| {
        let (fetch, mut taken) = (fetch(query), Vec::new());
        for n in 0..30 * day / 10_000 {
            fetch.looks.take(&mut taken, n * 10_000, n);
        }
        taken.len()
    };
    // Of 259,200 samples; 721 steps, of which the first sees one and the last sees one less than the others.
    assert_eq!(kept("x"), 721);
    assert_eq!(kept("last_over_time(x[1h])"), 1440, "what stands on a full hour is seen twice");
    assert_eq!(kept("rate(x[5m])"), 720 * 31);
    assert_eq!(kept("max_over_time(x[1h])"), 259_200);
}
