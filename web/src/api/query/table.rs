//! What all forms of an answer share: rows come one after another, and at the end it is bytes.

use crate::api::CoverageLine;
use hedgerow_client::sample::{BinSet, Sample};
use hedgerow_model::predicate::Predicate;
use std::io;

/// An answer that is being written.
pub trait Format: Send {
    /// Adds a sample.
    ///
    /// # Errors
    /// None that can happen in memory.
    fn sample(&mut self, sample: &Sample) -> io::Result<()>;
    /// Adds bins, a row a series.
    ///
    /// # Errors
    /// None that can happen in memory.
    fn bins(&mut self, bins: &BinSet) -> io::Result<()>;
    /// About how large it is by now.
    fn bytes(&self) -> usize;
    /// The whole.
    ///
    /// # Errors
    /// None that can happen in memory.
    fn end(self: Box<Self>, coverage: &CoverageLine) -> io::Result<Vec<u8>>;
}

/// The columns of values: the aggregates asked for; of samples none.
pub fn aggregates(predicate: &Predicate) -> Vec<&'static str> {
    let every = predicate.window.every.iter();
    every.flat_map(|every| every.aggregates.iter().map(|aggregate| aggregate.as_str())).collect()
}

/// Labels as they stand in path text: `queue=short,vo=alice`.
pub fn labels(labels: &hedgerow_model::Labels) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}
