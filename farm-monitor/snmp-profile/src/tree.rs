//! A file of TOML as a tree in which every key and value knows its place. Knows TOML, not what the keys mean.

use crate::complaint::{Complaint, Spot};
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// Most syntax errors told of one file: further ones mostly follow from the first.
const MAX_SYNTAX_ERRORS: usize = 3;

/// Where something stands: which bytes of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Place {
    pub start: usize,
    pub end: usize,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub at: Place,
    pub value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    Text(String),
    /// Saturated; no key takes as much.
    Integer(i128),
    Float(f64),
    Boolean,
    Date,
    List(Vec<Node>),
    Table(Table),
}

/// The keys of a table.
pub(crate) type Table = BTreeMap<String, Entry>;

#[derive(Debug)]
pub(crate) struct Entry {
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
            Self::Boolean => "a boolean",
            Self::Date => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Reads a file.
pub(crate) fn parse(file: &str, text: &str) -> Result<Table, Vec<Complaint>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(table(document.into_inner()));
    }
    let mut complaints: Vec<Complaint> = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or_default();
        let spot = Spot::of(text, span.start, span.end);
        let message = error.message().replace('\n', " ");
        let (problem, expected) = message.split_once(", expected ").unwrap_or((&message, ""));
        if complaints.len() < MAX_SYNTAX_ERRORS
            && complaints.iter().all(|other| other.spot.as_ref().map(|spot| spot.line) != Some(spot.line))
        {
            complaints.push(Complaint {
                file: file.to_owned(),
                spot: Some(spot),
                key: String::new(),
                problem: format!("not TOML: {problem}"),
                expected: expected.to_owned(),
                notes: Vec::new(),
            });
        }
    }
    Err(complaints)
}

fn place(span: std::ops::Range<usize>) -> Place {
    Place { start: span.start, end: span.end }
}

fn table(from: DeTable<'_>) -> Table {
    from.into_iter()
        .map(|(key, value)| {
            let node = Node { at: place(value.span()), value: self::value(value.into_inner()) };
            let at = place(key.span());
            (key.into_inner().into_owned(), Entry { key: at, node })
        })
        .collect()
}

fn value(from: DeValue<'_>) -> Value {
    match from {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => {
            let most = if number.as_str().starts_with('-') { i128::MIN } else { i128::MAX };
            Value::Integer(i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(most))
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(_) => Value::Boolean,
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(list) => Value::List(
            list.into_iter()
                .map(|item| Node { at: place(item.span()), value: value(item.into_inner()) })
                .collect(),
        ),
        DeValue::Table(inner) => Value::Table(table(inner)),
    }
}
