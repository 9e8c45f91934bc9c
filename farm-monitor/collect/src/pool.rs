//! Which runs go on at once: a bounded pool in which hung targets cost only their own samples.
//!
//! The invariant: runs at once never exceed the global bound, the module's and the address's, and in each of those
//! bounds targets of doubtful standing hold only a share, so that room is left for the ones that answer.
//!
//! A target stands in one of four lanes ([`Lane`]). Who answers is *trusted* and may use every slot. Who has never been
//! asked is *fresh* and has half of them, because hundreds of new targets may all hang. Who timed out is on *probation*:
//! an eighth, with back-off. An eighth is kept for the trusted alone. That leaves those that hang in the first round, or
//! all at the same moment though they always answered. For them each run has a **patience**: long for the target (it
//! took longer than four times what it ever took lately; a fresh one has a grace), short for the deadline. A run past
//! its patience is let go on while nobody needs its slot; where somebody waits who would be helped, it is **cut**: asked
//! again soon in the lane *doubtful* (half of the slots), with four times the patience each time up to the full deadline.
//! So being slow is no offence, a cut is no verdict on the target, and nobody who answers waits for long behind those
//! who do not.
//!
//! Waiting is fair: collectors take turns within a lane, and an eighth of each bound goes by **age** instead of lane
//! (`pool/elder.rs`). So every target is asked, whatever the bounds, however many hang and however much the better lanes want:
//! the one that waits longest of all waits at most for six runs of others and three rests.
//!
//! In a bound of one slot two promises meet, for there is no room to keep for the trusted. To ask everybody comes first:
//! who was never asked is not even known to hang. The price is bounded: after a run for its age, age rests for seven
//! times as long as that took, so it has an eighth of the slot's time. And an idle slot is given to anyone: a trusted
//! one that comes then waits for the patience of that run. From two slots on, one is always left to the trusted.
//!
//! This module reads no clock and starts nothing: it is told what happened and answers with effects.

mod bound;
mod bounds;
mod elder;
mod standing;
mod waiting;

#[cfg(test)]
mod tests;

pub use bound::Lane;

use crate::schedule::{Moment, TargetKey};
use crate::spec::PoolSpec;
use bound::Bound;
use bounds::Bounds;
use elder::{Ages, Elder};
use standing::{Standing, Verdict};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use waiting::Waiting;

/// What the pool has to know of a target.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Its collector: collectors take turns.
    pub collector: u32,
    /// Its module.
    pub module: Arc<str>,
    /// Its address, bounded by `per_target`; `None` for the farm's own host, which the other bounds protect.
    pub address: Option<Arc<str>>,
    /// How often it is asked.
    pub period: Duration,
    /// How long a run may take.
    pub deadline: Duration,
}

/// What becomes of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TickFate {
    /// The target waits for a slot now; [`Pool::advance`] starts it.
    Queued,
    /// Its run of an earlier tick goes on: this tick is skipped.
    StillRunning,
    /// An earlier tick still waits for a slot: that one is skipped, this one takes its place in the queue.
    StillWaiting,
    /// The target timed out and is given a rest: this tick is held back.
    HeldBack,
}

/// What the engine has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Start a run.
    Start(TargetKey),
    /// Give this run up at once; it holds its slot until [`Pool::finished`] is told.
    Cut(TargetKey),
}

/// How a run ended, as far as the pool cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// The target answered, or failed soon enough to cost nobody anything.
    Answered,
    /// It used up its deadline, or most of it, for nothing.
    Silent,
    /// The pool had it cut.
    Cut,
}

/// Whether the target's tick is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It is.
    Rests,
    /// A cut run waits for another try.
    Requeued,
    /// The target was removed while it ran: it is forgotten now.
    Removed,
}

/// The pool.
#[derive(Debug)]
pub struct Pool {
    bounds: Bounds,
    members: HashMap<TargetKey, Member>,
    waiting: Waiting,
    /// By address, those that came first in their queue while the address was busy.
    parked: HashMap<Arc<str>, VecDeque<TargetKey>>,
    ages: Ages,
    elder: Option<Elder>,
    /// Runs that may be cut, by the end of their patience.
    patience: BTreeSet<(Moment, TargetKey)>,
    /// Runs of targets that were removed: to be cut whatever their patience.
    leaving: Vec<TargetKey>,
}

#[derive(Debug)]
struct Member {
    facts: Facts,
    standing: Standing,
    state: State,
    removed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// Waits, and may go by age from then on.
    Queued {
        ages: Moment,
    },
    /// First in its queue, but its address is busy.
    Parked {
        ages: Moment,
    },
    Running {
        lane: Lane,
        started: Moment,
        patience: Moment,
        /// Started for its age.
        aged: bool,
        cutting: bool,
    },
}

