//! The head: in memory, everything that is not sealed into blocks yet, committed or not.
//!
//! One lock guards it. Who holds the lock never touches the disk: appends and readers wait for nothing but each other.

use crate::batches::Recent;
use crate::checkpoint::{Checkpoint, Pending};
use crate::error::AppendRefused;
use crate::groups::Groups;
use hedgerow_model::batch::MAX_BATCH_SAMPLES;
use hedgerow_model::{Epoch, Gap, LifeMark, Numbered, Numbers, SeriesDef, SeriesId, Times, UnixMillis};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a batch costs in memory beside its columns.
const BATCH_BYTES: usize = 200;

/// A run of a batch whose series are of one group: what becomes one entry of the group's times.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub batch: Arc<Numbered>,
    pub from: u32,
    pub len: u32,
}

impl Piece {
    pub(crate) fn first(&self) -> u64 {
        first_number(&self.batch) + u64::from(self.from)
    }

    pub(crate) fn last(&self) -> u64 {
        self.first() + u64::from(self.len) - 1
    }

    pub(crate) fn time(&self) -> UnixMillis {
        self.batch.batch.times.at(0)
    }

    pub(crate) fn series(&self) -> &[SeriesId] {
        &self.batch.batch.series[self.from as usize..(self.from + self.len) as usize]
    }

    fn bytes(&self) -> usize {
        batch_bytes(&self.batch) * self.len as usize / self.batch.batch.len().max(1)
    }
}

/// The first number of a batch in normal form.
pub(crate) fn first_number(batch: &Numbered) -> u64 {
    match &batch.numbers {
        Numbers::From(first) => *first,
        Numbers::Each(_) | Numbers::Derived => unreachable!("invariant: checked when the batch was appended"),
    }
}

fn batch_bytes(batch: &Numbered) -> usize {
    BATCH_BYTES + 4 * batch.batch.len() + batch.batch.values.bytes()
}

/// The unsealed pieces of one group, in number order.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub pieces: Vec<Piece>,
    /// When its first piece came, by the cache's clock.
    pub opened: UnixMillis,
    pub bytes: usize,
}

/// The unsealed of one epoch, by group. Chunks are never empty.
#[derive(Debug)]
pub(crate) struct Unsealed {
    pub epoch: Epoch,
    pub chunks: BTreeMap<u32, Chunk>,
}

/// What a reader or the writer reports as unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bad {
    /// The block with this id.
    Block(i64),
    /// The times with this id, and all blocks beside them.
    Times(i64),
}

/// Most reports kept until the writer takes them; what is beyond is found again by the next reader.
const MAX_BAD: usize = 1000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Head {
    pub epoch: Epoch,
    /// The last number appended.
    pub last: u64,
    pub groups: Groups,
    /// Oldest epoch first; the current one is the last and always there.
    pub unsealed: Vec<Unsealed>,
    pub bytes: usize,
    /// Not committed yet, in number order.
    pub pending: Vec<Arc<Numbered>>,
    pub pending_bytes: usize,
    pub pending_bound: usize,
    /// Where batches begin, as far as it does not stand in the file for good.
    pub batches: Recent,
    /// Checkpoints to write.
    pub checkpoints: Pending,
    /// Definitions to write.
    pub definitions: Vec<(SeriesId, SeriesDef)>,
    /// Marks to write, with the ids of their rows.
    pub life: Vec<(i64, LifeMark)>,
    pub next_life: i64,
    /// Gaps to write: of what was shed before it was committed.
    pub gaps: Vec<Gap>,
    pub bad: Vec<Bad>,
    /// How many batches were refused for the bound.
    pub overloads: u64,
    pub closed: bool,
}

impl Head {
    /// Takes a batch, or says why not. See `Cache::append`.
    pub(crate) fn append(&mut self, batch: &Arc<Numbered>, now: UnixMillis) -> Result<(), AppendRefused> {
        self.append_all(std::slice::from_ref(batch), now, None)
    }

    /// Takes all of these batches, and the checkpoint that goes with them, or nothing.
    pub(crate) fn append_all(
        &mut self,
        batches: &[Arc<Numbered>],
        now: UnixMillis,
        checkpoint: Option<(&str, &Checkpoint)>,
    ) -> Result<(), AppendRefused> {
        if self.closed {
            return Err(AppendRefused::Closed);
        }
        let mut last = self.last;
        for batch in batches {
            last = self.check(batch, last)?;
        }
        let bytes: usize = batches.iter().map(|batch| batch_bytes(batch)).sum();
        if self.pending_bytes + bytes > self.pending_bound && !batches.is_empty() {
            self.overloads += batches.len() as u64;
            return Err(AppendRefused::Overload);
        }
        for batch in batches.iter().filter(|batch| !batch.batch.is_empty()) {
            let of = &batch.batch;
            self.batches.push(self.epoch.start, first_number(batch), of.len(), of.generation);
            self.pending.push(Arc::clone(batch));
            self.pending_bytes += batch_bytes(batch);
            self.place(batch, now, |_, _| true);
        }
        self.last = last;
        if let Some((deployment, checkpoint)) = checkpoint {
            self.checkpoints.put(deployment, checkpoint);
        }
        Ok(())
    }

