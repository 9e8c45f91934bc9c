//! Reads the keys of one table, each once, and gathers everything that is wrong instead of stopping at the first. A key is
//! known because it is asked for.

use crate::complaint::{Complaint, Spot};
use crate::nearest::nearest;
use crate::tree::{Entry, Node, Place, Table, Value};
use std::cell::RefCell;

/// What is wrong with a value, what was expected, and what may have been meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub problem: String,
    pub expected: String,
    pub note: Option<String>,
}

impl Wrong {
    pub fn new(problem: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { problem: problem.into(), expected: expected.into(), note: None }
    }

    pub fn kind(value: &Value, expected: &str) -> Self {
        Self::new(format!("is {}", value.kind()), expected)
    }

    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    /// With the nearest of the known words, if one is near.
    pub fn meant<'a>(self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(word, known) {
            Some(likely) => self.note(format!("did you mean `{likely}`?")),
            None => self,
        }
    }
}

/// What is wrong with a file, as far as it was read.
pub(crate) struct Findings<'t> {
    file: &'t str,
    text: &'t str,
    errors: RefCell<Vec<(Place, Complaint)>>,
}

impl<'t> Findings<'t> {
    pub fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text, errors: RefCell::default() }
    }

    pub fn error(&self, at: Place, key: &str, wrong: Wrong) {
        let complaint = Complaint {
            file: self.file.to_owned(),
            spot: Some(Spot::of(self.text, at.start, at.end)),
            key: key.to_owned(),
            problem: wrong.problem,
            expected: wrong.expected,
            notes: wrong.note.into_iter().collect(),
        };
        self.errors.borrow_mut().push((at, complaint));
    }

    pub fn is_empty(&self) -> bool {
        self.errors.borrow().is_empty()
    }

    pub fn line(&self, at: Place) -> usize {
        Spot::of(self.text, at.start, at.end).line
    }

    /// In the order of the file.
    pub fn into_complaints(self) -> Vec<Complaint> {
        let mut errors = self.errors.into_inner();
        errors.sort_by_key(|(at, _)| *at);
        errors.into_iter().map(|(_, complaint)| complaint).collect()
    }
}

/// One table that is being read.
pub(crate) struct Section<'t> {
    table: &'t Table,
    /// Where the table is named.
    pub at: Place,
    pub path: String,
    asked: Vec<&'static str>,
    pub findings: &'t Findings<'t>,
}

