//! Samples condensed into bins of time. A block that lies in one bin answers with its minimum, maximum and sum, undecoded.

use super::plan::{self, Chunk};
use super::{ReadRequest, Reader, add_pending, concerns, stored, touches, unsealed, view};
use crate::blocks;
use crate::error::{CacheError, Tried};
use crate::head::Bad;
use crate::rows;
use hedgerow_model::{Epoch, Gap, SeriesId, UnixMillis, Value};
use std::collections::BTreeMap;
use std::ops::Range;

/// What is asked for. The answer has at most (length of `times` / `every` + 2) bins a series: that is the caller's to bound.
#[derive(Debug, Clone)]
pub struct SummaryRequest<'a> {
    /// Which series.
    pub series: &'a [SeriesId],
    /// Of which epoch; bins of several epochs are merged by [`Bin::merge`].
    pub epoch: Epoch,
    /// Numbers above this one,
    pub after: u64,
    /// up to and including this one.
    pub through: u64,
    /// Only samples with such a time.
    pub times: Range<UnixMillis>,
    /// Length of a bin in ms, at least 1; bins lie on the grid of Unix time.
    pub every: i64,
}

/// What is known of the samples of one series in one bin. Counters are read as signed: rates need the samples themselves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// How many samples.
    pub count: u64,
    /// How many of them are numbers and not NaN: what minimum, maximum and sum are over.
    pub numbers: u64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The sum.
    pub sum: f64,
}

impl Bin {
    const EMPTY: Self = Self { count: 0, numbers: 0, min: f64::INFINITY, max: f64::NEG_INFINITY, sum: 0.0 };

    /// Adds what another part of the same bin has.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.numbers += other.numbers;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
    }

    #[expect(clippy::cast_precision_loss, reason = "a summary is floating point")]
    fn of(value: &Value) -> Self {
        match value {
            Value::F64(number) if !number.is_nan() => Self::number(*number),
            Value::I64(number) | Value::State(number, _) => Self::number(*number as f64),
            Value::F64(_) | Value::Text(_) => Self { count: 1, ..Self::EMPTY },
        }
    }

    const fn number(number: f64) -> Self {
        Self { count: 1, numbers: 1, min: number, max: number, sum: number }
    }
}

/// What there is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// By series and start of the bin; empty bins are not there.
    pub bins: BTreeMap<(SeriesId, UnixMillis), Bin>,
    /// Gap records that touch the range and may concern these series.
    pub gaps: Vec<Gap>,
}

impl Reader {
    /// Samples of some series condensed into bins.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn summarize(&self, request: &SummaryRequest<'_>) -> Result<Summary, CacheError> {
        let every = request.every.max(1);
        let bin = |time: UnixMillis| time.div_euclid(every).saturating_mul(every);
        let inside = |number: u64, time: UnixMillis| {
            request.after < number && number <= request.through && request.times.contains(&time)
        };
        let (views, pending) = {
            let head = self.shared.head.lock();
            (view(&head, request.epoch, request.series, request.after, request.through).0, head.gaps.clone())
        };
        let mut db = self.pool.get(&self.shared.path)?;
        let tx = db.transaction().tried("beginning to read")?;
        let mut summary = Summary {
            gaps: rows::gaps(&tx, request.epoch, request.after, request.through)?,
            ..Summary::default()
        };
        let mut bad = Vec::new();
        let read = ReadRequest {
            series: request.series,
            epoch: request.epoch,
            after: request.after,
            through: request.through,
            times: Some(request.times.clone()),
            max_samples: 0,
        };
        for view in &views {
            for row in plan::rows(&tx, &read, request.through, view)? {
                let Ok(entries) = row.entries(&tx).tried("reading times")? else {
                    bad.push((Bad::Times(row.id), plan::lost(&read, &row, view)));
                    continue;
                };
                let whole = inside(row.first, row.t_min)
                    && inside(row.last, row.t_max)
                    && bin(row.t_min) == bin(row.t_max);
                let chunk = Chunk { row, entries };
                for (rank, series) in &view.wanted {
                    let mut add = |time, part: &Bin| {
                        summary.bins.entry((*series, bin(time))).or_insert(Bin::EMPTY).merge(part);
                    };
                    if whole {
                        let count = chunk.entries.iter().filter(|e| e.present.place(*rank).is_some()).count();
                        let id = blocks::block_id(row.id, *rank);
                        let known =
                            if count > 0 { blocks::read_summary(&tx, id, *series, count) } else { Ok(None) };
                        if let Some([min, max, sum]) = known.tried("reading a block's summary")? {
                            let count = count as u64;
                            add(row.t_min, &Bin { count, numbers: count, min, max, sum });
                            continue;
                        }
                    }
                    let mut take = |_, time, value: Value, _| add(time, &Bin::of(&value));
                    stored(&tx, request.epoch, &chunk, *rank, *series, &inside, &mut take, &mut bad)?;
                }
            }
            for (_, series) in &view.wanted {
                let mut take = |_, time, value: Value, _| {
                    summary.bins.entry((*series, bin(time))).or_insert(Bin::EMPTY).merge(&Bin::of(&value));
                };
                unsealed(&view.pieces, *series, &inside, &mut take);
            }
        }
        self.report(bad.iter().map(|(bad, _)| *bad));
        add_pending(&mut summary.gaps, pending);
        summary.gaps.extend(bad.into_iter().map(|(_, gap)| gap));
        let (after, through) = (request.after, request.through);
        summary.gaps.retain(|gap| touches(gap, request.epoch, after, through) && concerns(gap, &views));
        Ok(summary)
    }
}
