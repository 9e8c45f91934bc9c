//! The log: the latest transitions of the directory, numbered, in a bounded ring. What each means to a watcher depends
//! on the watcher's template.

use crate::admission::Entry;
use crate::leases::{LeaseId, LeaseState, Suspicion};
use hedgerow_model::template::Matcher;
use std::collections::VecDeque;
use std::sync::Arc;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// A service registered that was not here.
    Registered,
    /// A service changed what it says of itself.
    Body,
    /// A lease became more, or less, certain.
    State,
    /// A service went.
    Cancelled,
    /// A lease ran out.
    Expired,
    /// The lookup suspects itself or the network, or no longer does: of no registration, and told to all.
    Suspicion(Suspicion),
}

/// One change of the directory.
#[derive(Debug)]
pub struct Transition {
    /// Dense, from 1, within the lookup's epoch.
    pub number: u64,
    /// What happened.
    pub happened: Happened,
    /// What was registered before.
    pub before: Option<Arc<Entry>>,
    /// What is registered after.
    pub after: Option<Arc<Entry>>,
    /// The lease that is meant.
    pub lease: LeaseId,
    /// Its state after.
    pub state: LeaseState,
}

/// What a transition is to those who watch with one template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Appeared, because it registered.
    Registered,
    /// Appeared, because it changed and matches now.
    Matched,
    /// Changed what it says of itself.
    Body,
    /// Is more, or less, certain.
    State,
    /// Disappeared: it went.
    Cancelled,
    /// Disappeared: its lease ran out.
    Expired,
    /// Disappeared: it changed and matches no more.
    Unmatched,
    /// Of the lookup itself.
    Suspicion(Suspicion),
}

impl Transition {
    /// What this is to a watcher with this template; `None`: nothing.
    pub fn seen_by(&self, template: &Matcher) -> Option<Seen> {
        if let Happened::Suspicion(suspicion) = self.happened {
            return Some(Seen::Suspicion(suspicion));
        }
        let matches = |entry: &Option<Arc<Entry>>| {
            entry.as_ref().is_some_and(|entry| template.matches(&entry.registration))
        };
        let before = matches(&self.before);
        // A change of state leaves the body as it was.
        let after = if self.happened == Happened::State { before } else { matches(&self.after) };
        match (before, after) {
            (false, false) => None,
            (false, true) if self.before.is_none() => Some(Seen::Registered),
            (false, true) => Some(Seen::Matched),
            (true, true) if self.happened == Happened::State => Some(Seen::State),
            (true, true) => Some(Seen::Body),
            (true, false) => Some(match self.happened {
                Happened::Cancelled => Seen::Cancelled,
                Happened::Expired => Seen::Expired,
                _ => Seen::Unmatched,
            }),
        }
    }

    /// What it makes the log hold, about.
    fn bytes(&self) -> usize {
        let held = |entry: &Option<Arc<Entry>>| entry.as_ref().map_or(0, |entry| entry.held_bytes());
        let after = if self.happened == Happened::State { 0 } else { held(&self.after) };
        size_of::<Self>() + held(&self.before) + after
    }
}

/// Bounds of the log: with more, the oldest is trimmed, and who wants to resume before it is reset.
#[derive(Debug, Clone, Copy)]
pub struct LogBounds {
    /// Most transitions.
    pub transitions: usize,
    /// Most bytes of memory, about.
    pub bytes: usize,
}

impl Default for LogBounds {
    fn default() -> Self {
        Self { transitions: 65_536, bytes: 64 << 20 }
    }
}

/// The latest transitions.
#[derive(Debug)]
pub struct Log {
    kept: VecDeque<Arc<Transition>>,
    bounds: LogBounds,
    bytes: usize,
    head: u64,
}

impl Log {
    /// An empty one.
    pub const fn new(bounds: LogBounds) -> Self {
        Self { kept: VecDeque::new(), bounds, bytes: 0, head: 0 }
    }

    /// The number of the last transition; 0: none yet.
    pub const fn head(&self) -> u64 {
        self.head
    }

    /// Adds the transition that [`Log::head`] + 1 numbers.
    pub fn push(&mut self, transition: Arc<Transition>) {
        self.head = transition.number;
        self.bytes += transition.bytes();
        self.kept.push_back(transition);
        while self.kept.len() > self.bounds.transitions || self.bytes > self.bounds.bytes {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.bytes -= oldest.bytes();
        }
    }

    /// The transition with this number, while it is kept.
    pub fn get(&self, number: u64) -> Option<&Arc<Transition>> {
        let behind = usize::try_from(self.head.checked_sub(number)?).ok()?;
        self.kept.get(self.kept.len().checked_sub(behind + 1)?)
    }

    /// All transitions after `number`; `None` where some of them are kept no more, or it is no number of ours.
    pub fn after(&self, number: u64) -> Option<impl Iterator<Item = &Arc<Transition>>> {
        let missed = usize::try_from(self.head.checked_sub(number)?).ok()?;
        let skip = self.kept.len().checked_sub(missed)?;
        Some(self.kept.iter().skip(skip))
    }
}
