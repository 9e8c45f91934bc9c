//! One lookup, heard word by word: every event of its watch, with the time at which it came.

use crate::net::Node;
use crate::patience::{Stopwatch, wait_for};
use crate::reactor::Reactor;
use hedgerow_model::registration::Id;
use hedgerow_proto::lookup::lookup_client::LookupClient;
use hedgerow_proto::lookup::watch_response::Event as Envelope;
use hedgerow_proto::lookup::watch_response::event::Event;
use hedgerow_proto::lookup::{Held, LeaseState, WatchRequest};
use hedgerow_proto::signed::open_registration;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tonic::transport::Endpoint;

/// An event, and when it came.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Since this began to listen.
    pub at: Duration,
    /// The event.
    pub event: Event,
    /// With its revision.
    pub number: u64,
}

/// Who listens.
#[derive(Debug)]
pub struct RawWatch {
    heard: Arc<Mutex<Vec<Heard>>>,
    ended: Arc<Mutex<Option<String>>>,
    watch: Stopwatch,
    _reactor: Reactor,
}

impl RawWatch {
    /// Listens to the lookup at `url`, to everything, until the stream ends.
    pub fn new(url: &str) -> Self {
        Self::on(Reactor::new(), url)
    }

    /// The same at a node of a network.
    pub fn within(node: &Node, url: &str) -> Self {
        Self::on(Reactor::within(node), url)
    }

    fn on(reactor: Reactor, url: &str) -> Self {
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let (ended, watch) = (Arc::new(Mutex::new(None)), Stopwatch::new());
        let (notes, end, url) = (Arc::clone(&heard), Arc::clone(&ended), url.to_owned());
        reactor.spawn(async move {
            let status = listen(url, |events| {
                let at = watch.elapsed();
                let note = |envelope: Envelope| {
                    let number = envelope.revision.map_or(0, |revision| revision.number);
                    envelope.event.map(|event| Heard { at, event, number })
                };
                notes.lock().unwrap().extend(events.into_iter().filter_map(note));
            });
            let status = status.await;
            *end.lock().unwrap() = Some(status.to_string());
        });
        Self { heard, ended, watch, _reactor: reactor }
    }

    /// Since it began.
    pub fn elapsed(&self) -> Duration {
        self.watch.elapsed()
    }

    /// Everything so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Whether it goes on; else why not.
    pub fn ended(&self) -> Option<String> {
        self.ended.lock().unwrap().clone()
    }

    /// Waits for an event of which `choose` makes something.
    pub fn hears<T>(&self, what: &str, patience: Duration, choose: impl Fn(&Heard) -> Option<T>) -> T {
        wait_for(what, patience, || {
            let found = self.heard.lock().unwrap().iter().find_map(&choose);
            assert!(
                found.is_some() || self.ended().is_none(),
                "{what}: the stream ended: {:?}",
                self.ended()
            );
            found
        })
    }

    /// Those that disappeared, each with when and why.
    pub fn disappeared(&self) -> Vec<(Id, Duration, String)> {
        let gone = |heard: &Heard| match &heard.event {
            Event::Disappeared(gone) => {
                Some((Id::from_slice(&gone.id)?, heard.at, format!("{:?}", gone.cause())))
            }
            _ => None,
        };
        self.heard.lock().unwrap().iter().filter_map(gone).collect()
    }

    /// The last that was told of a service; `None`: nothing, or that it went.
    pub fn last_of(&self, id: Id) -> Option<Held> {
        let mut last = None;
        for heard in &*self.heard.lock().unwrap() {
            match &heard.event {
                Event::Disappeared(gone) if Id::from_slice(&gone.id) == Some(id) => last = None,
                event => {
                    if let Some(held) = held_of(event).filter(|held| id_of(held) == Some(id)) {
                        last = Some(held.clone());
                    }
                }
            }
        }
        last
    }
}

/// What an event shows, where it shows a registration.
pub fn held_of(event: &Event) -> Option<&Held> {
    match event {
        Event::Present(held) => Some(held),
        Event::Appeared(appeared) => appeared.held.as_ref(),
        Event::Changed(changed) => changed.held.as_ref(),
        _ => None,
    }
}

/// Whose registration it is.
pub fn id_of(held: &Held) -> Option<Id> {
    Some(open_registration(held.registration.as_ref()?).ok()?.id)
}

/// Whether an event shows this service in this state.
pub fn shows(heard: &Heard, id: Id, state: LeaseState) -> bool {
    held_of(&heard.event).is_some_and(|held| held.state() == state && id_of(held) == Some(id))
}

async fn listen(url: String, mut note: impl FnMut(Vec<Envelope>)) -> tonic::Status {
    // No keep-alive: who listens here waits for a lookup that stands still, however long.
    let connected = match Endpoint::from_shared(url) {
        Ok(endpoint) => endpoint.connect().await,
        Err(error) => Err(error),
    };
    let mut lookup = match connected {
        Ok(channel) => LookupClient::new(channel),
        Err(error) => return tonic::Status::unavailable(error.to_string()),
    };
    let mut responses = match lookup.watch(WatchRequest::default()).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return status,
    };
    loop {
        match responses.message().await {
            Ok(Some(response)) => note(response.events),
            Ok(None) => return tonic::Status::ok("the lookup ended the stream"),
            Err(status) => return status,
        }
    }
}
