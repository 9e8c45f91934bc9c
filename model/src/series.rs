//! A series: its identity within a farm, and what is known of it.

use crate::labels::Labels;
use crate::name::Name;
use std::fmt;
use std::time::Duration;

/// The small integer by which all stages behind the hub's front door know a series. Never 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub u32);

impl fmt::Debug for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A series' identity within its farm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// A Prometheus user reads `job`.
    pub cluster: Name,
    /// A Prometheus user reads `instance`.
    pub node: Name,
    /// A Prometheus user reads the metric's name.
    pub parameter: Name,
    /// Mostly none.
    pub labels: Labels,
}

/// What a series' values mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A number that goes up and down.
    Gauge = 1,
    /// A number that only grows, kept raw; an i64 column is read as u64, bit for bit.
    Counter = 2,
    /// A code with its text.
    State = 3,
    /// Free text.
    Text = 4,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Gauge, Self::Counter, Self::State, Self::Text];

    /// The word users read and write.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::State => "state",
            Self::Text => "text",
        }
    }

    /// The kind with this number (as in the cache and on the wire).
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A series as its source declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesDef {
    /// Its identity.
    pub key: SeriesKey,
    /// What its values mean. Part of the declaration, not of the identity: it cannot change later.
    pub kind: Kind,
    /// UCUM and base: `s`, `By`, `By/s`, `Cel`, `1`; empty where there is none (states, texts, plain counts).
    pub unit: String,
    /// What makes it: `host`, `script:disk-check`, `filter:threshold`.
    pub source: String,
    /// How often a sample is expected; `None` where the hub has to learn it, zero where none is ever due (events): such a
    /// series is never stale for its silence, and ends after its life time as others do.
    pub interval: Option<Duration>,
    /// How long after its last sample the series has ended; `None`: the farm's default.
    pub lifetime: Option<Duration>,
    /// Free description; may change.
    pub description: String,
}
