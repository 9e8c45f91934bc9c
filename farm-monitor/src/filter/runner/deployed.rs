//! One deployment over its serials: the newest is prepared while an earlier one runs, takes over its state, and runs until it
//! is stopped; where it cannot, the earlier one runs on. What fails is begun again from its last state, after a while, and no
//! more after a few times.

mod candidate;
mod earlier;
pub(super) mod report;

use super::active::{Active, Ended};
use super::stored::Stored;
use super::{Env, Order, Stop};
use crate::config::FilterSettings;
use crate::filter::host::{Admitted, Terms, Unfit};
use crate::filter::{Desired, Key, Ready, Report};
use candidate::{Candidate, Clocks, Stands};
use earlier::{Earlier, own};
use hedgerow_cache::Checkpoint;
use hedgerow_collect::front_door::FrontDoor;
use hedgerow_filter_host::guest::Fault;
use hedgerow_model::Life;
use hedgerow_proto::filter::Cost;
use report::cost;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

/// How often it is looked what is to be saved and told.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// See the module.
pub struct Deployed {
    env: Arc<Env>,
    key: Key,
    orders: watch::Receiver<Order>,
    settings: Arc<FilterSettings>,
    retries: u64,
    newest: Candidate,
    older: Option<Candidate>,
    active: Option<Active>,
    preparing: JoinSet<Prepared>,
    /// What stands in the cache, while nothing is active.
    checkpoint: Option<Checkpoint>,
    told: Option<Report>,
    cost: Option<Cost>,
    /// Which serial was active last, and how many of its samples the hub refused while it was before.
    refused: (u64, u64),
    earlier: Earlier,
    clocks: Clocks,
}

/// Serial, with which terms, and what came of it; where nothing did, at what cost.
type Prepared = (u64, Terms, Result<Admitted, (Unfit, u64)>);

enum Event {
    Order,
    Prepared(Box<Result<Prepared, JoinError>>),
    Input(Result<(), Ended>),
    Look,
    Due,
}

impl Deployed {
    /// Of this order; goes on from `checkpoint`, where it may.
    pub fn new(
        env: Arc<Env>,
        desired: Desired,
        settings: Arc<FilterSettings>,
        orders: watch::Receiver<Order>,
        checkpoint: Option<Checkpoint>,
    ) -> Self {
        let key = desired.run.key();
        let clocks = Clocks { instant: Instant::now(), millis: env.hub.now() };
        let candidate = |ready: Arc<Ready>| {
            let faults = env.deployments.faults(&key, ready.serial());
            Candidate::new(ready, faults, clocks)
        };
        let stored = checkpoint.as_ref().and_then(Stored::read);
        let earlier = Earlier::new(stored.as_ref().map(|stored| stored.serial));
        let stored = stored.filter(|of| (of.owner, of.serial) == (key.1, desired.run.serial()));
        Self {
            newest: candidate(Arc::clone(&desired.run)),
            older: desired.fallback.map(candidate),
            env,
            key,
            orders,
            settings,
            retries: desired.retries,
            active: None,
            preparing: JoinSet::new(),
            cost: stored.map(|stored| cost(&stored.progress.cost)),
            checkpoint,
            told: None,
            refused: (0, 0),
            earlier,
            clocks,
        }
    }

    /// Of a serial that was not known to this task.
    fn other(&self, ready: &Arc<Ready>) -> Candidate {
        let faults = self.env.deployments.faults(&self.key, ready.serial());
        Candidate::new(Arc::clone(ready), faults, self.clocks)
    }

    /// Lives until it is stopped. Gives back what stands in the cache.
    pub async fn live(mut self) -> Option<Checkpoint> {
        let mut looks = looks();
        loop {
            self.settle().await;
            self.tell().await;
            let due = [Some(&self.newest), self.older.as_ref()].into_iter().flatten();
            let due = due.filter_map(Candidate::due).min();
            let event = {
                let Self { orders, preparing, active, .. } = &mut self;
                tokio::select! {
                    changed = orders.changed() => match changed {
                        Ok(()) => Event::Order,
                        // Nobody is there to give any.
                        Err(_) => return self.stopped(Stop::Drain).await,
                    },
                    Some(prepared) = preparing.join_next() => Event::Prepared(Box::new(prepared)),
                    came = wait(active.as_mut()) => Event::Input(came),
                    _ = looks.tick() => Event::Look,
                    () = until(due) => Event::Due,
                }
            };
            match event {
                Event::Order => {
                    let order = self.orders.borrow_and_update().clone();
                    match order {
                        Order::Stop(stop) => return self.stopped(stop).await,
                        Order::Run(desired, settings) => self.ordered(desired, settings).await,
                    }
                }
                Event::Prepared(prepared) => self.prepared(*prepared),
                Event::Input(came) => self.input(came).await,
                Event::Look => self.look().await,
                Event::Due => {}
            }
        }
    }

