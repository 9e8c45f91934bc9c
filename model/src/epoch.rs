//! Epochs and numbers: how everything the hub accepts can be counted.

use std::fmt;

/// One run of a farm's hub. Ordered by start; old ones stay resumable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// How many times the farm has started, from 1. Strictly rising within a cache file.
    pub start: u64,
    /// Random bits that tell apart two runs with the same start (a restored backup).
    pub random: u64,
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:016x}", self.start, self.random)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {self}")
    }
}

impl std::str::FromStr for Epoch {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.split_once('.')
            .and_then(|(start, random)| {
                Some(Self { start: start.parse().ok()?, random: u64::from_str_radix(random, 16).ok()? })
            })
            .ok_or_else(|| format!("epoch `{text}`: expected START.RANDOM, as in 3.00c0ffee00c0ffee"))
    }
}

/// A place in a farm's numbering: everything up to and including `number` of `epoch`. Number 0 is the epoch's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The epoch.
    pub epoch: Epoch,
    /// The last number included; numbers begin with 1.
    pub number: u64,
}

/// Numbers of one epoch: `after < number <= through`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumberRange {
    /// The epoch.
    pub epoch: Epoch,
    /// The last number before the range.
    pub after: u64,
    /// The last number of the range.
    pub through: u64,
}

impl NumberRange {
    /// Whether `number` of the same epoch lies inside.
    pub const fn contains(&self, number: u64) -> bool {
        self.after < number && number <= self.through
    }
}
