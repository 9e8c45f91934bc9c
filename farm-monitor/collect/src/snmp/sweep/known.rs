//! What sweeps learn of an agent, and when they doubt it again.
//!
//! Nothing in here decides what is read: it decides how it is asked for. Only that something is absent is believed for
//! [`RECHECK`] sweeps.

use super::{Absent, Column, Limits, SweptTable, Wanted};
use hedgerow_snmp::Oid;
use std::sync::Arc;

/// For so many sweeps what was absent is taken to be absent still.
pub const RECHECK: u64 = 16;
/// After so many sweeps more is tried than an agent bore.
const RAISE_AFTER: u64 = 64;
/// What every agent must bear (RFC 3417); the first request to one that has not answered yet is not meant to bring more.
pub(super) const SMALL_BYTES: usize = 484;
/// Less is never planned for.
const LEAST_BYTES: usize = 200;
/// How long a value with its name is taken to be before one was seen.
const GUESS_BYTES: u32 = 24;
/// What a message has around its values, before one was seen.
const GUESS_AROUND: usize = 60;
/// How many rows a table is taken to have before it was read.
pub(super) const GUESS_ROWS: u32 = 12;
/// So many places of a table are remembered where it may be cut.
const MAX_CUTS: usize = 63;
/// Shorter tables are not cut.
const LEAST_CUT_ROWS: usize = 128;

/// What earlier sweeps have learned of this agent and these [`Wanted`]: how many rows, how long its replies are, how much
/// it bears, what it has not got. Opaque; begins empty. Wrong knowledge costs requests, never values.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// What the places in `scalars` and `tables` mean.
    wanted: Option<Arc<Wanted>>,
    /// Sweeps begun.
    pub(super) sweeps: u64,
    /// Whether the last sweep got an answer.
    pub(super) answers: bool,
    /// Longer replies were refused, or lost; since which sweep.
    lowered: Option<(usize, u64)>,
    /// The longest reply of the last sweep that had any.
    longest: usize,
    /// A long reply was lost though such ones came before: once more, and it is the length.
    suspected: bool,
    /// The agent itself ends its replies at this length.
    pub(super) cap: Option<usize>,
    /// The agent gives no more repetitions than this.
    pub(super) repetitions: Option<u32>,
    /// Bytes of a reply that are no value.
    pub(super) around: Option<usize>,
    pub(super) scalars: Vec<KnownScalar>,
    pub(super) tables: Vec<KnownTable>,
}

/// Of one scalar.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct KnownScalar {
    pub absent: Option<Absent>,
    /// Found by GET, and not behind the name before it.
    pub by_get: bool,
    pub bytes: Option<u32>,
}

/// Of one table.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownTable {
    pub columns: Vec<KnownColumn>,
    /// Its first row.
    pub first: Option<Vec<u32>>,
    /// Some of its rows, evenly apart.
    pub cuts: Vec<Vec<u32>>,
}

/// Of one column.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct KnownColumn {
    pub absent: Option<Absent>,
    pub rows: Option<u32>,
    pub bytes: Option<u32>,
}

impl KnownColumn {
    pub fn bytes(&self) -> usize {
        self.bytes.unwrap_or(GUESS_BYTES) as usize
    }
}

impl KnownScalar {
    pub fn bytes(&self) -> usize {
        self.bytes.unwrap_or(GUESS_BYTES * 2) as usize
    }
}

/// A new length after one more sample: a longer one counts at once, a shorter one slowly.
pub(super) fn learn(bytes: &mut Option<u32>, seen: usize) {
    let seen = u32::try_from(seen).unwrap_or(u32::MAX);
    *bytes = Some(match *bytes {
        Some(known) if known > seen => known - (known - seen) / 4,
        _ => seen,
    });
}

