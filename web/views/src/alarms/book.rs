//! The alarms of all farms as they are known: from streams, and put right by lists. Reads no clock.

use super::{Acknowledged, Alarm, Silence};
use crate::coverage::{Coverage, Missing};
use crate::farms::Farms;
use crate::series::path;
use hedgerow_client::alarms::MeshAlarms;
use hedgerow_client::proto::convert::predicate::pattern_from_wire;
use hedgerow_client::proto::convert::series::key_from_wire;
use hedgerow_client::proto::filter::{self as wire, AlarmLevel};
use hedgerow_client::{MeshUpdate, Update};
use hedgerow_model::UnixMillis;
use hedgerow_model::registration::Id;
use std::collections::{BTreeMap, BTreeSet};

/// Most alarms of all farms together; further ones are counted, and not listed.
pub const MAX_ALARMS: usize = 20_000;

/// What is known of alarms.
#[derive(Debug, Default)]
pub(crate) struct AlarmBook {
    /// Whether those that are cleared are kept, too.
    cleared: bool,
    alarms: BTreeMap<(Id, Vec<u8>), Known>,
    silences: BTreeMap<Id, Vec<wire::Silence>>,
    farms: Farms,
    /// Farms that did not give their list, and why.
    unlisted: Vec<Missing>,
    is_listed: bool,
    beyond: u64,
    revision: u64,
}

#[derive(Debug)]
struct Known {
    alarm: wire::Alarm,
    /// At which revision it was heard.
    heard: u64,
}

/// How many open alarms of which level a farm has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct AlarmCounts {
    /// Of level critical.
    pub critical: u64,
    /// Of level warning.
    pub warning: u64,
    /// Of level info.
    pub info: u64,
    /// Of level unknown.
    pub unknown: u64,
    /// Of any level, and somebody has seen it.
    pub acknowledged: u64,
}

impl AlarmBook {
    /// An empty one.
    pub fn new(cleared: bool) -> Self {
        Self { cleared, ..Self::default() }
    }

    /// Rises with every change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether all farms have answered once, or failed to, and have been asked for their lists.
    pub fn is_settled(&self) -> bool {
        self.is_listed && self.farms.are_settled()
    }

    /// Alarms for which there was no room.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }

    /// Takes what the merged stream told; says whether lists should be asked for: a stream begins, or begins again.
    pub fn hear(&mut self, update: &MeshUpdate, now: UnixMillis) -> bool {
        self.farms.hear(update, now);
        let changed = !self.farms.take_changed().is_empty();
        self.revision += u64::from(changed || matches!(update, MeshUpdate::Lookup { .. }));
        match update {
            MeshUpdate::Farm { id, update: Update::Alarm(alarm), .. } => {
                self.revision += 1;
                self.take(*id, (**alarm).clone());
                false
            }
            MeshUpdate::Farm { update: Update::Opened { .. }, .. } => true,
            _ => false,
        }
    }

    fn take(&mut self, farm: Id, alarm: wire::Alarm) {
        let key = (farm, alarm.id.to_vec());
        if alarm.cleared_ms.is_some() && !self.cleared {
            self.alarms.remove(&key);
            return;
        }
        let (heard, is_full) = (self.revision, self.alarms.len() >= MAX_ALARMS);
        match self.alarms.get_mut(&key) {
            Some(known) if known.alarm.version > alarm.version => {}
            Some(known) => *known = Known { alarm, heard },
            None if is_full => self.beyond += 1,
            None => drop(self.alarms.insert(key, Known { alarm, heard })),
        }
    }

    /// Takes the lists of farms, which were asked for at revision `asked_at`: what a farm lists no more is gone, unless it was
    /// heard of since.
    pub fn listed(&mut self, lists: MeshAlarms, asked_at: u64) {
        self.revision += 1;
        self.is_listed = true;
        self.beyond = 0;
        for list in lists.farms {
            let farm = list.service.registration.id;
            let there: BTreeSet<Vec<u8>> = list.alarms.iter().map(|alarm| alarm.id.to_vec()).collect();
            self.alarms.retain(|(of, id), known| *of != farm || known.heard > asked_at || there.contains(id));
            list.alarms.into_iter().for_each(|alarm| self.take(farm, alarm));
            self.silences.insert(farm, list.silences);
        }
        self.unlisted = lists
            .coverage
            .missing
            .iter()
            .map(|missing| Missing {
                farm: missing.farm.to_string(),
                why: format!("its list of alarms: {}", missing.why),
            })
            .collect();
    }

    /// The alarms of the farms that `is_wanted` wants.
    pub fn alarms(&self, is_wanted: impl Fn(Id) -> bool) -> impl Iterator<Item = Alarm> {
        let wanted = self.alarms.iter().filter(move |((farm, _), _)| is_wanted(*farm));
        wanted.map(|((farm, _), known)| self.alarm(*farm, &known.alarm))
    }

