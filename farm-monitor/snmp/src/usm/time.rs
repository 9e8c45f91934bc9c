//! An engine's boots and time, as far as its signed messages tell (RFC 3414, 3.2 step 7b).

use tokio::time::Instant;

/// Seconds by which a message may be older than the newest.
const WINDOW: u32 = 150;
/// Where boots and time end; an engine whose boots stand here is never in time.
const END: u32 = i32::MAX as u32;

/// What is known of an engine's time.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    boots: u32,
    time: u32,
    at: Instant,
    /// Whether a signed message said so. Until then it is good enough to send, and nothing is held against it.
    signed: bool,
}

impl Clock {
    /// From an unsigned message.
    pub fn guessed(boots: u32, time: u32, now: Instant) -> Self {
        Self { boots: boots.min(END), time: time.min(END), at: now, signed: false }
    }

    /// Boots and time as the engine has them `now`.
    pub fn read(&self, now: Instant) -> (u32, u32) {
        let passed = u32::try_from(now.saturating_duration_since(self.at).as_secs()).unwrap_or(u32::MAX);
        (self.boots, self.time.saturating_add(passed).min(END))
    }

    /// Whether a signed message with these is in time; learns from it.
    pub fn believes(&mut self, boots: u32, time: u32, now: Instant) -> bool {
        if boots >= END {
            return false;
        }
        if !self.signed || boots > self.boots || (boots == self.boots && time > self.time) {
            *self = Self { boots, time, at: now, signed: true };
            return true;
        }
        boots == self.boots && time.saturating_add(WINDOW) >= self.read(now).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn signed_messages_move_the_clock_and_old_ones_are_refused() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut clock = Clock::guessed(9, 5_000, start);
        assert_eq!(clock.read(at(10)), (9, 5_010));
        assert!(clock.believes(3, 100, start), "what was not signed is held against nothing");
        assert!(clock.believes(3, 100, at(150)));
        assert!(!clock.believes(3, 100, at(151)), "a replay");
        assert!(clock.believes(3, 120, at(151)), "later than any before");
        assert!(!clock.believes(2, 4_000, at(151)), "from before the reboot");
        assert!(clock.believes(4, 0, at(152)), "after the reboot");
        assert!(!clock.believes(3, 9_000, at(152)));
        assert!(!clock.believes(END, 0, at(152)));
        assert_eq!(clock.read(at(160)), (4, 8));
    }
}
