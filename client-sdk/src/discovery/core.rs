//! Which lookups there are, worked out from what each source names and each lookup answers: time and words come in, the
//! set and whom to ask come out. It never waits and never calls.
//!
//! An address is a *candidate* from the first time it is named, and *listed* once a lookup of our mesh answered there;
//! configured ones are listed from the start. Whatever the order in which things are heard, the same set comes out.

use super::{LookupAt, MAX_LOOKUPS, Source};
use crate::backoff::{Backoff, LONGEST};
use crate::channel::leads_to_loopback;
use crate::error::ClientError;
use hedgerow_model::registration::Id;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// A lookup that answers is asked for its peers this often, give or take a quarter; also the longest wait before an
/// address at which nobody ever answered is tried again.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(60);
/// However often something hints that there is news, a lookup is asked again no sooner than this after the last time.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Most addresses that are taken from one source, configuration apart; further ones are left out, and that is said.
pub(super) const MAX_PER_SOURCE: usize = MAX_LOOKUPS;
/// Most addresses of one lookup that are tried.
const MAX_URLS_EACH: usize = 8;

/// What a lookup answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// Its id.
    pub id: Id,
    /// The other lookups registered there, and where each is reached.
    pub peers: Vec<(Id, Vec<String>)>,
}

#[derive(Debug)]
pub(super) struct Core {
    candidates: BTreeMap<String, Candidate>,
    /// Sources that named more than is taken.
    overfull: BTreeSet<Source>,
    /// Whether an unknown mesh is only taken from those who were named by configuration or by the domain.
    named: bool,
    /// Nobody off loopback is asked before this.
    start: Instant,
}

#[derive(Debug)]
struct Candidate {
    /// Who names it now, and at which place.
    by: BTreeMap<Source, usize>,
    /// Of the lookup that answered here last.
    id: Option<Id>,
    /// The lookups registered there, when it was asked last.
    peers: Vec<(Id, Vec<String>)>,
    answered: Option<Instant>,
    /// Since when it does not answer, and why.
    failing: Option<(Instant, ClientError)>,
    backoff: Backoff,
    asking: bool,
    asked: Option<Instant>,
    ask_at: Instant,
    /// News came while it was being asked: what it is about to answer may be older.
    again: Option<Instant>,
    /// What the lookup last said of the version of its peers.
    version: Option<u64>,
}

impl Candidate {
    fn source(&self) -> Source {
        self.by.keys().next().copied().unwrap_or(Source::Remembered)
    }

    /// Its place in the order in which the set is told.
    fn place(&self) -> (Source, usize) {
        self.by.iter().next().map_or((Source::Remembered, usize::MAX), |(source, at)| (*source, *at))
    }

    /// Named by nobody whose word was asked for.
    fn is_stranger(&self) -> bool {
        self.source() > Source::Domain
    }

    /// To be asked, once its time has come.
    fn waits(&self, held_back: bool) -> bool {
        let held_back = held_back && self.is_stranger();
        !self.asking && !held_back
    }

    fn answers(&self) -> bool {
        self.answered.is_some() && self.failing.is_none()
    }

    fn of_other_mesh(&self) -> bool {
        matches!(self.failing, Some((_, ClientError::OtherMesh { .. })))
    }

    fn listed(&self) -> bool {
        !self.of_other_mesh() && (self.answered.is_some() || self.by.contains_key(&Source::Configured))
    }
}

impl Core {
    /// Knows the configured ones, and those of the last time. `named`: an unknown mesh is that of those named by configuration or
    /// by the domain.
    pub(super) fn new(configured: &[String], remembered: &[String], named: bool, now: Instant) -> Self {
        let mut core = Self { candidates: BTreeMap::new(), overfull: BTreeSet::new(), named, start: now };
        core.names(Source::Configured, configured, now);
        core.names(Source::Remembered, remembered, now);
        core
    }

