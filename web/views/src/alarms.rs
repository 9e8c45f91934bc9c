//! Alarms of all farms in one list, and farms that are lost, which is an alarm that nobody has to write a rule for.
//!
//! What is open comes by the streams of the farms; what cleared while a stream was broken, and silences, by asking each farm for its
//! list now and then. An alarm of a farm that does not answer is *unknown*, with the reason; it does not stay as it was.

mod book;
mod shell;

pub(crate) use book::{AlarmBook, word};
pub use book::{AlarmCounts, MAX_ALARMS};
pub(crate) use shell::AlarmSource;

use crate::column::{is_false, is_zero};
use crate::content::{Content, json};
use crate::coverage::Coverage;
use crate::views::lock;
use crate::world::World;
use hedgerow_client::directory::Gone;
use hedgerow_model::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The name of the alarm about a farm whose lease ran out.
pub const FARM_LOST: &str = "farm_lost";

/// Which alarms are listed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmsSpec {
    /// Also those that are cleared, as far as farms keep them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cleared: bool,
}

/// What is told of alarms.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AlarmsFrame {
    /// All there is; else what changed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub full: bool,
    /// When it was made, Unix ms.
    pub now: UnixMillis,
    /// Alarms that are new or that changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<Alarm>,
    /// Keys of alarms that are listed no more: cleared, or their farm has gone in good order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// All silences; absent: as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silences: Option<Vec<Silence>>,
    /// Whom it covers; absent: as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// Farms are still to answer, or to give their lists, for the first time.
    #[serde(default, skip_serializing_if = "is_false")]
    pub loading: bool,
    /// Alarms for which there is no room.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

/// An alarm.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Alarm {
    /// The farm's id and its own: what it is known by.
    pub key: String,
    /// The farm's name, as shown.
    pub farm: String,
    /// The farm's id.
    pub farm_id: String,
    /// Its id at the farm, in hex; `farm_lost` of a lost farm.
    pub id: String,
    /// The key under which its filter raises it.
    pub name: String,
    /// The deployment that raised it; empty of a lost farm.
    pub deployment: String,
    /// `info`, `warning`, `critical` or `unknown`.
    pub level: String,
    /// Of one that is unknown: which level it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level_before: Option<String>,
    /// What it says.
    pub text: String,
    /// The value that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The unit of what it is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// Where to read what to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub runbook: String,
    /// What it is about, as path text.
    pub paths: Vec<String>,
    /// When it was raised, Unix ms.
    pub since: UnixMillis,
    /// When its level or text changed last, Unix ms.
    pub changed: UnixMillis,
    /// When it was last confirmed, Unix ms.
    pub confirmed: UnixMillis,
    /// When it cleared, Unix ms; absent: it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared: Option<UnixMillis>,
    /// Of one that is unknown: why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unknown_because: String,
    /// Who has seen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
    /// The silence that covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silenced: Option<u64>,
    /// Rises with each change at the farm.
    pub version: u64,
}

/// Somebody has seen an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Who.
    pub by: String,
    /// What was said.
    pub comment: String,
    /// When, Unix ms.
    pub at: UnixMillis,
    /// Up to when it counts, Unix ms; absent: until the alarm clears or gets worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixMillis>,
}

/// Alarms that are to be shown, but not to disturb.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// The farm's name, as shown.
    pub farm: String,
    /// The farm's id.
    pub farm_id: String,
    /// Its id at the farm.
    pub id: u64,
    /// Of which deployments, a glob; empty: all.
    pub deployment: String,
    /// Under which names, a glob; empty: all.
    pub key: String,
    /// About what, a pattern; absent: anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Who said so.
    pub by: String,
    /// Why.
    pub comment: String,
    /// From here on, Unix ms.
    pub since: UnixMillis,
    /// Up to here, Unix ms.
    pub until: UnixMillis,
}

/// The core of the list of alarms.
#[derive(Debug)]
pub(crate) struct AlarmsView {
    world: Arc<Mutex<World>>,
    source: Arc<AlarmSource>,
    told: BTreeMap<String, Alarm>,
    told_silences: Option<Vec<Silence>>,
    told_coverage: Coverage,
    told_loading: bool,
    /// The states of both that were told.
    seen: Option<(u64, u64)>,
}

