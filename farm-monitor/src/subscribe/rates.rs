//! Counters as rates or deltas, made on reading: the increase from the sample before, none where it is unknown.

use hashbrown::HashMap;
use hedgerow_model::predicate::Reading;
use hedgerow_model::{Batch, Columns, Mark, Numbered, SeriesId, Times, UnixMillis, Value};

/// Earlier samples of counters, by series.
#[derive(Debug, Default)]
pub struct Rates {
    before: HashMap<SeriesId, (UnixMillis, Value)>,
}

/// The increase of a counter between two samples, and over how many milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Increase {
    /// By how much.
    pub by: f64,
    /// Over which time.
    pub millis: i64,
}

impl Increase {
    /// As `reading` wants it.
    pub fn given(self, reading: Reading) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds between two samples")]
        match reading {
            Reading::Rate => self.by * 1000.0 / self.millis as f64,
            Reading::Delta | Reading::Raw => self.by,
        }
    }
}

impl Rates {
    /// Whether the sample before the next one is known.
    pub fn knows(&self, series: SeriesId) -> bool {
        self.before.contains_key(&series)
    }

    /// Forgets all: samples were passed by, and marks with them.
    pub fn forget(&mut self) {
        self.before.clear();
    }

    /// Takes note of a sample without asking for its increase.
    pub fn seed(&mut self, series: SeriesId, time: UnixMillis, value: Value) {
        let newer = self.before.get(&series).is_none_or(|(before, _)| *before <= time);
        if newer {
            self.before.insert(series, (time, value));
        }
    }

    /// The increase that leads to this sample. None for the first, across a reset or a discontinuity, and for a sample that
    /// is older than the one before it.
    pub fn increase(
        &mut self,
        series: SeriesId,
        time: UnixMillis,
        value: &Value,
        mark: Option<Mark>,
    ) -> Option<Increase> {
        let known = self.before.get(&series);
        if known.is_some_and(|(before, _)| *before >= time) {
            return None;
        }
        let by = known.and_then(|(_, before)| difference(before, value, mark));
        let millis = known.map_or(0, |(before, _)| time - before);
        self.before.insert(series, (time, value.clone()));
        by.map(|by| Increase { by, millis })
    }

    /// The samples of a batch with the counters among them replaced by what `reading` asks; those without a known increase
    /// are left out. `is_counter` tells which are counters.
    pub fn apply(
        &mut self,
        numbered: &Numbered,
        reading: Reading,
        is_counter: impl Fn(SeriesId) -> bool,
    ) -> Numbered {
        let batch = &numbered.batch;
        let mut marks = batch.marks.iter().peekable();
        let (mut series, mut times, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        let mut values = Columns::default();
        for (at, value) in batch.values.iter().enumerate() {
            let mark = marks.next_if(|(position, _)| *position as usize == at).map(|(_, mark)| *mark);
            let (id, time) = (batch.series[at], batch.times.at(at));
            let given = match is_counter(id) {
                false => value,
                true => match self.increase(id, time, &value, mark) {
                    Some(increase) => Value::F64(increase.given(reading)),
                    None => continue,
                },
            };
            series.push(id);
            times.push(time);
            numbers.extend(numbered.numbers.at(at));
            values.push(given);
        }
        let batch = Batch {
            series,
            times: Times::Each(times),
            values,
            marks: Vec::new(),
            generation: batch.generation,
        };
        Numbered { epoch: numbered.epoch, numbers: hedgerow_model::Numbers::Each(numbers), batch }
    }
}

/// `after - before`, where it is known: not across a reset, not where a counter ran backwards without a word.
fn difference(before: &Value, after: &Value, mark: Option<Mark>) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "an increase as f64 is what is asked for")]
    match (before, after, mark) {
        (_, _, Some(Mark::Reset | Mark::Discontinuity)) => None,
        (Value::I64(before), Value::I64(after), mark) => {
            let (before, after) = (before.cast_unsigned(), after.cast_unsigned());
            match mark {
                Some(Mark::Wrap32) => Some(after.wrapping_sub(before).wrapping_add(1 << 32) as f64),
                Some(_) => Some(after.wrapping_sub(before) as f64),
                None => after.checked_sub(before).map(|by| by as f64),
            }
        }
        (Value::F64(before), Value::F64(after), _) if after >= before => Some(after - before),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const S: SeriesId = SeriesId(1);

    fn steps(samples: &[(i64, Value, Option<Mark>)]) -> Vec<Option<f64>> {
        let mut rates = Rates::default();
        samples
            .iter()
            .map(|(time, value, mark)| rates.increase(S, *time, value, *mark).map(|i| i.given(Reading::Rate)))
            .collect()
    }

    #[test]
    fn wraps_are_known_and_resets_are_not() {
        let c = Value::counter;
        assert_eq!(
            steps(&[(0, c(10), None), (1000, c(30), None), (3000, c(40), None)]),
            [None, Some(20.0), Some(5.0)]
        );
        let wrap = (1 << 32) - 6;
        assert_eq!(steps(&[(0, c(wrap), None), (1000, c(4), Some(Mark::Wrap32))]), [None, Some(10.0)]);
        assert_eq!(steps(&[(0, c(u64::MAX), None), (1000, c(4), Some(Mark::Wrap64))]), [None, Some(5.0)]);
        let reset = steps(&[(0, c(100), None), (1000, c(4), Some(Mark::Reset)), (2000, c(5), None)]);
        assert_eq!(reset, [None, None, Some(1.0)]);
        assert_eq!(steps(&[(0, c(100), None), (1000, c(4), None)]), [None, None], "backwards without a mark");
    }

    #[test]
    fn a_late_sample_gives_nothing_and_disturbs_nothing() {
        let c = Value::counter;
        let late = steps(&[(0, c(0), None), (2000, c(20), None), (1000, c(10), None), (3000, c(30), None)]);
        assert_eq!(late, [None, Some(10.0), None, Some(10.0)]);
    }
}
