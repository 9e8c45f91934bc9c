//! The series of one subscription, under ids that stay: over reconnects, and over restarts of the farm.

use hedgerow_model::{SeriesDef, SeriesId};
use std::sync::{Arc, PoisonError, RwLock};

/// Most series of one subscription; a farm that sends more is not believed, and the subscription ends with an error.
pub const MAX_SERIES: usize = 1_000_000;

/// Which series an id means. Ids begin with 1, are given in the order in which series first came, and never change their
/// meaning. Cheap to clone; copies see series that come later.
#[derive(Debug, Clone, Default)]
pub struct SeriesTable(Arc<RwLock<Vec<Arc<SeriesDef>>>>);

impl SeriesTable {
    /// The series with this id.
    pub fn get(&self, id: SeriesId) -> Option<Arc<SeriesDef>> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.get(place(id)?).cloned()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there are none yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds one; `None`: the table is full.
    pub(crate) fn add(&self, def: Arc<SeriesDef>) -> Option<SeriesId> {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= MAX_SERIES {
            return None;
        }
        table.push(def);
        u32::try_from(table.len()).ok().map(SeriesId)
    }

    /// Replaces the description of one.
    pub(crate) fn describe(&self, id: SeriesId, def: Arc<SeriesDef>) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = place(id).and_then(|at| table.get_mut(at)) {
            *entry = def;
        }
    }
}

/// A table of these series, under the ids 1, 2, …: for those who make updates themselves. What is beyond [`MAX_SERIES`] is left out.
impl FromIterator<Arc<SeriesDef>> for SeriesTable {
    fn from_iter<I: IntoIterator<Item = Arc<SeriesDef>>>(series: I) -> Self {
        Self(Arc::new(RwLock::new(series.into_iter().take(MAX_SERIES).collect())))
    }
}

/// Where in a list the entry of an id stands.
pub(crate) fn place(id: SeriesId) -> Option<usize> {
    (id.0 as usize).checked_sub(1)
}
