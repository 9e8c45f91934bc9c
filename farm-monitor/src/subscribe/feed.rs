//! One subscription at work: newest values, history, live values, end, in this order.

use super::announced::Announced;
use super::outbox::{Gone, Outbox, progress};
use super::rates::Rates;
use super::{Plan, condense, history, newest, tail};
use crate::hub::{Hub, LiveCursor, holds};
use hashbrown::HashMap;
use hedgerow_cache::{CacheError, ReadAnswer, ReadRequest, Reader};
use hedgerow_model::{
    Epoch, Gap, GapScope, Kind, LifeMark, Numbered, Numbers, Position, SeriesId, UnixMillis,
};
use hedgerow_proto::convert::{batch, registration, series};
use hedgerow_proto::farm::{End, LifeChange, Opened, end, item};
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

/// How far back the sample before a counter's first one is looked for: so many of its intervals …
const LOOK_BACK_INTERVALS: u32 = 10;
/// … and never further than this.
const LOOK_BACK: Range<Duration> = Duration::from_secs(60)..Duration::from_secs(3600);

/// Why a feed stops before its end.
#[derive(Debug)]
pub enum Stop {
    /// The subscriber is gone.
    Gone,
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
    kinds: HashMap<SeriesId, (Kind, Duration)>,
    gaps_told: Vec<Gap>,
    /// The epoch that was named last: a stream goes from one to the next.
    named: Epoch,
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
            out: Outbox::new(out),
            announced,
            rates: Rates::default(),
            drain,
            kinds: HashMap::new(),
            gaps_told: Vec::new(),
        };
        tokio::spawn(feed.run());
        output
    }

    async fn run(mut self) {
        match self.steps().await {
            Err(Stop::Failed(status)) => self.out.fail(*status).await,
            Ok(()) | Err(Stop::Gone) => {}
        }
    }

    async fn steps(&mut self) -> Result<(), Stop> {
        self.opened();
        if !self.plan.newest_sent {
            newest::send(self).await?;
            self.plan.newest_sent = true;
        }
        let reason = if self.plan.every().is_some() {
            condense::run(self).await?
        } else {
            history::run(self).await?;
            if self.plan.finite { end::Reason::Complete } else { tail::run(self).await? }
        };
        let samples = self.out.samples;
        self.out.item(item::Item::End(End { samples, reason: reason.into(), detail: String::new() }));
        Ok(self.out.send().await?)
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

    /// Kind of a series, and how far back its sample before is looked for.
    fn kind(&mut self, id: SeriesId) -> Option<(Kind, Duration)> {
        if let Some(known) = self.kinds.get(&id) {
            return Some(*known);
        }
        let def = self.hub.def(id)?;
        let interval = def.interval.unwrap_or_default();
        let look_back = (interval * LOOK_BACK_INTERVALS).clamp(LOOK_BACK.start, LOOK_BACK.end);
        self.kinds.insert(id, (def.kind, look_back));
        Some((def.kind, look_back))
    }

    /// The kind of a series.
    pub(super) fn kind_of(&mut self, id: SeriesId) -> Kind {
        self.kind(id).map_or(Kind::Gauge, |(kind, _)| kind)
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

    /// Asks the cache something, beside the async threads.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        ask: impl FnOnce() -> Result<T, CacheError> + Send + 'static,
    ) -> Result<T, Stop> {
        match tokio::task::spawn_blocking(ask).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Stop::Failed(Box::new(Status::internal("reading the cache was given up")))),
        }
    }

    /// Gives samples as they came from the cache or the channel, as the predicate wants them. `history` says whether they lie
    /// before the watermark.
    pub(super) async fn give(&mut self, mut numbered: Numbered, history: bool) -> Result<(), Stop> {
        if !self.plan.is_raw() {
            self.seed(&numbered).await?;
            let counters: Vec<SeriesId> = self.counters(&numbered);
            let reading = self.plan.predicate.reading;
            numbered = self.rates.apply(&numbered, reading, |id| counters.binary_search(&id).is_ok());
        }
        let wanted = self.wanted(&numbered, history);
        if wanted.is_empty() {
            return Ok(());
        }
        if wanted.len() < numbered.batch.len() {
            let numbers = wanted.iter().filter_map(|at| numbered.numbers.at(*at as usize)).collect();
            numbered = Numbered {
                epoch: numbered.epoch,
                numbers: Numbers::Each(numbers),
                batch: numbered.batch.select(&wanted),
            };
        }
        self.name(numbered.epoch);
        self.tell(&numbered.batch.series);
        self.out.samples += numbered.batch.len() as u64;
        self.out.item(item::Item::Batch(batch::to_wire(&numbered)));
        if self.out.is_full() {
            self.out.send().await?;
        }
        Ok(())
    }

    /// Positions of the samples that lie in the window and satisfy the constraint.
    fn wanted(&mut self, numbered: &Numbered, history: bool) -> Vec<u32> {
        let batch = &numbered.batch;
        let constraint = self.plan.predicate.constraint.clone();
        let mut wanted = Vec::with_capacity(batch.len());
        for (at, value) in (0_u32..).zip(batch.values.iter()) {
            let position = at as usize;
            let holds = constraint.as_ref().is_none_or(|constraint| {
                let kind = self.kind_of(batch.series[position]);
                holds(constraint, kind, &value)
            });
            if holds && self.plan.wants_time(history, batch.times.at(position)) {
                wanted.push(at);
            }
        }
        wanted
    }

    /// Names an epoch before its samples; the running one is named by `opened`.
    fn name(&mut self, epoch: Epoch) {
        if epoch != self.named && epoch != self.plan.admitted.epoch {
            self.named = epoch;
            self.out.item(item::Item::Epoch(series::epoch_to_wire(epoch)));
        }
    }

    /// Tells of series before their samples.
    pub(super) fn tell(&mut self, ids: &[SeriesId]) {
        for item in self.announced.tell(&self.hub, ids) {
            self.out.encoded(hedgerow_proto::stream::encode(&item));
        }
    }

    /// Tells of a change in a series' life.
    pub(super) fn life(&mut self, mark: &LifeMark) {
        self.tell(&[mark.series]);
        self.out.item(item::Item::Life(LifeChange {
            series: mark.series.0,
            life: mark.life as i32,
            time: mark.time,
            reason: mark.reason.to_string(),
        }));
    }

    /// Tells of gaps, each once.
    pub(super) fn gaps(&mut self, gaps: Vec<Gap>) {
        for gap in gaps {
            if self.gaps_told.contains(&gap) {
                continue;
            }
            if let GapScope::Series(id) = gap.scope {
                self.tell(&[id]);
            }
            self.out.item(item::Item::Gap(series::gap_to_wire(&gap)));
            self.gaps_told.push(gap);
        }
    }

    /// Goes on in the chain of progress: all up to `number` of `epoch` is said.
    pub(super) fn progress(&mut self, epoch: Epoch, number: u64, epoch_ended: bool) {
        let after = if self.position.epoch == epoch { self.position.number } else { 0 };
        self.position = Position { epoch, number };
        let token = self.plan.token(self.position).encode();
        self.out.item(progress(after, self.position, epoch_ended, token));
    }

    /// The counters among the series of a batch, ascending.
    pub(super) fn counters(&mut self, numbered: &Numbered) -> Vec<SeriesId> {
        let mut ids = numbered.batch.series.clone();
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| self.kind_of(*id) == Kind::Counter);
        ids
    }

    /// Looks up the samples before the first ones of counters that were not seen yet.
    pub(super) async fn seed(&mut self, numbered: &Numbered) -> Result<(), Stop> {
        let batch = &numbered.batch;
        let mut missing = self.counters(numbered);
        missing.retain(|id| !self.rates.knows(*id));
        if missing.is_empty() {
            return Ok(());
        }
        let first = (0..batch.len()).map(|at| batch.times.at(at)).min().unwrap_or_default();
        let last = (0..batch.len()).map(|at| batch.times.at(at)).max().unwrap_or_default();
        let look_back =
            missing.iter().filter_map(|id| self.kind(*id)).map(|(_, back)| back).max().unwrap_or_default();
        let oldest = first.saturating_sub_unsigned(u64::try_from(look_back.as_millis()).unwrap_or(u64::MAX));
        let before = numbered.numbers.at(0).unwrap_or(1).saturating_sub(1);
        let reader = self.reader.clone();
        let epochs = self.blocking(move || reader.epochs()).await?;
        for info in epochs.into_iter().rev().filter(|info| info.epoch <= numbered.epoch) {
            let through = if info.epoch == numbered.epoch { before } else { info.last };
            let request = Ask {
                series: missing.clone(),
                epoch: info.epoch,
                after: 0,
                through,
                times: Some(oldest..last),
                max_samples: usize::MAX,
            };
            let answer = self.read(request).await?;
            for earlier in &answer.batches {
                for (id, time, value) in earlier.batch.iter() {
                    self.rates.seed(id, time, value);
                }
            }
            missing.retain(|id| !self.rates.knows(*id));
            if missing.is_empty() || info.opened < oldest {
                break;
            }
        }
        Ok(())
    }

    /// The series that match, as of now.
    pub(super) fn matching(&self) -> Vec<SeriesId> {
        self.hub.matching(&self.plan.predicate.patterns)
    }

    /// The times that history is read for.
    pub(super) fn history_times(&self) -> Option<Range<UnixMillis>> {
        let since = self.plan.since.filter(|_| self.plan.ranges.is_empty());
        (since.is_some() || self.plan.until.is_some())
            .then(|| since.unwrap_or(UnixMillis::MIN)..self.plan.until.unwrap_or(UnixMillis::MAX))
    }
}
