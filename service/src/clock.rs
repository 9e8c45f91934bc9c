//! The one place where the wall clock is read. Everything that decides by time takes it as an argument.

use hedgerow_model::UnixMillis;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, as Unix milliseconds.
#[expect(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
pub fn unix_millis() -> UnixMillis {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => UnixMillis::try_from(since.as_millis()).unwrap_or(UnixMillis::MAX),
        Err(before) => -UnixMillis::try_from(before.duration().as_millis()).unwrap_or(UnixMillis::MAX),
    }
}
