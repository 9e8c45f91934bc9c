//! How long to wait for an agent before asking again: RFC 6298 over the times that its answers took. Knows no clock.
//!
//! Each sending has an id of its own, so that it is always known which of them an answer answers: what Karn's rule
//! guards against cannot happen, and every answer is a sample, also one to a repetition.

use std::time::Duration;

/// Never asks again sooner: agents answer from slow processors, and are polled while they have other work.
pub(crate) const SHORTEST: Duration = Duration::from_millis(200);

/// What is known of the times of one agent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rtt {
    /// Smoothed time and its variation; nothing before the first sample.
    smoothed: Option<(Duration, Duration)>,
}

impl Rtt {
    /// An answer took so long.
    pub fn sample(&mut self, took: Duration) {
        self.smoothed = Some(match self.smoothed {
            None => (took, took / 2),
            Some((mean, variation)) => {
                let off = mean.abs_diff(took);
                ((mean * 7 + took) / 8, (variation * 3 + off) / 4)
            }
        });
    }

    /// The agent fell silent: what was known of it may be no longer so.
    pub fn forget(&mut self) {
        self.smoothed = None;
    }

    /// How long to wait for an answer to sending number `sending` (from 0); `first` where nothing is known, and the
    /// longest for the first sending. Doubles with each.
    pub fn timeout(&self, first: Duration, sending: u32) -> Duration {
        let base = match self.smoothed {
            None => first,
            Some((mean, variation)) => (mean + variation * 4).max(SHORTEST).min(first),
        };
        base.saturating_mul(1_u32.checked_shl(sending).unwrap_or(u32::MAX))
    }
}

/// How long an agent is waited for in all: as long as if nothing were known of its times. What is known makes
/// repetitions come sooner, but never makes a slow answer miss.
pub(crate) fn patience(first: Duration, attempts: u32) -> Duration {
    first.saturating_mul(1_u32.checked_shl(attempts).unwrap_or(u32::MAX).saturating_sub(1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIRST: Duration = Duration::from_secs(1);

    #[test]
    fn nothing_known_waits_the_first_time_and_doubles() {
        let rtt = Rtt::default();
        assert_eq!([0, 1, 2].map(|sending| rtt.timeout(FIRST, sending).as_secs()), [1, 2, 4]);
        assert_eq!(patience(FIRST, 3), Duration::from_secs(7));
    }

    #[test]
    fn a_quick_agent_is_asked_again_sooner_and_a_slow_one_later() {
        let mut rtt = Rtt::default();
        for _ in 0..20 {
            rtt.sample(Duration::from_millis(2));
        }
        assert_eq!(rtt.timeout(FIRST, 0), SHORTEST);
        for _ in 0..20 {
            rtt.sample(Duration::from_millis(600));
        }
        assert!(rtt.timeout(FIRST, 0) > Duration::from_millis(600));
        rtt.forget();
        assert_eq!(rtt.timeout(FIRST, 0), FIRST);
    }

    proptest! {
        #[test]
        fn the_timeout_is_within_its_bounds(
            samples in prop::collection::vec(0_u64..100_000, 0..50),
            first in 1_u64..10_000,
            sending in 0_u32..40,
        ) {
            let first = Duration::from_millis(first);
            let mut rtt = Rtt::default();
            for sample in samples {
                rtt.sample(Duration::from_millis(sample));
            }
            let base = rtt.timeout(first, 0);
            prop_assert!(base <= first && base >= first.min(SHORTEST));
            prop_assert!(rtt.timeout(first, sending) >= base);
        }
    }
}
