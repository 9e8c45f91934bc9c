//! The book of alarms: what becomes of each when somebody speaks or falls silent.

mod people;

use super::{
    Acknowledgement, Alarm, AlarmChange, AlarmKey, Raise, Silence, SilenceId, Transition, Unknown,
    UnknownCause,
};
use crate::run::Place;
use hedgerow_model::registration::Id;
use hedgerow_model::{Life, Position, SeriesKey, Status, UnixMillis};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// A confirmation alone is a change worth keeping once in this time.
const CONFIRMED_EVERY_MS: i64 = 60_000;

/// Why an alarm is unknown whose deployment runs, but has forgotten it.
const BEGAN_ANEW: &str = "its deployment began anew and has not spoken of it since";

/// Most series that one alarm names; further ones are left out.
pub const MAX_SERIES: usize = 16;

/// Changes of alarms in one step of a deployment. Past it no more are raised there, which is counted; clearing goes on.
pub(super) const MAX_CHANGES: usize = 10_000;

/// How many alarms there may be.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Open ones of one deployment. Past it a new one is refused and counted.
    pub open_per_deployment: usize,
    /// Open ones of all deployments, those that do not run any more too. Past it a new one is refused and counted.
    pub open: usize,
    /// Cleared ones kept, of all deployments. Past it the one cleared first goes.
    pub cleared: usize,
    /// How long a cleared one is kept, in milliseconds.
    pub cleared_ms: i64,
    /// Silences. Past it a new one is refused.
    pub silences: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            open_per_deployment: 1_000,
            open: 10_000,
            cleared: 1_000,
            cleared_ms: 30 * 86_400_000,
            silences: 1_000,
        }
    }
}

/// What cannot be done with an alarm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// The id names none.
    #[error("there is no alarm {0} here")]
    NoAlarm(Id),
    /// It is over.
    #[error("the alarm {0} was cleared already")]
    Cleared(Id),
    /// Not acknowledged.
    #[error("the alarm {0} is not acknowledged")]
    NotAcknowledged(Id),
    /// The id names none.
    #[error("there is no silence {0} here")]
    NoSilence(SilenceId),
    /// Its end is not after its beginning.
    #[error("a silence ends after it begins")]
    EmptySilence,
    /// Too many.
    #[error("there are {0} silences already, which is the most: end some of them")]
    TooManySilences(usize),
    /// Its filter says when it is over.
    #[error(
        "the alarm {0} is not one that a person closes: its filter runs, and clears it when it is over; acknowledge or silence it"
    )]
    FilterRuns(Id),
    /// An end that has passed.
    #[error("the acknowledgement would end in the past")]
    EndsInThePast,
}

/// What a filter says.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// Raise, change or confirm.
    Raise(Raise),
    /// Clear, and why.
    Clear(AlarmKey, String),
}

/// All alarms of a farm.
#[derive(Debug, Default)]
pub struct AlarmBook {
    farm: String,
    bounds: Bounds,
    open: BTreeMap<AlarmKey, Alarm>,
    /// Cleared, the first cleared at the front.
    cleared: VecDeque<Alarm>,
    silences: BTreeMap<SilenceId, Silence>,
    next_silence: SilenceId,
    /// Of each deployment, what caused what it said last.
    through: BTreeMap<String, Place>,
    /// Series of which alarms speak and that are silent now: since behind which number, and why.
    silent: HashMap<SeriesKey, (Position, String)>,
    /// Alarms that were refused because there were too many.
    refused: u64,
}

impl AlarmBook {
    /// An empty book of the farm with this name.
    pub fn new(farm: &str, bounds: Bounds) -> Self {
        Self { farm: farm.to_owned(), bounds, next_silence: 1, ..Self::default() }
    }

    /// Takes up what was kept: alarms open and cleared, silences, and of each deployment the cause of what it said last.
    pub fn load(
        &mut self,
        alarms: Vec<Alarm>,
        silences: Vec<Silence>,
        through: impl IntoIterator<Item = (String, Place)>,
    ) {
        self.through = through.into_iter().collect();
        for alarm in alarms {
            if alarm.cleared.is_some() {
                self.cleared.push_back(alarm);
            } else {
                self.open.insert(alarm.key.clone(), alarm);
            }
        }
        self.cleared.make_contiguous().sort_by_key(|alarm| alarm.cleared);
        for silence in silences {
            self.next_silence = self.next_silence.max(silence.id + 1);
            self.silences.insert(silence.id, silence);
        }
    }

