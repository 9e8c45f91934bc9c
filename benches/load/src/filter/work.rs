//! The work that is measured: a moving average of each series, and whether it is past a bound; as a filter
//! (`filters/measured/ewma`), alone and in a run as a farm has it, and beside it as a plain loop.

use hedgerow_filter_host::guest::{
    Column, Effects, Emitted, Guest as _, GuestBatch, Input, Limits, SeriesInfo,
};
use hedgerow_filter_host::run::{Item, Plan, Run, Saved};
use hedgerow_filter_host::{Instance, Program, Start};
use hedgerow_model::{
    Batch, BatchBuilder, Epoch, Kind, Labels, Name, Numbered, Numbers, Position, SeriesDef, SeriesId,
    SeriesKey, Value,
};
use std::sync::Arc;

/// How many series there are.
pub const SERIES: usize = 1000;
/// Of the filter.
pub const PARAMETERS: &str = r#"{"alpha":0.1,"above":0.9}"#;
const ALPHA: f64 = 0.1;
const ABOVE: f64 = 0.9;
const EPOCH: Epoch = Epoch { start: 1, random: 1 };

/// What is given in one round.
pub struct Work {
    inputs: Vec<Input>,
    numbered: Vec<Numbered>,
    samples: usize,
}

/// What a side made of it: so many changes, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Made {
    changes: u64,
    checksum: u64,
}

impl Made {
    fn add(&mut self, output: u32, time: i64, past: bool) {
        self.changes += 1;
        let what = time.cast_unsigned().wrapping_mul(2).wrapping_add(u64::from(past));
        let one = what.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(output);
        self.checksum = self.checksum.rotate_left(5).wrapping_add(one);
    }

    /// How many changes there were.
    pub fn changes(self) -> u64 {
        self.changes
    }
}

impl Work {
    /// So many samples, so many at once; one of `high` series is past the bound at a time.
    pub fn new(samples: usize, batch: usize, high: usize) -> Self {
        let mut work = Self { inputs: Vec::new(), numbered: Vec::new(), samples: 0 };
        let mut noise = 1_u64;
        while work.samples < samples {
            let first = work.samples % SERIES;
            let turn = work.samples / SERIES;
            let handles: Vec<u32> = (first..first + batch).filter_map(|at| u32::try_from(at).ok()).collect();
            let value = |handle: &u32| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let high = (turn / 8 + *handle as usize).is_multiple_of(high);
                (noise >> 40) as f64 / (1_u64 << 26) as f64 + if high { 1.5 } else { 0.3 }
            };
            let values: Vec<f64> = handles.iter().map(value).collect();
            let time = 1_700_000_000_000 + work.samples as i64;
            let mut builder = BatchBuilder::new();
            for (handle, value) in handles.iter().zip(&values) {
                builder.push(SeriesId(handle + 1), time, Value::F64(*value), None);
            }
            let numbers = Numbers::From(1);
            work.numbered.push(Numbered { epoch: EPOCH, numbers, batch: builder.build() });
            let numbers = Column { series: handles, times: vec![time], values };
            work.inputs.push(Input::Batch(GuestBatch { numbers, ..GuestBatch::default() }));
            work.samples += batch;
        }
        work
    }

    /// How many samples it has.
    pub fn samples(&self) -> usize {
        self.samples
    }
}

/// Something that does the work.
pub enum Side {
    /// A plain loop.
    Native(Native),
    /// The filter, called.
    Guest(Instance),
    /// The filter in a run: series become handles, what is emitted becomes batches.
    Run(Box<Run>, Vec<Arc<SeriesDef>>, u64),
}

/// The loop, and what it keeps.
#[derive(Default)]
pub struct Native {
    each: Vec<(f64, bool)>,
    outputs: Vec<Option<u32>>,
    declared: u32,
    emitted: Vec<(u32, i64, bool)>,
}

impl Native {
    /// Not inlined: what is measured is to be what is written here.
    #[inline(never)]
    fn batch(&mut self, series: &[u32], time: i64, values: &[f64]) {
        for (series, value) in series.iter().zip(values) {
            let at = *series as usize;
            if at >= self.each.len() {
                self.each.resize(at + 1, (0.0, false));
                self.outputs.resize(at + 1, None);
            }
            let (mean, was_past) = &mut self.each[at];
            *mean += ALPHA * (value - *mean);
            let past = *mean > ABOVE;
            if past != *was_past {
                *was_past = past;
                let output = *self.outputs[at].get_or_insert_with(|| {
                    self.declared += 1;
                    self.declared - 1
                });
                self.emitted.push((output, time, past));
            }
        }
    }
}

