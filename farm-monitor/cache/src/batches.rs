//! The index of batches: where each batch that the hub numbered begins, so that a reader gives back whole batches.
//!
//! Blocks know series and times, not what came together. A batch takes a byte or two here. The index is made in memory, in
//! segments; a full segment becomes a row with the next commit, and one that is not full does as soon as the journal, which
//! has the batches too, gives up any of them. So every batch stands in the journal or in a row.

use crate::bytes::{Damaged, Source, put_varint};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::VecDeque;

/// The only codec of rows so far.
const CODEC: u8 = 1;
/// A segment with so many bytes is full.
const SEGMENT_BYTES: usize = 2048;

/// Consecutive batches of one epoch. Empty only where a row was damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The id of its row.
    pub id: i64,
    /// The start counter of its epoch.
    pub epoch: u64,
    pub first: u64,
    pub last: u64,
    packed: Vec<u8>,
}

/// A batch: its first and last number, and how many filters it came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub first: u64,
    pub last: u64,
    pub generation: u8,
}

fn put(packed: &mut Vec<u8>, count: u64, generation: u8) {
    put_varint(packed, count << 1 | u64::from(generation > 0));
    if generation > 0 {
        packed.push(generation);
    }
}

impl Segment {
    /// Its batches, in order.
    pub(crate) fn batches(&self) -> Result<Vec<Extent>, Damaged> {
        let mut source = Source::new(&self.packed);
        let mut found = Vec::new();
        let mut first = self.first;
        while !source.is_empty() {
            let word = source.varint()?;
            let generation = if word & 1 == 1 { source.byte()? } else { 0 };
            let end = first.checked_add(word >> 1).ok_or(Damaged("number beyond 64 bits"))?;
            if end == first || end > self.last + 1 {
                return Err(Damaged("batches beyond the numbers of their row"));
            }
            found.push(Extent { first, last: end - 1, generation });
            first = end;
        }
        if first == self.last + 1 { Ok(found) } else { Err(Damaged("batches end before their row")) }
    }

    fn crc(&self, codec: u8, blob: &[u8]) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.id.to_le_bytes());
        for number in [self.epoch, self.first, self.last] {
            crc.update(&number.to_le_bytes());
        }
        crc.update(&[codec]);
        crc.update(blob);
        crc.finalize()
    }

    /// Writes its row, or writes it anew where it has grown.
    pub(crate) fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        db.prepare_cached(
            "INSERT OR REPLACE INTO batches(id, epoch, first, last, codec, crc, blob) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            self.id,
            self.epoch,
            self.first,
            self.last,
            CODEC,
            self.crc(CODEC, &self.packed),
            self.packed
        ])?;
        Ok(())
    }

    /// A row that is damaged comes back without its batches.
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut segment = Self {
            id: row.get(0)?,
            epoch: row.get(1)?,
            first: row.get(2)?,
            last: row.get(3)?,
            packed: Vec::new(),
        };
        let (codec, crc): (u8, u32) = (row.get(4)?, row.get(5)?);
        let blob = row.get_ref(6)?.as_blob().unwrap_or_default();
        if codec == CODEC && crc == segment.crc(codec, blob) {
            segment.packed = blob.to_vec();
        }
        Ok(segment)
    }
}

/// The row with `number` of an epoch, or the first one behind it.
pub(crate) fn row_at(db: &Connection, epoch: u64, number: u64) -> rusqlite::Result<Option<Segment>> {
    db.prepare_cached(
        "SELECT id, epoch, first, last, codec, crc, blob FROM batches WHERE epoch = ?1 AND last >= ?2 ORDER BY last LIMIT 1",
    )?
    .query_row(params![epoch, i64::try_from(number).unwrap_or(i64::MAX)], Segment::read)
    .optional()
}

/// Deletes the rows of an epoch of which no sample is left; `unsealed`: its lowest number in the journal.
pub(crate) fn forget(db: &Connection, epoch: u64, unsealed: Option<u64>) -> rusqlite::Result<()> {
    let sealed: Option<u64> = db
        .prepare_cached("SELECT min(first) FROM times WHERE epoch = ?1")?
        .query_row([epoch], |row| row.get(0))?;
    let floor = sealed.into_iter().chain(unsealed).min().unwrap_or(i64::MAX as u64);
    db.prepare_cached("DELETE FROM batches WHERE epoch = ?1 AND last < ?2")?
        .execute(params![epoch, floor])?;
    Ok(())
}

/// A segment in memory, and up to where its row has it.
#[derive(Debug)]
struct Open {
    segment: Segment,
    written: u64,
}

