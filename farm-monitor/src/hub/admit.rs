//! What may come in, and in which form it goes on: one time, each series once, ascending, numbered without a hole.

use super::MAX_AHEAD;
use super::series_table::{Known, SeriesTable};
use hedgerow_model::batch::{MAX_BATCH_SAMPLES, MAX_GENERATION};
use hedgerow_model::value::cut_text;
use hedgerow_model::{
    Batch, ColumnType, Columns, Epoch, Kind, Mark, Numbered, Numbers, Refusal, SeriesId, Times, UnixMillis,
    Value,
};
use std::sync::Arc;
use std::time::Duration;

/// Samples refused, by reason.
#[derive(Debug, Default)]
pub struct Refused([u64; Refusal::ALL.len()]);

impl Refused {
    /// Counts `count` more.
    pub fn add(&mut self, reason: Refusal, count: u64) {
        self.0[reason as usize - 1] += count;
    }

    /// Those that are not none.
    pub fn list(&self) -> impl Iterator<Item = (Refusal, u64)> + '_ {
        Refusal::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

/// The checks at the front door. Keeps only scratch space.
#[derive(Debug)]
pub struct Admission {
    retention: Duration,
    texts_cut: u64,
}

impl Admission {
    /// Samples may be at most this old.
    pub fn new(retention: Duration) -> Self {
        Self { retention, texts_cut: 0 }
    }

    /// Changes how old a sample may be.
    pub fn set_retention(&mut self, retention: Duration) {
        self.retention = retention;
    }

    /// What of a batch is accepted, in normal form: several batches where it has several times, or a series twice.
    pub fn normal_forms(
        &mut self,
        batch: Batch,
        table: &SeriesTable,
        now: UnixMillis,
        refused: &mut Refused,
    ) -> Vec<Batch> {
        if batch.generation > MAX_GENERATION {
            refused.add(Refusal::Loop, batch.len() as u64);
            return Vec::new();
        }
        let oldest = now.saturating_sub_unsigned(millis(self.retention));
        let newest = now.saturating_add_unsigned(millis(MAX_AHEAD));
        let mut accepted: Vec<u32> = Vec::with_capacity(batch.len());
        let mut plain = true;
        for (at, (column, _)) in (0_u32..).zip(batch.values.slots()) {
            let position = at as usize;
            let (id, time) = (batch.series[position], batch.times.at(position));
            let reason = match table.get(id) {
                None => Some(Refusal::BadName),
                Some(_) if !(oldest..=newest).contains(&time) => Some(Refusal::TimeRange),
                Some(known) => check(known, time, column, position, &batch.values),
            };
            match reason {
                Some(reason) => refused.add(reason, 1),
                None => accepted.push(at),
            }
            plain &= reason.is_none();
        }
        if plain && is_normal(&batch) {
            return vec![self.with_cut_texts(batch)];
        }
        // Ascending by time and series; a series that comes twice at a time stands in a further batch.
        accepted.sort_by_key(|at| (batch.times.at(*at as usize), batch.series[*at as usize]));
        let made = accepted.len();
        accepted.dedup_by(|later, before| is_repeated(&batch, *before, *later));
        refused.add(Refusal::Duplicate, (made - accepted.len()) as u64);
        let mut forms: Vec<Vec<u32>> = Vec::new();
        let (mut first_of_time, mut repeats, mut before) = (0, 0, None);
        for at in accepted {
            let key = |at: u32| (batch.times.at(at as usize), batch.series[at as usize]);
            if before.is_none_or(|(time, _)| time != key(at).0) {
                first_of_time = forms.len();
            }
            // Those before have the series already: not looked at again for each of many repeats.
            repeats = if before == Some(key(at)) { repeats + 1 } else { 0 };
            before = Some(key(at));
            let from = (first_of_time + repeats).min(forms.len());
            let room = forms[from..].iter_mut().find(|form| {
                form.len() < MAX_BATCH_SAMPLES && form.last().is_some_and(|last| key(*last).1 < key(at).1)
            });
            match room {
                Some(form) => form.push(at),
                None => forms.push(vec![at]),
            }
        }
        let slots: Vec<(ColumnType, usize)> = batch.values.slots().collect();
        forms.into_iter().map(|form| self.with_cut_texts(gather(&batch, &slots, &form))).collect()
    }

