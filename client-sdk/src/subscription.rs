//! One farm's samples: history up to the seam, then live, over lost connections and restarts of the farm.
//!
//! The stream reconnects with back-off and resumes behind the last progress item; what came twice because of that is
//! dropped; what the farm says it skipped is fetched by number, one range at a time, and marked late. Nothing is queued
//! here: whoever reads slowly makes the farm wait, and then skip and say so.

mod decode;
mod skipped;
mod tracker;
mod update;

pub use skipped::MAX_SKIPPED;
pub use update::{Counts, Update};

use crate::backoff::{Backoff, random};
use crate::channel::{Connection, in_time};
use crate::error::ClientError;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use hedgerow_model::registration::Id;
use hedgerow_model::{NumberRange, Predicate};
use hedgerow_proto::convert::{predicate, series};
use hedgerow_proto::farm::{self, QueryRequest, SubscribeRequest, end};
use hedgerow_proto::stream::StreamMessage;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tracker::{Flow, Tracker};
use update::Counters;

/// How long a farm may take to begin its answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// How long a subscription to a farm that is gone waits for it to come back, before it ends.
const PARK_PATIENCE: Duration = Duration::from_secs(3600);
/// How often fetching what was skipped may fail before it is given up, and told so.
const FETCH_TRIES: u32 = 5;

const SUBSCRIBE: &str = "subscribe";
const FETCH: &str = "fetch what was skipped";

/// A farm to talk to.
#[derive(Debug, Clone)]
pub struct Farm {
    /// Its name, as shown.
    pub name: Arc<str>,
    /// Its id, where known: another farm at that address is refused.
    pub id: Option<Id>,
    /// The way to it.
    pub connection: Connection,
}

/// How to subscribe.
#[derive(Debug, Clone)]
pub struct SubscribeOptions {
    /// Goes on behind this token of a [`Update::Progress`], given by the same farm for the same predicate.
    pub resume: Option<Bytes>,
    /// Whether what was skipped is fetched afterwards.
    pub back_fill: bool,
    /// What may wait for this subscriber at the farm, in bytes; 0: the farm's default, which is also the most.
    pub queue_bytes: u64,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self { resume: None, back_fill: true, queue_bytes: 0 }
    }
}

/// A subscription to one farm: a stream of [`Update`]s that ends after [`Update::End`] or [`Update::Failed`].
pub struct Subscription {
    updates: BoxStream<'static, Update>,
    counters: Arc<Counters>,
}

/// Where a subscription's farm is now; `None`: gone, it may come back.
pub(crate) type Whereabouts = watch::Receiver<Option<Connection>>;

/// Subscribes at one farm. Nothing is sent before the stream is polled.
pub fn subscribe(farm: &Farm, predicate: &Predicate, options: SubscribeOptions) -> Subscription {
    let (_, whereabouts) = watch::channel(Some(farm.connection.clone()));
    Subscription::new(Arc::clone(&farm.name), farm.id, whereabouts, predicate, options)
}

impl Subscription {
    pub(crate) fn new(
        name: Arc<str>,
        id: Option<Id>,
        whereabouts: Whereabouts,
        predicate: &Predicate,
        options: SubscribeOptions,
    ) -> Self {
        let counters = Arc::new(Counters::default());
        let tracker = Tracker::new(name, id, predicate, options.back_fill, Arc::clone(&counters));
        let request = SubscribeRequest {
            predicate: Some(predicate::to_wire(predicate)),
            resume: options.resume.unwrap_or_default(),
            queue_bytes: options.queue_bytes,
        };
        Self { updates: run(tracker, request, whereabouts).boxed(), counters }
    }

    /// The next update; `None` after the end.
    pub async fn next(&mut self) -> Option<Update> {
        self.updates.next().await
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }
}

impl Stream for Subscription {
    type Item = Update;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Update>> {
        self.updates.poll_next_unpin(cx)
    }
}

/// How one connection ended.
enum Ended {
    /// Try again, at once or after a wait.
    Lost(ClientError),
    /// The farm is at another address now.
    Moved,
    /// All of the window was sent.
    Complete { samples: u64, detail: String },
}