impl Pool {
    /// An empty pool.
    pub fn new(spec: PoolSpec) -> Self {
        Self {
            bounds: Bounds::new(spec),
            members: HashMap::new(),
            waiting: Waiting::default(),
            parked: HashMap::new(),
            ages: Ages::default(),
            elder: None,
            patience: BTreeSet::new(),
            leaving: Vec::new(),
        }
    }

    /// Changes the bounds. Runs above a lower bound go on; none starts until there is room.
    pub fn set_bounds(&mut self, spec: PoolSpec) {
        self.bounds.set(spec);
    }

    /// Adds a target, in lane [`Lane::Fresh`].
    pub fn add(&mut self, key: TargetKey, facts: Facts) {
        self.bounds.join(&facts);
        let member = Member { facts, standing: Standing::default(), state: State::Idle, removed: false };
        self.members.insert(key, member);
    }

    /// Forgets a target; answers whether a run of it goes on, which [`Pool::advance`] then cuts.
    pub fn remove(&mut self, key: TargetKey) -> bool {
        let Some(member) = self.members.get_mut(&key) else { return false };
        if matches!(member.state, State::Running { .. }) {
            member.removed = true;
            self.leaving.push(key);
            return true;
        }
        self.dequeue(key);
        self.forget(key);
        false
    }

    /// A target's turn has come.
    pub fn tick(&mut self, key: TargetKey, now: Moment) -> TickFate {
        let Some(member) = self.members.get_mut(&key).filter(|member| !member.removed) else {
            return TickFate::HeldBack;
        };
        match member.state {
            State::Running { .. } => TickFate::StillRunning,
            State::Queued { .. } | State::Parked { .. } => TickFate::StillWaiting,
            State::Idle if member.standing.holds_back() => TickFate::HeldBack,
            State::Idle => {
                self.enqueue(key, now);
                TickFate::Queued
            }
        }
    }

    /// Starts what can start, and cuts what stands in the way of others.
    pub fn advance(&mut self, now: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        for key in std::mem::take(&mut self.leaving) {
            self.cut(key, &mut effects);
        }
        self.fill(now, &mut effects);
        if self.queued() > 0 {
            self.cut_overdue(now, &mut effects);
        }
        effects
    }

    /// A run has ended and its slot is free. `took` is the time it ran.
    pub fn finished(&mut self, key: TargetKey, took: Duration, end: RunEnd) -> After {
        let Some(member) = self.members.get_mut(&key) else { return After::Removed };
        let State::Running { lane, started, patience, aged, cutting } = member.state else {
            return After::Rests;
        };
        let now = started + took;
        member.state = State::Idle;
        self.patience.remove(&(patience, key));
        self.bounds.each(&member.facts, |bound| {
            bound.release(lane, cutting);
            if aged {
                bound.release_aged(now, took);
            }
        });
        let verdict = member.standing.judge(end, took, &member.facts, key);
        let removed = member.removed;
        if let Some(name) = member.facts.address.clone() {
            self.unpark(&name);
        }
        if removed {
            self.forget(key);
            return After::Removed;
        }
        match verdict {
            Verdict::Rests => After::Rests,
            Verdict::TryAgain => {
                self.enqueue(key, now);
                After::Requeued
            }
        }
    }

    /// When [`Pool::advance`] has something to do though nothing happens: a patience ends while somebody waits.
    pub fn next_wake(&self, now: Moment) -> Option<Moment> {
        if self.queued() == 0 {
            return None;
        }
        let after = (now, TargetKey(u64::MAX));
        self.patience.range(after..).map(|(moment, _)| *moment).find(|moment| *moment > now)
    }

    /// How many runs go on.
    pub fn busy(&self) -> usize {
        self.bounds.global.busy()
    }

    /// How many targets wait for a slot.
    pub fn queued(&self) -> usize {
        self.ages.len()
    }

    /// How many targets are on probation.
    pub fn on_probation(&self) -> usize {
        self.members.values().filter(|member| member.standing.lane() == Lane::Probation).count()
    }

    /// The lane a target stands in.
    pub fn lane(&self, key: TargetKey) -> Option<Lane> {
        self.members.get(&key).map(|member| member.standing.lane())
    }

    fn enqueue(&mut self, key: TargetKey, now: Moment) {
        if let Some(member) = self.members.get_mut(&key) {
            let (lane, facts) = (member.standing.lane(), &member.facts);
            member.state = State::Queued { ages: self.ages.add(key, lane, facts.period, now) };
            self.waiting.push_back(lane, &facts.module, facts.collector, key);
        }
    }

    /// Takes a target out of where it waits.
    fn dequeue(&mut self, key: TargetKey) {
        let Some(Member { facts, standing, state, .. }) = self.members.get(&key) else { return };
        match (*state, &facts.address) {
            (State::Queued { ages }, _) => {
                self.ages.remove(key, ages);
                self.waiting.remove(standing.lane(), &facts.module, facts.collector, key);
            }
            (State::Parked { ages }, Some(name)) => {
                self.ages.remove(key, ages);
                if let Some(parked) = self.parked.get_mut(name) {
                    parked.retain(|other| *other != key);
                }
            }
            _ => {}
        }
    }

