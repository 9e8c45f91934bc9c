//! One farm's samples: history up to the seam, then live, over lost connections and restarts of the farm.
//!
//! The stream reconnects with back-off and resumes behind the last progress item; what came twice because of that is
//! dropped; what the farm says it skipped is fetched by number, one range at a time, and marked late. Nothing is queued
//! here: whoever reads slowly makes the farm wait, and then skip and say so.

mod decode;
mod fetching;
mod query;
mod session;
mod skipped;
mod tracker;
mod update;

pub use query::query;
pub use skipped::MAX_SKIPPED;
pub use update::{Counts, Update};

use crate::channel::Connection;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use hedgerow_model::Predicate;
use hedgerow_model::registration::Id;
use hedgerow_proto::convert::predicate;
use hedgerow_proto::farm::SubscribeRequest;
use session::Session;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tracker::Tracker;
use update::Counters;

/// How long a farm may take to begin its answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// How long a subscription to a farm that is gone waits for it to come back, before it ends.
const PARK_PATIENCE: Duration = Duration::from_secs(3600);

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
    /// Whether the farm's alarms are told, too: those that are open, then each that changes.
    pub alarms: bool,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self { resume: None, back_fill: true, queue_bytes: 0, alarms: false }
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
            alarms: options.alarms,
        };
        let session = Session::new(tracker, request, whereabouts);
        let next = async |mut session: Session| Some((session.next().await?, session));
        Self { updates: futures_util::stream::unfold(session, next).boxed(), counters }
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
