//! The deployments of a farm, each with what became of it: which is to run, which component is missing, what is told of it.
//! No IO, and time is given.

use super::logs::Log;
use super::plan::{Holders, Judged, plan};
use super::policy::{Here, alone};
use super::{Desired, Faults, Ready, Report};
use crate::filter::kept::{Kept, KeptRow, RowKey};
use hedgerow_model::UnixMillis;
use hedgerow_model::document::{Blob, Hash, Owner};
use hedgerow_proto::convert::deployment::decode;
use hedgerow_proto::convert::document::hash_to_wire;
use hedgerow_proto::filter::{DeploymentState, DeploymentStatus, LogLevel};
use hedgerow_proto::signed::SignedDocument;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long a component that could not be fetched waits the first time; then twice as long each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest of these waits.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A deployment is known here by its name and its owner: only one owner holds a name, the others are told why not.
pub type Key = (String, Owner);

/// All deployments that mean this farm.
#[derive(Debug, Default)]
pub struct Roster {
    entries: BTreeMap<Key, Entry>,
    holders: Holders,
    /// What ran here before the process began, until it is heard that it still stands.
    restored: BTreeMap<Key, Arc<Ready>>,
    has_heard_all: bool,
    /// Components that are on the disk.
    have: BTreeSet<Hash>,
    /// Components that are not, and how the attempts to fetch them went.
    fetches: BTreeMap<Hash, Fetch>,
    /// Of those that failed, by owner, name and serial.
    faults: BTreeMap<RowKey, Faults>,
}

#[derive(Debug, Default)]
struct Fetch {
    going: bool,
    failures: u32,
    why: String,
    not_before: UnixMillis,
}

#[derive(Debug)]
struct Entry {
    judged: Judged,
    /// What ran last, or runs: the same serial, or an earlier one.
    accepted: Option<Arc<Ready>>,
    /// Whether the farm still takes that, where it is an earlier one.
    accepted_may_run: bool,
    report: Option<Report>,
    retries: u64,
    /// Serial, state and reason that were told last.
    told: (u64, DeploymentState, String),
    since_ms: UnixMillis,
    log: Log,
}

impl Roster {
    /// With what was kept, and the components that are on the disk.
    pub fn new(kept: &Kept, have: BTreeSet<Hash>) -> Self {
        let accepted = kept.rows.values().filter(|row| row.accepted);
        let restored = accepted.filter_map(|row| ready(&row.document)).map(|ready| (ready.key(), ready));
        let (holders, faults) = (kept.holders.clone(), kept.faults.clone());
        Self { holders, restored: restored.collect(), have, faults, ..Self::default() }
    }

    /// Judges all that stands anew.
    pub fn plan(&mut self, standing: &[Arc<SignedDocument>], here: &Here<'_>, now: UnixMillis) {
        let plan = plan(standing, &self.holders, here);
        self.holders = plan.holders;
        let mut before = std::mem::take(&mut self.entries);
        for judged in plan.judged {
            let key = (judged.document.document.name.clone(), judged.document.owner);
            let mut entry = match before.remove(&key) {
                Some(entry) => Entry { judged, ..entry },
                None => Entry::new(judged, self.restored.remove(&key), now),
            };
            let holds = self.holders.get(&key.0) == Some(&key.1);
            entry.accepted_may_run = holds
                && entry.accepted.as_ref().is_some_and(|ready| {
                    ready.document.rank() <= entry.judged.document.rank()
                        && alone(&ready.document, &ready.deployment, here).is_ok()
                });
            self.entries.insert(key, entry);
        }
        self.settle(now);
    }

    /// Components to fetch now, at most so many; each is told once until [`Roster::fetched`] says how it went.
    pub fn due_fetches(&mut self, now: UnixMillis, most: usize) -> Vec<Blob> {
        let wanted: Vec<Blob> = self.entries.values().flat_map(Entry::components).collect();
        self.fetches.retain(|hash, _| wanted.iter().any(|blob| blob.hash == *hash));
        let mut due = Vec::new();
        for blob in wanted.into_iter().filter(|blob| !self.have.contains(&blob.hash)) {
            let fetch = self.fetches.entry(blob.hash).or_default();
            if !fetch.going && fetch.not_before <= now && due.len() < most {
                fetch.going = true;
                due.push(blob);
            }
        }
        due
    }

