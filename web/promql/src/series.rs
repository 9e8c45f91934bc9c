//! What the caller gives: series with their samples. And what is seen of one by a range: a window.

use crate::labels::Labels;
use std::ops::Range;

/// The samples of one series, sorted by time, each time once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// By which it is known, its name among them.
    pub labels: Labels,
    /// When; Unix milliseconds.
    pub times: Vec<i64>,
    /// What; as many as there are times.
    pub values: Values,
    /// When its last sample stopped to speak for it; sorted.
    pub stale: Vec<i64>,
}

/// The values of a series.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Floating point.
    F64(Vec<f64>),
    /// Whole numbers that may be larger than a float can tell apart: differences are made before they become floats.
    U64(Vec<u64>),
}

impl Default for Values {
    fn default() -> Self {
        Self::F64(Vec::new())
    }
}

impl Values {
    /// The value at `at`, which has to exist.
    pub fn at(&self, at: usize) -> f64 {
        match self {
            Self::F64(values) => values[at],
            Self::U64(values) => values[at] as f64,
        }
    }

    fn slice(&self, range: Range<usize>) -> Numbers<'_> {
        match self {
            Self::F64(values) => Numbers::F64(&values[range]),
            Self::U64(values) => Numbers::U64(&values[range]),
        }
    }
}

impl Series {
    /// The newest sample that still speaks for `at`: not older than `lookback`, and not gone stale since.
    pub(crate) fn newest(&self, at: i64, lookback: i64) -> Option<usize> {
        let newest = self.times.partition_point(|time| *time <= at).checked_sub(1)?;
        let time = self.times[newest];
        let stale = self.stale.partition_point(|stale| *stale <= at).checked_sub(1);
        let spoken = stale.is_none_or(|stale| self.stale[stale] < time);
        (time >= at.saturating_sub(lookback) && spoken).then_some(newest)
    }

    /// Its samples from `from` through `to`, both included.
    pub(crate) fn window(&self, from: i64, to: i64) -> Window<'_> {
        let first = self.times.partition_point(|time| *time < from);
        let range = first..first.max(self.times.partition_point(|time| *time <= to));
        Window { times: &self.times[range.clone()], values: self.values.slice(range), from, to }
    }
}

/// What a range shows of one series.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'a> {
    /// When.
    pub(crate) times: &'a [i64],
    /// What.
    pub(crate) values: Numbers<'a>,
    /// The range, both ends included.
    pub(crate) from: i64,
    pub(crate) to: i64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Numbers<'a> {
    F64(&'a [f64]),
    U64(&'a [u64]),
}

impl Window<'_> {
    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    pub(crate) fn value(&self, at: usize) -> f64 {
        match self.values {
            Numbers::F64(values) => values[at],
            Numbers::U64(values) => values[at] as f64,
        }
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = f64> + '_ {
        (0..self.len()).map(|at| self.value(at))
    }

    /// The value at `to` less that at `from`; of whole numbers exact.
    pub(crate) fn difference(&self, from: usize, to: usize) -> f64 {
        match self.values {
            Numbers::F64(values) => values[to] - values[from],
            Numbers::U64(values) => (i128::from(values[to]) - i128::from(values[from])) as f64,
        }
    }

    /// How much a counter grew: where it fell, it began again at zero. Of whole numbers exact.
    pub(crate) fn growth(&self) -> f64 {
        match self.values {
            Numbers::F64(values) => {
                let fallen = values.windows(2).filter(|pair| pair[1] < pair[0]).map(|pair| pair[0]);
                fallen.fold(self.difference(0, self.len() - 1), |sum, before| sum + before)
            }
            Numbers::U64(values) => {
                let fallen =
                    values.windows(2).filter(|pair| pair[1] < pair[0]).map(|pair| i128::from(pair[0]));
                let ends = i128::from(values[values.len() - 1]) - i128::from(values[0]);
                (ends + fallen.sum::<i128>()) as f64
            }
        }
    }

    /// How often it fell.
    pub(crate) fn falls(&self) -> usize {
        match self.values {
            Numbers::F64(values) => values.windows(2).filter(|pair| pair[1] < pair[0]).count(),
            Numbers::U64(values) => values.windows(2).filter(|pair| pair[1] < pair[0]).count(),
        }
    }

    /// How often it became another; not-a-number equals itself.
    pub(crate) fn changes(&self) -> usize {
        match self.values {
            Numbers::F64(values) => {
                let differ = |pair: &&[f64]| pair[0] != pair[1] && !(pair[0].is_nan() && pair[1].is_nan());
                values.windows(2).filter(differ).count()
            }
            Numbers::U64(values) => values.windows(2).filter(|pair| pair[0] != pair[1]).count(),
        }
    }
}
