//! Reading back what a run has consumed: stored batches as one batch of the guest's, with its handles and in its reading.
//!
//! It is begun for one answer and knows nothing of the run's own place: counters are compared from the first sample on.

use super::checkpoint::{Handled, Saved};
use super::intake::Intake;
use crate::guest::{Column, GuestBatch, Reading};
use hedgerow_model::{Batch, Epoch, Position};

/// An answer under way.
#[derive(Debug)]
pub struct Recall {
    intake: Intake,
    one: GuestBatch,
    all: GuestBatch,
}

impl Recall {
    /// For a run with these series, by handle.
    pub fn new(reading: Reading, handles: &[Handled]) -> Self {
        let start = Position { epoch: Epoch { start: 0, random: 0 }, number: 0 };
        let saved = Saved { handles: handles.to_vec(), ..Saved::fresh(start, None) };
        Self { intake: Intake::new(reading, &saved), one: GuestBatch::default(), all: GuestBatch::default() }
    }

    /// What is stored next. Series that the run was not given are left out.
    pub fn add(&mut self, batch: &Batch) {
        let (_, plain) = self.intake.resolve(batch, &|_| None);
        self.intake.fill(batch, plain, &mut self.one);
        append(&mut self.all.numbers, &mut self.one.numbers);
        append(&mut self.all.integers, &mut self.one.integers);
        append(&mut self.all.texts, &mut self.one.texts);
        self.all.state_texts.append(&mut self.one.state_texts);
        self.all.marks.append(&mut self.one.marks);
    }

    /// How many samples it has.
    pub fn samples(&self) -> usize {
        self.all.numbers.values.len() + self.all.integers.values.len() + self.all.texts.values.len()
    }

    /// The answer.
    pub fn into_batch(self) -> GuestBatch {
        self.all
    }
}

/// With a time for each sample.
fn append<T>(all: &mut Column<T>, one: &mut Column<T>) {
    if let [time] = one.times[..] {
        all.times.resize(all.times.len() + one.values.len(), time);
    } else {
        all.times.append(&mut one.times);
    }
    all.series.append(&mut one.series);
    all.values.append(&mut one.values);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_model::{BatchBuilder, Kind, SeriesId, Value};

    #[test]
    fn batches_become_one_with_handles_rates_and_a_time_for_each() {
        let handles = [(9, Kind::Gauge), (3, Kind::Counter), (5, Kind::State)];
        let handles = handles.map(|(id, kind)| Handled { id: SeriesId(id), kind });
        let mut recall = Recall::new(Reading::Delta, &handles);
        for (time, counter) in [(1000, 10), (2000, 25), (3000, 26)] {
            let mut batch = BatchBuilder::new();
            batch.push(SeriesId(3), time, Value::counter(counter), None);
            batch.push(SeriesId(4), time, Value::F64(0.0), None);
            batch.push(SeriesId(5), time, Value::State(1, Some("on".into())), None);
            batch.push(SeriesId(9), time, Value::F64(0.5), None);
            recall.add(&batch.build());
        }
        assert_eq!(recall.samples(), 8);
        let batch = recall.into_batch();
        assert_eq!(batch.numbers.series, [0, 1, 0, 1, 0]);
        assert_eq!(batch.numbers.times, [1000, 2000, 2000, 3000, 3000]);
        assert_eq!(batch.numbers.values, [0.5, 15.0, 0.5, 1.0, 0.5]);
        assert_eq!((batch.integers.series, batch.integers.times), (vec![2; 3], vec![1000, 2000, 3000]));
        assert_eq!(batch.state_texts, [(2, "on".to_owned())], "where it changed");
    }
}
