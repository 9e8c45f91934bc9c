//! Counters as rates or deltas, made on reading: the increase from the sample before, none where it is unknown.

use hashbrown::HashMap;
use hedgerow_model::counter::{Count, CounterSample, Increase, advance};
use hedgerow_model::predicate::Reading;
use hedgerow_model::{Batch, Columns, Mark, Numbered, SeriesId, Times, UnixMillis, Value};

/// Earlier samples of counters, by series.
#[derive(Debug, Default)]
pub struct Rates {
    before: HashMap<SeriesId, CounterSample>,
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
    pub fn seed(&mut self, series: SeriesId, time: UnixMillis, value: &Value) {
        let newer = self.before.get(&series).is_none_or(|before| before.time <= time);
        if let (true, Some(count)) = (newer, Count::of(value)) {
            self.before.insert(series, CounterSample { time, count });
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
        let next = CounterSample { time, count: Count::of(value)? };
        let mut before = self.before.get(&series).copied();
        let increase = advance(&mut before, next, mark);
        before.map(|newest| self.before.insert(series, newest));
        increase
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
