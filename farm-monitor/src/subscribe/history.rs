//! History: from the cache, in windows of numbers, each followed by progress, so that a subscriber can be cut anywhere.

use super::feed::{Ask, Feed, READ_SAMPLES, Stop};
use hedgerow_cache::{EpochEnd, EpochInfo};
use hedgerow_model::{Epoch, Gap, GapReason, GapScope, NumberRange, Position};
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

/// What is to be read, epoch by epoch. Of an epoch older than all that is known here nothing is left: that is told as a gap.
async fn segments(feed: &mut Feed) -> Result<Vec<Segment>, Stop> {
    let reader = feed.reader.clone();
    let epochs = feed.blocking(move || reader.epochs()).await?;
    let known = Known { epochs, current: feed.plan.admitted };
    let mut segments = Vec::new();
    if !feed.plan.ranges.is_empty() {
        for range in feed.plan.ranges.clone() {
            match known.last(range.epoch, range.after) {
                Last::Is(last, ended) => {
                    let through = range.through.min(last);
                    let ended = ended && range.through >= last;
                    let range = NumberRange { after: range.after.min(through), through, ..range };
                    segments.push(Segment { range, ended });
                }
                Last::Forgotten => {
                    feed.gaps(vec![forgotten(range.epoch, range.after, Some(range.through))]).await?
                }
                Last::Unknown => return Err(unknown(range.epoch)),
            }
        }
        return Ok(segments);
    }
    let mut start = feed.plan.position;
    if let Some(position) = start {
        match known.last(position.epoch, position.number) {
            Last::Is(last, _) if position.number <= last => {}
            Last::Forgotten => {
                feed.gaps(vec![forgotten(position.epoch, position.number, None)]).await?;
                start = None;
            }
            Last::Is(..) | Last::Unknown => return Err(unknown(position.epoch)),
        }
    }
    let current = known.current.epoch;
    let oldest = known.epochs.first();
    if start.is_none()
        && feed.hub.set_aside().is_some()
        && oldest.is_some_and(|oldest| feed.plan.since.is_some_and(|since| since < oldest.opened))
    {
        // Nobody knows any more what the damaged file had, not even the random part of its epochs.
        let lost = Epoch {
            start: oldest.map_or(0, |oldest| oldest.epoch.start).saturating_sub(1).max(1),
            random: 0,
        };
        feed.gaps(vec![Gap { reason: GapReason::Corruption, ..forgotten(lost, 0, None) }]).await?;
    }
    let all = known.epochs.iter().map(|info| info.epoch).filter(|epoch| *epoch < current).chain([current]);
    for epoch in all.filter(|epoch| start.is_none_or(|start| *epoch >= start.epoch)) {
        let after = start.filter(|start| start.epoch == epoch).map_or(0, |start| start.number);
        if let Last::Is(through, ended) = known.last(epoch, after) {
            // It had ended when the next one began.
            let next = known.epochs.iter().find(|info| info.epoch > epoch).map(|info| info.opened);
            let since = feed.plan.since.filter(|_| start.is_none());
            if since.zip(next).is_some_and(|(since, next)| next < since) {
                feed.past.push(epoch);
            }
            segments.push(Segment { range: NumberRange { epoch, after, through }, ended });
        }
    }
    Ok(segments)
}

/// The epochs that the cache knows, and how far the running one had come at the admission.
struct Known {
    epochs: Vec<EpochInfo>,
    current: Position,
}

/// The last number of an epoch.
enum Last {
    /// This, and whether the epoch is over.
    Is(u64, bool),
    /// Nothing is left of it.
    Forgotten,
    /// Never heard of.
    Unknown,
}

impl Known {
    /// The last number of `epoch`, of which somebody knows `number`: one more than it ever had is no number of it.
    fn last(&self, epoch: Epoch, number: u64) -> Last {
        if epoch == self.current.epoch {
            return Last::Is(self.current.number, false);
        }
        match self.epochs.iter().find(|info| info.epoch == epoch) {
            // A crash may have taken what was shown: then the position lies in the gap, and reading goes on behind it.
            Some(info) if info.end == EpochEnd::Crashed => Last::Is(info.last.max(number), true),
            Some(info) => Last::Is(info.last, info.end != EpochEnd::Running),
            None if self.epochs.first().is_some_and(|oldest| epoch.start < oldest.epoch.start) => {
                Last::Forgotten
            }
            None => Last::Unknown,
        }
    }
}

fn unknown(epoch: Epoch) -> Stop {
    let text =
        format!("epoch {epoch} is not one of this farm, or of another copy of its cache: subscribe anew");
    Stop::Failed(Box::new(Status::invalid_argument(text)))
}

/// All of an epoch behind `after` is gone; without `to`: up to the next epoch that is told of.
fn forgotten(epoch: Epoch, after: u64, to: Option<u64>) -> Gap {
    Gap { epoch, scope: GapScope::Farm, from: after + 1, to, count: None, reason: GapReason::Retention }
}

/// Says of everything up to the admission that it is told, for those who were told of it in another form.
pub async fn chain_through(feed: &mut Feed) -> Result<(), Stop> {
    for Segment { range, ended } in segments(feed).await? {
        feed.position = Position { epoch: range.epoch, number: range.after };
        let (reader, ids) = (feed.reader.clone(), feed.matching());
        let NumberRange { epoch, after, through } = range;
        let gaps = feed.blocking(move || reader.gaps(epoch, after, through, Some(&ids))).await?;
        feed.gaps(gaps).await?;
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
        feed.gaps(answer.gaps).await?;
        for numbered in answer.batches {
            feed.give(numbered, history).await?;
        }
        // Of what was so before the window, only what still is counts: it is told behind history.
        let since = feed.plan.since.filter(|_| history && feed.plan.ranges.is_empty());
        for mark in answer.life.iter().filter(|mark| since.is_none_or(|since| mark.time >= since)) {
            feed.life(mark).await?;
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
    feed.gaps(gaps).await?;
    Ok(())
}

/// Higher than any number will be, and still a number that SQLite can compare.
const LAST_NUMBER: u64 = i64::MAX as u64;