    /// A component came, or why not.
    pub fn fetched(&mut self, hash: Hash, outcome: Result<(), String>, now: UnixMillis) {
        match outcome {
            Ok(()) => {
                self.have.insert(hash);
                self.fetches.remove(&hash);
            }
            Err(why) => {
                let fetch = self.fetches.entry(hash).or_default();
                let wait = FIRST_WAIT.saturating_mul(1 << fetch.failures.min(16)).min(LONGEST_WAIT);
                let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
                *fetch = Fetch { going: false, failures: fetch.failures + 1, why, not_before: now + wait };
            }
        }
        self.settle(now);
    }

    /// A component on the disk is not what it was.
    pub fn lost(&mut self, hash: Hash, now: UnixMillis) {
        self.have.remove(&hash);
        self.settle(now);
    }

    /// Components on the disk that nobody needs any more; from now on they are not there.
    pub fn unused(&mut self) -> Vec<Hash> {
        let used: BTreeSet<Hash> =
            self.entries.values().flat_map(Entry::components).map(|b| b.hash).collect();
        let restored = self.restored.values().map(|ready| ready.component.hash);
        let used: BTreeSet<Hash> = used.into_iter().chain(restored).collect();
        let unused: Vec<Hash> = self.have.difference(&used).copied().collect();
        self.have.retain(|hash| !unused.contains(hash));
        unused
    }

    /// What is to run.
    pub fn desired(&self) -> Vec<Desired> {
        self.entries.values().filter_map(|entry| entry.desired(&self.have)).collect()
    }

    /// What is to be kept.
    pub fn kept(&self) -> Kept {
        let mut rows = BTreeMap::new();
        for entry in self.entries.values().filter(|e| e.judged.verdict.is_ok() || e.accepted.is_some()) {
            let newest = &entry.judged.document;
            let accepted = entry.accepted.as_ref().map(|ready| &ready.document);
            let mut put = |document: &Arc<SignedDocument>, standing, accepted| {
                let key = (document.owner, document.document.name.clone(), document.document.serial);
                rows.insert(key, KeptRow { document: Arc::clone(document), standing, accepted });
            };
            if let Some(older) = accepted.filter(|older| older.rank() != newest.rank()) {
                put(older, false, true);
            }
            put(newest, true, accepted.is_some_and(|accepted| accepted.rank() == newest.rank()));
        }
        // Not heard of yet whether they stand: they did.
        for ready in self.restored.values() {
            let document = &ready.document;
            let key = (document.owner, document.document.name.clone(), document.document.serial);
            let row = KeptRow { document: Arc::clone(document), standing: true, accepted: true };
            rows.entry(key).or_insert(row);
        }
        // Whatever is of no serial that may run goes with it.
        let mut faults = self.faults.clone();
        faults.retain(|key, _| rows.contains_key(key));
        Kept { rows, faults, holders: self.holders.clone() }
    }

    /// What is known of the faults of a serial.
    pub fn faults(&self, key: &Key, serial: u64) -> Option<&Faults> {
        self.faults.get(&(key.1, key.0.clone(), serial))
    }

    /// All that stands was heard: what ran before and is not among it stands no more.
    pub fn heard_all(&mut self) {
        self.restored.clear();
        self.has_heard_all = true;
    }

    /// Whether all that stands was heard of, and none of this name is among it.
    pub fn is_gone(&self, name: &str) -> bool {
        self.has_heard_all && !self.entries.keys().any(|(known, _)| known == name)
    }

    /// What whoever runs them says of one; says whether more than its cost changed. Of a serial that is no more, it is not heard.
    pub fn report(&mut self, key: &Key, report: Report, now: UnixMillis) -> bool {
        let Some(entry) = self.entries.get_mut(key) else { return false };
        let of =
            |report: &Report| (report.serial, report.state, report.reason.clone(), report.faults.clone());
        let changes = entry.report.as_ref().map(of) != Some(of(&report));
        if changes {
            self.faults.retain(|(owner, name, _), _| (name, owner) != (&key.0, &key.1));
            let of = |(serial, faults): (&u64, &Faults)| ((key.1, key.0.clone(), *serial), faults.clone());
            self.faults.extend(report.faults.iter().map(of));
        }
        let newest = entry.judged.document.document.serial;
        if report.serial == newest && report.state == DeploymentState::Running {
            entry.accepted = ready(&entry.judged.document);
            entry.accepted_may_run = true;
        }
        entry.report = Some(report);
        if changes {
            self.settle(now);
        }
        changes
    }

