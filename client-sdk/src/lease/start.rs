//! The wait before the first call: after a power cut a whole site starts in one moment, and its lookups with it.

use std::time::Duration;

/// The longest wait, unless configured otherwise.
pub const START_DELAY: Duration = Duration::from_secs(5);
/// Who starts later than this after the boot of its machine was started by a person, and does not wait.
pub const AFTER_BOOT: Duration = Duration::from_secs(600);

/// How long to wait, at most `most`; `random` is uniform over all of u64.
pub(crate) fn delay(most: Duration, random: u64) -> Duration {
    let up = u64::try_from(rustix::system::sysinfo().uptime).unwrap_or(u64::MAX);
    delay_at(Duration::from_secs(up), most, random)
}

fn delay_at(up: Duration, most: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    if up >= AFTER_BOOT || nanos == 0 { Duration::ZERO } else { Duration::from_nanos(random % nanos) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_soon_after_the_boot_and_spread_over_the_whole_delay() {
        let waits = |up, random| delay_at(Duration::from_secs(up), START_DELAY, random);
        assert_eq!(waits(600, u64::MAX / 3), Duration::ZERO);
        assert_eq!(delay_at(Duration::ZERO, Duration::ZERO, u64::MAX / 3), Duration::ZERO);
        let all: Vec<Duration> =
            (0..1000_u64).map(|n| waits(599, n.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
        assert!(all.iter().all(|wait| *wait < START_DELAY));
        for tenth in 0..10 {
            let within = all.iter().filter(|wait| wait.as_millis() / 500 == tenth).count();
            assert!((50..200).contains(&within), "{within} of 1000 in tenth {tenth}");
        }
    }
}
