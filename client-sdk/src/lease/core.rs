//! When to register and when to renew at one lookup: time comes in, calls to make go out. It never waits and never calls.

use crate::backoff::Backoff;
use hedgerow_model::lease;
use std::time::Duration;
use tokio::time::Instant;

/// Most leases in one renewal message, as the protocol says.
const MAX_BATCH: usize = 1000;

/// The leases of one process at one lookup.
#[derive(Debug)]
pub(super) struct Leases(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    /// What the service says now.
    serial: u64,
    /// No registering before this.
    not_before: Instant,
    backoff: Backoff,
    held: Option<Held>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    lease: u64,
    /// What the lookup was told.
    serial: u64,
    granted: Duration,
    /// Counted from before the request was sent, so never later than the lookup counts.
    until: Instant,
    renew_at: Instant,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Register this one.
    Register(usize),
    /// Renew these, in one message: (which, its lease).
    Renew(Vec<(usize, u64)>),
    /// Nothing until then; `None`: until something changes.
    Wait(Option<Instant>),
}

/// What a lookup answered about one lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It runs on for this long.
    Renewed(Duration),
    /// Not known there.
    Unknown,
    /// Another instance took its place.
    Replaced,
}

impl Leases {
    pub(super) fn new(count: usize, now: Instant) -> Self {
        let entry = || Entry { serial: 1, not_before: now, backoff: Backoff::default(), held: None };
        Self((0..count).map(|_| entry()).collect())
    }

    /// The service says something new.
    pub(super) fn changed(&mut self, which: usize, serial: u64) {
        if let Some(entry) = self.0.get_mut(which) {
            entry.serial = entry.serial.max(serial);
        }
    }

    pub(super) fn next(&mut self, now: Instant) -> Next {
        let mut wait: Option<Instant> = None;
        let mut until = |at: Instant| wait = Some(wait.map_or(at, |before| before.min(at)));
        let mut due = Vec::new();
        let mut someone_is_due = false;
        for (which, entry) in self.0.iter_mut().enumerate() {
            entry.held = entry.held.filter(|held| held.until > now);
            if entry.held.is_none_or(|held| held.serial < entry.serial) {
                if entry.not_before <= now {
                    return Next::Register(which);
                }
                until(entry.not_before);
            }
            if let Some(held) = entry.held {
                // Those that are due soon come along, so that one message serves all.
                if held.renew_at <= now + held.granted / 12 && due.len() < MAX_BATCH {
                    due.push((which, held.lease));
                }
                someone_is_due |= held.renew_at <= now;
                until(held.renew_at);
            }
        }
        if someone_is_due { Next::Renew(due) } else { Next::Wait(wait) }
    }

    /// The lookup took a registration that was sent at `sent` with `serial`.
    pub(super) fn registered(
        &mut self,
        which: usize,
        serial: u64,
        sent: Instant,
        lease: u64,
        granted: Duration,
    ) {
        if let Some(entry) = self.0.get_mut(which) {
            entry.backoff.succeeded();
            entry.held = Some(Held {
                lease,
                serial,
                granted,
                until: sent + granted,
                renew_at: sent + lease::renew_after(granted),
            });
        }
    }

    /// Registering failed, and is not to be tried again before `earliest`.
    pub(super) fn refused(&mut self, which: usize, earliest: Instant, random: u64) {
        if let Some(entry) = self.0.get_mut(which) {
            entry.not_before = earliest + entry.backoff.failed(random);
        }
    }

    /// What came back for a renewal that was sent at `sent`.
    pub(super) fn answered(&mut self, which: usize, sent: Instant, answer: Answer) {
        let Some(entry) = self.0.get_mut(which) else { return };
        let Some(held) = &mut entry.held else { return };
        match answer {
            Answer::Renewed(granted) => {
                entry.backoff.succeeded();
                held.granted = granted;
                held.until = sent + granted;
                held.renew_at = sent + lease::renew_after(granted);
            }
            Answer::Unknown => {
                entry.held = None;
                entry.not_before = sent;
            }
            // Renewing goes on: only who still renews can prove that there are two of him.
            Answer::Replaced => held.renew_at = sent + lease::renew_after(held.granted),
        }
    }

