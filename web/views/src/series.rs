//! The series of one view: a small index for each, and what a reader is told of it.

use crate::farms::Farms;
use hedgerow_client::series_table::SeriesTable;
use hedgerow_model::registration::Id;
use hedgerow_model::{Kind, Life, Name, SeriesDef, SeriesId, SeriesKey, SeriesPath, unit};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What a reader is told of a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesHead {
    /// Its index within the view, which never means another one.
    pub s: u32,
    /// The farm's name, as shown.
    pub farm: String,
    /// The cluster.
    pub cluster: String,
    /// The node.
    pub node: String,
    /// The parameter.
    pub parameter: String,
    /// The labels, mostly none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// All of it as path text, which reads back.
    pub path: String,
    /// The unit of its values as they are given: of a counter that of its rate.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// `gauge`, `counter`, `state` or `text`.
    pub kind: String,
    /// `value`, or `rate`.
    #[serde(rename = "as")]
    pub given: String,
    /// `live`, `stale` or `ended`.
    pub life: String,
    /// Why it is not live.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How often a sample is expected, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<u64>,
}

/// A series of the view.
#[derive(Debug)]
pub(crate) struct Entry {
    pub farm: Id,
    pub def: Arc<SeriesDef>,
    pub life: Life,
    reason: Arc<str>,
    /// Its declaration comes from where counters are given as they are.
    exact: bool,
}

/// The series of a view. At most as many as the view may have; those beyond are counted.
#[derive(Debug)]
pub(crate) struct Book {
    entries: Vec<Entry>,
    keys: HashMap<(Id, SeriesKey), u32>,
    /// By upstream and farm: what its ids mean here.
    local: HashMap<(usize, Id), Vec<Place>>,
    most: usize,
    beyond: u64,
    dirty: BTreeSet<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Unknown,
    Beyond,
    At(u32),
}

/// Most ids of one upstream and farm that are remembered: as many as the client gives.
const MAX_LOCAL: usize = hedgerow_client::series_table::MAX_SERIES;

