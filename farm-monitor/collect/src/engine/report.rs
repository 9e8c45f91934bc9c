//! The engine's measurements of itself, in the reserved cluster `hedgerow` under the farm's node: once a period, not
//! once a run. (`up` is said by the runs themselves.) Every name is in `docs/reference/parameters.md`.

use super::EngineConfig;
use super::status::{Counts, PoolStatus};
use super::table::{Entry, Table};
use crate::front_door::{FrontDoor, OriginId};
use crate::schedule::Moment;
use hedgerow_model::{BatchBuilder, Kind, Labels, Life, Mark, Name, SeriesDef, SeriesId, SeriesKey};
use hedgerow_model::{UnixMillis, Value};
use std::time::Duration;

/// The cluster of everything a farm says of itself, and the origin that writes it.
pub const OWN: &str = "hedgerow";

/// A counter of a collector: parameter, what it counts, where it stands.
type Counter = (&'static str, &'static str, fn(&Counts) -> u64);

const COUNTERS: [Counter; 9] = [
    ("collector_runs", "runs that ended by themselves or at their deadline", |c| c.runs),
    ("collector_skipped", "ticks skipped: the run before went on or waited for a slot", |c| c.skipped),
    ("collector_held_back", "ticks held back: the target timed out and rests", |c| c.held_back),
    ("collector_timeouts", "runs without an answer in time", |c| c.timeouts),
    ("collector_failures", "runs that failed otherwise", |c| c.failures),
    ("collector_part_failures", "parts of runs that failed while the rest went on", |c| c.part_failures),
    ("collector_cuts", "runs cut short to make room, and tried again", |c| c.cuts),
    ("collector_panics", "runs whose probe panicked", |c| c.panics),
    ("collector_samples", "samples made", |c| c.samples),
];

/// The pool's gauges: parameter, what it says.
const POOL: [(&str, &str); 3] = [
    ("pool_busy", "runs that go on"),
    ("pool_queue", "targets that wait for a slot"),
    ("pool_probation", "targets that timed out and have not answered since"),
];

const LATENESS: usize = 0;
const DURATION: usize = 1;
const LAST_ERROR: usize = 2;

pub(super) struct Reporter {
    config: EngineConfig,
    origin: OriginId,
    due: Moment,
    pool: [Option<SeriesId>; POOL.len()],
}

impl Reporter {
    pub fn new(door: &dyn FrontDoor, config: &EngineConfig) -> Self {
        let due = config.report_every;
        Self { config: config.clone(), origin: door.origin(OWN), due, pool: [None; POOL.len()] }
    }

    pub fn due(&self) -> Moment {
        self.due
    }

    pub fn report(&mut self, door: &dyn FrontDoor, table: &mut Table, pool: PoolStatus, now: Moment) {
        while self.due <= now {
            self.due += self.config.report_every.max(Duration::from_millis(1));
        }
        let time = (self.config.wall)();
        let mut batch = BatchBuilder::new();
        self.report_pool(door, pool, time, &mut batch);
        for (name, collector) in &mut table.collectors {
            collector.reported.resize(COUNTERS.len(), None);
            for ((parameter, description, read), id) in COUNTERS.iter().zip(&mut collector.reported) {
                // The counters are the process's: at its first word they began again.
                let mark = if id.is_none() { Some(Mark::Reset) } else { None };
                if id.is_none() {
                    *id =
                        self.declare(door, parameter, Kind::Counter, "", &[("collector", name)], description);
                }
                if let Some(id) = *id {
                    batch.push(id, time, Value::counter(read(&collector.counts)), mark);
                }
            }
        }
        for entry in table.entries.values_mut().filter(|entry| entry.leaving.is_none()) {
            self.report_target(door, entry, time, now, &mut batch);
        }
        door.accept(self.origin, batch.build());
    }

    fn report_pool(
        &mut self,
        door: &dyn FrontDoor,
        pool: PoolStatus,
        time: UnixMillis,
        batch: &mut BatchBuilder,
    ) {
        let values = [pool.busy, pool.queued, pool.probation];
        for (at, ((parameter, description), value)) in POOL.iter().zip(values).enumerate() {
            if self.pool[at].is_none() {
                self.pool[at] = self.declare(door, parameter, Kind::Gauge, "", &[], description);
            }
            if let Some(id) = self.pool[at] {
                batch.push(id, time, Value::I64(i64::try_from(value).unwrap_or(i64::MAX)), None);
            }
        }
    }

    fn report_target(
        &self,
        door: &dyn FrontDoor,
        entry: &mut Entry,
        time: UnixMillis,
        now: Moment,
        batch: &mut BatchBuilder,
    ) {
        let labels = [("collector", entry.spec.name.as_str()), ("item", entry.target.node.as_str())];
        let mut say = |ids: &mut [Option<SeriesId>; 3], which: usize, time, value: Value| {
            let (parameter, kind, unit, description) = match which {
                LATENESS => {
                    ("target_lateness", Kind::Gauge, "s", "how late the last run began, or how long it waits")
                }
                DURATION => ("target_duration", Kind::Gauge, "s", "how long the last run took"),
                _ => ("target_last_error", Kind::Text, "", "what went wrong, while it does"),
            };
            if ids[which].is_none() {
                ids[which] = self.declare(door, parameter, kind, unit, &labels, description);
            }
            if let Some(id) = ids[which] {
                batch.push(id, time, value, None);
            }
        };
        let lateness = entry.lateness(now).as_secs_f64();
        let ids = &mut entry.series.reported;
        say(ids, LATENESS, time, Value::F64(lateness));
        if let Some(took) = entry.seen.last_duration {
            say(ids, DURATION, time, Value::F64(took.as_secs_f64()));
        }
        let unreported = std::mem::take(&mut entry.seen.unreported);
        match &entry.seen.last_error {
            Some(error) if entry.seen.failing || unreported => {
                say(ids, LAST_ERROR, time, Value::Text(error.text.as_str().into()));
                entry.seen.error_stands = true;
            }
            _ if std::mem::take(&mut entry.seen.error_stands) => {
                if let Some(id) = ids[LAST_ERROR] {
                    door.set_life(&[id], Life::Stale, "the target answers again");
                }
            }
            _ => {}
        }
    }

    fn declare(
        &self,
        door: &dyn FrontDoor,
        parameter: &str,
        kind: Kind,
        unit: &str,
        labels: &[(&str, &str)],
        description: &str,
    ) -> Option<SeriesId> {
        let key = SeriesKey {
            cluster: Name::new(OWN).ok()?,
            node: self.config.node.clone(),
            parameter: Name::new(parameter).ok()?,
            labels: Labels::new(labels.iter().copied()).ok()?,
        };
        let def = SeriesDef {
            key,
            kind,
            unit: unit.to_owned(),
            source: OWN.to_owned(),
            interval: Some(self.config.report_every),
            lifetime: None,
            description: description.to_owned(),
        };
        door.declare(self.origin, &def).ok()
    }
}

/// All parameters the engine reports.
#[cfg(test)]
pub(super) fn parameters() -> impl Iterator<Item = &'static str> {
    let targets = ["target_lateness", "target_duration", "target_last_error"];
    COUNTERS.iter().map(|counter| counter.0).chain(POOL.iter().map(|gauge| gauge.0)).chain(targets)
}
