//! The life of a series: live, stale after three missed intervals, ended after its life time.

use crate::UnixMillis;
use crate::series::SeriesId;
use std::sync::Arc;

/// How many expected intervals may pass without a sample before a series is stale.
pub const STALE_AFTER_INTERVALS: u32 = 3;

/// Whether a series' last value still speaks for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Life {
    /// Samples come as expected.
    Live = 1,
    /// Three intervals were missed, or the source said that it cannot be read.
    Stale = 2,
    /// Gone for longer than its life time, or the source said that it is no more.
    Ended = 3,
}

impl Life {
    /// The word of JSON and of the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Stale => "stale",
            Self::Ended => "ended",
        }
    }

    /// The state with this number (as in the cache and on the wire).
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Live, Self::Stale, Self::Ended].into_iter().find(|life| *life as u8 == number)
    }
}

/// A transition in a series' life. It takes no number: it is a state, and saying it twice does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifeMark {
    /// The series.
    pub series: SeriesId,
    /// What it is from now on.
    pub life: Life,
    /// When.
    pub time: UnixMillis,
    /// The last number accepted before (of any series): where in the stream the mark stands.
    pub after: u64,
    /// Why: `missed 3 intervals of 10s`, `target timed out`, …
    pub reason: Arc<str>,
}
