//! Those who watch the directory and write down what they are told, and when: a client, which merges what all lookups say,
//! and one that hears a single lookup word by word.

use crate::net::Node;
use crate::patience::{Stopwatch, wait_for};
use crate::reactor::Reactor;
use hedgerow_client::channel::Caller;
use hedgerow_client::directory::ServiceState;
use hedgerow_client::{Directory, Template, Transition};
use hedgerow_model::registration::Id;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Something that a client was told.
#[derive(Debug, Clone)]
pub struct Noted {
    /// Since the client began.
    pub at: Duration,
    /// What.
    pub transition: Transition,
}

/// A client that watches all lookups.
#[derive(Debug)]
pub struct Observer {
    noted: Arc<Mutex<Vec<Noted>>>,
    refused: Arc<Mutex<u64>>,
    watch: Stopwatch,
    _reactor: Reactor,
}

impl Observer {
    /// Begins to watch what matches.
    pub fn new(lookups: &[String], template: &str) -> Self {
        Self::on(Reactor::new(), lookups, template)
    }

    /// The same at a node of a network.
    pub fn within(node: &Node, lookups: &[String], template: &str) -> Self {
        Self::on(Reactor::within(node), lookups, template)
    }

    fn on(reactor: Reactor, lookups: &[String], template: &str) -> Self {
        let (lookups, template) = (lookups.to_vec(), Template::parse(template).unwrap());
        let (noted, refused, watch) =
            (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)), Stopwatch::new());
        let (notes, count) = (Arc::clone(&noted), Arc::clone(&refused));
        reactor.spawn(async move {
            let directory = Directory::new(&lookups, Caller::default()).unwrap();
            let mut told = directory.watch(&template);
            loop {
                let transition = told.next().await;
                *count.lock().unwrap() = told.refused();
                notes.lock().unwrap().push(Noted { at: watch.elapsed(), transition });
            }
        });
        Self { noted, refused, watch, _reactor: reactor }
    }

    /// Since it began.
    pub fn elapsed(&self) -> Duration {
        self.watch.elapsed()
    }

    /// Everything so far.
    pub fn noted(&self) -> Vec<Noted> {
        self.noted.lock().unwrap().clone()
    }

    /// How many it did not believe.
    pub fn refused(&self) -> u64 {
        *self.refused.lock().unwrap()
    }

    /// What it takes to be there now.
    pub fn present(&self) -> BTreeSet<Id> {
        self.states().into_keys().collect()
    }

    /// How sure it is of each that is there.
    pub fn states(&self) -> BTreeMap<Id, ServiceState> {
        let mut states = BTreeMap::new();
        for noted in &*self.noted.lock().unwrap() {
            match &noted.transition {
                Transition::Appeared(service)
                | Transition::Changed(service, _)
                | Transition::Renamed(service)
                | Transition::State(service) => {
                    states.insert(service.registration.id, service.state);
                }
                Transition::Disappeared(service, _) => {
                    states.remove(&service.registration.id);
                }
                _ => {}
            }
        }
        states
    }

    /// Everything told of the service of this name, in order, each as a word: `appeared`, `changed`, `disappeared expired`, …
    /// States are left out: they say how sure the lookups are, and nothing of the service.
    pub fn story(&self, name: &str) -> Vec<String> {
        let noted = self.noted.lock().unwrap();
        noted.iter().filter_map(|noted| word(&noted.transition, name)).collect()
    }

    /// Waits until it is told what `choose` chooses, not before the `from`th note.
    pub fn told<T>(&self, what: &str, patience: Duration, choose: impl Fn(&Noted) -> Option<T>) -> T {
        wait_for(what, patience, || self.noted.lock().unwrap().iter().find_map(&choose))
    }
}

fn word(transition: &Transition, name: &str) -> Option<String> {
    let (service, word) = match transition {
        Transition::Appeared(service) => (service, "appeared".to_owned()),
        Transition::Changed(service, _) => (service, "changed".to_owned()),
        Transition::Renamed(service) => (service, "renamed".to_owned()),
        Transition::Disappeared(service, gone) => (service, format!("disappeared {}", gone.as_str())),
        _ => return None,
    };
    (service.registration.name == name).then_some(word)
}
