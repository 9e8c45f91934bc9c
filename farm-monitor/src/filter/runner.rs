//! Runs the deployments of a farm: what makes a filter that somebody deployed emit.
//!
//! Follows what is to run, and has one task for each name. It decides nothing about them but that; each is on its own, so
//! that none can hold up another.

mod active;
mod deployed;
pub(super) mod history;
mod outputs;
pub(super) mod stored;

use super::actions::Actions;
use super::alarms::Alarms;
use super::host::FilterHost;
use super::{Deployments, Desired, Key, Report, state_word};
use crate::api::Configured;
use crate::config::FilterSettings;
use crate::hub::Hub;
use deployed::Deployed;
use hedgerow_cache::Checkpoint;
use hedgerow_proto::filter::{DeploymentState, DeploymentStatus};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::{Id, JoinHandle, JoinSet};

/// How long deployments may take to save their state when the farm stops. Whoever is in the middle of a longer call goes on
/// from its state before.
const DRAIN_PATIENCE: Duration = Duration::from_millis(1200);
/// How often it is looked for what deployments left behind that are no more.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// What it takes to run deployments.
pub struct RunnerOptions {
    /// The hub.
    pub hub: Arc<Hub>,
    /// What is to run, and where it is told how it goes.
    pub deployments: Deployments,
    /// What runs it.
    pub host: FilterHost,
    /// What keeps the alarms that filters raise.
    pub alarms: Alarms,
    /// What runs the actions that they ask for.
    pub actions: Actions,
    /// The configuration, as it is applied.
    pub config: watch::Receiver<Configured>,
    /// What the cache knew of deployments when it was opened.
    pub checkpoints: BTreeMap<String, Checkpoint>,
}

/// The deployments at work. Dropped, they are stopped without saving anything.
pub struct Runner {
    task: JoinHandle<()>,
    drain: Option<oneshot::Sender<()>>,
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What all deployments share.
struct Env {
    hub: Arc<Hub>,
    deployments: Deployments,
    host: FilterHost,
    alarms: Alarms,
    actions: Actions,
}

/// What a deployment is to do.
#[derive(Debug, Clone)]
enum Order {
    /// Run this.
    Run(Desired, Arc<FilterSettings>),
    /// Stop.
    Stop(Stop),
}

/// Why a deployment stops.
#[derive(Debug, Clone)]
enum Stop {
    /// The farm does.
    Drain,
    /// The farm does not take it now, and why, as a clause of its own.
    Refused(String),
    /// It is no more, and why.
    Gone(String),
}

impl Runner {
    /// Begins.
    pub fn start(options: RunnerOptions) -> Self {
        let RunnerOptions { hub, deployments, host, alarms, actions, config, checkpoints } = options;
        let env = Arc::new(Env { hub, deployments, host, alarms, actions });
        let (drain, drained) = oneshot::channel();
        let (running, failed, tasks) = (BTreeMap::new(), BTreeMap::new(), JoinSet::new());
        let all = All { env, config, checkpoints, running, failed, tasks };
        Self { task: tokio::spawn(all.run(drained)), drain: Some(drain) }
    }

    /// Ends in good order: each saves its state. Before the cache is closed.
    pub async fn drained(mut self) {
        drop(self.drain.take());
        let _ = (&mut self.task).await;
    }
}

struct All {
    env: Arc<Env>,
    config: watch::Receiver<Configured>,
    /// Of those that do not run.
    checkpoints: BTreeMap<String, Checkpoint>,
    /// By name: one of its owners' at most.
    running: BTreeMap<String, Running>,
    /// What the farm failed on, by a mistake of its own: it is not run again as it is.
    failed: BTreeMap<String, Desired>,
    tasks: JoinSet<Option<Checkpoint>>,
}

struct Running {
    key: Key,
    orders: watch::Sender<Order>,
    task: Id,
    is_stopping: bool,
}

impl All {
    async fn run(mut self, mut drained: oneshot::Receiver<()>) {
        let mut desired = self.env.deployments.desired();
        let mut sweeps = tokio::time::interval(SWEEP_EVERY);
        loop {
            let wanted = Arc::clone(&desired.borrow_and_update());
            self.reconcile(&wanted);
            tokio::select! {
                _ = &mut drained => break,
                Ok(()) = desired.changed() => {}
                Ok(()) = self.config.changed() => {}
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                _ = sweeps.tick() => self.sweep(),
            }
        }
        for running in self.running.values_mut() {
            running.stop(Stop::Drain);
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_PATIENCE, all).await.is_err() {
            tracing::warn!(event = "filters_not_saved", deployments = self.tasks.len());
        }
    }

