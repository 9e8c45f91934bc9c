//! Following several lookups at once, each reconnecting and resuming by itself, through one merge.
//!
//! Nothing runs unless the stream is polled, and nothing is queued but what the connections themselves hold.

use super::merge::{Heard, Merge};
use super::{Directory, Gone, Transition};
use crate::backoff::{Backoff, random};
use crate::channel::{Connection, in_time};
use crate::error::ClientError;
use futures_util::stream::{BoxStream, SelectAll};
use futures_util::{Stream, StreamExt as _};
use hedgerow_model::Template;
use hedgerow_model::registration::Id;
use hedgerow_proto::convert::{self, registration};
use hedgerow_proto::lookup::watch_response::disappeared::Cause;
use hedgerow_proto::lookup::watch_response::event::Event;
use hedgerow_proto::lookup::watch_response::{self, Disappeared};
use hedgerow_proto::lookup::{self, Revision, WatchRequest};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// How long a lookup may take to begin its answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(3);
const TRIED: &str = "watch the directory";

/// The transitions of the directory; made by [`Directory::watch`]. A stream that never ends.
pub struct Watch {
    transitions: BoxStream<'static, Transition>,
    refused: Arc<AtomicU64>,
}

impl Watch {
    pub(super) fn new(directory: &Directory, template: &Template) -> Self {
        let template = convert::template::to_wire(template);
        let mesh = directory.caller.mesh().map(|mesh| mesh.id);
        let mut merge = Merge::new(directory.lookups.len(), mesh);
        let mut told: SelectAll<_> = (0..)
            .zip(&directory.lookups)
            .map(|(which, lookup)| {
                let told = told_by(lookup.clone(), template.clone());
                told.map(move |told| (which, told)).boxed()
            })
            .collect();
        let urls = directory.lookups.iter().map(|lookup| (lookup.url().to_owned(), None));
        let mut reach = Reach(urls.collect());
        let refused = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&refused);
        let transitions = async_stream::stream! {
            let mut out = Vec::new();
            loop {
                let timer = async {
                    match merge.next() {
                        Some(at) => tokio::time::sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    Some((which, told)) = told.next() => {
                        let after = match &told {
                            Told::Heard(Heard::SnapshotEnd(_) | Heard::Reached { afresh: false }) => {
                                reach.reached(which)
                            }
                            Told::Lost(error) => reach.lost(which, error),
                            Told::Heard(_) => None,
                        };
                        let heard = match told {
                            Told::Heard(heard) => heard,
                            Told::Lost(_) => Heard::Lost,
                        };
                        merge.hear(which, Instant::now(), heard, &mut out);
                        out.extend(after);
                    }
                    () = timer => merge.tick(Instant::now(), &mut out),
                }
                count.store(merge.refused(), Ordering::Relaxed);
                for transition in out.drain(..) {
                    yield transition;
                }
            }
        };
        Self { transitions: transitions.boxed(), refused }
    }

    /// The next transition.
    pub async fn next(&mut self) -> Transition {
        match self.transitions.next().await {
            Some(transition) => transition,
            None => std::future::pending().await,
        }
    }

    /// Registrations that were not believed so far: altered, of another mesh, under another key, or too many.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Stream for Watch {
    type Item = Transition;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Transition>> {
        self.transitions.poll_next_unpin(cx)
    }
}

/// Which lookups answer: by address, `None` before anything is known. Told when it changes, not at each attempt.
struct Reach(Vec<(String, Option<bool>)>);

impl Reach {
    fn reached(&mut self, which: usize) -> Option<Transition> {
        let url = self.change(which, true)?;
        Some(Transition::LookupReached { url })
    }

    fn lost(&mut self, which: usize, error: &ClientError) -> Option<Transition> {
        let url = self.change(which, false)?;
        Some(Transition::LookupLost { url, error: error.clone() })
    }

    fn change(&mut self, which: usize, answers: bool) -> Option<String> {
        let (url, known) = self.0.get_mut(which)?;
        (known.replace(answers) != Some(answers)).then(|| url.clone())
    }
}

enum Told {
    Heard(Heard),
    Lost(ClientError),
}

/// Everything one lookup tells, over all its connections.
fn told_by(lookup: Connection, template: lookup::Template) -> impl Stream<Item = Told> + Send {
    async_stream::stream! {
        let mut backoff = Backoff::default();
        // Where to resume; only what was told completely counts, so never inside a snapshot.
        let mut after: Option<Revision> = None;
        loop {
            let mut client = lookup.lookup();
            let request = WatchRequest { template: Some(template.clone()), after };
            let error = match in_time(TRIED, lookup.url(), ANSWER_PATIENCE, client.watch(request)).await {
                Ok(answer) => {
                    let mut responses = answer.into_inner();
                    yield Told::Heard(Heard::Reached { afresh: after.is_none() });
                    loop {
                        match responses.message().await {
                            Ok(Some(response)) => {
                                backoff.succeeded();
                                let mut events: VecDeque<_> = response.events.into();
                                while let Some(event) = events.pop_front() {
                                    let revision = event.revision;
                                    let heard = event.event.and_then(|event| heard(event, revision, &mut after));
                                    if let Some(heard) = heard {
                                        yield Told::Heard(heard);
                                    }
                                }
                            }
                            Ok(None) => {
                                let ended = tonic::Status::unavailable("the lookup ended the stream");
                                break ClientError::of_status(TRIED, lookup.url(), &ended);
                            }
                            Err(status) => break ClientError::of_status(TRIED, lookup.url(), &status),
                        }
                    }
                }
                Err(error) => error,
            };
            let wait = backoff.failed(random()).max(error.retry_after().unwrap_or_default());
            yield Told::Lost(error);
            tokio::time::sleep(wait).await;
        }
    }
}

/// What an event means; keeps in `after` where to resume.
fn heard(event: Event, revision: Option<Revision>, after: &mut Option<Revision>) -> Option<Heard> {
    match &event {
        Event::Reset(_) => *after = None,
        Event::SnapshotEnd(_) => *after = revision,
        Event::Present(_) => {}
        _ if after.is_some() => *after = revision.or(*after),
        _ => {}
    }
    match event {
        Event::Reset(_) => Some(Heard::Reached { afresh: true }),
        Event::Present(held)
        | Event::Appeared(watch_response::Appeared { held: Some(held), .. })
        | Event::Changed(watch_response::Changed { held: Some(held), .. }) => Some(Heard::Held(held)),
        Event::SnapshotEnd(end) => Some(Heard::SnapshotEnd(Id::from_slice(&end.lookup_id))),
        Event::Disappeared(gone) => disappeared(&gone),
        Event::Idle(_) | Event::Suspicion(_) | Event::Appeared(_) | Event::Changed(_) => None,
    }
}

fn disappeared(wire: &Disappeared) -> Option<Heard> {
    let gone = match wire.cause() {
        Cause::Cancelled => Gone::Cancelled,
        Cause::Unmatched => Gone::Unmatched,
        Cause::Expired | Cause::Unspecified => Gone::Expired,
    };
    let instance = registration::instance_from_wire(wire.instance).ok()?;
    Some(Heard::Disappeared { id: Id::from_slice(&wire.id)?, order: (instance, wire.serial), gone })
}