    /// The open ones, by deployment and key.
    pub fn open(&self) -> impl Iterator<Item = &Alarm> {
        self.open.values()
    }

    /// Those that are kept after they were cleared, the first cleared first.
    pub fn cleared(&self) -> impl Iterator<Item = &Alarm> {
        self.cleared.iter()
    }

    /// The silences, ended ones not.
    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.silences.values()
    }

    /// Of each deployment of which there are alarms, the cause of what it said last.
    pub fn through(&self) -> impl Iterator<Item = (&str, Place)> {
        self.through.iter().map(|(deployment, through)| (deployment.as_str(), *through))
    }

    /// The series of which open alarms speak, each once.
    pub fn sources(&self) -> HashSet<&SeriesKey> {
        self.open.values().flat_map(|alarm| &alarm.series).collect()
    }

    /// An alarm by its id.
    pub fn get(&self, id: Id) -> Option<&Alarm> {
        self.open.values().chain(&self.cleared).find(|alarm| alarm.id == id)
    }

    /// How many alarms were refused because their deployment had too many.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// What a filter said in one step, caused by what it had consumed up to `cause`. What it said of this or a later cause
    /// before, in a run that ended, is passed over. `new_id` gives a fresh id for each alarm raised.
    pub fn said(
        &mut self,
        deployment: &str,
        cause: Place,
        said: Vec<Said>,
        now: UnixMillis,
        mut new_id: impl FnMut() -> Id,
    ) -> Vec<AlarmChange> {
        if said.is_empty() || self.through.get(deployment).is_some_and(|through| cause <= *through) {
            return Vec::new();
        }
        self.through.insert(deployment.to_owned(), cause);
        let of_deployment = self.open.keys().filter(|key| key.deployment == deployment).count();
        let mut room = self.bounds.open_per_deployment.saturating_sub(of_deployment);
        let mut changes = Vec::new();
        for word in said {
            let change = match word {
                Said::Raise(_) if changes.len() >= MAX_CHANGES => {
                    self.refused += 1;
                    None
                }
                Said::Raise(raise) => self.raise(raise, cause, now, &mut room, &mut new_id),
                Said::Clear(key, text) => {
                    let change = self.clear(&key, text, cause, now);
                    room += usize::from(change.is_some());
                    change
                }
            };
            changes.extend(change);
        }
        changes
    }

    fn raise(
        &mut self,
        mut raise: Raise,
        cause: Place,
        now: UnixMillis,
        room: &mut usize,
        new_id: &mut impl FnMut() -> Id,
    ) -> Option<AlarmChange> {
        raise.series.truncate(MAX_SERIES);
        if !self.open.contains_key(&raise.key) {
            if *room == 0 || self.open.len() >= self.bounds.open {
                self.refused += 1;
                return None;
            }
            *room -= 1;
            let alarm = fresh(&raise, new_id(), cause, now);
            self.open.insert(raise.key.clone(), alarm);
        }
        let alarm = self.open.get_mut(&raise.key)?;
        let from = alarm.level;
        let known = alarm.unknown.take().map_or(from, |unknown| unknown.before);
        // A worse level is news that nobody has seen.
        if raise.level > known {
            alarm.acknowledged = None;
        }
        let same = from == raise.level && alarm.text == raise.text;
        let quiet = same && alarm.version > 0 && now - alarm.confirmed < CONFIRMED_EVERY_MS;
        (alarm.level, alarm.text) = (raise.level, raise.text);
        (alarm.series, alarm.value, alarm.runbook) = (raise.series, raise.value, raise.runbook);
        (alarm.cause, alarm.confirmed) = (cause, now);
        if quiet {
            return None;
        }
        if !same {
            alarm.changed = now;
        }
        let key = alarm.key.clone();
        Some(self.changed(&key, from, None, now))
    }

    fn clear(&mut self, key: &AlarmKey, text: String, cause: Place, now: UnixMillis) -> Option<AlarmChange> {
        let alarm = self.open.get_mut(key)?;
        (alarm.cause, alarm.confirmed) = (cause, now);
        self.over(key, text, now)
    }

    /// An open alarm is one of the cleared.
    fn over(&mut self, key: &AlarmKey, text: String, now: UnixMillis) -> Option<AlarmChange> {
        let alarm = self.open.get_mut(key)?;
        let from = std::mem::replace(&mut alarm.level, Status::Ok);
        (alarm.unknown, alarm.acknowledged) = (None, None);
        (alarm.changed, alarm.cleared) = (now, Some(now));
        if !text.is_empty() {
            alarm.text = text;
        }
        let change = self.changed(key, from, None, now);
        let alarm = self.open.remove(key)?;
        self.cleared.push_back(alarm);
        Some(change)
    }

    /// A deployment does not run, and why. Its open alarms are unknown from now on.
    pub fn deployment_stopped(
        &mut self,
        deployment: &str,
        reason: &str,
        now: UnixMillis,
    ) -> Vec<AlarmChange> {
        let keys = self.keys_of(deployment);
        keys.iter().filter_map(|key| self.unknown(key, UnknownCause::Deployment, reason, now)).collect()
    }

    /// A deployment runs again. With its state: what it said stands again. Without, it is for the filter to speak: until then
    /// what an earlier run of it said is unknown.
    pub fn deployment_runs(
        &mut self,
        deployment: &str,
        with_state: bool,
        now: UnixMillis,
    ) -> Vec<AlarmChange> {
        if !with_state {
            // It begins from nothing, with a number of its own.
            self.through.remove(deployment);
            return self.deployment_stopped(deployment, BEGAN_ANEW, now);
        }
        let keys = self.keys_of(deployment);
        keys.iter().filter_map(|key| self.known(key, UnknownCause::Deployment, now)).collect()
    }

    /// A series' life changed, behind this number. An alarm all of whose series are silent is unknown, unless its filter spoke of
    /// it knowing that; with the first that is back it stands as before.
    pub fn source(
        &mut self,
        series: &SeriesKey,
        life: Life,
        behind: Position,
        reason: &str,
        now: UnixMillis,
    ) -> Vec<AlarmChange> {
        let about = |alarm: &&Alarm| alarm.series.contains(series);
        let keys: Vec<AlarmKey> = self.open.values().filter(about).map(|alarm| alarm.key.clone()).collect();
        if life == Life::Live {
            self.silent.remove(series);
            return keys.iter().filter_map(|key| self.known(key, UnknownCause::Source, now)).collect();
        }
        if keys.is_empty() {
            return Vec::new();
        }
        self.silent.insert(series.clone(), (behind, reason.to_owned()));
        keys.iter().filter_map(|key| self.judge_source(key, now)).collect()
    }

    /// Makes an alarm unknown if all that it is about is silent.
    fn judge_source(&mut self, key: &AlarmKey, now: UnixMillis) -> Option<AlarmChange> {
        let reason = self.silence_of_sources(self.open.get(key)?)?;
        self.unknown(key, UnknownCause::Source, &reason, now)
    }

    /// Why nothing comes from its sources; none where something does, or where its filter spoke of it when it knew of that:
    /// an alarm that something is silent stands.
    fn silence_of_sources(&self, alarm: &Alarm) -> Option<String> {
        let silent: Option<Vec<_>> = alarm.series.iter().map(|series| self.silent.get(series)).collect();
        let (behind, why) = silent?.into_iter().max_by_key(|(behind, _)| *behind)?;
        // The change of life is the first thing behind its number.
        let was_told = alarm.cause >= Place { position: *behind, lives: 1 };
        (!was_told).then(|| match alarm.series.len() {
            1 => format!("its source is silent: {why}"),
            count => format!("all {count} of its sources are silent: {why}"),
        })
    }

    fn unknown(
        &mut self,
        key: &AlarmKey,
        cause: UnknownCause,
        reason: &str,
        now: UnixMillis,
    ) -> Option<AlarmChange> {
        let alarm = self.open.get_mut(key)?;
        let from = alarm.level;
        let before = match &alarm.unknown {
            // Who has no deployment has no sources; and the first reason is the one to tell.
            Some(unknown) if unknown.cause == UnknownCause::Deployment || cause == UnknownCause::Source => {
                return None;
            }
            Some(unknown) => unknown.before,
            None => alarm.level,
        };
        alarm.unknown = Some(Unknown { reason: reason.to_owned(), before, cause });
        (alarm.level, alarm.changed) = (Status::Unknown, now);
        Some(self.changed(key, from, Some(reason), now))
    }

    fn known(&mut self, key: &AlarmKey, cause: UnknownCause, now: UnixMillis) -> Option<AlarmChange> {
        // Its sources may have fallen silent while its deployment was.
        let silence = self.silence_of_sources(self.open.get(key)?);
        let alarm = self.open.get_mut(key)?;
        let unknown = alarm.unknown.take_if(|unknown| unknown.cause == cause)?;
        alarm.changed = now;
        if let Some(reason) = silence {
            alarm.unknown = Some(Unknown { reason, before: unknown.before, cause: UnknownCause::Source });
        } else {
            alarm.level = unknown.before;
        }
        Some(self.changed(key, Status::Unknown, None, now))
    }

    /// How many open ones there are of a level.
    pub fn open_of(&self, level: Status) -> usize {
        self.open.values().filter(|alarm| alarm.level == level).count()
    }

    /// What time alone changes: acknowledgements and silences end, and what was cleared long ago is forgotten.
    pub fn tick(&mut self, now: UnixMillis) -> Vec<AlarmChange> {
        self.silences.retain(|_, silence| silence.until > now);
        let old = |alarm: &Alarm| alarm.cleared.is_some_and(|cleared| now - cleared > self.bounds.cleared_ms);
        while self.cleared.len() > self.bounds.cleared || self.cleared.front().is_some_and(old) {
            self.cleared.pop_front();
        }
        let named: HashSet<&SeriesKey> = self.open.values().flat_map(|alarm| &alarm.series).collect();
        self.silent.retain(|series, _| named.contains(series));
        let spoken_of: HashSet<&str> =
            self.open.values().chain(&self.cleared).map(|alarm| alarm.key.deployment.as_str()).collect();
        // Who has no alarm has said nothing that a replay could say twice.
        self.through.retain(|deployment, _| spoken_of.contains(deployment.as_str()));
        let keys: Vec<AlarmKey> = self.open.keys().cloned().collect();
        let mut changes = Vec::new();
        for key in keys {
            // One whose filter lags behind the silence of its sources speaks as if they lived.
            changes.extend(self.judge_source(&key, now));
            let Some(alarm) = self.open.get(&key) else { continue };
            let over = |acknowledged: &Acknowledgement| acknowledged.until.is_some_and(|until| until <= now);
            let over = alarm.acknowledged.as_ref().is_some_and(over);
            let silenced = self.silences.values().find(|silence| silence.covers(&self.farm, alarm, now));
            let silenced = silenced.map(|silence| silence.id);
            if over || silenced != alarm.silenced {
                changes.push(self.edit(&key, now, |alarm| {
                    alarm.silenced = silenced;
                    if over {
                        alarm.acknowledged = None;
                    }
                }));
            }
        }
        changes
    }

    fn keys_of(&self, deployment: &str) -> Vec<AlarmKey> {
        self.open.keys().filter(|key| key.deployment == deployment).cloned().collect()
    }

    fn open_key(&self, id: Id) -> Result<AlarmKey, BookError> {
        let alarm = self.get(id).ok_or(BookError::NoAlarm(id))?;
        if alarm.cleared.is_some() { Err(BookError::Cleared(id)) } else { Ok(alarm.key.clone()) }
    }

    /// A change that is no transition.
    fn edit(&mut self, key: &AlarmKey, now: UnixMillis, edit: impl FnOnce(&mut Alarm)) -> AlarmChange {
        let level = self.open.get_mut(key).map_or(Status::Unknown, |alarm| {
            edit(alarm);
            alarm.level
        });
        self.changed(key, level, None, now)
    }

    /// Notes that an open alarm is another now than it was.
    fn changed(&mut self, key: &AlarmKey, from: Status, text: Option<&str>, now: UnixMillis) -> AlarmChange {
        let alarm = self.open.get_mut(key).expect("invariant: who changes an alarm has just looked at it");
        alarm.version += 1;
        let covers = |silence: &&Silence| silence.covers(&self.farm, alarm, now);
        let silenced = self.silences.values().find(covers).map(|silence| silence.id);
        alarm.silenced = silenced;
        let transition = (from != alarm.level).then(|| Transition {
            time: now,
            from,
            to: alarm.level,
            text: text.unwrap_or(&alarm.text).to_owned(),
            value: alarm.value,
        });
        AlarmChange { alarm: alarm.clone(), transition }
    }
}

/// An alarm that nobody has told yet.
fn fresh(raise: &Raise, id: Id, cause: Place, now: UnixMillis) -> Alarm {
    Alarm {
        id,
        key: raise.key.clone(),
        level: Status::Ok,
        text: String::new(),
        series: Vec::new(),
        value: None,
        runbook: String::new(),
        since: now,
        changed: now,
        confirmed: now,
        cleared: None,
        acknowledged: None,
        unknown: None,
        silenced: None,
        cause,
        version: 0,
    }
}
