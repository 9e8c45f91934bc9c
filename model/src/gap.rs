//! Gap records: every hole in a farm's numbering is covered by one, so that no loss is silent.

use crate::epoch::Epoch;
use crate::name::Name;
use crate::series::SeriesId;

/// What a gap is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapScope {
    /// Any series of the farm.
    Farm,
    /// The series of one cluster.
    Cluster(Name),
    /// One series.
    Series(SeriesId),
}

/// Why numbers are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum GapReason {
    /// Older than the cache keeps. One low-water mark a scope: numbers up to `to` may be gone.
    Retention = 1,
    /// The cluster's own bound of bytes.
    Quota = 2,
    /// The disk was full.
    DiskFull = 3,
    /// Stored, but no longer readable.
    Corruption = 4,
    /// Accepted, perhaps shown, but not committed when the process ended; to the end of its epoch.
    Crash = 5,
    /// Not given to a filter that was further behind than it may be. Never stored.
    Lag = 6,
    /// A reason that a later version has named, and this one cannot. Never made here.
    Other = 255,
}

impl GapReason {
    /// All reasons that are made, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Retention, Self::Quota, Self::DiskFull, Self::Corruption, Self::Crash, Self::Lag];

    /// The word of the wire's documentation, of JSON and of the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::Quota => "quota",
            Self::DiskFull => "disk_full",
            Self::Corruption => "corruption",
            Self::Crash => "crash",
            Self::Lag => "lag",
            Self::Other => "other",
        }
    }

    /// The reason with this number (as in the cache and on the wire).
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == number)
    }
}

/// Numbers `from..=to` of `epoch` that are missing, wholly or in part, within `scope`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The epoch the numbers belong to.
    pub epoch: Epoch,
    /// Which series are concerned.
    pub scope: GapScope,
    /// First number of the hole.
    pub from: u64,
    /// Last number; `None` for a crash: to the end of the epoch, number unknown.
    pub to: Option<u64>,
    /// How many samples are missing; `None` where nobody can know (a crash).
    pub count: Option<u64>,
    /// Why.
    pub reason: GapReason,
}
