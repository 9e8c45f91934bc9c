//! One series of a chart: its bins, and which of them are to be told.

use super::Points;
use hedgerow_model::bin::{Bin, Point};
use hedgerow_model::counter::{Count, CounterSample, Increase, advance};
use hedgerow_model::{Kind, Mark, UnixMillis, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of text that weigh as much as a point.
const TEXT_OF_A_POINT: usize = 64;

/// The bins of one series.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// By which part of the question it came.
    pub part: usize,
    bins: BTreeMap<UnixMillis, Bin>,
    dirty: BTreeSet<UnixMillis>,
    /// Of a counter: what the next sample is compared with.
    before: Option<CounterSample>,
    weight: usize,
}

impl Line {
    /// What a sample adds; a counter's leads on from the sample before it. To be asked of each sample, once, in their order.
    pub fn point(&mut self, kind: Kind, time: UnixMillis, value: Value, mark: Option<Mark>) -> Option<Point> {
        let before = &mut self.before;
        let increase = |value: &Value| -> Option<Increase> {
            advance(before, CounterSample { time, count: Count::of(value)? }, mark)
        };
        Point::of(kind, value, increase)
    }

    /// Adds to the bin at `start`.
    pub fn add(&mut self, start: UnixMillis, bin: &Bin) {
        self.dirty.insert(start);
        match self.bins.get_mut(&start) {
            Some(known) => {
                self.weight -= weight(known);
                known.merge(bin);
                self.weight += weight(known);
            }
            None => {
                self.weight += weight(bin);
                self.bins.insert(start, bin.clone());
            }
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self { part: self.part, ..Self::default() };
    }

    /// Forgets what lies before a time.
    pub fn clear_before(&mut self, time: UnixMillis) {
        let kept = self.bins.split_off(&time);
        let gone = std::mem::replace(&mut self.bins, kept);
        self.weight -= gone.values().map(weight).sum::<usize>();
        self.dirty = self.dirty.split_off(&time);
    }

    /// The start of its oldest bin.
    pub fn oldest(&self) -> Option<UnixMillis> {
        self.bins.keys().next().copied()
    }

    /// The start of its newest bin.
    pub fn newest(&self) -> Option<UnixMillis> {
        self.bins.keys().next_back().copied()
    }

    /// About how much it holds.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// All points.
    pub fn all(&self, s: u32, kind: Kind) -> Option<Points> {
        points(s, kind, self.bins.iter())
    }

    /// The points that changed since this was last asked.
    pub fn changed(&mut self, s: u32, kind: Kind) -> Option<Points> {
        let dirty = std::mem::take(&mut self.dirty);
        points(s, kind, dirty.iter().filter_map(|start| Some((start, self.bins.get(start)?))))
    }

    /// All is told.
    pub fn told(&mut self) {
        self.dirty.clear();
    }
}

fn weight(bin: &Bin) -> usize {
    match bin.last() {
        Value::Text(text) | Value::State(_, Some(text)) => 1 + text.len() / TEXT_OF_A_POINT,
        _ => 1,
    }
}

fn points<'a>(s: u32, kind: Kind, bins: impl Iterator<Item = (&'a UnixMillis, &'a Bin)>) -> Option<Points> {
    let mut points = Points { s, ..Points::default() };
    for (start, bin) in bins {
        points.t.push(*start);
        points.count.push(bin.count());
        match (kind, bin.last()) {
            (Kind::Text, last) => points.text.push(text(last)),
            (Kind::State, last) => {
                points.text.push(text(last));
                points.last.0.push(code(last));
            }
            (Kind::Gauge | Kind::Counter, last) => {
                let (min, max) = bin.range();
                points.min.0.push(min);
                points.max.0.push(max);
                points.mean.0.push(bin.mean());
                points.last.0.push(crate::column::number(last).unwrap_or(f64::NAN));
            }
        }
    }
    (!points.t.is_empty()).then_some(points)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) | Value::State(_, Some(text)) => Some(text.to_string()),
        _ => None,
    }
}

fn code(value: &Value) -> f64 {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "codes of states are small")]
        Value::State(code, _) | Value::I64(code) => *code as f64,
        Value::F64(code) => *code,
        Value::Text(_) => f64::NAN,
    }
}
