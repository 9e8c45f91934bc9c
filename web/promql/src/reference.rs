//! What is known of PromQL, as lists; the reference page is held against them.

use crate::functions;
use crate::syntax::{Aggregator, Op};

/// The functions that are known, by name.
pub fn functions() -> Vec<&'static str> {
    functions::ALL.iter().map(|function| function.name).collect()
}

/// The aggregations that are known.
pub fn aggregations() -> Vec<&'static str> {
    Aggregator::ALL.iter().map(|(name, _)| *name).collect()
}

/// The operators that are known.
pub fn operators() -> Vec<&'static str> {
    Op::ALL.iter().map(|(name, _)| *name).collect()
}

/// What Prometheus knows and this doesn't, and what to take instead.
pub fn unsupported() -> Vec<(&'static str, &'static str)> {
    functions::UNSUPPORTED.to_vec()
}
