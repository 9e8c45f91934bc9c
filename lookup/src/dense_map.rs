//! A hash map for millions of small values: the values lie in a [`Slab`], the table holds their slots only, so that its
//! empty places cost five bytes each instead of a value, and growth moves no value.
//!
//! It has what the lookup needs of a map, by the names that `HashMap` has for it.

use crate::slab::Slab;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::{BuildHasher, Hash};

/// Values by key.
#[derive(Debug)]
pub struct DenseMap<K, V> {
    slots: HashTable<u32>,
    entries: Slab<(K, V)>,
    hasher: DefaultHashBuilder,
}

impl<K, V> Default for DenseMap<K, V> {
    fn default() -> Self {
        Self { slots: HashTable::new(), entries: Slab::default(), hasher: DefaultHashBuilder::default() }
    }
}

impl<K: Hash + Eq, V> DenseMap<K, V> {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many values there are.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(self.slot(key)?).map(|(_, value)| value)
    }

    /// The value of a key.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(self.slot(key)?).map(|(_, value)| value)
    }

    /// The slot of a key, for as long as it has a value.
    pub fn slot(&self, key: &K) -> Option<u32> {
        let is_it = |slot: &u32| self.entries.get(*slot).is_some_and(|(held, _)| held == key);
        self.slots.find(self.hasher.hash_one(key), is_it).copied()
    }

    /// What is in a slot.
    pub fn at(&self, slot: u32) -> Option<&(K, V)> {
        self.entries.get(slot)
    }

    /// What is in a slot.
    pub fn at_mut(&mut self, slot: u32) -> Option<&mut (K, V)> {
        self.entries.get_mut(slot)
    }

    /// All keys and values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &(K, V)> {
        self.entries.iter()
    }

    /// Whether there is a value of this key.
    pub fn contains_key(&self, key: &K) -> bool {
        self.slot(key).is_some()
    }

    /// Puts a value in, and gives the one whose place it takes.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(held) = self.get_mut(&key) {
            return Some(std::mem::replace(held, value));
        }
        let hash = self.hasher.hash_one(&key);
        let slot = self.entries.insert((key, value));
        let (entries, hasher) = (&self.entries, &self.hasher);
        let rehash = |slot: &u32| entries.get(*slot).map_or(0, |(key, _)| hasher.hash_one(key));
        self.slots.insert_unique(hash, slot, rehash);
        None
    }

    /// Takes the value of a key out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let entries = &self.entries;
        let is_it = |slot: &u32| entries.get(*slot).is_some_and(|(held, _)| held == key);
        let (slot, _) = self.slots.find_entry(self.hasher.hash_one(key), is_it).ok()?.remove();
        self.entries.remove(slot).map(|(_, value)| value)
    }

    /// Bytes of its memory.
    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.slots.allocation_size() + self.entries.held_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_is_a_map(changes in prop::collection::vec((0..50u8, any::<Option<u16>>()), 0..300)) {
            let (mut map, mut model) = (DenseMap::new(), BTreeMap::new());
            for (key, value) in changes {
                match value {
                    Some(value) => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                    None => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                }
                prop_assert_eq!(map.get(&key), model.get(&key));
                prop_assert_eq!((map.len(), map.contains_key(&key)), (model.len(), model.contains_key(&key)));
            }
        }
    }
}
