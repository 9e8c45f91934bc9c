//! When to register and when to renew at one lookup: time comes in, calls to make go out. It never waits and never calls.
//!
//! What costs work is found by its time, never by looking at every lease: a process may hold many.

use crate::backoff::Backoff;
use hedgerow_model::lease;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// Most leases in one renewal message, as the protocol says.
pub(super) const MAX_BATCH: usize = 1000;
/// Most registrations that are on their way at once; further ones wait for an answer to one of these. After a call that
/// failed it is one, until one succeeds: a lookup that is in trouble is not given more of it.
pub(super) const MAX_REGISTERING: usize = 32;
/// Where an identity is in use twice, the one who was refused asks this often: only who still asks learns that the other
/// went.
pub(super) const DISPUTED_EVERY: Duration = Duration::from_secs(20);

/// No lookup grants a shorter lease: what is shorter is none, and is asked for again only after [`TOO_SHORT_AGAIN`], so that
/// a lookup that is broken is not called in a loop.
const SHORTEST_GRANTED: Duration = Duration::from_millis(100);
const TOO_SHORT_AGAIN: Duration = Duration::from_secs(5);

/// The leases of one process at one lookup.
#[derive(Debug)]
pub(super) struct Leases {
    entries: Vec<Entry>,
    /// To be registered, by when at the earliest. Who is on its way there stands in none of these.
    waiting: BTreeSet<(Instant, usize)>,
    /// Held, by when to renew.
    renewing: BTreeSet<(Instant, usize)>,
    /// Held and not disputed, by when it runs out.
    running: BTreeSet<(Instant, usize)>,
    registering: usize,
    /// No calls before this: the lookup does not answer.
    paused_until: Instant,
    /// No registering before this: the lookup asked for time.
    full_until: Instant,
    /// Of the lookup, not of one registration.
    failures: Backoff,
    answers: bool,
}

#[derive(Debug)]
struct Entry {
    /// What the service says now.
    serial: u64,
    backoff: Backoff,
    on_its_way: bool,
    waits_for: Option<Instant>,
    held: Option<Held>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    lease: u64,
    granted: Duration,
    /// Counted from before the request was sent, so never later than the lookup counts.
    until: Instant,
    renew_at: Instant,
    /// Another instance of the service has it, too.
    disputed: bool,
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
    /// Refused: an older instance is alive.
    Cloned,
}

impl Leases {
    pub(super) fn new(count: usize, start: Instant) -> Self {
        let entry = || Entry {
            serial: 1,
            backoff: Backoff::default(),
            on_its_way: false,
            waits_for: Some(start),
            held: None,
        };
        Self {
            entries: (0..count).map(|_| entry()).collect(),
            waiting: (0..count).map(|which| (start, which)).collect(),
            renewing: BTreeSet::new(),
            running: BTreeSet::new(),
            registering: 0,
            paused_until: start,
            full_until: start,
            failures: Backoff::default(),
            answers: true,
        }
    }

    /// The service says something new.
    pub(super) fn changed(&mut self, which: usize, serial: u64, now: Instant) {
        let Some(entry) = self.entries.get_mut(which).filter(|entry| entry.serial < serial) else { return };
        entry.serial = serial;
        self.wait(which, now);
    }

    /// The next one to register, if any may be now.
    pub(super) fn register(&mut self, now: Instant) -> Option<usize> {
        self.end_run_out(now);
        if self.registering >= self.window() || now < self.paused_until.max(self.full_until) {
            return None;
        }
        let (at, which) = self.waiting.first().copied().filter(|(at, _)| *at <= now)?;
        self.waiting.remove(&(at, which));
        let entry = self.entries.get_mut(which)?;
        (entry.waits_for, entry.on_its_way) = (None, true);
        self.registering += 1;
        Some(which)
    }

    /// Those to renew now, in one message: (which, its lease). One message is on its way at a time.
    pub(super) fn renew(&mut self, now: Instant) -> Vec<(usize, u64)> {
        self.end_run_out(now);
        let due = self.renewing.first().is_some_and(|(at, _)| *at <= now) && now >= self.paused_until;
        if !due {
            return Vec::new();
        }
        // Those that are due soon come along, so that one message serves all.
        let soon = |held: &Held| held.renew_at <= now + held.granted / 12;
        let held = self.renewing.iter().map_while(|(_, which)| {
            let held = self.entries.get(*which)?.held.filter(soon)?;
            Some((*which, held.lease))
        });
        held.take(MAX_BATCH).collect()
    }

    /// When something is due next; `None`: when something changes. `renewing`: a message of renewals is on its way.
    pub(super) fn next(&self, renewing: bool) -> Option<Instant> {
        let open = self.registering < self.window();
        let register = self
            .waiting
            .first()
            .filter(|_| open)
            .map(|(at, _)| (*at).max(self.paused_until).max(self.full_until));
        let renew = self.renewing.first().filter(|_| !renewing).map(|(at, _)| (*at).max(self.paused_until));
        let run_out = self.running.first().map(|(at, _)| *at);
        [register, renew, run_out].into_iter().flatten().min()
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
        self.arrived(which);
        self.answering();
        if granted < SHORTEST_GRANTED {
            self.hold(which, None);
            self.wait(which, sent + TOO_SHORT_AGAIN);
            return;
        }
        let Some(entry) = self.entries.get_mut(which) else { return };
        entry.backoff.succeeded();
        let changed_since = entry.serial > serial;
        let held = Held {
            lease,
            granted,
            until: sent + granted,
            renew_at: sent + lease::renew_after(granted),
            disputed: false,
        };
        self.hold(which, Some(held));
        if changed_since {
            self.wait(which, sent);
        }
    }

