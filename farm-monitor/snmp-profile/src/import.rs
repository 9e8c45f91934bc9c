//! Profiles from the configurations of other programs. What cannot be carried over is told, never dropped in silence.

mod group;
mod metric;

use crate::profile::{Detect, Profile};
use crate::yaml::{self, Node, Value};
use hedgerow_toml_tree::Refused;
use std::collections::BTreeSet;
use std::fmt::Write;

/// A profile made of a module.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// What the module was called; the profile's name may differ where that is no name of a profile.
    pub module: String,
    /// The profile.
    pub profile: Profile,
    /// Its file; the notes are comments at its head.
    pub profile_toml: String,
    /// What was not carried over, and what to look at.
    pub notes: Vec<String>,
}

/// Why nothing was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The text is no YAML.
    #[error("line {line}: {problem}")]
    NotYaml {
        /// Where.
        line: usize,
        /// What the parser says.
        problem: String,
    },
    /// It is YAML, and no snmp.yml.
    #[error(
        "has no modules: expected prometheus-snmp-exporter's snmp.yml, with `walk` and `metrics` in each module"
    )]
    NoModules,
    /// The module that was asked for is not there.
    #[error("has no module `{asked}`; it has {}", known.join(", "))]
    NoSuchModule {
        /// Its name.
        asked: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// What was made cannot be read: a mistake of ours.
    #[error("module `{module}` gives a profile that cannot be read: {errors}")]
    Unreadable {
        /// Its name.
        module: String,
        /// Why.
        errors: Refused,
    },
}

/// Reads prometheus-snmp-exporter's `snmp.yml`, of both its layouts (modules at the top; `auths` and `modules`): a profile for
/// each module, or for the one named.
///
/// # Errors
/// It is not such a file, or has no such module. What cannot be carried over is no error, but a note.
pub fn snmp_yml(text: &str, only: Option<&str>) -> Result<Vec<Imported>, ImportError> {
    let root = yaml::parse(text).map_err(|(line, problem)| ImportError::NotYaml { line, problem })?;
    let is_module = |node: &Node| ["walk", "get", "metrics"].iter().any(|key| node.get(key).is_some());
    let newer = root.get("modules").filter(|modules| !is_module(modules));
    let mut common = Vec::new();
    for (key, node) in root.map().iter().filter(|_| newer.is_some()) {
        match key.as_str() {
            "auths" => common.push(format!(
                "line {}: `auths` ({}): write credentials into the collector, by reference to a file",
                node.line,
                names(node).join(", ")
            )),
            "modules" => {}
            other => common.push(format!("line {}: `{other}` is not known", node.line)),
        }
    }
    let modules: Vec<_> = newer.unwrap_or(&root).map().iter().filter(|(_, node)| is_module(node)).collect();
    if modules.is_empty() {
        return Err(ImportError::NoModules);
    }
    if let Some(asked) = only.filter(|asked| !modules.iter().any(|(name, _)| name == asked)) {
        let known = modules.iter().map(|(name, _)| name.clone()).collect();
        return Err(ImportError::NoSuchModule { asked: asked.to_owned(), known });
    }
    let mut taken = BTreeSet::new();
    modules
        .into_iter()
        .filter(|(name, _)| only.is_none_or(|asked| name == asked))
        .map(|(name, node)| module(name, node, &common, &mut taken))
        .collect()
}

fn names(node: &Node) -> Vec<&str> {
    node.map().iter().map(|(name, _)| name.as_str()).collect()
}

fn module(
    name: &str,
    node: &Node,
    common: &[String],
    taken: &mut BTreeSet<String>,
) -> Result<Imported, ImportError> {
    let mut notes = common.to_vec();
    for (key, inner) in node.map() {
        let line = inner.line;
        match key.as_str() {
            // Which objects are asked for follows from those that are measured.
            "walk" | "get" | "metrics" => {}
            "auth" => notes.push(format!(
                "line {line}: `auth`: write credentials into the collector, by reference to a file"
            )),
            "version" | "max_repetitions" | "retries" | "timeout" | "use_unconnected_udp_socket" => {
                notes.push(format!("line {line}: `{key}: {}` is the collector's to say", inner.text()));
            }
            "allow_nonincreasing_oids" => {
                notes.push(format!("line {line}: `{key}`: a walk that goes back is never followed"))
            }
            "filters" => notes.push(format!(
                "line {line}: `filters` are not carried over: all rows are read; `only` takes some"
            )),
            other => notes.push(format!("line {line}: `{other}` is not known")),
        }
    }
    let metrics = node.get("metrics").map_or(&[][..], Node::list);
    let mut groups = group::Groups::default();
    for metric in metrics {
        if let Some(metric) = metric::read(metric, &mut notes) {
            groups.add(metric, &mut notes);
        }
    }
    let (scalars, tables) = groups.into_objects(&mut notes);
    let profile = Profile {
        name: profile_name(name, taken),
        description: format!("Imported from the module {name} of prometheus-snmp-exporter"),
        detect: Detect::default(),
        scalars,
        tables,
        traps: Vec::new(),
        names: Vec::new(),
    };
    let profile_toml = head(name, &notes) + &crate::print(&profile);
    match crate::read(&format!("{}.toml", profile.name), &profile_toml) {
        Ok(profile) => Ok(Imported { module: name.to_owned(), profile, profile_toml, notes }),
        Err(errors) => Err(ImportError::Unreadable { module: name.to_owned(), errors }),
    }
}

/// The nearest that is a name of a profile, and not taken.
fn profile_name(module: &str, taken: &mut BTreeSet<String>) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
    let mut name: String = module.chars().map(letter).take(crate::read::MAX_NAME_BYTES - 4).collect();
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        name.insert(0, 'm');
    }
    let mut free = name.clone();
    let mut again = 1;
    while !taken.insert(free.clone()) {
        again += 1;
        free = format!("{name}-{again}");
    }
    free
}

fn head(module: &str, notes: &[String]) -> String {
    let plain = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let mut head = format!("# From the module {} of prometheus-snmp-exporter's snmp.yml.\n", plain(module));
    head +=
        "# It is used where `profiles` names it; with a section [detect] it is used where that applies.\n";
    if !notes.is_empty() {
        head += "#\n# Look at these:\n";
    }
    for note in notes {
        let _ = writeln!(head, "# - {}", plain(note));
    }
    head.push('\n');
    head
}

/// Whether something stands there.
fn is_set(node: &Node) -> bool {
    match &node.value {
        Value::Text(text) => !text.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Map(entries) => !entries.is_empty(),
    }
}

#[cfg(test)]
mod tests;
