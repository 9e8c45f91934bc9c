//! Why the hub refuses: words of the ledger's edge "source to hub".

/// Why a series or a sample was not accepted. Each has its own counter, per origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// The time lies outside [now − retention, now + 10 min].
    TimeRange = 1,
    /// The series has this value at this time already.
    Duplicate = 2,
    /// The origin's or the farm's bound of series is reached.
    SeriesLimit = 3,
    /// The cluster belongs to another origin.
    SourceClash = 4,
    /// The batch went through more than eight generations of filters.
    Loop = 5,
    /// A name, label or unit is not of its form.
    BadName = 6,
    /// The value does not fit the kind of its series (a text for a gauge).
    BadValue = 7,
    /// The hub's or the cache's bound of memory is reached.
    Overload = 8,
}

impl Refusal {
    /// All refusals, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::TimeRange,
        Self::Duplicate,
        Self::SeriesLimit,
        Self::SourceClash,
        Self::Loop,
        Self::BadName,
        Self::BadValue,
        Self::Overload,
    ];

    /// The word of the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TimeRange => "time_range",
            Self::Duplicate => "duplicate",
            Self::SeriesLimit => "series_limit",
            Self::SourceClash => "source_clash",
            Self::Loop => "loop",
            Self::BadName => "bad_name",
            Self::BadValue => "bad_value",
            Self::Overload => "overload",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