    /// Another serial, other settings, or somebody wants it tried again.
    async fn ordered(&mut self, desired: Desired, settings: Arc<FilterSettings>) {
        let rank = |ready: &Arc<Ready>| ready.document.rank();
        if rank(&desired.run) != rank(&self.newest.ready) {
            let newest = self.other(&desired.run);
            let before = std::mem::replace(&mut self.newest, newest);
            let older = self.older.take();
            if let Some(fallback) = &desired.fallback {
                let known = [Some(before), older].into_iter().flatten();
                let known = known.into_iter().find(|known| rank(&known.ready) == rank(fallback));
                self.older = Some(known.unwrap_or_else(|| self.other(fallback)));
            }
        } else if desired.fallback.is_none() {
            self.older = None;
        } else if let Some(fallback) = &desired.fallback
            && self.older.as_ref().is_none_or(|older| rank(&older.ready) != rank(fallback))
        {
            self.older = Some(self.other(fallback));
        }
        let meant = |active: &Active| {
            let of = |candidate: &Candidate| rank(&candidate.ready) == rank(active.ready());
            of(&self.newest) || self.older.as_ref().is_some_and(of)
        };
        if self.active.as_ref().is_some_and(|active| !meant(active)) {
            self.rest().await;
        }
        let terms = |settings| Terms::new(settings, &self.newest.ready.deployment.grants);
        let changes = terms(&self.settings) != terms(&settings);
        self.settings = settings;
        if changes {
            // It goes on from where it is, on other terms.
            self.rest().await;
            self.newest.again();
            self.older.iter_mut().for_each(Candidate::again);
        }
        if self.retries != desired.retries {
            self.retries = desired.retries;
            self.newest.retry();
            self.older.iter_mut().for_each(Candidate::retry);
        }
    }

