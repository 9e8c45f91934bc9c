//! How single series live, for those who follow a few of them by name.

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

impl Hub {
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
