//! What is known of services over time: who is there, who went and why, and a log of what happened. Kept from the start on,
//! so that who looks later sees who went before. The core, and the shell that watches the directory.

use crate::clock;
use crate::views::{Tally, Task, lock};
use hedgerow_client::directory::{Gone, Service, Transition};
use hedgerow_client::mesh::FARM_KIND;
use hedgerow_client::{Mesh, Template};
use hedgerow_model::UnixMillis;
use hedgerow_model::registration::{Id, Registration};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

/// How long a farm that went is shown.
pub const GONE_FOR: i64 = 3_600_000;
/// Most farms that are shown as gone; of more the first to go are not.
pub const MAX_GONE: usize = 10_000;
/// Lines of the log that are kept; the oldest go.
pub const MAX_LOG: usize = 1000;

/// Something that happened in the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Its number, rising: a line that comes again has the same.
    pub n: u64,
    /// When it was heard, Unix ms.
    pub t: UnixMillis,
    /// `appeared`, `changed`, `renamed`, `state`, `gone`, `lookup_reached`, `lookup_lost`, `lookup_suspects`.
    pub what: String,
    /// Of what: `farm`, `lookup`, …
    pub kind: String,
    /// Its name as shown, or a lookup's address.
    pub name: String,
    /// Its id, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// For people.
    pub detail: String,
}

/// A lookup, as it is seen by who asks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenLookup {
    /// Its address.
    pub url: String,
    /// Whether it answers.
    pub answers: bool,
    /// Why it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whether it suspects itself or the network.
    pub suspects: bool,
}

/// A farm that is there.
#[derive(Debug, Clone)]
pub(crate) struct Present {
    pub service: Service,
    /// Since when it is seen, or is in this state.
    pub since: UnixMillis,
}

/// A farm that went.
#[derive(Debug, Clone)]
pub(crate) struct Departed {
    pub service: Service,
    pub why: Gone,
    pub at: UnixMillis,
}

/// What is known of services.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub farms: BTreeMap<Id, Present>,
    pub gone: BTreeMap<Id, Departed>,
    log: VecDeque<LogLine>,
    next: u64,
    /// Lookups by address: why one does not answer, and whether it suspects itself or the network.
    lookups: BTreeMap<String, (Option<String>, bool)>,
    lost_since: Option<UnixMillis>,
    /// Rises with every change.
    pub revision: u64,
}

impl World {
    /// Takes a transition.
    pub fn hear(&mut self, transition: &Transition, now: UnixMillis) {
        self.revision += 1;
        match transition {
            Transition::Appeared(service) => self.appeared(service, now),
            Transition::Changed(service, before) => {
                self.there(service, now, false);
                self.say_of(now, "changed", service, changes(before, &service.registration));
            }
            Transition::Renamed(service) => {
                self.there(service, now, false);
                let before = format!("its name is {}", service.registration.name);
                self.say_of(now, "renamed", service, before);
            }
            Transition::State(service) => {
                self.there(service, now, true);
                self.say_of(
                    now,
                    "state",
                    service,
                    format!("is {}{}", service.state.as_str(), doubts(service)),
                );
            }
            Transition::Disappeared(service, why) => self.disappeared(service, *why, now),
            Transition::LookupReached { url } => {
                self.lookups.entry(url.clone()).or_default().0 = None;
                self.lost_since = None;
                self.say(now, "lookup_reached", url, "answers".to_owned());
            }
            Transition::LookupLost { url, error } => {
                self.lookups.entry(url.clone()).or_default().0 = Some(error.to_string());
                if self.lookups.values().all(|(why, _)| why.is_some()) {
                    self.lost_since.get_or_insert(now);
                }
                self.say(now, "lookup_lost", url, error.to_string());
            }
            Transition::LookupSuspects { url, begun, overdue, leases } => {
                self.lookups.entry(url.clone()).or_default().1 = *begun;
                let detail = if *begun {
                    format!("suspects itself or the network: {overdue} of {leases} leases are overdue")
                } else {
                    "suspects itself or the network no longer".to_owned()
                };
                self.say(now, "lookup_suspects", url, detail);
            }
        }
    }

    fn appeared(&mut self, service: &Service, now: UnixMillis) {
        let back = self.gone.remove(&service.registration.id).is_some();
        self.there(service, now, true);
        // What there was at the beginning has not appeared just now.
        if !self.lookups.is_empty() {
            let detail = if back { "is back" } else { "is new" };
            self.say_of(now, "appeared", service, format!("{detail}{}", doubts(service)));
        }
    }

    fn there(&mut self, service: &Service, now: UnixMillis, anew: bool) {
        if service.registration.kind != FARM_KIND {
            return;
        }
        let id = service.registration.id;
        let since = self.farms.get(&id).filter(|_| !anew).map_or(now, |known| known.since);
        self.farms.insert(id, Present { service: service.clone(), since });
    }

