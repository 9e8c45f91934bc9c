//! Subscriptions to bins: history slice by slice of time, then live, each bin given once after its close.
//!
//! Bins are made from times, not from numbers: so history is read by time, whatever the numbers, up to the watermark; what
//! is accepted later goes to open bins, or is counted as late. A token remembers up to where bins were given.

use super::bins::{Bin, Bins, Closed, Point, floor};
use super::feed::{Ask, Feed, READ_SAMPLES, Stop};
use super::outbox::MESSAGE_BYTES;
use super::tail::GRACE;
use crate::hub::{LiveItem, holds};
use hedgerow_model::predicate::Aggregate;
use hedgerow_model::{Columns, Numbered, Position, SeriesId, UnixMillis, Value};
use hedgerow_proto::convert::batch::columns_to_wire;
use hedgerow_proto::farm::{Bins as WireBins, bins as wire, end, item};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How many bins of history are made at a time, all series together: what a feed holds in memory of them.
const SLICE_BINS: usize = 65_536;
/// How many series one item of bins has at most, so that no message is larger than a client takes: of numbers, and of texts.
const ITEM_NUMBERS: usize = 2048;
const ITEM_TEXTS: usize = 32;
/// By how much the next slice of time is longer than one that was nearly empty, or shorter than one that had too many bins.
const SLICE_STEP: i64 = 4;

/// Gives bins until the window's end, or until the farm stops.
pub async fn run(feed: &mut Feed) -> Result<end::Reason, Stop> {
    let width = width(feed);
    let start = match (feed.plan.bins, feed.plan.since) {
        (Some(given), _) => given,
        (None, Some(since)) => floor(since, width),
        // The running bin is not whole any more: the first is the next one.
        (None, None) => floor(feed.plan.now, width).saturating_add(width),
    };
    let mut bins = Bins::new(width, start);
    let admitted = feed.plan.admitted;
    let whole = closable(feed, feed.plan.now).max(start);
    let mut from = start;
    let mut slice = first_slice(feed, width);
    while from < whole {
        let to = from.saturating_add(slice).min(whole);
        let most = if slice > width { SLICE_BINS } else { usize::MAX };
        if !read_slice(feed, &mut bins, from..to, admitted, most).await? {
            // More series were heard in that time than before it: again, with less of it at once.
            bins.forget_open();
            feed.rates.forget();
            slice = floor(slice / SLICE_STEP, width).max(width);
            continue;
        }
        if bins.open() < SLICE_BINS / 8 {
            // Nobody asks how much of the time since 1970 is empty.
            slice = slice.saturating_mul(SLICE_STEP);
        }
        let closed = bins.close(to);
        give(feed, &mut bins, closed).await?;
        from = to;
    }
    let until = feed.plan.until.unwrap_or(UnixMillis::MAX);
    if from < until {
        read_slice(feed, &mut bins, from..until, admitted, usize::MAX).await?;
    }
    if feed.plan.finite {
        // What a query asks of a bin that is not over yet is answered with what there is of it.
        let closed = bins.close_all();
        give(feed, &mut bins, closed).await?;
        feed.plan.bins = Some(whole);
    }
    super::history::chain_through(feed).await?;
    if feed.plan.finite { Ok(end::Reason::Complete) } else { live(feed, &mut bins).await }
}

fn width(feed: &Feed) -> i64 {
    let width = feed.plan.every().map_or(Duration::from_secs(1), |every| every.width);
    i64::try_from(width.as_millis()).unwrap_or(i64::MAX).max(1)
}

/// Up to where bins may be closed at `now`: samples are a little late by nature.
fn closable(feed: &Feed, now: UnixMillis) -> UnixMillis {
    let grace = UnixMillis::try_from(GRACE.as_millis()).unwrap_or_default();
    let width = width(feed);
    let settled = floor(now.saturating_sub(grace), width);
    // A window that ends within a bin ends with it.
    let end = feed.plan.until.map_or(UnixMillis::MAX, |until| floor(until.saturating_add(width - 1), width));
    settled.min(end)
}

fn first_slice(feed: &Feed, width: i64) -> i64 {
    let series = feed.matching().len().max(1);
    width.saturating_mul(i64::try_from((SLICE_BINS / series).max(1)).unwrap_or(1))
}

/// Adds what was accepted up to `admitted` with these times; false, and not all of it, where more than `most` bins are open.
async fn read_slice(
    feed: &mut Feed,
    bins: &mut Bins,
    times: Range<UnixMillis>,
    admitted: Position,
    most: usize,
) -> Result<bool, Stop> {
    let reader = feed.reader.clone();
    let epochs = feed.blocking(move || reader.epochs()).await?;
    let until = feed.plan.until.unwrap_or(UnixMillis::MAX);
    let times = times.start..times.end.min(until);
    let ids = feed.matching();
    for info in epochs.into_iter().filter(|info| info.epoch <= admitted.epoch) {
        let through = if info.epoch == admitted.epoch { admitted.number } else { info.last };
        let mut after = 0;
        while after < through {
            let request = Ask {
                series: ids.clone(),
                epoch: info.epoch,
                after,
                through,
                times: Some(times.clone()),
                max_samples: READ_SAMPLES,
            };
            let answer = feed.read(request).await?;
            for numbered in answer.batches {
                add(feed, bins, &Arc::new(numbered)).await?;
            }
            if bins.open() > most {
                return Ok(false);
            }
            if answer.through <= after {
                break;
            }
            after = answer.through;
        }
    }
    Ok(true)
}

