//! Which series a deployment is given: matched once, when they are new, and never those of the clusters it must not have.

use super::Item;
use crate::hub::{Hub, LiveCursor};
use hashbrown::HashSet;
use hedgerow_model::predicate::{PathPattern, Predicate};
use hedgerow_model::{Glob, Name, Numbered, Numbers, Position, SeriesId, SeriesKey, SeriesPath, UnixMillis};
use std::sync::Arc;

/// See the module.
pub(super) struct Wanted {
    patterns: Vec<PathPattern>,
    excluded: Vec<Name>,
    hidden: Vec<Glob>,
    heartbeat_key: Option<SeriesKey>,
    /// Of the channel's series, how many have been looked at, and the highest of them.
    looked_at: usize,
    classified: SeriesId,
    /// In the channel, but not wanted.
    left_out: HashSet<SeriesId>,
    heartbeat: Option<SeriesId>,
    /// What is wanted, ascending, and the heartbeat, wanted or not.
    read: Arc<Vec<SeriesId>>,
}

impl Wanted {
    /// And the patterns of the live channel: the heartbeat's comes to what is asked for.
    pub(super) fn new(
        hub: &Hub,
        patterns: Vec<PathPattern>,
        excluded: Vec<Name>,
        hidden: Vec<Glob>,
    ) -> (Self, Vec<PathPattern>) {
        let heartbeat_key = hub.heartbeat_key();
        let mut all = patterns.clone();
        all.extend(heartbeat_patterns(hub));
        let wanted = Self {
            patterns,
            excluded,
            hidden,
            heartbeat_key,
            looked_at: 0,
            classified: SeriesId(0),
            left_out: HashSet::new(),
            heartbeat: None,
            read: Arc::default(),
        };
        (wanted, all)
    }

    /// Looks at those series of the channel that are new.
    pub(super) fn refresh(&mut self, hub: &Hub, cursor: &LiveCursor) {
        let new = cursor.series_from(self.looked_at);
        if new.is_empty() {
            return;
        }
        self.looked_at += new.len();
        let read = Arc::make_mut(&mut self.read);
        for (id, def) in hub.declared(&new).0 {
            self.classified = self.classified.max(id);
            let is_heartbeat = self.heartbeat_key.as_ref() == Some(&def.key);
            if is_heartbeat {
                self.heartbeat = Some(id);
            }
            let matches = || self.patterns.iter().any(|pattern| pattern.matches(hub.farm(), &def.key));
            let cluster = &def.key.cluster;
            let is_left_out =
                self.excluded.contains(cluster) || self.hidden.iter().any(|hidden| hidden.matches(cluster));
            let wanted = !is_left_out && (!is_heartbeat || matches());
            if !wanted {
                self.left_out.insert(id);
            }
            if wanted || is_heartbeat {
                read.push(id);
            }
        }
    }

    /// What to read of the cache.
    pub(super) fn series(&self) -> Arc<Vec<SeriesId>> {
        Arc::clone(&self.read)
    }

    /// The heartbeat, if there is one yet, and whether it matches, too.
    pub(super) fn heartbeat(&self) -> Option<(SeriesId, bool)> {
        self.heartbeat.map(|id| (id, !self.left_out.contains(&id)))
    }

    /// All series up to this one have been looked at.
    pub(super) fn classified(&self) -> SeriesId {
        self.classified
    }

    pub(super) fn is_wanted(&self, id: SeriesId) -> bool {
        self.read.binary_search(&id).is_ok() && !self.left_out.contains(&id)
    }

    /// A batch of the channel, without what is not wanted.
    pub(super) fn accepted(&self, mut numbered: Arc<Numbered>) -> Option<Item> {
        if !self.left_out.is_empty() {
            let kept = |id: &SeriesId| !self.left_out.contains(id) || self.heartbeat == Some(*id);
            if !numbered.batch.series.iter().all(kept) {
                numbered = Arc::new(restricted(&numbered, kept)?);
            }
        }
        accepted(numbered, self.heartbeat())
    }

    /// All series that are wanted.
    pub(super) fn all(&self) -> impl Iterator<Item = SeriesId> {
        self.read.iter().copied().filter(|id| !self.left_out.contains(id))
    }
}

/// What the heartbeat matches, and nothing else.
pub(super) fn heartbeat_patterns(hub: &Hub) -> Vec<PathPattern> {
    let path = Name::new(hub.farm()).ok().zip(hub.heartbeat_key());
    let path = path.map(|(farm, key)| SeriesPath { farm, key }.to_string());
    path.and_then(|path| Predicate::parse(&path).ok()).map(|predicate| predicate.patterns).unwrap_or_default()
}

/// A batch of what is wanted and the heartbeat as an item; `heartbeat`: which that is, and whether it matches.
pub(super) fn accepted(numbered: Arc<Numbered>, heartbeat: Option<(SeriesId, bool)>) -> Option<Item> {
    let number = numbered.numbers.at(numbered.batch.len().checked_sub(1)?)?;
    let through = Position { epoch: numbered.epoch, number };
    let found = heartbeat.and_then(|(id, matches)| {
        let at = numbered.batch.series.binary_search(&id).ok()?;
        Some((id, matches, numbered.batch.times.at(at)))
    });
    let time: Option<UnixMillis> = found.map(|(.., time)| time);
    let batch = match found {
        Some((id, false, _)) => restricted(&numbered, |other| *other != id).map(Arc::new),
        _ => Some(dense(numbered)),
    };
    Some(Item::Accepted { through, batch, heartbeat: time })
}

/// The samples of some series, if there are any.
fn restricted(numbered: &Numbered, kept: impl Fn(&SeriesId) -> bool) -> Option<Numbered> {
    let positions: Vec<u32> =
        (0_u32..).zip(&numbered.batch.series).filter(|(_, id)| kept(id)).map(|(at, _)| at).collect();
    if positions.is_empty() {
        return None;
    }
    let numbers: Vec<u64> = positions.iter().filter_map(|at| numbered.numbers.at(*at as usize)).collect();
    let numbers = consecutive(&numbers).unwrap_or(Numbers::Each(numbers));
    Some(Numbered { epoch: numbered.epoch, numbers, batch: numbered.batch.select(&positions) })
}

/// Consecutive numbers as such: one form, whichever way a batch came.
fn dense(numbered: Arc<Numbered>) -> Arc<Numbered> {
    let Numbers::Each(numbers) = &numbered.numbers else { return numbered };
    match consecutive(numbers) {
        Some(numbers) => Arc::new(Numbered { epoch: numbered.epoch, numbers, batch: numbered.batch.clone() }),
        None => numbered,
    }
}

fn consecutive(numbers: &[u64]) -> Option<Numbers> {
    let (first, last) = (*numbers.first()?, *numbers.last()?);
    (last - first + 1 == numbers.len() as u64).then_some(Numbers::From(first))
}