    fn disappeared(&mut self, service: &Service, why: Gone, now: UnixMillis) {
        let id = service.registration.id;
        if self.farms.remove(&id).is_some() {
            if self.gone.len() >= MAX_GONE {
                let first = self.gone.iter().min_by_key(|(_, gone)| gone.at).map(|(id, _)| *id);
                first.map(|first| self.gone.remove(&first));
            }
            self.gone.insert(id, Departed { service: service.clone(), why, at: now });
        }
        let detail = match why {
            Gone::Cancelled => "has gone in good order",
            Gone::Expired => "is lost: its lease ran out",
            Gone::Unmatched => "matches no more",
        };
        self.say_of(now, "gone", service, detail.to_owned());
    }

    /// Forgets who went long ago.
    pub fn tick(&mut self, now: UnixMillis) {
        let before = self.gone.len();
        self.gone.retain(|_, gone| now < gone.at.saturating_add(GONE_FOR));
        self.revision += u64::from(self.gone.len() < before);
    }

    fn say_of(&mut self, t: UnixMillis, what: &str, service: &Service, detail: String) {
        let registration = &service.registration;
        let (kind, id) = (registration.kind.clone(), Some(registration.id.to_string()));
        self.push(LogLine {
            n: 0,
            t,
            what: what.to_owned(),
            kind,
            name: service.shown.to_string(),
            id,
            detail,
        });
    }

    fn say(&mut self, t: UnixMillis, what: &str, url: &str, detail: String) {
        let (what, kind, name) = (what.to_owned(), "lookup".to_owned(), url.to_owned());
        self.push(LogLine { n: 0, t, what, kind, name, id: None, detail });
    }

    fn push(&mut self, line: LogLine) {
        self.next += 1;
        self.log.push_back(LogLine { n: self.next, ..line });
        if self.log.len() > MAX_LOG {
            self.log.pop_front();
        }
    }

    /// The lines behind number `after`, up to number `through`.
    pub fn log(&self, after: u64, through: u64) -> Vec<LogLine> {
        self.log.iter().filter(|line| after < line.n && line.n <= through).cloned().collect()
    }

    /// The number of the last line.
    pub fn last_line(&self) -> u64 {
        self.next
    }

    /// The lookups that were heard of, and how they are; and since when none answers.
    pub fn lookups(&self) -> (Vec<SeenLookup>, Option<UnixMillis>) {
        let seen = |(url, (why, suspects)): (&String, &(Option<String>, bool))| SeenLookup {
            url: url.clone(),
            answers: why.is_none(),
            why: why.clone(),
            suspects: *suspects,
        };
        (self.lookups.iter().map(seen).collect(), self.lost_since)
    }
}

/// What is odd about a service, for people.
pub(crate) fn doubts(service: &Service) -> String {
    let mut doubts = String::new();
    if !service.rivals.is_empty() {
        doubts.push_str("; its id is signed with other keys elsewhere, so one of them is a forgery");
    }
    if let Some(urls) = &service.copy {
        doubts.push_str("; another process runs with its identity");
        if !urls.is_empty() {
            doubts.push_str(&format!(" at {}", urls.join(", ")));
        }
    }
    doubts
}

/// What a service says otherwise than before, for people.
fn changes(before: &Registration, now: &Registration) -> String {
    let changed = [
        ("name", before.name != now.name),
        ("groups", before.groups != now.groups),
        ("attributes", before.attributes != now.attributes),
        ("endpoints", before.endpoints != now.endpoints),
        ("APIs", before.apis != now.apis),
        ("version", before.version != now.version),
        ("description", before.description != now.description),
        ("restarted", before.instance != now.instance),
    ];
    let changed: Vec<&str> = changed.iter().filter(|(_, changed)| *changed).map(|(what, _)| *what).collect();
    if changed.is_empty() { "says the same again".to_owned() } else { changed.join(", ") }
}

/// Watches the directory for as long as it is held.
pub(crate) struct WorldSource {
    core: Arc<Mutex<World>>,
    _task: Task,
}

impl WorldSource {
    /// Begins to watch.
    pub fn start(mesh: &Mesh, tally: &Arc<Tally>) -> Self {
        let core = Arc::new(Mutex::new(World::default()));
        let (told, mesh, upstream) = (Arc::clone(&core), mesh.clone(), tally.upstream());
        let task = Task::spawn(async move {
            let _upstream = upstream;
            let mut watch = mesh.directory().watch(&Template::default());
            loop {
                let transition = watch.next().await;
                lock(&told).hear(&transition, clock::now());
            }
        });
        Self { core, _task: task }
    }

    /// What it knows.
    pub fn core(&self) -> Arc<Mutex<World>> {
        Arc::clone(&self.core)
    }
}
