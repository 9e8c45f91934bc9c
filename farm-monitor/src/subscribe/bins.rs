//! Bins: samples condensed on the Unix grid. Knows no clock and no IO: it is told what to add and when to close.

pub use hedgerow_model::bin::{Bin, Point, floor};
use hedgerow_model::{SeriesId, UnixMillis};
use std::collections::BTreeMap;

/// The open bins of all series of a subscription.
#[derive(Debug)]
pub struct Bins {
    width: i64,
    /// Bins that end here or before are closed.
    closed: UnixMillis,
    /// Samples before this are not asked for.
    start: UnixMillis,
    open: BTreeMap<UnixMillis, BTreeMap<SeriesId, Bin>>,
    /// How many are open.
    count: usize,
    late: u64,
}

/// One closed bin of all series.
pub type Closed = (UnixMillis, BTreeMap<SeriesId, Bin>);

impl Bins {
    /// Bins of `width` milliseconds from `start`, a point of the grid.
    pub fn new(width: i64, start: UnixMillis) -> Self {
        Self { width: width.max(1), closed: start, start, open: BTreeMap::new(), count: 0, late: 0 }
    }

    /// Adds a sample. One of a closed bin is late: counted, and left out.
    pub fn add(&mut self, series: SeriesId, time: UnixMillis, point: Point) {
        if time < self.start {
            return;
        }
        let start = floor(time, self.width);
        if start < self.closed {
            self.late += 1;
            return;
        }
        let bins = self.open.entry(start).or_default();
        match bins.get_mut(&series) {
            Some(bin) => bin.add(time, point),
            None => {
                self.count += 1;
                bins.insert(series, Bin::of(time, point));
            }
        }
    }

    /// Closes the bins that end at `end` or before, and gives them in order of time.
    pub fn close(&mut self, end: UnixMillis) -> Vec<Closed> {
        let end = floor(end, self.width);
        if end <= self.closed {
            return Vec::new();
        }
        self.closed = end;
        let still_open = self.open.split_off(&end);
        let closed: Vec<Closed> = std::mem::replace(&mut self.open, still_open).into_iter().collect();
        self.count -= closed.iter().map(|(_, bins)| bins.len()).sum::<usize>();
        closed
    }

    /// Gives all, as they stand.
    pub fn close_all(&mut self) -> Vec<Closed> {
        self.count = 0;
        std::mem::take(&mut self.open).into_iter().collect()
    }

    /// How many bins are open.
    pub fn open(&self) -> usize {
        self.count
    }

    /// Forgets what is open, to be added again.
    pub fn forget_open(&mut self) {
        self.count = 0;
        self.open.clear();
    }

    /// Up to where bins are closed.
    pub fn closed(&self) -> UnixMillis {
        self.closed
    }

    /// How many samples came late since the last time this was asked.
    pub fn take_late(&mut self) -> u64 {
        std::mem::take(&mut self.late)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)]
    use super::*;
    use hedgerow_model::Value;
    use hedgerow_model::predicate::Aggregate;
    const S: SeriesId = SeriesId(1);

    fn number(value: f64) -> Point {
        Point::Number(value, Value::F64(value))
    }

    #[test]
    fn bins_stand_on_the_grid_and_are_given_once() {
        let mut bins = Bins::new(1000, -2000);
        for (time, value) in [(-1500, 1.0), (-1001, 3.0), (0, 5.0), (999, 4.0), (1000, 9.0)] {
            bins.add(S, time, number(value));
        }
        let closed = bins.close(1999);
        let told: Vec<_> = closed
            .iter()
            .map(|(start, bins)| {
                let of = |aggregate| bins[&S].aggregate(aggregate);
                (*start, of(Aggregate::Mean), of(Aggregate::Min), of(Aggregate::Last), of(Aggregate::Count))
            })
            .collect();
        let f = Value::F64;
        assert_eq!(
            told,
            [(-2000, f(2.0), f(1.0), f(3.0), Value::I64(2)), (0, f(4.5), f(4.0), f(4.0), Value::I64(2)),]
        );
        assert_eq!(bins.close(1999), [], "given once");
        bins.add(S, 500, number(7.0));
        assert_eq!(bins.take_late(), 1);
        assert_eq!(bins.close(2000).len(), 1, "the bin of 1000");
    }

    #[test]
    fn a_mean_of_rates_is_the_increase_over_the_time() {
        let mut bins = Bins::new(10_000, 0);
        bins.add(S, 1000, Point::Rate(10.0, 1.0));
        bins.add(S, 4000, Point::Rate(2.0, 3.0));
        let closed = bins.close(10_000);
        assert_eq!(closed[0].1[&S].aggregate(Aggregate::Mean), Value::F64(4.0));
        assert_eq!(closed[0].1[&S].aggregate(Aggregate::Max), Value::F64(10.0));
    }

    #[test]
    fn what_came_before_the_start_is_not_late() {
        let mut bins = Bins::new(1000, 5000);
        bins.add(S, 4999, number(1.0));
        assert_eq!(bins.take_late(), 0);
        assert_eq!(bins.close(9000), []);
    }
}
