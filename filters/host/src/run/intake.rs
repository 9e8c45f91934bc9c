//! From batches as the hub numbered them to what a guest is given: handles for series, counters as the filter reads them, texts
//! of states where they changed. The way of a sample: nothing here is allocated per number.

use super::checkpoint::{Handled, Saved};
use crate::guest::{Column, GuestBatch, Reading, SeriesInfo};
use hashbrown::{HashMap, HashSet};
use hedgerow_model::counter::{Count, CounterSample, advance};
use hedgerow_model::{
    Batch, ColumnType, Kind, Mark, SeriesDef, SeriesId, Times, UnixMillis, predicate, unit,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Samples whose shapes are remembered, in all; past it they are all forgotten, and found out anew.
const MAX_SHAPE_SAMPLES: usize = 1 << 16;

/// Looks up how a series is declared.
pub type Declarations<'a> = &'a dyn Fn(SeriesId) -> Option<Arc<SeriesDef>>;

/// Of a sample whose series nobody knows: it is left out.
const NO_HANDLE: u32 = u32::MAX;

/// The series of a batch. A collector sends the same ones again and again: one comparison instead of a search for each.
#[derive(Debug)]
struct Shape {
    series: Box<[SeriesId]>,
    handles: Box<[u32]>,
    /// Values go to the guest as they are.
    plain: bool,
}

/// What the host knows of the series that a filter reads.
#[derive(Debug)]
pub(super) struct Intake {
    reading: Reading,
    by_id: HashMap<SeriesId, u32>,
    handles: Vec<Handled>,
    /// Told anew before their next sample.
    redeclared: HashSet<u32>,
    counters: Vec<Option<CounterSample>>,
    texts: BTreeMap<u32, Arc<str>>,
    generations: BTreeMap<u32, u8>,
    shapes: HashMap<(SeriesId, usize), Shape>,
    shape_samples: usize,
    /// Of the batch at hand, by position.
    current: Vec<u32>,
}

impl Intake {
    pub(super) fn new(reading: Reading, saved: &Saved) -> Self {
        let mut counters = vec![None; saved.counters.last().map_or(0, |(handle, _)| *handle as usize + 1)];
        for (handle, sample) in &saved.counters {
            counters[*handle as usize] = Some(*sample);
        }
        Self {
            reading,
            by_id: (0..).zip(&saved.handles).map(|(handle, known)| (known.id, handle)).collect(),
            handles: saved.handles.clone(),
            redeclared: HashSet::new(),
            counters,
            texts: saved.texts.iter().cloned().collect(),
            generations: saved.generations.iter().copied().collect(),
            shapes: HashMap::new(),
            shape_samples: 0,
            current: Vec::new(),
        }
    }

    pub(super) fn save(&self, saved: &mut Saved) {
        saved.handles.clone_from(&self.handles);
        let known = |(handle, sample): (u32, &Option<CounterSample>)| sample.map(|sample| (handle, sample));
        saved.counters = (0..).zip(&self.counters).filter_map(known).collect();
        saved.texts = self.texts.iter().map(|(handle, text)| (*handle, Arc::clone(text))).collect();
        saved.generations =
            self.generations.iter().map(|(handle, generation)| (*handle, *generation)).collect();
    }

    /// The series, by handle.
    pub(super) fn handles(&self) -> &[Handled] {
        &self.handles
    }

    pub(super) fn handle(&self, id: SeriesId) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    /// It was declared anew.
    pub(super) fn redeclared(&mut self, id: SeriesId) {
        self.redeclared.extend(self.handle(id));
    }

    /// What the next samples are compared with is unknown: some were passed by, and marks with them.
    pub(super) fn forget_counters(&mut self) {
        self.counters.fill(None);
    }

    /// Gives back the room for a very large batch.
    pub(super) fn shrink(&mut self) {
        self.current = Vec::new();
    }

    pub(super) fn ended(&mut self, handle: u32) {
        self.generations.remove(&handle);
    }

    /// The greatest generation of the last batches of the series.
    pub(super) fn generation(&self) -> u8 {
        self.generations.values().copied().max().unwrap_or_default()
    }

    /// Finds the handles of a batch's series; gives those that the guest is to be told of first.
    pub(super) fn resolve(&mut self, batch: &Batch, defs: Declarations<'_>) -> (Vec<SeriesInfo>, bool) {
        let key = (batch.series.first().copied().unwrap_or(SeriesId(0)), batch.series.len());
        self.current.clear();
        let mut told = Vec::new();
        let known = self.shapes.get(&key).filter(|shape| *shape.series == *batch.series);
        let plain = if let Some(shape) = known {
            self.current.extend_from_slice(&shape.handles);
            shape.plain
        } else {
            for id in &batch.series {
                let handle = match self.by_id.get(id) {
                    Some(handle) => *handle,
                    None => self.add(*id, defs, &mut told),
                };
                self.current.push(handle);
            }
            self.remember(key, &batch.series)
        };
        if !self.redeclared.is_empty() {
            for handle in &self.current {
                if self.redeclared.remove(handle)
                    && let Some(known) = self.handles.get(*handle as usize)
                    && let Some(def) = defs(known.id)
                {
                    told.push(info(*handle, &def, self.reading));
                }
            }
        }
        if batch.generation > 0 {
            self.generations.extend(self.current.iter().map(|handle| (*handle, batch.generation)));
            self.generations.remove(&NO_HANDLE);
        } else if !self.generations.is_empty() {
            for handle in &self.current {
                self.generations.remove(handle);
            }
        }
        (told, plain)
    }

    fn add(&mut self, id: SeriesId, defs: Declarations<'_>, told: &mut Vec<SeriesInfo>) -> u32 {
        let (Some(def), Ok(handle)) = (defs(id), u32::try_from(self.handles.len())) else { return NO_HANDLE };
        self.by_id.insert(id, handle);
        self.handles.push(Handled { id, kind: def.kind });
        told.push(info(handle, &def, self.reading));
        handle
    }

    fn remember(&mut self, key: (SeriesId, usize), series: &[SeriesId]) -> bool {
        let plain = self.current.iter().all(|handle| match self.handles.get(*handle as usize) {
            Some(known) => match known.kind {
                Kind::Gauge => true,
                Kind::Counter => self.reading == Reading::Raw,
                Kind::State | Kind::Text => false,
            },
            None => false,
        });
        if self.current.contains(&NO_HANDLE) {
            return plain;
        }
        if self.shape_samples + series.len() > MAX_SHAPE_SAMPLES {
            self.shapes.clear();
            self.shape_samples = 0;
        }
        let shape = Shape { series: series.into(), handles: self.current.as_slice().into(), plain };
        self.shape_samples += series.len();
        if let Some(before) = self.shapes.insert(key, shape) {
            self.shape_samples -= before.series.len();
        }
        plain
    }

    /// Puts a batch whose handles were found into `given`. Says how many samples that are.
    pub(super) fn fill(&mut self, batch: &Batch, plain: bool, given: &mut GuestBatch) -> u64 {
        clear(given);
        match batch.values.runs() {
            [(ColumnType::F64, _)] if plain => {
                copy(&self.current, &batch.times, batch.values.f64s(), &mut given.numbers);
            }
            [(ColumnType::I64, _)] if plain => {
                copy(&self.current, &batch.times, batch.values.i64s(), &mut given.integers);
            }
            _ => self.fill_mixed(batch, given),
        }
        if self.reading == Reading::Raw {
            let handle = |(position, mark): &(u32, Mark)| {
                let handle = *self.current.get(*position as usize)?;
                (handle != NO_HANDLE).then_some((handle, *mark))
            };
            given.marks.extend(batch.marks.iter().filter_map(handle));
        }
        (given.numbers.values.len() + given.integers.values.len() + given.texts.values.len()) as u64
    }

    fn fill_mixed(&mut self, batch: &Batch, given: &mut GuestBatch) {
        let values = &batch.values;
        let mut marks = batch.marks.iter().peekable();
        let mut texts = values.state_texts().iter().peekable();
        let each = matches!(batch.times, Times::Each(_));
        for (at, (column, index)) in values.slots().enumerate() {
            let mark = marks.next_if(|(position, _)| *position as usize == at).map(|(_, mark)| *mark);
            let text = match column {
                ColumnType::I64 => texts.next_if(|(place, _)| *place as usize == index),
                ColumnType::F64 | ColumnType::Text => None,
            };
            let (handle, time) = (self.current[at], batch.times.at(at));
            let Some(known) = self.handles.get(handle as usize) else { continue };
            let is_read = known.kind == Kind::Counter && self.reading != Reading::Raw;
            match column {
                ColumnType::Text => {
                    push(&mut given.texts, each, handle, time, values.texts()[index].to_string())
                }
                ColumnType::F64 if !is_read => {
                    push(&mut given.numbers, each, handle, time, values.f64s()[index]);
                }
                ColumnType::I64 if !is_read => {
                    if let Some((_, text)) = text
                        && self.texts.get(&handle) != Some(text)
                    {
                        self.texts.insert(handle, Arc::clone(text));
                        given.state_texts.push((handle, text.to_string()));
                    }
                    push(&mut given.integers, each, handle, time, values.i64s()[index]);
                }
                ColumnType::F64 | ColumnType::I64 => {
                    let count = match column {
                        ColumnType::F64 => Count::Float(values.f64s()[index]),
                        _ => Count::Integer(values.i64s()[index].cast_unsigned()),
                    };
                    if let Some(value) = self.increase(handle, CounterSample { time, count }, mark) {
                        push(&mut given.numbers, each, handle, time, value);
                    }
                }
            }
        }
    }

    fn increase(&mut self, handle: u32, sample: CounterSample, mark: Option<Mark>) -> Option<f64> {
        let at = handle as usize;
        if self.counters.len() <= at {
            self.counters.resize(at + 1, None);
        }
        let before = self.counters.get_mut(at)?;
        advance(before, sample, mark).map(|increase| increase.given(self.reading.into()))
    }
}

impl From<Reading> for predicate::Reading {
    fn from(reading: Reading) -> Self {
        match reading {
            Reading::Rate => Self::Rate,
            Reading::Raw => Self::Raw,
            Reading::Delta => Self::Delta,
        }
    }
}

/// A series as the guest is told of it.
fn info(handle: u32, def: &SeriesDef, reading: Reading) -> SeriesInfo {
    let is_rate = def.kind == Kind::Counter && reading == Reading::Rate;
    let interval = def.interval.unwrap_or_default().as_millis();
    SeriesInfo {
        handle,
        cluster: def.key.cluster.to_string(),
        node: def.key.node.to_string(),
        parameter: def.key.parameter.to_string(),
        labels: def.key.labels.clone(),
        kind: def.kind,
        unit: if is_rate { unit::rate_of(&def.unit) } else { def.unit.clone() },
        interval_ms: u64::try_from(interval).unwrap_or(u64::MAX),
        description: def.description.clone(),
    }
}

fn clear(given: &mut GuestBatch) {
    fn column<T>(column: &mut Column<T>) {
        column.series.clear();
        column.times.clear();
        column.values.clear();
    }
    column(&mut given.numbers);
    column(&mut given.integers);
    column(&mut given.texts);
    given.state_texts.clear();
    given.marks.clear();
}

fn copy<T: Copy>(handles: &[u32], times: &Times, values: &[T], column: &mut Column<T>) {
    column.series.extend_from_slice(handles);
    column.values.extend_from_slice(values);
    match times {
        Times::One(time) => column.times.push(*time),
        Times::Each(times) => column.times.extend_from_slice(times),
    }
}

fn push<T>(column: &mut Column<T>, each: bool, handle: u32, time: UnixMillis, value: T) {
    if each || column.times.is_empty() {
        column.times.push(time);
    }
    column.series.push(handle);
    column.values.push(value);
}