    fn forget(&mut self, key: TargetKey) {
        if let Some(member) = self.members.remove(&key) {
            self.bounds.leave(&member.facts);
        }
    }

    fn fill(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        loop {
            self.choose_elder(now);
            let elder = self.pop_elder();
            let Some(key) = elder.or_else(|| Lane::ALL.into_iter().find_map(|lane| self.pop(lane))) else {
                return;
            };
            if elder.is_some() || !self.park(key) {
                self.start(key, now, elder.is_some());
                effects.push(Effect::Start(key));
            }
        }
    }

    /// The next of a lane for which there is room.
    fn pop(&mut self, lane: Lane) -> Option<TargetKey> {
        if self.bounds.global.blocked(lane).is_some() {
            return None;
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        let key = waiting.pop(lane, |module| {
            self.bounds.module(module).is_none_or(|bound| bound.blocked(lane).is_none())
                && !self.module_kept(module, lane)
        });
        self.waiting = waiting;
        key
    }

    /// Sets a target aside whose address is busy, so that those behind it do not wait for it.
    fn park(&mut self, key: TargetKey) -> bool {
        let Some(member) = self.members.get(&key) else { return false };
        let (State::Queued { ages }, Some(name)) = (member.state, &member.facts.address) else {
            return false;
        };
        let lane = member.standing.lane();
        let full = self.bounds.address(&member.facts).is_some_and(|bound| bound.blocked(lane).is_some());
        if !full && !self.address_kept(name, lane) {
            return false;
        }
        self.parked.entry(name.clone()).or_default().push_back(key);
        if let Some(member) = self.members.get_mut(&key) {
            member.state = State::Parked { ages };
        }
        true
    }

    fn start(&mut self, key: TargetKey, now: Moment, aged: bool) {
        let Some(member) = self.members.get_mut(&key) else { return };
        if let State::Queued { ages } | State::Parked { ages } = member.state {
            self.ages.remove(key, ages);
        }
        let lane = member.standing.lane();
        let deadline = member.facts.deadline;
        let patience = member.standing.patience(deadline);
        if patience < deadline {
            self.patience.insert((now + patience, key));
        }
        member.state = State::Running { lane, started: now, patience: now + patience, aged, cutting: false };
        self.bounds.each(&member.facts, |bound| bound.take(lane, aged));
    }

    /// Lets those try again that were set aside for this address.
    fn unpark(&mut self, address: &Arc<str>) {
        for key in self.parked.remove(address).into_iter().flatten().rev() {
            if let Some(member) = self.members.get_mut(&key)
                && let State::Parked { ages } = member.state
            {
                member.state = State::Queued { ages };
                let facts = &member.facts;
                self.waiting.push_front(member.standing.lane(), &facts.module, facts.collector, key);
            }
        }
    }

    fn cut_overdue(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let overdue: Vec<TargetKey> = self
            .patience
            .iter()
            .take_while(|(moment, _)| *moment <= now)
            .map(|(_, key)| *key)
            .filter(|key| self.cut_would_help(*key))
            .collect();
        for key in overdue {
            // Asked again: the cuts before this one may be enough.
            if self.cut_would_help(key) {
                self.cut(key, effects);
            }
        }
    }

    /// Whether more targets wait for what this run holds than there are cuts on their way.
    fn cut_would_help(&self, key: TargetKey) -> bool {
        let Some(member) = self.members.get(&key) else { return false };
        let State::Running { lane: running, .. } = member.state else { return false };
        let facts = &member.facts;
        if let Some(bound) = self.bounds.address(facts) {
            let parked = facts.address.as_ref().and_then(|name| self.parked.get(name)).into_iter().flatten();
            let lanes = parked.filter_map(|key| self.lane(*key));
            if lanes.filter(|waiting| bound.cut_helps(*waiting, running)).count() > bound.cutting() {
                return true;
            }
        }
        let (mut by_module, mut globally) = (0, 0);
        for (waiting, name, count) in self.waiting.counts() {
            let Some(bound) = self.bounds.module(name) else { continue };
            if bound.blocked(waiting).is_none() {
                globally += if self.bounds.global.cut_helps(waiting, running) { count } else { 0 };
            } else if *name == facts.module && bound.cut_helps(waiting, running) {
                by_module += count;
            }
        }
        globally > self.bounds.global.cutting()
            || self.bounds.module(&facts.module).is_some_and(|bound| by_module > bound.cutting())
    }

    fn cut(&mut self, key: TargetKey, effects: &mut Vec<Effect>) {
        let Some(member) = self.members.get_mut(&key) else { return };
        let State::Running { patience, cutting, .. } = &mut member.state else { return };
        self.patience.remove(&(*patience, key));
        if std::mem::replace(cutting, true) {
            return;
        }
        self.bounds.each(&member.facts, Bound::begin_cut);
        effects.push(Effect::Cut(key));
    }
}
