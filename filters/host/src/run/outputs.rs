//! From what a guest emitted to batches, each value in a series that it declared.

use crate::guest::{Column, Emitted, Fault, OutputDef};
use hedgerow_model::batch::MAX_BATCH_SAMPLES;
use hedgerow_model::{
    Batch, ColumnType, Columns, Kind, Name, SeriesDef, SeriesId, SeriesKey, Times, UnixMillis,
};
use std::sync::Arc;

/// The series that a filter makes. In the batches made here, the id of the series with handle n is n + 1: whoever takes them puts
/// the hub's ids in.
#[derive(Debug)]
pub(super) struct Outputs {
    cluster: Name,
    source: String,
    most: u32,
    defs: Vec<Arc<SeriesDef>>,
}

impl Outputs {
    pub(super) fn new(cluster: Name, source: String, most: u32) -> Self {
        Self { cluster, source, most, defs: Vec::new() }
    }

    pub(super) fn defs(&self) -> &[Arc<SeriesDef>] {
        &self.defs
    }

    pub(super) fn declare(&mut self, call: &'static str, declared: Vec<OutputDef>) -> Result<(), Fault> {
        if self.defs.len() + declared.len() > self.most as usize {
            return Err(Fault::Overrun { call, what: "output series", bound: self.most.to_string() });
        }
        let def = |output: OutputDef| {
            let OutputDef { node, parameter, labels, kind, unit, description } = output;
            let key = SeriesKey { cluster: self.cluster.clone(), node, parameter, labels };
            let source = self.source.clone();
            Arc::new(SeriesDef { key, kind, unit, source, interval: None, lifetime: None, description })
        };
        self.defs.extend(declared.into_iter().map(def));
        Ok(())
    }

    /// The batches of one call, in the order in which it emitted.
    pub(super) fn batches(
        &self,
        call: &'static str,
        emitted: Vec<Emitted>,
        generation: u8,
    ) -> Result<Vec<Batch>, Fault> {
        let breach = |what: String| Fault::Breach { call, what };
        let mut batches = Vec::new();
        let mut parts = Parts::default();
        for emitted in emitted {
            for column in self.columns(emitted).map_err(breach)? {
                let OneColumn { series, times, values } = column;
                if parts.len() + series.len() > MAX_BATCH_SAMPLES {
                    batches.extend(std::mem::take(&mut parts).build(generation));
                }
                parts.add(series, times, values);
            }
        }
        batches.extend(parts.build(generation));
        Ok(batches)
    }

    /// A column with its handles checked, in pieces that fit into a batch.
    fn columns(&self, emitted: Emitted) -> Result<Vec<OneColumn>, String> {
        match emitted {
            Emitted::Numbers(column) => {
                self.pieces(column, &[Kind::Gauge, Kind::Counter], "numbers", Values::Floats)
            }
            Emitted::Integers(column) => {
                self.pieces(column, &[Kind::Gauge, Kind::Counter], "integers", Values::Integers)
            }
            Emitted::Texts(column) => self.pieces(column, &[Kind::Text], "texts", Values::Texts),
            Emitted::States(column, texts) => {
                if texts.len() != column.values.len() {
                    return Err(format!("{} codes have {} texts", column.values.len(), texts.len()));
                }
                let Column { series, times, values } = column;
                let values = values.into_iter().zip(texts).collect();
                self.pieces(Column { series, times, values }, &[Kind::State], "states", Values::States)
            }
        }
    }

