//! Files of TOML as one tree in which every key and value knows its place. Knows TOML, not what the keys mean.

use crate::complaint::{Complaint, Spot};
use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::Range;
use std::path::PathBuf;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Most syntax errors told of one file: further ones mostly follow from the first.
const MAX_SYNTAX_ERRORS: usize = 3;

/// A file that was read.
#[derive(Debug)]
pub struct Source {
    /// As complaints name it.
    pub path: PathBuf,
    /// Its content.
    pub text: String,
    /// Keys (or how they end) whose values are never shown.
    pub secrets: &'static [&'static str],
}

impl Source {
    /// Where a place is for people.
    pub fn spot(&self, at: Place) -> Spot {
        Spot::of(&self.text, at.start, at.end, self.secrets)
    }

    /// A whole line, counted from 1.
    pub fn line(&self, line: usize) -> Spot {
        Spot::of_line(&self.text, line, self.secrets)
    }
}

/// Where something stands: which source, which bytes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// Which file, counted from 0.
    pub source: usize,
    /// Its first byte.
    pub start: usize,
    /// The byte behind it.
    pub end: usize,
}

/// A value, and where it stands.
#[derive(Debug)]
pub struct Node {
    /// Where.
    pub at: Place,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Debug)]
pub enum Value {
    /// Text in quotes.
    Text(String),
    /// Saturated; no key takes as much.
    Integer(i128),
    /// A number with a point, or none at all.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A date or a time; no key takes one.
    Date,
    /// A list, also of tables.
    List(Vec<Node>),
    /// A table, however it is written.
    Table(Table),
}

/// The keys of a table.
pub type Table = BTreeMap<String, Entry>;

/// What stands under a key.
#[derive(Debug)]
pub struct Entry {
    /// Where the key stands.
    pub key: Place,
    /// The value.
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

/// Reads one file; `index` is its number among all that are read.
///
/// # Errors
/// The first of its mistakes, one a line.
pub fn parse(index: usize, source: &Source) -> Result<Table, Vec<Complaint>> {
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    if errors.is_empty() {
        return Ok(table(index, document.into_inner()));
    }
    let mut complaints: Vec<Complaint> = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or_default();
        let spot = source.spot(place(index, span));
        let told = |other: &Complaint| other.spot.as_ref().is_some_and(|other| other.line == spot.line);
        if complaints.len() == MAX_SYNTAX_ERRORS || complaints.iter().any(told) {
            continue;
        }
        let message = error.message().replace('\n', " ");
        let (problem, expected) = message.split_once(", expected ").unwrap_or((&message, ""));
        let complaint = Complaint::of_file(&source.path, format!("not TOML: {problem}"), expected);
        complaints.push(Complaint { spot: Some(spot), ..complaint });
    }
    Err(complaints)
}

fn table(source: usize, from: DeTable<'_>) -> Table {
    from.into_iter()
        .map(|(key, value)| {
            let entry = Entry { key: place(source, key.span()), node: node(source, value) };
            (key.into_inner().into_owned(), entry)
        })
        .collect()
}

fn place(source: usize, span: Range<usize>) -> Place {
    Place { source, start: span.start, end: span.end }
}

fn node(source: usize, from: Spanned<DeValue<'_>>) -> Node {
    Node { at: place(source, from.span()), value: value(source, from.into_inner()) }
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
        DeValue::Array(list) => Value::List(list.into_iter().map(|item| node(source, item)).collect()),
        DeValue::Table(inner) => Value::Table(table(source, inner)),
    }
}

/// A key that two files set.
#[derive(Debug)]
pub struct SetTwice {
    /// Its path.
    pub path: Vec<String>,
    /// Where it was first.
    pub first: Place,
    /// Where again.
    pub again: Place,
}

/// Adds the keys of another file. Tables grow together, but what `whole` says is one thing stands in one file.
pub fn merge(into: &mut Table, from: Table, whole: &dyn Fn(&[String]) -> bool) -> Vec<SetTwice> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { path: "f.toml".into(), text: text.to_owned(), secrets: &[] }
    }

    #[test]
    fn tables_of_two_files_grow_together_and_values_do_not() {
        let texts = ["a.x = 1\n[one.n]\nx = 1\n", "a.y = 2\n[one.n]\ny = 2\n[a.z]\n"].map(source);
        let [mut root, more] = [0, 1].map(|index| parse(index, &texts[index]).unwrap());
        let twice = merge(&mut root, more, &|path| path.len() == 2 && path[0] == "one");
        let Value::Table(a) = &root["a"].node.value else { panic!("{root:?}") };
        assert_eq!(a.keys().collect::<Vec<_>>(), ["x", "y", "z"]);
        let [twice] = twice.as_slice() else { panic!("{twice:?}") };
        assert_eq!((twice.path.join("."), twice.first.source, twice.again.source), ("one.n".into(), 0, 1));
    }

    #[test]
    fn few_mistakes_are_told_of_a_file_that_is_no_toml() {
        let complaints = parse(0, &source(&"= 1\n".repeat(10))).unwrap_err();
        assert_eq!(complaints.len(), MAX_SYNTAX_ERRORS);
        assert!(complaints.iter().all(|told| told.problem.starts_with("not TOML: ")), "{complaints:?}");
    }

    #[test]
    fn a_number_of_any_length_is_read() {
        let root = parse(0, &source(&format!("a = {}\nb = 0xff\n", "9".repeat(60))));
        let root = root.unwrap_or_else(|complaints| panic!("{}", complaints[0]));
        assert!(matches!(root["a"].node.value, Value::Integer(i128::MAX)));
        assert!(matches!(root["b"].node.value, Value::Integer(255)));
    }
}