impl Side {
    /// The loop.
    pub fn native() -> Self {
        Self::Native(Native::default())
    }

    /// The filter alone, told of all series.
    pub fn guest(program: &Program) -> Result<Self, String> {
        let (mut instance, _) = start(program, None)?;
        instance.call(&Input::Series((0..SERIES).map(info).collect())).map_err(|fault| fault.to_string())?;
        Ok(Self::Guest(instance))
    }

    /// The filter in a run.
    pub fn run(program: &Program) -> Result<Self, String> {
        let (instance, configured) = start(program, None)?;
        let description =
            program.describe(PARAMETERS, &Limits::default()).map_err(|fault| fault.to_string())?;
        let plan = Plan::new(name("ewma")?, &description, 10_000, u64::MAX);
        let from = Saved::fresh(Position { epoch: EPOCH, number: 0 }, None);
        let run = Run::resume(Box::new(instance), configured, plan, &from, None);
        let defs = (0..SERIES).map(def).collect::<Result<_, _>>()?;
        Ok(Self::Run(Box::new(run.map_err(|fault| fault.to_string())?), defs, 0))
    }

    /// Does it.
    pub fn work(&mut self, work: &Work) -> Result<Made, String> {
        let mut made = Made::default();
        match self {
            Self::Native(native) => {
                for input in &work.inputs {
                    let Input::Batch(batch) = input else { continue };
                    let GuestBatch { numbers: Column { series, times, values }, .. } = batch;
                    native.batch(series, times.first().copied().unwrap_or_default(), values);
                    native.emitted.drain(..).for_each(|(output, time, past)| made.add(output, time, past));
                }
            }
            Self::Guest(instance) => {
                for input in &work.inputs {
                    let Effects { emitted, .. } = instance.call(input).map_err(|fault| fault.to_string())?;
                    for emitted in emitted {
                        let Emitted::States(column, _) = emitted else { return Err("no states".into()) };
                        let time = |at: usize| column.times.get(at).or(column.times.first()).copied();
                        for (at, (output, code)) in column.series.iter().zip(&column.values).enumerate() {
                            made.add(*output, time(at).unwrap_or_default(), *code == 1);
                        }
                    }
                }
            }
            Self::Run(run, defs, number) => {
                let of = |id: SeriesId| defs.get(id.0 as usize - 1).cloned();
                for numbered in &work.numbered {
                    *number += numbered.batch.len() as u64;
                    let through = Position { epoch: EPOCH, number: *number };
                    let item = Item::Accepted { through, batch: Some(numbered), heartbeat: None };
                    let step = run.give(item, &of).map_err(|fault| fault.to_string())?;
                    step.batches.iter().for_each(|batch| add(&mut made, batch));
                }
            }
        }
        Ok(made)
    }
}

fn add(made: &mut Made, batch: &Batch) {
    for (id, time, value) in batch.iter() {
        made.add(id.0 - 1, time, matches!(value, Value::State(1, _) | Value::I64(1)));
    }
}

/// An instance, from nothing or from a state in which it knows all series.
pub fn start(program: &Program, state: Option<&[u8]>) -> Result<(Instance, Effects), String> {
    let known_series = if state.is_some() { SERIES as u32 } else { 0 };
    let start = Start { state, known_series, ..Start::new(PARAMETERS, Limits::default()) };
    program.start(start).map_err(|fault| fault.to_string())
}

fn name(text: &str) -> Result<Name, String> {
    Name::new(text).map_err(|error| error.to_string())
}

/// How a series is told to the filter.
pub fn info(at: usize) -> SeriesInfo {
    SeriesInfo {
        handle: at as u32,
        cluster: "hosts".into(),
        node: format!("n{at}"),
        parameter: "load1".into(),
        labels: Labels::none(),
        kind: Kind::Gauge,
        unit: "1".into(),
        interval_ms: 10_000,
        description: String::new(),
    }
}

fn def(at: usize) -> Result<Arc<SeriesDef>, String> {
    let SeriesInfo { cluster, node, parameter, labels, kind, unit, description, .. } = info(at);
    let (cluster, node, parameter) = (name(&cluster)?, name(&node)?, name(&parameter)?);
    let key = SeriesKey { cluster, node, parameter, labels };
    let source = "bench".to_owned();
    Ok(Arc::new(SeriesDef { key, kind, unit, source, interval: None, lifetime: None, description }))
}
