//! Which series match: found slice by slice, with the hub's lock free while patterns are compared.
//!
//! Keys never change and series never go, so what was matched stays right; those that come meanwhile are matched as they come.

use super::live::{LiveChannel, LiveCursor, condition};
use super::{Declared, Hub, SLICE};
use hedgerow_model::predicate::{Constraint, PathPattern, Predicate};
use hedgerow_model::{SeriesDef, SeriesId};
use std::sync::Arc;

impl Hub {
    /// Admits a subscription: the watermark, and a cursor on the live channel of this condition, at one instant. What is
    /// accepted up to the watermark is history; what comes after stands in the channel.
    pub fn admit(&self, patterns: &[PathPattern], constraint: Option<&Constraint>) -> (u64, LiveCursor) {
        let condition = condition(patterns, constraint);
        let text = condition.canonical();
        let (slot, series) = {
            let mut inner = self.inner.lock();
            if let Some(channel) = inner.live.of(&text) {
                return (inner.number, channel.cursor());
            }
            (inner.live.reserve(&self.farm, condition), inner.table.slots())
        };
        for from in (0..series).step_by(SLICE) {
            let wanted = matched(&self.farm, patterns, self.slice(from, SLICE.min(series - from)));
            self.inner.lock().live.want(slot, &wanted);
        }
        let mut inner = self.inner.lock();
        let cursor = inner.live.open(slot, text);
        (inner.number, cursor)
    }

    /// Admits a query: the watermark, and a cursor that knows the series but never gets anything.
    pub fn look(&self, patterns: &[PathPattern], constraint: Option<&Constraint>) -> (u64, LiveCursor) {
        let condition: Predicate = condition(patterns, constraint);
        let (number, known) = {
            let inner = self.inner.lock();
            (inner.number, inner.live.of(&condition.canonical()).map(|channel| channel.series()))
        };
        // Whatever has a sample up to the watermark stands in the table by now.
        let series = known.unwrap_or_else(|| self.matching(patterns));
        (number, LiveChannel::closed(condition, series))
    }

    /// The series that match, ascending by id.
    pub fn matching(&self, patterns: &[PathPattern]) -> Vec<SeriesId> {
        self.matching_from(patterns, 0).0
    }

    /// Those of them that are newer than an earlier look, and up to where this one went; the first begins at 0.
    pub fn matching_from(&self, patterns: &[PathPattern], from: usize) -> (Vec<SeriesId>, usize) {
        let series = self.inner.lock().table.slots();
        let slices = (from..series).step_by(SLICE);
        let slice = |from: usize| self.slice(from, SLICE.min(series - from));
        (slices.flat_map(|from| matched(&self.farm, patterns, slice(from))).collect(), series)
    }

    fn slice(&self, from: usize, count: usize) -> Vec<Declared> {
        let inner = self.inner.lock();
        inner.table.slice(from, count).map(|known| (known.id, Arc::clone(&known.def))).collect()
    }
}

fn matched(farm: &str, patterns: &[PathPattern], series: Vec<Declared>) -> Vec<SeriesId> {
    let matches = |def: &SeriesDef| patterns.iter().any(|pattern| pattern.matches(farm, &def.key));
    series.into_iter().filter(|(_, def)| matches(def)).map(|(id, _)| id).collect()
}