    fn prepared(&mut self, prepared: Result<Prepared, JoinError>) {
        let now = Instant::now();
        let (serial, terms, outcome) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                let fault = Fault::Host(error.to_string());
                for candidate in [Some(&mut self.newest), self.older.as_mut()].into_iter().flatten() {
                    if matches!(candidate.stands, Stands::Preparing) {
                        candidate.failed(&fault, None, 0, now);
                    }
                }
                return;
            }
        };
        let settings = Arc::clone(&self.settings);
        let Some(candidate) = self.candidate(serial).filter(|of| matches!(of.stands, Stands::Preparing))
        else {
            return;
        };
        if terms != Terms::new(&settings, &candidate.ready.deployment.grants) {
            candidate.stands = Stands::Unprepared;
            return;
        }
        match outcome {
            Ok(admitted) => candidate.stands = Stands::Prepared(admitted),
            Err(unfit) => candidate.unfit(unfit, None, now),
        }
    }

    async fn input(&mut self, came: Result<(), Ended>) {
        let Some(active) = &mut self.active else { return };
        let outcome = match came {
            Ok(()) => active.turn(&self.env, &mut self.orders, Instant::now()).await,
            Err(ended) => Err(ended),
        };
        self.ended(outcome).await;
    }

    /// Looks what is to be saved, and what it costs.
    async fn look(&mut self) {
        let Some(active) = &mut self.active else { return };
        let kept = active.keep(&self.env, Instant::now()).await;
        self.ended(kept).await;
        if let Some(mut active) = self.active.take() {
            self.earlier.look(&self.env.hub, active.made());
            self.costs(&mut active).await;
            self.active = Some(active);
        }
    }

    /// Takes note of what it has cost.
    async fn costs(&mut self, active: &mut Active) {
        self.cost = Some(active.cost(&self.env, self.refused.1).await);
    }

    /// Takes note of how a call ended.
    async fn ended(&mut self, outcome: Result<(), Ended>) {
        let Err(ended) = outcome else { return };
        let Some(mut active) = self.active.take() else { return };
        self.costs(&mut active).await;
        // It is lost with the run, and counted with what else is.
        let lost_ns = active.untold_ns();
        if let Some(cost) = &mut self.cost {
            cost.cpu_us = cost.cpu_us.saturating_sub(lost_ns / 1000);
        }
        self.checkpoint = Some(active.checkpoint().clone());
        let serial = active.ready().serial();
        self.refused.1 += active.refused();
        let admitted = active.admitted().clone();
        drop(active);
        if let Ended::Fault(fault) = &ended {
            self.env.alarms.stopped(&self.key.0, &format!("its deployment failed: {fault}"));
        }
        let (now, candidate) = (Instant::now(), self.candidate(serial));
        match (ended, candidate) {
            (Ended::Fault(fault), Some(candidate)) => candidate.failed(&fault, Some(admitted), lost_ns, now),
            // Stopped, as is about to be heard; else it would be begun again.
            (Ended::Stopped, Some(candidate)) => candidate.stands = Stands::Prepared(admitted),
            (_, None) => {}
        }
    }

    /// Prepares and begins what can be.
    async fn settle(&mut self) {
        let now = Instant::now();
        self.newest.wakes(now);
        self.older.iter_mut().for_each(|older| older.wakes(now));
        self.prepare();
        if let Stands::Prepared(admitted) = &self.newest.stands {
            let (ready, admitted) = (Arc::clone(&self.newest.ready), admitted.clone());
            self.begin(&ready, &admitted).await;
        }
        if self.active.is_none()
            && let Some(older) = &self.older
            && let Stands::Prepared(admitted) = &older.stands
        {
            let (ready, admitted) = (Arc::clone(&older.ready), admitted.clone());
            self.begin(&ready, &admitted).await;
        }
    }

    fn prepare(&mut self) {
        let Self { env, settings, preparing, newest, older, .. } = self;
        for candidate in [Some(newest), older.as_mut()].into_iter().flatten() {
            if !matches!(candidate.stands, Stands::Unprepared) {
                continue;
            }
            candidate.stands = Stands::Preparing;
            let (env, ready) = (Arc::clone(env), Arc::clone(&candidate.ready));
            let terms = Terms::new(settings, &ready.deployment.grants);
            preparing.spawn(async move {
                let admitted = admit(&env, &ready, terms.clone()).await;
                (ready.serial(), terms, admitted)
            });
        }
    }

    /// Begins one; what is active goes on where it cannot be begun.
    async fn begin(&mut self, ready: &Arc<Ready>, admitted: &Admitted) {
        let now = Instant::now();
        if let Some(active) = &mut self.active {
            let saved = active.save(&self.env, now).await;
            self.ended(saved).await;
        }
        let checkpoint = self.active.as_ref().map(Active::checkpoint).or(self.checkpoint.as_ref());
        let (stored, serial) = (checkpoint.and_then(Stored::read), ready.serial());
        let stored = stored.map_or(Ok(None), |stored| stored.of(ready, &admitted.description.name));
        let begun = match stored {
            Ok(stored) => {
                let with_state = stored.is_some();
                let active = Active::begin(&self.env, ready, admitted, stored, now).await;
                active.map(|active| (active, with_state))
            }
            Err(why) => Err((Unfit::Refused(why), 0)),
        };
        match begun {
            Ok((active, with_state)) => {
                self.env.alarms.runs(&self.key.0, with_state);
                self.earlier.begins(&self.env.hub, &self.key.0, serial);
                self.active = Some(active);
                self.checkpoint = None;
                if self.refused.0 != serial {
                    self.refused = (serial, 0);
                }
                if let Some(candidate) = self.candidate(serial) {
                    candidate.stands = Stands::Running;
                }
                if serial == self.newest.ready.serial() {
                    self.older = None;
                }
                self.look().await;
            }
            Err(unfit) => {
                if let Some(candidate) = self.candidate(serial) {
                    candidate.unfit(unfit, Some(admitted.clone()), now);
                }
            }
        }
    }

    /// Saves what is active, and lets it go.
    async fn rest(&mut self) {
        let Some(active) = &mut self.active else { return };
        let saved = active.save(&self.env, Instant::now()).await;
        self.ended(saved).await;
        if let Some(active) = self.active.take() {
            self.checkpoint = Some(active.checkpoint().clone());
            let serial = active.ready().serial();
            self.refused.1 += active.refused();
            if let Some(candidate) = self.candidate(serial) {
                candidate.stands = Stands::Unprepared;
            }
        }
    }

    async fn stopped(mut self, stop: Stop) -> Option<Checkpoint> {
        if let Stop::Gone(reason) = stop {
            self.active = None;
            gone(&self.env, &self.key.0, &reason);
            return None;
        }
        self.rest().await;
        if let Stop::Refused(reason) = stop {
            self.env.alarms.stopped(&self.key.0, &reason);
        }
        self.checkpoint
    }

    fn candidate(&mut self, serial: u64) -> Option<&mut Candidate> {
        let all = [Some(&mut self.newest), self.older.as_mut()];
        all.into_iter().flatten().find(|candidate| candidate.ready.serial() == serial)
    }
}

/// What is left of a deployment that is no more goes: what it would go on from, and its series.
pub fn gone(env: &Env, name: &str, reason: &str) {
    env.alarms.stopped(name, reason);
    env.hub.cache().forget_checkpoint(name);
    env.hub.set_life(&env.hub.matching(&[own(name)]), Life::Ended, reason);
}

async fn admit(env: &Env, ready: &Ready, terms: Terms) -> Result<Admitted, (Unfit, u64)> {
    let (deployments, blob) = (env.deployments.clone(), ready.component);
    let reading = tokio::task::spawn_blocking(move || deployments.component(blob));
    let unread = |error: &dyn std::fmt::Display| {
        (Fault::Host(format!("its component cannot be read: {error}")).into(), 0)
    };
    let read = reading.await.map_err(|error| unread(&error))?;
    let component = read.map_err(|error| unread(&error))?;
    env.host.admit(component, &ready.deployment.parameters, terms).await
}

async fn wait(active: Option<&mut Active>) -> Result<(), Ended> {
    match active {
        Some(active) => active.wait().await,
        None => std::future::pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn looks() -> Interval {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}
