//! What is stored, as items: over epochs, in number order, with marks of life and gaps in their places.
//!
//! It only reads, and knows no clock: whoever reads the same cache gets the same items. A backtest is this alone.
//!
//! **Gaps.** A low-water mark (retention, quota, a full disk) that reaches beyond the position is skipped as a whole. Any
//! other gap is told where it begins; a batch that it begins in is left out with it. So a gap ends at a number, and who
//! goes on behind that is not told it again.

use super::{Item, Missing, series};
use hedgerow_cache::{CacheError, EpochInfo, ReadRequest, Reader};
use hedgerow_model::{Epoch, Gap, GapScope, LifeMark, Numbered, Position, SeriesId, UnixMillis};
use std::sync::Arc;

/// About how many samples are read at once: a few MiB.
const READ_SAMPLES: usize = 16_384;
/// Higher than any number, and still one that SQLite can compare.
const LAST_NUMBER: u64 = i64::MAX as u64;

/// What of the input is from before the deployment came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookBack {
    /// Samples from this time on,
    pub since: UnixMillis,
    /// numbered up to here.
    pub through: Position,
}

/// A place in what is stored.
#[derive(Debug, Clone)]
pub struct Walk {
    position: Position,
    look_back: Option<LookBack>,
    /// The id of the last mark of life given in this epoch.
    mark: i64,
}

/// The place right before the first sample of a look-back.
pub(super) fn first_behind(reader: &Reader, look_back: LookBack) -> Result<Position, CacheError> {
    for info in reader.epochs()? {
        if info.epoch > look_back.through.epoch {
            break;
        }
        if let Some(first) = reader.first_number_at(info.epoch, look_back.since)? {
            return Ok(Position { epoch: info.epoch, number: first.saturating_sub(1) }.min(look_back.through));
        }
    }
    Ok(look_back.through)
}

impl Walk {
    /// Behind a position; changes of life that stand right behind it are all given.
    pub fn new(position: Position, look_back: Option<LookBack>) -> Self {
        Self { position, look_back, mark: i64::MIN }
    }

    /// Everything up to here was given.
    pub fn position(&self) -> Position {
        self.position
    }

    /// As it was begun with.
    pub fn look_back(&self) -> Option<LookBack> {
        self.look_back
    }

    /// What comes up to this number of the running epoch was given by other means.
    pub(super) fn pass(&mut self, number: u64) {
        self.position.number = self.position.number.max(number);
    }

    /// Whether a mark of the running epoch is still to be given; then it is passed.
    pub(super) fn pass_mark(&mut self, id: i64, mark: &LifeMark) -> bool {
        let new = id > self.mark;
        if new {
            self.mark = id;
            self.pass(mark.after);
        }
        new
    }

    fn go_to(&mut self, position: Position) {
        if position.epoch != self.position.epoch {
            self.mark = i64::MIN;
        }
        self.position = position;
    }

    /// Skips to `end` where more than `max_behind` samples, whoever wants them, lie between.
    pub(super) fn skip_if_behind(
        &mut self,
        reader: &Reader,
        wanted: &[SeriesId],
        heartbeat: Option<(SeriesId, bool)>,
        end: Position,
        max_behind: u64,
    ) -> Result<Vec<Item>, CacheError> {
        // A look-back is long by nature; what has come since counts.
        let from = self.look_back.map_or(self.position, |look_back| self.position.max(look_back.through));
        if from.epoch == end.epoch && end.number.saturating_sub(from.number) <= max_behind {
            return Ok(Vec::new());
        }
        let here = |info: &EpochInfo| (from.epoch..=end.epoch).contains(&info.epoch);
        let ranges: Vec<(Epoch, u64, u64)> = reader
            .epochs()?
            .into_iter()
            .filter(here)
            .map(|info| {
                let after = if info.epoch == from.epoch { from.number } else { 0 };
                (info.epoch, after, if info.epoch == end.epoch { end.number } else { info.last })
            })
            .collect();
        let behind: u64 = ranges.iter().map(|(_, after, through)| through.saturating_sub(*after)).sum();
        if behind <= max_behind || self.position < from {
            return Ok(Vec::new());
        }
        let mut counted = wanted.to_vec();
        counted.retain(|id| heartbeat != Some((*id, false)));
        let mut count = 0;
        for (epoch, after, through) in ranges.into_iter().filter(|(_, after, through)| after < through) {
            count += reader.count(&counted, epoch, after, through)?;
        }
        self.go_to(end);
        Ok(vec![Item::Gap { through: end, reason: Missing::Lag, count: Some(count) }])
    }

