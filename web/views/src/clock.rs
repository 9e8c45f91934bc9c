//! The one place where views read the time of day; the cores are told it.

use hedgerow_model::UnixMillis;
use std::time::{SystemTime, UNIX_EPOCH};

/// Unix milliseconds now.
pub(crate) fn now() -> UnixMillis {
    #[expect(
        clippy::disallowed_methods,
        reason = "the shells' clock; the cores take the time as an argument"
    )]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::try_from(since.as_millis()).unwrap_or(UnixMillis::MAX)
}
