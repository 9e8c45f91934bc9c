//! In which slots a text occurs: one, a few, or a set of bits.

use roaring::RoaringBitmap;

/// Most slots in a list; more become a set of bits, which is smaller then.
const MAX_FEW: usize = 256;

/// More than one slot.
#[derive(Debug)]
pub enum Many {
    /// Ascending.
    Few(Vec<u32>),
    /// More than would be a short list.
    Lots(RoaringBitmap),
}

/// The slots of a text.
#[derive(Debug, Clone, Copy)]
pub enum Postings<'a> {
    /// This only.
    One(u32),
    /// These, ascending.
    Few(&'a [u32]),
    /// These.
    Lots(&'a RoaringBitmap),
}

impl Many {
    /// Two different ones.
    pub fn pair(a: u32, b: u32) -> Self {
        Self::Few(vec![a.min(b), a.max(b)])
    }

    /// Adds a slot.
    pub fn insert(&mut self, slot: u32) {
        match self {
            Self::Few(few) => {
                if let Err(at) = few.binary_search(&slot) {
                    if few.len() == few.capacity() {
                        // There are many short lists: doubling would cost more than it saves.
                        few.reserve_exact(few.len() / 4 + 1);
                    }
                    few.insert(at, slot);
                }
                if few.len() > MAX_FEW {
                    *self = Self::Lots(few.iter().copied().collect());
                }
            }
            Self::Lots(lots) => drop(lots.insert(slot)),
        }
    }

    /// Takes a slot out.
    pub fn remove(&mut self, slot: u32) {
        match self {
            Self::Few(few) => {
                if let Ok(at) = few.binary_search(&slot) {
                    few.remove(at);
                }
            }
            Self::Lots(lots) => {
                lots.remove(slot);
                // Half, so that one that comes and goes does not change the form each time.
                if lots.len() <= MAX_FEW as u64 / 2 {
                    *self = Self::Few(lots.iter().collect());
                }
            }
        }
    }

    /// The slot, where only one is left.
    pub fn only(&self) -> Option<u32> {
        match self {
            Self::Few(few) if few.len() == 1 => few.first().copied(),
            _ => None,
        }
    }
}

#[cfg(test)]
impl Many {
    /// Bytes of memory beside its own.
    pub fn held_bytes(&self) -> usize {
        use crate::testing::allocation;
        match self {
            Self::Few(few) => allocation(few.capacity() * size_of::<u32>()),
            Self::Lots(lots) => {
                let found = lots.statistics();
                // It counts four bytes for an element of two, and a byte for a bit.
                let bytes = found.n_bytes_array_containers / 2 + found.n_bytes_bitset_containers / 8;
                allocation(64 * found.n_containers as usize) + bytes as usize
            }
        }
    }
}

impl<'a> From<&'a Many> for Postings<'a> {
    fn from(many: &'a Many) -> Self {
        match many {
            Many::Few(few) => Self::Few(few),
            Many::Lots(lots) => Self::Lots(lots),
        }
    }
}

impl Postings<'_> {
    /// How many slots.
    pub fn len(&self) -> u64 {
        match self {
            Self::One(_) => 1,
            Self::Few(few) => few.len() as u64,
            Self::Lots(lots) => lots.len(),
        }
    }

    /// Whether this slot is among them.
    pub fn contains(&self, slot: u32) -> bool {
        match self {
            Self::One(one) => *one == slot,
            Self::Few(few) => few.binary_search(&slot).is_ok(),
            Self::Lots(lots) => lots.contains(slot),
        }
    }

    /// How many of them are in a set; without one, how many there are.
    pub fn count_in(&self, bits: Option<&RoaringBitmap>) -> u64 {
        let Some(bits) = bits else { return self.len() };
        match self {
            Self::One(one) => bits.contains(*one).into(),
            Self::Few(few) => few.iter().filter(|slot| bits.contains(**slot)).count() as u64,
            Self::Lots(lots) => lots.intersection_len(bits),
        }
    }
}

/// All slots of several.
pub fn union(all: &[Postings<'_>]) -> RoaringBitmap {
    let mut bits = RoaringBitmap::new();
    let mut single = Vec::new();
    for postings in all {
        match postings {
            Postings::One(one) => single.push(*one),
            Postings::Few(few) => single.extend_from_slice(few),
            Postings::Lots(lots) => bits |= *lots,
        }
    }
    single.sort_unstable();
    single.dedup();
    bits | RoaringBitmap::from_sorted_iter(single).expect("invariant: sorted, each once")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn they_are_sets_in_every_form(
            slots in prop::collection::btree_set(0..2_000_000u32, 2..600),
            keep in 1..600usize,
            others in prop::collection::btree_set(0..2_000_000u32, 0..600),
        ) {
            let slots: Vec<_> = slots.into_iter().collect();
            let mut many = Many::pair(slots[1], slots[0]);
            slots.iter().for_each(|slot| many.insert(*slot));
            slots.iter().skip(keep).for_each(|slot| many.remove(*slot));
            let expected: BTreeSet<_> = slots.iter().take(keep).copied().collect();
            let postings = Postings::from(&many);
            prop_assert_eq!(postings.len(), expected.len() as u64);
            prop_assert_eq!(many.only(), slots.first().copied().filter(|_| expected.len() == 1));
            prop_assert!(slots.iter().all(|slot| postings.contains(*slot) == expected.contains(slot)));
            let bits: RoaringBitmap = others.iter().chain(slots.iter().step_by(3)).copied().collect();
            let common = expected.iter().filter(|slot| bits.contains(**slot)).count();
            prop_assert_eq!(postings.count_in(Some(&bits)), common as u64);
            let one = Postings::One(7);
            let all: BTreeSet<_> = union(&[postings, one, postings]).iter().collect();
            prop_assert_eq!(all, expected.into_iter().chain([7]).collect::<BTreeSet<_>>());
        }
    }
}
