//! A farm: its nodes, and the parameters of one of them.

use super::{holds, marked};
use crate::output::amount;
use crate::top::app::{App, Screen};
use crate::top::data::{Series, value};
use crate::top::grid::{Column, Field, Sheet, numbers, plain, words};
use hedgerow_model::UnixMillis;
use hedgerow_views::Cell;
use ratatui::style::Style;
use std::cmp::Reverse;
use std::collections::BTreeMap;

const NODES: &[Column] = &[
    words("CLUSTER", 6, 20, 1),
    words("NODE", 6, 40, 0),
    words("UP", 6, 10, 1),
    numbers("SERIES", 6, 3),
    numbers("STALE", 5, 2),
    numbers("ENDED", 5, 4),
    numbers("AGE", 6, 2),
];
const PARAMETERS: &[Column] = &[
    words("PARAMETER", 10, 60, 0),
    words("VALUE", 10, 20, 0),
    words("TREND", 8, 30, 2),
    numbers("AGE", 6, 1),
    words("LIFE", 6, 60, 1),
];
/// Between the parts of a key. No name holds it.
const APART: char = '\0';

/// The series of a node, together.
#[derive(Default)]
struct Node<'a> {
    up: Option<&'a Series>,
    series: usize,
    stale: usize,
    ended: usize,
    newest: Option<UnixMillis>,
}

impl Node<'_> {
    fn is_in_trouble(&self) -> bool {
        let down = |up: &&Series| up.head.life != "live" || matches!(up.last, Some((_, Cell::Number(0.0))));
        self.stale > 0 || self.up.as_ref().is_some_and(down)
    }
}

impl App {
    /// What a key of the list of nodes means.
    pub fn node_of(&self, key: &str) -> Option<(String, String)> {
        key.split_once(APART).map(|(cluster, node)| (cluster.to_owned(), node.to_owned()))
    }

    pub(super) fn nodes<'a>(&'a self, screen: &Screen, now: UnixMillis) -> Sheet<'a> {
        let mut nodes: BTreeMap<(&str, &str), Node<'a>> = BTreeMap::new();
        for series in self.table.series.values() {
            let head = &series.head;
            let node = nodes.entry((&head.cluster, &head.node)).or_default();
            node.series += 1;
            node.stale += usize::from(head.life == "stale");
            node.ended += usize::from(head.life == "ended");
            node.newest = node.newest.max(series.last.as_ref().map(|(time, _)| *time));
            if head.parameter == "up" && head.labels.is_empty() {
                node.up = Some(series);
            }
        }
        let mut rows: Vec<((&str, &str), Node<'a>)> = nodes
            .into_iter()
            .filter(|((cluster, node), _)| holds(&screen.filter, [*cluster, *node]))
            .collect();
        match screen.order() {
            "trouble first" => rows.sort_by_key(|(name, node)| (!node.is_in_trouble(), *name)),
            "newest first" => rows.sort_by_key(|(name, node)| (Reverse(node.newest), *name)),
            _ => {}
        }
        let keys = rows.iter().map(|((cluster, node), _)| format!("{cluster}{APART}{node}")).collect();
        let looks = self.looks;
        let row = move |at: usize| {
            let Some(((cluster, name), node)) = rows.get(at) else { return Vec::new() };
            let up = node.up.map_or(plain(""), |up| match &up.last {
                Some((_, last)) if up.head.life == "live" => {
                    let word = value(&up.head, last);
                    marked(looks.state(&word), &word)
                }
                _ => marked(looks.state(&up.head.life), &up.head.life),
            });
            let count = |count: usize| if count == 0 { plain("") } else { plain(count.to_string()) };
            vec![
                plain(*cluster),
                plain(*name),
                up,
                count(node.series),
                count(node.stale),
                count(node.ended),
                plain(node.newest.map_or_else(String::new, |at| amount::age((now - at).max(0)))),
            ]
        };
        Sheet { columns: NODES, keys, row: Box::new(row), empty: self.no_series() }
    }

    pub(super) fn parameters<'a>(
        &'a self,
        screen: &Screen,
        cluster: &str,
        node: &str,
        now: UnixMillis,
    ) -> Sheet<'a> {
        let is_of = |series: &&Series| series.head.cluster == cluster && series.head.node == node;
        let mut rows: Vec<(String, &Series)> = self
            .table
            .series
            .values()
            .filter(is_of)
            .map(|series| (series.parameter(), series))
            .filter(|(name, _)| holds(&screen.filter, [&**name]))
            .collect();
        let newest = |series: &Series| Reverse(series.last.as_ref().map(|(time, _)| *time));
        match screen.order() {
            "trouble first" => {
                rows.sort_by(|a, b| (a.1.head.life == "live", &a.0).cmp(&(b.1.head.life == "live", &b.0)))
            }
            "newest first" => rows.sort_by(|a, b| (newest(a.1), &a.0).cmp(&(newest(b.1), &b.0))),
            _ => rows.sort_by(|a, b| a.0.cmp(&b.0)),
        }
        let keys = rows.iter().map(|(_, series)| series.head.path.clone()).collect();
        let looks = self.looks;
        let row = move |at: usize| {
            let Some((name, series)) = rows.get(at) else { return Vec::new() };
            let head = &series.head;
            let style = if head.life == "live" { Style::new() } else { looks.quiet() };
            let (value, age) = match &series.last {
                Some((time, last)) => (value(head, last), amount::age((now - time).max(0))),
                None => (String::new(), String::new()),
            };
            let life = match &*head.life {
                "live" => plain(""),
                life => {
                    let because = if head.reason.is_empty() { "" } else { ": " };
                    let (shape, style) = looks.state(life);
                    Field::Text(format!("{shape} {life}{because}{}", head.reason), style)
                }
            };
            let is_number = matches!(series.last, Some((_, Cell::Number(_)))) && head.kind != "state";
            let trend = if is_number { Field::Trend(head.path.clone()) } else { plain("") };
            vec![Field::Text(name.clone(), style), Field::Text(value, style), trend, plain(age), life]
        };
        Sheet { columns: PARAMETERS, keys, row: Box::new(row), empty: self.no_series() }
    }

    /// What is said where a farm has none.
    fn no_series(&self) -> String {
        let told = &self.table.told;
        let gone = self.open_farm().and_then(|id| self.mesh.farm(id)).and_then(|(_, gone)| gone);
        match (gone, told.any && !told.loading, told.coverage.complete) {
            (Some(_), ..) => "the farm is gone: nothing was heard of it since this was opened",
            (_, false, _) => "asking the farm",
            (_, true, false) => "the farm does not answer: see below",
            (_, true, true) => "the farm has no series",
        }
        .to_owned()
    }
}