    /// Asks nobody off loopback before `start`.
    pub(super) fn hold_back(&mut self, start: Instant) {
        self.start = start;
        for (url, candidate) in &mut self.candidates {
            if !leads_to_loopback(url) {
                candidate.ask_at = candidate.ask_at.max(start);
            }
        }
    }

    /// Everything that a source names now, in its order; what it named before and not now, it names no more.
    pub(super) fn names(&mut self, source: Source, urls: &[String], now: Instant) {
        for candidate in self.candidates.values_mut() {
            candidate.by.remove(&source);
        }
        self.overfull.remove(&source);
        let mut count = 0;
        for url in urls {
            let url = url.trim_end_matches('/');
            if self.candidates.get(url).is_some_and(|candidate| candidate.by.contains_key(&source)) {
                continue;
            }
            if count == MAX_PER_SOURCE && source != Source::Configured {
                self.overfull.insert(source);
                break;
            }
            let candidate = self.candidates.entry(url.to_owned()).or_insert_with(|| Candidate {
                by: BTreeMap::new(),
                id: None,
                peers: Vec::new(),
                answered: None,
                failing: None,
                backoff: Backoff::default(),
                asking: false,
                asked: None,
                ask_at: if leads_to_loopback(url) { now } else { now.max(self.start) },
                again: None,
                version: None,
            });
            candidate.by.insert(source, count);
            count += 1;
        }
        self.forget_gone();
    }

    /// The next one to ask, if any is due. `mesh_known`: without it, strangers are not asked where somebody was named,
    /// so that the first lookup on the local network does not decide whose mesh we are in.
    pub(super) fn ask(&mut self, now: Instant, mesh_known: bool) -> Option<String> {
        let held_back = self.named && !mesh_known;
        let mut due = self
            .candidates
            .iter_mut()
            .filter(|(_, candidate)| candidate.waits(held_back) && candidate.ask_at <= now);
        let (url, candidate) = due.next()?;
        candidate.asking = true;
        candidate.asked = Some(now);
        Some(url.clone())
    }

    /// When the next one is due.
    pub(super) fn next(&self, mesh_known: bool) -> Option<Instant> {
        let held_back = self.named && !mesh_known;
        let waiting = self.candidates.values().filter(|candidate| candidate.waits(held_back));
        waiting.map(|candidate| candidate.ask_at).min()
    }

    /// A lookup of our mesh answered at `url`; `random` is uniform.
    pub(super) fn answered(&mut self, url: &str, now: Instant, answer: Answer, random: u64) {
        let Some(candidate) = self.candidates.get_mut(url) else { return };
        let first = candidate.answered.is_none() || candidate.failing.is_some();
        candidate.asking = false;
        candidate.failing = None;
        candidate.answered = Some(now);
        candidate.id = Some(answer.id);
        candidate.backoff.succeeded();
        candidate.ask_at = candidate.again.take().unwrap_or(now + jittered(ASK_EVERY, random));
        if first || candidate.peers != answer.peers {
            candidate.peers = answer.peers;
            self.recount_peers(now);
        }
        self.forget_gone();
    }

    /// Nobody answered at `url`, or not one of ours.
    pub(super) fn failed(&mut self, url: &str, now: Instant, error: ClientError, random: u64) {
        let Some(candidate) = self.candidates.get_mut(url) else { return };
        candidate.asking = false;
        let bound = if candidate.listed() { LONGEST } else { ASK_EVERY };
        let wait = match error {
            // That may be put right, but not within seconds.
            ClientError::OtherMesh { .. } => jittered(ASK_EVERY / 4, random),
            _ => candidate.backoff.failed_within(bound, random),
        };
        candidate.ask_at = now + wait;
        candidate.again = None;
        let answered = candidate.answers();
        let since = candidate.failing.take().map_or(now, |(since, _)| since);
        candidate.failing = Some((since, error));
        if answered {
            // What one that is silent said of others does not keep them. What it is, the others know.
            candidate.peers.clear();
            self.recount_peers(now);
            self.lost(url, now);
        }
        self.forget_gone();
    }