    /// Adds what comes next, up to `end`; says whether that was all. `wanted` has the heartbeat, too; `heartbeat` is its id,
    /// and whether it is wanted for itself.
    ///
    /// # Errors
    /// Where the cache cannot be read; then the place is as it was, but for items already added.
    pub fn step(
        &mut self,
        reader: &Reader,
        wanted: &[SeriesId],
        heartbeat: Option<(SeriesId, bool)>,
        end: Position,
        items: &mut Vec<Item>,
    ) -> Result<bool, CacheError> {
        let through = if self.position.epoch == end.epoch {
            end.number
        } else {
            let epochs = reader.epochs()?;
            match epochs.iter().find(|info| info.epoch == self.position.epoch) {
                Some(info) => info.last,
                None => return Ok(self.leave_unknown(&epochs, end, items)),
            }
        };
        let old = self.look_back.filter(|look_back| self.position < look_back.through);
        let through = match old {
            Some(look_back) if look_back.through.epoch == self.position.epoch => {
                through.min(look_back.through.number)
            }
            _ => through,
        };
        let request = ReadRequest {
            series: wanted,
            epoch: self.position.epoch,
            after: self.position.number,
            through: through.max(self.position.number),
            times: old.map(|look_back| look_back.since..UnixMillis::MAX),
            max_samples: READ_SAMPLES,
        };
        let answer = reader.read_in_order(&request)?;
        let (low, gaps): (Vec<Gap>, Vec<Gap>) =
            answer.gaps.into_iter().partition(|gap| gap.from == 1 && gap.to.is_some());
        if let Some(low) = low.iter().max_by_key(|gap| gap.to).filter(|gap| gap.to > Some(request.after)) {
            let number = low.to.unwrap_or_default().min(request.through).max(request.after);
            if number > request.after {
                self.go_to(Position { number, ..self.position });
                items.push(Item::Gap { through: self.position, reason: low.reason.into(), count: None });
                return Ok(self.position >= end);
            }
        }
        let told = |mark: &LifeMark| old.is_none_or(|look_back| mark.time >= look_back.since);
        let marks = answer.life.into_iter().filter(|(id, mark)| *id > self.mark && told(mark)).collect();
        self.lay_out(answer.batches, marks, gaps, heartbeat, items);
        let reached = answer.through.clamp(request.after, request.through);
        self.pass(reached);
        if self.position >= end {
            return Ok(true);
        }
        let is_end = self.position.epoch != end.epoch
            && reached == request.through
            && old.is_none_or(|look_back| look_back.through != self.position);
        if is_end {
            self.leave_epoch(reader, wanted, end, items)?;
        }
        Ok(false)
    }

    /// Batches, marks and gaps of one answer, in the order in which they stand.
    fn lay_out(
        &mut self,
        batches: Vec<Numbered>,
        marks: Vec<(i64, LifeMark)>,
        gaps: Vec<Gap>,
        heartbeat: Option<(SeriesId, bool)>,
        items: &mut Vec<Item>,
    ) {
        let epoch = self.position.epoch;
        let mut marks = marks.into_iter().peekable();
        let after = self.position.number;
        let mut gaps = gaps.into_iter().filter(|gap| gap.from > after && gap.to.is_some()).peekable();
        for numbered in batches {
            let number = |at: usize| numbered.numbers.at(at).unwrap_or_default();
            let (first, last) = (number(0), number(numbered.batch.len().saturating_sub(1)));
            let mut left_out = false;
            loop {
                let gap = gaps.peek().map_or(u64::MAX, |gap| gap.from);
                let mark = marks.peek().map_or(u64::MAX, |(_, mark)| mark.after);
                if mark < first && mark < gap {
                    items.extend(marks.next().map(|(id, mark)| self.mark_item(id, mark)));
                } else if gap < last {
                    let Some(gap) = gaps.next() else { break };
                    if gap.from < first {
                        items.push(gap_item(&gap, Position { epoch, number: gap.from }, 0));
                    } else if !left_out {
                        left_out = true;
                        let through = Position { epoch, number: last };
                        items.push(gap_item(&gap, through, numbered.batch.len() as u64));
                    }
                } else {
                    break;
                }
            }
            if !left_out {
                items.extend(series::accepted(Arc::new(numbered), heartbeat));
            }
        }
        loop {
            let gap = gaps.peek().map_or(u64::MAX, |gap| gap.from);
            match marks.peek() {
                Some((_, mark)) if mark.after < gap => {
                    items.extend(marks.next().map(|(id, mark)| self.mark_item(id, mark)));
                }
                _ => match gaps.next() {
                    Some(gap) => items.push(gap_item(&gap, Position { epoch, number: gap.from }, 0)),
                    None => break,
                },
            }
        }
    }

    fn mark_item(&mut self, id: i64, mark: LifeMark) -> Item {
        self.mark = self.mark.max(id);
        Item::Life(self.position.epoch, mark)
    }

    /// On to the next epoch: all of this one was given but what was lost at its end.
    fn leave_epoch(
        &mut self,
        reader: &Reader,
        wanted: &[SeriesId],
        end: Position,
        items: &mut Vec<Item>,
    ) -> Result<(), CacheError> {
        let (epoch, last) = (self.position.epoch, self.position.number);
        let next = reader.epochs()?.into_iter().map(|info| info.epoch).find(|other| *other > epoch);
        let position = Position { epoch: next.unwrap_or(end.epoch), number: 0 };
        let gaps = reader.gaps(epoch, last, LAST_NUMBER, Some(wanted))?;
        if let Some(gap) = gaps.into_iter().find(|gap| gap.to.is_none()) {
            items.push(gap_item(&gap, position, 0));
        }
        self.go_to(position);
        Ok(())
    }

    /// The cache knows nothing of this epoch any more.
    fn leave_unknown(&mut self, epochs: &[EpochInfo], end: Position, items: &mut Vec<Item>) -> bool {
        let next = epochs.iter().map(|info| info.epoch).find(|other| *other > self.position.epoch);
        self.go_to(Position { epoch: next.unwrap_or(end.epoch), number: 0 });
        items.push(Item::Gap { through: self.position, reason: Missing::Retention, count: None });
        self.position >= end
    }
}

/// How many samples are missing is known where the gap is of one series.
fn gap_item(gap: &Gap, through: Position, left_out: u64) -> Item {
    let count = gap.count.filter(|_| matches!(gap.scope, GapScope::Series(_))).map(|count| count + left_out);
    Item::Gap { through, reason: gap.reason.into(), count }
}
