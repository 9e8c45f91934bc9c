//! Law 4: when more than half of the leases are overdue, the lookup suspects itself or the network, and keeps what would
//! run out.

use super::{Lease, LeaseId, LeaseState, LeaseTable};
use crate::lease_time::TICK;

/// With fewer leases the lookup suspects nothing: half of a few fall silent by chance.
pub const SUSPICION_LEASES: usize = 20;
/// How many terms after its last renewal a suspect lease runs out, whatever is suspected.
pub const SUSPECT_TERMS: u64 = 5;
/// Most leases marked suspect in each [`TICK`]; the rest follow in the next ones, so that nobody waits long while a million
/// are marked, and watchers have time to read of it.
pub const MARKED_AT_ONCE: usize = 4096;
/// Most leases that end each time the lookup looks at its leases; the rest end the next times, so that nobody waits long
/// where all that a restart gave the same term run out together. Four looks a second at least end 80,000 within 2 s.
pub const ENDED_AT_ONCE: usize = 10_000;
/// Most leases that were renewed and are only put where they belong in the queue, each time.
const REQUEUED_AT_ONCE: usize = 50_000;

/// That the lookup suspects itself or the network, or no longer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspicion {
    /// False: it is over.
    pub begun: bool,
    /// Leases past half their term at this moment.
    pub overdue: usize,
    /// All leases at this moment.
    pub leases: usize,
}

/// What time did to the leases.
#[derive(Debug)]
pub enum Due {
    /// A suspicion began or ended.
    Suspicion(Suspicion),
    /// A lease became suspect.
    Suspect(LeaseId),
    /// A lease ran out, and was taken out.
    Expired(LeaseId, Lease),
}

/// What the lookup suspects.
#[derive(Debug, Default)]
pub(super) struct Suspecting {
    /// Whether it suspects itself or the network.
    suspects: bool,
    /// When it last ceased to.
    trusted_since: u64,
    /// Which leases are still to be marked.
    to_mark: Vec<LeaseId>,
    /// How many of them now.
    may_mark: usize,
    /// Until when that was so many.
    marks_until: u64,
    /// How many leases may end now, and how many be put elsewhere.
    may_end: usize,
    may_requeue: usize,
}

impl Suspecting {
    /// The lookup looks at its leases again.
    pub(super) const fn look(&mut self, now: u64) {
        if now >= self.marks_until {
            self.marks_until = now + TICK.as_millis() as u64;
            self.may_mark = MARKED_AT_ONCE;
        }
        self.may_end = ENDED_AT_ONCE;
        self.may_requeue = REQUEUED_AT_ONCE;
    }
}

impl LeaseTable {
    /// Whether the lookup suspects itself or the network: what it would tell now.
    pub fn suspicion(&self) -> Option<Suspicion> {
        self.suspecting.suspects.then(|| self.suspicion_now())
    }

    /// What time did to the leases since the last call, one thing after another; leases run out in their order.
    pub fn next_due(&mut self) -> Option<Due> {
        if self.suspecting.suspects && !self.most_are_overdue() {
            return Some(Due::Suspicion(self.trust()));
        }
        if let Some(id) = self.mark_next() {
            return Some(Due::Suspect(id));
        }
        while self.suspecting.may_end > 0 && self.suspecting.may_requeue > 0 {
            let now = self.time.millis();
            let (at, id) = self.queue.first(now)?;
            let lease = self.leases.get(&id).expect("invariant: what is queued is in the table");
            let (expires, term) = (self.expires(lease), u64::from(lease.granted_ms));
            if expires > at {
                // A suspect is looked at each term: a suspicion that ends takes from it all but one.
                self.suspecting.may_requeue -= 1;
                self.requeue(id, expires.min(now + term));
            } else if self.suspecting.suspects && self.mark(id) {
                self.suspecting.may_end -= 1;
                return Some(Due::Suspect(id));
            } else if !self.suspecting.suspects && self.most_are_overdue() {
                return Some(Due::Suspicion(self.suspect_all()));
            } else {
                self.suspecting.may_end -= 1;
                return self.remove(id).map(|lease| Due::Expired(id, lease));
            }
        }
        None
    }

    /// When a lease runs out, as things stand.
    pub(super) fn expires(&self, lease: &Lease) -> u64 {
        if lease.state != LeaseState::Suspect {
            return lease.term_ends();
        }
        let last = lease.renewed + SUSPECT_TERMS * u64::from(lease.granted_ms);
        if self.suspecting.suspects {
            last
        } else {
            last.min(self.suspecting.trusted_since + u64::from(lease.granted_ms))
        }
    }

    fn most_are_overdue(&self) -> bool {
        self.leases.len() >= SUSPICION_LEASES && self.overdue.count() * 2 > self.leases.len()
    }

    fn suspicion_now(&self) -> Suspicion {
        Suspicion {
            begun: self.suspecting.suspects,
            overdue: self.overdue.count(),
            leases: self.leases.len(),
        }
    }

    fn suspect_all(&mut self) -> Suspicion {
        self.suspecting.suspects = true;
        let overdue = |lease: &Lease| self.overdue.is(lease.overdue_second());
        let mut to_mark: Vec<LeaseId> =
            self.leases.iter().filter(|(_, lease)| overdue(lease)).map(|(id, _)| *id).collect();
        // From the last; in an order that is not chance.
        to_mark.sort_unstable_by(|one, other| other.cmp(one));
        self.suspecting.to_mark = to_mark;
        self.suspicion_now()
    }

    fn trust(&mut self) -> Suspicion {
        self.suspecting.suspects = false;
        self.suspecting.trusted_since = self.time.millis();
        self.suspecting.to_mark = Vec::new();
        self.suspicion_now()
    }

    /// Marks the next of those that were overdue when the suspicion began, and are.
    fn mark_next(&mut self) -> Option<LeaseId> {
        while self.suspecting.may_mark > 0 {
            let id = self.suspecting.to_mark.pop()?;
            let overdue = self.leases.get(&id).is_some_and(|lease| self.overdue.is(lease.overdue_second()));
            if overdue && self.mark(id) {
                self.suspecting.may_mark -= 1;
                return Some(id);
            }
        }
        None
    }

    /// Makes a lease suspect. False: it is already.
    fn mark(&mut self, id: LeaseId) -> bool {
        let Some(lease) = self.leases.get_mut(&id) else { return false };
        let before = std::mem::replace(&mut lease.state, LeaseState::Suspect);
        if before == LeaseState::Suspect {
            return false;
        }
        self.unconfirmed -= usize::from(before == LeaseState::Unconfirmed);
        self.suspect += 1;
        true
    }
}
