//! OIDs by the names that MIBs give them, and back: for `hedgerow snmp walk`, and for traps. A built-in list of the standard
//! objects, and what profiles name.

use crate::library::Library;
use crate::profile::Profile;
use crate::text::text;
use hedgerow_snmp::{Oid, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

/// Lines of `OID NAME CODE=WORD…`.
const STANDARD: &str = include_str!("names/standard.txt");

/// Names of objects, with the words for their codes.
#[derive(Debug, Clone, Default)]
pub struct Names {
    by_oid: HashMap<Oid, Arc<Entry>>,
    by_name: HashMap<String, Oid>,
    /// Most numbers of a named OID.
    longest: usize,
}

#[derive(Debug, Default, Clone)]
struct Entry {
    name: String,
    words: BTreeMap<i64, String>,
}

impl Names {
    /// The built-in ones.
    pub fn standard() -> &'static Self {
        static STANDARD_NAMES: OnceLock<Names> = OnceLock::new();
        STANDARD_NAMES.get_or_init(|| {
            let mut names = Self::default();
            for line in STANDARD.lines().filter(|line| !line.starts_with('#')) {
                let mut words = line.split(' ');
                let oid = words.next().and_then(|oid| Oid::parse(oid).ok());
                let (Some(oid), Some(name)) = (oid, words.next()) else { continue };
                let words = words.filter_map(|word| {
                    let (code, word) = word.split_once('=')?;
                    Some((code.parse().ok()?, word.to_owned()))
                });
                names.add(&oid, name, &words.collect());
            }
            names
        })
    }

    /// The built-in ones, and what profiles name beside them.
    pub fn of(library: &Library) -> Self {
        let mut names = Self::standard().clone();
        for profile in library.iter() {
            names.add_profile(profile);
        }
        names
    }

    fn add_profile(&mut self, profile: &Profile) {
        let none = BTreeMap::new();
        for (oid, name) in &profile.names {
            self.add(oid, name, &none);
        }
        for table in &profile.tables {
            for (name, lookup) in &table.lookups {
                // A look-up in another row may have a name of its own making.
                if lookup.key.is_none() {
                    self.add(&lookup.column, name, &lookup.words);
                }
            }
        }
        for object in profile.scalars.iter().chain(profile.tables.iter().flat_map(|table| &table.columns)) {
            self.add(&object.oid, &object.name, &object.words);
        }
        for trap in &profile.traps {
            self.add(&trap.oid, &trap.name, &none);
        }
    }

    /// The first name of an OID stays, and so does the first OID of a name; words are added where there are none.
    fn add(&mut self, oid: &Oid, name: &str, words: &BTreeMap<i64, String>) {
        let entry = self.by_oid.entry(oid.clone()).or_default();
        if entry.name.is_empty() || (entry.words.is_empty() && !words.is_empty()) {
            let name = if entry.name.is_empty() { name } else { &entry.name };
            *entry = Arc::new(Entry { name: name.to_owned(), words: words.clone() });
        }
        self.longest = self.longest.max(oid.len());
        self.by_name.entry(name.to_owned()).or_insert_with(|| oid.clone());
    }

    /// The longest named beginning of an OID, and how many numbers it has.
    fn nearest(&self, oid: &Oid) -> Option<(&Entry, usize)> {
        (1..=oid.len().min(self.longest)).rev().find_map(|length| {
            let entry = self.by_oid.get(&Oid::from_slice(oid.arcs().get(..length)?))?;
            Some((entry.as_ref(), length))
        })
    }

    /// `ifHCInOctets.3`; the number where nothing of it is named.
    pub fn show(&self, oid: &Oid) -> String {
        match self.nearest(oid) {
            Some((entry, length)) => {
                let rest = oid.arcs().get(length..).unwrap_or_default();
                rest.iter().fold(entry.name.clone(), |name, number| format!("{name}.{number}"))
            }
            None => oid.to_string(),
        }
    }

    /// The OID that is meant by `ifHCInOctets.3`, `sysUpTime.0`, or by a number with dots.
    pub fn find(&self, text: &str) -> Option<Oid> {
        let text = text.rsplit("::").next().unwrap_or(text);
        let (name, rest) = text.split_once('.').map_or((text, None), |(name, rest)| (name, Some(rest)));
        let numbers = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            plain.then(|| Oid::parse(text).ok()).flatten()
        };
        let found = match self.by_name.get(name) {
            Some(oid) => {
                let index = rest.map_or(Some(Oid::empty()), numbers)?;
                Oid::new(oid.arcs().iter().chain(index.arcs()).copied())
            }
            None => numbers(text.strip_prefix('.').unwrap_or(text))?,
        };
        (found.len() <= crate::index::MAX_INDEX).then_some(found)
    }

    /// The name nearest to a text that is none, for "did you mean".
    pub fn meant(&self, text: &str) -> Option<&str> {
        let name = text.split('.').next().unwrap_or(text);
        hedgerow_toml_tree::nearest(name, self.by_name.keys().map(String::as_str))
    }

    /// The word for a code of the object that `oid` is an instance of.
    pub fn word(&self, oid: &Oid, code: i64) -> Option<&str> {
        self.nearest(oid)?.0.words.get(&code).map(String::as_str)
    }

    /// A value for people: `up(1)`, names for OIDs, text where it is that.
    pub fn show_value(&self, oid: &Oid, value: &Value) -> String {
        match value {
            Value::Integer(code) => match self.word(oid, (*code).into()) {
                Some(word) => format!("{word}({code})"),
                None => code.to_string(),
            },
            Value::ObjectIdentifier(oid) => self.show(oid),
            other => text(other, crate::profile::TextForm::Text).unwrap_or_else(|| other.kind().to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
