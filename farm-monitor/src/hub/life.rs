//! When a series is stale and when it has ended (design §1): after three missed intervals, after its life time.

use super::series_table::SeriesTable;
use hedgerow_model::life::STALE_AFTER_INTERVALS;
use hedgerow_model::{Life, LifeMark, UnixMillis, duration};
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

/// No series is stale before this, however short its learned interval: pushes come in bursts.
const LEARNED_FLOOR: Duration = Duration::from_secs(10);

impl LifeRules {
    /// Marks what is due at `now`, and says so.
    pub fn due(&self, table: &mut SeriesTable, now: UnixMillis, number: u64) -> Vec<LifeMark> {
        let mut marks = Vec::new();
        for known in table.iter_mut().filter(|known| known.life != Life::Ended) {
            let silent = Duration::from_millis(u64::try_from(now - known.heard).unwrap_or_default());
            let lifetime = known.def.lifetime.unwrap_or(self.lifetime);
            let interval =
                known.def.interval.or_else(|| known.learned.map(|learned| learned.max(LEARNED_FLOOR)));
            let limit = interval.map(|interval| interval * STALE_AFTER_INTERVALS);
            let (life, reason) = match limit {
                _ if silent > lifetime.max(limit.unwrap_or_default()) => {
                    (Life::Ended, format!("no sample for its life time of {}", duration::print(lifetime)))
                }
                Some(limit) if silent > limit && (known.life == Life::Live || known.unconfirmed) => {
                    let interval = duration::print(limit / STALE_AFTER_INTERVALS);
                    (Life::Stale, format!("missed {STALE_AFTER_INTERVALS} intervals of {interval}"))
                }
                _ => continue,
            };
            let reason: Arc<str> = reason.into();
            known.life = life;
            known.unconfirmed = false;
            known.life_reason = Arc::clone(&reason);
            marks.push(LifeMark { series: known.id, life, time: now, after: number, reason });
        }
        marks
    }
}
