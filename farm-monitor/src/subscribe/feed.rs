//! One subscription at work: newest values, history, live values, end, in this order.

use super::alarms::AlarmFeed;
use super::announced::Announced;
use super::outbox::{Gone, Outbox};
use super::rates::Rates;
use super::texts::Texts;
use super::{Plan, condense, history, newest, tail};
use crate::hub::{Hub, LiveCursor};
use hashbrown::HashMap;
use hedgerow_cache::{CacheError, ReadAnswer, ReadRequest, Reader};
use hedgerow_model::{Epoch, Gap, Kind, Life, Position, SeriesId, UnixMillis};
use hedgerow_proto::convert::{registration, series};
use hedgerow_proto::farm::{End, Opened, end, item};
use hedgerow_proto::stream::StreamMessage;
use hedgerow_service::drain::Drain;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::Status;

/// The receiving end of a feed: what gRPC takes from it.
pub type StreamOutput = mpsc::Receiver<Result<StreamMessage, Status>>;

/// How many samples are read from the cache at a time: what a feed holds in memory of history.
pub const READ_SAMPLES: usize = 20_000;

/// Why a feed stops before its end.
#[derive(Debug)]
pub enum Stop {
    /// The subscriber is gone.
    Gone,
    /// The farm is stopping.
    Draining,
    /// Something failed that the subscriber should know of.
    Failed(Box<Status>),
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<CacheError> for Stop {
    fn from(error: CacheError) -> Self {
        Self::Failed(Box::new(Status::internal(format!("reading the cache: {error}"))))
    }
}

/// One subscription at work.
pub struct Feed {
    pub(super) hub: Arc<Hub>,
    pub(super) reader: Reader,
    pub(super) plan: Plan,
    pub(super) cursor: LiveCursor,
    pub(super) out: Outbox,
    pub(super) announced: Announced,
    pub(super) rates: Rates,
    pub(super) drain: Drain,
    /// Where the chain of progress items has come to.
    pub(super) position: Position,
    /// Of each series its kind, and how far back the sample before its first one is looked for.
    pub(super) kinds: HashMap<SeriesId, (Kind, Duration)>,
    pub(super) gaps_told: Vec<Gap>,
    /// Epochs that ended before the time asked for: what was lost at their ends is not of it, and is not told.
    pub(super) past: Vec<Epoch>,
    pub(super) texts: Texts,
    /// The series that were last told not to be live.
    pub(super) lives: HashMap<SeriesId, Life>,
    /// The epoch that was named last: a stream goes from one to the next.
    pub(super) named: Epoch,
    /// Where alarms are asked for.
    pub(super) alarms: Option<AlarmFeed>,
}

/// What is asked of the cache: a [`ReadRequest`] that owns its series.
#[derive(Debug, Clone)]
pub struct Ask {
    pub series: Vec<SeriesId>,
    pub epoch: Epoch,
    pub after: u64,
    pub through: u64,
    pub times: Option<Range<UnixMillis>>,
    pub max_samples: usize,
}

impl Feed {
    /// Starts a feed as a task of its own; it ends when its output is dropped.
    pub fn start(hub: Arc<Hub>, plan: Plan, cursor: LiveCursor, drain: Drain) -> StreamOutput {
        Self::start_with(hub, plan, cursor, drain, None)
    }

    /// The same, with the farm's alarms.
    pub fn start_with(
        hub: Arc<Hub>,
        plan: Plan,
        cursor: LiveCursor,
        drain: Drain,
        alarms: Option<AlarmFeed>,
    ) -> StreamOutput {
        // One message waits while the transport takes the one before.
        let (out, output) = mpsc::channel(1);
        let announced = Announced::new(plan.predicate.reading, plan.every().is_some());
        let feed = Self {
            reader: hub.cache().reader(),
            named: plan.admitted.epoch,
            position: plan.position.unwrap_or(plan.admitted),
            hub,
            plan,
            cursor,
            out: Outbox::new(out, drain.clone()),
            announced,
            rates: Rates::default(),
            drain,
            kinds: HashMap::new(),
            gaps_told: Vec::new(),
            past: Vec::new(),
            texts: Texts::default(),
            lives: HashMap::new(),
            alarms,
        };
        tokio::spawn(feed.run());
        output
    }

    async fn run(mut self) {
        match self.steps().await {
            Err(Stop::Failed(status)) => self.out.fail(*status).await,
            Ok(()) | Err(Stop::Gone | Stop::Draining) => {}
        }
    }

    async fn steps(&mut self) -> Result<(), Stop> {
        self.opened();
        self.tell_alarms();
        let reason = match self.told().await {
            Err(Stop::Draining) => end::Reason::Draining,
            told => told?,
        };
        let samples = self.out.samples;
        self.out.item(item::Item::End(End { samples, reason: reason.into(), detail: String::new() }));
        Ok(self.out.send().await?)
    }

    async fn told(&mut self) -> Result<end::Reason, Stop> {
        if !self.plan.newest_sent {
            newest::send(self).await?;
            self.plan.newest_sent = true;
        }
        if self.plan.every().is_some() {
            return condense::run(self).await;
        }
        history::run(self).await?;
        if self.plan.finite { Ok(end::Reason::Complete) } else { tail::run(self).await }
    }

    fn opened(&mut self) {
        let plan = &self.plan;
        self.out.item(item::Item::Opened(Opened {
            farm_id: registration::id_to_wire(plan.farm_id),
            farm: self.hub.farm().to_owned(),
            epoch: Some(series::epoch_to_wire(plan.admitted.epoch)),
            watermark: plan.admitted.number,
            since_ms: plan.since,
            until_ms: plan.until,
            resumed: plan.resumed,
            now_ms: plan.now,
        }));
    }

    /// Reads the cache, beside the async threads.
    pub(super) async fn read(&self, ask: Ask) -> Result<ReadAnswer, Stop> {
        let reader = self.reader.clone();
        self.blocking(move || {
            let Ask { series, epoch, after, through, times, max_samples } = ask;
            reader.read(&ReadRequest { series: &series, epoch, after, through, times, max_samples })
        })
        .await
    }

    /// Asks the cache something, beside the async threads. Nobody's question is not asked: neither of one who is gone, nor
    /// when the farm is stopping.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        ask: impl FnOnce() -> Result<T, CacheError> + Send + 'static,
    ) -> Result<T, Stop> {
        if self.out.is_closed() {
            return Err(Stop::Gone);
        }
        if self.drain.has_begun() {
            return Err(Stop::Draining);
        }
        match tokio::task::spawn_blocking(ask).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Stop::Failed(Box::new(Status::internal("reading the cache was given up")))),
        }
    }

    /// The series that match, as of now.
    pub(super) fn matching(&self) -> Vec<SeriesId> {
        self.cursor.series()
    }

    /// The times that history is read for.
    pub(super) fn history_times(&self) -> Option<Range<UnixMillis>> {
        let since = self.plan.since.filter(|_| self.plan.ranges.is_empty());
        (since.is_some() || self.plan.until.is_some())
            .then(|| since.unwrap_or(UnixMillis::MIN)..self.plan.until.unwrap_or(UnixMillis::MAX))
    }
}