    /// No answer to renewals.
    pub(super) fn unanswered(&mut self, renewals: &[(usize, u64)], now: Instant, random: u64) {
        for (which, _) in renewals {
            let Some(entry) = self.0.get_mut(*which) else { continue };
            let again = now + entry.backoff.failed(random);
            if let Some(held) = &mut entry.held {
                held.renew_at = again;
            }
        }
    }

    /// The leases that run, for cancelling.
    pub(super) fn held(&self) -> impl Iterator<Item = u64> {
        self.0.iter().filter_map(|entry| Some(entry.held?.lease))
    }

    /// When the first lease runs out, where all are held.
    pub(super) fn all_held_until(&self) -> Option<Instant> {
        self.0.iter().map(|entry| entry.held.map(|held| held.until)).min().flatten()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn renewals_come_at_a_third_and_in_one_message() {
        let start = Instant::now();
        let mut leases = Leases::new(2, start);
        assert_eq!(leases.next(start), Next::Register(0));
        leases.registered(0, 1, start, 7, S(60));
        assert_eq!(leases.next(start), Next::Register(1));
        leases.registered(1, 1, start + S(2), 8, S(60));
        assert_eq!(leases.next(start + S(2)), Next::Wait(Some(start + S(20))));
        assert_eq!(leases.next(start + S(20)), Next::Renew(vec![(0, 7), (1, 8)]));
        leases.answered(0, start + S(20), Answer::Renewed(S(30)));
        leases.answered(1, start + S(20), Answer::Unknown);
        assert_eq!(leases.next(start + S(20)), Next::Register(1), "unknown: at once again");
        leases.registered(1, 1, start + S(20), 9, S(60));
        assert_eq!(leases.next(start + S(20)), Next::Wait(Some(start + S(30))));
        leases.changed(0, 2);
        assert_eq!(leases.next(start + S(21)), Next::Register(0), "a change is told at once");
        assert_eq!(leases.held().collect::<Vec<_>>(), [7, 9]);
    }

    #[test]
    fn one_that_was_replaced_goes_on_renewing() {
        let start = Instant::now();
        let mut leases = Leases::new(1, start);
        leases.registered(0, 1, start, 7, S(30));
        leases.answered(0, start + S(10), Answer::Replaced);
        assert_eq!(leases.next(start + S(20)), Next::Renew(vec![(0, 7)]));
    }

    proptest! {
        /// While the lookup answers every call but at most one in a row, no lease ever runs out.
        #[test]
        fn a_lease_survives_single_failures(
            terms in proptest::collection::vec(10_u64..=60, 1..5),
            luck in proptest::collection::vec(any::<(bool, u64)>(), 400),
        ) {
            let start = Instant::now();
            let mut now = start;
            let mut leases = Leases::new(terms.len(), now);
            let mut until: Vec<Option<Instant>> = vec![None; terms.len()];
            let mut failed_before = false;
            for (fails, random) in luck {
                let fails = fails && !failed_before;
                match leases.next(now) {
                    Next::Register(which) => {
                        prop_assert!(until[which].is_none(), "registered once, then only renewed");
                        if fails {
                            leases.refused(which, now, random);
                        } else {
                            leases.registered(which, 1, now, which as u64, S(terms[which]));
                            until[which] = Some(now + S(terms[which]));
                        }
                        failed_before = fails;
                    }
                    Next::Renew(all) if fails => {
                        leases.unanswered(&all, now, random);
                        failed_before = true;
                    }
                    Next::Renew(all) => {
                        for (which, lease) in all {
                            prop_assert_eq!(lease, which as u64);
                            prop_assert!(until[which].unwrap() > now, "renewed before it runs out");
                            leases.answered(which, now, Answer::Renewed(S(terms[which])));
                            until[which] = Some(now + S(terms[which]));
                        }
                        failed_before = false;
                    }
                    Next::Wait(at) => {
                        let at = at.unwrap();
                        prop_assert!(at > now, "never a loop without progress");
                        now = at;
                    }
                }
            }
            prop_assert!(leases.all_held_until().is_none_or(|until| until > start));
        }
    }
}
