//! A serial that may run: how it stands, what it failed at, and when it is begun again. Runs nothing itself.

use crate::filter::host::{Admitted, Unfit};
use crate::filter::{Faults, Ready};
use hedgerow_filter_host::guest::Fault;
use hedgerow_filter_host::run::supervision::{FAULT_WINDOW, Standing, Supervisor};
use hedgerow_model::UnixMillis;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Between the clock that never steps and the one whose times are kept: as it was when the deployment was taken up.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    pub instant: Instant,
    pub millis: UnixMillis,
}

impl Clocks {
    fn millis(self, at: std::time::Instant) -> UnixMillis {
        let began = self.instant.into_std();
        let since = millis(at.saturating_duration_since(began));
        let before = millis(began.saturating_duration_since(at));
        self.millis.saturating_add(since).saturating_sub(before)
    }

    /// A time of another process. One in the future was written by a clock that was wrong: it is now. `None`: it does not matter any
    /// more.
    fn instant(self, at: UnixMillis) -> Option<std::time::Instant> {
        let age = Duration::from_millis(self.millis.saturating_sub(at).max(0).unsigned_abs());
        let began = self.instant.into_std();
        (age < FAULT_WINDOW).then(|| began.checked_sub(age).unwrap_or(began))
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// See the module.
pub struct Candidate {
    pub ready: Arc<Ready>,
    pub supervisor: Supervisor,
    pub stands: Stands,
    clocks: Clocks,
    quarantined_ms: UnixMillis,
    /// Processor time that counts in no run's cost, in nanoseconds: of runs that were stopped, and of beginnings that failed.
    lost_ns: u64,
}

/// How a serial stands.
pub enum Stands {
    /// To be loaded and described.
    Unprepared,
    /// That is under way.
    Preparing,
    /// To be begun.
    Prepared(Admitted),
    /// It is what is active.
    Running,
    /// Begun again at this time.
    BackingOff(Instant, Admitted),
    /// As `BackingOff`, with its component to be loaded anew.
    Waiting(Instant),
    /// The farm does not take it, or it refuses.
    Refused(String),
    /// It failed too often.
    Quarantined,
}

impl Candidate {
    /// With what is known of its faults from before.
    pub fn new(ready: Arc<Ready>, faults: Option<Faults>, clocks: Clocks) -> Self {
        let Faults { quarantined, failed_ms, restarts, lost_us } = faults.unwrap_or_default();
        let (quarantined_ms, reason) = quarantined.unzip();
        let stands = if reason.is_some() { Stands::Quarantined } else { Stands::Unprepared };
        let failed = failed_ms.into_iter().filter_map(|at| clocks.instant(at));
        Self {
            ready,
            supervisor: Supervisor::resume(failed, reason, restarts),
            stands,
            clocks,
            quarantined_ms: quarantined_ms.unwrap_or_default(),
            lost_ns: lost_us.saturating_mul(1000),
        }
    }

    /// What of it outlives the process; `None`: it has never failed.
    pub fn faults(&self) -> Option<Faults> {
        let faults = Faults {
            quarantined: (self.supervisor.standing() == Standing::Quarantined)
                .then(|| (self.quarantined_ms, self.supervisor.reason().to_owned())),
            failed_ms: self.supervisor.faults().map(|at| self.clocks.millis(at)).collect(),
            restarts: self.supervisor.restarts(),
            lost_us: self.lost_us(),
        };
        (faults != Faults::default()).then_some(faults)
    }

    /// Processor time that counts in no run's cost, in microseconds.
    pub fn lost_us(&self) -> u64 {
        self.lost_ns / 1000
    }

    /// When it is to be begun again.
    pub fn due(&self) -> Option<Instant> {
        match self.stands {
            Stands::BackingOff(at, _) | Stands::Waiting(at) => Some(at),
            _ => None,
        }
    }

    /// Is to be begun again, where it is time.
    pub fn wakes(&mut self, now: Instant) {
        if self.due().is_none_or(|at| at > now) {
            return;
        }
        self.supervisor.begins(now.into_std());
        self.stands = match std::mem::replace(&mut self.stands, Stands::Unprepared) {
            Stands::BackingOff(_, admitted) => Stands::Prepared(admitted),
            _ => Stands::Unprepared,
        };
    }

    /// It failed; with what it was admitted as, where it came so far, and what went with it.
    pub fn failed(&mut self, fault: &Fault, admitted: Option<Admitted>, lost_ns: u64, now: Instant) {
        self.lost_ns += lost_ns;
        self.stands = match (self.supervisor.failed(now.into_std(), fault), admitted) {
            (Standing::BackingOff(at), Some(admitted)) => {
                Stands::BackingOff(at.into(), Admitted { spent_ns: 0, ..admitted })
            }
            (Standing::BackingOff(at), None) => Stands::Waiting(at.into()),
            (Standing::Sound | Standing::Quarantined, _) => {
                self.quarantined_ms = self.clocks.millis(now.into_std());
                Stands::Quarantined
            }
        };
    }

    /// It could not be begun, for this and at this cost.
    pub fn unfit(&mut self, (unfit, lost_ns): (Unfit, u64), admitted: Option<Admitted>, now: Instant) {
        match unfit {
            Unfit::Refused(why) => {
                self.lost_ns += lost_ns;
                self.stands = Stands::Refused(why);
            }
            Unfit::Failed(fault) => self.failed(&fault, admitted, lost_ns, now),
        }
    }

    /// It may be another thing now. What is quarantined stays so.
    pub fn again(&mut self) {
        if !matches!(self.stands, Stands::Preparing | Stands::Quarantined) {
            self.stands = Stands::Unprepared;
        }
    }

    /// Somebody wants it tried again.
    pub fn retry(&mut self) {
        if !matches!(self.stands, Stands::Running | Stands::Preparing) {
            self.supervisor.retry();
            self.stands = Stands::Unprepared;
        }
    }
}
