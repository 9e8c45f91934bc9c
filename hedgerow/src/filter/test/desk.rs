//! A hub for one filter, at its author's desk: samples one by one become batches with numbers, and their times a heartbeat.

use hedgerow_client::sample::Sample;
use hedgerow_model::batch::MAX_BATCH_SAMPLES;
use hedgerow_model::{
    BatchBuilder, Epoch, Mark, Numbered, Numbers, Position, SeriesDef, SeriesId, SeriesKey, UnixMillis, Value,
};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Most ticks between two samples; over a longer silence the clock jumps, as that of a farm that was away.
const MAX_TICKS: i64 = 100_000;

const EPOCH: Epoch = Epoch { start: 1, random: 0 };

type Row = (SeriesId, Value, Option<Mark>);

/// What is given at once.
#[derive(Debug)]
pub struct Piece {
    pub through: Position,
    pub batch: Option<Numbered>,
    pub heartbeat: Option<UnixMillis>,
}

/// Samples, on their way into a filter.
#[derive(Debug)]
pub struct Desk {
    defs: Vec<Arc<SeriesDef>>,
    batches: VecDeque<(UnixMillis, Vec<Row>)>,
    tick: i64,
    /// The greatest time so far.
    clock: Option<UnixMillis>,
    number: u64,
}

impl Desk {
    /// What is consecutive, of one time and of different series is one batch.
    pub fn new(samples: &[Sample], tick_ms: u64) -> Self {
        let mut ids: HashMap<&SeriesKey, SeriesId> = HashMap::new();
        let mut defs = Vec::new();
        let mut batches: VecDeque<(UnixMillis, Vec<Row>)> = VecDeque::new();
        let mut in_batch: HashSet<SeriesId> = HashSet::new();
        for sample in samples {
            let id = *ids.entry(&sample.series.key).or_insert_with(|| {
                defs.push(Arc::clone(&sample.series));
                SeriesId(u32::try_from(defs.len()).unwrap_or(u32::MAX))
            });
            let row = (id, sample.value.clone(), sample.mark);
            match batches.back_mut() {
                Some((time, rows))
                    if *time == sample.time && rows.len() < MAX_BATCH_SAMPLES && in_batch.insert(id) =>
                {
                    rows.push(row);
                }
                _ => {
                    in_batch = HashSet::from([id]);
                    batches.push_back((sample.time, vec![row]));
                }
            }
        }
        Self { defs, batches, tick: i64::try_from(tick_ms).unwrap_or(i64::MAX), clock: None, number: 0 }
    }

    /// How far it is.
    pub fn position(&self) -> Position {
        Position { epoch: EPOCH, number: self.number }
    }

    /// The time of what was given last.
    pub fn clock(&self) -> Option<UnixMillis> {
        self.clock
    }

    /// How a series is declared.
    pub fn def(&self, id: SeriesId) -> Option<Arc<SeriesDef>> {
        self.defs.get(id.0.checked_sub(1)? as usize).cloned()
    }

    /// The next: a batch, or before it the heartbeat of a tick. At the end the tick after the last sample.
    pub fn next_piece(&mut self) -> Option<Piece> {
        let next = self.batches.front().map(|(time, _)| *time);
        let due = self.clock.filter(|_| self.tick > 0).map(|clock| {
            let tick = clock.saturating_sub(clock.rem_euclid(self.tick)).saturating_add(self.tick);
            let far = next.filter(|next| next.saturating_sub(tick) / self.tick > MAX_TICKS);
            far.map_or(tick, |next| next - next.rem_euclid(self.tick))
        });
        let before = |tick: &UnixMillis| next.is_none_or(|next| *tick < next);
        if let Some(tick) = due.filter(before) {
            // One tick is enough to see what the last samples led to.
            self.tick = if next.is_none() { 0 } else { self.tick };
            self.clock = Some(tick);
            self.number += 1;
            return Some(Piece { through: self.position(), batch: None, heartbeat: Some(tick) });
        }
        let (time, mut rows) = self.batches.pop_front()?;
        rows.sort_by_key(|(id, ..)| *id);
        let first = self.number + 1;
        self.number += rows.len() as u64;
        let mut builder = BatchBuilder::new();
        for (id, value, mark) in rows {
            builder.push(id, time, value, mark);
        }
        let batch = Numbered { epoch: EPOCH, numbers: Numbers::From(first), batch: builder.build() };
        self.clock = Some(self.clock.map_or(time, |clock| clock.max(time)));
        Some(Piece { through: self.position(), batch: Some(batch), heartbeat: self.clock })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sample(parameter: &str, time: UnixMillis) -> Sample {
        let line = format!(
            r#"{{"farm":"f","cluster":"c","node":"n","parameter":"{parameter}","time":{time},"value":1.0}}"#
        );
        super::super::samples::parse(&line).unwrap().remove(0)
    }

    fn given(samples: &[Sample], tick_ms: u64) -> Vec<String> {
        let mut desk = Desk::new(samples, tick_ms);
        std::iter::from_fn(|| desk.next_piece())
            .map(|piece| match piece.batch {
                Some(numbered) => {
                    let ids: Vec<u32> = numbered.batch.series.iter().map(|id| id.0).collect();
                    format!("{ids:?} at {} to {}", numbered.batch.times.at(0), piece.through.number)
                }
                None => format!("{} at {}", piece.heartbeat.unwrap(), piece.through.number),
            })
            .collect()
    }

    #[test]
    fn what_has_one_time_is_one_batch_and_a_series_comes_once_in_it() {
        let samples =
            [("a", 5), ("b", 5), ("a", 5), ("b", 9), ("a", 9)].map(|(name, time)| sample(name, time));
        assert_eq!(given(&samples, 0), ["[1, 2] at 5 to 2", "[1] at 5 to 3", "[1, 2] at 9 to 5"]);
    }

    #[test]
    fn ticks_stand_between_the_samples_and_one_behind_them() {
        let samples = [("a", 7), ("a", 35), ("a", 31)].map(|(name, time)| sample(name, time));
        assert_eq!(
            given(&samples, 10),
            ["[1] at 7 to 1", "10 at 2", "20 at 3", "30 at 4", "[1] at 35 to 5", "[1] at 31 to 6", "40 at 7"]
        );
        let year = [sample("a", 0), sample("a", 365 * 86_400_000)];
        assert!(given(&year, 1000).len() < 10, "over a long silence it jumps");
        assert_eq!(given(&[], 10), Vec::<String>::new());
    }
}
