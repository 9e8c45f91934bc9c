//! `[action.NAME]`: what filters may ask this site to do. A program with its arguments, each a whole word; what a filter gives
//! goes into the places that the site left for it, of the type and within the bounds that the site set.

use super::collector::{folder, one_of};
use super::script::{COMMAND, command, environment, word};
use hedgerow_collect::script::wire::MAX_START_BYTES;
use hedgerow_toml_tree::{Entry, Findings, Got, KeyPath, Node, Place, Section, Table, Value, Wrong, text};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// How often an action runs in an hour when nothing is said.
const DEFAULT_PER_HOUR: usize = 10;
/// Most that can be allowed.
const MAX_PER_HOUR: usize = 3600;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest text when nothing is said, in bytes.
const DEFAULT_TEXT: usize = 1024;
/// Longest text that can be allowed: command and arguments have to fit into one frame of the keeper.
const MAX_TEXT: usize = 8192;
/// Most arguments of one action, and most words of a choice; more are refused.
const MAX_LISTED: usize = 32;

const TYPES: [&str; 3] = ["text", "integer", "number"];
const ARGUMENT: &str = "\"text\", \"integer\", \"number\", or a table as { type = \"integer\", min = 0, max = 100 } or \
                        { one_of = [\"red\", \"green\"] }";

/// An action.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionSettings {
    /// Its name, by which deployments ask for it.
    pub name: String,
    /// The program and its arguments, with `{NAME}` where an argument goes.
    pub command: Vec<String>,
    /// What a filter gives, by name; all of them.
    pub arguments: BTreeMap<String, Argument>,
    /// Variables beside those that every script has.
    pub environment: BTreeMap<String, String>,
    /// Where it runs.
    pub directory: PathBuf,
    /// How often it runs in an hour, whoever asks. Past it: it does not, which is counted and told.
    pub per_hour: u32,
    /// After this it is killed, with all that it started.
    pub timeout: Duration,
}

/// What is taken for an argument.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// Text without control characters, of at most so many bytes.
    Text(usize),
    /// A whole number from the first to the second.
    Integer(i64, i64),
    /// A number from the first to the second.
    Number(f64, f64),
    /// One of these.
    OneOf(Vec<String>),
}

/// Reads one.
pub(super) fn action(name: &str, mut section: Section<'_>) -> ActionSettings {
    let command = command(&mut section);
    let arguments = arguments(&mut section);
    let environment = environment(&mut section);
    let directory = section.read("directory", folder).or(PathBuf::from("/"));
    let per_hour = section.count("per_hour", 1..=MAX_PER_HOUR).or(DEFAULT_PER_HOUR);
    let timeout = section.duration("timeout", Duration::from_millis(100)..=Duration::from_secs(3600));
    match &command {
        Got::Absent => section.missing("command", COMMAND),
        Got::Is(words, at) => check(&section, words, *at, &arguments),
        Got::Bad => {}
    }
    section.finish();
    ActionSettings {
        name: name.to_owned(),
        command: command.or(Vec::new()),
        arguments,
        environment,
        directory,
        per_hour: u32::try_from(per_hour).unwrap_or(u32::MAX),
        timeout: timeout.or(DEFAULT_TIMEOUT),
    }
}

/// Each place in the command has its argument, and each argument its place.
fn check(section: &Section<'_>, words: &[String], at: Place, arguments: &BTreeMap<String, Argument>) {
    let path = section.path.child("command");
    let wrong = |wrong| section.findings.error(at, &path, wrong);
    let Some(program) = words.first().filter(|program| !program.is_empty()) else {
        return wrong(Wrong::new("has no program", COMMAND));
    };
    if !places(program).is_empty() {
        wrong(Wrong::new("lets a filter choose the program", "a program: places are for its arguments"));
    }
    let used: BTreeSet<&str> = words.iter().flat_map(|word| places(word)).collect();
    for name in used.iter().filter(|name| !arguments.contains_key(**name)) {
        let names = arguments.keys().map(String::as_str);
        let expected = format!("{name} = \"text\" in [{}]", section.path.child("arguments").shown());
        wrong(
            Wrong::new(format!("has a place for `{{{name}}}`, which is no argument"), expected)
                .near(name, names),
        );
    }
    for name in arguments.keys().filter(|name| !used.contains(name.as_str())) {
        let problem = format!("has no place for the argument `{name}`");
        wrong(Wrong::new(problem, format!("`{{{name}}}` in one of its words")));
    }
    let longest: usize = arguments.values().map(Argument::longest).sum();
    let bytes = words.iter().map(|word| word.len() + 16).sum::<usize>() + longest * words.len();
    if bytes > MAX_START_BYTES / 2 {
        let problem = format!("may come to {bytes} bytes with its arguments");
        wrong(Wrong::new(problem, format!("at most {}: less `max_bytes`", MAX_START_BYTES / 2)));
    }
}

