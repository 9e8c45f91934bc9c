//! The options of the module `script`.

use super::collector::{folder, one_of};
use super::secret::secret;
use hedgerow_collect::script::wire::{MAX_OUTPUT_BYTES, MAX_START_BYTES};
use hedgerow_collect::spec::{ScriptFormat, ScriptSpec};
use hedgerow_toml_tree::{Got, Node, Place, Section, Value, Wrong, text};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where programs are looked for that are named without a path; the module has the same list.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How much output is read when nothing is said.
const DEFAULT_OUTPUT: u64 = 1 << 20;
/// Kept of the bound of command and environment for what the farm itself adds, and for the targets' names in arguments.
const SPARE_BYTES: usize = 4096;

const FORMATS: [(&str, ScriptFormat); 4] = [
    ("nagios", ScriptFormat::Nagios),
    ("json", ScriptFormat::Json),
    ("keyvalue", ScriptFormat::KeyValue),
    ("influx", ScriptFormat::Influx),
];

pub(super) const COMMAND: &str = "a list of words, as [\"/usr/bin/df\", \"--output=pcent\"]";

/// Reads them.
pub(super) fn options(section: &mut Section<'_>) -> ScriptSpec {
    let command = command(section);
    let format = section.read("format", format);
    let environment = environment(section);
    let directory = section.read("directory", folder).or(PathBuf::from("/"));
    let max_output = section.size("max_output", 1024..=MAX_OUTPUT_BYTES).or(DEFAULT_OUTPUT);
    let max_memory = section.size("max_memory", 1 << 20..=u64::MAX).ok();
    match &command {
        Got::Absent => section.missing("command", COMMAND),
        Got::Is(words, at) => check_command(section, words, *at, &directory, &environment),
        Got::Bad => {}
    }
    if format == Got::Absent {
        section.missing("format", &format!("format = {}", one_of(&FORMATS.map(|(word, _)| word))));
    }
    ScriptSpec {
        command: command.or(Vec::new()),
        format: format.or(ScriptFormat::Nagios),
        environment,
        directory,
        max_output,
        max_memory,
    }
}

/// Reads `command`; a whole command line is refused with the words it has.
pub(super) fn command(section: &mut Section<'_>) -> Got<Vec<String>> {
    let line = section.read("command", |node| match &node.value {
        Value::Text(line) => {
            let words: Vec<&str> = line.split_whitespace().collect();
            Err(Wrong::new("is text, but there is no shell", format!("the words as an array: {words:?}")))
        }
        _ => Ok(()),
    });
    if line == Got::Bad { Got::Bad } else { section.list("command", COMMAND, word) }
}

/// A word of a command.
pub(super) fn word(node: &Node) -> Result<String, Wrong> {
    let word = text(node, "text in quotes")?;
    if word.contains('\0') { Err(Wrong::new("holds a NUL character", "text")) } else { Ok(word) }
}

fn format(node: &Node) -> Result<ScriptFormat, Wrong> {
    let words = FORMATS.map(|(word, _)| word);
    let format = text(node, &one_of(&words))?;
    let known = FORMATS.into_iter().find(|(word, _)| *word == format);
    known
        .map(|(_, format)| format)
        .ok_or_else(|| Wrong::new(format!("no format `{format}`"), one_of(&words)).near(&format, words))
}

/// Reads `environment`.
pub(super) fn environment(section: &mut Section<'_>) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    let findings = section.findings;
    for (name, entry, path) in section.inner("environment").free() {
        if name.is_empty() || name.contains(['=', '\0']) {
            findings.error(
                entry.key,
                &path,
                Wrong::new("is no name of a variable", "a name without `=`, as TOKEN"),
            );
        }
        let value = match &entry.node.value {
            Value::Table(table) => secret(table, entry, path, findings),
            _ => match word(&entry.node) {
                Ok(value) => Some(value),
                Err(wrong) => {
                    let expected = "text in quotes, or { file = \"…\" } for a secret";
                    findings.error(entry.node.at, &path, Wrong::new(wrong.problem, expected));
                    None
                }
            },
        };
        environment.extend(value.map(|value| (name.to_owned(), value)));
    }
    environment
}

fn check_command(
    section: &Section<'_>,
    words: &[String],
    at: Place,
    directory: &Path,
    environment: &BTreeMap<String, String>,
) {
    let path = section.path.child("command");
    let Some(program) = words.first().filter(|program| !program.is_empty()) else {
        let what = if words.is_empty() { "is empty" } else { "has no program: its first word is empty" };
        return section.findings.error(at, &path, Wrong::new(what, COMMAND));
    };
    let variables: usize = environment.iter().map(|(name, value)| name.len() + value.len() + 16).sum();
    let bytes = words.iter().map(|word| word.len() + 16).sum::<usize>() + variables;
    if bytes > MAX_START_BYTES - SPARE_BYTES {
        let problem = format!("has {bytes} bytes with its environment");
        let expected = format!("at most {}: put long texts into a file", MAX_START_BYTES - SPARE_BYTES);
        return section.findings.error(at, &path, Wrong::new(problem, expected));
    }
    if let Err(wrong) = find_program(program, directory, environment) {
        section.findings.warn(at, &path, wrong);
    }
}

/// Whether there is such a program now. It may come later, so this is no more than a warning.
fn find_program(
    program: &str,
    directory: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<(), Wrong> {
    let runs = |path: &Path| {
        path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        let path = directory.join(program);
        let what = if path.exists() { "is not executable" } else { "is not there" };
        return if runs(&path) {
            Ok(())
        } else {
            Err(Wrong::new(format!("{} {what}", path.display()), "a program"))
        };
    }
    let folders = environment.get("PATH").map_or(PATH, String::as_str);
    if folders.split(':').any(|folder| runs(&Path::new(folder).join(program))) {
        return Ok(());
    }
    Err(Wrong::new(
        format!("there is no program `{program}` in {folders}"),
        "a program, best with its whole path",
    ))
}
