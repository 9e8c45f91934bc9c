//! What is wrong with a profile, in words for the person who wrote it: file, line, key, what stands there, and
//! what was expected. Never prints a control character of the file to a terminal.

use std::fmt;

/// Most complaints that are told; how many more there are is said.
pub const MAX_TOLD: usize = 50;
/// Most characters of a line that are shown; a longer one is cut around what it is about.
const MAX_SHOWN: usize = 100;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The file it stands in.
    pub file: String,
    /// Where in the file; `None` when the file as a whole is meant.
    pub spot: Option<Spot>,
    /// The path of the key, as `table.ifTable.column.ifInErrors.unit`; may be empty.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What was expected instead; may be empty.
    pub expected: String,
    /// What else helps: a likely meaning, another place.
    pub notes: Vec<String>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// How many characters are meant.
    pub width: usize,
    /// The line, fit to be shown.
    pub excerpt: String,
    /// Where in `excerpt` that is, in characters.
    pub caret: usize,
}

/// Everything that is wrong with a profile; none of it is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ProfileErrors {
    /// In the order of the file; never empty.
    pub complaints: Vec<Complaint>,
}

impl Complaint {
    /// A complaint about a whole file.
    pub(crate) fn of_file(file: &str, problem: impl Into<String>, expected: impl Into<String>) -> Self {
        let (spot, key, notes) = (None, String::new(), Vec::new());
        Self { file: file.to_owned(), spot, key, problem: problem.into(), expected: expected.into(), notes }
    }
}

impl Spot {
    /// The place of the bytes `start..end` of `text`.
    pub(crate) fn of(text: &str, start: usize, end: usize) -> Self {
        let start = text.floor_char_boundary(start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text.get(line_start..).unwrap_or_default().split('\n').next().unwrap_or_default();
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        let meant = text.get(start..text.floor_char_boundary(end)).unwrap_or_default();
        let width = meant.lines().next().unwrap_or_default().chars().count().max(1);
        let number = before.matches('\n').count() + 1;
        Self::cut(line.trim_end_matches('\r'), number, column, width)
    }

    fn cut(line: &str, number: usize, column: usize, width: usize) -> Self {
        let from = if line.chars().count() > MAX_SHOWN { column.saturating_sub(MAX_SHOWN / 2) } else { 0 };
        let shown = line.chars().skip(from).take(MAX_SHOWN).map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        });
        let caret = column - from;
        let width = width.min(MAX_SHOWN.saturating_sub(caret).max(1));
        Self { line: number, column: column + 1, width, excerpt: shown.collect(), caret }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", clean(&self.file))?;
        if let Some(spot) = &self.spot {
            write!(f, "{}:{}:", spot.line, spot.column)?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", clean(&self.key))?;
        }
        write!(f, " {}", clean(&self.problem))?;
        let gutter = self.spot.as_ref().map_or(2, |spot| spot.line.to_string().len().max(2));
        if let Some(spot) = &self.spot {
            write!(f, "\n  {:gutter$} | {}", spot.line, spot.excerpt)?;
            let (caret, width) = (spot.caret, spot.width);
            write!(f, "\n  {:gutter$} | {:caret$}{:^<width$}", "", "", "")?;
        }
        if !self.expected.is_empty() {
            write!(f, "\n  {:gutter$} = expected {}", "", clean(&self.expected))?;
        }
        for note in &self.notes {
            write!(f, "\n  {:gutter$} = {}", "", clean(note))?;
        }
        Ok(())
    }
}

/// Without control characters: a text from the file could hold any.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl fmt::Display for ProfileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, complaint) in self.complaints.iter().take(MAX_TOLD).enumerate() {
            let between = if number == 0 { "" } else { "\n\n" };
            write!(f, "{between}{complaint}")?;
        }
        match self.complaints.len().saturating_sub(MAX_TOLD) {
            0 => Ok(()),
            more => write!(f, "\n\nand {more} more errors"),
        }
    }
}
