//! Times of a group: the entries that all series of one group share, as one blob beside their blocks.
//!
//! An entry is one run of a batch: its first number, its time, and which members of the group are present in it.
//! A sample's number is the entry's first plus the member's rank among those present.

use crate::bytes::{Damaged, Source, put_varint};
use crate::codec::integers;
use hedgerow_model::UnixMillis;
use std::sync::Arc;

/// The only codec of times so far.
pub(crate) const CODEC: u8 = 1;
/// Most members of one group.
pub const MAX_MEMBERS: usize = 1024;
/// Most entries in one chunk of times; what claims more is damaged.
pub(crate) const MAX_ENTRIES: usize = 65_536;

const ALL: u8 = 0;
const BITMAP: u8 = 1;
const PRESENT: u8 = 2;

/// Which members (by rank, ascending) have a sample in an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Presence {
    /// All of this many.
    All(u16),
    /// These.
    Some(Arc<[u16]>),
}

impl Presence {
    /// `ranks` of a group of `members`; ascending, without doubles.
    pub(crate) fn of(ranks: &[u16], members: usize) -> Self {
        if ranks.len() == members { Self::All(members as u16) } else { Self::Some(ranks.into()) }
    }

    /// How many members are present.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::All(members) => u64::from(*members),
            Self::Some(ranks) => ranks.len() as u64,
        }
    }

    /// The place among those present of the member with `rank`, if it is.
    pub(crate) fn place(&self, rank: u16) -> Option<u64> {
        match self {
            Self::All(members) => (rank < *members).then_some(u64::from(rank)),
            Self::Some(ranks) => ranks.binary_search(&rank).ok().map(|at| at as u64),
        }
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The number of its first sample.
    pub first: u64,
    /// When its samples were taken.
    pub time: UnixMillis,
    /// Who has a sample in it.
    pub present: Presence,
}

impl Entry {
    /// The number of its last sample.
    pub(crate) fn last(&self) -> u64 {
        self.first + self.present.count() - 1
    }
}

/// Encodes entries in number order.
pub(crate) fn encode(entries: &[Entry], members: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut next = 0;
    let numbers: Vec<i64> = entries
        .iter()
        .map(|entry| {
            let skipped = entry.first.wrapping_sub(next).cast_signed();
            next = entry.last() + 1;
            skipped
        })
        .collect();
    // The first number may be large: apart from the rest it would spoil its frame.
    put_varint(&mut out, numbers.first().map_or(0, |n| n.cast_unsigned()));
    integers::encode(numbers.get(1..).unwrap_or_default(), &mut out);
    let times: Vec<i64> = entries.iter().map(|entry| entry.time).collect();
    integers::encode(&times, &mut out);
    let mut rest = entries;
    while let Some(entry) = rest.first() {
        let alike = rest.iter().take_while(|other| other.present == entry.present).count();
        put_varint(&mut out, alike as u64);
        encode_presence(&entry.present, members, &mut out);
        rest = &rest[alike..];
    }
    out
}

/// Decodes `count` entries of a group of `members`.
pub(crate) fn decode(blob: &[u8], count: usize, members: usize) -> Result<Vec<Entry>, Damaged> {
    if count > MAX_ENTRIES || members > MAX_MEMBERS {
        return Err(Damaged("count beyond its bound"));
    }
    let mut source = Source::new(blob);
    let first = source.varint()?;
    let skipped = integers::decode(&mut source, count.saturating_sub(1))?;
    let times = integers::decode(&mut source, count)?;
    let mut entries = Vec::with_capacity(count);
    let mut skips = skipped.into_iter();
    let mut number = first;
    while entries.len() < count {
        let alike = source.count(count - entries.len())?;
        let present = decode_presence(&mut source, members)?;
        if alike == 0 || present.count() == 0 {
            return Err(Damaged("empty run of entries"));
        }
        for time in &times[entries.len()..entries.len() + alike] {
            if !entries.is_empty() {
                let skip =
                    skips.next().and_then(|n| u64::try_from(n).ok()).ok_or(Damaged("numbers run back"))?;
                number = number.checked_add(skip).ok_or(Damaged("number beyond 64 bits"))?;
            }
            let entry = Entry { first: number, time: *time, present: present.clone() };
            number = number.checked_add(present.count()).ok_or(Damaged("number beyond 64 bits"))?;
            entries.push(entry);
        }
    }
    Ok(entries)
}

fn encode_presence(present: &Presence, members: usize, out: &mut Vec<u8>) {
    match present {
        Presence::All(count) if usize::from(*count) == members => out.push(ALL),
        // The group has grown since: the first `count` of its members.
        Presence::All(count) => encode_ranks(&(0..*count).collect::<Vec<_>>(), members, out),
        Presence::Some(ranks) => encode_ranks(ranks, members, out),
    }
}

fn encode_ranks(ranks: &[u16], members: usize, out: &mut Vec<u8>) {
    if ranks.len() == members {
        out.push(ALL);
    } else if ranks.len() * 8 >= members {
        out.push(BITMAP);
        let mut bitmap = vec![0_u8; members.div_ceil(8)];
        ranks.iter().for_each(|rank| bitmap[usize::from(rank / 8)] |= 1 << (rank % 8));
        out.extend_from_slice(&bitmap);
    } else {
        out.push(PRESENT);
        put_varint(out, ranks.len() as u64);
        let mut next = 0;
        for rank in ranks {
            put_varint(out, u64::from(rank - next));
            next = rank + 1;
        }
    }
}

fn decode_presence(source: &mut Source<'_>, members: usize) -> Result<Presence, Damaged> {
    match source.byte()? {
        ALL => Ok(Presence::All(members as u16)),
        BITMAP => {
            let bitmap = source.take(members.div_ceil(8))?;
            let set = |rank: &u16| {
                bitmap.get(usize::from(rank / 8)).is_some_and(|byte| byte >> (rank % 8) & 1 == 1)
            };
            Ok(Presence::Some((0..members as u16).filter(set).collect()))
        }
        PRESENT => {
            let count = source.count(members)?;
            let mut next = 0;
            let mut ranks = Vec::with_capacity(count);
            for _ in 0..count {
                let rank = next + source.count(members)?;
                if rank >= members {
                    return Err(Damaged("rank beyond the group"));
                }
                ranks.push(rank as u16);
                next = rank + 1;
            }
            Ok(Presence::Some(ranks.into()))
        }
        _ => Err(Damaged("unknown form of presence")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn entries_come_back(
            members in 1_usize..40,
            rows in prop::collection::vec((0_u64..5, any::<i32>(), any::<u64>()), 1..60),
        ) {
            let mut next = 7;
            let entries: Vec<Entry> = rows.into_iter().map(|(skip, time, bits)| {
                let mut ranks: Vec<u16> = (0..members as u16).filter(|r| bits >> r & 1 == 1 || bits % 3 == 0).collect();
                if ranks.is_empty() { ranks.push(0); }
                let entry = Entry { first: next + skip, time: i64::from(time), present: Presence::of(&ranks, members) };
                next = entry.last() + 1;
                entry
            }).collect();
            let blob = encode(&entries, members);
            let back = decode(&blob, entries.len(), members).unwrap();
            prop_assert_eq!(&back, &entries);
            for cut in 0..blob.len() {
                let _ = decode(&blob[..cut], entries.len(), members);
            }
        }
    }
}
