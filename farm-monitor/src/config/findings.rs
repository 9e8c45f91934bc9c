//! What is found while a configuration is read: what is wrong, what looks wrong, which keys were asked for, which files
//! belong to it. Decides nothing.

use super::complaint::{Complaint, Spot};
use super::read::read_file;
use super::tree::{Place, Source, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The path of a key, as it is in the file, and with `NAME` for what people choose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeyPath {
    shown: String,
    general: String,
}

impl KeyPath {
    pub fn child(&self, key: &str) -> Self {
        Self { shown: joined(&self.shown, &quoted(key)), general: joined(&self.general, key) }
    }

    /// A child whose name people choose.
    pub fn named(&self, key: &str) -> Self {
        Self { shown: joined(&self.shown, &quoted(key)), general: joined(&self.general, "NAME") }
    }

    /// The item of a list, counted from 0 as everywhere in TOML's world.
    pub fn item(&self, index: usize) -> Self {
        Self { shown: format!("{}[{index}]", self.shown), general: format!("{}[]", self.general) }
    }

    pub fn shown(&self) -> &str {
        &self.shown
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A key as it is written in TOML.
pub(super) fn quoted(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { format!("{key:?}") }
}

/// What was found while reading.
#[derive(Default)]
pub(super) struct Findings<'s> {
    sources: &'s [Source],
    errors: RefCell<Vec<(Place, Complaint)>>,
    warnings: RefCell<Vec<(Place, Complaint)>>,
    known: RefCell<BTreeSet<String>>,
    files: RefCell<BTreeSet<PathBuf>>,
}

impl<'s> Findings<'s> {
    pub fn new(sources: &'s [Source]) -> Self {
        Self { sources, ..Self::default() }
    }

    /// A complaint about what stands at `at`.
    pub fn about(&self, at: Place, path: &KeyPath, wrong: Wrong) -> Complaint {
        let source = self.sources.get(at.source);
        Complaint {
            file: source.map(|source| source.path.clone()).unwrap_or_default(),
            spot: source.map(|source| Spot::of(&source.text, at.start, at.end)),
            key: path.shown.clone(),
            problem: wrong.problem,
            expected: wrong.expected,
            notes: wrong.note.into_iter().collect(),
        }
    }

    pub fn error(&self, at: Place, path: &KeyPath, wrong: Wrong) {
        self.refuse(at, self.about(at, path, wrong));
    }

    pub fn refuse(&self, at: Place, complaint: Complaint) {
        self.errors.borrow_mut().push((at, complaint));
    }

    pub fn warn(&self, at: Place, path: &KeyPath, wrong: Wrong) {
        self.warnings.borrow_mut().push((at, self.about(at, path, wrong)));
    }

    /// `file:line` of a place.
    pub fn place(&self, at: Place) -> String {
        self.sources.get(at.source).map_or_else(String::new, |source| {
            let line = Spot::of(&source.text, at.start, at.end).line;
            format!("{}:{line}", source.path.display())
        })
    }

    /// The content of another file, at most so many bytes. The file is noted, even if it is not there.
    pub fn file(&self, path: &Path, most: u64) -> Result<String, String> {
        self.files.borrow_mut().insert(path.to_owned());
        read_file(path, most)
    }

    /// The files asked for so far.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        self.files.borrow().clone()
    }

    /// The folder of the file in which something stands.
    pub fn folder(&self, at: Place) -> &Path {
        self.sources.get(at.source).and_then(|source| source.path.parent()).unwrap_or(Path::new("."))
    }

    /// The errors, or else the warnings; both in the order of the files.
    pub fn into_result(self) -> Result<Vec<Complaint>, Vec<Complaint>> {
        let sorted = |mut list: Vec<(Place, Complaint)>| {
            list.sort_by_key(|(at, _)| *at);
            list.into_iter().map(|(_, complaint)| complaint).collect::<Vec<_>>()
        };
        let errors = sorted(self.errors.into_inner());
        if errors.is_empty() { Ok(sorted(self.warnings.into_inner())) } else { Err(errors) }
    }

    /// Notes a key as known.
    pub fn asked_for(&self, key: &KeyPath) {
        self.known.borrow_mut().insert(key.general.clone());
    }

    /// All keys that were asked for, with `NAME` for what people choose.
    pub fn into_known(self) -> BTreeSet<String> {
        self.known.into_inner()
    }
}

/// What is wrong with a value, what was expected, and what may have been meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub problem: String,
    pub expected: String,
    pub note: Option<String>,
}

impl Wrong {
    pub fn new(problem: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { problem: problem.into(), expected: expected.into(), note: None }
    }

    /// Splits what other parsers say as "problem: expected …".
    pub fn said(text: &str) -> Self {
        let (problem, expected) = text.split_once(": expected ").unwrap_or((text, ""));
        Self::new(problem, expected)
    }

    pub fn kind(value: &Value, expected: &str) -> Self {
        Self::new(format!("is {}", value.kind()), expected)
    }

    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    pub fn meant(self, likely: Option<String>) -> Self {
        match likely {
            Some(likely) => self.note(format!("did you mean {likely}?")),
            None => self,
        }
    }
}
