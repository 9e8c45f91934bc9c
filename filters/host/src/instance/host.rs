//! What the farm does for a guest: declaring, emitting, logging, alarms, actions, history. What a guest gives is checked here, every
//! handle and every name, and put among the effects of its call; nothing happens yet.

use super::bounds::Stop;
use super::{Context, EMIT_TEXT_BYTES, Phase, cut, input};
use crate::admission::shown;
use crate::bindings::hedgerow::filter::{actions, alarms, history, host, types};
use crate::guest::{AlarmCall, Column, Emitted, LogLevel, OutputDef};
use hedgerow_model::batch::MAX_BATCH_SAMPLES;
use hedgerow_model::value::{MAX_TEXT_BYTES, cut_text};
use hedgerow_model::{Kind, Labels, Name, Status, unit};
use std::collections::HashMap;

/// Longest line of a log, in bytes. Longer ones are cut.
const LOG_BYTES: usize = 2048;
/// Calls of `alarms` that one call of a guest may make: one for each sample of the largest batch, for all of a site may fail at
/// once. More is a fault. How many of them open an alarm is bounded by the book.
const ALARM_CALLS: usize = MAX_BATCH_SAMPLES;
/// Actions that one call may ask for. More are refused to the guest.
const ACTIONS: usize = 100;
/// Longest arguments of an action, in bytes. Longer ones are refused to the guest.
const ARGUMENT_BYTES: usize = 64 << 10;
/// Calls of `emit-…` that one call may make. More is a fault.
const EMIT_CALLS: usize = 65_536;
/// Names, labels and descriptions of all that a filter declares, in bytes. Past it `declare` says no.
const DECLARED_BYTES: usize = 16 << 20;
/// Longest key of an alarm, in bytes; another is a fault.
const KEY_BYTES: usize = 255;
/// Series that an alarm may be about; more is a fault.
const ALARM_SERIES: usize = 16;
/// Most samples that `history.read` gives; more is an error for the guest.
const HISTORY_SAMPLES: usize = 65_536;

type Call<T> = wasmtime::Result<T>;

/// The series that a guest declared.
#[derive(Default)]
pub(super) struct Outputs {
    handles: HashMap<(Name, Name, Labels), u32>,
    /// By handle.
    declared: Vec<(Kind, String)>,
    /// Of names, labels and descriptions.
    bytes: usize,
}

impl Context {
    fn breach<T>(&self, what: String) -> Call<T> {
        Err(Stop::Breach(what).into())
    }

    /// Only while it runs.
    fn only_running(&self, function: &str) -> Call<()> {
        if self.phase == Phase::Run {
            return Ok(());
        }
        self.breach(format!("it called `{function}`, which `{}` may not", self.call))
    }

    /// Whether `values` values of these outputs may be emitted, and counts them.
    fn emit(
        &mut self,
        function: &str,
        series: &[u32],
        times: usize,
        values: usize,
        kinds: &[Kind],
    ) -> Call<()> {
        self.only_running(function)?;
        if series.len() != values || !(times == values || times == 1) {
            let series = series.len();
            return self.breach(format!(
                "`{function}` with {series} series, {times} times and {values} values: expected columns of one length, \
                 or one time"
            ));
        }
        for handle in series {
            let declared = usize::try_from(*handle).ok().and_then(|at| self.outputs.declared.get(at));
            match declared {
                Some((kind, _)) if kinds.contains(kind) => {}
                Some((kind, _)) => {
                    return self.breach(format!("`{function}` for output {handle}, which is a {kind}"));
                }
                None => {
                    let known = self.outputs.declared.len();
                    return self.breach(format!(
                        "`{function}` with the output handle {handle}: `declare` has given {known}, from 0"
                    ));
                }
            }
        }
        if self.effects.emitted.len() >= EMIT_CALLS {
            return Err(
                Stop::Overrun { what: "calls of `emit`", bound: format!("{EMIT_CALLS} a call") }.into()
            );
        }
        self.emitted.0 = self.emitted.0.saturating_add(values as u64);
        let bound = self.limits.emit_samples;
        if self.emitted.0 > bound {
            let bound = format!("{bound} a call, as filters.emit_call says");
            return Err(Stop::Overrun { what: "emitted samples", bound }.into());
        }
        Ok(())
    }

    /// Cuts texts to what a value may have, and counts them.
    fn texts(&mut self, texts: &mut [String]) -> Call<()> {
        let mut bytes = 0_usize;
        for text in texts {
            if text.len() > MAX_TEXT_BYTES {
                // Not shortened in place: that would hold on to all of it.
                *text = cut_text(text).0.to_owned();
            }
            bytes = bytes.saturating_add(text.len());
        }
        self.said(bytes)
    }

    fn check_inputs(&self, function: &str, series: &[u32]) -> Call<()> {
        match series.iter().find(|handle| **handle >= self.known_series) {
            Some(handle) => self.breach(format!(
                "`{function}` with the series handle {handle}: it was given {}, from 0",
                self.known_series
            )),
            None => Ok(()),
        }
    }

