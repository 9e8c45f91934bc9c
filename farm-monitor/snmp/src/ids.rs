//! Ids of requests: none can be guessed, none comes twice within 2^31 requests, all are positive and of 31 bits.
//!
//! A counter, run through a permutation that is keyed at the start of the process.

use std::hash::{BuildHasher, RandomState};

/// Ids have so many bits: they are INTEGERs that must not be negative.
const BITS: u32 = 31;
/// Rounds of the permutation; four make it look random (Luby and Rackoff).
const ROUNDS: u8 = 4;
const HALF: u32 = 16;
const LOW: u32 = (1 << HALF) - 1;

/// Gives ids.
pub(crate) struct Ids {
    next: u32,
    key: RandomState,
}

impl Ids {
    /// A sequence that nobody else has: `RandomState` is keyed by the system's randomness.
    pub fn new() -> Self {
        let key = RandomState::new();
        let next = key.hash_one("first") as u32;
        Self { next, key }
    }

    /// The next one.
    pub fn next(&mut self) -> i32 {
        loop {
            let id = self.permuted(self.next);
            self.next = self.next.wrapping_add(1);
            // The permutation is of 32 bits: what does not fit is passed over, and what is left is still a permutation.
            if id >> BITS == 0 && id != 0 {
                return id as i32;
            }
        }
    }

    fn permuted(&self, number: u32) -> u32 {
        let (mut left, mut right) = (number >> HALF, number & LOW);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ (self.key.hash_one((round, right)) as u32 & LOW));
        }
        left << HALF | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_positive_and_do_not_repeat() {
        let mut ids = Ids::new();
        let seen: HashSet<i32> = (0..100_000).map(|_| ids.next()).collect();
        assert_eq!(seen.len(), 100_000);
        assert!(seen.iter().all(|id| *id > 0));
    }

    #[test]
    fn the_permutation_loses_no_number() {
        let ids = Ids::new();
        let seen: HashSet<u32> = (0..200_000).map(|number| ids.permuted(number)).collect();
        assert_eq!(seen.len(), 200_000);
    }

    #[test]
    fn ids_do_not_follow_each_other_and_differ_between_processes() {
        let (mut one, mut other) = (Ids::new(), Ids::new());
        let steps: HashSet<i32> = (0..1_000).map(|_| one.next().wrapping_sub(one.next())).collect();
        assert!(steps.len() > 900, "the distance of ids can be foreseen");
        let (first, second): (Vec<_>, Vec<_>) = (0..8).map(|_| (one.next(), other.next())).unzip();
        assert_ne!(first, second);
    }
}
