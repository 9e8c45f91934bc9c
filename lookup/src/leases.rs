//! The lease table: which leases there are, how long each runs, and which has run out.
//!
//! It keeps a clock of its own, which stands still while the lookup stood still: a lookup that wakes after a stall must
//! not end leases that nobody could renew. It never reads a clock and knows nothing of what the leases are held for.

use crate::dense_map::DenseMap;
use crate::lease_time::LeaseTime;
use hedgerow_model::lease;
use hedgerow_model::registration::Id;
use std::collections::BTreeSet;
use std::time::Duration;

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
}

/// A granted lease. Times are milliseconds of the table's own clock.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Who holds it.
    pub service: Id,
    /// How sure it is.
    pub state: LeaseState,
    asked_ms: u32,
    granted_ms: u32,
    /// The grant that is on disk; rewritten only where it is off by more than a quarter.
    kept_ms: u32,
    expires: u64,
    /// Under which time it stands in the queue: never later than `expires`. A renewal moves only `expires`; the queue
    /// catches up when that time comes, so that a renewal costs one look into a table.
    queued: u64,
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
    /// Whether it was unconfirmed until now.
    pub confirmed: bool,
    /// Whether the term is so much off what is on disk that it is to be written again.
    pub rewrite: bool,
}

/// All leases of a lookup.
#[derive(Debug)]
pub struct LeaseTable {
    leases: DenseMap<LeaseId, Lease>,
    queue: BTreeSet<(u64, LeaseId)>,
    time: LeaseTime,
    unconfirmed: usize,
    renewals_per_second: f64,
}

impl LeaseTable {
    /// An empty table of a lookup that bears this many renewals a second.
    pub fn new(renewals_per_second: f64, now: Duration) -> Self {
        let time = LeaseTime::new(now);
        // Less, or not a number, would ask for terms that no duration holds.
        let renewals_per_second = renewals_per_second.max(0.001);
        Self { leases: DenseMap::new(), queue: BTreeSet::new(), time, unconfirmed: 0, renewals_per_second }
    }

    /// Lets time pass. Gives the stall that was added to all terms, where there was one.
    pub fn advance(&mut self, now: Duration) -> Option<Duration> {
        self.time.advance(now)
    }

    /// How many leases there are.
    pub fn count(&self) -> usize {
        self.leases.len()
    }

    /// How many of them are unconfirmed.
    pub const fn unconfirmed(&self) -> usize {
        self.unconfirmed
    }

    /// A lease that has not been taken out, by its id.
    pub fn get(&self, id: LeaseId) -> Option<&Lease> {
        self.leases.get(&id)
    }

    /// How long a lease will still run.
    pub fn remaining(&self, lease: &Lease) -> Duration {
        Duration::from_millis(lease.expires.saturating_sub(self.time.millis()))
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
        service: Id,
        asked: Duration,
    ) -> Result<(LeaseId, Duration), TooShort> {
        let granted = self.terms(asked, self.leases.len() + 1)?;
        let id = self.free_name(fresh);
        self.insert(id, service, asked, granted, LeaseState::Live);
        Ok((id, granted))
    }

    /// Takes back a lease that was kept over a restart: it runs one full term, unconfirmed.
    pub fn restore(&mut self, id: LeaseId, service: Id, asked: Duration, granted: Duration) {
        self.insert(id, service, asked, granted, LeaseState::Unconfirmed);
    }

    /// Renews a lease: it runs from now, for what is right for the number of leases now, never for more than was asked.
    pub fn renew(&mut self, id: LeaseId) -> Option<Renewal> {
        let count = self.leases.len();
        let lease = self.leases.get_mut(&id)?;
        let asked = Duration::from_millis(lease.asked_ms.into());
        let granted = lease::grant(asked, count, self.renewals_per_second).unwrap_or(asked);
        lease.granted_ms = millis(granted);
        lease.expires = self.time.millis() + u64::from(lease.granted_ms);
        if lease.expires < lease.queued {
            self.queue.remove(&(lease.queued, id));
            self.queue.insert((lease.expires, id));
            lease.queued = lease.expires;
        }
        let confirmed = lease.state == LeaseState::Unconfirmed;
        if confirmed {
            lease.state = LeaseState::Live;
            self.unconfirmed -= 1;
        }
        let rewrite = lease.granted_ms.abs_diff(lease.kept_ms) > lease.kept_ms / 4;
        Some(Renewal { granted: Duration::from_millis(lease.granted_ms.into()), confirmed, rewrite })
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
        let lease = self.leases.remove(&id)?;
        self.queue.remove(&(lease.queued, id));
        if lease.state == LeaseState::Unconfirmed {
            self.unconfirmed -= 1;
        }
        Some(lease)
    }

    /// Takes out the next lease that has run out, in the order in which they ran out.
    pub fn pop_expired(&mut self) -> Option<(LeaseId, Lease)> {
        loop {
            let (at, id) = *self.queue.first().filter(|(at, _)| *at <= self.time.millis())?;
            let lease = self.leases.get_mut(&id).expect("invariant: what is queued is in the table");
            if lease.expires <= at {
                return self.remove(id).map(|lease| (id, lease));
            }
            self.queue.remove(&(at, id));
            lease.queued = lease.expires;
            self.queue.insert((lease.queued, id));
        }
    }

