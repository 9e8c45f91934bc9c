//! What was skipped and is to be fetched by number: which ranges wait, which one is under way, what of it was given.
//!
//! From when a range is taken here until progress lies behind it, its samples are ours to fetch: should a resumed stream
//! send them again, they are dropped there.

use hedgerow_model::{NumberRange, Position, SeriesId};
use std::collections::{HashMap, VecDeque};

/// Most ranges that wait; a further one is not fetched, told so and counted.
pub const MAX_SKIPPED: usize = 256;

/// Ranges to fetch.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    waiting: VecDeque<Fetch>,
    /// The first of `waiting` is being asked for.
    under_way: bool,
    /// What a resumed stream may send again although it is fetched here.
    owed: Vec<NumberRange>,
}

/// A range, and the highest number given of each series that had some given.
#[derive(Debug)]
struct Fetch {
    range: NumberRange,
    given: HashMap<SeriesId, u64>,
}

impl Skipped {
    /// Takes a range, but for the parts that are taken already; the parts to fetch, or `None` where there is no room.
    /// `before`: what was given of it before the connection was lost.
    pub(super) fn take(
        &mut self,
        range: NumberRange,
        before: impl Iterator<Item = (SeriesId, Position)> + Clone,
    ) -> Option<()> {
        let parts = self.not_owed(range);
        if self.waiting.len() + parts.len() > MAX_SKIPPED {
            return None;
        }
        for range in parts {
            // All up to the highest number was given, but for what is owed, which is no part of this.
            let begin = Position { epoch: range.epoch, number: range.after };
            let given = before.clone().filter(|(_, position)| *position > begin).map(|(id, position)| {
                (id, if position.epoch == range.epoch { position.number } else { u64::MAX })
            });
            let given = given.collect();
            self.waiting.push_back(Fetch { range, given });
            self.owed.push(range);
        }
        Some(())
    }

    fn not_owed(&self, range: NumberRange) -> Vec<NumberRange> {
        let mut parts = vec![range];
        for owed in self.owed.iter().filter(|owed| owed.epoch == range.epoch) {
            let cut = |part: NumberRange| {
                let left = NumberRange { through: part.through.min(owed.after), ..part };
                let right = NumberRange { after: part.after.max(owed.through), ..part };
                [left, right].into_iter().filter(|part| part.after < part.through)
            };
            parts = parts.into_iter().flat_map(cut).collect();
        }
        parts
    }

    /// Whether this sample is fetched here.
    pub(super) fn owes(&self, position: Position) -> bool {
        self.owed.iter().any(|range| range.epoch == position.epoch && range.contains(position.number))
    }

    /// Whether anything may be sent again although it is fetched here.
    pub(super) fn owes_nothing(&self) -> bool {
        self.owed.is_empty()
    }

    /// Behind this position nothing is sent again.
    pub(super) fn progressed(&mut self, position: Position) {
        let behind = |range: &NumberRange| Position { epoch: range.epoch, number: range.through } <= position;
        self.owed.retain(|range| !behind(range));
    }

    /// The connection is lost: what was under way begins again, but for what was given of it.
    pub(super) fn interrupted(&mut self) {
        self.under_way = false;
    }

    /// The range to ask for now.
    pub(super) fn begin(&mut self) -> Option<NumberRange> {
        self.under_way = !self.waiting.is_empty();
        self.waiting.front().map(|fetch| fetch.range)
    }

    /// Whether to give this late sample.
    pub(super) fn is_new(&mut self, id: SeriesId, position: Position) -> bool {
        let Some(fetch) = self.waiting.front_mut().filter(|_| self.under_way) else { return false };
        if position.epoch != fetch.range.epoch || !fetch.range.contains(position.number) {
            return false;
        }
        let given = fetch.given.entry(id).or_default();
        let new = position.number > *given;
        *given = position.number.max(*given);
        new
    }

    /// The range under way is done; `given_up`: it may come from the stream after all.
    pub(super) fn done(&mut self, given_up: bool) -> Option<NumberRange> {
        self.under_way = false;
        let range = self.waiting.pop_front()?.range;
        if given_up {
            self.owed.retain(|owed| *owed != range);
        }
        Some(range)
    }
}
