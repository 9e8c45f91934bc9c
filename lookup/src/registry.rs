//! The registrations by id, packed, and law 1: which registration of a service takes the place of which.
//!
//! What is asked for is unpacked and read anew each time: who keeps an [`Entry`] keeps it in a bounded place. It knows
//! no leases' terms and no time.

mod order;
mod packing;

pub use packing::{Packed, parse};

use crate::admission::Entry;
use crate::leases::LeaseId;
use crate::refusal::Refusal;
use crate::slab::Slab;
use hedgerow_model::registration::Id;
use order::Order;
use packing::Packing;
use std::sync::Arc;

/// A registration in the directory.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What is registered.
    pub entry: Arc<Entry>,
    /// Under which lease.
    pub lease: LeaseId,
    /// Number of its last transition; 0: none since the lookup started.
    pub number: u64,
}

/// A registration as it is kept.
#[derive(Debug)]
struct Record {
    packed: Packed,
    lease: LeaseId,
    number: u64,
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
    records: Slab<Record>,
    order: Order,
    packing: Packing,
}

impl Registry {
    /// How many there are.
    pub const fn count(&self) -> usize {
        self.records.len()
    }

    /// Whether there is one of this service.
    pub fn contains(&self, id: Id) -> bool {
        self.slot(id).is_some()
    }

    /// The lease of a service's.
    pub fn lease(&self, id: Id) -> Option<LeaseId> {
        Some(self.record(self.slot(id)?).lease)
    }

    /// That of a service, unpacked.
    pub fn get(&self, id: Id) -> Option<Listed> {
        Some(self.unpack(self.record(self.slot(id)?)))
    }

    /// Puts one in, in the place of the one that was there.
    pub fn put(&mut self, listed: Listed) {
        let id = listed.entry.registration.id;
        let Listed { entry, lease, number } = listed;
        match self.slot(id) {
            Some(slot) => {
                let held = self.record(slot).packed.clone();
                let same = self.packing.signed(&held) == entry.signed;
                let packed = if same { held } else { self.packing.pack(&entry) };
                *self.records.get_mut(slot).expect(IN_ORDER) = Record { packed, lease, number };
            }
            None => {
                let packed = self.packing.pack(&entry);
                let slot = self.records.insert(Record { packed, lease, number });
                self.order.insert(id, slot, id_in(&self.records));
            }
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, id: Id) -> Option<Listed> {
        let slot = self.slot(id)?;
        self.order.remove(id, id_in(&self.records));
        let record = self.records.remove(slot).expect(IN_ORDER);
        Some(self.unpack(&record))
    }

    /// All, ordered by id, each unpacked when its turn comes.
    pub fn iter(&self) -> impl Iterator<Item = Listed> {
        self.order.iter_after(None, id_in(&self.records)).map(|slot| self.unpack(self.record(slot)))
    }

    /// Judges an offered registration: same key and higher (instance, serial) replaces, equal is nothing new.
    ///
    /// # Errors
    /// Another key, or something older.
    pub fn judge(&self, offered: &Entry) -> Result<Standing, Refusal> {
        let id = offered.registration.id;
        let Some(slot) = self.slot(id) else { return Ok(Standing::New) };
        let held = &self.record(slot).packed;
        if held.public_key() != offered.signed.public_key {
            return Err(Refusal::OtherKey(id));
        }
        let held = self.packing.entry(held).registration.order();
        let offered = offered.registration.order();
        match offered.cmp(&held) {
            std::cmp::Ordering::Less => Err(Refusal::Older { id, held, offered }),
            std::cmp::Ordering::Equal => Ok(Standing::Equal),
            std::cmp::Ordering::Greater if held.0 == offered.0 => Ok(Standing::NewSerial),
            std::cmp::Ordering::Greater => Ok(Standing::NewInstance),
        }
    }

    fn slot(&self, id: Id) -> Option<u32> {
        self.order.find(id, id_in(&self.records))
    }

    fn record(&self, slot: u32) -> &Record {
        self.records.get(slot).expect(IN_ORDER)
    }

    fn unpack(&self, record: &Record) -> Listed {
        Listed { entry: self.packing.entry(&record.packed), lease: record.lease, number: record.number }
    }
}

fn id_in(records: &Slab<Record>) -> impl Fn(u32) -> Id {
    |slot| records.get(slot).expect(IN_ORDER).packed.id()
}

const IN_ORDER: &str = "invariant: what is ordered has a record";

#[cfg(test)]
mod tests;