/// The names in braces of a word; other braces are themselves.
pub fn places(word: &str) -> Vec<&str> {
    let mut places = Vec::new();
    let mut rest = word;
    while let Some((_, from)) = rest.split_once('{') {
        rest = match from.split_once('}') {
            Some((name, behind)) if is_name(name) => {
                places.push(name);
                behind
            }
            _ => from,
        };
    }
    places
}

/// Names of arguments: a letter, then letters, digits and `_`.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn arguments(section: &mut Section<'_>) -> BTreeMap<String, Argument> {
    let findings = section.findings;
    let inner = section.inner("arguments");
    let entries = inner.free();
    if entries.len() > MAX_LISTED {
        let wrong = Wrong::new(format!("has {} arguments", entries.len()), format!("at most {MAX_LISTED}"));
        findings.error(inner.at, &inner.path, wrong);
    }
    let mut arguments = BTreeMap::new();
    for (name, entry, path) in entries {
        if !is_name(name) {
            let expected = "a letter, then letters, digits and `_`";
            findings.error(entry.key, &path, Wrong::new("is no name of an argument", expected));
            continue;
        }
        let argument = match &entry.node.value {
            Value::Table(table) => bounded(table, entry, path, findings),
            _ => match text(&entry.node, ARGUMENT).and_then(|word| plain(&word)) {
                Ok(argument) => Some(argument),
                Err(wrong) => {
                    findings.error(entry.node.at, &path, wrong);
                    None
                }
            },
        };
        // What is wrong is told once: its place in the command is none.
        arguments.insert(name.to_owned(), argument.unwrap_or(Argument::Text(0)));
    }
    arguments
}

fn plain(word: &str) -> Result<Argument, Wrong> {
    match word {
        "text" => Ok(Argument::Text(DEFAULT_TEXT)),
        "integer" => Ok(Argument::Integer(i64::MIN, i64::MAX)),
        "number" => Ok(Argument::Number(f64::MIN, f64::MAX)),
        other => Err(Wrong::new(format!("no type `{other}`"), one_of(&TYPES)).near(other, TYPES)),
    }
}

fn bounded(table: &Table, entry: &Entry, path: KeyPath, findings: &Findings<'_>) -> Option<Argument> {
    let mut section = Section::new(table, entry.key, path, findings);
    let kind = section.read("type", |node| text(node, &one_of(&TYPES)).and_then(|word| plain(&word)));
    let max_bytes = section.count("max_bytes", 1..=MAX_TEXT);
    let (min, max) = (section.read("min", number), section.read("max", number));
    let words = section.list("one_of", "a list of words, as [\"red\", \"green\"]", word);
    let at = section.at;
    let (has_bytes, has_bounds) = (max_bytes != Got::Absent, min != Got::Absent || max != Got::Absent);
    let path = section.path.clone();
    section.finish();
    if let Got::Is(words, at) = words {
        if words.is_empty() || words.len() > MAX_LISTED || has_bytes || has_bounds || kind != Got::Absent {
            let expected = format!("1 to {MAX_LISTED} words, and no other key");
            findings.error(at, &path, Wrong::new("is no choice", expected));
        }
        return Some(Argument::OneOf(words));
    }
    let misplaced = |what: &str, of: &str| {
        findings.error(at, &path, Wrong::new(format!("has {what}"), format!("{what} with type = {of} only")));
    };
    let (low, high) = (min.ok(), max.ok());
    match kind {
        Got::Bad => None,
        Got::Absent => {
            findings.error(at, &path, Wrong::new("`type` is missing", ARGUMENT));
            None
        }
        Got::Is(Argument::Text(_), _) => {
            if has_bounds {
                misplaced("`min` or `max`", "\"integer\" or \"number\"");
            }
            Some(Argument::Text(max_bytes.or(DEFAULT_TEXT)))
        }
        Got::Is(kind, _) => {
            if has_bytes {
                misplaced("`max_bytes`", "\"text\"");
            }
            let (low, high) = (low.unwrap_or(f64::MIN), high.unwrap_or(f64::MAX));
            if low > high {
                findings.error(at, &path, Wrong::new("`min` is more than `max`", "min <= max"));
            }
            #[expect(
                clippy::cast_possible_truncation,
                reason = "saturates: what is beyond every integer bounds none"
            )]
            Some(match kind {
                Argument::Integer(..) => Argument::Integer(low.ceil() as i64, high.floor() as i64),
                _ => Argument::Number(low, high),
            })
        }
    }
}

fn number(node: &Node) -> Result<f64, Wrong> {
    match &node.value {
        #[expect(clippy::cast_precision_loss, reason = "bounds beyond 2^53 are none that people write")]
        Value::Integer(number) => Ok(*number as f64),
        Value::Float(number) if number.is_finite() => Ok(*number),
        other => Err(Wrong::kind(other, "a number")),
    }
}

