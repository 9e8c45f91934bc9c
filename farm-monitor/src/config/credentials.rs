//! `[credentials.NAME]`: in which version SNMP is spoken, and as whom. Passwords stand in files of their own, and in no
//! message.

pub mod parts;

use self::parts::{
    AUTH, MAX_CONTEXT_BYTES, MAX_USER_BYTES, Misfit, PRIVACY, Parts, VERSIONS, community, protocol, within,
};
use super::collector::one_of;
use super::secret::secret;
use super::settings::is_name;
use hedgerow_snmp::{Secret, Security};
use hedgerow_toml_tree::{Got, Node, Place, Section, Value, Wrong, nearest, text};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What `credentials =` can name.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    /// `None`: something is wrong with it, and was said.
    by_name: BTreeMap<String, Option<Arc<Security>>>,
}

impl Credentials {
    /// Reads all sections.
    pub fn read(sections: Vec<(&str, Section<'_>)>) -> Self {
        let read = |(name, section): (&str, Section<'_>)| {
            if let Err(wrong) = is_name(name) {
                section.findings.error(section.at, &section.path, wrong);
            }
            (name.to_owned(), one(section).map(Arc::new))
        };
        Self { by_name: sections.into_iter().map(read).collect() }
    }

    /// Those of this name; where something is wrong with them itself, the default's in their place.
    pub fn named(&self, name: &str) -> Result<Arc<Security>, Wrong> {
        if let Some(known) = self.by_name.get(name) {
            return Ok(known.clone().unwrap_or_else(default));
        }
        let wrong = Wrong::new(format!("there is no [credentials.{name}]"), self.expected(name));
        Err(wrong.near(name, self.by_name.keys().map(String::as_str)))
    }

    fn expected(&self, name: &str) -> String {
        let names: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        if names.is_empty() {
            return format!(
                "[credentials.{name}] with version = \"2c\" and a community, or version = \"3\" and a user"
            );
        }
        one_of(&names)
    }

    /// Those that are right, by name.
    pub fn into_good(self) -> BTreeMap<String, Arc<Security>> {
        self.by_name.into_iter().filter_map(|(name, security)| Some((name, security?))).collect()
    }
}

/// Version 2c and the community `public`.
pub fn default() -> Arc<Security> {
    Arc::new(Parts::default().security().expect("invariant: no parts are no misfit"))
}

/// What was read of one section: where its keys stand, and whether one of them is wrong.
#[derive(Default)]
struct Reading {
    places: BTreeMap<&'static str, Place>,
    bad: bool,
}

impl Reading {
    fn take<T>(&mut self, key: &'static str, got: Got<T>) -> Option<T> {
        match got {
            Got::Is(value, at) => {
                self.places.insert(key, at);
                Some(value)
            }
            Got::Bad => {
                self.bad = true;
                None
            }
            Got::Absent => None,
        }
    }
}

/// Reads `[credentials.NAME]`.
fn one(mut section: Section<'_>) -> Option<Security> {
    let mut reading = Reading::default();
    let parts = Parts {
        version: reading.take("version", section.read("version", version)),
        community: reading.take("community", read_community(&mut section)),
        user: reading.take("user", section.read("user", |node| bounded(node, MAX_USER_BYTES))),
        auth: reading.take("auth", section.read("auth", |node| word(node, &AUTH))),
        auth_password: reading.take("auth_password", password(&mut section, "auth_password")),
        privacy: reading.take("privacy", section.read("privacy", |node| word(node, &PRIVACY))),
        privacy_password: reading.take("privacy_password", password(&mut section, "privacy_password")),
        context: reading.take("context", section.read("context", |node| bounded(node, MAX_CONTEXT_BYTES))),
    };
    let Reading { places, mut bad } = reading;
    if parts.version.is_none() && !bad {
        section.missing("version", &format!("version = {}", one_of(&VERSIONS)));
        bad = true;
    }
    // What is wrong with a part was said; how the others fit is known only where all are.
    let security = if bad { Err(Vec::new()) } else { parts.security() };
    let (findings, path, at) = (section.findings, section.path.clone(), section.at);
    section.finish();
    let complain = |Misfit { key, problem, expected }| match places.get(key) {
        Some(at) => findings.error(*at, &path.child(key), Wrong::new(problem, expected)),
        None => {
            let file = if key.ends_with("password") {
                format!("{key} = {{ file = \"…\" }}, ")
            } else {
                String::new()
            };
            findings.error(at, &path, Wrong::new(format!("`{key}` is missing"), file + &expected));
        }
    };
    security.map_err(|misfits| misfits.into_iter().for_each(complain)).ok()
}

fn version(node: &Node) -> Result<&'static str, Wrong> {
    let expected = one_of(&VERSIONS);
    let text = match &node.value {
        Value::Integer(number) => {
            let likely = VERSIONS.into_iter().find(|known| *known == number.to_string());
            let likely = likely.map(|likely| format!("\"{likely}\""));
            return Err(Wrong::new("is a number", expected).meant(likely));
        }
        _ => text(node, &expected)?,
    };
    let known = VERSIONS.into_iter().find(|known| known.eq_ignore_ascii_case(&text));
    known.ok_or_else(|| {
        let bare = text.trim_start_matches(['v', 'V']);
        let likely = VERSIONS.into_iter().find(|known| !bare.is_empty() && known.starts_with(bare));
        let likely = likely.or_else(|| nearest(&text, VERSIONS)).map(|likely| format!("\"{likely}\""));
        Wrong::new(format!("no version `{text}`"), expected).meant(likely)
    })
}

