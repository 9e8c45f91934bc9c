#![allow(clippy::unwrap_used)]
use super::*;

/// Parameter, kind and unit of each row of the reference of what a farm says of itself.
fn parameters() -> Vec<(String, Kind, String)> {
    let page = include_str!("../../../docs/reference/parameters-self.md");
    let kind = |word: &str| match word {
        "counter" => Some(Kind::Counter),
        "gauge" => Some(Kind::Gauge),
        _ => None,
    };
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        match cells[..] {
            // In the first table, and in that of collection: labels stand elsewhere.
            ["", name, kind_word, unit, _, _, ""] if kind(kind_word).is_some() => {
                Some((name.to_owned(), kind(kind_word)?, unit.to_owned()))
            }
            ["", name, _, kind_word, unit, _, ""] => {
                Some((name.to_owned(), kind(kind_word)?, unit.to_owned()))
            }
            _ => None,
        }
    });
    rows.filter(|(name, ..)| !name.contains("cluster")).collect()
}

#[test]
fn every_measurement_of_the_farm_stands_in_the_reference_of_metrics() {
    let page = include_str!("../../../docs/reference/metrics.md");
    let parameters = parameters();
    assert!(
        parameters.len() > crate::self_measure::PARAMETERS.len(),
        "those of collection, too: {parameters:?}"
    );
    for (parameter, kind, unit) in parameters {
        let (name, kind) = family(&parameter, kind, &unit);
        let kind = if kind == FamilyKind::Counter { "counter" } else { "gauge" };
        let row = format!("| `{name}` | {kind} |");
        assert!(page.contains(&row), "expected a row `{row}`");
    }
}

#[test]
fn names_follow_the_rule() {
    let name = |parameter: &str, kind, unit: &str| family(parameter, kind, unit).0;
    assert_eq!(name("edge_lost", Kind::Counter, ""), "hedgerow_farm_edge_lost_total");
    assert_eq!(name("cpu_user", Kind::Counter, "s"), "hedgerow_farm_cpu_user_seconds_total");
    assert_eq!(name("cache_bytes", Kind::Gauge, "By"), "hedgerow_farm_cache_bytes");
    assert_eq!(name("memory.resident", Kind::Gauge, "By"), "hedgerow_farm_memory_resident_bytes");
}

#[test]
fn values_are_numbers_or_left_out() {
    assert_eq!(number(Kind::Counter, &Value::counter(u64::MAX)), Some(18_446_744_073_709_551_616.0));
    assert_eq!(number(Kind::Gauge, &Value::I64(-1)), Some(-1.0));
    assert_eq!(number(Kind::Text, &Value::Text("none".into())), None);
}