/// Adds samples to their bins; those of counters as rates.
async fn add(feed: &mut Feed, bins: &mut Bins, numbered: &Arc<Numbered>) -> Result<(), Stop> {
    feed.seed(numbered).await?;
    // A bin has no sample before it from which a text could be known.
    let numbered = feed.texts.fill(&feed.hub, Arc::clone(numbered), true);
    let batch = &numbered.batch;
    let constraint = feed.plan.predicate.constraint.clone();
    let until = feed.plan.until.unwrap_or(UnixMillis::MAX);
    let mut marks = batch.marks.iter().peekable();
    for (at, value) in batch.values.iter().enumerate() {
        let mark = marks.next_if(|(position, _)| *position as usize == at).map(|(_, mark)| *mark);
        let (id, time) = (batch.series[at], batch.times.at(at));
        let kind = feed.kind_of(id);
        let increase = |value: &Value| feed.rates.increase(id, time, value, mark);
        let Some(point) = Point::of(kind, value, increase) else { continue };
        let holds = constraint.as_ref().is_none_or(|wanted| holds(wanted, kind, &point.value()));
        if holds && time < until {
            bins.add(id, time, point);
        }
    }
    Ok(())
}

/// Sends closed bins.
async fn give(feed: &mut Feed, bins: &mut Bins, closed: Vec<Closed>) -> Result<(), Stop> {
    let aggregates = feed.plan.every().map(|every| every.aggregates.clone()).unwrap_or_default();
    let width_ms = width(feed).unsigned_abs();
    for (start, series) in closed {
        for numeric in [true, false] {
            let told: Vec<(SeriesId, Bin)> = series
                .iter()
                .filter(|(_, bin)| bin.is_numeric() == numeric)
                .map(|(id, bin)| (*id, bin.clone()))
                .collect();
            let asked: Vec<Aggregate> = aggregates
                .iter()
                .copied()
                .filter(|aggregate| numeric || matches!(aggregate, Aggregate::Last | Aggregate::Count))
                .collect();
            if asked.is_empty() {
                continue;
            }
            for told in told.chunks(if numeric { ITEM_NUMBERS } else { ITEM_TEXTS }) {
                let ids: Vec<SeriesId> = told.iter().map(|(id, _)| *id).collect();
                feed.tell(&ids).await?;
                let columns = asked.iter().map(|aggregate| {
                    let mut values = Columns::default();
                    told.iter().for_each(|(_, bin)| values.push(bin.aggregate(*aggregate)));
                    wire::Column { aggregate: *aggregate as i32, values: Some(columns_to_wire(&values)) }
                });
                let columns = columns.collect();
                feed.out.samples += told.len() as u64;
                let (series, late) = (ids.iter().map(|id| id.0).collect(), bins.take_late());
                feed.out.item(item::Item::Bins(WireBins { start, width_ms, series, columns, late }));
                feed.out.send_if_full().await?;
            }
        }
    }
    feed.plan.bins = Some(bins.closed());
    Ok(())
}

async fn live(feed: &mut Feed, bins: &mut Bins) -> Result<end::Reason, Stop> {
    let width = Duration::from_millis(width(feed).unsigned_abs());
    let mut tick = tokio::time::interval(width.clamp(Duration::from_millis(100), Duration::from_secs(1)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut drain = false;
        tokio::select! {
            _ = tick.tick() => {}
            () = feed.drain.clone().begun() => drain = true,
            () = feed.out.closed() => return Err(Stop::Gone),
        }
        feed.tell_alarms();
        let reached = take(feed, bins).await?;
        let now = feed.hub.now();
        let closed = bins.close(closable(feed, now));
        let given = !closed.is_empty();
        give(feed, bins, closed).await?;
        if given || reached > feed.position.number {
            feed.progress(feed.plan.admitted.epoch, reached, false);
        }
        feed.out.send().await?;
        if drain {
            return Ok(end::Reason::Draining);
        }
        if feed.plan.until.is_some_and(|until| bins.closed() >= until) {
            return Ok(end::Reason::Complete);
        }
    }
}

/// Adds what has come since the last time; says up to which number. What the channel has lost is read from the cache: a
/// subscriber to bins never misses a sample for being slow.
async fn take(feed: &mut Feed, bins: &mut Bins) -> Result<u64, Stop> {
    let mut reached = feed.position.number;
    loop {
        let routed = feed.hub.routed();
        match feed.cursor.take(MESSAGE_BYTES) {
            Ok((entries, all)) => {
                for entry in entries {
                    match &entry.item {
                        LiveItem::Batch(numbered) => {
                            reached = entry.item.last_number().unwrap_or(reached);
                            add(feed, bins, numbered).await?;
                        }
                        LiveItem::Life { mark, .. } => feed.life(mark).await?,
                        LiveItem::Redeclared(id) => feed.announced.forget(*id),
                    }
                }
                if all {
                    return Ok(reached.max(routed.number));
                }
            }
            Err(overtaken) => {
                let request = Ask {
                    series: feed.matching(),
                    epoch: routed.epoch,
                    after: reached,
                    through: overtaken.through,
                    times: None,
                    max_samples: READ_SAMPLES,
                };
                reached = read_numbers(feed, bins, request).await?;
            }
        }
    }
}

async fn read_numbers(feed: &mut Feed, bins: &mut Bins, mut request: Ask) -> Result<u64, Stop> {
    while request.after < request.through {
        let answer = feed.read(request.clone()).await?;
        for numbered in answer.batches {
            add(feed, bins, &Arc::new(numbered)).await?;
        }
        if answer.through <= request.after {
            break;
        }
        request.after = answer.through;
    }
    Ok(request.through)
}
