//! What the mesh has told, as it is now: frames of views, applied one after another. Reads no clock and asks nobody.

use crate::output::amount;
use hedgerow_model::{Kind, UnixMillis, Value};
use hedgerow_views::alarms::{Alarm, AlarmsFrame};
use hedgerow_views::latest::LatestFrame;
use hedgerow_views::mesh::{Farm, GoneFarm, MeshFrame, Totals};
use hedgerow_views::top::TopFrame;
use hedgerow_views::{Cell, Coverage, LogLine, SeenLookup, SeriesHead};
use std::collections::{BTreeMap, VecDeque};

/// Lines of the directory's log that are kept; the oldest go.
const MAX_LOG: usize = 1000;

/// How a view is.
#[derive(Debug, Default)]
pub struct Told {
    /// Whether any frame has come.
    pub any: bool,
    /// Farms or their lists are still on their way.
    pub loading: bool,
    /// Whom it covers.
    pub coverage: Coverage,
    /// What matches and has no room.
    pub more: u64,
    /// It ended, for this reason; it is opened again.
    pub over: Option<String>,
}

impl Told {
    fn take(&mut self, loading: bool, coverage: Option<Coverage>, more: u64) {
        (self.any, self.loading, self.more, self.over) = (true, loading, more, None);
        if let Some(coverage) = coverage {
            self.coverage = coverage;
        }
    }
}

/// The farms and the lookups.
#[derive(Debug, Default)]
pub struct MeshSeen {
    pub told: Told,
    pub name: String,
    /// By id.
    pub farms: BTreeMap<String, Farm>,
    pub gone: BTreeMap<String, GoneFarm>,
    pub lookups: Vec<SeenLookup>,
    /// The newest last.
    pub log: VecDeque<LogLine>,
    pub totals: Totals,
}

impl MeshSeen {
    /// Takes a frame.
    pub fn take(&mut self, frame: MeshFrame) {
        if frame.full {
            self.farms.clear();
            self.gone.clear();
            self.log.clear();
        }
        self.name = frame.mesh.name;
        self.totals = frame.totals;
        self.farms.extend(frame.farms.into_iter().map(|farm| (farm.id.clone(), farm)));
        for gone in frame.gone {
            self.farms.remove(&gone.id);
            self.gone.insert(gone.id.clone(), gone);
        }
        frame.back.iter().for_each(|id| drop(self.gone.remove(id)));
        self.log.extend(frame.log);
        self.log.drain(..self.log.len().saturating_sub(MAX_LOG));
        self.lookups = frame.lookups.unwrap_or(std::mem::take(&mut self.lookups));
        self.told.take(false, frame.coverage, 0);
    }

    /// A farm that is there or went, and whether it is there.
    pub fn farm(&self, id: &str) -> Option<(&Farm, Option<&GoneFarm>)> {
        let gone = self.gone.get(id);
        self.farms.get(id).map(|farm| (farm, None)).or_else(|| gone.map(|gone| (&gone.farm, Some(gone))))
    }

    /// How long a farm is as it is. Of one that has not changed since this began to watch nobody knows: longer than that.
    pub fn age(&self, farm: &Farm, gone: Option<&GoneFarm>, now: UnixMillis) -> String {
        let is_known = gone.is_some() || self.log.iter().any(|line| line.id.as_ref() == Some(&farm.id));
        let age = amount::age((now - gone.map_or(farm.since, |gone| gone.t)).max(0));
        if is_known { age } else { format!(">{age}") }
    }

    /// The id of the farm of this name.
    pub fn id_of(&self, name: &str) -> Option<&str> {
        let mut named = self.farms.iter().filter(|(_, farm)| farm.name == name).map(|(id, _)| &**id);
        named.next().or_else(|| self.gone.iter().find(|(_, gone)| gone.name == name).map(|(id, _)| &**id))
    }
}

/// The alarms.
#[derive(Debug, Default)]
pub struct AlarmsSeen {
    pub told: Told,
    /// By key.
    pub alarms: BTreeMap<String, Alarm>,
}

impl AlarmsSeen {
    /// Takes a frame.
    pub fn take(&mut self, frame: AlarmsFrame) {
        if frame.full {
            self.alarms.clear();
        }
        self.alarms.extend(frame.alarms.into_iter().map(|alarm| (alarm.key.clone(), alarm)));
        frame.removed.iter().for_each(|key| drop(self.alarms.remove(key)));
        self.told.take(frame.loading, frame.coverage, frame.more);
    }
}

/// A series with its last value, if it has one to show.
#[derive(Debug)]
pub struct Series {
    pub head: SeriesHead,
    pub last: Option<(UnixMillis, Cell)>,
}

impl Series {
    /// The parameter with its labels.
    pub fn parameter(&self) -> String {
        parameter(&self.head)
    }
}

/// The last values of one farm.
#[derive(Debug, Default)]
pub struct TableSeen {
    pub told: Told,
    /// By index.
    pub series: BTreeMap<u32, Series>,
}

impl TableSeen {
    /// Takes a frame.
    pub fn take(&mut self, frame: LatestFrame) {
        if frame.full {
            self.series.clear();
        }
        for head in frame.series {
            let last = self.series.remove(&head.s).and_then(|known| known.last);
            self.series.insert(head.s, Series { head, last });
        }
        let values = frame.values.s.into_iter().zip(frame.values.t).zip(frame.values.v);
        for ((s, time), value) in values {
            if let Some(known) = self.series.get_mut(&s) {
                known.last = Some((time, value));
            }
        }
        for s in frame.removed {
            if let Some(known) = self.series.get_mut(&s) {
                known.last = None;
            }
        }
        self.told.take(frame.loading, frame.coverage, frame.more);
    }

    /// When the newest value is of.
    pub fn newest(&self) -> Option<UnixMillis> {
        self.series.values().filter_map(|series| Some(series.last.as_ref()?.0)).max()
    }
}

/// The highest or the lowest values.
#[derive(Debug, Default)]
pub struct TopSeen {
    pub told: Told,
    pub frame: TopFrame,
}

impl TopSeen {
    /// Takes a frame.
    pub fn take(&mut self, frame: TopFrame) {
        self.told.take(frame.loading, Some(frame.coverage.clone()), frame.more);
        self.frame = frame;
    }
}

/// The parameter of a series with its labels, as in path text.
pub fn parameter(head: &SeriesHead) -> String {
    let labels: Vec<String> = head
        .labels
        .iter()
        .map(|(key, value)| if key == "item" { value.clone() } else { format!("{key}={value}") })
        .collect();
    if labels.is_empty() {
        head.parameter.clone()
    } else {
        format!("{}[{}]", head.parameter, labels.join(","))
    }
}

/// A value as people read it.
pub fn value(head: &SeriesHead, value: &Cell) -> String {
    match value {
        Cell::Number(number) => {
            // Every target has it, and it means the same everywhere.
            if head.parameter == "up" && head.kind == "gauge" && (*number == 0.0 || *number == 1.0) {
                return if *number == 0.0 { "DOWN" } else { "up" }.to_owned();
            }
            amount::amount(&Value::F64(*number), Kind::Gauge, &head.unit)
        }
        Cell::Text(text) => text.clone(),
        Cell::Nothing => "NaN or infinite".to_owned(),
    }
}
