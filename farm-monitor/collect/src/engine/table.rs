//! The engine's tables: its collectors, and all it keeps of each target between runs. No IO, no clock.

use super::run::{Declared, Finished};
use super::status::{Counts, LastError, TargetStatus};
use crate::front_door::OriginId;
use crate::module::{CollectError, Probe};
use crate::pool::{Lane, Pool};
use crate::schedule::{Moment, TargetKey};
use crate::spec::{CollectorSpec, Target};
use hedgerow_model::{SeriesId, UnixMillis};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

#[derive(Default)]
pub(super) struct Table {
    pub collectors: BTreeMap<String, Collector>,
    pub entries: HashMap<TargetKey, Entry>,
    last_target: u64,
    last_collector: u32,
}

pub(super) struct Collector {
    pub number: u32,
    pub spec: Arc<CollectorSpec>,
    pub origin: OriginId,
    pub module: &'static str,
    pub counts: Counts,
    pub targets: Vec<TargetKey>,
    /// Its own series, in the order of the report's counters.
    pub reported: Vec<Option<SeriesId>>,
}

/// A target.
pub(super) struct Entry {
    pub spec: Arc<CollectorSpec>,
    pub target: Arc<Target>,
    pub origin: OriginId,
    /// `None` while a run has it, and after a panic until the next run.
    pub probe: Option<Box<dyn Probe>>,
    pub declared: Declared,
    pub run: Option<Running>,
    /// `Some` when it was taken from the configuration but a run still goes on.
    pub leaving: Option<Leaving>,
    /// The tick that waits or was served last.
    pub tick: Moment,
    pub waits: bool,
    pub seen: Seen,
    pub series: SeriesOf,
}

/// A run that goes on.
pub(super) struct Running {
    pub started: UnixMillis,
    pub begun: Moment,
    /// Dropped to cut the run.
    pub cut: Option<oneshot::Sender<()>>,
}

/// What becomes of a target's series when it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// Another entry goes on with them.
    Replaced,
    /// They have ended, for this reason.
    Ended(&'static str),
}

/// What was seen of a target.
#[derive(Default)]
pub(super) struct Seen {
    pub up: Option<bool>,
    pub lateness: Duration,
    pub last_error: Option<LastError>,
    /// Whether the last run, or a part of it, failed.
    pub failing: bool,
    /// Whether `last_error` has changed since it was last reported.
    pub unreported: bool,
    /// Whether the series of the last error was last said to hold one.
    pub error_stands: bool,
    pub last_duration: Option<Duration>,
    pub last_success: Option<UnixMillis>,
    pub samples: u64,
}

/// The series a target has.
#[derive(Default)]
pub(super) struct SeriesOf {
    /// All it ever gave and that have not ended, ascending: they go stale and end with it.
    pub known: Vec<SeriesId>,
    /// Those of the last batch, as they stood in it.
    last: Vec<SeriesId>,
    pub up: Option<SeriesId>,
    /// Whether they were said to be stale, and no run has gone well since.
    pub stale: bool,
    /// Its lateness, duration and last error in the cluster `hedgerow`.
    pub reported: [Option<SeriesId>; 3],
}

impl Table {
    pub fn next_target(&mut self) -> TargetKey {
        self.last_target += 1;
        TargetKey(self.last_target)
    }

    pub fn next_collector(&mut self) -> u32 {
        self.last_collector += 1;
        self.last_collector
    }

    /// The counters of a target's collector; `None` when that is gone.
    pub fn counts(&mut self, key: TargetKey) -> Option<&mut Counts> {
        let name = &self.entries.get(&key)?.spec.name;
        self.collectors.get_mut(name).map(|collector| &mut collector.counts)
    }
}

impl SeriesOf {
    /// Takes in the series of a batch. Batches mostly have the series of the one before: that costs a comparison.
    pub fn take(&mut self, finished: &mut Finished) {
        self.up = finished.up.or(self.up);
        if finished.series != self.last {
            self.last = std::mem::take(&mut finished.series);
            self.known.extend_from_slice(&self.last);
            self.known.sort_unstable();
            self.known.dedup();
        }
        if !finished.gone.is_empty() {
            finished.gone.sort_unstable();
            self.known.retain(|id| finished.gone.binary_search(id).is_err());
            self.last.clear();
        }
    }

    /// Those the last batch had no sample of.
    pub fn not_in_last(&self) -> Vec<SeriesId> {
        let mut last = self.last.clone();
        last.sort_unstable();
        self.known.iter().copied().filter(|id| last.binary_search(id).is_err()).collect()
    }
}

impl Entry {
    pub fn new(
        spec: Arc<CollectorSpec>,
        target: Arc<Target>,
        origin: OriginId,
        probe: Box<dyn Probe>,
    ) -> Self {
        Self {
            spec,
            target,
            origin,
            probe: Some(probe),
            declared: Declared::default(),
            run: None,
            leaving: None,
            tick: Moment::ZERO,
            waits: false,
            seen: Seen::default(),
            series: SeriesOf::default(),
        }
    }

    pub fn note_error(&mut self, time: UnixMillis, word: &'static str, text: String) {
        self.seen.last_error = Some(LastError { time, word, text });
        self.seen.unreported = true;
    }

    pub fn note_parts(&mut self, time: UnixMillis, parts: &[(String, CollectError)], more: u64) {
        let Some((part, error)) = parts.first() else { return };
        let others = parts.len() as u64 - 1 + more;
        let tail = if others > 0 { format!(" (and {others} more parts)") } else { String::new() };
        self.note_error(time, error.word(), format!("{part}: {error}{tail}"));
    }

    /// How late its last run began; how long it has waited, if that is more.
    pub fn lateness(&self, now: Moment) -> Duration {
        let waiting = if self.waits { now.saturating_sub(self.tick) } else { Duration::ZERO };
        self.seen.lateness.max(waiting)
    }

    pub fn status(&self, key: TargetKey, pool: &Pool, now: Moment) -> TargetStatus {
        TargetStatus {
            node: self.target.node.clone(),
            address: self.target.address.clone(),
            up: self.seen.up,
            lateness: self.lateness(now),
            last_error: self.seen.last_error.clone(),
            last_duration: self.seen.last_duration,
            last_success: self.seen.last_success,
            probation: pool.lane(key) == Some(Lane::Probation),
            in_flight: self.run.is_some(),
            samples: self.seen.samples,
        }
    }
}
