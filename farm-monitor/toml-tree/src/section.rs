//! Reads the keys of one table, each once, and gathers everything that is wrong instead of stopping at the first.
//!
//! A key is known because it is asked for: so the list of known keys (for "did you mean", and for the test that compares
//! it to the reference) can never differ from what is read.

use crate::findings::{Findings, Wrong};
use crate::path::KeyPath;
use crate::tree::{Entry, Node, Place, Table, Value};

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got<T> {
    /// It is not there.
    Absent,
    /// It is wrong; that was said already.
    Bad,
    /// It is there.
    Is(T, Place),
}

impl<T> Got<T> {
    /// The value, if it is right.
    pub fn ok(self) -> Option<T> {
        match self {
            Self::Is(value, _) => Some(value),
            Self::Absent | Self::Bad => None,
        }
    }

    /// The value, or the default where it is not there or wrong.
    pub fn or(self, default: T) -> T {
        self.ok().unwrap_or(default)
    }

    /// The value, or the default where nothing is written; `None` when it is wrong.
    pub fn judged(self, default: T) -> Option<T> {
        match self {
            Self::Is(value, _) => Some(value),
            Self::Absent => Some(default),
            Self::Bad => None,
        }
    }
}

/// One table that is being read.
pub struct Section<'t> {
    table: &'t Table,
    /// Where the table is named.
    pub at: Place,
    /// Its path.
    pub path: KeyPath,
    asked: Vec<&'static str>,
    /// Where complaints go.
    pub findings: &'t Findings<'t>,
}

impl<'t> Section<'t> {
    /// Begins to read a table.
    pub fn new(table: &'t Table, at: Place, path: KeyPath, findings: &'t Findings<'t>) -> Self {
        Self { table, at, path, asked: Vec::new(), findings }
    }

    /// What stands under a key.
    pub fn entry(&mut self, key: &'static str) -> Option<&'t Entry> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.findings.asked_for(&self.path.child(key));
        self.table.get(key)
    }

    /// Where the value of a key stands, right or wrong.
    pub fn place(&self, key: &str) -> Option<Place> {
        self.table.get(key).map(|entry| entry.node.at)
    }

    /// Reads a key by `read`.
    pub fn read<T>(&mut self, key: &'static str, read: impl FnOnce(&Node) -> Result<T, Wrong>) -> Got<T> {
        let Some(entry) = self.entry(key) else { return Got::Absent };
        match read(&entry.node) {
            Ok(value) => Got::Is(value, entry.node.at),
            Err(wrong) => {
                self.findings.error(entry.node.at, &self.path.child(key), wrong);
                Got::Bad
            }
        }
    }

