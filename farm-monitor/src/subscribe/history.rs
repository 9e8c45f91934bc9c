//! History: from the cache, in windows of numbers, each followed by progress, so that a subscriber can be cut anywhere.

use super::feed::{Ask, Feed, READ_SAMPLES, Stop};
use hedgerow_cache::EpochEnd;
use hedgerow_model::{Epoch, NumberRange, Position};
use tonic::Status;

/// Numbers to read: of one epoch, and whether it ends there.
#[derive(Debug, Clone, Copy)]
struct Segment {
    range: NumberRange,
    ended: bool,
}

/// Sends everything up to the admission.
pub async fn run(feed: &mut Feed) -> Result<(), Stop> {
    for segment in segments(feed).await? {
        segment_of(feed, segment).await?;
    }
    Ok(())
}

/// What is to be read, epoch by epoch.
async fn segments(feed: &mut Feed) -> Result<Vec<Segment>, Stop> {
    let reader = feed.reader.clone();
    let epochs = feed.blocking(move || reader.epochs()).await?;
    let current = feed.plan.admitted;
    let last_of = |epoch: Epoch| {
        if epoch == current.epoch {
            return Some((current.number, false));
        }
        epochs.iter().find(|info| info.epoch == epoch).map(|info| (info.last, info.end != EpochEnd::Running))
    };
    let unknown = |epoch: Epoch| {
        let text =
            format!("epoch {epoch} is not known here: the farm's cache was replaced since; subscribe anew");
        Stop::Failed(Box::new(Status::invalid_argument(text)))
    };
    if !feed.plan.ranges.is_empty() {
        let mut segments = Vec::new();
        for range in feed.plan.ranges.clone() {
            let (last, ended) = last_of(range.epoch).ok_or_else(|| unknown(range.epoch))?;
            let through = range.through.min(last);
            let range = NumberRange { after: range.after.min(through), through, ..range };
            segments.push(Segment { range, ended: ended && range.through == last });
        }
        return Ok(segments);
    }
    let start = feed.plan.position;
    if let Some(start) = start
        && last_of(start.epoch).is_none_or(|(last, _)| last < start.number)
    {
        return Err(unknown(start.epoch));
    }
    let all =
        epochs.iter().map(|info| info.epoch).filter(|epoch| *epoch < current.epoch).chain([current.epoch]);
    let segments = all.filter(|epoch| start.is_none_or(|start| *epoch >= start.epoch)).filter_map(|epoch| {
        let (through, ended) = last_of(epoch)?;
        let after = start.filter(|start| start.epoch == epoch).map_or(0, |start| start.number);
        Some(Segment { range: NumberRange { epoch, after, through }, ended })
    });
    Ok(segments.collect())
}

/// Says of everything up to the admission that it is told, for those who were told of it in another form.
pub async fn chain_through(feed: &mut Feed) -> Result<(), Stop> {
    for Segment { range, ended } in segments(feed).await? {
        feed.position = Position { epoch: range.epoch, number: range.after };
        let (reader, ids) = (feed.reader.clone(), feed.matching());
        let NumberRange { epoch, after, through } = range;
        let gaps = feed.blocking(move || reader.gaps(epoch, after, through, Some(&ids))).await?;
        feed.gaps(gaps);
        if ended {
            gaps_behind(feed, range).await?;
        }
        feed.progress(epoch, through, ended);
    }
    Ok(feed.out.send().await?)
}

async fn segment_of(feed: &mut Feed, segment: Segment) -> Result<(), Stop> {
    let Segment { range, ended } = segment;
    // A range of a query begins where it was asked to, not where the one before ended.
    feed.position = Position { epoch: range.epoch, number: range.after };
    let watermark = feed.plan.watermark;
    let seam = match range.epoch.cmp(&watermark.epoch) {
        std::cmp::Ordering::Less => range.through,
        std::cmp::Ordering::Equal => watermark.number.clamp(range.after, range.through),
        std::cmp::Ordering::Greater => range.after,
    };
    read_through(feed, range.epoch, seam, true).await?;
    read_through(feed, range.epoch, range.through, false).await?;
    // Also where there was nothing to read: that, too, is an answer.
    if ended {
        gaps_behind(feed, range).await?;
    }
    if ended || range.after == range.through {
        feed.progress(range.epoch, range.through, ended);
    }
    Ok(feed.out.send().await?)
}

/// Sends what lies between the feed's position and `through`, in windows. After the watermark a sample's time does not count,
/// but for the window's end.
pub async fn read_through(feed: &mut Feed, epoch: Epoch, through: u64, history: bool) -> Result<(), Stop> {
    while feed.position.number < through {
        let request = Ask {
            series: feed.matching(),
            epoch,
            after: feed.position.number,
            through,
            times: if history { feed.history_times() } else { None },
            max_samples: READ_SAMPLES,
        };
        let answer = feed.read(request).await?;
        feed.gaps(answer.gaps);
        for numbered in answer.batches {
            feed.give(numbered, history).await?;
        }
        for mark in &answer.life {
            feed.life(mark);
        }
        let reached = answer.through.clamp(feed.position.number, through);
        if reached == feed.position.number {
            let text = format!("the cache made no progress behind number {reached} of epoch {epoch}");
            return Err(Stop::Failed(Box::new(Status::internal(text))));
        }
        feed.progress(epoch, reached, false);
        feed.out.send().await?;
    }
    Ok(())
}

/// Tells what nobody knows of an epoch behind its last number.
async fn gaps_behind(feed: &mut Feed, range: NumberRange) -> Result<(), Stop> {
    let reader = feed.reader.clone();
    let gaps = feed.blocking(move || reader.gaps(range.epoch, range.through, LAST_NUMBER, None)).await?;
    feed.gaps(gaps);
    Ok(())
}

/// Higher than any number will be, and still a number that SQLite can compare.
const LAST_NUMBER: u64 = i64::MAX as u64;