fn run(
    mut tracker: Tracker,
    mut request: SubscribeRequest,
    mut whereabouts: Whereabouts,
) -> impl Stream<Item = Update> + Send {
    async_stream::stream! {
        let mut backoff = Backoff::default();
        let mut out = VecDeque::new();
        loop {
            let Some(connection) = present(&mut whereabouts).await else {
                yield Update::Failed(tracker.gone());
                return;
            };
            if let Some(token) = tracker.token() {
                request.resume = token.clone();
            }
            let at = connection.url().to_owned();
            let mut client = connection.farm();
            let opened = in_time(SUBSCRIBE, &at, ANSWER_PATIENCE, client.subscribe(request.clone())).await;
            let ended = match opened {
                Err(error) if error.is_bad_argument() && tracker.forget_token() => {
                    request.resume = Bytes::new();
                    Ended::Lost(error)
                }
                Err(error) if !error.is_transient() => {
                    yield Update::Failed(error);
                    return;
                }
                Err(error) => Ended::Lost(error),
                Ok(answer) => {
                    let mut messages = answer.into_inner();
                    let mut fetching = Fetching::default();
                    let mut complete = None;
                    tracker.reopened();
                    loop {
                        fetching.begin(&mut tracker, &connection, &request);
                        if complete.is_some() && fetching.messages.is_none() {
                            break complete.take().unwrap_or(Ended::Moved);
                        }
                        let told = tokio::select! {
                            message = messages.message(), if complete.is_none() => {
                                match take(message, &at, &mut tracker, &mut out) {
                                    Ok(None) => { backoff.succeeded(); Ok(()) }
                                    Ok(Some(Ended::Lost(error))) => Err(error),
                                    Ok(Some(ended)) => { complete = Some(ended); Ok(()) }
                                    Err(error) => Err(error),
                                }
                            }
                            message = fetching.next(), if fetching.messages.is_some() => {
                                fetching.take(message, &at, &mut tracker, &mut out);
                                Ok(())
                            }
                            () = moved(&mut whereabouts, &at) => {
                                while let Some(update) = out.pop_front() { yield update; }
                                break Ended::Moved;
                            }
                        };
                        while let Some(update) = out.pop_front() { yield update; }
                        match told {
                            Ok(()) => {}
                            Err(error) if error.is_transient() => break Ended::Lost(error),
                            Err(error) => {
                                yield Update::Failed(error);
                                return;
                            }
                        }
                    }
                }
            };
            match ended {
                Ended::Complete { samples, detail } => {
                    yield Update::End { samples, detail };
                    return;
                }
                Ended::Moved => backoff.succeeded(),
                Ended::Lost(error) => {
                    let retry_in = backoff.failed(random()).max(error.retry_after().unwrap_or_default());
                    tracker.counters().reconnected();
                    yield Update::Disconnected { error, retry_in };
                    tokio::select! {
                        () = tokio::time::sleep(retry_in) => {}
                        () = moved(&mut whereabouts, &at) => {}
                    }
                }
            }
        }
    }
}

/// The farm's connection, waiting for it to come back; `None`: it did not.
async fn present(whereabouts: &mut Whereabouts) -> Option<Connection> {
    let here = tokio::time::timeout(PARK_PATIENCE, whereabouts.wait_for(Option::is_some)).await;
    here.ok()?.ok()?.clone()
}