impl Argument {
    /// What it takes at most, in bytes.
    fn longest(&self) -> usize {
        match self {
            Self::Text(bytes) => *bytes,
            Self::Integer(..) | Self::Number(..) => 32,
            Self::OneOf(words) => words.iter().map(String::len).max().unwrap_or_default(),
        }
    }

    /// The word that a value makes.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn word(&self, value: &serde_json::Value) -> Result<String, String> {
        let expected = |what: String| Err(format!("expected {what}"));
        match self {
            Self::Text(most) => match value.as_str() {
                Some(text) if text.len() <= *most && !text.contains(char::is_control) => Ok(text.to_owned()),
                _ => expected(format!("text of at most {most} bytes, without control characters")),
            },
            Self::Integer(low, high) => match value.as_i64() {
                Some(number) if (*low..=*high).contains(&number) => Ok(number.to_string()),
                _ => expected(format!("a whole number from {low} to {high}")),
            },
            Self::Number(low, high) => match value.as_f64() {
                Some(number) if (*low..=*high).contains(&number) => Ok(number.to_string()),
                _ => expected(format!("a number from {low} to {high}")),
            },
            Self::OneOf(words) => match value.as_str() {
                Some(word) if words.iter().any(|one| one == word) => Ok(word.to_owned()),
                _ => expected(format!("one of {}", words.join(", "))),
            },
        }
    }
}

impl ActionSettings {
    /// The command with what a filter gave in its places; `arguments` is a JSON object (or empty).
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn filled(&self, arguments: &str) -> Result<Vec<String>, String> {
        let given: serde_json::Map<String, serde_json::Value> = match arguments.trim() {
            "" => serde_json::Map::new(),
            text => serde_json::from_str(text)
                .map_err(|error| format!("its arguments are no JSON object: {error}"))?,
        };
        if let Some(name) = given.keys().find(|name| !self.arguments.contains_key(*name)) {
            let known: Vec<&str> = self.arguments.keys().map(String::as_str).collect();
            return Err(format!("it has no argument `{name}`: expected {}", known.join(", ")));
        }
        let mut words = BTreeMap::new();
        for (name, argument) in &self.arguments {
            let value = given.get(name).ok_or_else(|| format!("the argument `{name}` is missing"))?;
            words.insert(name.as_str(), argument.word(value).map_err(|why| format!("`{name}`: {why}"))?);
        }
        self.command.iter().map(|word| fill(word, &words)).collect()
    }
}

fn fill(word: &str, words: &BTreeMap<&str, String>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = word;
    while let Some((before, from)) = rest.split_once('{') {
        filled.push_str(before);
        let place = from.split_once('}').and_then(|(name, behind)| Some((words.get(name)?, behind)));
        rest = match place {
            Some((given, behind)) => {
                filled.push_str(given);
                behind
            }
            None => {
                filled.push('{');
                from
            }
        };
    }
    filled.push_str(rest);
    // What a filter gives must not become an option of the program.
    if filled.starts_with('-') && !word.starts_with('-') {
        return Err(format!("`{filled}` begins with `-`: the program would read it as an option"));
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn page() -> ActionSettings {
        let arguments = [
            ("text", Argument::Text(16)),
            ("count", Argument::Integer(0, 9)),
            ("level", Argument::OneOf(vec!["low".into(), "high".into()])),
        ];
        ActionSettings {
            name: "page".into(),
            command: ["/bin/page", "{text}", "-n{count}", "x{level}{y}"].map(str::to_owned).to_vec(),
            arguments: arguments.into_iter().map(|(name, argument)| (name.to_owned(), argument)).collect(),
            environment: BTreeMap::new(),
            directory: PathBuf::from("/"),
            per_hour: 10,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    #[test]
    fn what_a_filter_gives_stays_within_its_word() {
        let filled = page().filled(r#"{"text": "$(rm) {count}", "count": 3, "level": "low"}"#);
        assert_eq!(filled.unwrap(), ["/bin/page", "$(rm) {count}", "-n3", "xlow{y}"]);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let refused = |given: &str| page().filled(given).unwrap_err();
        assert!(refused("[]").contains("no JSON object"));
        assert!(refused("").contains("is missing"));
        assert!(refused(r#"{"text": "a", "count": 10, "level": "low"}"#).contains("from 0 to 9"));
        assert!(refused(r#"{"text": "a", "count": 1.5, "level": "low"}"#).contains("whole number"));
        assert!(refused(r#"{"text": "a\nb", "count": 1, "level": "low"}"#).contains("control"));
        assert!(refused(r#"{"text": "12345678901234567", "count": 1, "level": "low"}"#).contains("16 bytes"));
        assert!(refused(r#"{"text": "a", "count": 1, "level": "mid"}"#).contains("low, high"));
        assert!(refused(r#"{"text": "-rf", "count": 1, "level": "low"}"#).contains("option"));
        assert!(refused(r#"{"more": 1}"#).contains("no argument `more`"));
    }
}
