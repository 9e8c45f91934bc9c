//! The engine: runs probes by the laws of [`crate::schedule`] and [`crate::pool`], hands their samples in at the front
//! door, and measures itself.
//!
//! One task owns all state and waits for whatever comes first: a tick, the end of a run, an order. Each run is a task of
//! its own that owns its probe while it lasts. The engine enforces deadlines; it never trusts a probe to keep one. A
//! probe must not block its thread: nothing can take that back.

mod actor;
mod once;
mod reload;
mod report;
mod run;
mod status;
mod table;

#[cfg(test)]
mod tests;

pub use once::{OneRun, OneSample, run_once};
pub use run::{MAX_PART_ERRORS, MAX_RUN_SAMPLES, MAX_TARGET_SERIES};
pub use status::{CollectorStatus, Counts, EngineStatus, LastError, PoolStatus, TargetStatus};

use crate::front_door::FrontDoor;
use crate::module::{CollectError, Module};
use crate::spec::{CollectorSpec, PoolSpec, Target};
use hedgerow_model::{Name, UnixMillis};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// The wall clock, as it is handed in: Unix milliseconds.
pub type WallClock = Arc<dyn Fn() -> UnixMillis + Send + Sync>;

/// How often the engine's measurements of itself are handed in.
pub const REPORT_EVERY: Duration = Duration::from_secs(10);
/// Orders that may wait for the engine; who gives one more waits until it is taken.
const ORDERS: usize = 16;

/// What is fixed for the engine's life.
#[derive(Clone)]
pub struct EngineConfig {
    /// The node under which the engine's own series stand; targets with this address are not bounded by `per_target`.
    pub node: Name,
    /// The wall clock that stamps samples. (Ticks and deadlines keep to tokio's monotonic clock.)
    pub wall: WallClock,
    /// How often it reports of itself; usually [`REPORT_EVERY`].
    pub report_every: Duration,
}

/// Why a configuration was not applied: then nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// No such module in this build.
    #[error("collector `{collector}`: no module `{module}`: expected one of {known}")]
    UnknownModule {
        /// The collector.
        collector: String,
        /// What it asks for.
        module: String,
        /// What there is.
        known: String,
    },
    /// The module does not accept the specification.
    #[error("collector `{collector}`, target `{target}`: {reason}")]
    Probe {
        /// The collector.
        collector: String,
        /// The node of the target.
        target: String,
        /// In the module's words.
        reason: String,
    },
    /// Two collectors of one name.
    #[error("collector `{0}` is configured twice")]
    CollectorTwice(String),
    /// Two targets of one node: their series would be the same.
    #[error("collector `{collector}`: target `{target}` is given twice")]
    TargetTwice {
        /// The collector.
        collector: String,
        /// The node.
        target: String,
    },
    /// The engine was drained.
    #[error("collection has stopped")]
    Stopped,
}

impl ApplyError {
    fn probe(spec: &CollectorSpec, target: &Target, reason: String) -> Self {
        Self::Probe { collector: spec.name.clone(), target: target.node.clone(), reason }
    }
}

/// What a configuration changed: names of collectors.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// Went on as they were.
    pub kept: Vec<String>,
    /// Went on, but for targets that came or went.
    pub retargeted: Vec<String>,
    /// Began again.
    pub changed: Vec<String>,
    /// Are new.
    pub added: Vec<String>,
    /// Are no more; their series have ended.
    pub removed: Vec<String>,
}

/// Collection, before it is started.
pub struct Engine;

impl Engine {
    /// Starts an engine without collectors, in the tokio runtime of the caller. It stops when [`EngineHandle::drain`] is
    /// done, or the last handle is dropped.
    pub fn start(
        door: Arc<dyn FrontDoor>,
        modules: Vec<Box<dyn Module>>,
        config: EngineConfig,
    ) -> EngineHandle {
        let (orders, taken) = mpsc::channel(ORDERS);
        tokio::spawn(actor::Actor::new(door, modules, config).run(taken));
        EngineHandle { orders }
    }
}

/// How the rest of the farm talks to its engine.
#[derive(Clone)]
pub struct EngineHandle {
    orders: mpsc::Sender<Order>,
}

enum Order {
    Apply(PoolSpec, Vec<CollectorSpec>, oneshot::Sender<Result<Applied, ApplyError>>),
    Status(oneshot::Sender<EngineStatus>),
    Drain(Duration, oneshot::Sender<()>),
}

impl EngineHandle {
    /// Makes this the configuration, whole or not at all. Collectors that did not change keep probes, state and cadence;
    /// of those whose targets alone changed, the targets that stay do.
    ///
    /// # Errors
    /// What is wrong with it; then the old one stays.
    pub async fn apply(&self, pool: PoolSpec, collectors: Vec<CollectorSpec>) -> Result<Applied, ApplyError> {
        let (reply, answer) = oneshot::channel();
        let order = Order::Apply(pool, collectors, reply);
        self.orders.send(order).await.map_err(|_| ApplyError::Stopped)?;
        answer.await.unwrap_or(Err(ApplyError::Stopped))
    }

    /// What goes on now; empty once drained.
    pub async fn status(&self) -> EngineStatus {
        let (reply, answer) = oneshot::channel();
        if self.orders.send(Order::Status(reply)).await.is_err() {
            return EngineStatus::default();
        }
        answer.await.unwrap_or_default()
    }

    /// Starts no more runs, waits up to `grace` for those that go on, cuts the rest (what they gathered is handed in),
    /// reports once more, and stops.
    pub async fn drain(&self, grace: Duration) {
        let (reply, answer) = oneshot::channel();
        if self.orders.send(Order::Drain(grace, reply)).await.is_ok() {
            // An error means that it has stopped: that is what was asked for.
            let _ = answer.await;
        }
    }
}

fn made_by<'m>(modules: &'m [Box<dyn Module>], spec: &CollectorSpec) -> Result<&'m dyn Module, ApplyError> {
    let wanted = spec.module.name();
    let found = modules.iter().find(|module| module.name() == wanted);
    found.map(|module| &**module).ok_or_else(|| ApplyError::UnknownModule {
        collector: spec.name.clone(),
        module: wanted.to_owned(),
        known: modules.iter().map(|module| module.name()).collect::<Vec<_>>().join(", "),
    })
}

fn no_answer_within(spec: &CollectorSpec) -> CollectError {
    let deadline = hedgerow_model::duration::print(spec.deadline.min(spec.period));
    CollectError::TimedOut(format!("no answer within {deadline}"))
}
