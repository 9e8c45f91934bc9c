//! Looking into the directory: pages of what matches, snapshots, and what waits for a watcher.

use super::{Directory, Revision};
use crate::index::{Facet, FacetKeys};
use crate::registry::{Listed, Shown};
use crate::transitions::{Seen, Transition};
use crate::watchers::{Event, Pending, Sight, Told, WatcherId};
use hedgerow_model::registration::Id;
use hedgerow_model::template::Matcher;
use std::sync::Arc;
use std::time::Duration;

/// A page of what matches a template.
#[derive(Debug)]
pub struct Page {
    /// What is on it, ordered by id.
    pub sights: Vec<Sight>,
    /// How many match in all.
    pub total: u64,
    /// Whether there are more behind this page.
    pub more: bool,
}

impl Directory {
    /// The registrations after `after` that match: at most `limit` of them, and bodies of `max_bytes`, but at least one.
    pub fn find(
        &mut self,
        now: Duration,
        template: &Matcher,
        after: Option<Id>,
        limit: usize,
        max_bytes: usize,
    ) -> Page {
        self.settle(now);
        let matches = self.registry.matching(template);
        let mut page = Page { sights: Vec::new(), total: matches.len(), more: false };
        let mut bytes = 0;
        for listed in self.registry.page(&matches, after, limit.saturating_add(1)) {
            bytes += listed.entry.signed.body.len();
            page.more = !page.sights.is_empty() && (page.sights.len() >= limit || bytes > max_bytes);
            if page.more {
                break;
            }
            page.sights.push(self.sight(listed));
        }
        page
    }

    /// How many match a template, and which values they have, with at most `limit` values of each field.
    pub fn facets(
        &mut self,
        now: Duration,
        template: &Matcher,
        keys: FacetKeys,
        limit: usize,
    ) -> (u64, Vec<Facet>) {
        self.settle(now);
        self.registry.facets(template, keys, limit)
    }

    /// Adds a watcher, and gives what it is told first: what it missed after `after`, or a snapshot. Both are of this
    /// very moment: what happens from now on comes by [`Directory::drain`].
    pub fn watch(
        &mut self,
        now: Duration,
        template: Matcher,
        after: Option<Revision>,
    ) -> (WatcherId, Vec<Event>) {
        self.settle(now);
        let missed = after.map(|after| self.missed(&template, after));
        let events = match missed {
            None => self.snapshot(&template, None),
            Some(Ok(missed)) if missed.is_empty() => {
                vec![Event { number: self.log.head(), told: Told::Idle }]
            }
            Some(Ok(missed)) => {
                missed.iter().map(|(transition, seen)| self.event(transition, *seen)).collect()
            }
            Some(Err(reason)) => {
                self.counters.resets += 1;
                self.snapshot(&template, Some(reason))
            }
        };
        (self.watchers.add(template), events)
    }

    /// Takes up to `most` of what waits for a watcher; where it lost some, a reset and a snapshot, however long.
    pub fn drain(&mut self, now: Duration, watcher: WatcherId, most: usize) -> Vec<Event> {
        self.settle(now);
        match self.watchers.take(watcher, most, &self.log) {
            Pending::Transitions(pending) => {
                pending.iter().map(|(transition, seen)| self.event(transition, *seen)).collect()
            }
            Pending::Lost => {
                self.counters.resets += 1;
                let template =
                    self.watchers.template(watcher).expect("invariant: who lost something watches");
                self.snapshot(template, Some("more happened than could wait for a reader this slow"))
            }
        }
    }

    /// Lets a watcher go.
    pub fn unwatch(&mut self, watcher: WatcherId) {
        self.watchers.remove(watcher);
    }

    /// How many watch.
    pub fn watching(&self) -> usize {
        self.watchers.count()
    }

    fn missed(
        &self,
        template: &Matcher,
        after: Revision,
    ) -> Result<Vec<(Arc<Transition>, Seen)>, &'static str> {
        if after.epoch != self.epoch {
            return Err("the lookup has restarted");
        }
        // Number 0 stands within a snapshot, too: who resumes from it has not seen its end.
        let missed = (after.number > 0).then(|| self.log.after(after.number)).flatten();
        let missed = missed.ok_or("what happened since is no longer in the log")?;
        Ok(missed.filter_map(|t| t.seen_by(template).map(|seen| (t, seen))).collect())
    }

    fn snapshot(&self, template: &Matcher, reset: Option<&'static str>) -> Vec<Event> {
        let reset = reset.map(|reason| Event { number: 0, told: Told::Reset(reason) });
        let matches = self.registry.matching(template);
        let present = self
            .registry
            .page(&matches, None, usize::MAX)
            .map(|listed| Event { number: 0, told: Told::Present(self.sight(listed)) });
        let suspicion = self.leases.suspicion();
        let suspicion = suspicion.map(|suspicion| Event { number: 0, told: Told::Suspicion(suspicion) });
        let end = Event { number: self.log.head(), told: Told::SnapshotEnd };
        reset.into_iter().chain(present).chain(suspicion).chain([end]).collect()
    }

    fn sight(&self, listed: Listed<Shown>) -> Sight {
        let lease = self.leases.get(listed.lease).expect(super::LISTED_HAS_LEASE);
        Sight {
            clone: self.clone_of(listed.entry.id(), lease).cloned().map(Arc::new),
            entry: listed.entry,
            state: lease.state,
            remaining: self.leases.remaining(lease),
            granted: lease.granted(),
            number: listed.number,
        }
    }

    fn event(&self, transition: &Transition, seen: Seen) -> Event {
        if let Seen::Suspicion(suspicion) = seen {
            return Event { number: transition.number, told: Told::Suspicion(suspicion) };
        }
        let lease = self.leases.get(transition.lease);
        let entry = transition.after.as_ref().or(transition.before.as_ref());
        let entry = entry.expect("invariant: a transition is of something");
        let clone = lease.and_then(|lease| self.clone_of(entry.registration.id, lease));
        let sight = Sight {
            clone: clone.cloned().map(Arc::new),
            entry: Arc::clone(entry).into(),
            state: transition.state,
            remaining: lease.map(|lease| self.leases.remaining(lease)).unwrap_or_default(),
            granted: lease.map(|lease| lease.granted()).unwrap_or_default(),
            number: transition.number,
        };
        Event { number: transition.number, told: Told::Seen(seen, sight) }
    }
}
