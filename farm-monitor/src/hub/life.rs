//! When a series is stale and when it has ended (design §1): after three missed intervals, after its life time.

use super::series_table::{Known, LEARNED_FLOOR};
use hedgerow_model::life::STALE_AFTER_INTERVALS;
use hedgerow_model::{Life, UnixMillis, duration};
use std::sync::Arc;
use std::time::Duration;

/// What is not said by the series itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LifeRules {
    /// After how long a series without a life time of its own has ended.
    pub lifetime: Duration,
}

impl Default for LifeRules {
    fn default() -> Self {
        Self { lifetime: Duration::from_secs(24 * 3600) }
    }
}

impl LifeRules {
    /// What is due for a series at `now`, and why.
    pub fn due(&self, known: &Known, now: UnixMillis) -> Option<(Life, Arc<str>)> {
        if known.life == Life::Ended {
            return None;
        }
        let silent =
            Duration::from_millis(u64::try_from(now.saturating_sub(known.heard)).unwrap_or_default());
        let lifetime = known.def.lifetime.unwrap_or(self.lifetime);
        let interval = known.def.interval.or_else(|| known.learned.map(|learned| learned.max(LEARNED_FLOOR)));
        let limit = interval.map(|interval| interval.saturating_mul(STALE_AFTER_INTERVALS));
        if silent > lifetime.max(limit.unwrap_or_default()) {
            let reason = format!("no sample for its life time of {}", duration::print(lifetime));
            return Some((Life::Ended, reason.into()));
        }
        let interval = interval.filter(|_| known.life == Life::Live || known.unconfirmed)?;
        let reason = || format!("missed {STALE_AFTER_INTERVALS} intervals of {}", duration::print(interval));
        (silent > limit?).then(|| (Life::Stale, reason().into()))
    }
}
