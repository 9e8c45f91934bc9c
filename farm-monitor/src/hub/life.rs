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
        // Zero: events, which are never due.
        let interval = interval.filter(|interval| !interval.is_zero());
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_model::{Kind, Labels, Name, SeriesDef, SeriesId, SeriesKey};

    fn silent_since_zero(interval: Option<Duration>) -> Known {
        let name = |text| Name::new(text).unwrap();
        let (cluster, node, parameter) = (name("traps"), name("sw"), name("trap"));
        let def = SeriesDef {
            key: SeriesKey { cluster, node, parameter, labels: Labels::none() },
            kind: Kind::Text,
            unit: String::new(),
            source: "traps".to_owned(),
            interval,
            lifetime: None,
            description: String::new(),
        };
        Known::new(SeriesId(1), def, None, 0)
    }

    #[test]
    fn events_are_never_stale_and_end_after_their_life_time() {
        let (rules, hour) = (LifeRules::default(), 3_600_000);
        let due = |known: &Known, now| rules.due(known, now).map(|(life, _)| life);
        let events = silent_since_zero(Some(Duration::ZERO));
        assert_eq!(due(&events, hour), None);
        assert_eq!(due(&events, 24 * hour), None);
        assert_eq!(due(&events, 24 * hour + 1), Some(Life::Ended));
        assert_eq!(due(&silent_since_zero(Some(Duration::from_secs(60))), hour), Some(Life::Stale));
    }
}
