//! Which runs go on at once: a bounded pool in which hung targets cost only their own samples.
//!
//! The invariant: runs at once never exceed the global bound, the module's and the address's, and in each of those
//! bounds targets of doubtful standing hold only a share, so that room is left for the ones that answer.
//!
//! A target stands in one of four lanes ([`Lane`]). Who answers is *trusted* and may use every slot. Who has never been
//! asked is *fresh* and has half of them, because hundreds of new targets may all hang. Who timed out is on *probation*:
//! an eighth, with back-off. An eighth is kept for the trusted alone. That leaves those that hang in the first round, or all at the same moment though they
//! always answered. For them each run has a **patience**: long for the target (it took longer than four times what it
//! ever took lately; a fresh one has a grace), short for the deadline. A run past its patience is let go on while nobody
//! needs its slot; where somebody waits who would be helped, it is **cut**: asked again soon in the lane *doubtful* (half
//! of the slots), with four times the patience each time up to the full deadline. So being slow is no offence,
//! a cut is no verdict on the target, and nobody who answers waits for long behind those who do not.
//!
//! Waiting is fair: collectors take turns within a lane. This module reads no clock and starts nothing: it is told what
//! happened and answers with effects.

mod bound;
mod standing;
mod waiting;

#[cfg(test)]
mod tests;

pub use bound::Lane;

use crate::schedule::{Moment, TargetKey};
use crate::spec::PoolSpec;
use bound::Bound;
use standing::{Standing, Verdict};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
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
    spec: PoolSpec,
    global: Bound,
    modules: BTreeMap<Arc<str>, Bound>,
    addresses: HashMap<Arc<str>, Address>,
    members: HashMap<TargetKey, Member>,
    waiting: Waiting,
    parked: usize,
    /// Runs ever started.
    starts: u64,
    /// Runs that may be cut, by the end of their patience.
    patience: BTreeSet<(Moment, TargetKey)>,
    /// Runs of targets that were removed: to be cut whatever their patience.
    leaving: Vec<TargetKey>,
}

#[derive(Debug)]
struct Address {
    bound: Bound,
    parked: VecDeque<TargetKey>,
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
    Queued,
    /// First in its queue, but its address is busy.
    Parked,
    Running {
        lane: Lane,
        patience: Moment,
        cutting: bool,
    },
}

impl Pool {
    /// An empty pool.
    pub fn new(spec: PoolSpec) -> Self {
        Self {
            global: Bound::new(spec.global),
            spec,
            modules: BTreeMap::new(),
            addresses: HashMap::new(),
            members: HashMap::new(),
            waiting: Waiting::default(),
            parked: 0,
            starts: 0,
            patience: BTreeSet::new(),
            leaving: Vec::new(),
        }
    }

    /// Changes the bounds. Runs above a lower bound go on; none starts until there is room.
    pub fn set_bounds(&mut self, spec: PoolSpec) {
        self.global.set_limit(spec.global);
        for (name, bound) in &mut self.modules {
            bound.set_limit(module_limit(&spec, name));
        }
        self.addresses.values_mut().for_each(|address| address.bound.set_limit(spec.per_target));
        self.spec = spec;
    }

    /// Adds a target, in lane [`Lane::Fresh`].
    pub fn add(&mut self, key: TargetKey, facts: Facts) {
        let limit = module_limit(&self.spec, &facts.module);
        self.modules.entry(facts.module.clone()).or_insert_with(|| Bound::new(limit));
        let member = Member { facts, standing: Standing::default(), state: State::Idle, removed: false };
        self.members.insert(key, member);
    }

    /// Forgets a target; answers whether a run of it goes on, which [`Pool::advance`] then cuts.
    pub fn remove(&mut self, key: TargetKey) -> bool {
        let Some(member) = self.members.get_mut(&key) else { return false };
        match member.state {
            State::Running { .. } => {
                member.removed = true;
                self.leaving.push(key);
                return true;
            }
            State::Queued => {
                let lane = member.standing.lane();
                self.waiting.remove(lane, &member.facts.module, member.facts.collector, key);
            }
            State::Parked => {
                if let Some(address) = member.facts.address.as_ref().and_then(|a| self.addresses.get_mut(a)) {
                    address.parked.retain(|other| *other != key);
                    self.parked -= 1;
                }
            }
            State::Idle => {}
        }
        self.members.remove(&key);
        false
    }

