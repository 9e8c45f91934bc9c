//! In which slots a text occurs: one, a few, or a set of bits.

use roaring::RoaringBitmap;

/// Most slots in a list; more become a set of bits, which is smaller then. Tests see both forms.
const MAX_FEW: usize = if cfg!(test) { 8 } else { 256 };

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

    /// How many of them are in a set.
    pub fn count_in(&self, bits: &RoaringBitmap) -> u64 {
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
