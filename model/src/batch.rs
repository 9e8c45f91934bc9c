//! Batches: columns of samples, the only thing that moves through hub, cache, filters and streams.
//!
//! A sample's *position* is its place in the batch. The values of one type stand together in one column; runs say which
//! column the next positions take theirs from, so that a batch of one type costs one run and nothing per sample.

mod columns;

pub use columns::Columns;

use crate::UnixMillis;
use crate::epoch::Epoch;
use crate::series::SeriesId;
use crate::value::Value;

/// The most samples in one batch; what is larger is split by the hub.
pub const MAX_BATCH_SAMPLES: usize = 65_536;

/// How often a batch may go through filters before it is refused as a `loop`.
pub const MAX_GENERATION: u8 = 8;

/// What was seen at a sample of a counter, and how it was judged. The mark stands at the first sample after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Mark {
    /// Went past 2^32 and began again: the increase is known.
    Wrap32 = 1,
    /// Went past 2^64 and began again: the increase is known.
    Wrap64 = 2,
    /// Began again from 0 (a reboot, a restarted daemon): the increase is unknown.
    Reset = 3,
    /// The source says that the value may have jumped: the increase is unknown.
    Discontinuity = 4,
}

impl Mark {
    /// The mark with this number (as in the cache and on the wire).
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Wrap32, Self::Wrap64, Self::Reset, Self::Discontinuity]
            .into_iter()
            .find(|mark| *mark as u8 == number)
    }

    /// The word of JSON and of the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wrap32 => "wrap32",
            Self::Wrap64 => "wrap64",
            Self::Reset => "reset",
            Self::Discontinuity => "discontinuity",
        }
    }
}

/// When the samples of a batch were taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Times {
    /// All at once.
    One(UnixMillis),
    /// One time a position.
    Each(Vec<UnixMillis>),
}

impl Times {
    /// The time at `position`.
    pub fn at(&self, position: usize) -> UnixMillis {
        match self {
            Self::One(time) => *time,
            Self::Each(times) => times[position],
        }
    }
}

/// Columns of samples. Invariant: `series`, `values` and `times` (if `Each`) have the same length.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The series of each position.
    pub series: Vec<SeriesId>,
    /// When.
    pub times: Times,
    /// The values.
    pub values: Columns,
    /// Marks of counters, by ascending position; mostly none.
    pub marks: Vec<(u32, Mark)>,
    /// How many filters it came through.
    pub generation: u8,
}

impl Batch {
    /// How many samples it holds.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// The samples at `positions` (ascending), in that order.
    pub fn select(&self, positions: &[u32]) -> Self {
        let mut marks = Vec::new();
        if !self.marks.is_empty() {
            for (new, old) in (0_u32..).zip(positions) {
                if let Ok(at) = self.marks.binary_search_by_key(old, |(position, _)| *position) {
                    marks.push((new, self.marks[at].1));
                }
            }
        }
        Self {
            series: positions.iter().map(|p| self.series[*p as usize]).collect(),
            times: match &self.times {
                Times::One(time) => Times::One(*time),
                Times::Each(times) => Times::Each(positions.iter().map(|p| times[*p as usize]).collect()),
            },
            values: self.values.select(positions),
            marks,
            generation: self.generation,
        }
    }

    /// The samples one by one: for edges and tests, not for the way of a sample.
    pub fn iter(&self) -> impl Iterator<Item = (SeriesId, UnixMillis, Value)> {
        self.values.iter().enumerate().map(|(at, value)| (self.series[at], self.times.at(at), value))
    }
}

/// The numbers of a batch's samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Numbers {
    /// Consecutive from this one: as the hub gave them.
    From(u64),
    /// One a position: what is left of batches after a selection.
    Each(Vec<u64>),
    /// None: values derived from samples (rates over bins).
    Derived,
}

impl Numbers {
    /// The number at `position`, where there are numbers.
    pub fn at(&self, position: usize) -> Option<u64> {
        match self {
            Self::From(first) => Some(first + position as u64),
            Self::Each(numbers) => numbers.get(position).copied(),
            Self::Derived => None,
        }
    }
}

/// A batch the hub has accepted. In the form the hub gives on (its *normal form*) it has one time, each series once,
/// series ascending, and consecutive numbers; selections and answers from the cache keep neither.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbered {
    /// The epoch of the numbers.
    pub epoch: Epoch,
    /// The samples' numbers.
    pub numbers: Numbers,
    /// The samples.
    pub batch: Batch,
}

/// Collects samples one by one into a batch: for sources that have them one by one.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    series: Vec<SeriesId>,
    times: Vec<UnixMillis>,
    values: Columns,
    marks: Vec<(u32, Mark)>,
}

impl BatchBuilder {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sample.
    pub fn push(&mut self, series: SeriesId, time: UnixMillis, value: Value, mark: Option<Mark>) {
        if let Some(mark) = mark {
            self.marks.push((u32::try_from(self.series.len()).unwrap_or(u32::MAX), mark));
        }
        self.series.push(series);
        self.times.push(time);
        self.values.push(value);
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// The batch; its times are one where they are all the same.
    pub fn build(self) -> Batch {
        let times = match self.times.first() {
            Some(first) if self.times.iter().all(|time| time == first) => Times::One(*first),
            _ => Times::Each(self.times),
        };
        Batch { series: self.series, times, values: self.values, marks: self.marks, generation: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selecting_keeps_values_times_and_marks_together() {
        let mut builder = BatchBuilder::new();
        builder.push(SeriesId(1), 10, Value::F64(0.5), None);
        builder.push(SeriesId(2), 10, Value::counter(u64::MAX), Some(Mark::Wrap64));
        builder.push(SeriesId(3), 11, Value::State(2, Some("down".into())), None);
        builder.push(SeriesId(4), 12, Value::Text("x".into()), None);
        builder.push(SeriesId(5), 13, Value::F64(f64::NAN), Some(Mark::Reset));
        let batch = builder.build();
        let part = batch.select(&[1, 2, 4]);
        assert_eq!(part.marks, [(0, Mark::Wrap64), (2, Mark::Reset)]);
        assert_eq!(part.times, Times::Each(vec![10, 11, 13]));
        assert_eq!(part.values.get(0), Value::I64(-1));
        assert_eq!(part.values.get(1), Value::State(2, Some("down".into())));
        assert!(matches!(part.values.get(2), Value::F64(v) if v.is_nan()));
    }
}
