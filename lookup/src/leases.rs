//! The lease table: which leases there are, how long each runs, which has run out, and when the lookup suspects itself or
//! the network (laws 2 to 4; as formulas in `docs/reference/lookup.md`).
//!
//! It keeps a clock of its own, which stands still while the lookup stood still: a lookup that wakes after a stall must
//! not end leases that nobody could renew. It never reads a clock and knows nothing of what the leases are held for.

use crate::dense_map::DenseMap;
use crate::lease_time::LeaseTime;
use crate::overdue::{self, Overdue};
use hedgerow_model::lease;
use std::time::Duration;

mod queue;
mod suspicion;

use queue::Queue;
use suspicion::Suspecting;
pub use suspicion::{Due, Suspicion};
#[cfg(test)]
pub use suspicion::{ENDED_AT_ONCE, MARKED_AT_ONCE, SUSPECT_TERMS, SUSPICION_LEASES};

/// Names a lease to its holder only: random, so that nobody can renew or cancel what he does not hold. Never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub u64);

/// How sure the lookup is of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LeaseState {
    /// Registered or renewed since this lookup started.
    Live,
    /// Kept over a restart of the lookup and not renewed since.
    Unconfirmed,
    /// Overdue together with more than half of all: the lookup suspects itself or the network.
    Suspect,
}

/// A granted lease. Times are milliseconds of the table's own clock.
#[derive(Debug, Clone)]
pub struct Lease {
    /// What it is held for, by a number of its owner.
    pub holder: u32,
    /// How sure it is.
    pub state: LeaseState,
    asked_ms: u32,
    granted_ms: u32,
    /// The grant that is on disk; rewritten only where it is off by more than a quarter.
    kept_ms: u32,
    /// When it was granted or renewed last.
    renewed: u64,
    /// When it is to be looked at: never later than it runs out. A renewal moves only `renewed`; the queue catches up when
    /// that time comes, so that a renewal costs one look into a table.
    queued: u64,
    /// Where it stands in the queue.
    place: u32,
}

/// Asked for less than the shortest lease that can be granted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooShort {
    /// What was asked.
    pub asked: Duration,
    /// What is needed now.
    pub needed: Duration,
}

/// What a renewal did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// The term, from now.
    pub granted: Duration,
    /// Whether it was unconfirmed or suspect until now.
    pub confirmed: bool,
    /// Whether the term is so much off what is on disk that it is to be written again.
    pub rewrite: bool,
}

/// All leases of a lookup.
#[derive(Debug)]
pub struct LeaseTable {
    leases: DenseMap<LeaseId, Lease>,
    queue: Queue,
    time: LeaseTime,
    overdue: Overdue,
    unconfirmed: usize,
    suspect: usize,
    suspecting: Suspecting,
    renewals_per_second: f64,
}

impl LeaseTable {
    /// An empty table of a lookup that bears this many renewals a second.
    pub fn new(renewals_per_second: f64, now: Duration) -> Self {
        let time = LeaseTime::new(now);
        // Less, or not a number, would ask for terms that no duration holds.
        let renewals_per_second = renewals_per_second.max(0.001);
        Self {
            leases: DenseMap::new(),
            queue: Queue::default(),
            time,
            overdue: Overdue::default(),
            unconfirmed: 0,
            suspect: 0,
            suspecting: Suspecting::default(),
            renewals_per_second,
        }
    }

    /// Lets time pass. Gives the stall that was added to all terms, where there was one.
    pub fn advance(&mut self, now: Duration) -> Option<Duration> {
        let stall = self.time.advance(now);
        self.overdue.advance(self.time.millis());
        self.suspecting.look(self.time.millis());
        self.queue.advance(&mut self.leases, self.time.millis());
        stall
    }

    /// For how long the lookup has run, time in which it stood still left out.
    pub fn running(&self) -> Duration {
        Duration::from_millis(self.time.millis())
    }

    /// How many leases there are.
    pub fn count(&self) -> usize {
        self.leases.len()
    }

    /// How many of them are unconfirmed.
    pub const fn unconfirmed(&self) -> usize {
        self.unconfirmed
    }

    /// How many are suspect.
    pub const fn suspect(&self) -> usize {
        self.suspect
    }

    /// How many are overdue.
    pub const fn overdue(&self) -> usize {
        self.overdue.count()
    }

    /// The renewals a second that the lookup will bear.
    pub const fn renewals_per_second(&self) -> f64 {
        self.renewals_per_second
    }

    /// A lease that has not been taken out, by its id.
    pub fn get(&self, id: LeaseId) -> Option<&Lease> {
        self.leases.get(&id)
    }

    /// How long a lease will still run.
    pub fn remaining(&self, lease: &Lease) -> Duration {
        Duration::from_millis(self.expires(lease).saturating_sub(self.time.millis()))
    }

    /// What would be granted now among `leases` leases.
    ///
    /// # Errors
    /// Where the ask is too short.
    pub fn terms(&self, asked: Duration, leases: usize) -> Result<Duration, TooShort> {
        lease::grant(asked, leases, self.renewals_per_second).map_err(|needed| TooShort { asked, needed })
    }

    /// Grants a lease, named `fresh` unless that name is taken.
    ///
    /// # Errors
    /// Where the ask is too short.
    pub fn grant(
        &mut self,
        fresh: LeaseId,
        holder: u32,
        asked: Duration,
    ) -> Result<(LeaseId, Duration), TooShort> {
        let granted = self.terms(asked, self.leases.len() + 1)?;
        let id = self.free_name(fresh);
        self.insert(id, holder, asked, granted, LeaseState::Live);
        Ok((id, granted))
    }

