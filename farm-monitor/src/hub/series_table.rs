//! The series of a farm: each gets a small integer once, and all later stages use that.

mod known;

pub use known::{Known, LEARNED_FLOOR, Latest};

use hashbrown::HashMap;
use hedgerow_cache::KnownSeries;
use hedgerow_collect::front_door::OriginId;
use hedgerow_model::{
    Life, LifeMark, Name, Numbered, Position, Refusal, SeriesDef, SeriesId, SeriesKey, UnixMillis, unit,
};
use std::sync::Arc;

/// How many series there may be. What is past a bound is refused as `series_limit` and counted. Series that have ended do
/// not count, as long as no more than [`ENDED_TIMES`] times the farm's bound are known in all; one that ended and is heard
/// again may so exceed a bound. Of the series `up`, which every target has, there may be as many again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Per origin.
    pub per_origin: usize,
    /// Per farm.
    pub per_farm: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { per_origin: 200_000, per_farm: 1_000_000 }
    }
}

/// The series that says whether a target answers.
const UP: &str = "up";
/// Ended series keep their id: so many times the farm's bound may be known, dead or alive.
pub const ENDED_TIMES: usize = 4;

/// What a declaration changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A new series.
    New,
    /// Another unit, description, interval, lifetime or source.
    Redeclared,
    /// Nothing.
    None,
}

/// All series, by id and by key.
#[derive(Debug)]
pub struct SeriesTable {
    bounds: Bounds,
    /// At index id - 1; holes where the cache gave up an id.
    known: Vec<Option<Known>>,
    by_key: HashMap<SeriesKey, SeriesId>,
    count: usize,
    /// How many of them have not ended.
    alive: usize,
    owners: HashMap<Name, OriginId>,
    per_origin: HashMap<OriginId, usize>,
}

const NOT_HEARD: &str = "not heard since the farm started";

impl SeriesTable {
    /// The series that the cache knows, none of them heard yet.
    pub fn new(bounds: Bounds, stored: Vec<KnownSeries>, now: UnixMillis) -> Self {
        let mut table = Self {
            bounds,
            known: Vec::new(),
            by_key: HashMap::new(),
            count: 0,
            alive: 0,
            owners: HashMap::new(),
            per_origin: HashMap::new(),
        };
        let reason: Arc<str> = NOT_HEARD.into();
        for KnownSeries { id, def, life: told, silent_behind, .. } in stored {
            // What has ended stays so; whatever else was said, nobody knows now.
            let (ended, life_reason) = match &told {
                Some((Life::Ended, why)) => (true, Arc::clone(why)),
                _ => (false, Arc::clone(&reason)),
            };
            table.insert(Known {
                life: if ended { Life::Ended } else { Life::Stale },
                life_reason,
                unconfirmed: !ended,
                told: told.map_or(Life::Live, |(life, _)| life),
                silent_behind,
                ..Known::new(id, def, None, now)
            });
        }
        table
    }

    /// Changes the bounds; series there are stay.
    pub fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// One series, by its names.
    pub fn by_key(&self, key: &SeriesKey) -> Option<&Known> {
        self.get(*self.by_key.get(key)?)
    }

    /// One series.
    pub fn get(&self, id: SeriesId) -> Option<&Known> {
        self.known.get((id.0 as usize).checked_sub(1)?)?.as_ref()
    }

    fn get_mut(&mut self, id: SeriesId) -> Option<&mut Known> {
        self.known.get_mut((id.0 as usize).checked_sub(1)?)?.as_mut()
    }

    /// How many places the table has; series never move, new ones come behind the last.
    pub fn slots(&self) -> usize {
        self.known.len()
    }

    /// The series in `count` places from `from` on, ascending by id.
    pub fn slice(&self, from: usize, count: usize) -> impl Iterator<Item = &Known> {
        self.known.iter().skip(from).take(count).flatten()
    }

    fn insert(&mut self, known: Known) {
        let at = known.id.0 as usize - 1;
        if self.known.len() <= at {
            self.known.resize(at + 1, None);
        }
        self.by_key.insert(known.def.key.clone(), known.id);
        self.count += 1;
        self.counted(known.origin, known.life != Life::Ended, 1);
        self.known[at] = Some(known);
    }

    /// Counts a series among those that have not ended, if it has not, or takes it back.
    fn counted(&mut self, origin: Option<OriginId>, alive: bool, by: isize) {
        if alive {
            self.alive = self.alive.saturating_add_signed(by);
            if let Some(origin) = origin {
                let mine = self.per_origin.entry(origin).or_default();
                *mine = mine.saturating_add_signed(by);
            }
        }
    }

