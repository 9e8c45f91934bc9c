//! What is found while files are read: what is wrong, what looks wrong, which keys were asked for, which other files belong
//! to them. Decides nothing.

use crate::complaint::Complaint;
use crate::nearest::nearest;
use crate::path::KeyPath;
use crate::tree::{Place, Source, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What was found while reading.
#[derive(Default)]
pub struct Findings<'s> {
    sources: &'s [Source],
    errors: RefCell<Vec<(Place, Complaint)>>,
    warnings: RefCell<Vec<(Place, Complaint)>>,
    known: RefCell<BTreeSet<String>>,
    files: RefCell<BTreeSet<PathBuf>>,
}

impl<'s> Findings<'s> {
    /// Nothing yet. Places are places in these.
    pub fn new(sources: &'s [Source]) -> Self {
        Self { sources, ..Self::default() }
    }

    /// A complaint about what stands at `at`.
    fn about(&self, at: Place, path: &KeyPath, wrong: Wrong) -> Complaint {
        let source = self.sources.get(at.source);
        Complaint {
            file: source.map(|source| source.path.clone()).unwrap_or_default(),
            spot: source.map(|source| source.spot(at)),
            key: path.shown().to_owned(),
            problem: wrong.problem,
            expected: wrong.expected,
            notes: wrong.note.into_iter().collect(),
        }
    }

    /// What stands at `at` is wrong.
    pub fn error(&self, at: Place, path: &KeyPath, wrong: Wrong) {
        self.refuse(at, self.about(at, path, wrong));
    }

    /// A complaint of its own, told among those about what stands at `at`.
    pub fn refuse(&self, at: Place, complaint: Complaint) {
        self.errors.borrow_mut().push((at, complaint));
    }

    /// What stands at `at` looks wrong.
    pub fn warn(&self, at: Place, path: &KeyPath, wrong: Wrong) {
        self.warnings.borrow_mut().push((at, self.about(at, path, wrong)));
    }

    /// `file:line` of a place.
    pub fn place(&self, at: Place) -> String {
        self.sources
            .get(at.source)
            .map_or_else(String::new, |source| format!("{}:{}", source.path.display(), source.spot(at).line))
    }

    /// The line of a place, counted from 1.
    pub fn line(&self, at: Place) -> usize {
        self.sources.get(at.source).map_or(0, |source| source.spot(at).line)
    }

    /// Notes that another file belongs to these, whether it is there or not.
    pub fn belongs(&self, file: &Path) {
        self.files.borrow_mut().insert(file.to_owned());
    }

    /// The files noted so far.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        self.files.borrow().clone()
    }

    /// The folder of the file in which something stands.
    pub fn folder(&self, at: Place) -> &Path {
        self.sources.get(at.source).and_then(|source| source.path.parent()).unwrap_or(Path::new("."))
    }

    /// The errors, or else the warnings; both in the order of the files.
    ///
    /// # Errors
    /// Where there are any.
    pub fn into_result(self) -> Result<Vec<Complaint>, Vec<Complaint>> {
        let sorted = |mut list: Vec<(Place, Complaint)>| {
            list.sort_by_key(|(at, _)| *at);
            list.into_iter().map(|(_, complaint)| complaint).collect::<Vec<_>>()
        };
        let errors = sorted(self.errors.into_inner());
        if errors.is_empty() { Ok(sorted(self.warnings.into_inner())) } else { Err(errors) }
    }

    /// Notes a key as known.
    pub(crate) fn asked_for(&self, key: &KeyPath) {
        self.known.borrow_mut().insert(key.general().to_owned());
    }

    /// All keys that were asked for, with `NAME` for what people choose.
    pub fn known(&self) -> BTreeSet<String> {
        self.known.borrow().clone()
    }
}

/// What is wrong with a value, what was expected, and what may have been meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong, as it follows the key.
    pub problem: String,
    /// What was expected instead; may be empty.
    pub expected: String,
    /// What else helps.
    pub note: Option<String>,
}

impl Wrong {
    /// Without a note.
    pub fn new(problem: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { problem: problem.into(), expected: expected.into(), note: None }
    }

    /// Splits what other parsers say as "problem: expected …".
    pub fn said(text: &str) -> Self {
        let (problem, expected) = text.split_once(": expected ").unwrap_or((text, ""));
        Self::new(problem, expected)
    }

    /// It is of the wrong kind.
    pub fn kind(value: &Value, expected: &str) -> Self {
        Self::new(format!("is {}", value.kind()), expected)
    }

    /// With a note.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    /// With what was probably meant, as one would write it.
    #[must_use]
    pub fn meant(self, likely: Option<String>) -> Self {
        match likely {
            Some(likely) => self.note(format!("did you mean {likely}?")),
            None => self,
        }
    }

    /// With the nearest of the known words, if one is near.
    #[must_use]
    pub fn near<'a>(self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        self.meant(nearest(word, known).map(|likely| format!("`{likely}`")))
    }
}