    /// Tells each what it is to do.
    fn reconcile(&mut self, desired: &[Desired]) {
        let settings = Arc::new(self.config.borrow_and_update().running.filters.clone());
        for running in self.running.values_mut() {
            if !desired.iter().any(|desired| desired.run.key() == running.key) {
                running.stop(why(&self.env.deployments, &running.key));
            }
        }
        for desired in desired {
            let key = desired.run.key();
            if let Some(running) = self.running.get(&key.0) {
                // One that is stopping comes back when it has stopped.
                if !running.is_stopping && running.key == key {
                    running.orders.send_if_modified(|order| order.becomes(desired, &settings));
                }
                continue;
            }
            if self.failed.get(&key.0) == Some(desired) {
                continue;
            }
            let order = Order::Run(desired.clone(), Arc::clone(&settings));
            let (orders, ordered) = watch::channel(order);
            let checkpoint = self.checkpoints.remove(&key.0);
            let env = Arc::clone(&self.env);
            let deployed = Deployed::new(env, desired.clone(), Arc::clone(&settings), ordered, checkpoint);
            let task = self.tasks.spawn(deployed.live()).id();
            self.running.insert(key.0.clone(), Running { key, orders, task, is_stopping: false });
        }
    }

    fn ended(&mut self, ended: Result<(Id, Option<Checkpoint>), tokio::task::JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let name = self.running.iter().find(|(_, running)| running.task == id).map(|(name, _)| name.clone());
        let Some((name, running)) = name.and_then(|name| self.running.remove_entry(&name)) else { return };
        match ended {
            Ok((_, checkpoint)) => self.checkpoints.extend(checkpoint.map(|checkpoint| (name, checkpoint))),
            Err(error) => {
                tracing::error!(event = "deployment_failed", name, %error);
                if let Order::Run(desired, _) = &*running.orders.borrow() {
                    self.failed.insert(name, desired.clone());
                    self.env.deployments.report(&running.key, failed(desired.run.serial()));
                }
            }
        }
    }

    /// Lets go what was left behind by deployments that went while the farm was away.
    fn sweep(&mut self) {
        let env = &self.env;
        self.checkpoints.retain(|name, _| {
            let is_gone = env.deployments.is_gone(name);
            if is_gone {
                deployed::gone(env, name, "its deployment was removed");
            }
            !is_gone
        });
    }
}

fn failed(serial: u64) -> Report {
    Report {
        serial,
        state: DeploymentState::Quarantined,
        reason:
            "the farm failed while it ran it, see the farm's log; it is tried again when the farm restarts"
                .to_owned(),
        retry_ms: 0,
        component_name: String::new(),
        component_version: String::new(),
        cost: None,
        faults: BTreeMap::new(),
    }
}

impl Running {
    fn stop(&mut self, stop: Stop) {
        self.is_stopping = true;
        self.orders.send_if_modified(|order| {
            // Nothing outranks the end of a deployment.
            let changes = !matches!(order, Order::Stop(Stop::Gone(_)));
            if changes {
                *order = Order::Stop(stop);
            }
            changes
        });
    }
}

impl Order {
    /// Takes over what is wanted; whether that is anything new.
    fn becomes(&mut self, desired: &Desired, settings: &Arc<FilterSettings>) -> bool {
        let same = matches!(self, Self::Run(before, under) if before == desired && under == settings);
        if !same {
            *self = Self::Run(desired.clone(), Arc::clone(settings));
        }
        !same
    }
}

/// Why one is not to run any more.
fn why(deployments: &Deployments, key: &Key) -> Stop {
    let of_owner = |status: &DeploymentStatus| status.owner == key.1.0[..];
    match deployments.statuses(std::slice::from_ref(&key.0)).into_iter().find(of_owner) {
        Some(status) => {
            let state = state_word(status.state());
            Stop::Refused(format!("its deployment is {state}: {}", status.reason))
        }
        None => Stop::Gone("its deployment was removed, or has ended".to_owned()),
    }
}

#[cfg(test)]
mod tests;
