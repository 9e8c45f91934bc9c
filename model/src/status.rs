//! Status levels, as in NGOP.

/// How something is. Ordered by how much a person should care, `Unknown` last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Status {
    /// As it should be.
    Ok = 0,
    /// Worth knowing.
    Info = 1,
    /// Will need somebody.
    Warning = 2,
    /// Needs somebody now.
    Critical = 3,
    /// Nobody can say.
    Unknown = 4,
}

impl Status {
    /// The word users read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
