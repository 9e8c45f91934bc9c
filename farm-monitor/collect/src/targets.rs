//! Targets as people write them: host lists `node[001-600]`, text files, Prometheus `file_sd` files.
//!
//! Parses text that is handed in; reads and watches no file. What is wrong is said with the line and what was expected.

use crate::spec::Target;
use hedgerow_model::{Labels, Name};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

#[cfg(test)]
mod tests;

/// Most targets one host list or one file may give; more is an error, not a cut.
pub const MAX_TARGETS: usize = 100_000;

/// Why a host list or a file of targets cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetsError {
    /// A host list is not of its form.
    #[error("host list `{list}`: {reason}")]
    HostList {
        /// The list.
        list: String,
        /// What is wrong with it, and what was expected.
        reason: String,
    },
    /// A line of a text file.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it, and what was expected.
        reason: String,
    },
    /// A `file_sd` file is not of its form.
    #[error("not a file_sd file: {0}")]
    FileSd(String),
    /// A format that is not read.
    #[error(
        "`{0}` files of targets are not read: expected a text file (one target a line) or file_sd as `.json`"
    )]
    Format(String),
    /// More than [`MAX_TARGETS`].
    #[error("more than {MAX_TARGETS} targets")]
    TooMany,
}

/// Expands a host list: `node[001-600]`, `r[1-3,7]n[01-16]`, or a plain name. A bracket holds numbers and ranges; numbers
/// are padded to the width of the first where it has leading zeros. An IPv6 address in brackets (`[::1]:161`) stays as it is.
///
/// # Errors
/// What is wrong with the list; [`TargetsError::TooMany`].
pub fn expand(list: &str) -> Result<Vec<String>, TargetsError> {
    let wrong = |reason: String| TargetsError::HostList { list: list.to_owned(), reason };
    let mut names = vec![String::new()];
    let mut rest = list.trim();
    if rest.is_empty() {
        return Err(wrong("expected a name".to_owned()));
    }
    while let Some((before, after)) = rest.split_once('[') {
        let (inside, behind) = after
            .split_once(']')
            .ok_or_else(|| wrong("`[` without `]`: expected `node[001-600]`".to_owned()))?;
        let literal = inside.contains(':');
        let numbers = if literal { vec![format!("[{inside}]")] } else { numbers(inside).map_err(wrong)? };
        if !literal && before.contains(']') {
            return Err(wrong("`]` without `[`: expected `node[001-600]`".to_owned()));
        }
        if names.len().saturating_mul(numbers.len()) > MAX_TARGETS {
            return Err(TargetsError::TooMany);
        }
        names = names
            .iter()
            .flat_map(|name| numbers.iter().map(move |number| format!("{name}{before}{number}")))
            .collect();
        rest = behind;
    }
    if rest.contains(']') {
        return Err(wrong("`]` without `[`: expected `node[001-600]`".to_owned()));
    }
    names.iter_mut().for_each(|name| name.push_str(rest));
    Ok(names)
}

/// The numbers of one bracket.
fn numbers(inside: &str) -> Result<Vec<String>, String> {
    let mut numbers = Vec::new();
    for part in inside.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let read = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = if digits { text.parse::<u64>().ok() } else { None };
            number.ok_or_else(|| {
                format!("`{text}` in `[{inside}]`: expected a number, as in `[001-600]` or `[1-3,7]`")
            })
        };
        let (first, last) = (read(from)?, read(to)?);
        if first > last {
            return Err(format!("`{part}` runs backwards: expected the smaller number first"));
        }
        if last - first >= (MAX_TARGETS - numbers.len()) as u64 {
            return Err(format!("`[{inside}]` has more than {MAX_TARGETS} numbers"));
        }
        let width = if from.starts_with('0') { from.len() } else { 0 };
        numbers.extend((first..=last).map(|number| format!("{number:0width$}")));
    }
    Ok(numbers)
}

/// The targets of host lists in a configuration: each node is its own address.
///
/// # Errors
/// As [`expand`]; a node that is no name or comes twice.
pub fn from_lists<S: AsRef<str>>(lists: &[S]) -> Result<Vec<Target>, TargetsError> {
    let mut found = Found::default();
    for list in lists {
        let wrong = |reason| TargetsError::HostList { list: list.as_ref().to_owned(), reason };
        for node in expand(list.as_ref())? {
            let target = Target { address: node.clone(), node, labels: BTreeMap::new() };
            found.add(Listed::of(target)).map_err(|why| why.at(|reason, _| wrong(reason)))?;
        }
    }
    Ok(found.listed.into_iter().map(|listed| listed.target).collect())
}

/// A target of a file, with what else its line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The target.
    pub target: Target,
    /// The line it stands in, counted from 1; 0 where the format has none.
    pub line: usize,
    /// `key=value` behind name and address, as written, in order. What they mean is the module's.
    pub options: Vec<(String, String)>,
}

