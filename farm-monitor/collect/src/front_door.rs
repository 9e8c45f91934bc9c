//! The hub's front door, as sources see it: the only way for samples to enter.

use hedgerow_model::{Batch, Life, Refusal, SeriesDef, SeriesId};
use std::pin::Pin;

/// Who hands something in: a collector, a door, a filter. Clusters belong to the origin that first made them, and
/// bounds and counters are kept per origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OriginId(pub u32);

/// What became of a batch: made = accepted + the sum of refused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accepted {
    /// How many samples were accepted.
    pub accepted: u64,
    /// How many were refused, by reason; empty where none were.
    pub refused: Vec<(Refusal, u64)>,
}

/// Samples that were accepted were lost before they were safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("lost before they were committed")]
pub struct NotKept;

/// Ends once what was accepted is safe: committed to the disk. May take as long as the disk does.
pub type Kept = Pin<Box<dyn Future<Output = Result<(), NotKept>> + Send>>;

/// The hub, as its sources see it.
pub trait FrontDoor: Send + Sync {
    /// The origin of this name (`collector host`), made on first use. Known by the same name after a reload.
    fn origin(&self, name: &str) -> OriginId;

    /// Makes a series known and gives its id; the same key gives the same id for the life of the cache.
    /// Callers keep the id and declare once, not per sample. What may change of a declaration (unit, description,
    /// interval, lifetime, source) is taken over; another kind is refused as `bad_value`.
    ///
    /// # Errors
    /// `series_limit`, `source_clash`, `bad_name`, `bad_value`.
    fn declare(&self, origin: OriginId, def: &SeriesDef) -> Result<SeriesId, Refusal>;

    /// Hands in samples. Never waits: what cannot be taken is refused and counted.
    fn accept(&self, origin: OriginId, batch: Batch) -> Accepted;

    /// As [`FrontDoor::accept`], and tells when what was accepted is safe: for sources that acknowledge. What was refused
    /// is not waited for. A front door that keeps nothing says so.
    fn accept_durably(&self, origin: OriginId, batch: Batch) -> (Accepted, Kept) {
        (self.accept(origin, batch), Box::pin(std::future::ready(Err(NotKept))))
    }

    /// The source itself knows that these series cannot be read (`Stale`), or are no more (`Ended`): said at once,
    /// without waiting for missed intervals. The next sample makes them live again.
    fn set_life(&self, series: &[SeriesId], life: Life, reason: &str);
}