/// Waits until the farm is known to be at another address than `at`; a farm that is gone is not at another address.
async fn moved(whereabouts: &mut Whereabouts, at: &str) {
    let elsewhere = |now: &Option<Connection>| now.as_ref().is_some_and(|now| now.url() != at);
    if whereabouts.wait_for(elsewhere).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Takes one message of the live stream: what it says goes to `out`.
fn take(
    message: Result<Option<StreamMessage>, tonic::Status>,
    at: &str,
    tracker: &mut Tracker,
    out: &mut VecDeque<Update>,
) -> Result<Option<Ended>, ClientError> {
    let lost = |why: &str| ClientError::of_status(SUBSCRIBE, at, &tonic::Status::unavailable(why));
    let message = match message {
        Ok(Some(message)) => message,
        Ok(None) => return Ok(Some(Ended::Lost(lost("the farm ended the stream")))),
        Err(status) => return Err(ClientError::of_status(SUBSCRIBE, at, &status)),
    };
    for item in message.decode_items() {
        match tracker.item(decode::item(item, at)?, at, out)? {
            Flow::On => {}
            Flow::Ended(end) if end.reason() == end::Reason::Draining => {
                return Ok(Some(Ended::Lost(lost("the farm is stopping"))));
            }
            Flow::Ended(end) => {
                return Ok(Some(Ended::Complete { samples: end.samples, detail: end.detail }));
            }
        }
    }
    Ok(None)
}

type Messages = BoxStream<'static, Result<StreamMessage, ClientError>>;

/// Fetches what was skipped, one range at a time, beside the live stream.
#[derive(Default)]
struct Fetching {
    messages: Option<Messages>,
    failures: u32,
    backoff: Backoff,
    wait: Duration,
}

impl Fetching {
    /// Begins with the next range, if there is one and none is under way.
    fn begin(&mut self, tracker: &mut Tracker, connection: &Connection, request: &SubscribeRequest) {
        if self.messages.is_some() {
            return;
        }
        let Some(range) = tracker.begin_fetch() else { return };
        let mut predicate = request.predicate.clone().unwrap_or_default();
        // Numbers say what is meant; the window would only take away from it.
        predicate.window = None;
        let range = farm::NumberRange {
            epoch: Some(series::epoch_to_wire(range.epoch)),
            after: range.after,
            through: range.through,
        };
        let query = QueryRequest { predicate: Some(predicate), ranges: vec![range] };
        let messages = messages(connection.clone(), query, FETCH, ANSWER_PATIENCE);
        let wait = std::mem::take(&mut self.wait);
        let after_wait = async move {
            tokio::time::sleep(wait).await;
            messages
        };
        self.messages = Some(futures_util::stream::once(after_wait).flatten().boxed());
    }

    async fn next(&mut self) -> Option<Result<StreamMessage, ClientError>> {
        match &mut self.messages {
            Some(messages) => messages.next().await,
            None => std::future::pending().await,
        }
    }

    fn take(
        &mut self,
        message: Option<Result<StreamMessage, ClientError>>,
        at: &str,
        tracker: &mut Tracker,
        out: &mut VecDeque<Update>,
    ) {
        let done = match message {
            Some(Ok(message)) => late_items(&message, at, tracker, out),
            Some(Err(error)) => Err(error),
            None => {
                let status = tonic::Status::unavailable("the farm ended the answer early");
                Err(ClientError::of_status(FETCH, at, &status))
            }
        };
        match done {
            Ok(false) => {}
            Ok(true) => {
                self.messages = None;
                self.failures = 0;
                self.backoff.succeeded();
                tracker.fetched(None, out);
            }
            Err(error) => {
                self.messages = None;
                self.failures += 1;
                self.wait = self.backoff.failed(random());
                if self.failures >= FETCH_TRIES || !error.is_transient() {
                    self.failures = 0;
                    tracker.fetched(Some(error), out);
                }
            }
        }
    }
}

/// Takes late items; whether the answer is complete.
fn late_items(
    message: &StreamMessage,
    at: &str,
    tracker: &mut Tracker,
    out: &mut VecDeque<Update>,
) -> Result<bool, ClientError> {
    for item in message.decode_items() {
        match tracker.late_item(decode::item(item, at)?, at, out)? {
            Flow::On => {}
            Flow::Ended(end) => {
                if end.reason() == end::Reason::Draining {
                    let status = tonic::Status::unavailable("the farm is stopping");
                    return Err(ClientError::of_status(FETCH, at, &status));
                }
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The messages of one query. A farm that says nothing for `patience` has failed.
fn messages(
    connection: Connection,
    query: QueryRequest,
    tried: &'static str,
    patience: Duration,
) -> impl Stream<Item = Result<StreamMessage, ClientError>> + Send {
    async_stream::stream! {
        let at = connection.url().to_owned();
        let mut client = connection.farm();
        let mut messages = match in_time(tried, &at, patience, client.query(query)).await {
            Ok(answer) => answer.into_inner(),
            Err(error) => {
                yield Err(error);
                return;
            }
        };
        loop {
            match in_time(tried, &at, patience, messages.message()).await {
                Ok(Some(message)) => yield Ok(message),
                Ok(None) => return,
                Err(error) => {
                    yield Err(error);
                    return;
                }
            }
        }
    }
}

/// What one farm's cache has of `predicate`, or of these number ranges: updates up to [`Update::End`] or
/// [`Update::Failed`]. It is asked once; `patience` is how long it may say nothing.
pub fn query(
    farm: &Farm,
    predicate: &Predicate,
    ranges: &[NumberRange],
    patience: Duration,
) -> BoxStream<'static, Update> {
    const TRIED: &str = "query";
    let range = |range: &NumberRange| farm::NumberRange {
        epoch: Some(series::epoch_to_wire(range.epoch)),
        after: range.after,
        through: range.through,
    };
    let query = QueryRequest {
        predicate: Some(predicate::to_wire(predicate)),
        ranges: ranges.iter().map(range).collect(),
    };
    let counters = Arc::default();
    let mut tracker = Tracker::new(Arc::clone(&farm.name), farm.id, predicate, false, counters);
    let connection = farm.connection.clone();
    async_stream::stream! {
        let at = connection.url().to_owned();
        let mut out = VecDeque::new();
        let mut messages = Box::pin(messages(connection, query, TRIED, patience));
        while let Some(message) = messages.next().await {
            let told = message.and_then(|message| take(Ok(Some(message)), &at, &mut tracker, &mut out));
            while let Some(update) = out.pop_front() { yield update; }
            match told {
                Ok(None) => {}
                Ok(Some(Ended::Complete { samples, detail })) => {
                    yield Update::End { samples, detail };
                    return;
                }
                Ok(Some(Ended::Lost(error))) | Err(error) => {
                    yield Update::Failed(error);
                    return;
                }
                Ok(Some(Ended::Moved)) => {}
            }
        }
        let status = tonic::Status::unavailable("the farm ended the answer early");
        yield Update::Failed(ClientError::of_status(TRIED, &at, &status));
    }
    .boxed()
}
