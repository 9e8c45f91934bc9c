//! Which values the matching registrations have, counted.

use super::postings::Postings;
use super::{ATTRIBUTE, BETWEEN, Entries, Index, Matches, Registrations, field_key, value_key};
use hedgerow_model::template::Field;
use roaring::RoaringBitmap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Most attributes that are looked at where none are named; those behind, by name, are left out.
const MAX_SEEN: usize = 4096;

/// Where fewer than one registration in this many match, an index of those alone is made and counted.
/// (Tests see both ways.)
const FEW: u64 = if cfg!(test) { 3 } else { 200 };

/// How often one value occurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The value.
    pub value: String,
    /// In how many registrations.
    pub registrations: u64,
}

/// The values of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// The field.
    pub field: Field,
    /// The most frequent first, then by value.
    pub values: Vec<Count>,
    /// How many values there are in all.
    pub distinct: u64,
    /// How many of the registrations that match have any.
    pub registrations: u64,
}

/// Which fields are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FacetKeys {
    /// These.
    Named(Vec<Field>),
    /// Kind, group, version, api, and every attribute; at most so many: of the attributes those that most have.
    Every(usize),
}

impl Index {
    /// The facets of what matches, with at most `limit` values each.
    ///
    /// While the directory is locked: the worst are fields with a million values, each of which is counted.
    pub fn facets(
        &self,
        matches: Matches,
        keys: FacetKeys,
        limit: usize,
        held: &impl Registrations,
    ) -> Vec<Facet> {
        if matches.len() * FEW < self.all.len() {
            let mut few = Self::default();
            for slot in matches.bits(&self.all) {
                few.insert(slot, &Entries::of(&held.registration(slot)));
            }
            let all = Matches::All(few.all.len());
            return few.counted(all, keys, limit);
        }
        self.counted(matches, keys, limit)
    }

    fn counted(&self, matches: Matches, keys: FacetKeys, limit: usize) -> Vec<Facet> {
        let bits = match matches {
            Matches::All(_) => None,
            some => Some(some.bits(&self.all)),
        };
        let bits = bits.as_ref();
        let fields = match keys {
            FacetKeys::Named(fields) => fields,
            FacetKeys::Every(most) => {
                let own = [Field::Kind, Field::Group, Field::Version, Field::Api];
                let attributes = self.attributes(bits, most.saturating_sub(own.len()));
                own.into_iter().chain(attributes).collect()
            }
        };
        fields.into_iter().map(|field| self.facet(field, bits, limit)).collect()
    }

    fn facet(&self, field: Field, bits: Option<&RoaringBitmap>, limit: usize) -> Facet {
        let key = field_key(&field);
        let registrations = self.dictionary.get(&key).map_or(0, |any| any.count_in(bits));
        let mut distinct = 0;
        // The rarest on top.
        let mut top = BinaryHeap::<(Reverse<u64>, String)>::new();
        if registrations > 0 {
            self.dictionary.each(&value_key(&key, ""), |text, postings: Postings<'_>| {
                let count = postings.count_in(bits);
                distinct += u64::from(count > 0);
                // They come ascending: of equally frequent ones the first stay.
                let better = top.len() < limit || top.peek().is_some_and(|(least, _)| count > least.0);
                if count > 0 && better {
                    let value = String::from_utf8_lossy(&text[key.len() + 1..]).into_owned();
                    top.push((Reverse(count), value));
                    if top.len() > limit {
                        top.pop();
                    }
                }
            });
        }
        let counts = top.into_sorted_vec().into_iter();
        let values = counts.map(|(Reverse(registrations), value)| Count { value, registrations }).collect();
        Facet { field, values, distinct, registrations }
    }

    /// The attributes that most of the matching registrations have, at most so many.
    fn attributes(&self, bits: Option<&RoaringBitmap>, most: usize) -> Vec<Field> {
        let (mut seen, mut looked) = (Vec::new(), 0);
        let mut from = vec![ATTRIBUTE];
        while let Some((key, any)) = self.dictionary.first(&from).filter(|(key, _)| key[0] == ATTRIBUTE) {
            let count = any.count_in(bits);
            let name = String::from_utf8_lossy(&key[1..]).into_owned();
            if count > 0 {
                seen.push((Reverse(count), name));
            }
            looked += 1;
            if looked == MAX_SEEN {
                break;
            }
            // Behind all its values.
            from = [&*key, &[BETWEEN + 1]].concat();
        }
        seen.sort_unstable();
        seen.truncate(most);
        seen.into_iter().map(|(_, name)| Field::Attribute(name)).collect()
    }
}
