//! Texts in ascending order, each with the slots in which it occurs. Most texts of a large directory (names) occur once:
//! such a text costs what it does not share with its neighbour, and its slot.

use super::block::{self, Reader, Writer};
use super::postings::{Many, Postings};
use crate::slab::Slab;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};

/// Bytes of a block, beyond which it is split; a single long text may exceed it.
const MAX_BLOCK: usize = 1024;

/// A text, or a block of them.
type Bytes = Box<[u8]>;

/// The dictionary.
#[derive(Debug, Default)]
pub struct Dictionary {
    /// By a text that is not greater than any in the block, and greater than all in the block before.
    blocks: BTreeMap<Bytes, Bytes>,
    many: Slab<Many>,
    /// Where a block is written anew.
    scratch: Vec<u8>,
}

impl Dictionary {
    /// The slots of a text.
    pub fn get(&self, text: &[u8]) -> Option<Postings<'_>> {
        self.number(text).map(|number| self.postings(number))
    }

    /// Adds a slot to a text.
    pub fn insert(&mut self, text: &[u8], slot: u32) {
        self.change(text, |many, held| match held {
            None => Some(Held::One(slot)),
            Some(Held::One(one)) if one == slot => held,
            Some(Held::One(one)) => Some(Held::Many(many.insert(Many::pair(one, slot)))),
            Some(Held::Many(at)) => {
                many.get_mut(at).expect(HAS_MANY).insert(slot);
                held
            }
        });
    }

    /// Takes a slot from a text.
    pub fn remove(&mut self, text: &[u8], slot: u32) {
        self.change(text, |many, held| match held? {
            Held::One(one) => held.filter(|_| one != slot),
            Held::Many(at) => {
                let slots = many.get_mut(at).expect(HAS_MANY);
                slots.remove(slot);
                let Some(only) = slots.only() else { return held };
                many.remove(at);
                Some(Held::One(only))
            }
        });
    }

    /// Shows all texts that begin with `prefix`, ascending.
    pub fn each<'a>(&'a self, prefix: &[u8], mut show: impl FnMut(&[u8], Postings<'a>)) {
        self.scan(prefix, |text, number| {
            let found = text.starts_with(prefix);
            if found {
                show(text, self.postings(number));
            }
            found
        });
    }

    /// The first text that is not less than `from`, with its slots.
    pub fn first(&self, from: &[u8]) -> Option<(Vec<u8>, Postings<'_>)> {
        let mut first = None;
        self.scan(from, |text, number| {
            first = Some((text.to_vec(), self.postings(number)));
            false
        });
        first
    }

    /// Shows texts from `from` on, ascending, for as long as `more` says so.
    fn scan(&self, from: &[u8], mut more: impl FnMut(&[u8], u64) -> bool) {
        let start = self.block_of(from).map_or(Unbounded, |(key, _)| Included(&**key));
        for block in self.blocks.range::<[u8], _>((start, Unbounded)).map(|(_, block)| block) {
            let mut reader = Reader::new(block);
            while let Some((text, number)) = reader.next() {
                if text >= from && !more(text, number) {
                    return;
                }
            }
        }
    }

    fn number(&self, text: &[u8]) -> Option<u64> {
        block::find(self.block_of(text)?.1, text).number
    }

    fn postings(&self, number: u64) -> Postings<'_> {
        match Held::from(number) {
            Held::One(slot) => Postings::One(slot),
            Held::Many(many) => self.many.get(many).expect(HAS_MANY).into(),
        }
    }

    fn block_of(&self, text: &[u8]) -> Option<(&Bytes, &Bytes)> {
        self.blocks.range::<[u8], _>((Unbounded, Included(text))).next_back()
    }

    /// Asks what a text is to have instead of what it has, and writes its block anew where that is something else.
    fn change(&mut self, text: &[u8], ask: impl FnOnce(&mut Slab<Many>, Option<Held>) -> Option<Held>) {
        if self.blocks.is_empty() {
            // The first block is that of the empty text: so every text has one.
            self.blocks.insert(Bytes::default(), Bytes::default());
        }
        let behind = self.blocks.range_mut::<[u8], _>((Unbounded, Included(text))).next_back();
        let (key, block) = behind.expect("invariant: every text has a block");
        let spot = block::find(block, text);
        let held = ask(&mut self.many, spot.number.map(Held::from)).map(u64::from);
        if held == spot.number {
            return;
        }
        self.scratch.clear();
        block::replace(block, text, spot, held, &mut self.scratch);
        if self.scratch.len() > MAX_BLOCK {
            let key = key.clone();
            self.split(key);
            return;
        }
        *block = Bytes::from(&*self.scratch);
        if held.is_none() && block.len() < MAX_BLOCK / 4 {
            let key = key.clone();
            self.shrink(key);
        }
    }

    /// Takes into the block of `key` the one behind it, where that is small, too; takes it out where it is empty.
    fn shrink(&mut self, key: Bytes) {
        let next = self.blocks.range::<[u8], _>((Excluded(&*key), Unbounded)).next();
        let small = next.filter(|(_, block)| block.len() < MAX_BLOCK / 2);
        let next = small.map(|(next, _)| next.clone());
        let next = next.and_then(|next| self.blocks.remove(&next));
        let Some(block) = self.blocks.get_mut(&key) else { return };
        if let Some(next) = next {
            let mut both = Writer::default();
            for part in [&*block, &next] {
                let mut reader = Reader::new(part);
                while let Some((text, number)) = reader.next() {
                    both.push(text, number);
                }
            }
            *block = both.bytes().into();
        }
        if block.is_empty() && !key.is_empty() {
            self.blocks.remove(&key);
        }
    }

    /// Puts what was written in the place of the block of `key`, as two blocks.
    fn split(&mut self, key: Bytes) {
        let (mut left, mut right) = (Writer::default(), Writer::default());
        let mut last = Vec::new();
        let mut middle = Bytes::default();
        let mut reader = Reader::new(&self.scratch);
        while let Some((text, number)) = reader.next() {
            if middle.is_empty() && left.bytes().len() < self.scratch.len() / 2 {
                left.push(text, number);
                last.clear();
                last.extend_from_slice(text);
                continue;
            }
            if middle.is_empty() {
                // As much of the text as tells it from the one before.
                middle = text[..=block::common(&last, text)].into();
            }
            right.push(text, number);
        }
        self.blocks.insert(key, left.bytes().into());
        if !middle.is_empty() {
            self.blocks.insert(middle, right.bytes().into());
        }
    }
}

