//! What a filter did, told: what it emits on standard output, the rest on standard error or, with `--events`, in its place.

use super::desk::{Desk, Piece};
use crate::client::ClientOptions;
use crate::output::amount::{amount, bytes};
use crate::output::clock::Zone;
use crate::output::events::plural;
use crate::output::lines::Lines;
use crate::output::{Out, json, say};
use hedgerow_client::sample::Sample;
use hedgerow_filter_host::guest::{AlarmCall, Description, LogLevel};
use hedgerow_filter_host::run::{Cost, Run, Step};
use hedgerow_model::{Batch, Epoch, Kind, SeriesId, UnixMillis, Value};
use serde::Serialize;
use std::io;
use std::sync::Arc;

/// A filter's doings, as they come.
pub struct Report {
    out: Out,
    lines: Lines,
    zone: Zone,
    json: bool,
    events: bool,
    /// The farm that the samples are from.
    farm: Arc<str>,
    clock: Option<UnixMillis>,
    batches: u64,
    heartbeats: u64,
    cpu_ns: u64,
    longest_ns: u64,
    alarms: u64,
    actions: u64,
    cost: Option<CostLine>,
}

/// An event, or the same for people.
#[derive(Serialize)]
struct Told<'a, T: Serialize> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<UnixMillis>,
    #[serde(flatten)]
    what: &'a T,
}

#[derive(Serialize)]
struct Raised<'a> {
    key: &'a str,
    level: &'static str,
    text: &'a str,
    series: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    runbook: &'a str,
}

#[derive(Serialize)]
struct Cleared<'a> {
    key: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct Asked<'a> {
    action: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Logged<'a> {
    level: &'static str,
    text: &'a str,
}

/// What it has cost.
#[derive(Serialize)]
struct CostLine {
    filter: String,
    version: String,
    samples_in: u64,
    batches: u64,
    samples_out: u64,
    series_out: usize,
    cpu_ns: u64,
    longest_call_ns: u64,
    memory_bytes: u64,
    state_bytes: u64,
    log_lines_dropped: u64,
}

impl Report {
    /// Nothing told yet.
    pub fn new(client: &ClientOptions, events: bool, samples: &[Sample]) -> Self {
        Self {
            out: Out::new(),
            lines: Lines::new(client.zone()),
            zone: client.zone(),
            json: client.json || events,
            events,
            farm: samples.first().map_or_else(|| "farm".into(), |sample| Arc::clone(&sample.farm)),
            clock: None,
            batches: 0,
            heartbeats: 0,
            cpu_ns: 0,
            longest_ns: 0,
            alarms: 0,
            actions: 0,
            cost: None,
        }
    }

    /// How times are shown.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The farm's clock, from now on.
    pub fn at(&mut self, clock: Option<UnixMillis>) {
        self.clock = clock;
    }

    /// What came of a piece is included in this cost.
    pub fn count(&mut self, piece: &Piece, cost: Cost) {
        self.batches += u64::from(piece.batch.is_some());
        self.heartbeats += u64::from(piece.batch.is_none());
        self.longest_ns = self.longest_ns.max(cost.cpu_ns.saturating_sub(self.cpu_ns));
        self.cpu_ns = cost.cpu_ns;
    }

    /// Tells what came of something.
    ///
    /// # Errors
    /// Where nobody reads.
    pub fn step(&mut self, of: Option<(&Run, &Desk)>, step: &Step) -> io::Result<()> {
        for (level, text) in &step.logs {
            let level = level_of(*level);
            self.tell("log", &Logged { level, text }, || format!("log {level}: {text}"))?;
        }
        let Some((run, desk)) = of else { return Ok(()) };
        for batch in &step.batches {
            self.batch(run, batch)?;
        }
        for alarm in &step.alarms {
            self.alarms += 1;
            self.alarm(run, desk, alarm)?;
        }
        for (action, arguments) in &step.actions {
            self.actions += 1;
            self.tell("action", &Asked { action, arguments }, || format!("action {action} {arguments}"))?;
        }
        Ok(())
    }

    fn batch(&mut self, run: &Run, batch: &Batch) -> io::Result<()> {
        for (id, time, value) in batch.iter() {
            let Some(def) = run.outputs().get((id.0 as usize).wrapping_sub(1)) else { continue };
            let sample = Sample {
                farm: Arc::clone(&self.farm),
                series: Arc::clone(def),
                time,
                value,
                number: None,
                epoch: Epoch { start: 0, random: 0 },
                mark: None,
                late: false,
            };
            if self.json {
                self.out.line(json::sample(&sample, false)?)?;
            } else {
                self.lines.sample(&mut self.out, &sample)?;
            }
        }
        Ok(())
    }

