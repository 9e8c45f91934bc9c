//! What a kind of collecting implements: a [`Module`] makes one [`Probe`] for each target of each collector, and the
//! engine runs probes: one run at a time each, under a deadline, in the bounded pool.

use crate::spec::{CollectorSpec, Target};
use hedgerow_model::{Life, Mark, SeriesDef, SeriesId, UnixMillis, Value};
use std::future::Future;
use std::pin::Pin;

/// A future on the heap: probes are kept behind `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A kind of collecting: `host`, `script`, `snmp`.
pub trait Module: Send + Sync {
    /// The word of `module =` in the configuration.
    fn name(&self) -> &'static str;

    /// Makes the probe of one target. Does no IO: a target that is not there yet is no reason to fail here.
    ///
    /// # Errors
    /// What is wrong with the specification, in words for the person who wrote it.
    fn probe(&self, spec: &CollectorSpec, target: &Target) -> Result<Box<dyn Probe>, String>;
}

/// What asks one target again and again; keeps what it needs from run to run (ids of series, earlier counters).
pub trait Probe: Send {
    /// Asks the target once. The engine drops the future at the deadline; what was pushed until then is kept.
    fn run<'a>(&'a mut self, run: &'a mut dyn Run) -> BoxFuture<'a, Result<(), CollectError>>;
}

/// One run of a probe, as the engine gives it to the probe.
pub trait Run: Send {
    /// The time with which samples are stamped unless they carry their own.
    fn started(&self) -> UnixMillis;

    /// When the engine will give up.
    fn deadline(&self) -> tokio::time::Instant;

    /// The id of a series; refused series give `None`, are counted by the hub and left out. Cheap after the first call
    /// with the same key; a probe with many series keeps the ids itself.
    fn series(&mut self, def: &SeriesDef) -> Option<SeriesId>;

    /// Adds a sample to the run's batch.
    fn push(&mut self, series: SeriesId, time: UnixMillis, value: Value, mark: Option<Mark>);

    /// A part of the target failed (one mount, one table): the rest goes on. Shown in `last_error`.
    fn part_failed(&mut self, part: &str, error: CollectError);

    /// These series are known to be unreadable or gone.
    fn set_life(&mut self, series: &[SeriesId], life: Life, reason: &str);
}

/// Why a run, or a part of it, gave nothing. Different failures are different words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CollectError {
    /// No answer in time.
    #[error("timed out: {0}")]
    TimedOut(String),
    /// The target refuses who asks.
    #[error("refused credentials: {0}")]
    RefusedCredentials(String),
    /// The target answers, but has not got what is asked.
    #[error("no such object: {0}")]
    NoSuchObject(String),
    /// The target has the object, but not this instance of it.
    #[error("no such instance: {0}")]
    NoSuchInstance(String),
    /// There is nothing behind what is asked, in what the asker may see.
    #[error("end of MIB view: {0}")]
    EndOfMibView(String),
    /// The target cannot be reached or started: no route, connection refused, no such program.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The answer cannot be understood.
    #[error("bad answer: {0}")]
    BadAnswer(String),
    /// Anything else: a script that failed, an error of the system.
    #[error("failed: {0}")]
    Failed(String),
}

impl CollectError {
    /// Whether it means that nothing of the target can be read now: all its series are stale at once.
    pub const fn is_of_whole_target(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::RefusedCredentials(_) | Self::Unreachable(_))
    }

    /// One word for counters: `timed_out`, `refused_credentials`, …
    pub const fn word(&self) -> &'static str {
        match self {
            Self::TimedOut(_) => "timed_out",
            Self::RefusedCredentials(_) => "refused_credentials",
            Self::NoSuchObject(_) => "no_such_object",
            Self::NoSuchInstance(_) => "no_such_instance",
            Self::EndOfMibView(_) => "end_of_mib_view",
            Self::Unreachable(_) => "unreachable",
            Self::BadAnswer(_) => "bad_answer",
            Self::Failed(_) => "failed",
        }
    }
}
