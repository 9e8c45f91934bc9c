//! What a target has earned: its lane, how long a run of it may hold a slot that others want, how long it rests.

use super::{Facts, Lane, RunEnd};
use crate::schedule::{TargetKey, mix};
use std::time::Duration;

/// Patience with a target nothing is known of: a 32nd of its deadline within these limits.
const GRACE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How many times longer than usual a run may take before it is in the way.
const SLOWER: u32 = 4;
/// Most ticks a silent target rests between two tries, and the most time.
const LONGEST_REST: (u32, Duration) = (16, Duration::from_secs(300));

/// The record of one target.
#[derive(Debug, Default)]
pub(super) struct Standing {
    grade: Grade,
    /// The longest its runs took lately (a maximum that fades).
    usual: Duration,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Grade {
    Trusted,
    #[default]
    Fresh,
    Doubtful {
        cuts: u32,
    },
    Probation {
        tries: u32,
        rest: u32,
    },
}

/// What follows from a run for the target's tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Rests,
    TryAgain,
}

impl Standing {
    pub fn lane(&self) -> Lane {
        match self.grade {
            Grade::Trusted => Lane::Trusted,
            Grade::Fresh => Lane::Fresh,
            Grade::Doubtful { .. } => Lane::Doubtful,
            Grade::Probation { .. } => Lane::Probation,
        }
    }

    /// How long a run may hold a slot that others want; at `deadline` it is never cut.
    pub fn patience(&self, deadline: Duration) -> Duration {
        let step = match self.grade {
            Grade::Trusted | Grade::Fresh => 0,
            Grade::Doubtful { cuts } => cuts,
            // Short tries and full ones in turn: a queue of hung targets moves on, a slow one gets its time.
            Grade::Probation { tries, .. } => 1 + tries % 3,
        };
        let grace = (deadline / 32).clamp(GRACE.0, GRACE.1);
        let grace = grace.saturating_mul(4_u32.saturating_pow(step));
        grace.max(self.usual.saturating_mul(SLOWER)).min(deadline)
    }

    /// Whether this tick is part of a rest; counts it.
    pub fn holds_back(&mut self) -> bool {
        match &mut self.grade {
            Grade::Probation { rest, .. } if *rest > 0 => {
                *rest -= 1;
                true
            }
            _ => false,
        }
    }

    pub fn judge(&mut self, end: RunEnd, took: Duration, facts: &Facts, key: TargetKey) -> Verdict {
        let (grade, verdict) = match (end, self.grade) {
            (RunEnd::Answered, _) => {
                self.usual = took.max(self.usual - self.usual / 8);
                (Grade::Trusted, Verdict::Rests)
            }
            (RunEnd::Cut, Grade::Trusted | Grade::Fresh) => (Grade::Doubtful { cuts: 1 }, Verdict::TryAgain),
            (RunEnd::Cut, Grade::Doubtful { cuts }) => {
                (Grade::Doubtful { cuts: cuts.saturating_add(1) }, Verdict::TryAgain)
            }
            (RunEnd::Silent | RunEnd::Cut, Grade::Probation { tries, .. }) => {
                let tries = tries.saturating_add(1);
                (Grade::Probation { tries, rest: rest(tries, facts.period, key) }, Verdict::Rests)
            }
            (RunEnd::Silent, _) => (Grade::Probation { tries: 0, rest: 0 }, Verdict::Rests),
        };
        self.grade = grade;
        verdict
    }
}

/// How many ticks a target rests after `tries` silent tries on probation: 1, 3, 7, … less a part that differs from
/// target to target, so that those that fell silent together do not come back together.
fn rest(tries: u32, period: Duration, key: TargetKey) -> u32 {
    let by_time = LONGEST_REST.1.as_nanos() / period.as_nanos().max(1);
    let longest = u32::try_from(by_time).unwrap_or(u32::MAX).clamp(1, LONGEST_REST.0);
    let ticks = 2_u32.saturating_pow(tries).min(longest);
    let jitter = mix(key.0 ^ (u64::from(tries) << 48)) % u64::from(ticks / 4 + 1);
    ticks - 1 - u32::try_from(jitter).unwrap_or(0).min(ticks - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_stay_bounded_and_differ() {
        let minute = Duration::from_secs(60);
        assert_eq!(rest(1, minute, TargetKey(1)), 1);
        let far: Vec<u32> = (0..100).map(|n| rest(40, Duration::from_secs(10), TargetKey(n))).collect();
        assert!(far.iter().all(|ticks| (11..=15).contains(ticks)), "{far:?}");
        assert!(far.iter().any(|ticks| *ticks != far[0]));
        assert!((0..100).all(|n| rest(40, minute, TargetKey(n)) < 5), "never longer than five minutes");
        assert_eq!(rest(40, Duration::from_secs(3600), TargetKey(3)), 0, "a rare tick is always used");
    }

    #[test]
    fn patience_follows_what_a_target_usually_takes() {
        let deadline = Duration::from_secs(8);
        let mut standing = Standing::default();
        assert_eq!(standing.patience(deadline), Duration::from_millis(250));
        let facts = Facts {
            collector: 0,
            module: "m".into(),
            address: None,
            period: Duration::from_secs(10),
            deadline,
        };
        standing.judge(RunEnd::Answered, Duration::from_secs(1), &facts, TargetKey(0));
        assert_eq!(standing.patience(deadline), Duration::from_secs(4));
        assert_eq!(standing.judge(RunEnd::Cut, deadline, &facts, TargetKey(0)), Verdict::TryAgain);
        standing.judge(RunEnd::Cut, deadline, &facts, TargetKey(0));
        standing.judge(RunEnd::Cut, deadline, &facts, TargetKey(0));
        assert_eq!(standing.patience(deadline), deadline, "in the end it gets all its time");
    }
}
