//! The registrations by id, packed and indexed, and law 1: which registration of a service takes the place of which.
//!
//! What is asked for is unpacked and read anew each time: who keeps an [`Entry`] keeps it in a bounded place. It knows
//! no leases' terms and no time.

mod order;
mod packing;
mod records;

pub use packing::{Packed, Packing, Shown, parse};

use crate::admission::Entry;
use crate::index::{Entries, Facet, FacetKeys, Index, Matches, Registrations};
use crate::leases::LeaseId;
use crate::refusal::Refusal;
use hedgerow_model::registration::Id;
use hedgerow_model::template::Matcher;
use records::Records;
use std::sync::Arc;

/// A registration in the directory.
#[derive(Debug, Clone)]
pub struct Listed<E = Arc<Entry>> {
    /// What is registered.
    pub entry: E,
    /// Under which lease.
    pub lease: LeaseId,
    /// Number of its last transition; 0: none since the lookup started.
    pub number: u64,
}

/// What an offered registration is to the one that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// None is held.
    New,
    /// The same.
    Equal,
    /// A newer one of the same run of the service.
    NewSerial,
    /// One of a newer run.
    NewInstance,
}

/// All registrations, ordered by id.
#[derive(Debug, Default)]
pub struct Registry {
    records: Records,
    index: Index,
}

impl Registry {
    /// How many there are.
    pub const fn count(&self) -> usize {
        self.records.count()
    }

    /// Bytes of their bodies, unpacked.
    pub const fn body_bytes(&self) -> usize {
        self.records.body_bytes()
    }

    /// How many bytes of bodies more there were with this one in its slot.
    pub fn growth(&self, slot: u32, offered: &Entry) -> usize {
        let held = self.records.look(slot).map_or(0, |record| record.packed.body_len());
        offered.signed.body.len().saturating_sub(held)
    }

    /// Whether there is one of this service.
    pub fn contains(&self, id: Id) -> bool {
        self.records.slot(id).is_some()
    }

    /// The slot in which that of a service stands, or will.
    pub fn slot(&self, id: Id) -> u32 {
        self.records.slot(id).unwrap_or_else(|| self.records.next_slot())
    }

    /// What stands in a slot, to be unpacked when somebody looks.
    pub fn shown(&self, slot: u32) -> Option<Listed<Shown>> {
        let record = self.records.look(slot)?;
        Some(Listed { entry: self.records.shown(slot), lease: record.lease, number: record.number })
    }

    /// The lease of a service's.
    pub fn lease(&self, id: Id) -> Option<LeaseId> {
        Some(self.records.get(self.records.slot(id)?).lease)
    }

    /// That of a service, unpacked.
    pub fn get(&self, id: Id) -> Option<Listed> {
        Some(self.listed(self.records.slot(id)?))
    }

    /// What stands in a slot, packed.
    pub fn packed(&self, slot: u32) -> Option<Packed> {
        Some(self.records.look(slot)?.packed.clone())
    }

    /// By what they are packed.
    pub const fn packing(&self) -> &Arc<Packing> {
        self.records.packing()
    }

    /// Puts one in its slot, in the place of the one that was there.
    pub fn put(&mut self, slot: u32, listed: Listed) {
        let Listed { entry, lease, number } = listed;
        if self.records.look(slot).is_none() {
            let slot = self.records.insert(&entry, lease, number);
            return self.index.insert(slot, &Entries::of(&entry.registration));
        }
        let before = self.records.entry(slot);
        if before.signed != entry.signed {
            let (before, after) = (Entries::of(&before.registration), Entries::of(&entry.registration));
            self.index.change(slot, &before, &after);
            self.records.change(slot, &entry);
        }
        self.records.mark(slot, lease, number);
    }

    /// Notes that what stands in a slot had this transition, and stands as it is.
    pub fn mark(&mut self, slot: u32, number: u64) {
        let lease = self.records.get(slot).lease;
        self.records.mark(slot, lease, number);
    }

    /// Takes out what stands in a slot.
    pub fn remove(&mut self, slot: u32) -> Listed {
        let listed = self.listed(slot);
        self.records.remove(slot);
        self.index.remove(slot, &Entries::of(&listed.entry.registration));
        listed
    }

    /// The slots of all.
    pub fn slots(&self) -> impl Iterator<Item = u32> {
        self.records.ordered(None)
    }

    /// Which ones match a template.
    pub fn matching(&self, template: &Matcher) -> Matches {
        self.index.matching(template, &self.records)
    }

    /// The first `most` of those that match, in the order of their ids, from behind `after`.
    pub fn page(
        &self,
        matches: &Matches,
        after: Option<Id>,
        most: usize,
    ) -> impl Iterator<Item = Listed<Shown>> {
        let slots = matches.page(after, most, &self.records).into_iter();
        slots.filter_map(|slot| self.shown(slot))
    }

    /// How many match a template, and which values they have of these fields, with at most `limit` values each.
    pub fn facets(&self, template: &Matcher, keys: FacetKeys, limit: usize) -> (u64, Vec<Facet>) {
        let matches = self.matching(template);
        (matches.len(), self.index.facets(matches, keys, limit, &self.records))
    }

    /// Judges what is offered for its slot: same key and higher (instance, serial) replaces, equal is nothing new.
    ///
    /// # Errors
    /// Another key, or something older.
    pub fn judge(&self, slot: u32, offered: &Entry) -> Result<Standing, Refusal> {
        let id = offered.registration.id;
        if self.records.look(slot).is_none() {
            return Ok(Standing::New);
        }
        let held = self.records.entry(slot);
        if held.signed.public_key != offered.signed.public_key {
            return Err(Refusal::OtherKey(id));
        }
        let held = held.registration.order();
        let offered = offered.registration.order();
        match offered.cmp(&held) {
            std::cmp::Ordering::Less => Err(Refusal::Older { id, held, offered }),
            std::cmp::Ordering::Equal => Ok(Standing::Equal),
            std::cmp::Ordering::Greater if held.0 == offered.0 => Ok(Standing::NewSerial),
            std::cmp::Ordering::Greater => Ok(Standing::NewInstance),
        }
    }

    /// Bytes of memory: of what is packed, the slots, the order, the index.
    #[cfg(test)]
    pub fn held_bytes(&self) -> Vec<usize> {
        self.records.held_bytes().into_iter().chain(self.index.held_bytes()).collect()
    }

    fn listed(&self, slot: u32) -> Listed {
        let record = self.records.get(slot);
        Listed { entry: self.records.entry(slot), lease: record.lease, number: record.number }
    }
}

#[cfg(test)]
mod tests;
