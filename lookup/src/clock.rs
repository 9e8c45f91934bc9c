//! The one place where the lookup reads a clock: a monotonic one. Nothing here knows the time of day.

use std::time::Duration;

/// A monotonic clock. It may stand still, never run backwards.
pub trait Clock: Send + Sync {
    /// Time since some fixed moment.
    fn now(&self) -> Duration;
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
