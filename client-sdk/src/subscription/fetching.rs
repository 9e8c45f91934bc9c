//! Fetches what was skipped, by number, one range at a time, beside the live stream. A range that fails is asked for again,
//! and given up after a few times, never silently.

use super::query::messages;
use super::tracker::{Flow, Tracker};
use super::update::Update;
use super::{ANSWER_PATIENCE, decode};
use crate::backoff::{Backoff, random};
use crate::channel::Connection;
use crate::error::ClientError;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use hedgerow_proto::convert::series;
use hedgerow_proto::farm::{self, QueryRequest, SubscribeRequest, end};
use hedgerow_proto::stream::StreamMessage;
use std::collections::VecDeque;
use std::time::Duration;

/// How often fetching a range may fail before it is given up, and told so.
const FETCH_TRIES: u32 = 5;
const FETCH: &str = "fetch what was skipped";

type Messages = BoxStream<'static, Result<StreamMessage, ClientError>>;

/// The range that is asked for now, if any.
#[derive(Default)]
pub(super) struct Fetching {
    messages: Option<Messages>,
    failures: u32,
    backoff: Backoff,
    wait: Duration,
}

impl Fetching {
    /// Begins with the next range, if there is one and none is under way.
    pub(super) fn begin(
        &mut self,
        tracker: &mut Tracker,
        connection: &Connection,
        request: &SubscribeRequest,
    ) {
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

    /// Whether a range is asked for.
    pub(super) fn is_under_way(&self) -> bool {
        self.messages.is_some()
    }

    /// The next message about it.
    pub(super) async fn next(&mut self) -> Option<Result<StreamMessage, ClientError>> {
        match &mut self.messages {
            Some(messages) => messages.next().await,
            None => std::future::pending().await,
        }
    }

    /// Takes such a message.
    pub(super) fn take(
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
