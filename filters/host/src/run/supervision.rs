//! What becomes of a filter after a fault: tried again from its last state, after a while, and no more after a few.
//!
//! It takes the time as an argument and runs nothing itself.

use crate::guest::Fault;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So many faults within [`FAULT_WINDOW`] are too many. The input that failed comes again, so that a filter which always fails
/// there has failed so often after [`FIRST_BACK_OFF`] and twice that, three seconds, beside what its calls take.
pub const MAX_FAULTS: usize = 3;

/// Faults longer ago than this count no more.
pub const FAULT_WINDOW: Duration = Duration::from_secs(600);

/// How long a filter waits after its first fault; twice as long after each further one …
pub const FIRST_BACK_OFF: Duration = Duration::from_secs(1);

/// … up to this.
pub const MAX_BACK_OFF: Duration = Duration::from_secs(60);

/// How a deployment stands after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is wrong.
    Sound,
    /// It is to be begun again, from its last state, at this time.
    BackingOff(Instant),
    /// It failed too often, or in a way that trying again cannot change: it is not begun again until somebody says so.
    Quarantined,
}

/// A fault: when it was, and whether it was the host's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failure {
    at: Instant,
    of_host: bool,
}

/// The faults of one deployment, and what follows from them.
#[derive(Debug, Clone)]
pub struct Supervisor {
    standing: Standing,
    /// Why, where it is not sound.
    reason: String,
    /// The newest, at most [`MAX_FAULTS`].
    failures: VecDeque<Failure>,
    /// Failures of the host's own in a row.
    of_host: u32,
    restarts: u64,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self {
            standing: Standing::Sound,
            reason: String::new(),
            failures: VecDeque::new(),
            of_host: 0,
            restarts: 0,
        }
    }
}

impl Supervisor {
    /// Of a deployment that has never failed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of one that has failed before, in another process: when, oldest first, why it is quarantined where it is, and how often it was
    /// begun again.
    pub fn resume(
        faults: impl IntoIterator<Item = Instant>,
        quarantined: Option<String>,
        restarts: u64,
    ) -> Self {
        let mut failures: VecDeque<_> = faults.into_iter().map(|at| Failure { at, of_host: false }).collect();
        failures.drain(..failures.len().saturating_sub(MAX_FAULTS));
        let standing = if quarantined.is_some() { Standing::Quarantined } else { Standing::Sound };
        Self { standing, reason: quarantined.unwrap_or_default(), failures, of_host: 0, restarts }
    }

    /// It failed: says what becomes of it. A fault of the host's own never counts against the filter.
    pub fn failed(&mut self, now: Instant, fault: &Fault) -> Standing {
        let counts =
            |failure: &Failure| !failure.of_host && now.saturating_duration_since(failure.at) < FAULT_WINDOW;
        let refused = matches!(fault, Fault::Refused(_));
        let of_host = matches!(fault, Fault::Host(_));
        self.of_host = if of_host { self.of_host + 1 } else { 0 };
        self.failures.push_back(Failure { at: now, of_host });
        if self.failures.len() > MAX_FAULTS {
            self.drop_least();
        }
        let faults = self.failures.iter().filter(|failure| counts(failure)).count();
        self.reason = fault.to_string();
        self.standing = if refused || faults >= MAX_FAULTS {
            if !refused {
                let minutes = FAULT_WINDOW.as_secs() / 60;
                self.reason = format!("{MAX_FAULTS} times within {minutes} minutes, last: {fault}");
            }
            Standing::Quarantined
        } else {
            let before = if of_host { self.of_host } else { u32::try_from(faults).unwrap_or(u32::MAX) };
            let factor = 2_u32.saturating_pow(before.saturating_sub(1));
            Standing::BackingOff(now + FIRST_BACK_OFF.saturating_mul(factor).min(MAX_BACK_OFF))
        };
        self.standing
    }

    /// Drops what counts least: the oldest of the host's own, or else the oldest.
    fn drop_least(&mut self) {
        let last = self.failures.len() - 1;
        let at = self.failures.iter().take(last).position(|failure| failure.of_host).unwrap_or_default();
        self.failures.remove(at);
    }

    /// Whether it is to be begun again now. The restart is counted.
    pub fn begins(&mut self, now: Instant) -> bool {
        let due = matches!(self.standing, Standing::BackingOff(at) if at <= now);
        if due {
            self.standing = Standing::Sound;
            self.restarts += 1;
        }
        due
    }

