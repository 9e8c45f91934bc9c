//! What a collector asks: `targets` in the configuration, `targets_from` a file beside it.

use super::complaint::{Complaint, Spot};
use super::findings::{KeyPath, Wrong};
use super::section::{Got, Section, text};
use super::settings::is_name;
use super::tree::{Node, Place, Value};
use hedgerow_collect::spec::Target;
use hedgerow_collect::targets::{MAX_TARGETS, TargetsError, expand, parse_file};
use hedgerow_model::Labels;
use hedgerow_model::labels::{MAX_KEY_BYTES, MAX_LABELS};
use std::collections::{BTreeMap, HashMap};

/// Longest file of targets, in bytes; a longer one is refused.
const MAX_TARGETS_BYTES: u64 = 64 << 20;

const EXPECTED: &str = "a list of targets, as [\"node[001-600]\", { node = \"db\", address = \"10.0.0.7\" }]";

/// Reads both keys. Without any of them the one target is this host. `None`: something is wrong, and was said.
pub(super) fn targets(section: &mut Section<'_>, host: &str) -> Option<Vec<Target>> {
    let path = section.path.child("targets");
    let mut found = Found { targets: Vec::new(), nodes: HashMap::new(), good: true };
    let listed = section.entry("targets");
    let from = section.entry("targets_from");
    match listed.map(|entry| &entry.node) {
        None if from.is_none() => {
            let (node, labels) = (host.to_owned(), BTreeMap::new());
            return Some(vec![Target { address: node.clone(), node, labels }]);
        }
        None => {}
        Some(Node { at, value: Value::List(items) }) => {
            if items.is_empty() && from.is_none() {
                let wrong = Wrong::new("is empty", "at least one target; without the key it is this host");
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
struct Found {
    targets: Vec<Target>,
    nodes: HashMap<String, Place>,
    good: bool,
}

impl Found {
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
                match target(inner) {
                    Some(target) => drop(self.add(section, target, item.at, path)),
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
        let content = match findings.file(&path, MAX_TARGETS_BYTES) {
            Ok(content) => content,
            Err(why) => {
                let problem = format!("{} cannot be read: {why}", path.display());
                let expected = "a text file (one target a line), or file_sd as `.json`";
                return self.refuse(section, node.at, &key, Wrong::new(problem, expected));
            }
        };
        match parse_file(&path, &content) {
            Ok(targets) => {
                for target in targets {
                    if !self.add(section, target, node.at, &key) {
                        break;
                    }
                }
            }
            Err(error) => {
                self.good = false;
                let Wrong { problem, expected, .. } = said(&error);
                let complaint = Complaint::of_file(&path, problem, expected);
                let spot = match error {
                    TargetsError::Line { line, .. } => Some(Spot::of_line(&content, line)),
                    _ => None,
                };
                let complaint = Complaint { spot, key: key.shown().to_owned(), ..complaint };
                findings.refuse(
                    node.at,
                    complaint.note(format!("the file is named in {}", findings.place(node.at))),
                );
            }
        }
    }

    /// Adds a target; `false`: it is wrong, which was said.
    fn add(&mut self, section: &Section<'_>, target: Target, at: Place, path: &KeyPath) -> bool {
        let wrong = if self.targets.len() >= MAX_TARGETS {
            Wrong::new("too many targets", format!("at most {MAX_TARGETS} in one collector"))
        } else if let Err(wrong) = is_name(&target.node) {
            Wrong { problem: format!("target `{}` {}", target.node, wrong.problem), ..wrong }
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
            self.targets.push(target);
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

/// `{ node = …, address = …, labels = { … } }`
fn target(mut section: Section<'_>) -> Option<Target> {
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
    let mut good = address != Got::Bad;
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
    section.finish(|_| None);
    let node = node.ok()?;
    good.then(|| Target { address: address.or(node.clone()), node, labels })
}
