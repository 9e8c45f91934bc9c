//! What the engine says of itself: plain data for `farm status` and the self-measurement. No behaviour.

use hedgerow_model::UnixMillis;
use std::time::Duration;

/// The whole engine at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineStatus {
    /// The pool.
    pub pool: PoolStatus,
    /// The collectors, by name.
    pub collectors: Vec<CollectorStatus>,
}

/// The pool at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolStatus {
    /// The global bound.
    pub limit: usize,
    /// Runs that go on.
    pub busy: usize,
    /// Targets that wait for a slot.
    pub queued: usize,
    /// Targets that timed out and have not answered since.
    pub probation: usize,
}

/// One collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorStatus {
    /// Its name.
    pub name: String,
    /// Its module.
    pub module: &'static str,
    /// The cluster it writes.
    pub cluster: String,
    /// How often its targets are asked.
    pub period: Duration,
    /// What it counted since the farm started, over changes of its configuration.
    pub counts: Counts,
    /// How many of its runs go on.
    pub in_flight: usize,
    /// Its targets, in the order of the configuration.
    pub targets: Vec<TargetStatus>,
}

/// What is counted of a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Runs that ended by themselves or at their deadline; cut ones are not among them.
    pub runs: u64,
    /// Ticks skipped: the target's earlier run still went on, or still waited for a slot.
    pub skipped: u64,
    /// Ticks held back: the target rests, because it timed out.
    pub held_back: u64,
    /// Runs that reached the deadline, or whose probe said that the target did not answer in time.
    pub timeouts: u64,
    /// Runs that failed otherwise.
    pub failures: u64,
    /// Parts of runs that failed while the rest went on.
    pub part_failures: u64,
    /// Runs cut short to make room for others; each is tried again.
    pub cuts: u64,
    /// Runs whose probe panicked (also counted as failures).
    pub panics: u64,
    /// Samples that probes made.
    pub samples: u64,
}

/// One target of a collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetStatus {
    /// The node its series belong to.
    pub node: String,
    /// Where it is.
    pub address: String,
    /// Whether it answered at the last run; `None` before the first has ended.
    pub up: Option<bool>,
    /// How late its last run began, or for how long it has waited for a slot, if that is more.
    pub lateness: Duration,
    /// The last thing that went wrong, though later runs may have gone well.
    pub last_error: Option<LastError>,
    /// How long the last run took.
    pub last_duration: Option<Duration>,
    /// When the last run began that was answered.
    pub last_success: Option<UnixMillis>,
    /// Whether it timed out and has not answered since.
    pub probation: bool,
    /// Whether a run goes on.
    pub in_flight: bool,
    /// How many samples the last run gave.
    pub samples: u64,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// When the run began.
    pub time: UnixMillis,
    /// One word: `timed_out`, `refused_credentials`, …, `panicked`.
    pub word: &'static str,
    /// In words, with the part of the target where only one failed.
    pub text: String,
}
