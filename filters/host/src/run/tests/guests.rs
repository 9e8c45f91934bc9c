//! Made-up filters, and an input for them.

use crate::guest::{
    AlarmCall, Column, Effects, Emitted, Fault, Guest, GuestBatch, Input, LogLevel, OutputDef, Reading,
};
use crate::run::{Plan, Run, Saved, Step};
use hedgerow_model::{
    Batch, BatchBuilder, Epoch, Kind, Labels, Mark, Name, Numbered, Numbers, Position, SeriesDef, SeriesId,
    SeriesKey, Status, UnixMillis, Value,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

pub const EPOCH: Epoch = Epoch { start: 1, random: 7 };

pub fn at(number: u64) -> Position {
    Position { epoch: EPOCH, number }
}

/// Series 1 and 2 are gauges, 3 and 4 counters, 5 is a state, 6 a text; the others gauges.
pub fn kind(id: SeriesId) -> Kind {
    match id.0 {
        3 | 4 => Kind::Counter,
        5 => Kind::State,
        6 => Kind::Text,
        _ => Kind::Gauge,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is a lookup")]
pub fn defs(id: SeriesId) -> Option<Arc<SeriesDef>> {
    Some(Arc::new(SeriesDef {
        key: SeriesKey {
            cluster: Name::new("hosts").unwrap(),
            node: Name::new("n1").unwrap(),
            parameter: Name::new(&format!("p{}", id.0)).unwrap(),
            labels: Labels::none(),
        },
        kind: kind(id),
        unit: if kind(id) == Kind::Counter { "By".into() } else { String::new() },
        source: "test".into(),
        interval: None,
        lifetime: None,
        description: String::new(),
    }))
}

pub fn plan(reading: Reading, tick_ms: u64) -> Plan {
    Plan {
        deployment: Name::new("echo").unwrap(),
        component: "echo".into(),
        version: "1.0.0".into(),
        reading,
        tick_ms,
        output_series: 1000,
        emit_per_hour: u64::MAX,
    }
}

/// A batch with these samples, the last of which has the number `last`.
pub fn numbered(last: Position, time: UnixMillis, samples: &[(u32, Value, Option<Mark>)]) -> Numbered {
    let mut builder = BatchBuilder::new();
    for (id, value, mark) in samples {
        builder.push(SeriesId(*id), time, value.clone(), *mark);
    }
    let first = last.number + 1 - samples.len() as u64;
    Numbered { epoch: last.epoch, numbers: Numbers::From(first), batch: builder.build() }
}

pub fn output(parameter: &str, kind: Kind) -> OutputDef {
    OutputDef {
        node: Name::new("all").unwrap(),
        parameter: Name::new(parameter).unwrap(),
        labels: Labels::none(),
        kind,
        unit: String::new(),
        description: String::new(),
    }
}

pub fn column<T>(handle: u32, time: UnixMillis, value: T) -> Column<T> {
    Column { series: vec![handle], times: vec![time], values: vec![value] }
}

/// Does what a function says.
pub struct Made<F>(pub F);

impl<F: FnMut(&Input) -> Result<Effects, Fault> + Send> Guest for Made<F> {
    fn call(&mut self, input: &Input) -> Result<Effects, Fault> {
        (self.0)(input)
    }

    fn save(&mut self) -> Result<Vec<u8>, Fault> {
        Ok(Vec::new())
    }

    fn memory_bytes(&self) -> u64 {
        0
    }
}

pub fn run_of(plan: Plan, call: impl FnMut(&Input) -> Result<Effects, Fault> + Send + 'static) -> Run {
    let saved = Saved::fresh(at(0), None);
    Run::resume(Box::new(Made(call)), Effects::default(), plan, &saved, None).unwrap()
}

/// A run whose guest only keeps what it was given.
pub fn recorder(plan: Plan) -> (Run, Arc<Mutex<Vec<Input>>>) {
    let inputs = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&inputs);
    let run = run_of(plan, move |input| {
        kept.lock().unwrap().push(input.clone());
        Ok(Effects::default())
    });
    (run, inputs)
}

/// The batches among inputs.
pub fn batches(inputs: &Mutex<Vec<Input>>) -> Vec<GuestBatch> {
    let is_batch = |input: &Input| if let Input::Batch(batch) = input { Some(batch.clone()) } else { None };
    inputs.lock().unwrap().iter().filter_map(is_batch).collect()
}

/// A filter whose state is all that it was ever given, and whose output tells of it: what differs once differs for ever.
#[derive(Default)]
pub struct Echo {
    /// A hash of the whole input, and how many calls there were.
    seen: u64,
    calls: u64,
    /// Not in the state: by parameter.
    declared: HashMap<String, u32>,
}

impl Echo {
    pub fn configured(state: Option<&[u8]>) -> (Box<dyn Guest>, Effects) {
        let mut echo = Self::default();
        let mut effects = Effects::default();
        if let Some((seen, calls)) = state.and_then(|state| state.split_first_chunk::<8>()) {
            echo.seen = u64::from_le_bytes(*seen);
            echo.calls = u64::from_le_bytes(calls.try_into().unwrap());
            // A filter that was restored declares in another order than one that ran through.
            echo.handle("restored", Kind::Text, &mut effects);
            echo.handle("text", Kind::Text, &mut effects);
        }
        (Box::new(echo), effects)
    }

    fn handle(&mut self, parameter: &str, kind: Kind, effects: &mut Effects) -> u32 {
        let next = u32::try_from(self.declared.len()).unwrap();
        *self.declared.entry(parameter.to_owned()).or_insert_with(|| {
            effects.declared.push(output(parameter, kind));
            next
        })
    }

    fn see(&mut self, input: &Input) {
        let text = format!("{input:?}");
        for byte in text.bytes() {
            self.seen = (self.seen ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.calls += 1;
    }
}

impl Guest for Echo {
    fn call(&mut self, input: &Input) -> Result<Effects, Fault> {
        self.see(input);
        let mut effects = Effects { cpu_ns: 1, ..Effects::default() };
        let seen = self.seen;
        let time = i64::try_from(self.calls).unwrap();
        if seen.is_multiple_of(2) {
            let handle = self.handle(&format!("n{}", seen % 7), Kind::Gauge, &mut effects);
            let other = self.handle("m", Kind::Counter, &mut effects);
            let numbers =
                Column { series: vec![handle, other], times: vec![time], values: vec![0.5, seen as f64] };
            effects.emitted.push(Emitted::Numbers(numbers));
        }
        if seen.is_multiple_of(3) {
            let handle = self.handle("i", Kind::Counter, &mut effects);
            effects.emitted.push(Emitted::Integers(column(handle, time, seen.cast_signed())));
        }
        if seen.is_multiple_of(5) {
            let (state, text) = (
                self.handle("state", Kind::State, &mut effects),
                self.handle("text", Kind::Text, &mut effects),
            );
            effects.emitted.push(Emitted::States(column(state, time, 2), vec!["two".into()]));
            effects.emitted.push(Emitted::Texts(column(text, time + 1, format!("{seen}"))));
            effects.alarms.push(AlarmCall::Clear { key: "k".into(), text: format!("{seen}") });
        }
        if seen.is_multiple_of(7) {
            effects.alarms.push(AlarmCall::Raise {
                key: "k".into(),
                severity: Status::Warning,
                text: format!("{seen}"),
                series: Vec::new(),
                value: Some(1.0),
                runbook: String::new(),
            });
            effects.actions.push(("restart".into(), format!("{{\"n\":{seen}}}")));
            effects.logs.push((LogLevel::Info, format!("{seen}")));
        }
        Ok(effects)
    }

    fn save(&mut self) -> Result<Vec<u8>, Fault> {
        Ok([self.seen.to_le_bytes(), self.calls.to_le_bytes()].concat())
    }

    fn memory_bytes(&self) -> u64 {
        1
    }
}

/// What came of an item, with names instead of ids: batches, alarms, actions, logs.
pub type Shown = [String; 4];

pub fn shown(run: &Run, step: &Step) -> Shown {
    let batch = |batch: &Batch| {
        let def = |id: SeriesId| run.outputs()[id.0 as usize - 1].clone();
        let samples = batch.iter().map(|(id, time, value)| {
            let bits = if let Value::F64(value) = value { value.to_bits() } else { 0 };
            (def(id), time, value, bits)
        });
        format!("{} {:?}\n", batch.generation, samples.collect::<Vec<_>>())
    };
    [
        step.batches.iter().map(batch).collect(),
        step.alarms.iter().map(|alarm| format!("{alarm:?}\n")).collect(),
        step.actions.iter().map(|action| format!("{action:?}\n")).collect(),
        step.logs.iter().map(|line| format!("{line:?}\n")).collect(),
    ]
}