#[cfg(test)]
impl Dictionary {
    /// Bytes of memory: of texts, of the slots of those that occur more than once.
    pub fn held_bytes(&self) -> [usize; 2] {
        use crate::testing::allocation;
        // A node of the tree is about two thirds full.
        let node = 3 * size_of::<(Bytes, Bytes)>() / 2;
        let block = |(key, block): (&Bytes, &Bytes)| allocation(key.len()) + allocation(block.len()) + node;
        let blocks = self.blocks.iter().map(block).sum();
        let many = self.many.values().map(Many::held_bytes).sum::<usize>() + self.many.held_bytes();
        [blocks, many]
    }
}

/// The number of a text.
#[derive(Debug, Clone, Copy)]
enum Held {
    One(u32),
    Many(u32),
}

impl From<u64> for Held {
    #[allow(clippy::cast_possible_truncation)]
    fn from(number: u64) -> Self {
        let slot = (number >> 1) as u32;
        if number & 1 == 0 { Self::One(slot) } else { Self::Many(slot) }
    }
}

impl From<Held> for u64 {
    fn from(held: Held) -> Self {
        match held {
            Held::One(slot) => Self::from(slot) << 1,
            Held::Many(many) => Self::from(many) << 1 | 1,
        }
    }
}

const HAS_MANY: &str = "invariant: a text of many has its many";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn slots(postings: Postings<'_>) -> BTreeSet<u32> {
        super::super::postings::union(&[postings]).iter().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn it_is_an_ordered_map_of_sets(
            changes in prop::collection::vec((0..400u32, 0..900u32, prop::bool::weighted(0.6)), 0..1500),
            prefix in "[a-c]{0,3}",
        ) {
            let (mut dictionary, mut model) = (Dictionary::default(), BTreeMap::<Vec<u8>, BTreeSet<u32>>::new());
            for (n, slot, add) in changes {
                // Long and short ones with shared beginnings; a few that occur in many slots.
                let text = match n % 4 {
                    0 => "c".repeat((n % 7 * 200) as usize),
                    1 => format!("a{}", n % 8),
                    _ => format!("abc-{n:05}"),
                };
                if add {
                    dictionary.insert(text.as_bytes(), slot);
                    model.entry(text.into_bytes()).or_default().insert(slot);
                } else {
                    dictionary.remove(text.as_bytes(), slot);
                    model.entry(text.into_bytes()).or_default().remove(&slot);
                }
            }
            model.retain(|_, slots| !slots.is_empty());
            let mut found = BTreeMap::new();
            dictionary.each(b"", |text, postings| drop(found.insert(text.to_vec(), slots(postings))));
            prop_assert_eq!(&found, &model);
            let mut begun = Vec::new();
            dictionary.each(prefix.as_bytes(), |text, _| begun.push(text.to_vec()));
            prop_assert!(begun.iter().eq(model.keys().filter(|text| text.starts_with(prefix.as_bytes()))));
            let first = dictionary.first(prefix.as_bytes()).map(|(text, _)| text);
            prop_assert_eq!(first.as_ref(), model.range(prefix.into_bytes()..).next().map(|(text, _)| text));
            for (text, expected) in &model {
                prop_assert_eq!(&slots(dictionary.get(text).unwrap()), expected);
            }
            for text in model.keys() {
                model[text].iter().for_each(|slot| dictionary.remove(text, *slot));
            }
            prop_assert!(dictionary.blocks.len() <= 1 && dictionary.many.len() == 0, "nothing is held for nothing");
        }
    }
}
