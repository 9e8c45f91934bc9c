//! Waiting for something to happen: the only place that reads the clock or sleeps.

use std::time::{Duration, Instant};

/// For what happens within a second on an idle machine, and has to happen on a busy one, too.
pub const PATIENCE: Duration = Duration::from_secs(40);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(40);

/// Time since its start.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts it.
    #[expect(clippy::disallowed_methods, reason = "tests run on the real clock; this is where they read it")]
    #[expect(clippy::new_without_default, reason = "to start a watch is to do something")]
    pub fn new() -> Self {
        Self(Instant::now())
    }

    /// What has passed.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The clock that all processes of a machine share and nobody sets; seconds.
pub fn monotonic_seconds() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Looks until there is something, and gives it; fails the test with `what` when patience is out.
pub fn wait_for<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let watch = Stopwatch::new();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(watch.elapsed() < patience, "waited {patience:?} in vain for {what}");
        pause(LOOK);
    }
}

/// Looks until it holds.
pub fn wait_until(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    wait_for(what, patience, || holds().then_some(()));
}

/// Lets time pass. Only for load that has to last, or for showing that something does not happen.
#[expect(clippy::disallowed_methods, reason = "the one place where a test lets time pass")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
