//! Farms as the lookups know them, with their place and the worst of their alarms; those that went stay for an hour, with why.

use crate::alarms::AlarmSource;
use crate::column::is_false;
use crate::content::{Content, json};
use crate::coverage::{Coverage, MissingLookup};
use crate::spec::{Refused, template};
use crate::views::lock;
use crate::world::{Departed, LogLine, Present, SeenLookup, World, doubts};
use hedgerow_client::Template;
use hedgerow_client::directory::{Gone, Service, ServiceState};
use hedgerow_model::UnixMillis;
use hedgerow_model::registration::{self, Id};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub use crate::alarms::AlarmCounts;

/// Which farms are shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeshSpec {
    /// A template; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

impl MeshSpec {
    pub(crate) fn checked(self) -> Result<Self, Refused> {
        let template = template(self.template.as_deref())?;
        Ok(Self { template: (template != Template::default()).then(|| template.to_string()) })
    }
}

/// What is told of the mesh.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MeshFrame {
    /// All there is; else what changed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub full: bool,
    /// When it was made, Unix ms.
    pub now: UnixMillis,
    /// The mesh.
    pub mesh: MeshName,
    /// Farms that appeared, came back, or changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub farms: Vec<Farm>,
    /// Farms that went: no farm of the others any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<GoneFarm>,
    /// Ids of farms that are not gone any more: they are back, or went so long ago that nobody shows them. To be taken after `gone`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub back: Vec<String>,
    /// What happened; new lines only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<LogLine>,
    /// All lookups that were heard of; absent: as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookups: Option<Vec<SeenLookup>>,
    /// Whom it covers: `asked` and `missing` are farms that were asked for their alarms; absent: as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// Sums over the farms that are shown.
    pub totals: Totals,
}

/// The name and the id of a mesh.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MeshName {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
}

/// Sums over farms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Farms that are there.
    pub farms: u64,
    /// Of these, live ones.
    pub live: u64,
    /// Of these, those under suspicion.
    pub suspect: u64,
    /// Of these, those that are not confirmed.
    pub unconfirmed: u64,
    /// Of these, those of which nobody can say.
    pub stale: u64,
    /// Farms that are shown as gone.
    pub gone: u64,
    /// Open alarms; a lost farm is a critical one.
    pub alarms: AlarmCounts,
}

/// A farm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Farm {
    /// Its id.
    pub id: String,
    /// Its name, as shown.
    pub name: String,
    /// `live`, `suspect`, `unconfirmed` or `stale`.
    pub state: String,
    /// `ok`, `info`, `warning`, `critical` or `unknown`: the worst of its open alarms that are not silenced; `unknown` where it does
    /// not say, `critical` where it is lost.
    pub level: String,
    /// Its open alarms.
    pub alarms: AlarmCounts,
    /// Groups it belongs to.
    pub groups: Vec<String>,
    /// What it says of itself.
    pub attributes: BTreeMap<String, String>,
    /// Where it is, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Where it is reached.
    pub endpoints: Vec<String>,
    /// The version of its program.
    pub version: String,
    /// Free description.
    pub description: String,
    /// The ids of the lookups that hold it.
    pub lookups: Vec<String>,
    /// How many others use its id with another key: one of them is a forgery.
    pub rivals: u64,
    /// Another process runs with its identity; where, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<Vec<String>>,
    /// Why its state or level is as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Since when it is there, or in this state, as far as it was watched; Unix ms.
    pub since: UnixMillis,
}

/// Degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// From -90 to 90.
    pub lat: f64,
    /// From -180 to 180.
    pub lon: f64,
}

/// A farm that went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GoneFarm {
    /// Its id.
    pub id: String,
    /// Its name, as it was shown.
    pub name: String,
    /// `cancelled`: in good order; `expired`: it is lost; `unmatched`: it is there, and the template does not match it any more.
    pub why: String,
    /// When, Unix ms.
    pub t: UnixMillis,
    /// As it was.
    pub farm: Farm,
}

/// The core of the view of the mesh.
#[derive(Debug)]
pub(crate) struct MeshView {
    mesh: MeshName,
    template: Template,
    world: Arc<Mutex<World>>,
    source: Arc<AlarmSource>,
    told: BTreeMap<Id, Farm>,
    told_gone: BTreeMap<Id, GoneFarm>,
    told_log: u64,
    told_lookups: Option<(Vec<SeenLookup>, Coverage)>,
    /// Farms that are there and did match.
    unmatched: BTreeMap<Id, UnixMillis>,
    /// The states of both that were told.
    seen: Option<(u64, u64)>,
}

/// The mesh at one moment.
struct Sight {
    farms: BTreeMap<Id, Farm>,
    gone: BTreeMap<Id, GoneFarm>,
    lookups: Vec<SeenLookup>,
    coverage: Coverage,
    totals: Totals,
}

