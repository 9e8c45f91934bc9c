//! The task that owns the engine's state. The laws are in schedule and pool; here their effects meet the world.

use super::report::Reporter;
use super::run::{self, Context, Declared, Ended, Finished, panic_text};
use super::status::{CollectorStatus, EngineStatus, PoolStatus};
use super::table::{Running, Table};
use super::{EngineConfig, Order, made_by, no_answer_within};
use crate::front_door::FrontDoor;
use crate::module::{CollectError, Module};
use crate::pool::{After, Effect, Lane, Pool, RunEnd, TickFate};
use crate::schedule::{Moment, Schedule, TargetKey, Tick};
use crate::spec::PoolSpec;
use hedgerow_model::{BatchBuilder, Life, Value};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

/// How long runs that were cut may take to end when the engine drains; then they are left behind.
const LAST_MOMENT: Duration = Duration::from_millis(500);

pub(super) struct Actor {
    pub door: Arc<dyn FrontDoor>,
    pub modules: Vec<Box<dyn Module>>,
    pub config: EngineConfig,
    pub table: Table,
    pub schedule: Schedule,
    pub pool: Pool,
    pub limit: usize,
    runs: JoinSet<Finished>,
    tasks: HashMap<Id, TargetKey>,
    reporter: Reporter,
    begun: Instant,
}

impl Actor {
    pub fn new(door: Arc<dyn FrontDoor>, modules: Vec<Box<dyn Module>>, config: EngineConfig) -> Self {
        let pool = PoolSpec::default();
        Self {
            reporter: Reporter::new(&*door, &config),
            door,
            modules,
            config,
            table: Table::default(),
            schedule: Schedule::default(),
            limit: pool.global,
            pool: Pool::new(pool),
            runs: JoinSet::new(),
            tasks: HashMap::new(),
            begun: Instant::now(),
        }
    }

