//! The index: which values the registrations have, and in which slots; so that what matches a template is found without
//! looking at what does not.
//!
//! It answers exactly what [`Matcher::matches`] says of each registration, never more or less. It holds no registration:
//! its owner is asked where the index cannot tell.

mod block;
mod dictionary;
mod facets;
mod postings;
mod query;

pub use facets::{Facet, FacetKeys};
pub use query::Matches;

use dictionary::Dictionary;
use hedgerow_model::registration::{Id, Registration};
use hedgerow_model::template::Field;
use roaring::RoaringBitmap;

/// Whoever holds the registrations of the slots.
pub trait Registrations {
    /// The registration in a slot.
    fn registration(&self, slot: u32) -> Registration;
    /// The id of the registration in a slot.
    fn id(&self, slot: u32) -> Id;
    /// The slot of an id.
    fn slot(&self, id: Id) -> Option<u32>;
    /// The slots in the order of their ids, from behind `after`.
    fn ordered(&self, after: Option<Id>) -> impl Iterator<Item = u32>;
}

/// The index.
#[derive(Debug, Default)]
pub struct Index {
    /// By field and value, and by field alone: who has any value of it.
    dictionary: Dictionary,
    /// All slots.
    all: RoaringBitmap,
}

/// What the dictionary holds of one registration: ascending, each once.
#[derive(Debug, PartialEq, Eq)]
pub struct Entries(Vec<Vec<u8>>);

impl Index {
    /// Adds what is now in a slot.
    pub fn insert(&mut self, slot: u32, entries: &Entries) {
        self.all.insert(slot);
        entries.0.iter().for_each(|text| self.dictionary.insert(text, slot));
    }

    /// Changes what is in a slot.
    pub fn change(&mut self, slot: u32, before: &Entries, after: &Entries) {
        let only = |these: &Entries, those: &Entries| {
            these.0.iter().filter(|text| those.0.binary_search(text).is_err()).cloned().collect::<Vec<_>>()
        };
        only(before, after).iter().for_each(|text| self.dictionary.remove(text, slot));
        only(after, before).iter().for_each(|text| self.dictionary.insert(text, slot));
    }

    /// Takes out what was in a slot.
    pub fn remove(&mut self, slot: u32, entries: &Entries) {
        self.all.remove(slot);
        entries.0.iter().for_each(|text| self.dictionary.remove(text, slot));
    }
}

#[cfg(test)]
impl Index {
    /// Bytes of memory: of texts, of the slots of those that occur more than once.
    pub fn held_bytes(&self) -> [usize; 2] {
        self.dictionary.held_bytes()
    }
}

impl Entries {
    /// Those of a registration.
    pub fn of(registration: &Registration) -> Self {
        let Registration { kind, groups, name, version, apis, attributes, .. } = registration;
        let mut all = Vec::with_capacity(2 * (groups.len() + apis.len() + attributes.len() + 3));
        let mut add = |field: Vec<u8>, value: &str| {
            all.push(value_key(&field, value));
            all.push(field);
        };
        let own =
            groups.iter().map(|group| (Field::Group, group)).chain(apis.iter().map(|api| (Field::Api, api)));
        let own = own.chain([(Field::Kind, kind), (Field::Name, name), (Field::Version, version)]);
        // Of its own fields an empty one is none; an attribute may be the empty text.
        own.filter(|(_, value)| !value.is_empty()).for_each(|(field, value)| add(field_key(&field), value));
        for (key, value) in attributes {
            add(attribute_key(key), value);
        }
        all.sort_unstable();
        all.dedup();
        Self(all)
    }
}

/// Begins the keys of attributes; own fields have a byte of their own before it.
const ATTRIBUTE: u8 = 8;
/// Between a field and a value: in no attribute's key, which is a name.
const BETWEEN: u8 = 0;

/// Under what the dictionary has a field. The id is not in it: who holds the registrations has them by id.
fn field_key(field: &Field) -> Vec<u8> {
    match field {
        Field::Id => vec![1],
        Field::Kind => vec![2],
        Field::Group => vec![3],
        Field::Name => vec![4],
        Field::Version => vec![5],
        Field::Api => vec![6],
        Field::Attribute(key) => attribute_key(key),
    }
}

fn attribute_key(key: &str) -> Vec<u8> {
    [&[ATTRIBUTE], key.as_bytes()].concat()
}

fn value_key(field: &[u8], value: &str) -> Vec<u8> {
    [field, &[BETWEEN], value.as_bytes()].concat()
}

#[cfg(test)]
mod tests;
