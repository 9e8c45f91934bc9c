//! How single series live, for those who follow a few of them by name; and how many live, of all.

use super::{Hub, SLICE};
use hedgerow_model::{Epoch, Life, Position, SeriesKey};
use std::sync::Arc;

/// How a series lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lives {
    /// As those who follow it were told.
    pub life: Life,
    /// Why it does not live.
    pub reason: Arc<str>,
    /// Behind which number that was told, in an earlier run too; where nothing is kept of it: behind the first of all.
    pub behind: Position,
}

/// How many series live, are late, and are over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LifeCounts {
    /// Samples come as expected.
    pub live: u64,
    /// Late.
    pub stale: u64,
    /// Over.
    pub ended: u64,
}

impl Hub {
    /// How many series live, counted a slice at a time: what comes meanwhile is not held up.
    pub fn count_lives(&self) -> LifeCounts {
        let mut counts = LifeCounts::default();
        for from in (0..).step_by(SLICE) {
            let inner = self.inner.lock();
            for known in inner.table.slice(from, SLICE) {
                *match known.life {
                    Life::Live => &mut counts.live,
                    Life::Stale => &mut counts.stale,
                    Life::Ended => &mut counts.ended,
                } += 1;
            }
            if from + SLICE >= inner.table.slots() {
                return counts;
            }
        }
        counts
    }

    /// How these series live. What the farm does not know (any more) has ended, behind everything.
    pub fn lives(&self, keys: &[SeriesKey]) -> Vec<Lives> {
        let mut lives = Vec::with_capacity(keys.len());
        for keys in keys.chunks(SLICE) {
            let inner = self.inner.lock();
            lives.extend(keys.iter().map(|key| match inner.table.by_key(key) {
                Some(known) => {
                    let first = Position { epoch: Epoch { start: 0, random: 0 }, number: 0 };
                    let behind = known.silent_behind.unwrap_or(first);
                    Lives { life: known.told, reason: Arc::clone(&known.life_reason), behind }
                }
                None => {
                    let behind = Position { epoch: self.epoch, number: u64::MAX };
                    Lives { life: Life::Ended, reason: "the farm has no such series any more".into(), behind }
                }
            }));
        }
        lives
    }
}
