//! Nobody waits for ever: who has waited longest may start before better lanes, in an eighth of each bound.
//!
//! A target **ages**: one that waits for its period, or [`PATIENT`], may go by age, a fresh one at once. The
//! **elder** is the one of those that has waited longest and whose bounds all have something left of the eighth.
//! It must fit like anybody else, so shares hold. What makes it certain to start:
//!
//! - an older one that lacks the eighth of a narrow bound keeps that bound's from younger ones;
//! - the elder comes first when a slot is freed, and a slot it needs is kept from others while it waits for one in a
//!   wider bound (address, module, global, in this order: of the widest a slot is never kept idle).
//!
//! So the oldest of all waits, in each of its three bounds, at most for a run and a rest of the eighth and then for a
//! run that holds a slot, and all others have one fewer before them.

use super::{Facts, Lane, Pool};
use crate::schedule::{Moment, TargetKey};
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

/// A target that waits so long goes by age though its period is longer.
const PATIENT: Duration = Duration::from_secs(60);
/// How many of the oldest are looked at for one that may start. Those after them wait until these have.
const OLDEST: usize = 64;

/// Who waits, by the moment at which they may go by age.
#[derive(Debug, Default)]
pub(super) struct Ages(BTreeSet<(Moment, TargetKey)>);

/// The one whose turn by age it is.
#[derive(Debug)]
pub(super) struct Elder {
    pub key: TargetKey,
    pub lane: Lane,
    pub facts: Facts,
}

impl Ages {
    /// The target waits from now on; answers when it may go by age.
    pub fn add(&mut self, key: TargetKey, lane: Lane, period: Duration, now: Moment) -> Moment {
        let wait = if lane == Lane::Fresh { Duration::ZERO } else { period.min(PATIENT) };
        self.0.insert((now + wait, key));
        now + wait
    }

    /// It waits no more.
    pub fn remove(&mut self, key: TargetKey, ages: Moment) {
        self.0.remove(&(ages, key));
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    fn oldest(&self, now: Moment) -> impl Iterator<Item = TargetKey> {
        self.0.iter().take(OLDEST).take_while(move |(ages, _)| *ages <= now).map(|(_, key)| *key)
    }
}

impl Pool {
    /// Names the elder anew.
    pub(super) fn choose_elder(&mut self, now: Moment) {
        let elder = self.eldest(now);
        if elder == self.elder.as_ref().map(|elder| elder.key) {
            return;
        }
        let member = elder.and_then(|key| Some((key, self.members.get(&key)?)));
        let elder = member.map(|(key, member)| {
            let (lane, facts) = (member.standing.lane(), member.facts.clone());
            Elder { key, lane, facts }
        });
        // No slot is kept for the last one any more: let those see who were set aside for it.
        if let Some(address) = std::mem::replace(&mut self.elder, elder).and_then(|last| last.facts.address) {
            self.unpark(&address);
        }
    }

    fn eldest(&self, now: Moment) -> Option<TargetKey> {
        if !self.bounds.global.admits_aged(now) {
            return None;
        }
        let (mut addresses, mut modules) = (HashSet::new(), HashSet::new());
        self.ages.oldest(now).find(|key| {
            let Some(facts) = self.members.get(key).map(|member| &member.facts) else { return false };
            // In this order: who lacks the eighth of its address keeps its module's from nobody.
            facts.address.as_ref().is_none_or(|name| addresses.insert(name))
                && self.bounds.address(facts).is_none_or(|bound| bound.admits_aged(now))
                && modules.insert(&facts.module)
                && self.bounds.module(&facts.module).is_none_or(|bound| bound.admits_aged(now))
        })
    }

    /// The elder, if there is room for it, taken from its queue.
    pub(super) fn pop_elder(&mut self) -> Option<TargetKey> {
        let Elder { key, lane, facts } = self.elder.as_ref()?;
        if self.bounds.of(facts).any(|bound| bound.blocked(*lane).is_some()) {
            return None;
        }
        let key = *key;
        self.dequeue(key);
        Some(key)
    }

    /// Whether a slot of this address is kept for the elder, so that none of `lane` may have it.
    pub(super) fn address_kept(&self, address: &str, lane: Lane) -> bool {
        self.elder.as_ref().is_some_and(|elder| {
            elder.facts.address.as_deref() == Some(address)
                && self.bounds.address(&elder.facts).is_some_and(|bound| bound.would_bar(lane, elder.lane))
        })
    }

    /// Whether a slot of this module is kept for the elder: only once it has one of its address.
    pub(super) fn module_kept(&self, module: &str, lane: Lane) -> bool {
        self.elder.as_ref().is_some_and(|elder| {
            *elder.facts.module == *module
                && self.bounds.address(&elder.facts).is_none_or(|bound| bound.blocked(elder.lane).is_none())
                && self.bounds.module(module).is_some_and(|bound| bound.would_bar(lane, elder.lane))
        })
    }
}