    /// A quarantined one is to begin anew, one that waits is to wait no longer.
    ///
    /// # Errors
    /// Why there is nothing to try again.
    pub fn retry(&mut self, name: &str, now: UnixMillis) -> Result<DeploymentStatus, RetryError> {
        let entry = self.entries.iter_mut().filter(|((n, _), _)| n == name).map(|(key, entry)| {
            let state = entry.state(&self.have, &self.fetches).0;
            (key.clone(), entry, state)
        });
        // Of several owners' only one is not refused.
        let found = entry.min_by_key(|(_, _, state)| *state == DeploymentState::Refused);
        let (key, entry, state) = found.ok_or(RetryError::Unknown)?;
        match state {
            DeploymentState::Quarantined | DeploymentState::BackingOff => {
                entry.retries += 1;
                entry.log.of_farm(now, LogLevel::Info, "to be tried again: somebody asked for it");
                // At once: also where the farm ends before it is begun.
                let own = self.faults.iter_mut().filter(|((owner, n, _), _)| (n, *owner) == (&key.0, key.1));
                own.for_each(|(_, faults)| {
                    (faults.quarantined, faults.failed_ms) = (None, Vec::new());
                });
            }
            DeploymentState::Preparing => {
                for blob in entry.components() {
                    if let Some(fetch) = self.fetches.get_mut(&blob.hash) {
                        fetch.not_before = now;
                    }
                }
            }
            state => return Err(RetryError::NothingToRetry(word(state))),
        }
        self.statuses(std::slice::from_ref(&key.0))
            .into_iter()
            .find(|status| status.owner == key.1.0[..])
            .ok_or(RetryError::Unknown)
    }

    /// The statuses of those with these names; with none: of all.
    pub fn statuses(&self, names: &[String]) -> Vec<DeploymentStatus> {
        let asked = |key: &&Key| names.is_empty() || names.contains(&key.0);
        let keys = self.entries.keys().filter(asked);
        keys.filter_map(|key| Some(self.entries.get(key)?.status(&self.have, &self.fetches))).collect()
    }

    /// The log of a name: of its owners' the one that holds it, else the first.
    pub fn log(&self, name: &str) -> Option<&Log> {
        let held = self.holders.get(name).and_then(|owner| self.entries.get(&(name.to_owned(), *owner)));
        let any = || self.entries.iter().find(|((n, _), _)| n == name).map(|(_, entry)| entry);
        held.or_else(any).map(|entry| &entry.log)
    }

    /// To write to the log of one.
    pub fn log_mut(&mut self, key: &Key) -> Option<&mut Log> {
        self.entries.get_mut(key).map(|entry| &mut entry.log)
    }

    /// Follows what changed: what can be taken is, and what is told has its time.
    fn settle(&mut self, now: UnixMillis) {
        for entry in self.entries.values_mut() {
            if entry.accepted.is_none() && entry.newest_can_run(&self.have) {
                entry.accepted = ready(&entry.judged.document);
                entry.accepted_may_run = true;
            }
            let (state, reason) = entry.state(&self.have, &self.fetches);
            let told = (entry.judged.document.document.serial, state, reason);
            if told != entry.told {
                let (serial, state, reason) = &told;
                let colon = if reason.is_empty() { "" } else { ": " };
                let bad = matches!(state, DeploymentState::Refused | DeploymentState::Quarantined);
                let level = if bad { LogLevel::Warning } else { LogLevel::Info };
                entry.log.of_farm(now, level, &format!("serial {serial} is {}{colon}{reason}", word(*state)));
                if (*serial, *state) != (entry.told.0, entry.told.1) {
                    let faults = entry.report_of_newest().and_then(|report| report.faults.get(serial));
                    let quarantined = faults.and_then(|faults| faults.quarantined.as_ref());
                    let since = quarantined.filter(|_| *state == DeploymentState::Quarantined);
                    entry.since_ms = since.map_or(now, |(since, _)| *since);
                }
                entry.told = told;
            }
        }
    }
}

/// Why nothing is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetryError {
    /// No such deployment means this farm.
    Unknown,
    /// It is in this state.
    NothingToRetry(&'static str),
}

impl Entry {
    fn new(judged: Judged, restored: Option<Arc<Ready>>, now: UnixMillis) -> Self {
        Self {
            judged,
            accepted: restored,
            accepted_may_run: false,
            report: None,
            retries: 0,
            told: (0, DeploymentState::Unspecified, String::new()),
            since_ms: now,
            log: Log::default(),
        }
    }

    /// What it needs on the disk.
    fn components(&self) -> Vec<Blob> {
        let newest = self.judged.verdict.is_ok().then(|| self.judged.document.document.blobs.first());
        let accepted = self.accepted.as_ref().map(|ready| ready.component);
        newest.flatten().copied().into_iter().chain(accepted).collect()
    }

