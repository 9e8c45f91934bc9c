//! Predicates: a condition on series plus a window of time.
//!
//! As text: patterns, then `where CONSTRAINT`, then `since= until= last every=5m:mean,max as=rate`.
//! What comes from the wire is built from these types and has to pass [`Predicate::check`].

mod check;
mod constraint;
mod holds;
mod pattern;
mod text;

pub use check::PredicateFault;
pub use holds::holds;
pub use text::PredicateError;

use crate::UnixMillis;
use crate::glob::Glob;
use crate::series::SeriesKey;
use std::time::Duration;

/// Most patterns in one predicate; more are refused.
pub const MAX_PATTERNS: usize = 64;
/// Most texts in `value in {…}`; more are refused.
pub const MAX_VALUES: usize = 64;

/// Which series, which samples of them, from when to when, and how condensed.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicate {
    /// 1–64 patterns; a series that matches any of them is meant, once.
    pub patterns: Vec<PathPattern>,
    /// Only samples with such a value.
    pub constraint: Option<Constraint>,
    /// When.
    pub window: Window,
    /// How counters are given.
    pub reading: Reading,
}

/// A pattern for a series' path. Each part is a glob: `*` any run, `?` one character, `{a,b}` alternatives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathPattern {
    /// For the farm's name.
    pub farm: Glob,
    /// For the cluster.
    pub cluster: Glob,
    /// For the node.
    pub node: Glob,
    /// For the parameter.
    pub parameter: Glob,
    /// For the labels.
    pub labels: LabelPattern,
}

/// A condition on the labels of a series.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LabelPattern {
    /// No brackets: any labels or none.
    Any,
    /// `[]`: only series without labels.
    None,
    /// All of these must be there and match; others may exist. Sorted by key.
    All(Vec<(String, Glob)>),
}

/// A condition on a sample's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Constraint {
    /// `value > 0.9`: numbers only; texts never satisfy it. Integers are compared exactly.
    Compare(Comparison, f64),
    /// `value in {a,b}`: texts (of a state its text) equal to one, or numbers equal to one that reads as a number.
    In(Vec<String>),
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Comparison {
    Less = 1,
    LessOrEqual = 2,
    Equal = 3,
    NotEqual = 4,
    GreaterOrEqual = 5,
    Greater = 6,
}

/// One window. Without `since` and `last`: live only. Without `until`: stays open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Window {
    /// History from here.
    pub since: Option<When>,
    /// Up to here, exclusive.
    pub until: Option<When>,
    /// The newest value of each series first, then live.
    pub last: bool,
    /// Condensed into bins.
    pub every: Option<Every>,
}

/// A point in time, as asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum When {
    /// A point in time.
    At(UnixMillis),
    /// This long before now.
    Ago(Duration),
}

/// Bins on the Unix grid, stamped at their start, given once after their close. On a counter the values are rates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Every {
    /// The width of a bin, at least 1 ms.
    pub width: Duration,
    /// What is given of each bin; not empty, in the order asked.
    pub aggregates: Vec<Aggregate>,
}

/// What can be told of a bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Aggregate {
    Last = 1,
    Mean = 2,
    Min = 3,
    Max = 4,
    Count = 5,
}

/// How counters are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Reading {
    /// As stored.
    #[default]
    Raw = 1,
    /// Increase per second between neighbouring samples.
    Rate = 2,
    /// Increase between neighbouring samples.
    Delta = 3,
}

impl Predicate {
    /// All samples of the series that match `patterns`, live only.
    pub fn live(patterns: Vec<PathPattern>) -> Self {
        Self { patterns, constraint: None, window: Window::default(), reading: Reading::Raw }
    }

    /// Whether any pattern matches a series of the farm named `farm`.
    pub fn matches(&self, farm: &str, key: &SeriesKey) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(farm, key))
    }

    /// Whether any pattern could match a series of the farm named `farm`.
    pub fn matches_farm(&self, farm: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.farm.matches(farm))
    }
}

impl PathPattern {
    /// Whether it matches a series of the farm named `farm`.
    pub fn matches(&self, farm: &str, key: &SeriesKey) -> bool {
        self.farm.matches(farm)
            && self.cluster.matches(&key.cluster)
            && self.node.matches(&key.node)
            && self.parameter.matches(&key.parameter)
            && match &self.labels {
                LabelPattern::Any => true,
                LabelPattern::None => key.labels.is_empty(),
                LabelPattern::All(wanted) => {
                    wanted.iter().all(|(k, glob)| key.labels.get(k).is_some_and(|v| glob.matches(v)))
                }
            }
    }
}