    fn pieces<T>(
        &self,
        column: Column<T>,
        kinds: &[Kind],
        what: &str,
        values_of: impl Fn(Vec<T>) -> Values,
    ) -> Result<Vec<OneColumn>, String> {
        let Column { series, mut times, mut values } = column;
        let count = series.len();
        if values.len() != count || (times.len() != count && times.len() != 1) {
            return Err(format!(
                "{what}: {count} series, {} times and {} values: expected as many of each, or one time",
                times.len(),
                values.len()
            ));
        }
        let id = |handle: &u32| match self.defs.get(*handle as usize) {
            Some(def) if kinds.contains(&def.kind) => Ok(SeriesId(handle + 1)),
            Some(def) => Err(format!("{what} for {}, which is declared as {}", def.key, def.kind)),
            None => Err(format!("{what} for the output handle {handle}, which `declare` did not give")),
        };
        let mut series = series.iter().map(id).collect::<Result<Vec<_>, _>>()?;
        let mut pieces = Vec::new();
        while series.len() > MAX_BATCH_SAMPLES {
            let rest = series.split_off(MAX_BATCH_SAMPLES);
            let rest_times =
                if times.len() == 1 { times.clone() } else { times.split_off(MAX_BATCH_SAMPLES) };
            let rest_values = values.split_off(MAX_BATCH_SAMPLES);
            pieces.push(OneColumn { series, times, values: values_of(values) });
            (series, times, values) = (rest, rest_times, rest_values);
        }
        if !series.is_empty() {
            pieces.push(OneColumn { series, times, values: values_of(values) });
        }
        Ok(pieces)
    }
}

/// How many batches the hub makes of this one: one for each time, more where a series is there several times at one.
pub(super) fn pieces(batch: &Batch) -> usize {
    if matches!(batch.times, Times::One(_)) && batch.series.is_sorted_by(|a, b| a < b) {
        return 1;
    }
    let at = |(position, id)| (batch.times.at(position), id);
    let mut places: Vec<(UnixMillis, SeriesId)> = batch.series.iter().copied().enumerate().map(at).collect();
    places.sort_unstable();
    let repeats = |same: &[(UnixMillis, SeriesId)]| {
        same.chunk_by(|a, b| a.1 == b.1).map(<[_]>::len).max().unwrap_or_default()
    };
    places.chunk_by(|a, b| a.0 == b.0).map(repeats).sum()
}

struct OneColumn {
    series: Vec<SeriesId>,
    /// One for all, or one each.
    times: Vec<UnixMillis>,
    values: Values,
}

enum Values {
    Floats(Vec<f64>),
    Integers(Vec<i64>),
    Texts(Vec<String>),
    States(Vec<(i64, String)>),
}

/// A batch under way.
#[derive(Default)]
struct Parts {
    series: Vec<SeriesId>,
    times: Vec<UnixMillis>,
    runs: Vec<(ColumnType, u32)>,
    floats: Vec<f64>,
    integers: Vec<i64>,
    texts: Vec<Arc<str>>,
    state_texts: Vec<(u32, Arc<str>)>,
}

impl Parts {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn add(&mut self, series: Vec<SeriesId>, times: Vec<UnixMillis>, values: Values) {
        let count = series.len();
        match times.as_slice() {
            [time] => self.times.resize(self.times.len() + count, *time),
            times => self.times.extend_from_slice(times),
        }
        take(&mut self.series, series);
        let column = match values {
            Values::Floats(values) => {
                take(&mut self.floats, values);
                ColumnType::F64
            }
            Values::Integers(values) => {
                take(&mut self.integers, values);
                ColumnType::I64
            }
            Values::Texts(values) => {
                self.texts.extend(values.into_iter().map(Arc::from));
                ColumnType::Text
            }
            Values::States(values) => {
                for (code, text) in values {
                    self.state_texts.push((short(self.integers.len()), text.into()));
                    self.integers.push(code);
                }
                ColumnType::I64
            }
        };
        self.runs.push((column, short(count)));
    }

    fn build(self, generation: u8) -> Option<Batch> {
        let Self { series, times, runs, floats, integers, texts, state_texts } = self;
        let first = *times.first()?;
        let times =
            if times.iter().all(|time| *time == first) { Times::One(first) } else { Times::Each(times) };
        let values = Columns::from_parts(runs, floats, integers, texts, state_texts)
            .expect("invariant: a run for each column that was added");
        Some(Batch { series, times, values, marks: Vec::new(), generation })
    }
}

/// Appends without copying where there is nothing before.
fn take<T>(all: &mut Vec<T>, mut more: Vec<T>) {
    if all.is_empty() { *all = more } else { all.append(&mut more) }
}

/// Lengths within a batch.
fn short(length: usize) -> u32 {
    u32::try_from(length).expect("invariant: at most MAX_BATCH_SAMPLES")
}