impl Book {
    /// An empty one for at most `most` series.
    pub fn new(most: usize) -> Self {
        Self {
            entries: Vec::new(),
            keys: HashMap::new(),
            local: HashMap::new(),
            most,
            beyond: 0,
            dirty: BTreeSet::new(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Matching series that have no room.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }

    /// The series with this index.
    pub fn get(&self, s: usize) -> Option<&Entry> {
        self.entries.get(s)
    }

    /// All, with their indexes.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.entries.iter().enumerate()
    }

    /// Forgets what the ids of an upstream mean: it begins anew.
    pub fn forget(&mut self, upstream: usize, farm: Id) {
        for place in self.local.remove(&(upstream, farm)).unwrap_or_default() {
            self.beyond -= u64::from(place == Place::Beyond);
        }
    }

    /// Where a series of an upstream has its place; `None`: it has no room. `exact` as in [`Self::enter`].
    pub fn place(
        &mut self,
        upstream: usize,
        farm: Id,
        id: SeriesId,
        table: &SeriesTable,
        exact: bool,
    ) -> Option<usize> {
        let at = (id.0 as usize).checked_sub(1).filter(|at| *at < MAX_LOCAL)?;
        let known = self.local.get(&(upstream, farm)).and_then(|local| local.get(at)).copied();
        match known.unwrap_or(Place::Unknown) {
            Place::At(s) => Some(s as usize),
            Place::Beyond => None,
            Place::Unknown => self.enter(upstream, farm, id, &table.get(id)?, exact),
        }
    }

    /// Where a series that an upstream has told of has its place.
    pub fn known(&self, upstream: usize, farm: Id, id: SeriesId) -> Option<usize> {
        let at = (id.0 as usize).checked_sub(1)?;
        match self.local.get(&(upstream, farm))?.get(at)? {
            Place::At(s) => Some(*s as usize),
            _ => None,
        }
    }

    /// Enters a series of an upstream, or a new declaration of one. `exact`: counters come as counters there.
    pub fn enter(
        &mut self,
        upstream: usize,
        farm: Id,
        id: SeriesId,
        def: &Arc<SeriesDef>,
        exact: bool,
    ) -> Option<usize> {
        let at = (id.0 as usize).checked_sub(1).filter(|at| *at < MAX_LOCAL)?;
        let s = self.add(farm, def, exact);
        let place = s.map_or(Place::Beyond, Place::At);
        let local = self.local.entry((upstream, farm)).or_default();
        if local.len() <= at {
            local.resize(at + 1, Place::Unknown);
        }
        self.beyond += u64::from(place == Place::Beyond && local[at] != Place::Beyond);
        local[at] = place;
        s.map(|s| s as usize)
    }

    fn add(&mut self, farm: Id, def: &Arc<SeriesDef>, exact: bool) -> Option<u32> {
        let key = (farm, def.key.clone());
        if let Some(s) = self.keys.get(&key).copied() {
            let entry = self.entries.get_mut(s as usize)?;
            if (exact || !entry.exact) && entry.def != *def {
                entry.def = Arc::clone(def);
                self.dirty.insert(s);
            }
            entry.exact |= exact;
            return Some(s);
        }
        if self.entries.len() >= self.most {
            return None;
        }
        let s = u32::try_from(self.entries.len()).ok()?;
        self.keys.insert(key, s);
        let (life, reason) = (Life::Live, "".into());
        self.entries.push(Entry { farm, def: Arc::clone(def), life, reason, exact });
        self.dirty.insert(s);
        Some(s)
    }

    /// How a series is now.
    pub fn life(&mut self, s: usize, life: Life, reason: &Arc<str>) {
        let Some(entry) = self.entries.get_mut(s) else { return };
        if entry.life != life || entry.reason != *reason {
            (entry.life, entry.reason) = (life, Arc::clone(reason));
            self.dirty.extend(u32::try_from(s));
        }
    }

    /// The series of these farms are to be told anew.
    pub fn touch(&mut self, farms: &[Id]) {
        if farms.is_empty() {
            return;
        }
        let of = |(s, entry): (usize, &Entry)| farms.contains(&entry.farm).then_some(s as u32);
        self.dirty.extend(self.entries.iter().enumerate().filter_map(of));
    }

    /// What is to be told anew, since this was last asked.
    pub fn take_dirty(&mut self) -> BTreeSet<u32> {
        std::mem::take(&mut self.dirty)
    }

    /// Whether a series' last value speaks for now: it is live, and its farm answers.
    pub fn is_live(&self, s: usize, farms: &Farms) -> bool {
        self.get(s).is_some_and(|entry| entry.life == Life::Live && farms.silence(entry.farm).is_none())
    }

    /// What a reader is told of a series.
    pub fn head(&self, s: usize, farms: &Farms) -> Option<SeriesHead> {
        let Entry { farm, def, life, reason, .. } = self.get(s)?;
        let name = farms.name(*farm).map_or("?", |name| &**name);
        let key = &def.key;
        let (mut life, mut reason) = (*life, reason.to_string());
        if life == Life::Live
            && let Some(why) = farms.silence(*farm)
        {
            (life, reason) = (Life::Stale, why);
        }
        let is_rate = def.kind == Kind::Counter;
        Some(SeriesHead {
            s: u32::try_from(s).ok()?,
            farm: name.to_owned(),
            cluster: key.cluster.to_string(),
            node: key.node.to_string(),
            parameter: key.parameter.to_string(),
            labels: key.labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            path: path(name, key),
            unit: if is_rate { unit::rate_of(&def.unit) } else { def.unit.clone() },
            kind: def.kind.as_str().to_owned(),
            given: if is_rate { "rate" } else { "value" }.to_owned(),
            life: life.as_str().to_owned(),
            reason: if life == Life::Live { String::new() } else { reason },
            interval: def.interval.and_then(|interval| u64::try_from(interval.as_millis()).ok()),
        })
    }
}

/// The path text of a series of the farm shown as `farm`.
pub(crate) fn path(farm: &str, key: &SeriesKey) -> String {
    match Name::new(farm) {
        Ok(farm) => SeriesPath { farm, key: key.clone() }.to_string(),
        Err(_) => format!("{farm}/{key}"),
    }
}