    pub async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            let now = self.begun.elapsed();
            for tick in self.schedule.due(now) {
                self.tick(tick, now);
            }
            self.advance(now);
            if self.reporter.due() <= now {
                self.report(now);
            }
            let wakes = [self.schedule.next(), self.pool.next_wake(now), Some(self.reporter.due())];
            let wake = self.begun + wakes.into_iter().flatten().min().unwrap_or(now);
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Apply(pool, collectors, reply)) => {
                        // Who asked may have gone away: the order stands.
                        let _ = reply.send(self.apply(pool, collectors, self.begun.elapsed()));
                    }
                    Some(Order::Status(reply)) => { let _ = reply.send(self.status()); }
                    Some(Order::Drain(grace, reply)) => {
                        self.drain(grace).await;
                        let _ = reply.send(());
                        return;
                    }
                    None => return,
                },
                Some(joined) = self.runs.join_next_with_id() => self.joined(joined),
                () = tokio::time::sleep_until(wake) => {}
            }
            while let Some(joined) = self.runs.try_join_next_with_id() {
                self.joined(joined);
            }
        }
    }

    fn tick(&mut self, tick: Tick, now: Moment) {
        let fate = self.pool.tick(tick.key, now);
        if let Some(counts) = self.table.counts(tick.key) {
            counts.skipped += tick.missed;
            match fate {
                TickFate::Queued => {}
                TickFate::StillRunning | TickFate::StillWaiting => counts.skipped += 1,
                TickFate::HeldBack => counts.held_back += 1,
            }
        }
        let Some(entry) = self.table.entries.get_mut(&tick.key) else { return };
        if matches!(fate, TickFate::Queued | TickFate::StillWaiting) {
            entry.tick = tick.at;
            entry.waits = true;
        }
        if fate != TickFate::Queued && self.pool.lane(tick.key) == Some(Lane::Probation) {
            self.say_down(tick.key);
        }
    }

    /// `up` goes on at its pace though nobody asks the target.
    fn say_down(&self, key: TargetKey) {
        let Some(entry) = self.table.entries.get(&key).filter(|entry| entry.leaving.is_none()) else {
            return;
        };
        let Some(up) = entry.series.up else { return };
        let mut builder = BatchBuilder::new();
        builder.push(up, (self.config.wall)(), Value::I64(0), None);
        self.door.accept(entry.origin, builder.build());
    }

    fn advance(&mut self, now: Moment) {
        loop {
            let effects = self.pool.advance(now);
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                match effect {
                    Effect::Start(key) => self.start(key, now),
                    Effect::Cut(key) => {
                        if let Some(run) = self.table.entries.get_mut(&key).and_then(|e| e.run.as_mut()) {
                            run.cut = None;
                        }
                    }
                }
            }
        }
    }

    fn start(&mut self, key: TargetKey, now: Moment) {
        let Some(entry) = self.table.entries.get_mut(&key) else {
            self.pool.finished(key, Duration::ZERO, RunEnd::Answered);
            return;
        };
        entry.waits = false;
        entry.seen.lateness = now.saturating_sub(entry.tick);
        let started = (self.config.wall)();
        let made = entry.probe.take().map_or_else(
            || match made_by(&self.modules, &entry.spec) {
                Ok(module) => module.probe(&entry.spec, &entry.target),
                Err(error) => Err(error.to_string()),
            },
            Ok,
        );
        let probe = match made {
            Ok(probe) => probe,
            Err(reason) => {
                entry.note_error(started, "failed", reason);
                self.pool.finished(key, Duration::ZERO, RunEnd::Answered);
                return;
            }
        };
        let begun = self.begun + now;
        let context = Context {
            door: self.door.clone(),
            origin: entry.origin,
            spec: entry.spec.clone(),
            target: entry.target.clone(),
            started,
            begun,
            deadline: begun + entry.spec.deadline.min(entry.spec.period),
        };
        let (cut, is_cut) = oneshot::channel();
        let declared = std::mem::take(&mut entry.declared);
        let task = self.runs.spawn(run::run(probe, declared, context, is_cut));
        self.tasks.insert(task.id(), key);
        entry.run = Some(Running { started, begun: now, cut: Some(cut) });
    }

    fn joined(&mut self, joined: Result<(Id, Finished), JoinError>) {
        let (id, finished) = match joined {
            Ok((id, finished)) => (id, Ok(finished)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some(key) = self.tasks.remove(&id) else { return };
        let Some(run) = self.table.entries.get_mut(&key).and_then(|entry| entry.run.take()) else { return };
        let finished = finished.unwrap_or_else(|error| {
            // The probe panicked while its future was dropped: nothing of the run is left.
            let text = error.try_into_panic().map_or_else(|e| e.to_string(), |panic| panic_text(&*panic));
            let took = self.begun.elapsed().saturating_sub(run.begun);
            Finished::lost(Ended::Panicked(text), took, run.started)
        });
        self.finish(key, finished);
    }

    fn finish(&mut self, key: TargetKey, mut finished: Finished) {
        let Some(entry) = self.table.entries.get_mut(&key) else { return };
        let deadline = entry.spec.deadline.min(entry.spec.period);
        let end = match &finished.ended {
            Ended::Cut => RunEnd::Cut,
            Ended::DeadlinePassed | Ended::Failed(CollectError::TimedOut(_)) => RunEnd::Silent,
            Ended::Failed(_) | Ended::Panicked(_) if finished.took > deadline / 2 => RunEnd::Silent,
            Ended::Answered | Ended::Failed(_) | Ended::Panicked(_) => RunEnd::Answered,
        };
        let after = self.pool.finished(key, finished.took, end);
        entry.probe = finished.probe.take();
        entry.declared = std::mem::take(&mut finished.declared);
        entry.series.take(&mut finished);
        if finished.ended == Ended::Cut {
            entry.waits = after == After::Requeued;
        } else {
            let seen = &mut entry.seen;
            seen.up = Some(finished.ended == Ended::Answered);
            seen.last_duration = Some(finished.took);
            seen.samples = finished.samples;
            seen.failing = finished.ended != Ended::Answered || !finished.parts.is_empty();
            entry.note_parts(finished.started, &finished.parts, finished.more_parts);
        }
        let error = match &finished.ended {
            Ended::Cut => None,
            Ended::Answered => {
                entry.seen.last_success = Some(finished.started);
                entry.series.stale = false;
                None
            }
            Ended::Panicked(text) => {
                entry.note_error(finished.started, "panicked", format!("the probe panicked: {text}"));
                None
            }
            Ended::DeadlinePassed => Some(no_answer_within(&entry.spec)),
            Ended::Failed(error) => Some(error.clone()),
        };
        if let Some(error) = error {
            entry.note_error(finished.started, error.word(), error.to_string());
            if error.is_of_whole_target() && !std::mem::replace(&mut entry.series.stale, true) {
                let silent = entry.series.not_in_last();
                if !silent.is_empty() {
                    self.door.set_life(&silent, Life::Stale, &format!("target {error}"));
                }
            }
        }
        let leaves = entry.leaving.is_some();
        self.count(key, &finished);
        if leaves {
            self.forget(key);
        } else if finished.ended == Ended::Cut && self.pool.lane(key) == Some(Lane::Probation) {
            self.say_down(key);
        }
    }

    fn count(&mut self, key: TargetKey, finished: &Finished) {
        let Some(counts) = self.table.counts(key) else { return };
        counts.samples += finished.samples;
        counts.part_failures += finished.parts.len() as u64 + finished.more_parts;
        counts.runs += u64::from(finished.ended != Ended::Cut);
        match &finished.ended {
            Ended::Answered => {}
            Ended::Cut => counts.cuts += 1,
            Ended::DeadlinePassed | Ended::Failed(CollectError::TimedOut(_)) => counts.timeouts += 1,
            Ended::Failed(_) => counts.failures += 1,
            Ended::Panicked(_) => {
                counts.failures += 1;
                counts.panics += 1;
            }
        }
    }

    fn pool_status(&self) -> PoolStatus {
        PoolStatus {
            limit: self.limit,
            busy: self.pool.busy(),
            queued: self.pool.queued(),
            probation: self.pool.on_probation(),
        }
    }

    fn status(&self) -> EngineStatus {
        let now = self.begun.elapsed();
        let collectors = self.table.collectors.values().map(|collector| {
            let entries =
                collector.targets.iter().filter_map(|key| Some((*key, self.table.entries.get(key)?)));
            let targets: Vec<_> = entries.map(|(key, entry)| entry.status(key, &self.pool, now)).collect();
            CollectorStatus {
                name: collector.spec.name.clone(),
                module: collector.module,
                cluster: collector.spec.cluster.clone(),
                period: collector.spec.period,
                counts: collector.counts,
                in_flight: targets.iter().filter(|target| target.in_flight).count(),
                targets,
            }
        });
        EngineStatus { pool: self.pool_status(), collectors: collectors.collect() }
    }

    async fn drain(&mut self, grace: Duration) {
        self.wait_for_runs(grace).await;
        for entry in self.table.entries.values_mut() {
            if let Some(run) = &mut entry.run {
                run.cut = None;
            }
        }
        self.wait_for_runs(LAST_MOMENT).await;
        self.report(self.begun.elapsed());
    }

    fn report(&mut self, now: Moment) {
        let pool = self.pool_status();
        self.reporter.report(&*self.door, &mut self.table, pool, now);
    }

    async fn wait_for_runs(&mut self, patience: Duration) {
        let end = Instant::now() + patience;
        while let Ok(Some(joined)) = tokio::time::timeout_at(end, self.runs.join_next_with_id()).await {
            self.joined(joined);
        }
    }
}

impl Finished {
    fn lost(ended: Ended, took: Duration, started: i64) -> Self {
        Self {
            probe: None,
            declared: Declared::default(),
            ended,
            took,
            started,
            series: Vec::new(),
            samples: 0,
            up: None,
            gone: Vec::new(),
            parts: Vec::new(),
            more_parts: 0,
        }
    }
}
