//! The series of a farm: each gets a small integer once, and all later stages use that.

use hashbrown::HashMap;
use hedgerow_cache::KnownSeries;
use hedgerow_collect::front_door::OriginId;
use hedgerow_model::{
    Life, LifeMark, Mark, Name, Numbered, Refusal, SeriesDef, SeriesId, SeriesKey, UnixMillis, Value, unit,
};
use std::sync::Arc;
use std::time::Duration;

/// How many series there may be. What is past a bound is refused as `series_limit` and counted.
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

/// The newest sample of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Latest {
    /// Its number in the running epoch.
    pub number: u64,
    /// Its time.
    pub time: UnixMillis,
    /// Its value; of a state with the text known for it.
    pub value: Value,
    /// Its mark.
    pub mark: Option<Mark>,
}

/// What the hub knows of a series.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its id.
    pub id: SeriesId,
    /// Its declaration.
    pub def: Arc<SeriesDef>,
    /// The newest sample of this run; `None`: not heard since the start.
    pub latest: Option<Latest>,
    /// Whether that sample speaks for now.
    pub life: Life,
    /// Why not.
    pub life_reason: Arc<str>,
    /// Known from an earlier run, and neither heard nor told stale in this one.
    pub unconfirmed: bool,
    /// When the last sample came (or the farm started), by the farm's clock.
    pub heard: UnixMillis,
    /// Time between the last two samples, where no interval is declared.
    pub learned: Option<Duration>,
}

impl Known {
    /// How often a sample is expected.
    pub fn interval(&self) -> Option<Duration> {
        self.def.interval.or(self.learned)
    }
}

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
            owners: HashMap::new(),
            per_origin: HashMap::new(),
        };
        let reason: Arc<str> = NOT_HEARD.into();
        for KnownSeries { id, def, .. } in stored {
            table.insert(Known {
                id,
                def: Arc::new(def),
                latest: None,
                life: Life::Stale,
                life_reason: Arc::clone(&reason),
                unconfirmed: true,
                heard: now,
                learned: None,
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

    /// One series.
    pub fn get(&self, id: SeriesId) -> Option<&Known> {
        self.known.get((id.0 as usize).checked_sub(1)?)?.as_ref()
    }

    fn get_mut(&mut self, id: SeriesId) -> Option<&mut Known> {
        self.known.get_mut((id.0 as usize).checked_sub(1)?)?.as_mut()
    }

    /// All series, ascending by id.
    pub fn iter(&self) -> impl Iterator<Item = &Known> {
        self.known.iter().flatten()
    }

    /// All series, ascending by id, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Known> {
        self.known.iter_mut().flatten()
    }

    fn insert(&mut self, known: Known) {
        let at = known.id.0 as usize - 1;
        if self.known.len() <= at {
            self.known.resize(at + 1, None);
        }
        self.by_key.insert(known.def.key.clone(), known.id);
        self.known[at] = Some(known);
        self.count += 1;
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
        match self.owners.get(&def.key.cluster) {
            Some(owner) if *owner != origin => return Err(Refusal::SourceClash),
            Some(_) => {}
            None => {
                self.owners.insert(def.key.cluster.clone(), origin);
            }
        }
        let (id, change) = match self.by_key.get(&def.key) {
            Some(id) => {
                let id = *id;
                (id, self.redeclare(id, def)?)
            }
            None => {
                let mine = self.per_origin.entry(origin).or_default();
                if *mine >= self.bounds.per_origin || self.count >= self.bounds.per_farm {
                    return Err(Refusal::SeriesLimit);
                }
                *mine += 1;
                let next = self.known.len() + 1;
                let id = SeriesId(u32::try_from(next).map_err(|_| Refusal::SeriesLimit)?);
                self.insert(Known {
                    id,
                    def: Arc::new(def.clone()),
                    latest: None,
                    life: Life::Live,
                    life_reason: "".into(),
                    unconfirmed: false,
                    heard: now,
                    learned: None,
                });
                (id, Change::New)
            }
        };
        let known = self.get(id).ok_or(Refusal::BadName)?;
        Ok((known, change))
    }

    fn redeclare(&mut self, id: SeriesId, def: &SeriesDef) -> Result<Change, Refusal> {
        let known = self.get_mut(id).ok_or(Refusal::BadName)?;
        if known.def.kind != def.kind {
            return Err(Refusal::BadValue);
        }
        if *known.def == *def {
            return Ok(Change::None);
        }
        known.def = Arc::new(def.clone());
        Ok(Change::Redeclared)
    }

    /// Takes note of samples in normal form; says of each series that has come back to life.
    pub fn heard(&mut self, numbered: &Numbered, now: UnixMillis, mut revived: impl FnMut(LifeMark)) {
        let batch = &numbered.batch;
        let mut marks = batch.marks.iter().peekable();
        for (at, value) in batch.values.iter().enumerate() {
            let mark = marks.next_if(|(position, _)| *position as usize == at).map(|(_, mark)| *mark);
            let (id, time) = (batch.series[at], batch.times.at(at));
            let Some(known) = self.get_mut(id) else { continue };
            if known.life != Life::Live {
                known.life = Life::Live;
                known.life_reason = "".into();
                let reason = Arc::clone(&known.life_reason);
                if !std::mem::take(&mut known.unconfirmed) {
                    revived(LifeMark { series: id, life: Life::Live, time: now, after: 0, reason });
                }
            }
            if known.def.interval.is_none() && known.latest.is_some() {
                let since = u64::try_from(now - known.heard).unwrap_or_default();
                known.learned = Some(Duration::from_millis(since)).filter(|d| !d.is_zero()).or(known.learned);
            }
            known.heard = now;
            let number = numbered.numbers.at(at).unwrap_or_default();
            if known.latest.as_ref().is_none_or(|latest| latest.time <= time) {
                let value = known.with_text(value);
                known.latest = Some(Latest { number, time, value, mark });
            }
        }
    }

    /// Sets a series' life; says whether that changed anything.
    pub fn set_life(&mut self, id: SeriesId, life: Life, reason: &Arc<str>) -> bool {
        match self.get_mut(id) {
            Some(known) if known.life != life || known.unconfirmed => {
                known.unconfirmed = false;
                known.life = life;
                known.life_reason = Arc::clone(reason);
                true
            }
            _ => false,
        }
    }
}

impl Known {
    /// A state's code with the text known for it, where the sample came without.
    fn with_text(&self, value: Value) -> Value {
        match (value, self.latest.as_ref().map(|latest| &latest.value)) {
            (Value::I64(code), Some(Value::State(before, text))) if code == *before => {
                Value::State(code, text.clone())
            }
            (value, _) => value,
        }
    }
}