    fn newest_can_run(&self, have: &BTreeSet<Hash>) -> bool {
        let blob = self.judged.document.document.blobs.first();
        self.judged.verdict.is_ok() && blob.is_some_and(|blob| have.contains(&blob.hash))
    }

    /// An earlier serial that runs on.
    fn older(&self, have: &BTreeSet<Hash>) -> Option<&Arc<Ready>> {
        self.accepted.as_ref().filter(|ready| {
            self.accepted_may_run
                && ready.document.rank() != self.judged.document.rank()
                && have.contains(&ready.component.hash)
        })
    }

    fn desired(&self, have: &BTreeSet<Hash>) -> Option<Desired> {
        let older = self.older(have).cloned();
        let newest = self.newest_can_run(have).then(|| ready(&self.judged.document)).flatten();
        let (run, fallback) = match newest {
            Some(newest) => (newest, older),
            None => (older?, None),
        };
        Some(Desired { run, fallback, retries: self.retries })
    }

    fn state(&self, have: &BTreeSet<Hash>, fetches: &BTreeMap<Hash, Fetch>) -> (DeploymentState, String) {
        if let Err(why) = &self.judged.verdict {
            return (DeploymentState::Refused, why.clone());
        }
        if !self.newest_can_run(have) {
            let blob = self.judged.document.document.blobs.first();
            let failed = blob.and_then(|blob| fetches.get(&blob.hash)).filter(|fetch| fetch.failures > 0);
            let why = failed.map(|fetch| format!("its component cannot be fetched: {}", fetch.why));
            return (DeploymentState::Preparing, why.unwrap_or_else(|| "its component is on its way".into()));
        }
        match self.report_of_newest() {
            Some(report) => (report.state, report.reason.clone()),
            None => (DeploymentState::Admitted, String::new()),
        }
    }

    fn report_of_newest(&self) -> Option<&Report> {
        self.report.as_ref().filter(|report| report.serial == self.judged.document.document.serial)
    }

    fn status(&self, have: &BTreeSet<Hash>, fetches: &BTreeMap<Hash, Fetch>) -> DeploymentStatus {
        let SignedDocument { document, owner, .. } = &*self.judged.document;
        let (state, reason) = self.state(have, fetches);
        let report = self.report_of_newest();
        let said = |of: fn(&Report) -> &str, owners: &str| {
            report.map(of).filter(|text| !text.is_empty()).unwrap_or(owners).to_owned()
        };
        let deployment = &self.judged.deployment;
        let mut cost = self.report.as_ref().and_then(|report| report.cost);
        if let Some(cost) = &mut cost {
            cost.log_lines_dropped += self.log.dropped();
        }
        DeploymentStatus {
            name: document.name.clone(),
            owner: owner.0.to_vec().into(),
            serial: document.serial,
            state: state.into(),
            reason,
            component_sha256: document.blobs.first().map(|b| hash_to_wire(b.hash)).unwrap_or_default(),
            component_name: said(|r| &r.component_name, &deployment.component_name),
            component_version: said(|r| &r.component_version, &deployment.component_version),
            retry_ms: report.map(|report| report.retry_ms).unwrap_or_default(),
            running_serial: self.running_serial(have, state),
            cost,
            since_ms: self.since_ms,
            ends_ms: document.ends_ms.unwrap_or_default(),
            parameters: deployment.parameters.clone(),
        }
    }

    /// The serial that still runs, where a newer one does not.
    fn running_serial(&self, have: &BTreeSet<Hash>, state: DeploymentState) -> u64 {
        if state == DeploymentState::Running {
            return 0;
        }
        self.older(have).map(|ready| ready.document.document.serial).unwrap_or_default()
    }
}

/// The deployment that a document describes, where it names a component and can be read.
fn ready(document: &Arc<SignedDocument>) -> Option<Arc<Ready>> {
    let component = *document.document.blobs.first()?;
    let deployment = Arc::new(decode(&document.document.payload).ok()?);
    Some(Arc::new(Ready { document: Arc::clone(document), deployment, component }))
}

/// A state in words.
pub fn word(state: DeploymentState) -> &'static str {
    match state {
        DeploymentState::Unspecified => "unknown",
        DeploymentState::Preparing => "preparing",
        DeploymentState::Admitted => "admitted",
        DeploymentState::Running => "running",
        DeploymentState::BackingOff => "backing off",
        DeploymentState::Refused => "refused",
        DeploymentState::Quarantined => "quarantined",
    }
}
