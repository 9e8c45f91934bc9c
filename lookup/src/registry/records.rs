//! The packed registrations in their slots, and the order of their ids.

use super::order::Order;
use super::packing::{Packed, Packing, Shown};
use crate::admission::Entry;
use crate::index::Registrations;
use crate::leases::LeaseId;
use crate::slab::Slab;
use hedgerow_model::registration::{Id, Registration};
use std::sync::Arc;

/// A registration as it is kept.
#[derive(Debug)]
pub struct Record {
    /// What is registered.
    pub packed: Packed,
    /// Under which lease.
    pub lease: LeaseId,
    /// Number of its last transition.
    pub number: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Records {
    slots: Slab<Record>,
    order: Order,
    packing: Arc<Packing>,
    body_bytes: usize,
}

impl Records {
    /// How many there are.
    pub const fn count(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of all bodies, unpacked.
    pub const fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    /// By what they are packed.
    pub const fn packing(&self) -> &Arc<Packing> {
        &self.packing
    }

    /// What is in a slot; all of these methods are of slots that have something.
    pub fn get(&self, slot: u32) -> &Record {
        self.slots.get(slot).expect(TAKEN)
    }

    /// What is in a slot, where there is something.
    pub fn look(&self, slot: u32) -> Option<&Record> {
        self.slots.get(slot)
    }

    /// The slot that the next one gets.
    pub fn next_slot(&self) -> u32 {
        self.slots.next()
    }

    /// What is registered in a slot, unpacked.
    pub fn entry(&self, slot: u32) -> Arc<Entry> {
        self.packing.entry(&self.get(slot).packed)
    }

    /// The same, to be unpacked when somebody looks.
    pub fn shown(&self, slot: u32) -> Shown {
        self.packing.shown(&self.get(slot).packed)
    }

    /// Puts in a registration of an id that is not in yet.
    pub fn insert(&mut self, entry: &Entry, lease: LeaseId, number: u64) -> u32 {
        let packed = Packing::pack(&mut self.packing, entry);
        self.body_bytes += packed.body_len();
        let slot = self.slots.insert(Record { packed, lease, number });
        self.order.insert(entry.registration.id, slot, id_in(&self.slots));
        slot
    }

    /// Puts another registration of the same id into a slot.
    pub fn change(&mut self, slot: u32, entry: &Entry) {
        let packed = Packing::pack(&mut self.packing, entry);
        self.body_bytes += packed.body_len();
        let before = std::mem::replace(&mut self.slots.get_mut(slot).expect(TAKEN).packed, packed);
        self.body_bytes -= before.body_len();
    }

    /// Notes lease and number.
    pub fn mark(&mut self, slot: u32, lease: LeaseId, number: u64) {
        let record = self.slots.get_mut(slot).expect(TAKEN);
        (record.lease, record.number) = (lease, number);
    }

    /// Empties a slot.
    pub fn remove(&mut self, slot: u32) {
        self.order.remove(self.id(slot), id_in(&self.slots));
        let removed = self.slots.remove(slot).expect(TAKEN);
        self.body_bytes -= removed.packed.body_len();
    }

    /// Bytes of memory: of what is packed, of the slots, of the order.
    #[cfg(test)]
    pub fn held_bytes(&self) -> [usize; 3] {
        let packed = self.slots.values().map(|record| record.packed.held_bytes()).sum();
        [packed, self.slots.held_bytes(), self.order.held_bytes()]
    }

    /// Bytes of the packing's dictionary.
    #[cfg(test)]
    pub fn dictionary_bytes(&self) -> usize {
        self.packing.dictionary_bytes()
    }
}

impl Registrations for Records {
    fn registration(&self, slot: u32) -> Registration {
        self.packing.registration(&self.get(slot).packed)
    }

    fn id(&self, slot: u32) -> Id {
        self.get(slot).packed.id()
    }

    fn slot(&self, id: Id) -> Option<u32> {
        self.order.find(id, id_in(&self.slots))
    }

    fn ordered(&self, after: Option<Id>) -> impl Iterator<Item = u32> {
        self.order.iter_after(after, id_in(&self.slots))
    }
}

fn id_in(slots: &Slab<Record>) -> impl Fn(u32) -> Id {
    |slot| slots.get(slot).expect(TAKEN).packed.id()
}

const TAKEN: &str = "invariant: the slot has something";