impl MeshView {
    pub fn new(
        spec: &MeshSpec,
        mesh: &registration::Mesh,
        world: Arc<Mutex<World>>,
        source: Arc<AlarmSource>,
    ) -> Result<Self, Refused> {
        let told_log = lock(&world).last_line();
        Ok(Self {
            mesh: MeshName { name: mesh.name.clone(), id: mesh.id.to_string() },
            template: template(spec.template.as_deref())?,
            world,
            source,
            told: BTreeMap::new(),
            told_gone: BTreeMap::new(),
            told_log,
            told_lookups: None,
            unmatched: BTreeMap::new(),
            seen: None,
        })
    }

    fn sight(&self, world: &World, now: UnixMillis) -> Sight {
        let matches = |service: &Service| self.template.matches(&service.registration);
        let present = world.farms.iter().filter(|(_, present)| matches(&present.service));
        let farms: BTreeMap<Id, Farm> = present.map(|(id, present)| (*id, self.farm(*id, present))).collect();
        let departed = world.gone.iter().filter(|(_, gone)| matches(&gone.service));
        let mut gone: BTreeMap<Id, GoneFarm> =
            departed.map(|(id, departed)| (*id, self.gone(*id, departed))).collect();
        for (id, t) in &self.unmatched {
            if let Some(present) = world.farms.get(id).filter(|present| !matches(&present.service)) {
                let farm = self.farm(*id, present);
                let (name, why) = (farm.name.clone(), Gone::Unmatched.as_str().to_owned());
                gone.insert(*id, GoneFarm { id: id.to_string(), name, why, t: *t, farm });
            }
        }
        let mut totals = Totals { farms: farms.len() as u64, gone: gone.len() as u64, ..Totals::default() };
        for (farm, state) in
            farms.iter().filter_map(|(id, farm)| Some((farm, world.farms.get(id)?.service.state)))
        {
            match state {
                ServiceState::Live => totals.live += 1,
                ServiceState::Suspect => totals.suspect += 1,
                ServiceState::Unconfirmed => totals.unconfirmed += 1,
                ServiceState::Stale => totals.stale += 1,
            }
            totals.alarms.add(farm.alarms);
        }
        let lost = gone.values().filter(|gone| gone.why == Gone::Expired.as_str()).count();
        totals.alarms.critical += lost as u64;
        let (lookups, stale_since_ms) = world.lookups();
        let silent =
            lookups.iter().filter_map(|it| Some(MissingLookup { url: it.url.clone(), why: it.why.clone()? }));
        let lookups_missing = silent.collect();
        let coverage =
            Coverage { lookups_missing, stale_since_ms, ..self.source.book().coverage(now) }.finished();
        Sight { farms, gone, lookups, coverage, totals }
    }

    fn farm(&self, id: Id, present: &Present) -> Farm {
        let service = &present.service;
        let said = &service.registration;
        let book = self.source.book();
        let (alarms, worst) = book.of_farm(id);
        let silence = book.silence_of(id);
        let known = book.knows(id);
        drop(book);
        let level = if silence.is_some() || !known { "unknown" } else { crate::alarms::word(worst) };
        let doubts = doubts(service);
        let doubts = doubts.strip_prefix("; ").map(ToOwned::to_owned);
        let mut why: Vec<String> = state_why(service.state).map(ToOwned::to_owned).into_iter().collect();
        why.extend(silence);
        why.extend(doubts);
        Farm {
            id: id.to_string(),
            name: service.shown.to_string(),
            state: service.state.as_str().to_owned(),
            level: level.to_owned(),
            alarms,
            groups: said.groups.clone(),
            attributes: said.attributes.clone(),
            place: place(&said.attributes),
            endpoints: said.endpoints.iter().map(|endpoint| endpoint.url.clone()).collect(),
            version: said.version.clone(),
            description: said.description.clone(),
            lookups: service.lookups.iter().map(ToString::to_string).collect(),
            rivals: service.rivals.len() as u64,
            copy: service.copy.clone(),
            why: (!why.is_empty()).then(|| why.join("; ")),
            since: present.since,
        }
    }

    fn gone(&self, id: Id, departed: &Departed) -> GoneFarm {
        let present = Present { service: departed.service.clone(), since: departed.at };
        let mut farm = self.farm(id, &present);
        let (level, why) = match departed.why {
            Gone::Expired => ("critical", "the farm is lost: its lease ran out"),
            Gone::Cancelled => ("info", "the farm was stopped in good order"),
            Gone::Unmatched => ("info", "the farm does not match any more"),
        };
        (farm.level, farm.why) = (level.to_owned(), Some(why.to_owned()));
        let why = departed.why.as_str().to_owned();
        GoneFarm { id: id.to_string(), name: farm.name.clone(), why, t: departed.at, farm }
    }