    /// Makes a series known, or takes over what changed of its declaration.
    pub fn declare(
        &mut self,
        origin: OriginId,
        def: &SeriesDef,
        now: UnixMillis,
    ) -> Result<(&Known, Change), Refusal> {
        if !unit::is_unit(&def.unit) {
            return Err(Refusal::BadName);
        }
        if self.owners.get(&def.key.cluster).is_some_and(|owner| *owner != origin) {
            return Err(Refusal::SourceClash);
        }
        let (id, change) = match self.by_key.get(&def.key) {
            Some(id) => {
                let id = *id;
                (id, self.redeclare(origin, id, def)?)
            }
            None => {
                let mine = self.per_origin.get(&origin).copied().unwrap_or_default();
                // Whether a target answers is known of each, however many series others have made.
                let more = if &*def.key.parameter == UP && def.key.labels.is_empty() { 2 } else { 1 };
                let Bounds { per_origin, per_farm } = self.bounds;
                let (per_origin, per_farm) = (per_origin.saturating_mul(more), per_farm.saturating_mul(more));
                let most = per_farm.saturating_mul(ENDED_TIMES);
                if mine >= per_origin || self.alive >= per_farm || self.count >= most {
                    return Err(Refusal::SeriesLimit);
                }
                let next = self.known.len() + 1;
                let id = SeriesId(u32::try_from(next).map_err(|_| Refusal::SeriesLimit)?);
                self.insert(Known::new(id, def.clone(), Some(origin), now));
                (id, Change::New)
            }
        };
        // Only who has a series in it owns a cluster: what was refused leaves nothing behind.
        if change == Change::New || !self.owners.contains_key(&def.key.cluster) {
            self.owners.insert(def.key.cluster.clone(), origin);
        }
        let known = self.get(id).ok_or(Refusal::BadName)?;
        Ok((known, change))
    }

    fn redeclare(&mut self, origin: OriginId, id: SeriesId, def: &SeriesDef) -> Result<Change, Refusal> {
        let known = self.get_mut(id).ok_or(Refusal::BadName)?;
        if known.def.kind != def.kind {
            return Err(Refusal::BadValue);
        }
        // Of series from an earlier run it shows only now whose they are.
        let (first, alive) = (known.origin.is_none(), known.life != Life::Ended);
        known.origin = Some(origin);
        let changed = *known.def != *def;
        if changed {
            known.def = Arc::new(def.clone());
        }
        if first && alive {
            *self.per_origin.entry(origin).or_default() += 1;
        }
        Ok(if changed { Change::Redeclared } else { Change::None })
    }

    /// Takes note of samples in normal form; gives a mark of each series that is told to live again.
    pub fn heard(&mut self, numbered: &Numbered, now: UnixMillis) -> Vec<LifeMark> {
        let batch = &numbered.batch;
        let mut marks = batch.marks.iter().peekable();
        let mut revived = Vec::new();
        for (at, value) in batch.values.iter().enumerate() {
            let mark = marks.next_if(|(position, _)| *position as usize == at).map(|(_, mark)| *mark);
            let (id, time) = (batch.series[at], batch.times.at(at));
            let number = numbered.numbers.at(at).unwrap_or_default();
            let Some(known) = self.get_mut(id) else { continue };
            let before = known.life;
            if let Some(mark) = known.revive(now) {
                revived.push(mark);
            }
            known.note(Latest { number, time, value, mark }, now);
            if before == Life::Ended {
                let origin = known.origin;
                self.counted(origin, true, 1);
            }
        }
        revived
    }

    /// Sets a series' life, behind this number; says whether that changed anything.
    pub fn set_life(&mut self, id: SeriesId, life: Life, reason: &Arc<str>, behind: Position) -> bool {
        let Some(known) = self.get_mut(id).filter(|known| known.life != life || known.unconfirmed) else {
            return false;
        };
        let (origin, before) = (known.origin, known.life);
        known.unconfirmed = false;
        if known.told == Life::Live {
            known.silent_behind = Some(behind);
        }
        (known.life, known.told) = (life, life);
        known.life_reason = Arc::clone(reason);
        match (before == Life::Ended, life == Life::Ended) {
            (false, true) => self.counted(origin, true, -1),
            (true, false) => self.counted(origin, true, 1),
            _ => {}
        }
        true
    }
}