    fn alarm(&mut self, call: AlarmCall) -> Call<()> {
        if self.effects.alarms.len() >= ALARM_CALLS {
            return Err(
                Stop::Overrun { what: "calls of `alarms`", bound: format!("{ALARM_CALLS} a call") }.into()
            );
        }
        let words = match &call {
            AlarmCall::Raise { key, text, runbook, .. } => key.len() + text.len() + runbook.len(),
            AlarmCall::Clear { key, text } => key.len() + text.len(),
        };
        self.effects.alarms.push(call);
        self.said(words)
    }

    /// Counts bytes of text that go out.
    fn said(&mut self, bytes: usize) -> Call<()> {
        self.emitted.1 = self.emitted.1.saturating_add(bytes);
        if self.emitted.1 > EMIT_TEXT_BYTES {
            let bound = format!("{} MiB a call", EMIT_TEXT_BYTES >> 20);
            return Err(Stop::Overrun { what: "emitted text", bound }.into());
        }
        Ok(())
    }

    fn check_key(&self, key: &str) -> Call<()> {
        if (1..=KEY_BYTES).contains(&key.len()) && !key.chars().any(char::is_control) {
            return Ok(());
        }
        self.breach(format!(
            "the alarm key `{}` has {} bytes: expected 1 to {KEY_BYTES}, without control characters",
            shown(key),
            key.len()
        ))
    }

    fn declare_output(&mut self, output: host::Output) -> Result<u32, String> {
        let name = |what: &str, text: &str| Name::new(text).map_err(|error| format!("the {what} {error}"));
        let (node, parameter) = (name("node", &output.node)?, name("parameter", &output.parameter)?);
        let labels = Labels::new(output.labels.iter().map(|label| (&label.key, &label.value)))
            .map_err(|error| shown(&error.to_string()))?;
        let kind = kind(output.kind);
        if !unit::is_unit(&output.unit) {
            let unit = shown(&output.unit);
            return Err(format!("the unit `{unit}` is not of the form that UCUM has, as By/s"));
        }
        let key = (node, parameter, labels);
        if let Some(handle) = self.outputs.handles.get(&key) {
            let before = usize::try_from(*handle).ok().and_then(|at| self.outputs.declared.get(at));
            return match before {
                Some((was, unit)) if *was != kind || *unit != output.unit => Err(format!(
                    "it was declared before as {was} in `{unit}`: expected the same, not {kind} in `{}`",
                    output.unit
                )),
                _ => Ok(*handle),
            };
        }
        let bound = self.limits.output_series;
        let handle = u32::try_from(self.outputs.declared.len()).unwrap_or(u32::MAX);
        if handle >= bound {
            return Err(format!("it has declared {bound} series, and filters.output_series allows no more"));
        }
        let (node, parameter, labels) = key.clone();
        let description = cut(&output.description);
        let label_bytes: usize = labels.iter().map(|(key, value)| key.len() + value.len()).sum();
        let bytes = node.len() + parameter.len() + label_bytes + description.len();
        if self.outputs.bytes.saturating_add(bytes) > DECLARED_BYTES {
            return Err(format!("all that it has declared has more than {} MiB", DECLARED_BYTES >> 20));
        }
        self.outputs.bytes += bytes;
        self.outputs.handles.insert(key, handle);
        self.outputs.declared.push((kind, output.unit.clone()));
        self.effects.declared.push(OutputDef {
            node,
            parameter,
            labels,
            kind,
            unit: output.unit,
            description,
        });
        Ok(handle)
    }
}

impl types::Host for Context {}

impl host::Host for Context {
    fn declare(&mut self, output: host::Output) -> Call<Result<u32, String>> {
        if !matches!(self.phase, Phase::Configure | Phase::Run) {
            return self.breach(format!("it called `declare`, which `{}` may not", self.call));
        }
        Ok(self.declare_output(output))
    }

    fn emit_numbers(&mut self, series: Vec<u32>, times: Vec<i64>, values: Vec<f64>) -> Call<()> {
        self.emit("emit-numbers", &series, times.len(), values.len(), &[Kind::Gauge, Kind::Counter])?;
        self.effects.emitted.push(Emitted::Numbers(Column { series, times, values }));
        Ok(())
    }

    fn emit_integers(&mut self, series: Vec<u32>, times: Vec<i64>, values: Vec<i64>) -> Call<()> {
        self.emit("emit-integers", &series, times.len(), values.len(), &[Kind::Gauge, Kind::Counter])?;
        self.effects.emitted.push(Emitted::Integers(Column { series, times, values }));
        Ok(())
    }