    pub(crate) fn full_frame(&self, now: UnixMillis) -> MeshFrame {
        let mut world = lock(&self.world);
        world.tick(now);
        let Sight { farms, gone, lookups, coverage, totals } = self.sight(&world, now);
        MeshFrame {
            full: true,
            now,
            mesh: self.mesh.clone(),
            farms: farms.into_values().collect(),
            gone: gone.into_values().collect(),
            back: Vec::new(),
            log: world.log(0, self.told_log),
            lookups: Some(lookups),
            coverage: Some(coverage),
            totals,
        }
    }

    pub(crate) fn changed_frame(&mut self, now: UnixMillis) -> Option<MeshFrame> {
        let world = Arc::clone(&self.world);
        let mut world = lock(&world);
        world.tick(now);
        let seen = Some((world.revision, self.source.book().revision()));
        if self.seen == seen && self.unmatched.is_empty() {
            return None;
        }
        self.seen = seen;
        self.notice_unmatched(&world, now);
        let Sight { farms, gone, lookups, coverage, totals } = self.sight(&world, now);
        let log = world.log(self.told_log, world.last_line());
        self.told_log = world.last_line();
        drop(world);
        let is_new = |(id, farm): &(&Id, &Farm)| self.told.get(id) != Some(farm);
        let new_farms: Vec<Farm> = farms.iter().filter(is_new).map(|(_, farm)| farm.clone()).collect();
        let is_new = |(id, gone): &(&Id, &GoneFarm)| self.told_gone.get(id) != Some(gone);
        let mut new_gone: Vec<GoneFarm> = gone.iter().filter(is_new).map(|(_, gone)| gone.clone()).collect();
        let is_back = |id: &&Id| !gone.contains_key(id);
        let mut back: Vec<String> = self.told_gone.keys().filter(is_back).map(ToString::to_string).collect();
        // One that went and is not to be shown as gone either: it is told as both at once.
        for (id, farm) in self.told.iter().filter(|(id, _)| !farms.contains_key(id) && !gone.contains_key(id))
        {
            let (name, why, farm) = (farm.name.clone(), Gone::Unmatched.as_str().to_owned(), farm.clone());
            new_gone.push(GoneFarm { id: id.to_string(), name, why, t: now, farm });
            back.push(id.to_string());
        }
        let before = self.told_lookups.replace((lookups.clone(), coverage.clone()));
        let other_lookups = before.as_ref().is_none_or(|(before, _)| *before != lookups);
        let covers_the_same = before.is_some_and(|(_, before)| coverage.says_the_same(&before));
        self.told = farms;
        self.told_gone = gone;
        let nothing = new_farms.is_empty() && new_gone.is_empty() && back.is_empty() && log.is_empty();
        if nothing && !other_lookups && covers_the_same {
            return None;
        }
        Some(MeshFrame {
            full: false,
            now,
            mesh: self.mesh.clone(),
            farms: new_farms,
            gone: new_gone,
            back,
            log,
            lookups: other_lookups.then_some(lookups),
            coverage: (!covers_the_same).then_some(coverage),
            totals,
        })
    }

    /// Farms that are there, were told, and do not match any more.
    fn notice_unmatched(&mut self, world: &World, now: UnixMillis) {
        let matches = |id: &Id| {
            let present = world.farms.get(id);
            present.map(|present| self.template.matches(&present.service.registration))
        };
        let unmatched: Vec<Id> = self.told.keys().filter(|id| matches(id) == Some(false)).copied().collect();
        for id in unmatched {
            self.unmatched.entry(id).or_insert(now);
        }
        let mut known = std::mem::take(&mut self.unmatched);
        let long_ago = now.saturating_sub(crate::world::GONE_FOR);
        known.retain(|id, at| {
            let present = world.farms.get(id);
            *at > long_ago && present.is_some_and(|it| !self.template.matches(&it.service.registration))
        });
        self.unmatched = known;
    }
}

impl AlarmCounts {
    fn add(&mut self, other: Self) {
        self.critical += other.critical;
        self.warning += other.warning;
        self.info += other.info;
        self.unknown += other.unknown;
        self.acknowledged += other.acknowledged;
    }
}

fn state_why(state: ServiceState) -> Option<&'static str> {
    match state {
        ServiceState::Live => None,
        ServiceState::Suspect => Some("a lookup suspects itself or the network"),
        ServiceState::Unconfirmed => Some("not renewed since its lookup began, or its lookups do not answer"),
        ServiceState::Stale => Some("no lookup answers, and its lease has run out"),
    }
}

/// Where a farm says that it is, where that is a place on earth.
fn place(attributes: &BTreeMap<String, String>) -> Option<Place> {
    let degrees = |key: &str, most: f64| {
        let degrees: f64 = attributes.get(key)?.trim().parse().ok()?;
        (-most..=most).contains(&degrees).then_some(degrees)
    };
    Some(Place { lat: degrees("lat", 90.0)?, lon: degrees("lon", 180.0)? })
}

impl Content for MeshView {
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

#[cfg(test)]
mod tests;
