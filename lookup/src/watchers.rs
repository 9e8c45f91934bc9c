//! Who watches, and what each has not been told yet. Nobody waits for a watcher: one that falls behind its bound loses
//! its queue and is told so, by a reset.

use crate::admission::Entry;
use crate::leases::LeaseState;
use crate::transitions::{Seen, Transition};
use hashbrown::HashMap;
use hedgerow_model::template::Matcher;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Most transitions that wait for one watcher; with more it is reset.
pub const MAX_PENDING: usize = 4096;
/// Most watchers of a lookup; more are refused.
pub const MAX_WATCHERS: usize = 10_000;

/// Names a watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatcherId(u64);

/// A registration as it stands, or stood at its transition.
#[derive(Debug, Clone)]
pub struct Sight {
    /// What is registered.
    pub entry: Arc<Entry>,
    /// How sure that is.
    pub state: LeaseState,
    /// How long its lease will still run; zero where it is gone.
    pub remaining: Duration,
    /// For how long it was granted.
    pub granted: Duration,
    /// Number of its last transition.
    pub number: u64,
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
    /// Nothing of interest up to here.
    Idle,
}

#[derive(Debug)]
struct Watcher {
    template: Matcher,
    pending: VecDeque<(Arc<Transition>, Seen)>,
    lost: bool,
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
    next: u64,
    max_pending: usize,
}

impl Watchers {
    /// Nobody yet; at most `max_pending` transitions will wait for each.
    pub fn new(max_pending: usize) -> Self {
        Self { watchers: HashMap::new(), next: 0, max_pending }
    }

    /// How many watch.
    pub fn count(&self) -> usize {
        self.watchers.len()
    }

    /// Adds a watcher.
    pub fn add(&mut self, template: Matcher) -> WatcherId {
        self.next += 1;
        let id = WatcherId(self.next);
        self.watchers.insert(id, Watcher { template, pending: VecDeque::new(), lost: false });
        id
    }

    /// Takes a watcher out.
    pub fn remove(&mut self, id: WatcherId) {
        self.watchers.remove(&id);
    }

    /// The template of a watcher.
    pub fn template(&self, id: WatcherId) -> Option<&Matcher> {
        self.watchers.get(&id).map(|watcher| &watcher.template)
    }

    /// Queues a transition for those whom it concerns, and names those who have to be woken.
    ///
    /// Asks every watcher; an index from what changed to templates would stand here.
    pub fn offer(&mut self, transition: &Arc<Transition>, woken: &mut Vec<WatcherId>) {
        for (id, watcher) in &mut self.watchers {
            if watcher.lost {
                continue;
            }
            let Some(seen) = transition.seen_by(&watcher.template) else { continue };
            if watcher.pending.is_empty() {
                woken.push(*id);
            }
            if watcher.pending.len() < self.max_pending {
                watcher.pending.push_back((Arc::clone(transition), seen));
            } else {
                watcher.pending = VecDeque::new();
                watcher.lost = true;
            }
        }
    }

    /// Takes up to `most` of what waits for a watcher. One that lost some begins anew by this.
    pub fn take(&mut self, id: WatcherId, most: usize) -> Pending {
        let Some(watcher) = self.watchers.get_mut(&id) else { return Pending::Transitions(Vec::new()) };
        if std::mem::take(&mut watcher.lost) {
            return Pending::Lost;
        }
        let count = watcher.pending.len().min(most);
        Pending::Transitions(watcher.pending.drain(..count).collect())
    }
}
