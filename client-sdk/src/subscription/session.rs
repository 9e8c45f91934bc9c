//! A subscription at work: connected or not, live and fetching, one step after the other.

use super::fetching::Fetching;
use super::tracker::{Flow, Tracker};
use super::update::Update;
use super::{ANSWER_PATIENCE, PARK_PATIENCE, Whereabouts, decode};
use crate::backoff::{Backoff, random};
use crate::channel::{Connection, in_time};
use crate::error::ClientError;
use bytes::Bytes;
use hedgerow_proto::farm::{SubscribeRequest, end};
use hedgerow_proto::stream::StreamMessage;
use std::collections::VecDeque;
use tokio::time::Instant;
use tonic::Streaming;

const SUBSCRIBE: &str = "subscribe";

/// One subscription, over all its connections.
pub(super) struct Session {
    tracker: Tracker,
    request: SubscribeRequest,
    whereabouts: Whereabouts,
    backoff: Backoff,
    /// Where the farm was when the connection was lost, and when to try again.
    lost: Option<(Connection, Instant)>,
    open: Option<Open>,
    /// What the last step told: of one message at most.
    told: VecDeque<Update>,
    over: bool,
}

struct Open {
    connection: Connection,
    messages: Streaming<StreamMessage>,
    fetching: Fetching,
    /// The live stream came to the end of its window.
    end: Option<Update>,
}

/// How one stream ended.
pub(super) enum Ended {
    /// It broke.
    Lost(ClientError),
    /// All was sent.
    Complete(Update),
}

impl Session {
    pub(super) fn new(tracker: Tracker, request: SubscribeRequest, whereabouts: Whereabouts) -> Self {
        Self {
            tracker,
            request,
            whereabouts,
            backoff: Backoff::default(),
            lost: None,
            open: None,
            told: VecDeque::new(),
            over: false,
        }
    }

    /// The next update; `None` after the last.
    pub(super) async fn next(&mut self) -> Option<Update> {
        loop {
            if let Some(update) = self.told.pop_front() {
                return Some(update);
            }
            if self.over {
                return None;
            }
            match self.open.take() {
                Some(open) => self.go_on(open).await,
                None => self.connect().await,
            }
        }
    }

    async fn connect(&mut self) {
        if let Some((before, again)) = self.lost.take() {
            tokio::select! {
                () = tokio::time::sleep_until(again) => {}
                () = moved(&mut self.whereabouts, before.url()) => {}
            }
        }
        let here = tokio::time::timeout(PARK_PATIENCE, self.whereabouts.wait_for(Option::is_some)).await;
        let here = here.ok().and_then(Result::ok).and_then(|connection| connection.clone());
        let Some(connection) = here else { return self.fail(self.tracker.gone()) };
        if let Some(token) = self.tracker.token() {
            self.request.resume = token.clone();
        }
        let mut client = connection.farm();
        let call = client.subscribe(self.request.clone());
        match in_time(SUBSCRIBE, connection.url(), ANSWER_PATIENCE, call).await {
            Ok(answer) => {
                self.tracker.reopened();
                let messages = answer.into_inner();
                self.open = Some(Open { connection, messages, fetching: Fetching::default(), end: None });
            }
            Err(error) => self.broke(error, connection),
        }
    }

    /// Does what comes next on an open connection.
    async fn go_on(&mut self, mut open: Open) {
        open.fetching.begin(&mut self.tracker, &open.connection, &self.request);
        if !open.fetching.is_under_way()
            && let Some(end) = open.end.take()
        {
            self.told.push_back(end);
            self.over = true;
            return;
        }
        let at = open.connection.url();
        tokio::select! {
            message = open.messages.message(), if open.end.is_none() => {
                match take(message, at, &mut self.tracker, &mut self.told) {
                    Ok(None) => self.backoff.succeeded(),
                    Ok(Some(Ended::Complete(end))) => open.end = Some(end),
                    Ok(Some(Ended::Lost(error))) | Err(error) => return self.broke(error, open.connection),
                }
            }
            message = open.fetching.next(), if open.fetching.is_under_way() => {
                open.fetching.take(message, at, &mut self.tracker, &mut self.told);
            }
            // At another address: there at once.
            () = moved(&mut self.whereabouts, at) => return,
        }
        self.open = Some(open);
    }

    /// The connection is lost, or was refused: tries again where that may help.
    fn broke(&mut self, error: ClientError, connection: Connection) {
        // A farm whose cache was set aside knows its own tokens no more.
        let anew = error.is_bad_argument() && self.tracker.forget_token();
        if anew {
            self.request.resume = Bytes::new();
        } else if !error.is_transient() {
            return self.fail(error);
        }
        let retry_in = self.backoff.failed(random()).max(error.retry_after().unwrap_or_default());
        self.tracker.counters().reconnected();
        self.told.push_back(Update::Disconnected { error, retry_in });
        self.lost = Some((connection, Instant::now() + retry_in));
    }

    fn fail(&mut self, error: ClientError) {
        self.told.push_back(Update::Failed(error));
        self.over = true;
    }
}

/// Waits until the farm is known to be at another address than `at`; a farm that is gone is not at another address.
async fn moved(whereabouts: &mut Whereabouts, at: &str) {
    let elsewhere = |now: &Option<Connection>| now.as_ref().is_some_and(|now| now.url() != at);
    if whereabouts.wait_for(elsewhere).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Takes one message of a stream: what it says goes to `told`.
pub(super) fn take(
    message: Result<Option<StreamMessage>, tonic::Status>,
    at: &str,
    tracker: &mut Tracker,
    told: &mut VecDeque<Update>,
) -> Result<Option<Ended>, ClientError> {
    let lost = |why: &str| ClientError::of_status(SUBSCRIBE, at, &tonic::Status::unavailable(why));
    let message = match message {
        Ok(Some(message)) => message,
        Ok(None) => return Ok(Some(Ended::Lost(lost("the farm ended the stream")))),
        Err(status) => return Err(ClientError::of_status(SUBSCRIBE, at, &status)),
    };
    for item in message.decode_items() {
        match tracker.item(decode::item(item, at)?, at, told)? {
            Flow::On => {}
            Flow::Ended(end) if end.reason() == end::Reason::Draining => {
                return Ok(Some(Ended::Lost(lost("the farm is stopping"))));
            }
            Flow::Ended(end) => {
                let end = Update::End { samples: end.samples, detail: end.detail };
                return Ok(Some(Ended::Complete(end)));
            }
        }
    }
    Ok(None)
}