    /// A target's turn has come.
    pub fn tick(&mut self, key: TargetKey) -> TickFate {
        let Some(member) = self.members.get_mut(&key).filter(|member| !member.removed) else {
            return TickFate::HeldBack;
        };
        match member.state {
            State::Running { .. } => TickFate::StillRunning,
            State::Queued | State::Parked => TickFate::StillWaiting,
            State::Idle if member.standing.holds_back() => TickFate::HeldBack,
            State::Idle => {
                self.enqueue(key);
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
        let State::Running { lane, patience, cutting, .. } = member.state else { return After::Rests };
        member.state = State::Idle;
        self.patience.remove(&(patience, key));
        self.global.release(lane, cutting);
        if let Some(bound) = self.modules.get_mut(&member.facts.module) {
            bound.release(lane, cutting);
        }
        let verdict = member.standing.judge(end, took, &member.facts, key);
        let removed = member.removed;
        if let Some(name) = member.facts.address.clone() {
            self.release_address(&name, lane, cutting);
        }
        if removed {
            self.members.remove(&key);
            return After::Removed;
        }
        match verdict {
            Verdict::Rests => After::Rests,
            Verdict::TryAgain => {
                self.enqueue(key);
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
        self.global.busy()
    }

    /// How many targets wait for a slot.
    pub fn queued(&self) -> usize {
        self.waiting.len() + self.parked
    }

    /// How many targets are on probation.
    pub fn on_probation(&self) -> usize {
        self.members.values().filter(|member| member.standing.lane() == Lane::Probation).count()
    }

    /// The lane a target stands in.
    pub fn lane(&self, key: TargetKey) -> Option<Lane> {
        self.members.get(&key).map(|member| member.standing.lane())
    }

    fn enqueue(&mut self, key: TargetKey) {
        if let Some(member) = self.members.get_mut(&key) {
            member.state = State::Queued;
            let facts = &member.facts;
            self.waiting.push_back(member.standing.lane(), &facts.module, facts.collector, key);
        }
    }

    fn fill(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        loop {
            let next = self.order().into_iter().find_map(|lane| Some((lane, self.pop(lane)?)));
            let Some((lane, key)) = next else { return };
            if !self.park(key, lane) {
                self.starts += 1;
                self.start(key, now);
                effects.push(Effect::Start(key));
            }
        }
    }

    /// Which lane is served first: the best, but at every eighth start another, so that an overcommitted pool does not
    /// keep those out for ever who are not trusted yet.
    fn order(&self) -> [Lane; 4] {
        let [trusted, a, b, c] = Lane::ALL;
        match self.starts % 24 {
            7 => [a, trusted, b, c],
            15 => [b, trusted, a, c],
            23 => [c, trusted, a, b],
            _ => Lane::ALL,
        }
    }

    /// The next of a lane for which there is room.
    fn pop(&mut self, lane: Lane) -> Option<TargetKey> {
        if self.global.blocked(lane).is_some() {
            return None;
        }
        let modules = &self.modules;
        let admits = |name: &str| modules.get(name).is_none_or(|bound| bound.blocked(lane).is_none());
        self.waiting.pop(lane, admits)
    }

    /// Sets a target aside whose address is busy, so that those behind it do not wait for it.
    fn park(&mut self, key: TargetKey, lane: Lane) -> bool {
        let Some(member) = self.members.get_mut(&key) else { return false };
        let Some(name) = &member.facts.address else { return false };
        let limit = self.spec.per_target;
        let address = self
            .addresses
            .entry(name.clone())
            .or_insert_with(|| Address { bound: Bound::new(limit), parked: VecDeque::new() });
        if address.bound.blocked(lane).is_none() {
            return false;
        }
        address.parked.push_back(key);
        self.parked += 1;
        member.state = State::Parked;
        true
    }

    fn start(&mut self, key: TargetKey, now: Moment) {
        let Some(member) = self.members.get_mut(&key) else { return };
        let lane = member.standing.lane();
        let deadline = member.facts.deadline;
        let patience = member.standing.patience(deadline);
        if patience < deadline {
            self.patience.insert((now + patience, key));
        }
        member.state = State::Running { lane, patience: now + patience, cutting: false };
        self.global.take(lane);
        if let Some(bound) = self.modules.get_mut(&member.facts.module) {
            bound.take(lane);
        }
        if let Some(address) = member.facts.address.as_ref().and_then(|name| self.addresses.get_mut(name)) {
            address.bound.take(lane);
        }
    }

    fn release_address(&mut self, name: &Arc<str>, lane: Lane, cutting: bool) {
        let Some(address) = self.addresses.get_mut(name) else { return };
        address.bound.release(lane, cutting);
        let parked = std::mem::take(&mut address.parked);
        if address.bound.busy() == 0 {
            self.addresses.remove(name);
        }
        self.parked -= parked.len();
        for key in parked.into_iter().rev() {
            if let Some(member) = self.members.get_mut(&key) {
                member.state = State::Queued;
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
        if let Some(address) = facts.address.as_ref().and_then(|name| self.addresses.get(name)) {
            let lanes = address.parked.iter().filter_map(|key| self.lane(*key));
            let helped = lanes.filter(|waiting| address.bound.cut_helps(*waiting, running)).count();
            if helped > address.bound.cutting() {
                return true;
            }
        }
        let (mut by_module, mut globally) = (0, 0);
        for (waiting, name, count) in self.waiting.counts() {
            let Some(bound) = self.modules.get(name) else { continue };
            if bound.blocked(waiting).is_none() {
                globally += if self.global.cut_helps(waiting, running) { count } else { 0 };
            } else if *name == facts.module && bound.cut_helps(waiting, running) {
                by_module += count;
            }
        }
        globally > self.global.cutting()
            || self.modules.get(&facts.module).is_some_and(|bound| by_module > bound.cutting())
    }

    fn cut(&mut self, key: TargetKey, effects: &mut Vec<Effect>) {
        let Some(member) = self.members.get_mut(&key) else { return };
        let State::Running { patience, cutting, .. } = &mut member.state else { return };
        self.patience.remove(&(*patience, key));
        if std::mem::replace(cutting, true) {
            return;
        }
        self.global.begin_cut();
        if let Some(bound) = self.modules.get_mut(&member.facts.module) {
            bound.begin_cut();
        }
        if let Some(address) = member.facts.address.as_ref().and_then(|name| self.addresses.get_mut(name)) {
            address.bound.begin_cut();
        }
        effects.push(Effect::Cut(key));
    }
}

fn module_limit(spec: &PoolSpec, name: &str) -> usize {
    spec.per_module.get(name).copied().unwrap_or(usize::MAX)
}