    fn with_cut_texts(&mut self, mut batch: Batch) -> Batch {
        let texts =
            batch.values.texts().iter().chain(batch.values.state_texts().iter().map(|(_, text)| text));
        let long = texts.filter(|text| cut_text(text).1).count() as u64;
        if long > 0 {
            self.texts_cut += long;
            let mut values = Columns::default();
            let cut = |text: Arc<str>| if cut_text(&text).1 { Arc::from(cut_text(&text).0) } else { text };
            for value in batch.values.iter() {
                values.push(match value {
                    Value::Text(text) => Value::Text(cut(text)),
                    Value::State(code, text) => Value::State(code, text.map(cut)),
                    number => number,
                });
            }
            batch.values = values;
        }
        batch
    }

    /// How many texts were cut.
    pub fn texts_cut(&self) -> u64 {
        self.texts_cut
    }
}

/// Whether a sample of a batch says what another one said: the same series, time and value.
fn is_repeated(batch: &Batch, before: u32, later: u32) -> bool {
    let (before, later) = (before as usize, later as usize);
    batch.series[before] == batch.series[later]
        && batch.times.at(before) == batch.times.at(later)
        && match (batch.values.get(before), batch.values.get(later)) {
            // Bit for bit: -0 is not 0, and a NaN repeats itself.
            (Value::F64(before), Value::F64(later)) => before.to_bits() == later.to_bits(),
            (before, later) => before == later,
        }
}

/// Whether the value fits its series and is new.
fn check(
    known: &Known,
    time: UnixMillis,
    column: ColumnType,
    position: usize,
    values: &Columns,
) -> Option<Refusal> {
    let fits = match known.def.kind {
        Kind::Gauge | Kind::Counter => column != ColumnType::Text,
        Kind::State => column == ColumnType::I64,
        Kind::Text => column == ColumnType::Text,
    };
    if !fits {
        return Some(Refusal::BadValue);
    }
    let may_repeat = known.latest.as_ref().is_some_and(|latest| time <= latest.time);
    (may_repeat && known.has(time, &values.get(position))).then_some(Refusal::Duplicate)
}

fn is_normal(batch: &Batch) -> bool {
    !batch.is_empty()
        && batch.len() <= MAX_BATCH_SAMPLES
        && matches!(batch.times, Times::One(_))
        && batch.series.windows(2).all(|pair| pair[0] < pair[1])
}

/// The samples at `positions`, in that order, all of one time; `slots`: where each sample of the batch has its value.
fn gather(batch: &Batch, slots: &[(ColumnType, usize)], positions: &[u32]) -> Batch {
    let text_of = |index: usize| {
        let texts = batch.values.state_texts();
        texts.binary_search_by_key(&index, |(at, _)| *at as usize).ok().map(|at| Arc::clone(&texts[at].1))
    };
    let mut values = Columns::default();
    let mut marks: Vec<(u32, Mark)> = Vec::new();
    let mut series: Vec<SeriesId> = Vec::with_capacity(positions.len());
    for (new, at) in (0_u32..).zip(positions) {
        let position = *at as usize;
        series.push(batch.series[position]);
        let (column, index) = slots[position];
        values.push(match column {
            ColumnType::F64 => Value::F64(batch.values.f64s()[index]),
            ColumnType::Text => Value::Text(Arc::clone(&batch.values.texts()[index])),
            ColumnType::I64 => match text_of(index) {
                Some(text) => Value::State(batch.values.i64s()[index], Some(text)),
                None => Value::I64(batch.values.i64s()[index]),
            },
        });
        if let Ok(found) = batch.marks.binary_search_by_key(at, |(position, _)| *position) {
            marks.push((new, batch.marks[found].1));
        }
    }
    let time = positions.first().map_or(0, |at| batch.times.at(*at as usize));
    Batch { series, times: Times::One(time), values, marks, generation: batch.generation }
}

/// Numbers a batch in normal form, from `first`.
pub fn number(epoch: Epoch, first: u64, batch: Batch) -> Numbered {
    Numbered { epoch, numbers: Numbers::From(first), batch }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
