//! The reference page says what the code knows, neither more nor less.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::PAGES;
use hedgerow_promql::reference;
use std::collections::BTreeSet;

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/prometheus-api.md");
    std::fs::read_to_string(path).unwrap()
}

/// The rows of the table that begins with this header.
fn rows(header: &str) -> Vec<Vec<String>> {
    let page = page();
    let (_, behind) =
        page.split_once(&format!("| {header} |")).unwrap_or_else(|| panic!("no table {header}"));
    let rows = behind.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split(" | ").map(|cell| cell.trim_matches(['|', ' ']).to_owned()).collect()).collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

fn column(header: &str, number: usize) -> Vec<String> {
    rows(header).iter().flat_map(|row| quoted(&row[number]).collect::<Vec<_>>()).collect()
}

fn same(said: Vec<String>, known: &[&str]) {
    let set: BTreeSet<&str> = said.iter().map(String::as_str).collect();
    assert_eq!(set.len(), said.len(), "something is said twice: {said:?}");
    assert_eq!(set, known.iter().copied().collect());
}

#[test]
fn the_page_lists_what_is_known() {
    same(column("page", 0), &PAGES);
    same(column("operators", 1), &reference::operators());
    same(column("aggregations", 1), &reference::aggregations());
    same(column("functions", 1), &reference::functions());
}

#[test]
fn the_page_says_what_to_take_instead_of_what_is_not_known() {
    let rows = rows("what | instead");
    for (name, instead) in reference::unsupported() {
        let row = rows.iter().find(|row| row[0] == format!("`{name}`"));
        assert_eq!(row.unwrap_or_else(|| panic!("no row of {name}"))[1], instead);
    }
    let named = rows.iter().filter(|row| {
        quoted(&row[0]).any(|word| reference::unsupported().iter().any(|(name, _)| *name == word))
    });
    assert_eq!(named.count(), reference::unsupported().len());
}

#[test]
fn the_page_says_the_bounds() {
    let page = page().replace(',', "");
    let bounds = [
        super::asked::MAX_POINTS as u64,
        super::fetch::MAX_SERIES as u64,
        super::fetch::MAX_SAMPLES as u64,
        super::lists::MAX_ANSWERED as u64,
        hedgerow_promql::MAX_CELLS,
        hedgerow_promql::MAX_WORK,
        hedgerow_promql::MAX_DEPTH as u64,
    ];
    for bound in bounds {
        assert!(page.contains(&format!(" {bound}")), "{bound}");
    }
}
