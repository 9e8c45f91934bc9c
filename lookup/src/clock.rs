//! The one place where the lookup reads clocks: leases run by the monotonic one. The time of day is for the 90 days of
//! documents, and for nothing else.

use hedgerow_model::UnixMillis;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A monotonic clock. It may stand still, never run backwards.
pub trait Clock: Send + Sync {
    /// Time since some fixed moment.
    fn now(&self) -> Duration;

    /// The time of day, which may jump either way.
    #[expect(clippy::disallowed_methods, reason = "the one place where the lookup reads the time of day")]
    fn unix_millis(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis::try_from(since.as_millis()).unwrap_or(UnixMillis::MAX)
    }
}

/// The clock of the runtime, which tests can stop and advance.
#[derive(Debug)]
pub struct RuntimeClock(tokio::time::Instant);

impl Default for RuntimeClock {
    fn default() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl Clock for RuntimeClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}
