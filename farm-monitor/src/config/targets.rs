//! What a collector asks: `targets` in the configuration, `targets_from` a file beside it.

use super::read::{SECRETS, read_noted};
use super::settings::is_name;
use super::snmp::{Known, Own, is_address};
use hedgerow_collect::spec::Target;
use hedgerow_collect::targets::{Listed, MAX_TARGETS, TargetsError, expand, parse_file};
use hedgerow_model::Labels;
use hedgerow_model::labels::{MAX_KEY_BYTES, MAX_LABELS};
use hedgerow_toml_tree::{Complaint, Got, KeyPath, Node, Place, Section, Source, Value, Wrong, text};
use std::collections::{BTreeMap, HashMap};

/// Longest file of targets, in bytes; a longer one is refused.
const MAX_TARGETS_BYTES: u64 = 64 << 20;

/// Keys of a target that only `snmp` has.
const OF_SNMP: [&str; 3] = ["port", "profiles", "credentials"];

const AGENTS: &str =
    "targets = [\"sw-[01-48]\", { node = \"core\", address = \"10.0.0.1\" }], or `targets_from`";
const EXPECTED: &str = "a list of targets, as [\"node[001-600]\", { node = \"db\", address = \"10.0.0.7\" }]";

/// What a collector asks.
#[derive(Debug, Default)]
pub(super) struct Targets {
    pub list: Vec<Target>,
    /// What they say for themselves, by node; only of the module `snmp`.
    pub own: BTreeMap<String, Own>,
}

/// Reads both keys; `known` for the module `snmp`, whose targets say more, and have to be named. Without any of them the one
/// target of others is this host. `None`: something is wrong, and was said.
pub(super) fn targets(section: &mut Section<'_>, host: &str, known: Option<&Known<'_>>) -> Option<Targets> {
    let path = section.path.child("targets");
    let mut found = Found { known, targets: Targets::default(), nodes: HashMap::new(), good: true };
    let listed = section.entry("targets");
    let from = section.entry("targets_from");
    match listed.map(|entry| &entry.node) {
        None if from.is_none() && known.is_some() => {
            section.missing("targets", AGENTS);
            return None;
        }
        None if from.is_none() => {
            let (node, labels) = (host.to_owned(), BTreeMap::new());
            found.targets.list.push(Target { address: node.clone(), node, labels });
        }
        None => {}
        Some(Node { at, value: Value::List(items) }) => {
            if items.is_empty() && from.is_none() {
                let default = if known.is_some() { "" } else { "; without the key it is this host" };
                let wrong = Wrong::new("is empty", format!("at least one target{default}"));
                section.findings.error(*at, &path, wrong);
                return None;
            }
            for (index, item) in items.iter().enumerate() {
                found.item(section, item, &path.item(index));
            }
        }
        Some(Node { at, value }) => {
            let wrong = Wrong::kind(value, EXPECTED);
            let wrong = match value {
                Value::Text(text) => wrong.note(format!("did you mean [{text:?}]?")),
                _ => wrong,
            };
            section.findings.error(*at, &path, wrong);
            found.good = false;
        }
    }
    if let Some(entry) = from {
        found.file(section, &entry.node);
    }
    found.good.then_some(found.targets)
}

/// Targets so far, each node once.
struct Found<'k> {
    known: Option<&'k Known<'k>>,
    targets: Targets,
    nodes: HashMap<String, Place>,
    good: bool,
}