/// The segments that are not rows yet, or may grow.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    segments: VecDeque<Open>,
    next_id: i64,
}

impl Recent {
    /// Rows get ids from `next_id` on.
    pub(crate) fn new(next_id: i64) -> Self {
        Self { segments: VecDeque::new(), next_id }
    }

    /// Takes note of a batch of `count` samples, at least one.
    pub(crate) fn push(&mut self, epoch: u64, first: u64, count: usize, generation: u8) {
        let last = first + count as u64 - 1;
        let room = |open: &&mut Open| {
            open.segment.epoch == epoch
                && open.segment.last + 1 == first
                && open.segment.packed.len() < SEGMENT_BYTES
        };
        if let Some(open) = self.segments.back_mut().filter(room) {
            open.segment.last = last;
            put(&mut open.segment.packed, count as u64, generation);
            return;
        }
        let mut packed = Vec::new();
        put(&mut packed, count as u64, generation);
        let segment = Segment { id: self.next_id, epoch, first, last, packed };
        self.segments.push_back(Open { segment, written: 0 });
        self.next_id += 1;
    }

    /// Those that touch `after < number <= through` of an epoch.
    pub(crate) fn copy(&self, epoch: u64, after: u64, through: u64) -> Vec<Segment> {
        let touches = |of: &&Segment| of.epoch == epoch && of.last > after && of.first <= through;
        self.segments.iter().map(|open| &open.segment).filter(touches).cloned().collect()
    }

    /// What the next commit must write: full ones, and those of which the journal keeps less than all, `first_unsealed` being
    /// the first number of an epoch that it keeps.
    pub(crate) fn due(&self, first_unsealed: impl Fn(u64) -> Option<u64>) -> Vec<Segment> {
        let due = |(at, open): &(usize, &Open)| {
            open.written < open.segment.last
                && (at + 1 < self.segments.len()
                    || first_unsealed(open.segment.epoch)
                        .is_none_or(|first| first > open.segment.first.max(open.written + 1)))
        };
        self.segments.iter().enumerate().filter(due).map(|(_, open)| open.segment.clone()).collect()
    }

    /// These have been written. Full ones need not stay.
    pub(crate) fn written(&mut self, segments: &[Segment]) {
        for segment in segments {
            if let Some(open) = self.segments.iter_mut().find(|open| open.segment.id == segment.id) {
                open.written = segment.last;
            }
        }
        let stays = |open: &Open| open.written != open.segment.last;
        while self.segments.len() > 1 && !self.segments.front().is_none_or(stays) {
            self.segments.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_batch_takes_a_byte_or_two() {
        let mut recent = Recent::new(1);
        for at in 0..1000 {
            recent.push(1, 1 + at * 50, 50, 0);
        }
        let all = recent.copy(1, 0, u64::MAX);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].packed.len(), 1000);
        assert_eq!(all[0].batches().unwrap()[999], Extent { first: 49_951, last: 50_000, generation: 0 });
    }

    #[test]
    fn segments_are_written_when_full_or_when_the_journal_lets_go() {
        let mut recent = Recent::new(5);
        recent.push(1, 1, 10, 0);
        recent.push(1, 11, 200, 3);
        assert!(recent.due(|_| Some(1)).is_empty(), "the journal has it all");
        let due = recent.due(|_| Some(11));
        assert_eq!((due.len(), due[0].first, due[0].last), (1, 1, 210));
        recent.written(&due);
        assert!(recent.due(|_| Some(150)).is_empty());
        recent.push(1, 211, 1, 0);
        let grown = recent.due(|_| None);
        assert_eq!((grown[0].id, grown[0].last), (5, 211), "the row grows");
        recent.written(&grown);
        // A hole: another segment, and the one before is full.
        recent.push(1, 300, 1, 8);
        recent.written(&[]);
        let left = recent.copy(1, 0, u64::MAX);
        assert_eq!((left.len(), left[0].id, left[0].first), (1, 6, 300));
        assert_eq!(left[0].batches().unwrap(), [Extent { first: 300, last: 300, generation: 8 }]);
    }

    #[test]
    fn a_damaged_blob_is_an_error() {
        let mut recent = Recent::new(1);
        recent.push(1, 1, 300, 2);
        recent.push(1, 301, 3, 0);
        let whole = recent.copy(1, 0, u64::MAX).remove(0);
        for cut in 0..whole.packed.len() {
            let part = Segment { packed: whole.packed[..cut].to_vec(), ..whole.clone() };
            assert!(part.batches().is_err(), "cut at {cut}");
        }
    }
}
