//! What cannot be seen in one value: sources that nobody gives, names that stand twice, look-ups that go in a circle.

use super::object::ReadObject;
use super::table::ReadTable;
use crate::profile::{Lookup, Source, Table};
use hedgerow_toml_tree::{Findings, KeyPath, Section, Wrong};
use std::collections::{BTreeMap, BTreeSet};

/// All sources of a table exist, and each name means one thing.
pub(super) fn sources(table: &Table, columns: &[ReadObject], section: &Section<'_>) {
    let findings = section.findings;
    let mut known = BTreeSet::from(["index"]);
    let own =
        table.index.iter().map(|part| part.name.as_str()).chain(table.lookups.keys().map(String::as_str));
    for name in own {
        if !known.insert(name) || name.is_empty() {
            let wrong = Wrong::new(
                format!("`{name}` names two sources"),
                "a name for each part of the index and look-up",
            )
            .note("`index` is the whole index");
            findings.error(section.at, &section.path, wrong);
        }
    }
    let mut measured: BTreeMap<&str, &hedgerow_snmp::Oid> = BTreeMap::new();
    for column in columns {
        let (name, oid) = (column.object.name.as_str(), &column.object.oid);
        let other = *measured.entry(name).or_insert(oid);
        if other != oid || known.contains(name) {
            let wrong =
                Wrong::new(format!("`{name}` names two sources"), "one object for each name of the MIB")
                    .note("a column that is measured is a source by its name, and needs no look-up");
            findings.error(column.at, &column.path, wrong);
        }
    }
    known.extend(measured.keys());
    let unknown = |source: &Source, at, path: &KeyPath| {
        if !known.contains(source.0.as_str()) {
            let expected = format!("one of {}", known.iter().copied().collect::<Vec<_>>().join(", "));
            let wrong = Wrong::new(format!("`{}` is no source of this table", source.0), expected);
            findings.error(at, path, wrong.near(&source.0, known.iter().copied()));
        }
    };
    let of_table = [("item", &table.item), ("row_description", &table.row_description)];
    for (key, templates) in of_table {
        let path = section.path.child(key);
        for source in templates.iter().flat_map(|template| template.sources()) {
            unknown(source, section.place(key).unwrap_or(section.at), &path);
        }
    }
    let labels = table.labels.iter().map(|(_, template)| ("labels", template));
    let only = table.only.iter().map(|(template, _)| ("only", template));
    let keys = table.lookups.values().filter_map(|lookup| Some(("lookup", lookup.key.as_ref()?)));
    for (key, template) in labels.chain(only).chain(keys) {
        for source in template.sources() {
            unknown(source, section.place(key).unwrap_or(section.at), &section.path.child(key));
        }
    }
    for column in columns {
        for source in column.object.sources() {
            unknown(source, column.at, &column.path);
        }
    }
    if let Some(circle) = circle(&table.lookups) {
        let wrong =
            Wrong::new(format!("the key of `{circle}` depends on itself"), "look-ups that lead to the row");
        findings.error(section.place("lookup").unwrap_or(section.at), &section.path.child("lookup"), wrong);
    }
}

/// A look-up whose key needs itself.
fn circle(lookups: &BTreeMap<String, Lookup>) -> Option<&str> {
    let next = |name: &str| lookups.get(name).and_then(|lookup| lookup.key.as_ref());
    lookups.keys().map(String::as_str).find(|start| {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> =
            next(start).iter().flat_map(|key| key.sources()).map(|of| of.0.as_str()).collect();
        while let Some(name) = open.pop() {
            if reached.insert(name) {
                open.extend(next(name).iter().flat_map(|key| key.sources()).map(|of| of.0.as_str()));
            }
        }
        reached.contains(start)
    })
}

/// No two objects write the same series, and a parameter has one kind and one unit.
pub(super) fn parameters(scalars: &[ReadObject], tables: &[ReadTable], findings: &Findings<'_>) {
    let mut first: BTreeMap<&str, (usize, &ReadObject)> = BTreeMap::new();
    let in_tables =
        tables.iter().enumerate().flat_map(|(at, table)| table.columns.iter().map(move |it| (at + 1, it)));
    for (group, read) in scalars.iter().map(|read| (0, read)).chain(in_tables) {
        let object = &read.object;
        let Some((other_group, other)) = first.get(&*object.parameter) else {
            first.insert(&object.parameter, (group, read));
            continue;
        };
        let path = read.path.child("parameter");
        let there = format!("in line {}, of {}", findings.line(other.at), other.path.shown());
        if (object.kind, &object.unit) != (other.object.kind, &other.object.unit) {
            let of = |object: &crate::profile::Object| match object.unit.as_str() {
                "" => format!("a {} without a unit", object.kind),
                unit => format!("a {} in {unit}", object.kind),
            };
            let problem =
                format!("`{}` is {} here and {} {there}", object.parameter, of(object), of(&other.object));
            findings.error(read.at, &path, Wrong::new(problem, "one kind and one unit for each parameter"));
        } else if group == *other_group && (object.only.is_empty() || other.object.only.is_empty()) {
            let problem = format!("`{}` is written twice: {there}", object.parameter);
            let expected = "another name, or `only` in both, so that each row takes one of them";
            findings.error(read.at, &path, Wrong::new(problem, expected));
        }
    }
}