impl Listed {
    fn of(target: Target) -> Self {
        Self { target, line: 0, options: Vec::new() }
    }
}

/// Reads the content of a file of targets; `path` only tells the format: `.json` is `file_sd`, `.yml` and `.yaml` are
/// refused, anything else is text: a line `name` or `name address`, both may be host lists of the same length, then any
/// `key=value`; `#` begins a comment.
///
/// # Errors
/// What is wrong, and in which line.
pub fn parse_file(path: &Path, content: &str) -> Result<Vec<Listed>, TargetsError> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "json" => parse_file_sd(content),
        yaml @ ("yml" | "yaml") => Err(TargetsError::Format(format!(".{yaml}"))),
        _ => parse_text(content),
    }
}

fn parse_text(content: &str) -> Result<Vec<Listed>, TargetsError> {
    let mut found = Found::default();
    for (line, text) in (1..).zip(content.lines()) {
        let text = text.split('#').next().unwrap_or_default();
        let mut words = text.split_whitespace().peekable();
        let Some(name) = words.next() else { continue };
        let wrong = |reason: String| TargetsError::Line { line, reason };
        let names = expand(name).map_err(|error| in_line(line, error))?;
        let addresses = match words.next_if(|word| !word.contains('=')) {
            Some(address) => expand(address).map_err(|error| in_line(line, error))?,
            None => names.clone(),
        };
        let mut options = Vec::new();
        for word in words {
            let (key, value) = word
                .split_once('=')
                .filter(|(key, _)| !key.is_empty())
                .ok_or_else(|| wrong(format!("`{word}` is too much: expected `name` or `name address`")))?;
            options.push((key.to_owned(), value.to_owned()));
        }
        if names.len() != addresses.len() {
            let (names, addresses) = (names.len(), addresses.len());
            return Err(wrong(format!("{names} names but {addresses} addresses: expected as many")));
        }
        for (node, address) in names.into_iter().zip(addresses) {
            let target = Target { node, address, labels: BTreeMap::new() };
            let add = found.add(Listed { target, line, options: options.clone() });
            add.map_err(|why| why.at(|reason, earlier| wrong(format!("{reason}{}", on_line(earlier)))))?;
        }
    }
    Ok(found.listed)
}

fn in_line(line: usize, error: TargetsError) -> TargetsError {
    match error {
        TargetsError::TooMany => TargetsError::TooMany,
        other => TargetsError::Line { line, reason: other.to_string() },
    }
}

fn on_line(earlier: usize) -> String {
    if earlier == 0 { String::new() } else { format!(", on line {earlier}") }
}

/// One group of a `file_sd` file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    targets: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// `[{"targets": ["host:port", …], "labels": {…}}, …]`: node and address are the target as written, as in Prometheus;
/// labels that begin with `__` are Prometheus's own and left out.
fn parse_file_sd(content: &str) -> Result<Vec<Listed>, TargetsError> {
    let groups: Vec<Group> =
        serde_json::from_str(content).map_err(|error| TargetsError::FileSd(error.to_string()))?;
    let mut found = Found::default();
    for (number, group) in (1..).zip(groups) {
        let wrong = |reason: String| TargetsError::FileSd(format!("group {number}: {reason}"));
        let mut labels = group.labels;
        labels.retain(|key, _| !key.starts_with("__"));
        Labels::new(&labels).map_err(|error| wrong(error.to_string()))?;
        for address in group.targets {
            let target = Target { node: address.clone(), address, labels: labels.clone() };
            found.add(Listed::of(target)).map_err(|why| why.at(|reason, _| wrong(reason)))?;
        }
    }
    Ok(found.listed)
}

/// Targets found so far, each node once.
#[derive(Default)]
struct Found {
    listed: Vec<Listed>,
    lines: HashMap<String, usize>,
}

/// Why a target was not added.
enum NotAdded {
    TooMany,
    Wrong(String, usize),
}

impl NotAdded {
    fn at(self, wrong: impl FnOnce(String, usize) -> TargetsError) -> TargetsError {
        match self {
            Self::TooMany => TargetsError::TooMany,
            Self::Wrong(reason, earlier) => wrong(reason, earlier),
        }
    }
}

impl Found {
    fn add(&mut self, listed: Listed) -> Result<(), NotAdded> {
        let target = &listed.target;
        if self.listed.len() >= MAX_TARGETS {
            return Err(NotAdded::TooMany);
        }
        if let Err(error) = Name::new(&target.node) {
            return Err(NotAdded::Wrong(format!("target `{}` {error}", target.node), 0));
        }
        if let Some(earlier) = self.lines.insert(target.node.clone(), listed.line) {
            return Err(NotAdded::Wrong(format!("target `{}` was given already", target.node), earlier));
        }
        self.listed.push(listed);
        Ok(())
    }
}