    /// All silences.
    pub fn silences(&self) -> Vec<Silence> {
        let mut all = Vec::new();
        for (farm, silences) in &self.silences {
            let name = self.name(*farm);
            all.extend(silences.iter().map(|silence| Silence {
                farm: name.clone(),
                farm_id: farm.to_string(),
                id: silence.id,
                deployment: silence.deployment.clone(),
                key: silence.key.clone(),
                path: silence.path.clone().and_then(|path| Some(pattern_from_wire(path).ok()?.to_string())),
                by: silence.by.clone(),
                comment: silence.comment.clone(),
                since: silence.from_ms,
                until: silence.until_ms,
            }));
        }
        all
    }

    /// How many open alarms a farm has of which level; and the worst of those that are not silenced.
    pub fn of_farm(&self, farm: Id) -> (AlarmCounts, AlarmLevel) {
        let mut counts = AlarmCounts::default();
        let mut worst = AlarmLevel::Ok;
        let of = (farm, Vec::new())..;
        for (_, Known { alarm, .. }) in self.alarms.range(of).take_while(|((of, _), _)| *of == farm) {
            if alarm.cleared_ms.is_some() {
                continue;
            }
            match alarm.level() {
                AlarmLevel::Critical => counts.critical += 1,
                AlarmLevel::Warning => counts.warning += 1,
                AlarmLevel::Info => counts.info += 1,
                AlarmLevel::Unknown | AlarmLevel::Unspecified => counts.unknown += 1,
                AlarmLevel::Ok => {}
            }
            counts.acknowledged += u64::from(alarm.acknowledged.is_some());
            if alarm.silence == 0 && gravity(alarm.level()) > gravity(worst) {
                worst = alarm.level();
            }
        }
        (counts, worst)
    }

    /// Why nothing is known of a farm's alarms now; `None`: it is known.
    pub fn silence_of(&self, farm: Id) -> Option<String> {
        self.farms.silence(farm)
    }

    /// Whether the alarms of a farm that answers have been told.
    pub fn knows(&self, farm: Id) -> bool {
        self.farms.name(farm).is_some()
    }

    /// Whom it covers.
    pub fn coverage(&self, now: UnixMillis) -> Coverage {
        let mut coverage = self.farms.coverage(now);
        // One that does not answer at all is named already.
        let named: BTreeSet<String> = coverage.missing.iter().map(|missing| missing.farm.clone()).collect();
        coverage
            .missing
            .extend(self.unlisted.iter().filter(|missing| !named.contains(&missing.farm)).cloned());
        coverage.finished()
    }

    fn name(&self, farm: Id) -> String {
        self.farms.name(farm).map_or_else(|| farm.short(), ToString::to_string)
    }

    fn alarm(&self, farm: Id, alarm: &wire::Alarm) -> Alarm {
        let name = self.name(farm);
        let id: String = alarm.id.iter().map(|byte| format!("{byte:02x}")).collect();
        let paths = alarm.paths.iter().filter_map(|series| Some(path(&name, &key_from_wire(series).ok()?)));
        let mut told = Alarm {
            key: format!("{farm}/{id}"),
            paths: paths.collect(),
            farm: name,
            farm_id: farm.to_string(),
            id,
            name: alarm.key.clone(),
            deployment: alarm.deployment.clone(),
            level: word(alarm.level()).to_owned(),
            level_before: (alarm.level() == AlarmLevel::Unknown)
                .then(|| word(alarm.level_before()).to_owned()),
            text: alarm.text.clone(),
            value: alarm.value.filter(|value| value.is_finite()),
            unit: alarm.paths.first().map(|series| series.unit.clone()).unwrap_or_default(),
            runbook: alarm.runbook.clone(),
            since: alarm.since_ms,
            changed: alarm.changed_ms,
            confirmed: alarm.confirmed_ms,
            cleared: alarm.cleared_ms,
            unknown_because: alarm.unknown_reason.clone(),
            acknowledged: alarm.acknowledged.as_ref().map(|said| Acknowledged {
                by: said.by.clone(),
                comment: said.comment.clone(),
                at: said.at_ms,
                until: Some(said.until_ms).filter(|until| *until != 0),
            }),
            silenced: Some(alarm.silence).filter(|silence| *silence != 0),
            version: alarm.version,
        };
        if let Some(why) = self.silence_of(farm).filter(|_| alarm.cleared_ms.is_none()) {
            told.level_before.get_or_insert(told.level);
            (told.level, told.unknown_because) = ("unknown".to_owned(), why);
        }
        told
    }
}

/// By how much an open alarm matters.
pub(crate) fn gravity(level: AlarmLevel) -> u8 {
    match level {
        AlarmLevel::Ok => 0,
        AlarmLevel::Info => 1,
        AlarmLevel::Unspecified | AlarmLevel::Unknown => 2,
        AlarmLevel::Warning => 3,
        AlarmLevel::Critical => 4,
    }
}

/// The word of a level.
pub(crate) fn word(level: AlarmLevel) -> &'static str {
    match level {
        AlarmLevel::Ok => "ok",
        AlarmLevel::Info => "info",
        AlarmLevel::Warning => "warning",
        AlarmLevel::Critical => "critical",
        AlarmLevel::Unknown | AlarmLevel::Unspecified => "unknown",
    }
}
