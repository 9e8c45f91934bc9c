//! When leases are to be looked at. Only those of the next seconds are in order; the others lie by the window in which
//! their time is, at four bytes each, and are put in order when that begins.
//!
//! It names leases by their places in the table. It does not know when they run out: only when to look.

use super::{Lease, LeaseId};
use crate::dense_map::DenseMap;
use std::collections::{BTreeMap, BTreeSet};

/// Milliseconds of a window.
const WINDOW: u64 = 8000;
/// The place of a lease that is in order.
const ORDERED: u32 = u32::MAX;
/// Most leases that are put in order at once; of more the rest is the next times.
const ORDERED_AT_ONCE: usize = 50_000;

type Leases = DenseMap<LeaseId, Lease>;

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    /// Of the windows that have begun.
    ordered: BTreeSet<(u64, LeaseId)>,
    /// Of the others, and what is left of one in which there are many.
    windows: BTreeMap<u64, Vec<u32>>,
    /// The window that it is.
    begun: u64,
}

impl Queue {
    /// Puts in a lease that is not in, to be looked at then.
    pub fn add(&mut self, leases: &mut Leases, slot: u32, at: u64) {
        let (id, lease) = leases.at_mut(slot).expect(QUEUED_IS_HELD);
        let place = if at / WINDOW <= self.begun {
            self.ordered.insert((at, *id));
            ORDERED
        } else {
            let window = self.windows.entry(at / WINDOW).or_default();
            if window.len() == window.capacity() {
                window.reserve_exact(window.len() / 8 + 4);
            }
            window.push(slot);
            u32::try_from(window.len() - 1).expect("invariant: fewer leases than a u32 counts")
        };
        (lease.queued, lease.place) = (at, place);
    }

    /// Takes a lease out that is in.
    pub fn remove(&mut self, leases: &mut Leases, slot: u32) {
        let (id, lease) = leases.at(slot).expect(QUEUED_IS_HELD);
        let (at, place) = (lease.queued, lease.place);
        if place == ORDERED {
            self.ordered.remove(&(at, *id));
            return;
        }
        let window = self.windows.get_mut(&(at / WINDOW)).expect("invariant: its window has not begun");
        window.swap_remove(place as usize);
        if let Some(moved) = window.get(place as usize) {
            leases.at_mut(*moved).expect(QUEUED_IS_HELD).1.place = place;
        } else if window.is_empty() {
            self.windows.remove(&(at / WINDOW));
        }
    }

    /// Lets windows begin.
    pub fn advance(&mut self, leases: &mut Leases, now: u64) {
        self.begun = now / WINDOW;
        let mut may = ORDERED_AT_ONCE;
        while let Some(mut window) = self.windows.first_entry().filter(|window| *window.key() <= self.begun) {
            while may > 0
                && let Some(slot) = window.get_mut().pop()
            {
                let (id, lease) = leases.at_mut(slot).expect(QUEUED_IS_HELD);
                self.ordered.insert((lease.queued, *id));
                lease.place = ORDERED;
                may -= 1;
            }
            if !window.get().is_empty() {
                return;
            }
            window.remove();
        }
    }

    /// The first that is to be looked at by now, and when it was to be.
    pub fn first(&self, now: u64) -> Option<(u64, LeaseId)> {
        self.ordered.first().filter(|(at, _)| *at <= now).copied()
    }

    /// How many are in.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.ordered.len() + self.windows.values().map(Vec::len).sum::<usize>()
    }

    /// Bytes of memory; nodes of a tree are about two thirds full.
    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        let window = |window: &Vec<u32>| crate::testing::allocation(window.capacity() * 4) + 48;
        self.windows.values().map(window).sum::<usize>() + self.ordered.len() * 24
    }
}

const QUEUED_IS_HELD: &str = "invariant: what is queued is in the table";
