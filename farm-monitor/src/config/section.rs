//! Reads the keys of one table, each once, and gathers everything that is wrong instead of stopping at the first.
//!
//! A key is known because it is asked for: so the list of known keys (for "did you mean", and for the test that compares
//! it to the reference) can never differ from what is read.

use super::findings::{Findings, KeyPath, Wrong};
use super::nearest::nearest;
use super::tree::{Entry, Node, Place, Table, Value};
use hedgerow_model::duration;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Got<T> {
    /// It is not there.
    Absent,
    /// It is wrong; that was said already.
    Bad,
    /// It is there.
    Is(T, Place),
}

impl<T> Got<T> {
    pub fn ok(self) -> Option<T> {
        match self {
            Self::Is(value, _) => Some(value),
            Self::Absent | Self::Bad => None,
        }
    }

    pub fn or(self, default: T) -> T {
        self.ok().unwrap_or(default)
    }

    /// The value, or the default where nothing is written; `None` when it is wrong.
    pub fn judged(&self, default: T) -> Option<T>
    where
        T: Clone,
    {
        match self {
            Self::Is(value, _) => Some(value.clone()),
            Self::Absent => Some(default),
            Self::Bad => None,
        }
    }
}

/// One table that is being read.
pub(super) struct Section<'t> {
    table: &'t Table,
    /// Where the table is named.
    pub at: Place,
    pub path: KeyPath,
    asked: Vec<&'static str>,
    pub findings: &'t Findings<'t>,
}

impl<'t> Section<'t> {
    pub fn new(table: &'t Table, at: Place, path: KeyPath, findings: &'t Findings<'t>) -> Self {
        Self { table, at, path, asked: Vec::new(), findings }
    }

    pub fn entry(&mut self, key: &'static str) -> Option<&'t Entry> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.findings.asked_for(&self.path.child(key));
        self.table.get(key)
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
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match read(item) {
                Ok(value) => list.push(value),
                Err(wrong) => self.findings.error(item.at, &path.item(index), wrong),
            }
        }
        if list.len() == items.len() { Got::Is(list, entry.node.at) } else { Got::Bad }
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

    /// The tables within the table `key`, by the names people gave them.
    pub fn named(&mut self, key: &'static str) -> Vec<(String, Section<'t>)> {
        let inner = self.inner_as(key, ".NAME");
        self.findings.asked_for(&inner.path.named(""));
        let sections = inner.table.iter().filter_map(|(name, entry)| {
            Some((name.clone(), Section::of(entry, inner.path.named(name), "", self.findings)?))
        });
        sections.collect()
    }

    /// All keys of a table in which people choose them.
    pub fn free(&self) -> impl Iterator<Item = (&'t str, &'t Entry, KeyPath)> + use<'t> {
        let path = self.path.clone();
        self.findings.asked_for(&path.named(""));
        self.table.iter().map(move |(key, entry)| (key.as_str(), entry, path.named(key)))
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

    /// Says which keys nobody asked for. `known_as` may know what else such a key could be.
    pub fn finish(self, known_as: impl Fn(&str) -> Option<String>) {
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
                None => {
                    wrong.meant(nearest(key, self.asked.iter().copied()).map(|likely| format!("`{likely}`")))
                }
            };
            self.findings.error(entry.key, &self.path.child(key), wrong);
        }
    }

    /// The keys asked for so far.
    pub fn asked(&self) -> &[&'static str] {
        &self.asked
    }
}

impl Section<'_> {
    pub fn text(&mut self, key: &'static str, expected: &str) -> Got<String> {
        self.read(key, |node| text(node, expected))
    }

    pub fn count(&mut self, key: &'static str, bounds: RangeInclusive<usize>) -> Got<usize> {
        self.read(key, |node| count(node, &bounds))
    }

    pub fn duration(&mut self, key: &'static str, bounds: RangeInclusive<Duration>) -> Got<Duration> {
        self.read(key, |node| {
            let expected = "a duration in quotes, as \"500ms\", \"30s\", \"1h30m\" or \"2d\"";
            let text = match &node.value {
                Value::Integer(number) => {
                    let likely = Some(format!("\"{number}s\"")).filter(|_| *number >= 0);
                    return Err(Wrong::new("is a number without a unit", expected).meant(likely));
                }
                _ => text(node, expected)?,
            };
            let read = duration::parse(&text)
                .map_err(|said| Wrong { expected: expected.to_owned(), ..Wrong::said(&said) })?;
            if bounds.contains(&read) {
                return Ok(read);
            }
            let (least, most) = (duration::print(*bounds.start()), duration::print(*bounds.end()));
            let long = read > *bounds.end();
            let (what, limit) = if long { ("long", "at most") } else { ("short", "at least") };
            Err(Wrong::new(
                format!("`{text}` is too {what}"),
                format!("{limit} {}", if long { most } else { least }),
            ))
        })
    }

    pub fn size(&mut self, key: &'static str, bounds: RangeInclusive<u64>) -> Got<u64> {
        self.read(key, |node| {
            let expected = "a size in quotes, as \"64KiB\", \"2GiB\" or \"10GB\"";
            let text = match &node.value {
                Value::Integer(number) => {
                    let likely = Some(format!("\"{number}B\"")).filter(|_| *number >= 0);
                    return Err(Wrong::new("is a number without a unit", expected).meant(likely));
                }
                _ => text(node, expected)?,
            };
            let read = duration::parse_size(&text)
                .map_err(|said| Wrong { expected: expected.to_owned(), ..Wrong::said(&said) })?;
            if bounds.contains(&read) {
                return Ok(read);
            }
            let (what, limit, bound) = if read > *bounds.end() {
                ("large", "at most", *bounds.end())
            } else {
                ("small", "at least", *bounds.start())
            };
            Err(Wrong::new(format!("`{text}` is too {what}"), format!("{limit} {}", print_size(bound))))
        })
    }
}

/// The text of a value.
pub(super) fn text(node: &Node, expected: &str) -> Result<String, Wrong> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        other => Err(Wrong::kind(other, expected)),
    }
}

/// A number of things.
pub(super) fn count(node: &Node, bounds: &RangeInclusive<usize>) -> Result<usize, Wrong> {
    let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
    match &node.value {
        Value::Integer(number) => {
            let read = usize::try_from(*number).ok().filter(|read| bounds.contains(read));
            read.ok_or_else(|| Wrong::new(format!("{number} is out of bounds"), expected))
        }
        Value::Float(number) => Err(Wrong::new(format!("{number} is not a whole number"), expected)),
        other => Err(Wrong::kind(other, &expected)),
    }
}

/// A size as it is read back.
pub(super) fn print_size(bytes: u64) -> String {
    let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{bytes}B"), |(unit, name)| format!("{}{name}", bytes / unit))
}