/// A key as it is written in TOML, behind its table's.
pub(crate) fn joined(path: &str, key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let key = if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

impl<'t> Section<'t> {
    pub fn new(table: &'t Table, at: Place, path: String, findings: &'t Findings<'t>) -> Self {
        Self { table, at, path, asked: Vec::new(), findings }
    }

    pub fn entry(&mut self, key: &'static str) -> Option<&'t Entry> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.table.get(key)
    }

    /// Whether something stands under a key, right or wrong.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where the value of a key stands.
    pub fn place(&self, key: &str) -> Option<Place> {
        self.table.get(key).map(|entry| entry.node.at)
    }

    /// Reads a key by `read`; `None` where it is absent or wrong.
    pub fn read<T>(&mut self, key: &'static str, read: impl FnOnce(&Node) -> Result<T, Wrong>) -> Option<T> {
        let entry = self.entry(key)?;
        let path = joined(&self.path, key);
        read(&entry.node).map_err(|wrong| self.findings.error(entry.node.at, &path, wrong)).ok()
    }

    /// The same; says so where it is missing.
    pub fn need<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&Node) -> Result<T, Wrong>,
    ) -> Option<T> {
        if !self.table.contains_key(key) {
            let wrong = Wrong::new(format!("`{key}` is missing"), expected);
            self.findings.error(self.at, &self.path, wrong);
        }
        self.read(key, read)
    }

    /// Reads a list, each item by `read`; one that stands alone is a list of one.
    pub fn list<T>(&mut self, key: &'static str, read: impl Fn(&Node) -> Result<T, Wrong>) -> Option<Vec<T>> {
        let entry = self.entry(key)?;
        let path = joined(&self.path, key);
        let items = match &entry.node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(&entry.node),
        };
        let read = items.iter().enumerate().map(|(index, item)| {
            let path = if items.len() == 1 { path.clone() } else { format!("{path}[{index}]") };
            read(item).map_err(|wrong| self.findings.error(item.at, &path, wrong)).ok()
        });
        // All of them, so that each that is wrong is told.
        read.collect::<Vec<_>>().into_iter().collect()
    }

    /// The tables within the table `key`, by the names people gave them, in the order of the file.
    pub fn named(&mut self, key: &'static str) -> Vec<(&'t str, Section<'t>)> {
        let (path, findings) = (joined(&self.path, key), self.findings);
        let tables = self.free(key).into_iter().filter_map(|(name, entry)| {
            let path = joined(&path, name);
            match Section::of(entry, path, findings) {
                Ok(section) => Some((name, section)),
                Err((path, wrong)) => {
                    findings.error(entry.node.at, &path, wrong);
                    None
                }
            }
        });
        tables.collect()
    }

    /// The keys of the table `key`, in which people choose them, in the order of the file.
    pub fn free(&mut self, key: &'static str) -> Vec<(&'t str, &'t Entry)> {
        let Some(entry) = self.entry(key) else { return Vec::new() };
        let Value::Table(table) = &entry.node.value else {
            let path = joined(&self.path, key);
            let wrong = Wrong::kind(&entry.node.value, &format!("a table: [{path}.NAME]"));
            self.findings.error(entry.node.at, &path, wrong);
            return Vec::new();
        };
        let mut entries: Vec<_> = table.iter().map(|(name, entry)| (name.as_str(), entry)).collect();
        entries.sort_by_key(|(_, entry)| entry.key);
        entries
    }

    /// The section of an entry.
    pub fn of(entry: &'t Entry, path: String, findings: &'t Findings<'t>) -> Result<Self, (String, Wrong)> {
        match &entry.node.value {
            Value::Table(table) => Ok(Self::new(table, entry.key, path, findings)),
            other => Err((path, Wrong::kind(other, "a table"))),
        }
    }

    /// A table within this one; an empty one where there is none.
    pub fn inner(&mut self, key: &'static str) -> Section<'t> {
        static EMPTY: Table = Table::new();
        let path = joined(&self.path, key);
        let found = self.entry(key).and_then(|entry| {
            Section::of(entry, path.clone(), self.findings)
                .map_err(|(path, wrong)| self.findings.error(entry.node.at, &path, wrong))
                .ok()
        });
        found.unwrap_or_else(|| Section::new(&EMPTY, self.at, path, self.findings))
    }

    /// Says which keys nobody asked for.
    pub fn finish(self) {
        for (key, entry) in self.table.iter().filter(|(key, _)| !self.asked.contains(&key.as_str())) {
            let wrong = Wrong::new("unknown key", format!("one of {}", self.asked.join(", ")))
                .meant(key, self.asked.iter().copied());
            self.findings.error(entry.key, &joined(&self.path, key), wrong);
        }
    }
}

/// The text of a value.
pub(crate) fn text(node: &Node, expected: &str) -> Result<String, Wrong> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        other => Err(Wrong::kind(other, expected)),
    }
}

/// A finite number other than 0.
#[expect(clippy::cast_precision_loss, reason = "factors are small")]
pub(crate) fn factor(node: &Node) -> Result<f64, Wrong> {
    let expected = "a number other than 0, as 0.01 or 1024";
    let number = match &node.value {
        Value::Integer(number) => *number as f64,
        Value::Float(number) => *number,
        other => return Err(Wrong::kind(other, expected)),
    };
    if number.is_finite() && number != 0.0 {
        Ok(number)
    } else {
        Err(Wrong::new(format!("is {number}"), expected))
    }
}

/// A whole number.
pub(crate) fn code(node: &Node) -> Result<i64, Wrong> {
    let expected = "a whole number";
    match &node.value {
        Value::Integer(number) => {
            i64::try_from(*number).map_err(|_| Wrong::new(format!("{number} is out of bounds"), expected))
        }
        other => Err(Wrong::kind(other, expected)),
    }
}

/// A small whole number.
pub(crate) fn whole(node: &Node) -> Result<i32, Wrong> {
    let number = code(node)?;
    i32::try_from(number)
        .map_err(|_| Wrong::new(format!("{number} is out of bounds"), "a small whole number"))
}
