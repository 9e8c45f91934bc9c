//! Silences: what matches is kept and shown, but marked, until a time.

use super::Alarm;
use hedgerow_model::predicate::PathPattern;
use hedgerow_model::{Glob, UnixMillis};

/// Names a silence at its farm. Never 0.
pub type SilenceId = u64;

/// A silence.
#[derive(Debug, Clone, PartialEq)]
pub struct Silence {
    /// Its name.
    pub id: SilenceId,
    /// Of which deployments.
    pub deployment: Glob,
    /// Which keys.
    pub key: Glob,
    /// Only alarms one of whose series matches.
    pub path: Option<PathPattern>,
    /// Who.
    pub by: String,
    /// Why.
    pub comment: String,
    /// From when.
    pub from: UnixMillis,
    /// Until when (exclusive).
    pub until: UnixMillis,
}

impl Silence {
    /// Whether it covers this alarm of the farm at this time.
    pub fn covers(&self, farm: &str, alarm: &Alarm, now: UnixMillis) -> bool {
        (self.from..self.until).contains(&now)
            && self.deployment.matches(&alarm.key.deployment)
            && self.key.matches(&alarm.key.key)
            && self.path.as_ref().is_none_or(|path| alarm.series.iter().any(|key| path.matches(farm, key)))
    }
}