    /// The lookup at `url` says that its peers are of this version.
    pub(super) fn version(&mut self, url: &str, version: u64, now: Instant) {
        let Some(candidate) = self.candidates.get_mut(url.trim_end_matches('/')) else { return };
        if candidate.version.replace(version) != Some(version) {
            candidate.hurry(now);
        }
    }

    /// The connection to `url` was lost: it may be gone, and the others know.
    pub(super) fn lost(&mut self, url: &str, now: Instant) {
        let url = url.trim_end_matches('/');
        for (other, candidate) in &mut self.candidates {
            if other == url || candidate.answers() {
                candidate.hurry(now);
            }
        }
    }

    /// Who is known, in order of source, then of place there.
    pub(super) fn known(&self) -> Vec<LookupAt> {
        let at = |(url, candidate): (&String, &Candidate)| LookupAt {
            url: url.clone(),
            id: candidate.id,
            source: candidate.source(),
        };
        self.chosen().into_iter().take(MAX_LOOKUPS).map(at).collect()
    }

    /// Those named by configuration or by the domain, in order.
    pub(super) fn named(&self) -> Vec<String> {
        let mut named: Vec<_> =
            self.candidates.iter().filter(|(_, candidate)| !candidate.is_stranger()).collect();
        named.sort_by_key(|(_, candidate)| candidate.place());
        named.into_iter().map(|(url, _)| url.clone()).collect()
    }

    #[cfg(test)]
    pub(super) fn candidates(&self) -> usize {
        self.candidates.len()
    }

    #[cfg(test)]
    pub(super) fn is_named(&self, url: &str) -> bool {
        self.candidates.get(url).is_some_and(|candidate| candidate.by.contains_key(&Source::Peer))
    }

    /// One address of each lookup: of several the one that answers, then the one that was named by the better source.
    fn chosen(&self) -> Vec<(&String, &Candidate)> {
        let mut listed: Vec<_> = self.candidates.iter().filter(|(_, candidate)| candidate.listed()).collect();
        let mut answered: BTreeMap<Id, Instant> = BTreeMap::new();
        for (_, candidate) in &listed {
            if let (Some(id), Some(at)) = (candidate.id, candidate.answered) {
                let latest = answered.entry(id).or_insert(at);
                *latest = at.max(*latest);
            }
        }
        // While all addresses of a lookup are silent, the one that was in use stays: nothing is gained by changing.
        let superseded = |candidate: &Candidate| {
            let since = candidate.failing.as_ref().map(|(since, _)| *since);
            let other = candidate.id.and_then(|id| answered.get(&id).copied());
            since.zip(other).is_some_and(|(since, other)| other > since)
        };
        listed.sort_by_key(|(url, candidate)| (superseded(candidate), candidate.place(), *url));
        let mut ids = BTreeSet::new();
        listed.retain(|(_, candidate)| candidate.id.is_none_or(|id| ids.insert(id)));
        listed.sort_by_key(|(url, candidate)| (candidate.place(), *url));
        listed
    }

    /// What is wrong: with those that are known or configured, and with those of other meshes.
    pub(super) fn problems(&self) -> Vec<ClientError> {
        let wrong = self.candidates.values().filter(|c| c.listed() || c.of_other_mesh());
        let mut problems: Vec<_> =
            wrong.filter_map(|c| c.failing.as_ref().map(|(_, error)| error.clone())).collect();
        let too_many =
            |at: &str| ClientError::TooMuch { what: "lookups", at: at.to_owned(), most: MAX_LOOKUPS };
        problems.extend(self.overfull.iter().map(|source| too_many(source.as_str())));
        if self.chosen().len() > MAX_LOOKUPS {
            problems.push(too_many("this mesh"));
        }
        problems
    }

