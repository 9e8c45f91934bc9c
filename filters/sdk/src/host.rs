//! What the farm does for a filter: as WASM through the bindings, natively through a record that [`Bench`](crate::Bench) reads.

use crate::{Batch, Column, Kind, Millis, SeriesHandle};

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For the author.
    Debug,
    /// For who deployed it.
    Info,
    /// Something is odd.
    Warning,
    /// Something failed.
    Error,
}

/// How bad it is. Rising: a worse one voids an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// To know.
    Info,
    /// To look at.
    Warning,
    /// To act on.
    Critical,
}

/// An alarm: one object, kept by the farm under the deployment and its key, until it is cleared.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// Which alarm of the deployment: raising it again changes or confirms it. 1 to 255 bytes.
    pub key: String,
    /// How bad.
    pub severity: Severity,
    /// For people: what is the matter.
    pub text: String,
    /// What it is about; at most 16.
    pub series: Vec<SeriesHandle>,
    /// The value that led to it.
    pub value: Option<f64>,
    /// Where it says what to do: a URL or a sentence. Empty: none.
    pub runbook: String,
}

/// A series that a filter makes.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputDef {
    pub node: String,
    pub parameter: String,
    pub labels: Vec<(String, String)>,
    pub kind: Kind,
    pub unit: String,
    pub description: String,
}

#[cfg(target_arch = "wasm32")]
pub use wasm::*;

#[cfg(target_arch = "wasm32")]
mod wasm {
    //! Through the bindings.
    use super::*;
    use crate::bindings::hedgerow::filter::{actions, alarms, history, host, types};

    pub fn declare(def: &OutputDef) -> Result<u32, String> {
        let labels =
            def.labels.iter().map(|(key, value)| types::Label { key: key.clone(), value: value.clone() });
        host::declare(&host::Output {
            node: def.node.clone(),
            parameter: def.parameter.clone(),
            labels: labels.collect(),
            kind: match def.kind {
                Kind::Gauge => types::Kind::Gauge,
                Kind::Counter => types::Kind::Counter,
                Kind::State => types::Kind::State,
                Kind::Text => types::Kind::Text,
            },
            unit: def.unit.clone(),
            description: def.description.clone(),
        })
    }

    pub fn emit_numbers(column: &Column<f64>) {
        host::emit_numbers(&column.series, &column.times, &column.values);
    }

    pub fn emit_integers(column: &Column<i64>) {
        host::emit_integers(&column.series, &column.times, &column.values);
    }

    pub fn emit_states(column: &Column<i64>, texts: &[String]) {
        host::emit_states(&column.series, &column.times, &column.values, texts);
    }

    pub fn emit_texts(column: &Column<String>) {
        host::emit_texts(&column.series, &column.times, &column.values);
    }

    pub fn log(level: Level, message: &str) {
        let level = match level {
            Level::Debug => host::Level::Debug,
            Level::Info => host::Level::Info,
            Level::Warning => host::Level::Warning,
            Level::Error => host::Level::Error,
        };
        host::log(level, message);
    }

    pub fn raise(alarm: &Alarm) {
        alarms::raise(&alarms::Alarm {
            key: alarm.key.clone(),
            severity: match alarm.severity {
                Severity::Info => alarms::Severity::Info,
                Severity::Warning => alarms::Severity::Warning,
                Severity::Critical => alarms::Severity::Critical,
            },
            text: alarm.text.clone(),
            series: alarm.series.clone(),
            value: alarm.value,
            runbook: alarm.runbook.clone(),
        });
    }

    pub fn clear(key: &str, text: &str) {
        alarms::clear(key, text);
    }

    pub fn ask(action: &str, arguments: &str) -> Result<(), String> {
        actions::ask(action, arguments)
    }

    pub fn history(series: &[SeriesHandle], since: Millis, until: Millis) -> Result<Batch, String> {
        history::read(series, since, until).map(Batch::from)
    }
}

#[cfg(not(target_arch = "wasm32"))]
pub use native::*;

