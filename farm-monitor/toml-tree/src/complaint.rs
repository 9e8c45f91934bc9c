//! What is wrong with a file, in words for the person who wrote it: file, line, key, what stands there, and what was
//! expected. Never prints a control character of the file to a terminal, nor a secret.

use std::fmt;
use std::path::PathBuf;

/// Most complaints that are told; how many more there are is said.
pub const MAX_TOLD: usize = 50;
/// Most characters of a line that are shown; a longer one is cut around what it is about.
const MAX_SHOWN: usize = 100;

/// One thing that is wrong, or (as a warning) looks wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The file it stands in.
    pub file: PathBuf,
    /// Where in the file; `None` when the file as a whole is meant.
    pub spot: Option<Spot>,
    /// The path of the key, as `collector.disk.period`; may be empty.
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
    /// How many characters are meant; 0: only the line is known.
    width: usize,
    /// The line, fit to be shown.
    excerpt: String,
    /// Where in `excerpt` that is, in characters.
    caret: usize,
}

/// Everything that is wrong with what was read; none of it is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refused {
    /// In the order of the files; never empty.
    pub complaints: Vec<Complaint>,
}

impl Complaint {
    /// A complaint about a whole file.
    pub fn of_file(
        file: impl Into<PathBuf>,
        problem: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            file: file.into(),
            spot: None,
            key: String::new(),
            problem: problem.into(),
            expected: expected.into(),
            notes: Vec::new(),
        }
    }

    /// With something that helps.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

impl Spot {
    /// The place of the bytes `start..end` of `text`; what stands behind `secrets` is hidden.
    pub(crate) fn of(text: &str, start: usize, end: usize, secrets: &[&str]) -> Self {
        let start = text.floor_char_boundary(start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text.get(line_start..).unwrap_or_default().split('\n').next().unwrap_or_default();
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        let meant = text.get(start..text.floor_char_boundary(end)).unwrap_or_default();
        let width = meant.lines().next().unwrap_or_default().chars().count().max(1);
        let number = before.matches('\n').count() + 1;
        Self::cut(&hidden(line.trim_end_matches('\r'), secrets), number, column, width)
    }

    /// A whole line of `text`.
    pub(crate) fn of_line(text: &str, line: usize, secrets: &[&str]) -> Self {
        let content = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        Self::cut(&hidden(content, secrets), line, 0, 0)
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

/// The line with stars for every secret that somebody wrote into it. A complaint goes to terminals, logs and clients, and
/// what is wrong may be another word of the line, or its missing quote.
fn hidden(line: &str, secrets: &[&str]) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = secrets.iter().filter_map(|key| Some(rest.find(key)? + key.len())).min() {
        let (before, after) = rest.split_at(at);
        shown.push_str(before);
        rest = after;
        let value = after.trim_start_matches(['"', '\'', ' ', '\t']);
        let Some(value) = value.strip_prefix('=').map(|value| value.trim_start_matches([' ', '\t'])) else {
            continue;
        };
        let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else { continue };
        let value = value.trim_start_matches(quote);
        let secret = value.split(quote).next().unwrap_or_default();
        shown.push_str(&after[..after.len() - value.len()]);
        shown.extend(secret.chars().map(|_| '*'));
        rest = &value[secret.len()..];
    }
    shown + rest
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", clean(&self.file.to_string_lossy()))?;
        if let Some(spot) = &self.spot {
            write!(f, "{}:{}:", spot.line, spot.column)?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", clean(&self.key))?;
        }
        write!(f, " {}", clean(&self.problem))?;
        let gutter = self.spot.as_ref().map_or(2, |spot| spot.line.to_string().len().max(2));
        if let Some(spot) = &self.spot {
            let (caret, width) = (spot.caret, spot.width);
            write!(f, "\n  {:gutter$} | {}", spot.line, spot.excerpt)?;
            if width > 0 {
                write!(f, "\n  {:gutter$} | {:caret$}{:^<width$}", "", "", "")?;
            }
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

impl fmt::Display for Refused {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_line_is_never_shown() {
        for (line, shown) in [
            ("auth_password = \"geheim\"", "auth_password = \"******\""),
            (
                "a = { auth_password=\"é1\", community = 'x', u = \"v\" }",
                "a = { auth_password=\"**\", community = '*', u = \"v\" }",
            ),
            ("\"privacy_password\" = \"not closed", "\"privacy_password\" = \"**********"),
            ("auth_password = \"\"\"long", "auth_password = \"\"\"****"),
            ("auth_password = { file = \"core.auth\" }", "auth_password = { file = \"core.auth\" }"),
            ("# the community", "# the community"),
        ] {
            assert_eq!(hidden(line, &["password", "community"]), shown);
        }
        assert_eq!(hidden("community = \"x\"", &[]), "community = \"x\"");
    }

    #[test]
    fn no_control_character_reaches_the_terminal() {
        let mut complaint = Complaint::of_file("\x1b[2Jf.toml", "is `\x07`", "text\r").note("\x00");
        complaint.spot = Some(Spot::of("a\t= \"\x1b\"\r\n", 4, 7, &[]));
        let told = complaint.to_string();
        assert_eq!(
            told.replace('\u{fffd}', "#"),
            "#[2Jf.toml:1:5: is `#`\n   1 | a = \"#\"\n     |     ^^^\n     = expected text#\n     = #"
        );
    }
}
