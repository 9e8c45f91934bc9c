//! Who watches, and what each has not been told yet. Nobody waits for a watcher: one that falls behind its bound, or behind
//! the log, loses its queue and is told so, by a reset.
//!
//! A queue has numbers only, eight bytes each; what they number is held by the log, and within its bounds.

use crate::leases::{LeaseState, Suspicion};
use crate::refusal::Holder;
use crate::registry::Shown;
use crate::transitions::{Happened, Log, Seen, Transition};
use hashbrown::HashMap;
use hedgerow_model::template::Matcher;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

mod index;

use index::Index;

/// Most transitions that wait for one watcher; with more it is reset. Several times what becomes suspect at once.
pub const MAX_PENDING: usize = 16_384;
/// Most watchers of a lookup; more are refused.
pub const MAX_WATCHERS: usize = 10_000;

/// Names a watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatcherId(u64);

/// A registration as it stands, or stood at its transition.
#[derive(Debug, Clone)]
pub struct Sight {
    /// What is registered.
    pub entry: Shown,
    /// How sure that is.
    pub state: LeaseState,
    /// How long its lease will still run; zero where it is gone.
    pub remaining: Duration,
    /// For how long it was granted.
    pub granted: Duration,
    /// Number of its last transition.
    pub number: u64,
    /// Another process runs with its identity, and is refused. Mostly there is none: held by reference to keep this small.
    pub clone: Option<Arc<Holder>>,
}

/// Something that a watcher is told.
#[derive(Debug, Clone)]
pub struct Event {
    /// Everything up to here has been told. Within a reset and its snapshot 0, so that who breaks off there cannot
    /// take himself for informed.
    pub number: u64,
    /// What.
    pub told: Told,
}

/// What a watcher is told.
#[derive(Debug, Clone)]
pub enum Told {
    /// All known before is void; a snapshot follows. Why, for people.
    Reset(&'static str),
    /// One of the snapshot's registrations.
    Present(Sight),
    /// The snapshot is complete.
    SnapshotEnd,
    /// A transition.
    Seen(Seen, Sight),
    /// The lookup suspects itself or the network, or no longer does; in a snapshot: it does.
    Suspicion(Suspicion),
    /// Nothing of interest up to here.
    Idle,
}

#[derive(Debug)]
struct Watcher {
    template: Matcher,
    /// Numbers in the log.
    pending: VecDeque<u64>,
    lost: bool,
    /// The number of the last transition it was asked about.
    asked: u64,
}

/// What waits for a watcher.
#[derive(Debug)]
pub enum Pending {
    /// Transitions, oldest first; none: it knows everything.
    Transitions(Vec<(Arc<Transition>, Seen)>),
    /// It lost some.
    Lost,
}

/// All who watch.
#[derive(Debug)]
pub struct Watchers {
    watchers: HashMap<WatcherId, Watcher>,
    index: Index,
    next: u64,
    max_pending: usize,
}

impl Watchers {
    /// Nobody yet; at most `max_pending` transitions will wait for each.
    pub fn new(max_pending: usize) -> Self {
        Self { watchers: HashMap::new(), index: Index::default(), next: 0, max_pending }
    }

    /// How many watch.
    pub fn count(&self) -> usize {
        self.watchers.len()
    }

    /// Adds a watcher.
    pub fn add(&mut self, template: Matcher) -> WatcherId {
        self.next += 1;
        let id = WatcherId(self.next);
        self.index.add(id, &template);
        self.watchers.insert(id, Watcher { template, pending: VecDeque::new(), lost: false, asked: 0 });
        id
    }

    /// Takes a watcher out.
    pub fn remove(&mut self, id: WatcherId) {
        if let Some(watcher) = self.watchers.remove(&id) {
            self.index.remove(id, &watcher.template);
        }
    }

    /// The template of a watcher.
    pub fn template(&self, id: WatcherId) -> Option<&Matcher> {
        self.watchers.get(&id).map(|watcher| &watcher.template)
    }

    /// Queues a transition for those whom it concerns, and names those who have to be woken.
    pub fn offer(&mut self, transition: &Arc<Transition>, woken: &mut Vec<WatcherId>) {
        let Self { watchers, index, max_pending, .. } = self;
        if matches!(transition.happened, Happened::Suspicion(_)) {
            watchers.iter_mut().for_each(|(id, watcher)| watcher.offer(*id, transition, *max_pending, woken));
            return;
        }
        let mut ask = |id: WatcherId| {
            if let Some(watcher) = watchers.get_mut(&id) {
                watcher.offer(id, transition, *max_pending, woken);
            }
        };
        for entry in [&transition.before, &transition.after].into_iter().flatten() {
            index.candidates(&entry.registration, &mut ask);
        }
    }

    /// Takes up to `most` of what waits for a watcher. One that lost some, or for whom something waited until the log had
    /// it no more, begins anew by this.
    pub fn take(&mut self, id: WatcherId, most: usize, log: &Log) -> Pending {
        let Some(watcher) = self.watchers.get_mut(&id) else { return Pending::Transitions(Vec::new()) };
        let trimmed = watcher.pending.front().is_some_and(|oldest| !log.has(*oldest));
        if std::mem::take(&mut watcher.lost) || trimmed {
            watcher.pending = VecDeque::new();
            return Pending::Lost;
        }
        let count = watcher.pending.len().min(most);
        let transitions = watcher.pending.drain(..count).filter_map(|number| log.get(number));
        let seen = transitions.filter_map(|t| t.seen_by(&watcher.template).map(|seen| (t, seen)));
        Pending::Transitions(seen.collect())
    }
}

impl Watcher {
    fn offer(
        &mut self,
        id: WatcherId,
        transition: &Arc<Transition>,
        max_pending: usize,
        woken: &mut Vec<WatcherId>,
    ) {
        // The index names a watcher once for each thing by which it found it.
        if self.lost || std::mem::replace(&mut self.asked, transition.number) == transition.number {
            return;
        }
        if transition.seen_by(&self.template).is_none() {
            return;
        }
        if self.pending.is_empty() {
            woken.push(id);
        }
        if self.pending.len() < max_pending {
            self.pending.push_back(transition.number);
        } else {
            self.pending = VecDeque::new();
            self.lost = true;
        }
    }
}