    /// Takes back a lease that was kept over a restart: it runs one full term, unconfirmed.
    pub fn restore(&mut self, id: LeaseId, holder: u32, asked: Duration, granted: Duration) {
        self.insert(id, holder, asked, granted, LeaseState::Unconfirmed);
    }

    /// Gives back a lease that was taken out: it runs from now, as if it were renewed.
    pub fn reinstate(&mut self, id: LeaseId, holder: u32, asked: Duration) -> (LeaseId, Duration) {
        let granted = self.terms(asked, self.leases.len() + 1).unwrap_or(asked);
        let id = self.free_name(id);
        self.insert(id, holder, asked, granted, LeaseState::Live);
        (id, granted)
    }

    /// Renews a lease: it runs from now, for what is right for the number of leases now, never for more than was asked.
    pub fn renew(&mut self, id: LeaseId) -> Option<Renewal> {
        let count = self.leases.len();
        let slot = self.leases.slot(&id)?;
        let (_, lease) = self.leases.at_mut(slot)?;
        let asked = Duration::from_millis(lease.asked_ms.into());
        let granted = lease::grant(asked, count, self.renewals_per_second).unwrap_or(asked);
        self.overdue.remove(lease.overdue_second());
        lease.granted_ms = millis(granted);
        lease.renewed = self.time.millis();
        self.overdue.add(lease.overdue_second());
        let before = std::mem::replace(&mut lease.state, LeaseState::Live);
        let rewrite = lease.granted_ms.abs_diff(lease.kept_ms) > lease.kept_ms / 4;
        let (queued, ends) = (lease.queued, lease.term_ends());
        if ends < queued {
            self.queue.remove(&mut self.leases, slot);
            self.queue.add(&mut self.leases, slot, ends);
        }
        match before {
            LeaseState::Live => {}
            LeaseState::Unconfirmed => self.unconfirmed -= 1,
            LeaseState::Suspect => self.suspect -= 1,
        }
        let confirmed = before != LeaseState::Live;
        Some(Renewal { granted: Duration::from_millis(millis(granted).into()), confirmed, rewrite })
    }

    /// Renews a lease whose holder now asks for another term.
    ///
    /// # Errors
    /// Where the new ask is too short; the lease goes on as it was. No lease of this name: `Ok(None)`.
    pub fn ask_again(&mut self, id: LeaseId, asked: Duration) -> Result<Option<Renewal>, TooShort> {
        self.terms(asked, self.leases.len())?;
        let Some(lease) = self.leases.get_mut(&id) else { return Ok(None) };
        let other = lease.asked_ms != millis(asked);
        lease.asked_ms = millis(asked);
        // What is on disk bounds the renewals after a restart: it must not promise more than is asked now.
        Ok(self.renew(id).map(|renewal| Renewal { rewrite: renewal.rewrite || other, ..renewal }))
    }

    /// The asked and the granted term of a lease, to be written now.
    pub fn keep(&mut self, id: LeaseId) -> Option<(Duration, Duration)> {
        let lease = self.leases.get_mut(&id)?;
        lease.kept_ms = lease.granted_ms;
        Some((Duration::from_millis(lease.asked_ms.into()), lease.granted()))
    }

    /// Takes a lease out.
    pub fn remove(&mut self, id: LeaseId) -> Option<Lease> {
        let slot = self.leases.slot(&id)?;
        self.queue.remove(&mut self.leases, slot);
        let lease = self.leases.remove(&id)?;
        self.overdue.remove(lease.overdue_second());
        match lease.state {
            LeaseState::Live => {}
            LeaseState::Unconfirmed => self.unconfirmed -= 1,
            LeaseState::Suspect => self.suspect -= 1,
        }
        Some(lease)
    }

    fn requeue(&mut self, id: LeaseId, at: u64) {
        if let Some(slot) = self.leases.slot(&id) {
            self.queue.remove(&mut self.leases, slot);
            self.queue.add(&mut self.leases, slot, at);
        }
    }

    /// Bytes of memory: of the table, of the queue.
    #[cfg(test)]
    pub fn held_bytes(&self) -> [usize; 2] {
        [self.leases.held_bytes(), self.queue.held_bytes()]
    }

    fn insert(&mut self, id: LeaseId, holder: u32, asked: Duration, granted: Duration, state: LeaseState) {
        let granted_ms = millis(granted);
        let renewed = self.time.millis();
        let lease = Lease {
            holder,
            state,
            asked_ms: millis(asked),
            granted_ms,
            kept_ms: granted_ms,
            renewed,
            queued: 0,
            place: 0,
        };
        self.unconfirmed += usize::from(state == LeaseState::Unconfirmed);
        self.overdue.add(lease.overdue_second());
        let ends = lease.term_ends();
        self.leases.insert(id, lease);
        let slot = self.leases.slot(&id).expect("invariant: it is in the table now");
        self.queue.add(&mut self.leases, slot, ends);
    }

    fn free_name(&self, fresh: LeaseId) -> LeaseId {
        let mut id = fresh;
        while id.0 == 0 || self.leases.contains_key(&id) {
            id = LeaseId(id.0.wrapping_add(1));
        }
        id
    }
}

impl Lease {
    /// The term that was granted last.
    pub fn granted(&self) -> Duration {
        Duration::from_millis(self.granted_ms.into())
    }

    /// The term that was asked for.
    pub fn asked(&self) -> Duration {
        Duration::from_millis(self.asked_ms.into())
    }

    const fn term_ends(&self) -> u64 {
        self.renewed + self.granted_ms as u64
    }

    const fn overdue_second(&self) -> u64 {
        overdue::second(self.renewed, self.granted_ms)
    }
}

/// Milliseconds of a term; a longer ask than the ceiling is an ask for the ceiling.
fn millis(term: Duration) -> u32 {
    u32::try_from(term.min(lease::CEILING).as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
