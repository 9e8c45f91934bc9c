//! Slots ordered by the ids of what is in them: sorted chunks of (first bytes of the id, slot), so that an entry costs
//! its eight bytes and little slack. Ids are random, so the first bytes nearly always decide; where they don't, the
//! owner's slab is asked for the whole id.

use hedgerow_model::registration::Id;
use std::cmp::Ordering;

/// Most entries in a chunk; with more it is split in two.
const CHUNK: usize = 512;
/// By how many entries a chunk grows.
const GROWTH: usize = 32;

/// The order.
#[derive(Debug, Default)]
pub struct Order {
    /// None is empty.
    chunks: Vec<Vec<u64>>,
}

/// Where something is, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    chunk: usize,
    at: usize,
}

impl Order {
    /// The slot of an id.
    pub fn find(&self, id: Id, id_of: impl Fn(u32) -> Id) -> Option<u32> {
        let place = self.place(id, &id_of).ok()?;
        Some(slot(self.chunks[place.chunk][place.at]))
    }

    /// Puts in the slot of an id that is not in yet.
    pub fn insert(&mut self, id: Id, slot: u32, id_of: impl Fn(u32) -> Id) {
        let (Ok(place) | Err(place)) = self.place(id, &id_of);
        if self.chunks.is_empty() {
            self.chunks.push(Vec::new());
        }
        let chunk = &mut self.chunks[place.chunk];
        if chunk.len() == chunk.capacity() {
            chunk.reserve_exact(GROWTH);
        }
        chunk.insert(place.at, u64::from(prefix(id)) << 32 | u64::from(slot));
        if chunk.len() > CHUNK {
            // What comes sorted fills chunks to the end.
            let last = place.chunk + 1 == self.chunks.len() && place.at == CHUNK;
            let chunk = &mut self.chunks[place.chunk];
            let behind = chunk.split_off(if last { CHUNK } else { CHUNK / 2 });
            chunk.shrink_to_fit();
            self.chunks.insert(place.chunk + 1, behind);
        }
    }

    /// Takes the slot of an id out.
    pub fn remove(&mut self, id: Id, id_of: impl Fn(u32) -> Id) {
        let Ok(place) = self.place(id, &id_of) else { return };
        let chunk = &mut self.chunks[place.chunk];
        chunk.remove(place.at);
        if chunk.is_empty() {
            self.chunks.remove(place.chunk);
        } else if chunk.capacity() > 2 * chunk.len() + GROWTH {
            chunk.shrink_to_fit();
        }
    }

    /// The slots in the order of their ids, from behind `after`.
    pub fn iter_after(&self, after: Option<Id>, id_of: impl Fn(u32) -> Id) -> impl Iterator<Item = u32> {
        let start = match after.map(|after| self.place(after, &id_of)) {
            None => Place { chunk: 0, at: 0 },
            Some(Ok(found)) => Place { at: found.at + 1, ..found },
            Some(Err(place)) => place,
        };
        let first = self.chunks.get(start.chunk).map(|chunk| &chunk[start.at..]).unwrap_or_default();
        let rest = self.chunks.get(start.chunk + 1..).unwrap_or_default();
        first.iter().chain(rest.iter().flatten()).map(|entry| slot(*entry))
    }

    /// Bytes of its memory.
    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        let chunks = self.chunks.iter().map(|chunk| crate::testing::allocation(chunk.capacity() * 8));
        chunks.sum::<usize>() + self.chunks.capacity() * size_of::<Vec<u64>>()
    }

    /// `Err`: where it would be; within the last chunk that can hold it.
    fn place(&self, id: Id, id_of: &impl Fn(u32) -> Id) -> Result<Place, Place> {
        let compare = |entry: &u64| match prefix_of(*entry).cmp(&prefix(id)) {
            Ordering::Equal => id_of(slot(*entry)).cmp(&id),
            unequal => unequal,
        };
        let behind = self.chunks.partition_point(|chunk| compare(&chunk[0]).is_le());
        let chunk = behind.saturating_sub(1);
        let entries = self.chunks.get(chunk).map(Vec::as_slice).unwrap_or_default();
        match entries.binary_search_by(compare) {
            Ok(at) => Ok(Place { chunk, at }),
            Err(at) => Err(Place { chunk, at }),
        }
    }
}

const fn prefix(Id(id): Id) -> u32 {
    u32::from_be_bytes([id[0], id[1], id[2], id[3]])
}

#[allow(clippy::cast_possible_truncation)]
const fn prefix_of(entry: u64) -> u32 {
    (entry >> 32) as u32
}

#[allow(clippy::cast_possible_truncation)]
const fn slot(entry: u64) -> u32 {
    entry as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Ids that nearly all begin alike.
    fn id(n: u32) -> Id {
        let mut id = [7; 16];
        id[3] = (n % 3) as u8;
        id[12..].copy_from_slice(&n.to_be_bytes());
        Id(id)
    }

    proptest! {
        #[test]
        fn it_is_ordered_by_id(
            changes in prop::collection::vec((0..3000u32, prop::bool::weighted(0.8)), 0..5000),
            after in 0..3000u32,
        ) {
            let (mut order, mut model) = (Order::default(), BTreeMap::new());
            for (n, add) in changes {
                // The slot is the number, so that the owner knows the id.
                if !add {
                    order.remove(id(n), id);
                    model.remove(&id(n));
                } else if model.insert(id(n), n).is_none() {
                    order.insert(id(n), n, id);
                }
            }
            prop_assert_eq!(order.find(id(after), id), model.get(&id(after)).copied());
            prop_assert!(order.iter_after(None, id).eq(model.values().copied()));
            let behind = model.range(id(after)..).filter(|(at, _)| **at > id(after)).map(|(_, n)| *n);
            prop_assert!(order.iter_after(Some(id(after)), id).eq(behind));
        }
    }
}