    /// The lookup refused a registration, and it is not to be tried again before `earliest`. `full`: the refusal is not for
    /// this one only.
    pub(super) fn refused(&mut self, which: usize, earliest: Instant, full: bool, random: u64) {
        self.arrived(which);
        self.answering();
        if full {
            self.full_until = self.full_until.max(earliest);
        }
        let Some(entry) = self.entries.get_mut(which) else { return };
        let at = earliest + entry.backoff.failed(random);
        self.wait(which, at);
    }

    /// No answer to a registration; whether the lookup answered until now.
    pub(super) fn unanswered(&mut self, which: usize, now: Instant, random: u64) -> bool {
        self.arrived(which);
        self.wait(which, now);
        self.silent(now, random)
    }

    /// What came back for a renewal of `lease` that was sent at `sent`.
    pub(super) fn answered(&mut self, (which, lease): (usize, u64), sent: Instant, answer: Answer) {
        self.answering();
        let Some(entry) = self.entries.get_mut(which) else { return };
        let Some(held) = entry.held.filter(|held| held.lease == lease) else { return };
        // What is on its way may itself be why the lease is not what it was.
        if entry.on_its_way && !matches!(answer, Answer::Renewed(_)) {
            return;
        }
        let held = match answer {
            Answer::Renewed(granted) if granted < SHORTEST_GRANTED => None,
            Answer::Renewed(granted) => {
                entry.backoff.succeeded();
                let renew_at = sent + lease::renew_after(granted);
                Some(Held { granted, until: sent + granted, renew_at, disputed: false, ..held })
            }
            Answer::Unknown => None,
            // Renewing goes on: only who still renews can prove that there are two of him.
            Answer::Replaced => {
                let renew_at = sent + lease::renew_after(held.granted);
                Some(Held { renew_at, disputed: true, ..held })
            }
            Answer::Cloned => Some(Held { renew_at: sent + DISPUTED_EVERY, disputed: true, ..held }),
        };
        self.hold(which, held);
        if held.is_none() {
            self.wait(which, sent);
        }
    }

    /// The leases that run, to be cancelled: they are held no more. Those of others are not ours to cancel.
    pub(super) fn let_go(&mut self) -> Vec<u64> {
        self.renewing.clear();
        self.running.clear();
        let held = self.entries.iter_mut().filter_map(|entry| entry.held.take());
        held.filter(|held| !held.disputed).map(|held| held.lease).collect()
    }

    /// When the first lease runs out, where all are held.
    pub(super) fn all_held_until(&self) -> Option<Instant> {
        let all = self.running.len() == self.entries.len();
        self.running.first().filter(|_| all).map(|(at, _)| *at)
    }

    fn window(&self) -> usize {
        if self.answers { MAX_REGISTERING } else { 1 }
    }

    fn answering(&mut self) {
        self.answers = true;
        self.failures.succeeded();
    }

    /// A call was not answered: what it was about stays due, after a while. Calls that were on their way together count as
    /// one. Gives whether the lookup answered until now.
    pub(super) fn silent(&mut self, now: Instant, random: u64) -> bool {
        if now >= self.paused_until {
            self.paused_until = now + self.failures.failed(random);
        }
        std::mem::replace(&mut self.answers, false)
    }

    fn arrived(&mut self, which: usize) {
        if let Some(entry) = self.entries.get_mut(which).filter(|entry| entry.on_its_way) {
            entry.on_its_way = false;
            self.registering -= 1;
        }
    }

    /// To be registered, no sooner than `at`. Who is on its way is looked at when it arrives.
    fn wait(&mut self, which: usize, at: Instant) {
        let Some(entry) = self.entries.get_mut(which).filter(|entry| !entry.on_its_way) else { return };
        if let Some(before) = entry.waits_for.replace(at) {
            self.waiting.remove(&(before, which));
        }
        self.waiting.insert((at, which));
    }

    fn hold(&mut self, which: usize, held: Option<Held>) {
        let Some(entry) = self.entries.get_mut(which) else { return };
        if let Some(before) = std::mem::replace(&mut entry.held, held) {
            self.renewing.remove(&(before.renew_at, which));
            self.running.remove(&(before.until, which));
        }
        if let Some(held) = held {
            self.renewing.insert((held.renew_at, which));
            if !held.disputed {
                self.running.insert((held.until, which));
            }
        }
    }

    /// Those whose lease ran out are registered again.
    fn end_run_out(&mut self, now: Instant) {
        while let Some((until, which)) = self.running.first().copied().filter(|(until, _)| *until <= now) {
            self.hold(which, None);
            if self.entries.get(which).is_some_and(|entry| entry.waits_for.is_none()) {
                self.wait(which, until);
            }
        }
    }
}

#[cfg(test)]
mod tests;