impl Found<'_> {
    /// One item of `targets`: a host list, or a table for one target.
    fn item(&mut self, section: &Section<'_>, item: &Node, path: &KeyPath) {
        match &item.value {
            Value::Text(list) => match expand(list) {
                Ok(nodes) => {
                    for node in nodes {
                        let (address, labels) = (node.clone(), BTreeMap::new());
                        if !self.add(section, Target { node, address, labels }, item.at, path) {
                            break;
                        }
                    }
                }
                Err(error) => self.refuse(section, item.at, path, said(&error)),
            },
            Value::Table(table) => {
                let inner = Section::new(table, item.at, path.clone(), section.findings);
                match target(inner, self.known) {
                    Some((target, own)) => {
                        let node = target.node.clone();
                        if self.add(section, target, item.at, path) {
                            self.targets.own.extend(own.map(|own| (node, own)));
                        }
                    }
                    None => self.good = false,
                }
            }
            other => {
                self.refuse(section, item.at, path, Wrong::kind(other, "a host list in quotes, or a table"))
            }
        }
    }

    /// The file of `targets_from`.
    fn file(&mut self, section: &Section<'_>, node: &Node) {
        let key = section.path.child("targets_from");
        let named = match text(node, "the name of a file, as \"targets.txt\"") {
            Ok(named) => named,
            Err(wrong) => return self.refuse(section, node.at, &key, wrong),
        };
        let findings = section.findings;
        let path = findings.folder(node.at).join(&named);
        let source = match read_noted(findings, &path, MAX_TARGETS_BYTES) {
            Ok(text) => Source { path, text, secrets: SECRETS },
            Err(why) => {
                let problem = format!("{} cannot be read: {why}", path.display());
                let expected = "a text file (one target a line), or file_sd as `.json`";
                return self.refuse(section, node.at, &key, Wrong::new(problem, expected));
            }
        };
        let complain = |line: usize, Wrong { problem, expected, note }: Wrong| {
            let spot = (line > 0).then(|| source.line(line));
            let complaint = Complaint::of_file(&source.path, problem, expected);
            let complaint = Complaint { spot, key: key.shown().to_owned(), ..complaint };
            let complaint = note.into_iter().fold(complaint, Complaint::note);
            let named = format!("the file is named in {}", findings.place(node.at));
            findings.refuse(node.at, complaint.note(named));
        };
        let listed = match parse_file(&source.path, &source.text) {
            Ok(listed) => listed,
            Err(error) => {
                self.good = false;
                let line = if let TargetsError::Line { line, .. } = &error { *line } else { 0 };
                return complain(line, said(&error));
            }
        };
        let mut told = 0;
        for Listed { target, line, options } in listed {
            let there = self.known.map_or(Ok(()), |_| is_address(&target.address));
            match there.and_then(|()| own(&options, self.known)) {
                Ok(own) => {
                    self.targets.own.extend(own.map(|own| (target.node.clone(), own)));
                }
                // A line with a host list gives many targets, and its mistakes once.
                Err(wrong) => {
                    self.good = false;
                    if line != told {
                        complain(line, wrong);
                    }
                    told = line;
                    continue;
                }
            }
            if !self.add(section, target, node.at, &key) {
                break;
            }
        }
    }

    /// Adds a target; `false`: it is wrong, which was said.
    fn add(&mut self, section: &Section<'_>, target: Target, at: Place, path: &KeyPath) -> bool {
        let wrong = if self.targets.list.len() >= MAX_TARGETS {
            Wrong::new("too many targets", format!("at most {MAX_TARGETS} in one collector"))
        } else if let Err(wrong) = is_name(&target.node) {
            Wrong { problem: format!("target `{}` {}", target.node, wrong.problem), ..wrong }
        } else if let Some(Err(wrong)) = self.known.map(|_| is_address(&target.address)) {
            wrong
        } else if let Some(earlier) = self.nodes.get(&target.node) {
            let wrong = Wrong::new(
                format!("target `{}` is given twice", target.node),
                "each node once in a collector",
            );
            if earlier.start == at.start {
                wrong
            } else {
                wrong.note(format!("first: {}", section.findings.place(*earlier)))
            }
        } else {
            self.nodes.insert(target.node.clone(), at);
            self.targets.list.push(target);
            return true;
        };
        self.refuse(section, at, path, wrong);
        false
    }

    fn refuse(&mut self, section: &Section<'_>, at: Place, path: &KeyPath, wrong: Wrong) {
        self.good = false;
        section.findings.error(at, path, wrong);
    }
}

/// What the parser says, parted into what is wrong and what was expected.
fn said(error: &TargetsError) -> Wrong {
    match error {
        TargetsError::Line { reason, .. } => Wrong::said(reason),
        TargetsError::TooMany => Wrong::new(error.to_string(), format!("at most {MAX_TARGETS}")),
        TargetsError::FileSd(_) => {
            Wrong::new(error.to_string(), "[{\"targets\": [\"host:port\", …], \"labels\": {…}}, …]")
        }
        other => Wrong::said(&other.to_string()),
    }
}

/// What the options of a line mean.
fn own(options: &[(String, String)], known: Option<&Known<'_>>) -> Result<Option<Own>, Wrong> {
    let Some((key, value)) = options.first() else { return Ok(None) };
    let Some(known) = known else {
        let problem = format!("`{key}={value}` is too much");
        return Err(Wrong::new(problem, "`name` or `name address`; more is for the module `snmp`"));
    };
    let mut own = Own::default();
    options.iter().try_for_each(|(key, value)| own.set(key, value, known))?;
    Ok(Some(own))
}

/// `{ node = …, address = …, labels = { … } }`, with `known` more.
fn target(mut section: Section<'_>, known: Option<&Known<'_>>) -> Option<(Target, Option<Own>)> {
    let findings = section.findings;
    let name = |node: &Node, expected| text(node, expected).and_then(|text| is_name(&text).map(|()| text));
    let node = section.read("node", |node| name(node, "the node's name in quotes"));
    let address = section.read("address", |node| name(node, "a host name or an address in quotes"));
    if node == Got::Absent {
        section.missing("node", "the name of the node, under which its series stand");
    }
    let inner = section.inner("labels");
    let (at, path) = (inner.at, inner.path.clone());
    let mut labels = BTreeMap::new();
    let own = known.map(|known| Own::read(&mut section, known));
    let mut good = address != Got::Bad && own.as_ref().is_none_or(|(_, good)| *good);
    for (key, entry, path) in inner.free() {
        match text(&entry.node, "text in quotes") {
            Ok(value) => drop(labels.insert(key.to_owned(), value)),
            Err(wrong) => {
                good = false;
                findings.error(entry.node.at, &path, wrong);
            }
        }
    }
    if let Err(error) = Labels::new(&labels) {
        good = false;
        let expected =
            format!("at most {MAX_LABELS} labels; a key is 1 to {MAX_KEY_BYTES} of A-Z a-z 0-9 _ .");
        findings.error(at, &path, Wrong::new(error.to_string(), expected));
    }
    section.finish_with(|key| {
        let of_snmp = known.is_none() && OF_SNMP.contains(&key);
        of_snmp.then(|| format!("`{key}` is for targets of the module `snmp`"))
    });
    let node = node.ok()?;
    let target = Target { address: address.or(node.clone()), node, labels };
    good.then(|| (target, own.map(|(own, _)| own)))
}
