//! What is stored between two moments of the farm's time, as the input of one filter: the same items every time.
//!
//! Moments are found by the heartbeat, which has its place among the numbers: what was accepted before the first heartbeat of a time
//! or later was accepted before that time.

use super::series::heartbeat_patterns;
use super::walk::{LookBack, Walk, first_behind};
use super::{FeedOptions, Item, blocking};
use crate::hub::Hub;
use hedgerow_cache::{CacheError, ReadRequest, Reader};
use hedgerow_model::{Epoch, Position, SeriesId, UnixMillis};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Input of a backtest.
pub struct Stored {
    reader: Reader,
    series: Vec<SeriesId>,
    heartbeat: Option<(SeriesId, bool)>,
    walk: Walk,
    end: Position,
    /// When the farm began to store, where that is after the time asked for.
    begins_at: Option<UnixMillis>,
    /// Everything up to the end was given.
    all: bool,
}

impl Stored {
    /// What was accepted from the one moment up to the other, with so much history before it. `None`: the farm's heartbeat
    /// has not come to the end yet.
    ///
    /// # Errors
    /// Where the cache cannot be read.
    pub async fn open(
        hub: Arc<Hub>,
        options: FeedOptions,
        times: Range<UnixMillis>,
        look_back: Duration,
    ) -> Result<Option<Self>, CacheError> {
        blocking(move || Self::open_now(&hub, &options, &times, look_back)).await
    }

    fn open_now(
        hub: &Hub,
        options: &FeedOptions,
        times: &Range<UnixMillis>,
        look_back: Duration,
    ) -> Result<Option<Self>, CacheError> {
        let reader = hub.cache().reader();
        let (series, heartbeat) = series(hub, options);
        let Some((beat, _)) = heartbeat else { return Ok(None) };
        let Some(end) = before(&reader, beat, times.end)? else { return Ok(None) };
        let Some(from) = before(&reader, beat, times.start)? else { return Ok(None) };
        let from = from.min(end);
        let window = i64::try_from(look_back.as_millis()).unwrap_or(i64::MAX);
        let look_back =
            (window > 0).then(|| LookBack { since: times.start.saturating_sub(window), through: from });
        let first = match look_back {
            Some(look_back) => first_behind(&reader, look_back)?,
            None => from,
        };
        let walk = Walk::new(first, look_back);
        let opened = reader.epochs()?.first().map(|oldest| oldest.opened);
        let begins_at = opened.filter(|opened| *opened > times.start);
        Ok(Some(Self { reader, series, heartbeat, walk, end, begins_at, all: false }))
    }

    /// Behind what it goes on; at first, where it begins.
    pub fn position(&self) -> Position {
        self.walk.position()
    }

    /// When the farm began to store anything: of what was asked for before that nothing is there, and no gap says so. `None`:
    /// before the time asked for.
    pub fn begins_at(&self) -> Option<UnixMillis> {
        self.begins_at
    }

    /// The last number that may come.
    pub fn end(&self) -> Position {
        self.end
    }

    /// What of it is look-back.
    pub fn look_back(&self) -> Option<LookBack> {
        self.walk.look_back()
    }

    /// What comes next; `None` at the end.
    ///
    /// # Errors
    /// Where the cache cannot be read.
    pub async fn next(mut self) -> Result<(Self, Option<Vec<Item>>), CacheError> {
        blocking(move || {
            let mut items = Vec::new();
            while items.is_empty() && !self.all {
                self.all =
                    self.walk.step(&self.reader, &self.series, self.heartbeat, self.end, &mut items)?;
            }
            let given = (!items.is_empty()).then_some(items);
            Ok((self, given))
        })
        .await
    }
}

/// The series that are wanted and the heartbeat, ascending; and the heartbeat, and whether it is wanted for itself.
fn series(hub: &Hub, options: &FeedOptions) -> (Vec<SeriesId>, Option<(SeriesId, bool)>) {
    let mut series = hub.matching(&options.patterns);
    let shown = |id: &SeriesId| {
        hub.def(*id).is_some_and(|def| {
            let cluster = &def.key.cluster;
            !options.excluded.contains(cluster)
                && !options.hidden.iter().any(|hidden| hidden.matches(cluster))
        })
    };
    series.retain(shown);
    let heartbeat = hub.matching(&heartbeat_patterns(hub)).into_iter().next();
    let heartbeat = heartbeat.map(|id| (id, series.contains(&id)));
    if let Some((id, false)) = heartbeat {
        series.push(id);
    }
    series.sort_unstable();
    (series, heartbeat)
}

/// The place right before the farm's time came to this one; `None`: it has not yet. Before the first heartbeat of an epoch nobody
/// knows the time: the epoch's beginning stands for it.
fn before(reader: &Reader, heartbeat: SeriesId, time: UnixMillis) -> Result<Option<Position>, CacheError> {
    for info in reader.epochs()? {
        let Some(first) = reader.first_number_at(info.epoch, time)? else { continue };
        let from_there = first.saturating_sub(1);
        let Some(number) = beat(reader, heartbeat, info.epoch, from_there..info.last, time)? else {
            continue;
        };
        let is_first = beat(reader, heartbeat, info.epoch, 0..number - 1, UnixMillis::MIN)?.is_none();
        return Ok(Some(Position { epoch: info.epoch, number: if is_first { 0 } else { number - 1 } }));
    }
    Ok(None)
}

/// The first heartbeat behind one number and up to another, of this time or later. It is a batch of its own.
fn beat(
    reader: &Reader,
    heartbeat: SeriesId,
    epoch: Epoch,
    numbers: Range<u64>,
    since: UnixMillis,
) -> Result<Option<u64>, CacheError> {
    let mut after = numbers.start;
    while after < numbers.end {
        let request = ReadRequest {
            series: &[heartbeat],
            epoch,
            after,
            through: numbers.end,
            times: Some(since..UnixMillis::MAX),
            max_samples: 1,
        };
        let answer = reader.read_in_order(&request)?;
        if let Some(number) = answer.batches.first().and_then(|batch| batch.numbers.at(0)) {
            return Ok(Some(number));
        }
        if answer.through <= after {
            break;
        }
        after = answer.through;
    }
    Ok(None)
}