    fn emit_states(
        &mut self,
        series: Vec<u32>,
        times: Vec<i64>,
        values: Vec<i64>,
        mut texts: Vec<String>,
    ) -> Call<()> {
        self.emit("emit-states", &series, times.len(), values.len(), &[Kind::State])?;
        if texts.len() != values.len() {
            let (codes, texts) = (values.len(), texts.len());
            return self
                .breach(format!("`emit-states` with {codes} codes and {texts} texts: expected as many"));
        }
        self.texts(&mut texts)?;
        self.effects.emitted.push(Emitted::States(Column { series, times, values }, texts));
        Ok(())
    }

    fn emit_texts(&mut self, series: Vec<u32>, times: Vec<i64>, mut values: Vec<String>) -> Call<()> {
        self.emit("emit-texts", &series, times.len(), values.len(), &[Kind::Text])?;
        self.texts(&mut values)?;
        self.effects.emitted.push(Emitted::Texts(Column { series, times, values }));
        Ok(())
    }

    fn log(&mut self, level: host::Level, message: String) -> Call<()> {
        let level = match level {
            host::Level::Debug => LogLevel::Debug,
            host::Level::Info => LogLevel::Info,
            host::Level::Warning => LogLevel::Warning,
            host::Level::Error => LogLevel::Error,
        };
        if level == LogLevel::Error {
            self.last_words = Some(cut(&message));
        }
        if self.effects.logs.len() as u64 >= u64::from(self.limits.log_lines) {
            self.effects.logs_dropped = self.effects.logs_dropped.saturating_add(1);
            return Ok(());
        }
        let line = message.get(..message.floor_char_boundary(LOG_BYTES)).unwrap_or_default().to_owned();
        self.effects.logs.push((level, line));
        Ok(())
    }
}

impl alarms::Host for Context {
    fn raise(&mut self, alarm: alarms::Alarm) -> Call<()> {
        self.only_running("raise")?;
        self.check_key(&alarm.key)?;
        if alarm.series.len() > ALARM_SERIES {
            let found = alarm.series.len();
            return self.breach(format!("an alarm about {found} series: expected at most {ALARM_SERIES}"));
        }
        self.check_inputs("raise", &alarm.series)?;
        let severity = match alarm.severity {
            alarms::Severity::Info => Status::Info,
            alarms::Severity::Warning => Status::Warning,
            alarms::Severity::Critical => Status::Critical,
        };
        self.alarm(AlarmCall::Raise {
            key: alarm.key,
            severity,
            text: cut(&alarm.text),
            series: alarm.series,
            value: alarm.value,
            runbook: cut(&alarm.runbook),
        })
    }

    fn clear(&mut self, key: String, text: String) -> Call<()> {
        self.only_running("clear")?;
        self.check_key(&key)?;
        self.alarm(AlarmCall::Clear { key, text: cut(&text) })
    }
}

impl actions::Host for Context {
    fn ask(&mut self, action: String, arguments: String) -> Call<Result<(), String>> {
        self.only_running("ask")?;
        Ok(self.judge(action, arguments))
    }
}

impl Context {
    fn judge(&mut self, action: String, arguments: String) -> Result<(), String> {
        if self.effects.actions.len() >= ACTIONS {
            return Err(format!("too often: at most {ACTIONS} actions a call"));
        }
        hedgerow_model::name::check(&action).map_err(|error| format!("the action's name {error}"))?;
        if arguments.len() > ARGUMENT_BYTES {
            let bytes = arguments.len();
            return Err(format!("the arguments have {bytes} bytes: expected at most {ARGUMENT_BYTES}"));
        }
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&arguments)
            .map_err(|error| format!("the arguments are no JSON object: {error}"))?;
        let judge = self.actions.as_mut().ok_or("no action is granted to this deployment")?;
        judge.judge(&action, &arguments)?;
        self.effects.actions.push((action, arguments));
        Ok(())
    }
}

impl history::Host for Context {
    fn read(&mut self, series: Vec<u32>, since: i64, until: i64) -> Call<Result<types::BatchResult, String>> {
        self.only_running("read")?;
        self.check_inputs("read", &series)?;
        let Some(source) = self.history.as_mut() else {
            return Ok(Err("there is no history here".into()));
        };
        if series.len() > HISTORY_SAMPLES {
            return Ok(Err(format!("{} series: expected at most {HISTORY_SAMPLES}", series.len())));
        }
        Ok(source.read(&series, since, until).and_then(|batch| {
            let samples = batch.numbers.values.len() + batch.integers.values.len() + batch.texts.values.len();
            if samples > HISTORY_SAMPLES {
                return Err(format!(
                    "there are {samples} samples: expected at most {HISTORY_SAMPLES}, ask for less time"
                ));
            }
            Ok(input::history(batch))
        }))
    }
}

fn kind(kind: types::Kind) -> Kind {
    match kind {
        types::Kind::Gauge => Kind::Gauge,
        types::Kind::Counter => Kind::Counter,
        types::Kind::State => Kind::State,
        types::Kind::Text => Kind::Text,
    }
}