    fn alarm(&mut self, run: &Run, desk: &Desk, alarm: &AlarmCall) -> io::Result<()> {
        match alarm {
            AlarmCall::Raise { key, severity, text, series, value, runbook } => {
                let path = |handle: &u32| -> Option<String> {
                    let id: SeriesId = run.series(*handle)?;
                    Some(desk.def(id)?.key.to_string())
                };
                let level = severity.as_str();
                let series = series.iter().filter_map(path).collect();
                let raised = Raised { key, level, text, series, value: *value, runbook };
                self.tell("alarm", &raised, || {
                    let about = raised.series.join(", ");
                    let about = if about.is_empty() { about } else { format!(" ({about})") };
                    format!("alarm {key}: {level}: {text}{about}")
                })
            }
            AlarmCall::Clear { key, text } => {
                self.tell("alarm_cleared", &Cleared { key, text }, || format!("alarm {key}: cleared: {text}"))
            }
        }
    }

    fn tell<T: Serialize>(
        &mut self,
        event: &'static str,
        what: &T,
        text: impl FnOnce() -> String,
    ) -> io::Result<()> {
        if self.events {
            return self.out.line(json::line(&Told { event, time: self.clock, what })?);
        }
        // In its place among the lines.
        self.lines.write(&mut self.out)?;
        self.out.flush()?;
        let time = self.clock.map(|time| format!("{}  ", self.zone.print(time))).unwrap_or_default();
        say(&format!("{time}{}", text()));
        Ok(())
    }

    /// Takes note of what it cost in all.
    pub fn cost(&mut self, run: &Run, description: &Description, memory_bytes: u64, state_bytes: u64) {
        let cost = run.cost();
        self.cost = Some(CostLine {
            filter: description.name.clone(),
            version: description.version.clone(),
            samples_in: cost.samples_in,
            batches: self.batches,
            samples_out: cost.samples_out,
            series_out: run.outputs().len(),
            cpu_ns: cost.cpu_ns,
            longest_call_ns: self.longest_ns,
            memory_bytes,
            state_bytes,
            log_lines_dropped: cost.logs_dropped,
        });
    }

    /// Writes out what has gathered, and what it cost.
    ///
    /// # Errors
    /// Where nobody reads.
    pub fn end(&mut self) -> io::Result<()> {
        self.lines.write(&mut self.out)?;
        self.out.flush()?;
        let Some(cost) = self.cost.take() else { return Ok(()) };
        if self.events {
            self.clock = None;
            self.tell("cost", &cost, String::new)?;
            return self.out.flush();
        }
        for line in summary(&cost, self.heartbeats, self.alarms, self.actions) {
            say(&line);
        }
        Ok(())
    }
}

fn level_of(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warning => "warning",
        LogLevel::Error => "error",
    }
}

fn summary(cost: &CostLine, heartbeats: u64, alarms: u64, actions: u64) -> Vec<String> {
    #[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
    let seconds = |ns: u64| amount(&Value::F64(ns as f64 / 1e9), Kind::Gauge, "s");
    let each = cost.cpu_ns.checked_div(cost.samples_in).map(|ns| format!(", {} a sample", seconds(ns)));
    let mut read = format!(
        "{} in {}",
        plural(cost.samples_in, "sample"),
        if cost.batches == 1 { "1 batch".to_owned() } else { format!("{} batches", cost.batches) }
    );
    if heartbeats > 0 {
        read.push_str(&format!(", {}", plural(heartbeats, "tick")));
    }
    let mut made = format!("{} of {} series", plural(cost.samples_out, "sample"), cost.series_out);
    for (count, noun) in [(alarms, "call"), (actions, "action")] {
        if count > 0 {
            let of = if noun == "call" { " of alarms" } else { "" };
            made.push_str(&format!(", {}{of}", plural(count, noun)));
        }
    }
    vec![
        format!("{} {}", cost.filter, cost.version),
        format!("  read    {read}"),
        format!("  made    {made}"),
        format!(
            "  cpu     {}{}, at most {} at once",
            seconds(cost.cpu_ns),
            each.unwrap_or_default(),
            seconds(cost.longest_call_ns)
        ),
        format!("  memory  {}, state {}", bytes(cost.memory_bytes), bytes(cost.state_bytes)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_cost_is_told_in_few_lines() {
        let cost = CostLine {
            filter: "threshold".into(),
            version: "1.0.0".into(),
            samples_in: 12_000,
            batches: 60,
            samples_out: 1,
            series_out: 1,
            cpu_ns: 1_200_000,
            longest_call_ns: 30_000,
            memory_bytes: 1_179_648,
            state_bytes: 340,
            log_lines_dropped: 0,
        };
        let expected = "\
threshold 1.0.0
  read    12000 samples in 60 batches, 2 ticks
  made    1 sample of 1 series, 3 calls of alarms
  cpu     1.2 ms, 100 ns a sample, at most 30 µs at once
  memory  1.125 MiB, state 340 B";
        assert_eq!(summary(&cost, 2, 3, 0).join("\n"), expected);
        let nothing = CostLine { samples_in: 0, cpu_ns: 0, longest_call_ns: 0, batches: 1, ..cost };
        let expected = [
            "  read    0 samples in 1 batch",
            "  made    1 sample of 1 series, 1 action",
            "  cpu     0 s, at most 0 s at once",
        ];
        assert_eq!(summary(&nothing, 0, 0, 1)[1..4], expected);
    }
}