impl AlarmsView {
    pub fn new(world: Arc<Mutex<World>>, source: Arc<AlarmSource>) -> Self {
        let (told, told_coverage) = (BTreeMap::new(), Coverage::default());
        Self { world, source, told, told_silences: None, told_coverage, told_loading: true, seen: None }
    }

    pub(crate) fn full_frame(&self, now: UnixMillis) -> AlarmsFrame {
        let mut world = lock(&self.world);
        world.tick(now);
        let book = self.source.book();
        AlarmsFrame {
            full: true,
            now,
            alarms: listed(&world, &book).into_values().collect(),
            silences: Some(book.silences()),
            coverage: Some(book.coverage(now)),
            loading: !book.is_settled(),
            more: book.beyond(),
            ..AlarmsFrame::default()
        }
    }

    pub(crate) fn changed_frame(&mut self, now: UnixMillis) -> Option<AlarmsFrame> {
        let mut world = lock(&self.world);
        world.tick(now);
        let book = self.source.book();
        let seen = Some((world.revision, book.revision()));
        if self.seen == seen {
            return None;
        }
        self.seen = seen;
        let (listed, silences, coverage) = (listed(&world, &book), book.silences(), book.coverage(now));
        let (more, loading) = (book.beyond(), !book.is_settled());
        drop((world, book));
        let is_new = |alarm: &&Alarm| self.told.get(&alarm.key) != Some(*alarm);
        let alarms: Vec<Alarm> = listed.values().filter(is_new).cloned().collect();
        let removed: Vec<String> =
            self.told.keys().filter(|key| !listed.contains_key(*key)).cloned().collect();
        let silences = Some(silences).filter(|silences| self.told_silences.as_ref() != Some(silences));
        let coverage_told = !coverage.says_the_same(&self.told_coverage);
        let same = !coverage_told && loading == self.told_loading;
        if alarms.is_empty() && removed.is_empty() && silences.is_none() && same {
            return None;
        }
        self.told = listed;
        self.told_silences = silences.clone().or_else(|| self.told_silences.take());
        (self.told_coverage, self.told_loading) = (coverage.clone(), loading);
        let coverage = coverage_told.then_some(coverage);
        Some(AlarmsFrame { full: false, now, alarms, removed, silences, coverage, loading, more })
    }
}

/// What is to be listed: what farms have that are or were there not long ago, and the lost ones themselves.
fn listed(world: &World, book: &AlarmBook) -> BTreeMap<String, Alarm> {
    let of_mesh = |farm| {
        let is_lost = world.gone.get(&farm).is_some_and(|gone| gone.why == Gone::Expired);
        is_lost || world.farms.contains_key(&farm)
    };
    let mut listed: BTreeMap<String, Alarm> =
        book.alarms(of_mesh).map(|alarm| (alarm.key.clone(), alarm)).collect();
    for (id, gone) in world.gone.iter().filter(|(_, gone)| gone.why == Gone::Expired) {
        let alarm = Alarm {
            key: format!("{id}/{FARM_LOST}"),
            farm: gone.service.shown.to_string(),
            farm_id: id.to_string(),
            id: FARM_LOST.to_owned(),
            name: FARM_LOST.to_owned(),
            level: "critical".to_owned(),
            text: "the farm is lost: its lease ran out".to_owned(),
            since: gone.at,
            changed: gone.at,
            confirmed: gone.at,
            version: 1,
            ..Alarm::default()
        };
        listed.insert(alarm.key.clone(), alarm);
    }
    listed
}

impl Content for AlarmsView {
    fn full(&mut self, now: UnixMillis) -> String {
        json(&self.full_frame(now))
    }

    fn difference(&mut self, now: UnixMillis) -> Option<String> {
        self.changed_frame(now).map(|frame| json(&frame))
    }

    fn weight(&self) -> usize {
        self.told.len() * 10
    }
}