    /// The same; says so where it is missing.
    pub fn need<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&Node) -> Result<T, Wrong>,
    ) -> Option<T> {
        if self.place(key).is_none() {
            self.missing(key, expected);
        }
        self.read(key, read).ok()
    }

    /// Reads a list, each item by `read`; every item that is wrong is told.
    pub fn list<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl Fn(&Node) -> Result<T, Wrong>,
    ) -> Got<Vec<T>> {
        let Some(entry) = self.entry(key) else { return Got::Absent };
        let path = self.path.child(key);
        let Value::List(items) = &entry.node.value else {
            self.findings.error(entry.node.at, &path, Wrong::kind(&entry.node.value, expected));
            return Got::Bad;
        };
        self.items(items, |index| path.item(index), read)
            .map_or(Got::Bad, |list| Got::Is(list, entry.node.at))
    }

    /// The same, where one that stands alone is a list of one.
    pub fn one_or_more<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&Node) -> Result<T, Wrong>,
    ) -> Got<Vec<T>> {
        let Some(entry) = self.entry(key) else { return Got::Absent };
        let path = self.path.child(key);
        let list = match &entry.node.value {
            Value::List(items) if items.len() != 1 => self.items(items, |index| path.item(index), read),
            Value::List(items) => self.items(items, |_| path.clone(), read),
            _ => self.items(std::slice::from_ref(&entry.node), |_| path.clone(), read),
        };
        list.map_or(Got::Bad, |list| Got::Is(list, entry.node.at))
    }

    fn items<T>(
        &self,
        items: &[Node],
        path: impl Fn(usize) -> KeyPath,
        read: impl Fn(&Node) -> Result<T, Wrong>,
    ) -> Option<Vec<T>> {
        let read = items.iter().enumerate().map(|(index, item)| {
            read(item).map_err(|wrong| self.findings.error(item.at, &path(index), wrong)).ok()
        });
        // All of them, so that each that is wrong is told.
        read.collect::<Vec<_>>().into_iter().collect()
    }

    /// A table within this one, empty where there is none.
    pub fn inner(&mut self, key: &'static str) -> Section<'t> {
        self.inner_as(key, "")
    }

    fn inner_as(&mut self, key: &'static str, below: &str) -> Section<'t> {
        static EMPTY: Table = Table::new();
        let path = self.path.child(key);
        let found = self.entry(key).and_then(|entry| Section::of(entry, path.clone(), below, self.findings));
        found.unwrap_or_else(|| Section::new(&EMPTY, self.at, path, self.findings))
    }

    /// The tables within the table `key`, by the names people gave them, in the order of the files.
    pub fn named(&mut self, key: &'static str) -> Vec<(&'t str, Section<'t>)> {
        let entries = self.inner_as(key, ".NAME").free();
        let sections = entries
            .into_iter()
            .filter_map(|(name, entry, path)| Some((name, Section::of(entry, path, "", self.findings)?)));
        sections.collect()
    }

    /// All keys of a table in which people choose them, in the order of the files.
    pub fn free(&self) -> Vec<(&'t str, &'t Entry, KeyPath)> {
        self.findings.asked_for(&self.path.named(""));
        let entries = self.table.iter().map(|(key, entry)| (key.as_str(), entry, self.path.named(key)));
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by_key(|(_, entry, _)| entry.key);
        entries
    }

    /// The section of an entry; says so where it is no table.
    fn of(entry: &'t Entry, path: KeyPath, below: &str, findings: &'t Findings<'t>) -> Option<Self> {
        if let Value::Table(table) = &entry.node.value {
            return Some(Self::new(table, entry.key, path, findings));
        }
        let expected = format!("a table: [{}{below}]", path.shown());
        findings.error(entry.key, &path, Wrong::kind(&entry.node.value, &expected));
        None
    }

    /// Says that a key is missing.
    pub fn missing(&self, key: &str, expected: &str) {
        self.findings.error(self.at, &self.path, Wrong::new(format!("`{key}` is missing"), expected));
    }

    /// Says which keys nobody asked for.
    pub fn finish(self) {
        self.finish_with(|_| None);
    }

    /// The same; `known_as` may know what else such a key could be.
    pub fn finish_with(self, known_as: impl Fn(&str) -> Option<String>) {
        for (key, entry) in self.table.iter().filter(|(key, _)| !self.asked.contains(&key.as_str())) {
            let expected = if self.asked.len() == 1 {
                format!("`{}`", self.asked.concat())
            } else {
                format!("one of {}", self.asked.join(", "))
            };
            let section = self.path == KeyPath::default() && matches!(entry.node.value, Value::Table(_));
            let what = if section { "section" } else { "key" };
            let wrong = Wrong::new(format!("unknown {what}"), expected);
            let wrong = match known_as(key) {
                Some(note) => wrong.note(note),
                None => wrong.near(key, self.asked.iter().copied()),
            };
            self.findings.error(entry.key, &self.path.child(key), wrong);
        }
    }

    /// The keys asked for so far.
    pub fn asked(&self) -> &[&'static str] {
        &self.asked
    }
}

#[cfg(test)]
mod tests;