impl Known {
    /// Another sweep begins.
    pub(super) fn begin(&mut self, wanted: &Arc<Wanted>) {
        self.sweeps += 1;
        if self.wanted.as_ref().is_none_or(|known| !Arc::ptr_eq(known, wanted) && known != wanted) {
            self.scalars = vec![KnownScalar::default(); wanted.scalars.len()];
            self.tables = wanted
                .tables
                .iter()
                .map(|columns| KnownTable {
                    columns: vec![KnownColumn::default(); columns.len()],
                    ..KnownTable::default()
                })
                .collect();
        }
        self.wanted = Some(Arc::clone(wanted));
        if let Some((bytes, since)) = self.lowered
            && self.sweeps >= since + RAISE_AFTER
        {
            self.lowered = Some((bytes * 2, self.sweeps));
        }
        if self.sweeps.is_multiple_of(RAISE_AFTER) {
            (self.cap, self.repetitions) = (None, None);
        }
    }

    /// Lets the next sweep ask for everything again, as after a restart of the agent: it may be another software now.
    pub fn doubt(&mut self) {
        for scalar in &mut self.scalars {
            scalar.absent = None;
        }
        for column in self.tables.iter_mut().flat_map(|table| &mut table.columns) {
            column.absent = None;
        }
    }

    /// Replies of more than `bytes` are not to be asked for, for a while.
    pub(super) fn lower(&mut self, bytes: usize) {
        self.lowered = Some((bytes.max(LEAST_BYTES), self.sweeps));
    }

    /// No answer came to a long request, and one to a short one.
    pub(super) fn suspect(&mut self) {
        if self.longest > SMALL_BYTES && !self.suspected {
            self.suspected = true;
        } else {
            self.lower(SMALL_BYTES);
            self.longest = 0;
        }
    }

    /// A sweep has ended; the longest reply of it, where there was one.
    pub(super) fn end(&mut self, longest: usize) {
        if longest > 0 {
            self.suspected &= longest <= SMALL_BYTES;
            self.longest = longest;
        }
    }

    /// How many bytes of values a reply may have.
    pub(super) fn room(&self, limits: &Limits) -> usize {
        let most = self.lowered.map_or(usize::MAX, |(bytes, _)| bytes);
        let bytes = most.min(self.cap.unwrap_or(usize::MAX)).min(limits.reply_bytes);
        bytes.saturating_sub(self.around.unwrap_or(GUESS_AROUND)).max(LEAST_BYTES / 2)
    }

    /// Whether what was absent at `place` is asked for this time. Not all in one sweep.
    pub(super) fn rechecks(&self, place: usize) -> bool {
        (self.sweeps + place as u64).is_multiple_of(RECHECK)
    }

    /// Whether the table at `table` had no row at all when it was last read.
    pub(super) fn is_empty(&self, table: usize) -> bool {
        self.tables.get(table).is_some_and(|table| table.columns.iter().all(|column| column.absent.is_some()))
    }

    /// Learns from a table as it was read.
    pub(super) fn learn_table(&mut self, at: usize, swept: &SweptTable, counts: &[u32]) {
        let Some(known) = self.tables.get_mut(at) else { return };
        for ((column, state), count) in known.columns.iter_mut().zip(&swept.columns).zip(counts) {
            match state {
                Column::Whole => (column.absent, column.rows) = (None, Some(*count)),
                Column::Absent(why) => (column.absent, column.rows) = (Some(*why), Some(0)),
                Column::Part => column.absent = None,
            }
        }
        if swept.columns.contains(&Column::Part) && swept.rows.len() < LEAST_CUT_ROWS {
            return;
        }
        known.first = swept.rows.keys().next().cloned();
        known.cuts.clear();
        if swept.rows.len() >= LEAST_CUT_ROWS {
            let apart = swept.rows.len().div_ceil(MAX_CUTS + 1);
            known.cuts.extend(swept.rows.keys().skip(apart - 1).step_by(apart).take(MAX_CUTS).cloned());
        }
    }
}

/// The name of a row's cell.
pub(super) fn cell(column: &Oid, index: &[u32]) -> Oid {
    Oid::new(column.arcs().iter().chain(index).copied())
}
