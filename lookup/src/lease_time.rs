//! The clock by which leases run: the monotonic one, less the time in which the lookup stood still.

use std::time::Duration;

/// How often the lookup looks at its leases.
pub const TICK: Duration = Duration::from_millis(250);
/// How late a look may come before the lookup is taken to have stood still (stopped, starved, a laptop's lid).
pub const STALL: Duration = Duration::from_secs(1);

/// Milliseconds during which the lookup ran.
#[derive(Debug)]
pub struct LeaseTime {
    last: Duration,
    running: Duration,
}

impl LeaseTime {
    /// Begins at 0 when the monotonic clock says `now`.
    pub const fn new(now: Duration) -> Self {
        Self { last: now, running: Duration::ZERO }
    }

    /// Lets time pass. Every call and every tick comes by here, so that a gap means that nothing ran at all; such a gap
    /// does not count beyond one tick. Gives what was left out.
    pub fn advance(&mut self, now: Duration) -> Option<Duration> {
        let gap = now.saturating_sub(self.last);
        self.last = self.last.max(now);
        let stall = gap.checked_sub(TICK).filter(|late| *late > STALL);
        self.running += gap - stall.unwrap_or_default();
        stall
    }

    /// Now.
    pub fn millis(&self) -> u64 {
        u64::try_from(self.running.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_up_to_the_tolerance_count_and_longer_ones_do_not() {
        let mut time = LeaseTime::new(Duration::from_secs(7));
        assert_eq!(time.advance(Duration::from_millis(8_250)), None);
        assert_eq!(time.millis(), 1_250);
        assert_eq!(time.advance(Duration::from_millis(9_501)), Some(Duration::from_millis(1_001)));
        assert_eq!(time.millis(), 1_500);
        assert_eq!(time.advance(Duration::from_secs(1)), None, "a clock that runs backwards stands still");
        assert_eq!(time.millis(), 1_500);
    }
}