    /// Splits a batch of any epoch among the chunks of its groups, as far as `wanted(group, first number of the piece)`.
    pub(crate) fn place(
        &mut self,
        batch: &Arc<Numbered>,
        now: UnixMillis,
        wanted: impl Fn(u32, u64) -> bool,
    ) {
        let mut pieces: Vec<(u32, Piece)> = Vec::new();
        self.groups.split(&batch.batch.series, |group, from, len| {
            pieces.push((group, Piece { batch: Arc::clone(batch), from, len }));
        });
        let at = self.unsealed.iter().position(|part| part.epoch == batch.epoch).unwrap_or_else(|| {
            let at = self.unsealed.partition_point(|part| part.epoch < batch.epoch);
            self.unsealed.insert(at, Unsealed { epoch: batch.epoch, chunks: BTreeMap::new() });
            at
        });
        for (group, piece) in pieces {
            if !wanted(group, piece.first()) {
                continue;
            }
            let chunk = self.unsealed[at].chunks.entry(group).or_default();
            if chunk.pieces.is_empty() {
                chunk.opened = now;
            }
            let bytes = piece.bytes();
            chunk.bytes += bytes;
            self.bytes += bytes;
            chunk.pieces.push(piece);
        }
    }

    /// Whether a batch may follow number `last`; gives the number that is the last then.
    fn check(&self, batch: &Numbered, last: u64) -> Result<u64, AppendRefused> {
        if batch.epoch != self.epoch {
            return Err(AppendRefused::Form("of another epoch"));
        }
        let Numbers::From(first) = batch.numbers else {
            return Err(AppendRefused::Form("numbers are not consecutive"));
        };
        if first != last + 1 {
            return Err(AppendRefused::Number { expected: last + 1, got: first });
        }
        let series = &batch.batch.series;
        if !matches!(batch.batch.times, Times::One(_)) {
            return Err(AppendRefused::Form("more than one time"));
        }
        if series.len() > MAX_BATCH_SAMPLES || series.len() != batch.batch.values.len() {
            return Err(AppendRefused::Form("too long, or columns of another length"));
        }
        if !series.is_sorted_by(|a, b| a < b) {
            return Err(AppendRefused::Form("series not ascending"));
        }
        match series.iter().find(|series| !self.groups.knows(**series)) {
            Some(unknown) => Err(AppendRefused::Series(*unknown)),
            None => Ok(last + batch.batch.len() as u64),
        }
    }

    /// Takes the first `count` pieces of a group's chunk away: they are sealed.
    pub(crate) fn drop_sealed(&mut self, epoch: Epoch, group: u32, count: usize, now: UnixMillis) {
        let current = self.epoch;
        for part in self.unsealed.iter_mut().filter(|part| part.epoch == epoch) {
            if let Some(chunk) = part.chunks.get_mut(&group) {
                let freed: usize = chunk.pieces.drain(..count).map(|piece| piece.bytes()).sum();
                chunk.bytes -= freed;
                chunk.opened = now;
                self.bytes -= freed;
                if chunk.pieces.is_empty() {
                    part.chunks.remove(&group);
                }
            }
        }
        self.unsealed.retain(|part| part.epoch == current || !part.chunks.is_empty());
    }

    /// Forgets the first `count` pending batches: they are committed.
    pub(crate) fn drop_committed(&mut self, count: usize) {
        let freed: usize = self.pending.drain(..count).map(|batch| batch_bytes(&batch)).sum();
        self.pending_bytes -= freed;
    }

    /// Sheds the oldest pending batches until at most `bound` bytes are left. Returns (first, last number) of what is gone.
    pub(crate) fn shed_pending(&mut self, bound: usize) -> Option<(u64, u64)> {
        let mut left = self.pending_bytes;
        let count = self
            .pending
            .iter()
            .take_while(|batch| {
                let more = left > bound;
                left = left.saturating_sub(batch_bytes(batch));
                more
            })
            .count();
        let first = first_number(self.pending.first().filter(|_| count > 0)?);
        let newest = &self.pending[count - 1];
        let last = first_number(newest) + newest.batch.len() as u64 - 1;
        self.drop_committed(count);
        let part = self.unsealed.iter_mut().find(|part| part.epoch == self.epoch)?;
        for chunk in part.chunks.values_mut() {
            chunk.pieces.retain(|piece| {
                let gone = (first..=last).contains(&piece.first());
                if gone {
                    chunk.bytes -= piece.bytes();
                    self.bytes -= piece.bytes();
                }
                !gone
            });
        }
        part.chunks.retain(|_, chunk| !chunk.pieces.is_empty());
        Some((first, last))
    }

    /// The lowest number of `epoch` that stays unsealed when of each group the first `sealing(group)` pieces are.
    pub(crate) fn first_unsealed(&self, epoch: u64, sealing: impl Fn(u32) -> usize) -> Option<u64> {
        let part = self.unsealed.iter().find(|part| part.epoch.start == epoch)?;
        part.chunks
            .iter()
            .filter_map(|(group, chunk)| chunk.pieces.get(sealing(*group)).map(Piece::first))
            .min()
    }

    /// Reports something unreadable to the writer.
    pub(crate) fn report(&mut self, bad: Bad) {
        if self.bad.len() < MAX_BAD && !self.bad.contains(&bad) {
            self.bad.push(bad);
        }
    }
}
