//! Reading in number order: whole batches, as the hub numbered them.
//!
//! The answer is that of [`Reader::read`], sorted by number and cut where the index of batches says that batches begin. It
//! always ends between two batches. Where the index knows nothing (a file of version 1, a damaged row), a new batch begins
//! wherever the time changes or the series do not ascend.

use super::{Prepared, ReadRequest, Reader, pour};
use crate::batches::{self, Extent, Segment};
use crate::error::{CacheError, Tried};
use hedgerow_model::{
    Batch, Columns, Epoch, Gap, LifeMark, Mark, Numbered, Numbers, SeriesId, Times, UnixMillis, Value,
};
use rusqlite::Connection;

/// What there is, in number order. Complete for numbers above `after` up to `through`: what is missing there is in `gaps`.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderedAnswer {
    /// Up to where the answer is complete: no batch goes over it.
    pub through: u64,
    /// Batches as the hub accepted them, restricted to the series asked for and to what is still there, with one time each.
    /// Their numbers are [`Numbers::From`] where they are consecutive.
    pub batches: Vec<Numbered>,
    /// Marks of life of these series that stand after a number `after <= n <= through`, with their ids, in order. Those at
    /// `after` may have been given before: ids rise within an epoch.
    pub life: Vec<(i64, LifeMark)>,
    /// Gap records that touch the range and may concern these series.
    pub gaps: Vec<Gap>,
}

impl Reader {
    /// As [`Reader::read`], but whole batches in number order. `max_samples` is passed only where a single batch has more.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn read_in_order(&self, request: &ReadRequest<'_>) -> Result<OrderedAnswer, CacheError> {
        let (prepared, recent) = {
            let head = self.shared.head.lock();
            let recent = head.batches.copy(request.epoch.start, request.after, request.through);
            (Prepared::new(&head, request), recent)
        };
        let mut db = self.pool.get(&self.shared.path)?;
        let tx = db.transaction().tried("beginning to read")?;
        let mut bad = Vec::new();
        let mut samples = Vec::new();
        let mut extents = Extents { db: &tx, epoch: request.epoch.start, recent, known: None };
        let mut read = |max_samples, through, bound: &mut dyn FnMut(u64) -> Result<u64, CacheError>| {
            samples.clear();
            bad.clear();
            let request = ReadRequest { max_samples, ..request.clone() };
            let mut take = |series, number, time, value, mark| {
                samples.push(Sample { number, series, time, value, mark });
            };
            pour(&tx, &request, through, &prepared.views, &mut bad, bound, &mut take)
        };
        let mut beyond = None;
        let mut cut = |through: u64| {
            beyond = None;
            let Some(batch) = extents.of(through.saturating_add(1))?.known() else { return Ok(through) };
            match batch.first - 1 {
                // A batch larger than the answer may be.
                before if before <= request.after && batch.first <= through => {
                    beyond = Some(batch.last);
                    Ok(through)
                }
                before => Ok(before.min(through)),
            }
        };
        let mut through = read(request.max_samples, prepared.through, &mut cut)?;
        if let Some(last) = beyond {
            through = read(usize::MAX, last.min(prepared.through), &mut Ok)?;
        }
        samples.sort_unstable_by_key(|sample| sample.number);
        let batches = extents.split(request.epoch, samples)?;
        let (life, gaps) = prepared.finish(self, &tx, request, through, bad)?;
        Ok(OrderedAnswer { through, batches, life, gaps })
    }
}

struct Sample {
    number: u64,
    series: SeriesId,
    time: UnixMillis,
    value: Value,
    mark: Option<Mark>,
}

/// What is known of the batch of a number.
enum Found {
    Batch(Extent),
    /// Nothing, up to this number.
    Unknown(u64),
}

impl Found {
    fn known(self) -> Option<Extent> {
        match self {
            Self::Batch(extent) => Some(extent),
            Self::Unknown(_) => None,
        }
    }
}

/// Finds batches in what is in memory, and in the rows of a snapshot of the file.
struct Extents<'a> {
    db: &'a Connection,
    epoch: u64,
    recent: Vec<Segment>,
    /// The batches of the segment looked at last.
    known: Option<Vec<Extent>>,
}

impl Extents<'_> {
    fn of(&mut self, number: u64) -> Result<Found, CacheError> {
        if let Some(found) = self.known.as_deref().and_then(|batches| batch_of(batches, number)) {
            return Ok(Found::Batch(found));
        }
        let recent = self.recent.iter().find(|segment| segment.last >= number);
        let segment = match recent.filter(|segment| segment.first <= number) {
            Some(segment) => Some(segment.clone()),
            None => batches::row_at(self.db, self.epoch, number).tried("reading the index of batches")?,
        };
        let next = |segment: &Segment| segment.first.saturating_sub(1);
        let unknown = match &segment {
            Some(segment) if segment.first <= number => segment.last,
            Some(segment) => next(segment).min(recent.map_or(u64::MAX, next)),
            None => recent.map_or(u64::MAX, next),
        };
        let batches = segment.filter(|s| s.first <= number).and_then(|s| s.batches().ok());
        let found = batches.as_deref().and_then(|batches| batch_of(batches, number));
        if batches.is_some() {
            self.known = batches;
        }
        Ok(found.map_or(Found::Unknown(unknown), Found::Batch))
    }

    /// Samples, by ascending number, in the batches in which they came.
    fn split(&mut self, epoch: Epoch, samples: Vec<Sample>) -> Result<Vec<Numbered>, CacheError> {
        let mut batches = Vec::new();
        let mut open: Vec<Sample> = Vec::new();
        // Up to where the open batch goes, and whether that is sure.
        let (mut last, mut sure, mut generation) = (0, true, 0);
        for sample in samples {
            let goes_on = open.last().is_some_and(|before| {
                sample.number <= last
                    && (sure || (before.time == sample.time && before.series < sample.series))
            });
            if !goes_on {
                batches.extend(close(epoch, generation, &mut open));
                (last, sure, generation) = match self.of(sample.number)? {
                    Found::Batch(batch) => (batch.last, true, batch.generation),
                    Found::Unknown(through) => (through, false, 0),
                };
            }
            open.push(sample);
        }
        batches.extend(close(epoch, generation, &mut open));
        Ok(batches)
    }
}

fn batch_of(batches: &[Extent], number: u64) -> Option<Extent> {
    let at = batches.partition_point(|batch| batch.last < number);
    batches.get(at).filter(|batch| batch.first <= number).copied()
}

fn close(epoch: Epoch, generation: u8, samples: &mut Vec<Sample>) -> Option<Numbered> {
    let (first, time) = samples.first().map(|sample| (sample.number, sample.time))?;
    let dense = samples.last().is_some_and(|last| last.number - first + 1 == samples.len() as u64);
    let numbers = if dense {
        Numbers::From(first)
    } else {
        Numbers::Each(samples.iter().map(|sample| sample.number).collect())
    };
    let times = if samples.iter().all(|sample| sample.time == time) {
        Times::One(time)
    } else {
        Times::Each(samples.iter().map(|sample| sample.time).collect())
    };
    let (mut series, mut values, mut marks) =
        (Vec::with_capacity(samples.len()), Columns::default(), Vec::new());
    for (at, sample) in (0_u32..).zip(samples.drain(..)) {
        series.push(sample.series);
        values.push(sample.value);
        marks.extend(sample.mark.map(|mark| (at, mark)));
    }
    let batch = Batch { series, times, values, marks, generation };
    Some(Numbered { epoch, numbers, batch })
}