    /// Somebody wants it tried again: what was is forgotten, but for the count of restarts.
    pub fn retry(&mut self) {
        self.failures.clear();
        self.of_host = 0;
        self.standing = Standing::Sound;
        self.restarts += 1;
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// When it failed itself, oldest first: at most [`MAX_FAULTS`].
    pub fn faults(&self) -> impl Iterator<Item = Instant> {
        self.failures.iter().filter(|failure| !failure.of_host).map(|failure| failure.at)
    }

    /// How often it was begun again.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Why it is not running, in one line; empty where it is.
    pub fn reason(&self) -> &str {
        if self.standing == Standing::Sound { "" } else { &self.reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant will do to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    fn trap() -> Fault {
        Fault::Trap { call: "on-batch", what: "unreachable".into() }
    }

    #[test]
    fn a_filter_that_always_fails_is_quarantined_within_ten_seconds() {
        let start = start();
        let (mut now, mut supervisor) = (start, Supervisor::new());
        let mut waits = Vec::new();
        while let Standing::BackingOff(at) = supervisor.failed(now, &trap()) {
            assert!(!supervisor.begins(at - Duration::from_millis(1)), "not before");
            assert!(supervisor.begins(at));
            waits.push(at - now);
            // What a call may take before it is stopped, and as much again.
            now = at + Duration::from_millis(400);
        }
        assert_eq!(waits, [1, 2].map(Duration::from_secs));
        assert!(now - start < Duration::from_secs(10), "{:?}", now - start);
        assert_eq!(
            supervisor.reason(),
            "3 times within 10 minutes, last: it failed in `on-batch`: unreachable"
        );
        assert!(!supervisor.begins(now + Duration::from_secs(3600)), "never by itself");
        supervisor.retry();
        assert_eq!((supervisor.standing(), supervisor.restarts()), (Standing::Sound, 3));
        assert!(matches!(supervisor.failed(now, &trap()), Standing::BackingOff(_)), "with a clean slate");
    }

    #[test]
    fn faults_of_long_ago_are_forgotten() {
        let (mut now, mut supervisor) = (start(), Supervisor::new());
        for _ in 0..10 {
            let standing = supervisor.failed(now, &trap());
            let at = now + FIRST_BACK_OFF;
            assert_eq!(standing, Standing::BackingOff(at));
            assert!(supervisor.begins(at));
            now = at + FAULT_WINDOW;
        }
        assert!(supervisor.faults().count() <= MAX_FAULTS);
    }

    #[test]
    fn what_the_host_could_not_do_does_not_count_against_the_filter() {
        let (mut now, mut supervisor) = (start(), Supervisor::new());
        let mut longest = Duration::ZERO;
        for _ in 0..20 {
            let Standing::BackingOff(at) = supervisor.failed(now, &Fault::Host("no memory".into())) else {
                unreachable!("never quarantined for it")
            };
            longest = longest.max(at - now);
            now = at;
            assert!(supervisor.begins(now));
        }
        assert_eq!(longest, MAX_BACK_OFF);
        assert!(matches!(supervisor.failed(now, &trap()), Standing::BackingOff(_)));
        assert!(matches!(supervisor.failed(now, &Fault::Host(String::new())), Standing::BackingOff(_)));
        assert!(matches!(supervisor.failed(now, &trap()), Standing::BackingOff(_)));
        assert_eq!(
            supervisor.failed(now, &trap()),
            Standing::Quarantined,
            "what lies between does not save it"
        );
    }

    #[test]
    fn what_refuses_to_begin_is_not_tried_again() {
        let now = start();
        let mut supervisor = Supervisor::new();
        assert_eq!(
            supervisor.failed(now, &Fault::Refused("above: expected a number".into())),
            Standing::Quarantined
        );
        assert_eq!(supervisor.reason(), "it refuses: above: expected a number");
    }

    #[test]
    fn what_another_process_counted_goes_on() {
        let start = start();
        let mut before = Supervisor::new();
        before.failed(start, &trap());
        before.failed(start + Duration::from_secs(300), &trap());
        let now = start + Duration::from_secs(500);
        let mut after = Supervisor::resume(before.faults(), None, 2);
        assert_eq!((after.standing(), after.reason(), after.restarts()), (Standing::Sound, "", 2));
        assert_eq!(after.clone().failed(now, &trap()), Standing::Quarantined, "the third");
        let late = start + FAULT_WINDOW;
        assert_eq!(
            after.failed(late, &trap()),
            Standing::BackingOff(late + 2 * FIRST_BACK_OFF),
            "one of them is too long ago"
        );
        let mut quarantined = Supervisor::resume([start; 9], Some("it loops".into()), 4);
        assert_eq!((quarantined.standing(), quarantined.reason()), (Standing::Quarantined, "it loops"));
        assert_eq!(quarantined.faults().count(), MAX_FAULTS);
        assert!(!quarantined.begins(now));
        quarantined.retry();
        assert_eq!((quarantined.standing(), quarantined.faults().count()), (Standing::Sound, 0));
    }
}
