//! When to try again: exponential with full jitter, so that many who lost one peer do not come back at one moment.

use std::time::Duration;

/// The bound of the first wait.
const FIRST: Duration = Duration::from_millis(200);
/// No wait is shorter: a peer that refuses at once is not asked in a tight loop.
const SHORTEST: Duration = Duration::from_millis(20);
/// The bound of every wait: what comes back is found again within this time.
pub(crate) const LONGEST: Duration = Duration::from_secs(5);

/// How often it failed in a row.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Backoff(u32);

impl Backoff {
    /// How long to wait after one more failure; `random` is uniform over all of u64.
    pub(crate) fn failed(&mut self, random: u64) -> Duration {
        self.failed_within(LONGEST, random)
    }

    /// The same with another bound of every wait.
    pub(crate) fn failed_within(&mut self, longest: Duration, random: u64) -> Duration {
        let bound = FIRST.saturating_mul(1 << self.0.min(16)).min(longest);
        self.0 = self.0.saturating_add(1);
        let bound = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(random % bound).max(SHORTEST)
    }

    /// It worked for so long: what breaks again and again as soon as it works is not begun anew in a loop.
    pub(crate) fn worked(&mut self, so_long: Duration) {
        if so_long >= LONGEST {
            self.succeeded();
        }
    }

    /// It worked.
    pub(crate) fn succeeded(&mut self) {
        self.0 = 0;
    }
}

/// Random bits for jitter. Where the system gives none, retries lose their jitter and nothing else.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_again_after_success() {
        let mut backoff = Backoff::default();
        let most = |backoff: &mut Backoff| backoff.failed(u64::MAX - u64::MAX % 5_000_000_000 - 1);
        assert!(most(&mut backoff) < FIRST);
        for _ in 0..100 {
            assert!(backoff.failed(0) >= SHORTEST);
            assert!(most(&mut backoff) <= LONGEST);
        }
        assert!(most(&mut backoff) > LONGEST / 2);
        backoff.worked(LONGEST / 2);
        assert!(most(&mut backoff) > LONGEST / 2, "a stream that ends at once is no success");
        backoff.worked(LONGEST);
        assert!(most(&mut backoff) < FIRST);
        backoff.failed(0);
        backoff.succeeded();
        assert!(most(&mut backoff) < FIRST);
    }
}
