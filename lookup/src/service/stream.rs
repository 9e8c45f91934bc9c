//! The two streams: renewals, one answer a request, and what a watcher is told. Both are pulled by their reader, so that
//! one who does not read costs his bounded queue and nothing else.

use super::{MAX_PAGE_BYTES, MAX_RENEWALS, closing, wire};
use crate::directory::{Renewed, Revision};
use crate::leases::LeaseId;
use crate::lookup::Inner;
use crate::refusal::RETRY_AFTER_METADATA;
use crate::snapshots::Share;
use crate::watchers::{Event, MAX_WATCHERS, Told, WatcherId};
use futures_util::{Stream, stream};
use hedgerow_model::template::Matcher;
use hedgerow_proto::lookup::renew_response;
use hedgerow_proto::lookup::{RenewRequest, RenewResponse, RenewState, WatchResponse};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tonic::metadata::MetadataValue;
use tonic::{Status, Streaming};

/// Most events in one message.
const MAX_EVENTS: usize = 512;
/// How often a watcher to whom nothing happens is told up to which revision it knows everything, so that it can resume.
pub const IDLE_EVERY: Duration = Duration::from_secs(15);
/// Where snapshots have no room: after how many seconds to come again.
const SNAPSHOT_RETRY_SECONDS: u64 = 5;

/// Answers renewals until the caller or the lookup closes.
pub fn renewals(
    lookup: Arc<Inner>,
    requests: Streaming<RenewRequest>,
) -> impl Stream<Item = Result<RenewResponse, Status>> + Send {
    stream::try_unfold((lookup, requests), |(lookup, mut requests)| async {
        let request = tokio::select! {
            biased;
            () = lookup.closing.cancelled() => return Err(closing()),
            request = requests.message() => request?,
        };
        let response = request.map(|request| renew(&lookup, &request)).transpose()?;
        Ok(response.map(|response| (response, (lookup, requests))))
    })
}

fn renew(lookup: &Inner, request: &RenewRequest) -> Result<RenewResponse, Status> {
    let count = request.leases.len();
    if count > MAX_RENEWALS {
        return Err(Status::invalid_argument(format!(
            "leases: {count} in one message, at most {MAX_RENEWALS}"
        )));
    }
    let leases: Vec<LeaseId> = request.leases.iter().copied().map(LeaseId).collect();
    let (renewed, lookups_version, problem) = lookup.act(|directory, now| {
        let renewed = directory.renew(now, &leases);
        // One text serves for all: those who share a stream are of one process.
        let refused = |renewed: &Renewed| matches!(renewed, Renewed::Replaced | Renewed::Cloned);
        let first = renewed.iter().position(refused).and_then(|first| leases.get(first));
        let problem = first.and_then(|lease| directory.problem(*lease));
        (renewed, directory.lookups_version(), problem.unwrap_or_default())
    });
    let to_wire = |renewed| {
        let (state, term) = match renewed {
            Renewed::For(term) => (RenewState::Renewed, term),
            Renewed::Unknown => (RenewState::Unknown, Duration::ZERO),
            Renewed::Replaced => (RenewState::Replaced, Duration::ZERO),
            Renewed::Cloned => (RenewState::Cloned, Duration::ZERO),
        };
        renew_response::Renewed { state: state.into(), granted_ms: wire::millis(term) }
    };
    let renewed = renewed.into_iter().map(to_wire).collect();
    Ok(RenewResponse { renewed, lookups_version, problem })
}

/// A watcher and what is on its way to it. Gone when dropped.
pub struct Watching {
    lookup: Arc<Inner>,
    watcher: WatcherId,
    bell: Arc<Notify>,
    /// Taken from the directory at `taken`, not yet sent.
    events: VecDeque<Event>,
    taken: Duration,
    /// What follows of a snapshot.
    rest: Option<Share>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.lookup.unwatch(self.watcher);
    }
}

impl Watching {
    /// Begins to watch.
    ///
    /// # Errors
    /// Where too many watch, or there is no room for its snapshot.
    pub fn begin(lookup: &Arc<Inner>, template: Matcher, after: Option<Revision>) -> Result<Self, Status> {
        let too_many = || Status::resource_exhausted(format!("{MAX_WATCHERS} watch this lookup, its bound"));
        let (watcher, bell, events) = lookup.watch(template, after).ok_or_else(too_many)?;
        let lookup = Arc::clone(lookup);
        let taken = lookup.clock.now();
        let mut watching = Self { lookup, watcher, bell, events: VecDeque::new(), taken, rest: None };
        watching.load(events)?;
        Ok(watching)
    }

    /// What the watcher is told, several events a message where several wait.
    pub fn messages(self) -> impl Stream<Item = Result<WatchResponse, Status>> + Send {
        stream::try_unfold(self, |mut watching| async {
            let message = watching.next().await?;
            Ok(Some((message, watching)))
        })
    }

    async fn next(&mut self) -> Result<WatchResponse, Status> {
        loop {
            if let Some(rest) = self.rest.as_ref().filter(|_| self.events.is_empty()) {
                self.events = rest.take(MAX_EVENTS).ok_or_else(taken_back)?;
            }
            if self.events.is_empty() {
                self.fetch()?;
            }
            if !self.events.is_empty() {
                return Ok(self.message());
            }
            tokio::select! {
                biased;
                () = self.lookup.closing.cancelled() => return Err(closing()),
                () = self.bell.notified() => {}
                () = tokio::time::sleep(IDLE_EVERY) => {
                    let head = self.fetch()?;
                    if self.events.is_empty() {
                        self.events.push_back(Event { number: head, told: Told::Idle });
                    }
                }
            }
        }
    }

    /// Takes what waits; gives the revision up to which nothing else does.
    fn fetch(&mut self) -> Result<u64, Status> {
        let watcher = self.watcher;
        let (events, head) = self
            .lookup
            .act(|directory, now| (directory.drain(now, watcher, MAX_EVENTS), directory.revision().number));
        self.load(events)?;
        Ok(head)
    }

    fn load(&mut self, events: Vec<Event>) -> Result<(), Status> {
        self.taken = self.lookup.clock.now();
        let mut events = VecDeque::from(events);
        self.events = events.drain(..events.len().min(MAX_EVENTS)).collect();
        // What a queue held is not more.
        let rest =
            (!events.is_empty()).then(|| self.lookup.snapshots.hold(self.taken, events).ok_or_else(no_room));
        self.rest = rest.transpose()?;
        Ok(())
    }

    fn message(&mut self) -> WatchResponse {
        let age = self.lookup.clock.now().saturating_sub(self.taken);
        let mut events = Vec::new();
        let mut bytes = 0;
        while let Some(event) = self.events.front() {
            bytes += match &event.told {
                Told::Present(sight) | Told::Seen(_, sight) => sight.entry.signed.body.len(),
                _ => 0,
            };
            if events.len() >= MAX_EVENTS || (bytes > MAX_PAGE_BYTES && !events.is_empty()) {
                break;
            }
            events.push(wire::event(event, &self.lookup, age));
            self.events.pop_front();
        }
        WatchResponse { events }
    }
}

fn taken_back() -> Status {
    Status::deadline_exceeded(
        "the snapshot was read so slowly that it was taken back when others needed its room: watch again",
    )
}

fn no_room() -> Status {
    let mut status = Status::resource_exhausted("too many snapshots are being sent: come again soon");
    status.metadata_mut().insert(RETRY_AFTER_METADATA, MetadataValue::from(SNAPSHOT_RETRY_SECONDS));
    status
}
