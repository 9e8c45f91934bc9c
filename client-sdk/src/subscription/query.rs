//! One farm's finite answer.

use super::session::{Ended, take};
use super::tracker::Tracker;
use super::{Farm, Update};
use crate::channel::{Connection, in_time};
use crate::error::ClientError;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use hedgerow_model::{NumberRange, Predicate};
use hedgerow_proto::convert::{predicate, series};
use hedgerow_proto::farm::{self, QueryRequest};
use hedgerow_proto::stream::StreamMessage;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

const TRIED: &str = "query";

/// What one farm's cache has of `predicate`, or of these number ranges: updates up to [`Update::End`] or
/// [`Update::Failed`]. It is asked once; `patience` is how long it may say nothing.
pub fn query(
    farm: &Farm,
    predicate: &Predicate,
    ranges: &[NumberRange],
    patience: Duration,
) -> BoxStream<'static, Update> {
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
    if !ranges.is_empty() {
        tracker = tracker.unchained();
    }
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
                Ok(Some(Ended::Complete(end))) => {
                    yield end;
                    return;
                }
                Ok(Some(Ended::Lost(error))) | Err(error) => {
                    yield Update::Failed(error);
                    return;
                }
            }
        }
        let status = tonic::Status::unavailable("the farm ended the answer early");
        yield Update::Failed(ClientError::of_status(TRIED, &at, &status));
    }
    .boxed()
}

/// The messages of one query. A farm that says nothing for `patience` has failed.
pub(super) fn messages(
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