    fn insert(&mut self, id: LeaseId, service: Id, asked: Duration, granted: Duration, state: LeaseState) {
        let granted_ms = millis(granted);
        let expires = self.time.millis() + u64::from(granted_ms);
        let lease = Lease {
            service,
            state,
            asked_ms: millis(asked),
            granted_ms,
            kept_ms: granted_ms,
            expires,
            queued: expires,
        };
        self.unconfirmed += usize::from(state == LeaseState::Unconfirmed);
        self.queue.insert((expires, id));
        self.leases.insert(id, lease);
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
}

/// Milliseconds of a term; a longer ask than the ceiling is an ask for the ceiling.
fn millis(term: Duration) -> u32 {
    u32::try_from(term.min(lease::CEILING).as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lease_time::TICK;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn table(renewals_per_second: f64) -> LeaseTable {
        LeaseTable::new(renewals_per_second, S(100))
    }

    fn run(table: &mut LeaseTable, from: &mut Duration, to: Duration) -> Vec<LeaseId> {
        let mut gone = Vec::new();
        while *from < to {
            *from = (*from + TICK).min(to);
            assert_eq!(table.advance(*from), None);
            gone.extend(std::iter::from_fn(|| table.pop_expired()).map(|(id, _)| id));
        }
        gone
    }

    #[test]
    fn leases_run_out_in_order_and_a_renewed_one_later() {
        let mut table = table(10_000.0);
        let mut now = S(100);
        for n in 1..=3 {
            assert_eq!(table.grant(LeaseId(n), Id([0; 16]), S(60)), Ok((LeaseId(n), S(10))));
            assert_eq!(run(&mut table, &mut now, S(100 + n)), []);
        }
        assert!(table.renew(LeaseId(1)).is_some(), "renewed at 103, runs until 113");
        assert_eq!(run(&mut table, &mut now, S(120)), [LeaseId(2), LeaseId(3), LeaseId(1)]);
        assert_eq!(table.renew(LeaseId(1)), None);
        assert_eq!((table.count(), table.queue.len()), (0, 0));
    }

    #[test]
    fn terms_follow_the_number_of_leases_but_never_exceed_the_ask() {
        let mut table = table(1.0);
        for n in 1..=5 {
            table.grant(LeaseId(n), Id([0; 16]), S(15)).unwrap();
        }
        let asked_too_little = table.grant(LeaseId(6), Id([0; 16]), S(15));
        assert_eq!(asked_too_little, Err(TooShort { asked: S(15), needed: S(18) }));
        table.grant(LeaseId(6), Id([0; 16]), S(60)).unwrap();
        let first = table.renew(LeaseId(1)).unwrap();
        assert_eq!(first.granted, S(15), "18 s would be right, 15 s were asked");
        assert!(first.rewrite, "on disk stand 10 s");
        assert_eq!(table.keep(LeaseId(1)), Some((S(15), S(15))));
        assert!(!table.renew(LeaseId(1)).unwrap().rewrite);
        assert!(!table.renew(LeaseId(5)).unwrap().rewrite, "15 s stand there");
    }

    #[test]
    fn a_shorter_term_after_a_renewal_runs_out_earlier_than_was_queued() {
        let mut table = table(1.0);
        for n in 1..=20 {
            table.grant(LeaseId(n), Id([0; 16]), S(600)).unwrap();
        }
        for n in 1..20 {
            table.remove(LeaseId(n)).unwrap();
        }
        assert_eq!(table.renew(LeaseId(20)).unwrap().granted, S(10));
        assert_eq!(run(&mut table, &mut S(100), S(110)), [LeaseId(20)]);
    }

    #[test]
    fn a_stall_is_added_to_all_terms() {
        let mut table = table(10_000.0);
        table.grant(LeaseId(1), Id([0; 16]), S(60)).unwrap();
        assert!(table.advance(S(400)).is_some());
        assert!(table.pop_expired().is_none(), "the lookup stood still, nobody could renew");
        assert_eq!(run(&mut table, &mut S(400), S(409)), []);
        assert_eq!(run(&mut table, &mut S(409), S(411)), [LeaseId(1)]);
    }

    #[test]
    fn names_are_never_zero_and_never_given_twice() {
        let mut table = table(10_000.0);
        assert_eq!(table.grant(LeaseId(0), Id([0; 16]), S(60)).unwrap().0, LeaseId(1));
        assert_eq!(table.grant(LeaseId(1), Id([0; 16]), S(60)).unwrap().0, LeaseId(2));
    }

    #[test]
    fn a_lease_takes_less_than_400_bytes() {
        // At worst a hash table holds as many empty places as half-full ones and a B-tree is half empty.
        let table = 16.0 / 7.0 * (size_of::<(LeaseId, Lease)>() + 1) as f64;
        let queue = 2.5 * size_of::<(u64, LeaseId)>() as f64;
        assert!(table + queue < 400.0, "{table} + {queue}");
    }
}