fn bounded(node: &Node, most: usize) -> Result<String, Wrong> {
    let text = text(node, "text in quotes")?;
    within(&text, most).map_err(|(problem, expected)| Wrong::new(problem, expected))?;
    Ok(text)
}

fn word<T: Copy>(node: &Node, known: &[(&'static str, T)]) -> Result<T, Wrong> {
    let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
    let text = text(node, &one_of(&names))?;
    protocol(&text, known).map_err(|(expected, likely)| {
        Wrong::new(format!("no protocol `{text}`"), expected)
            .meant(likely.map(|likely| format!("\"{likely}\"")))
    })
}

/// Text, or the content of a file.
fn read_community(section: &mut Section<'_>) -> Got<Secret> {
    let Some(entry) = section.entry("community") else { return Got::Absent };
    let path = section.path.child("community");
    let given = match &entry.node.value {
        Value::Table(table) => secret(table, entry, path.clone(), section.findings),
        _ => match text(&entry.node, "text in quotes, or { file = \"…\" } for a file that holds it") {
            Ok(given) => Some(given),
            Err(wrong) => {
                section.findings.error(entry.node.at, &path, wrong);
                None
            }
        },
    };
    let Some(given) = given else { return Got::Bad };
    match community(given) {
        Ok(secret) => Got::Is(secret, entry.node.at),
        Err((problem, expected)) => {
            section.findings.error(entry.node.at, &path, Wrong::new(problem, expected));
            Got::Bad
        }
    }
}

/// The content of a file; text is refused.
fn password(section: &mut Section<'_>, key: &'static str) -> Got<Secret> {
    let Some(entry) = section.entry(key) else { return Got::Absent };
    let path = section.path.child(key);
    if let Value::Table(table) = &entry.node.value {
        let found = secret(table, entry, path, section.findings);
        return found.map_or(Got::Bad, |text| Got::Is(Secret::new(text), entry.node.at));
    }
    let expected = "{ file = \"…\" }, a file that holds it and that only its owner may read";
    let wrong = match &entry.node.value {
        Value::Text(_) => {
            Wrong::new("a password in clear text, for everybody who reads the configuration", expected)
                .note("install -m 600 /dev/stdin FILE, then type it, Enter and Ctrl-D")
        }
        other => Wrong::kind(other, expected),
    };
    section.findings.error(entry.node.at, &path, wrong);
    Got::Bad
}
