//! What one lookup tells, over all its connections: connects, resumes, and says when it is lost.

use super::ANSWER_PATIENCE;
use crate::backoff::{Backoff, random};
use crate::channel::{Caller, Connection, in_time};
use crate::directory::Gone;
use crate::directory::merge::Heard;
use crate::error::ClientError;
use futures_util::{Stream, StreamExt as _};
use hedgerow_model::registration::Id;
use hedgerow_proto::convert::registration;
use hedgerow_proto::lookup::watch_response::disappeared::Cause;
use hedgerow_proto::lookup::watch_response::event::Event;
use hedgerow_proto::lookup::watch_response::{self, Disappeared, Suspicion};
use hedgerow_proto::lookup::{self, Revision, WatchRequest, WatchResponse};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;
use tonic::Status;

const TRIED: &str = "watch the directory";
/// After so long without a message a lookup is taken for lost, and asked again. Where nothing happens it says so every 15 s.
const SILENCE_PATIENCE: Duration = Duration::from_secs(60);

pub(super) enum Told {
    Heard(Heard),
    Suspects(Suspicion),
    Lost(ClientError),
}

/// Everything one lookup tells, over all its connections.
pub(super) fn told_by(
    lookup: Connection,
    caller: Caller,
    template: lookup::Template,
) -> impl Stream<Item = Told> + Send {
    async_stream::stream! {
        let mut backoff = Backoff::default();
        // Where to resume; only what was told completely counts, so never inside a snapshot.
        let mut after: Option<Revision> = None;
        loop {
            let mut client = lookup.lookup();
            let request = WatchRequest { template: Some(template.clone()), after };
            let opened = async {
                let status = lookup.greet(&caller, ANSWER_PATIENCE).await?;
                let answer = in_time(TRIED, lookup.url(), ANSWER_PATIENCE, client.watch(request)).await?;
                Ok((Id::from_slice(&status.lookup_id), answer.into_inner()))
            };
            let error = match opened.await {
                Ok((id, mut responses)) => {
                    let begun = Instant::now();
                    yield Told::Heard(Heard::Is(id));
                    yield Told::Heard(Heard::Reached { afresh: after.is_none() });
                    loop {
                        match next(&mut responses, lookup.url()).await {
                            Ok(response) => {
                                backoff.worked(begun.elapsed());
                                let mut events: VecDeque<_> = response.events.into();
                                while let Some(event) = events.pop_front() {
                                    let revision = event.revision;
                                    let told = event.event.and_then(|event| told(event, revision, &mut after));
                                    if let Some(told) = told {
                                        yield told;
                                    }
                                }
                            }
                            Err(error) => break error,
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

/// The next message of a watch; a lookup that says nothing, not even that nothing happened, is as good as lost.
async fn next(
    responses: &mut (impl Stream<Item = Result<WatchResponse, Status>> + Unpin),
    at: &str,
) -> Result<WatchResponse, ClientError> {
    let ended = || Err(Status::unavailable("the lookup ended the stream"));
    let message = async { responses.next().await.unwrap_or_else(ended) };
    in_time(TRIED, at, SILENCE_PATIENCE, message).await
}

/// What an event means; keeps in `after` where to resume.
fn told(event: Event, revision: Option<Revision>, after: &mut Option<Revision>) -> Option<Told> {
    let restarted = after.zip(revision).is_some_and(|(before, now)| before.epoch != now.epoch);
    match &event {
        Event::Reset(_) => *after = None,
        Event::SnapshotEnd(_) => *after = revision,
        Event::Present(_) => {}
        _ if after.is_some() => *after = revision.or(*after),
        _ => {}
    }
    let heard = match event {
        Event::Reset(_) if restarted => Heard::Restarted,
        Event::Reset(_) => Heard::Reached { afresh: true },
        Event::Present(held)
        | Event::Appeared(watch_response::Appeared { held: Some(held), .. })
        | Event::Changed(watch_response::Changed { held: Some(held), .. }) => Heard::Held(held),
        Event::SnapshotEnd(end) => Heard::SnapshotEnd(Id::from_slice(&end.lookup_id)),
        Event::Disappeared(gone) => disappeared(&gone)?,
        Event::Suspicion(suspicion) => return Some(Told::Suspects(suspicion)),
        Event::Idle(_) | Event::Appeared(_) | Event::Changed(_) => return None,
    };
    Some(Told::Heard(heard))
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    #[tokio::test(start_paused = true)]
    async fn a_lookup_that_says_nothing_for_a_minute_is_taken_for_lost() {
        let begun = Instant::now();
        let mut idle = Box::pin(stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(15)).await;
            Some((Ok(WatchResponse::default()), ()))
        }));
        while begun.elapsed() < 3 * SILENCE_PATIENCE {
            assert!(next(&mut idle, "x").await.is_ok());
        }
        let error = next(&mut stream::pending(), "x").await;
        assert!(matches!(error, Err(ClientError::TimedOut { within: SILENCE_PATIENCE, .. })), "{error:?}");
        assert!(next(&mut stream::empty(), "x").await.is_err());
    }
}
