//! Files of TOML as one tree in which every key and value knows its place. Knows TOML, not what the keys mean.

use super::complaint::{Complaint, Spot};
use std::collections::BTreeMap;
use std::collections::btree_map;
use std::path::PathBuf;
use toml::de::{DeTable, DeValue};

/// Most syntax errors told of one file: further ones mostly follow from the first.
const MAX_SYNTAX_ERRORS: usize = 3;

/// A file that was read.
#[derive(Debug)]
pub(super) struct Source {
    pub path: PathBuf,
    pub text: String,
}

/// Where something stands: which source, which bytes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Place {
    pub source: usize,
    pub start: usize,
    pub end: usize,
}

#[derive(Debug)]
pub(super) struct Node {
    pub at: Place,
    pub value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Text(String),
    /// Saturated; no key takes as much.
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Date,
    List(Vec<Node>),
    Table(Table),
}

/// The keys of a table.
pub(super) type Table = BTreeMap<String, Entry>;

#[derive(Debug)]
pub(super) struct Entry {
    /// Where the key stands.
    pub key: Place,
    pub node: Node,
}

impl Value {
    /// What it is, in words that follow "is".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Boolean(_) => "a boolean",
            Self::Date => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Reads one file.
pub(super) fn parse(index: usize, source: &Source) -> Result<Table, Vec<Complaint>> {
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    if errors.is_empty() {
        return Ok(table(index, document.into_inner()));
    }
    let mut complaints: Vec<Complaint> = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or_default();
        let spot = Some(Spot::of(&source.text, span.start, span.end));
        let message = error.message().replace('\n', " ");
        let (problem, expected) = message.split_once(", expected ").unwrap_or((&message, ""));
        let problem = format!("not TOML: {problem}");
        let complaint = Complaint { spot, ..Complaint::of_file(&source.path, problem, expected) };
        let line = |complaint: &Complaint| complaint.spot.as_ref().map(|spot| spot.line);
        if complaints.len() < MAX_SYNTAX_ERRORS
            && complaints.iter().all(|other| line(other) != line(&complaint))
        {
            complaints.push(complaint);
        }
    }
    Err(complaints)
}

fn table(source: usize, from: DeTable<'_>) -> Table {
    let place = |span: std::ops::Range<usize>| Place { source, start: span.start, end: span.end };
    from.into_iter()
        .map(|(key, value)| {
            let entry = Entry {
                key: place(key.span()),
                node: Node { at: place(value.span()), value: self::value(source, value.into_inner()) },
            };
            (key.into_inner().into_owned(), entry)
        })
        .collect()
}

fn value(source: usize, from: DeValue<'_>) -> Value {
    match from {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => {
            let most = if number.as_str().starts_with('-') { i128::MIN } else { i128::MAX };
            Value::Integer(i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(most))
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Boolean(flag),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(list) => Value::List(
            list.into_iter()
                .map(|item| {
                    let span = item.span();
                    let at = Place { source, start: span.start, end: span.end };
                    Node { at, value: value(source, item.into_inner()) }
                })
                .collect(),
        ),
        DeValue::Table(inner) => Value::Table(table(source, inner)),
    }
}

/// A key that two files set: its path, where it was first, where again.
pub(super) struct SetTwice {
    pub path: Vec<String>,
    pub first: Place,
    pub again: Place,
}

/// Adds the keys of another file. Tables grow together, but what `whole` says is one thing stands in one file.
pub(super) fn merge(into: &mut Table, from: Table, whole: &dyn Fn(&[String]) -> bool) -> Vec<SetTwice> {
    let mut twice = Vec::new();
    merge_at(&mut Vec::new(), into, from, whole, &mut twice);
    twice
}

fn merge_at(
    path: &mut Vec<String>,
    into: &mut Table,
    from: Table,
    whole: &dyn Fn(&[String]) -> bool,
    twice: &mut Vec<SetTwice>,
) {
    for (key, entry) in from {
        path.push(key.clone());
        match into.entry(key) {
            btree_map::Entry::Vacant(free) => {
                free.insert(entry);
            }
            btree_map::Entry::Occupied(mut taken) => {
                let (first, again) = (taken.get().key, entry.key);
                match (&mut taken.get_mut().node.value, entry.node.value) {
                    (Value::Table(old), Value::Table(new)) if !whole(path) => {
                        merge_at(path, old, new, whole, twice);
                    }
                    _ => twice.push(SetTwice { path: path.clone(), first, again }),
                }
            }
        }
        path.pop();
    }
}