    /// Whether each one that may be asked was asked at least once, and answered or failed.
    pub(super) fn tried(&self, mesh_known: bool) -> bool {
        let held_back = self.named && !mesh_known;
        let mut asked = self.candidates.values().filter(|c| !(held_back && c.is_stranger()));
        asked.all(|candidate| candidate.answered.is_some() || candidate.failing.is_some())
    }

    /// Works out anew what the lookups that answer say of each other.
    fn recount_peers(&mut self, now: Instant) {
        let mut urls: BTreeMap<String, usize> = BTreeMap::new();
        for (teller, candidate) in self.candidates.iter().filter(|(_, candidate)| candidate.answers()) {
            // Nobody elsewhere can know what listens on this machine; and loopback is given the token.
            let loopback = leads_to_loopback(teller);
            let told = candidate.peers.iter().flat_map(|(_, told)| told.iter().take(MAX_URLS_EACH));
            let told = told.map(|url| url.trim_end_matches('/'));
            let told: BTreeSet<&str> = told.filter(|url| loopback || !leads_to_loopback(url)).collect();
            told.into_iter().for_each(|url| *urls.entry(url.to_owned()).or_default() += 1);
        }
        for (url, candidate) in &mut self.candidates {
            // Registered nowhere any more: gone, or soon back.
            if candidate.by.contains_key(&Source::Peer) && !urls.contains_key(url) {
                candidate.hurry(now);
            }
        }
        let mut urls: Vec<(String, usize)> = urls.into_iter().collect();
        if urls.len() > MAX_PER_SOURCE {
            // A single lookup that names many does not push out those that others name.
            urls.sort_by_key(|(_, tellers)| std::cmp::Reverse(*tellers));
        }
        let urls: Vec<String> = urls.into_iter().map(|(url, _)| url).collect();
        self.names(Source::Peer, &urls, now);
    }

    /// Leaves those gone for good: who was only learnt, does not answer, is registered nowhere and named by nobody.
    fn forget_gone(&mut self) {
        let answered = self.candidates.values().filter(|c| c.answers()).filter_map(|c| c.answered).max();
        self.candidates.retain(|_, candidate| {
            let named = candidate.by.keys().any(|source| *source != Source::Remembered);
            // As long as nobody answered since, nobody can know.
            let known_gone = match &candidate.failing {
                Some((since, _)) => answered.is_some_and(|at| at > *since),
                // Named once, never asked, and named no more.
                None => candidate.answered.is_none() && candidate.by.is_empty(),
            };
            named || candidate.asking || !known_gone
        });
        // Who names others and others again must not fill the memory: of those that nobody names any more the last that
        // answered stay.
        let unnamed = |c: &Candidate| !c.asking && c.by.keys().all(|source| *source == Source::Remembered);
        let mut unnamed: Vec<_> = self
            .candidates
            .iter()
            .filter(|(_, c)| unnamed(c))
            .map(|(url, c)| (c.answered, url.clone()))
            .collect();
        if let Some(many) = unnamed.len().checked_sub(MAX_PER_SOURCE * 2) {
            unnamed.sort();
            unnamed.iter().take(many).for_each(|(_, url)| drop(self.candidates.remove(url)));
        }
    }
}

impl Candidate {
    /// To be asked now; but not at once again.
    fn hurry(&mut self, now: Instant) {
        let earliest = self.asked.map_or(now, |asked| now.max(asked + ASK_AGAIN));
        if self.asking {
            self.again = Some(earliest);
        } else if self.failing.is_none() {
            self.ask_at = self.ask_at.min(earliest);
        }
    }
}

/// `every`, give or take a quarter.
fn jittered(every: Duration, random: u64) -> Duration {
    let quarter = every / 4;
    let spread = u64::try_from((quarter * 2).as_nanos()).unwrap_or(u64::MAX).max(1);
    every - quarter + Duration::from_nanos(random % spread)
}