#[cfg(not(target_arch = "wasm32"))]
mod native {
    //! Through a record of this thread.
    use std::cell::RefCell;

    use super::*;

    /// What a filter did, and what it has been given.
    #[derive(Debug, Default)]
    pub struct Record {
        pub declared: Vec<OutputDef>,
        pub numbers: Column<f64>,
        pub integers: Column<i64>,
        pub states: Column<i64>,
        pub state_texts: Vec<String>,
        pub texts: Column<String>,
        pub logs: Vec<(Level, String)>,
        pub raised: Vec<Alarm>,
        pub cleared: Vec<(String, String)>,
        pub asked: Vec<(String, String)>,
        pub past: Batch,
    }

    thread_local! {
        static RECORD: RefCell<Record> = RefCell::default();
    }

    /// Reads or changes the record.
    pub fn record<T>(act: impl FnOnce(&mut Record) -> T) -> T {
        RECORD.with_borrow_mut(act)
    }

    /// As the farm does: the same output again has the same handle, and a changed one is refused.
    pub fn declare(def: &OutputDef) -> Result<u32, String> {
        record(|record| {
            let same = |old: &OutputDef| {
                (&old.node, &old.parameter, &old.labels) == (&def.node, &def.parameter, &def.labels)
            };
            let at = match record.declared.iter().position(same) {
                Some(at)
                    if (record.declared[at].kind, &record.declared[at].unit) != (def.kind, &def.unit) =>
                {
                    return Err(format!("{}/{} has another kind or unit", def.node, def.parameter));
                }
                Some(at) => at,
                None if def.node.is_empty() || def.parameter.is_empty() => {
                    return Err("a name is empty".into());
                }
                None => {
                    record.declared.push(def.clone());
                    record.declared.len() - 1
                }
            };
            u32::try_from(at).map_err(|_| "too many outputs".into())
        })
    }

    /// Appends, with a time a sample.
    pub fn append<T: Clone>(to: &mut Column<T>, from: &Column<T>) {
        for sample in from.iter() {
            to.series.push(sample.series);
            to.times.push(sample.time);
            to.values.push(sample.value.clone());
        }
    }

    pub fn emit_numbers(column: &Column<f64>) {
        record(|record| append(&mut record.numbers, column));
    }

    pub fn emit_integers(column: &Column<i64>) {
        record(|record| append(&mut record.integers, column));
    }

    pub fn emit_states(column: &Column<i64>, texts: &[String]) {
        record(|record| {
            append(&mut record.states, column);
            record.state_texts.extend_from_slice(texts);
        });
    }

    pub fn emit_texts(column: &Column<String>) {
        record(|record| append(&mut record.texts, column));
    }

    pub fn log(level: Level, message: &str) {
        record(|record| record.logs.push((level, message.into())));
    }

    pub fn raise(alarm: &Alarm) {
        record(|record| record.raised.push(alarm.clone()));
    }

    pub fn clear(key: &str, text: &str) {
        record(|record| record.cleared.push((key.into(), text.into())));
    }

    pub fn ask(action: &str, arguments: &str) -> Result<(), String> {
        record(|record| record.asked.push((action.into(), arguments.into())));
        Ok(())
    }

    pub fn history(series: &[SeriesHandle], since: Millis, until: Millis) -> Result<Batch, String> {
        fn select<T: Clone>(from: &Column<T>, wanted: impl Fn(SeriesHandle, Millis) -> bool) -> Column<T> {
            let mut to = Column::default();
            for sample in from.iter().filter(|sample| wanted(sample.series, sample.time)) {
                to.series.push(sample.series);
                to.times.push(sample.time);
                to.values.push(sample.value.clone());
            }
            to
        }
        let wanted =
            |one: SeriesHandle, time: Millis| series.contains(&one) && (since..until).contains(&time);
        Ok(record(|record| Batch {
            numbers: select(&record.past.numbers, wanted),
            integers: select(&record.past.integers, wanted),
            texts: select(&record.past.texts, wanted),
            ..Batch::default()
        }))
    }
}
