//! Terms of leases: how long, when to renew, when overdue (design, lookup law 2 and 4). Durations only, never times.

use std::time::Duration;

/// What a service asks for where nothing else is configured.
pub const DEFAULT_ASKED: Duration = Duration::from_secs(60);
/// The shortest lease a lookup grants.
pub const FLOOR: Duration = Duration::from_secs(10);
/// The longest lease a service may ask for.
pub const CEILING: Duration = Duration::from_secs(24 * 3600);

/// What a lookup grants: clamp(3·N/R, 10 s, asked), never more than asked.
/// `leases` is N with this one, `renewals_per_second` is R, the rate the lookup will bear.
///
/// # Errors
/// Where even the asked term would make more than R renewals a second, or is shorter than [`FLOOR`]:
/// the shortest term that would be granted now.
pub fn grant(asked: Duration, leases: usize, renewals_per_second: f64) -> Result<Duration, Duration> {
    #[expect(clippy::cast_precision_loss, reason = "fewer leases than 2^52")]
    let needed = Duration::from_secs_f64(3.0 * leases as f64 / renewals_per_second.max(f64::MIN_POSITIVE))
        .clamp(FLOOR, CEILING);
    if asked < needed { Err(needed) } else { Ok(needed) }
}

/// When a service renews: at a third of the term.
pub fn renew_after(granted: Duration) -> Duration {
    granted / 3
}

/// When a lease is overdue: past half its term.
pub fn overdue_after(granted: Duration) -> Duration {
    granted / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn few_leases_get_the_floor_and_many_get_longer_terms() {
        assert_eq!(grant(S(60), 1, 10_000.0), Ok(S(10)));
        assert_eq!(grant(S(60), 100_000, 10_000.0), Ok(S(30)));
        assert_eq!(grant(S(60), 300_000, 10_000.0), Err(S(90)), "too short an ask for R");
        assert_eq!(grant(S(5), 1, 10_000.0), Err(S(10)));
    }
}
