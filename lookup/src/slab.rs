//! Values under small numbers that are used again: in chunks, so that a table of a million grows without holding twice
//! its size for a moment, and never has more than one chunk to spare.
//!
//! It knows nothing of what it holds, and a number means nothing once its value was taken out.

/// Values in a chunk.
const CHUNK: usize = 1024;

/// Values, each under its slot.
#[derive(Debug)]
pub struct Slab<T> {
    chunks: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), len: 0 }
    }
}

impl<T> Slab<T> {
    /// How many values there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The value in a slot.
    pub fn get(&self, slot: u32) -> Option<&T> {
        self.chunks.get(slot as usize / CHUNK)?.get(slot as usize % CHUNK)?.as_ref()
    }

    /// The value in a slot.
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.chunks.get_mut(slot as usize / CHUNK)?.get_mut(slot as usize % CHUNK)?.as_mut()
    }

    /// All values, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten().flatten()
    }

    /// The slot that the next value gets.
    pub fn next(&self) -> u32 {
        let behind = self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len());
        let behind = || u32::try_from(behind).expect("invariant: fewer values than a u32 counts");
        self.free.last().copied().unwrap_or_else(behind)
    }

    /// Puts a value into a free slot.
    pub fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        let slot = self.next();
        if self.free.pop().is_some() {
            self.chunks[slot as usize / CHUNK][slot as usize % CHUNK] = Some(value);
            return slot;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks.last_mut().expect("invariant: there is a chunk now").push(Some(value));
        slot
    }

    /// Takes the value of a slot out.
    pub fn remove(&mut self, slot: u32) -> Option<T> {
        let value = self.chunks.get_mut(slot as usize / CHUNK)?.get_mut(slot as usize % CHUNK)?.take()?;
        self.len -= 1;
        self.free.push(slot);
        if self.len == 0 {
            *self = Self::default();
        }
        Some(value)
    }

    /// Bytes of its chunks.
    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<Option<T>>() + self.free.capacity() * size_of::<u32>()
    }

    /// All values.
    #[cfg(test)]
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten().flatten()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn slots_are_used_again_and_what_was_taken_is_gone() {
        let mut slab = Slab::default();
        let slots: Vec<_> = (0..3000).map(|n| slab.insert(n)).collect();
        assert_eq!(slots, (0..3000).collect::<Vec<_>>());
        assert_eq!(slab.next(), 3000);
        assert_eq!(slab.remove(1500), Some(1500));
        assert_eq!((slab.get(1500), slab.get(9999)), (None, None));
        assert_eq!(slab.remove(1500), None);
        assert_eq!((slab.next(), slab.insert(7)), (1500, 1500));
        *slab.get_mut(1500).unwrap() += 1;
        assert_eq!((slab.get(1500), slab.len()), (Some(&8), 3000));
        assert!(slots.iter().all(|slot| slab.remove(*slot).is_some()));
        assert_eq!(
            (slab.len(), slab.chunks.len(), slab.free.len()),
            (0, 0, 0),
            "nothing is held for nothing"
        );
    }
}
