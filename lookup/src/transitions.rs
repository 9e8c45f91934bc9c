//! The log: the latest transitions of the directory, numbered, in a bounded ring. What each means to a watcher depends
//! on the watcher's template.
//!
//! Only the very latest are kept as they are read; of the others it keeps what the registry keeps, packed, and mostly the
//! same bytes. Whoever asks for one of these unpacks it: what is read is not kept.

use crate::admission::Entry;
use crate::leases::{LeaseId, LeaseState, Suspicion};
use crate::registry::{Packed, Packing};
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

    /// What it takes as it is read, about.
    fn read_bytes(&self) -> usize {
        let held = |entry: &Option<Arc<Entry>>| entry.as_ref().map_or(0, |entry| entry.held_bytes());
        let after = if self.happened == Happened::State { 0 } else { held(&self.after) };
        size_of::<Self>() + held(&self.before) + after
    }
}

/// What the log keeps of a transition; the fields are a [`Transition`]'s.
#[derive(Debug)]
struct Kept {
    happened: Happened,
    before: Option<Packed>,
    after: Option<Packed>,
    lease: LeaseId,
    state: LeaseState,
}

impl Kept {
    /// What it makes the log hold, unless the registry has it, too.
    fn bytes(&self) -> usize {
        let packed = |packed: &Option<Packed>| packed.as_ref().map_or(0, Packed::len);
        let after = if self.happened == Happened::State { 0 } else { packed(&self.after) };
        size_of::<Self>() + packed(&self.before) + after
    }

    fn read(&self, number: u64, packing: &Packing) -> Transition {
        let Self { happened, lease, state, .. } = *self;
        let before = self.before.as_ref().map(|packed| packing.entry(packed));
        let after = match happened {
            Happened::State => before.clone(),
            _ => self.after.as_ref().map(|packed| packing.entry(packed)),
        };
        Transition { number, happened, before, after, lease, state }
    }
}

/// Bounds of the log: with more, the oldest is trimmed, and who wants to resume before it is reset.
#[derive(Debug, Clone, Copy)]
pub struct LogBounds {
    /// Most transitions.
    pub transitions: usize,
    /// Most bytes of memory, about; what is still registered, and held anyway, counts as well.
    pub bytes: usize,
}

impl Default for LogBounds {
    fn default() -> Self {
        Self { transitions: 65_536, bytes: 32 << 20 }
    }
}

/// Most bytes, about, of the latest transitions as they are read: a few thousand of the usual ones, several times what
/// waits for a watcher that keeps up. Of more the oldest are read anew by each who asks. (Tests have a few, so that they
/// meet both.)
const MAX_READ_BYTES: usize = if cfg!(test) { 8 << 10 } else { 4 << 20 };

/// The latest transitions.
#[derive(Debug)]
pub struct Log {
    kept: VecDeque<Kept>,
    /// The last of these.
    latest: VecDeque<Arc<Transition>>,
    /// Reads all of them: it is only ever added to.
    packing: Arc<Packing>,
    bounds: LogBounds,
    bytes: usize,
    read_bytes: usize,
    head: u64,
}

impl Log {
    /// An empty one.
    pub fn new(bounds: LogBounds) -> Self {
        Self {
            kept: VecDeque::new(),
            latest: VecDeque::new(),
            packing: Arc::default(),
            bounds,
            bytes: 0,
            read_bytes: 0,
            head: 0,
        }
    }

    /// The number of the last transition; 0: none yet.
    pub const fn head(&self) -> u64 {
        self.head
    }

    /// Adds the transition that [`Log::head`] + 1 numbers; `before` and `after` are its, packed by `packing`.
    pub fn push(
        &mut self,
        transition: Arc<Transition>,
        [before, after]: [Option<Packed>; 2],
        packing: &Arc<Packing>,
    ) {
        let Transition { number, happened, lease, state, .. } = *transition;
        let kept = Kept { happened, before, after, lease, state };
        self.head = number;
        self.packing.clone_from(packing);
        self.bytes += kept.bytes();
        while self.kept.len() >= self.bounds.transitions || self.bytes > self.bounds.bytes {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.bytes();
        }
        self.kept.push_back(kept);
        self.read_bytes += transition.read_bytes();
        self.latest.push_back(transition);
        let too_many = |log: &Self| log.latest.len() > 1 && log.read_bytes > MAX_READ_BYTES;
        while self.latest.len() > self.kept.len() || too_many(self) {
            let Some(oldest) = self.latest.pop_front() else { break };
            self.read_bytes -= oldest.read_bytes();
        }
    }

    /// Whether the transition with this number is kept.
    pub fn has(&self, number: u64) -> bool {
        self.behind(number).is_some_and(|behind| behind < self.kept.len())
    }

    /// The transition with this number, while it is kept.
    pub fn get(&self, number: u64) -> Option<Arc<Transition>> {
        let behind = self.behind(number)?;
        if let Some(at) = self.latest.len().checked_sub(behind + 1) {
            return self.latest.get(at).map(Arc::clone);
        }
        let kept = self.kept.get(self.kept.len().checked_sub(behind + 1)?)?;
        Some(Arc::new(kept.read(number, &self.packing)))
    }

    /// All transitions after `number`; `None` where some of them are kept no more, or it is no number of ours.
    pub fn after(&self, number: u64) -> Option<impl Iterator<Item = Arc<Transition>>> {
        let missed = self.behind(number)?;
        (missed <= self.kept.len()).then(|| (number + 1..=self.head).filter_map(|number| self.get(number)))
    }

    /// How many are later than this one.
    fn behind(&self, number: u64) -> Option<usize> {
        usize::try_from(self.head.checked_sub(number)?).ok()
    }
}
