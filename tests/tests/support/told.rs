//! Waiting that says what it saw instead.

use hedgerow_e2e::{Stopwatch, pause};
use std::time::Duration;

/// For what takes some seconds where there is nothing else to do, and has to happen where there is.
const PATIENT: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// Looks until there is what is looked for; fails with what was there instead when patience is out.
pub fn wait_told<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let watch = Stopwatch::new();
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(watch.elapsed() < PATIENT, "waited {PATIENT:?} in vain for {what}: {seen}"),
        }
        pause(LOOK);
    }
}
