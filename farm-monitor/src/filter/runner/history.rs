//! What a filter reads back of its own input: stored samples that it was given, up to where it is. Not those from before its
//! look-back, and not those of a gap that it was told, although they may be stored: so it sees the same when the same input is
//! given again, in a backtest too. It runs within a call of the filter, on its thread and in its time.

use hedgerow_cache::{ReadRequest, Reader};
use hedgerow_filter_host::guest::{GuestBatch, HistorySource, Reading};
use hedgerow_filter_host::run::{GapTold, Handled, Recall, Run};
use hedgerow_model::{Position, SeriesId, UnixMillis};
use parking_lot::Mutex;
use std::sync::Arc;

/// Most samples in an answer, as the contract has it; where there are more the filter is told so.
const MAX_SAMPLES: usize = 65_536;
/// About how many samples are read at once.
const READ_SAMPLES: usize = 16_384;

/// What a run has consumed before the call under way.
#[derive(Debug, Clone, Default)]
pub struct Consumed(Arc<Mutex<Before>>);

#[derive(Debug, Clone, Default)]
struct Before {
    handles: Vec<Handled>,
    through: Option<Position>,
    /// What it was told that it is not given.
    gaps: Vec<GapTold>,
}

impl Consumed {
    /// Takes note of where the run is.
    pub fn note(&self, run: &Run) {
        let mut before = self.0.lock();
        let known = before.handles.len();
        before.handles.extend_from_slice(run.handles().get(known..).unwrap_or_default());
        before.through = Some(run.place().position);
        if before.gaps.last() != run.gaps().back() {
            before.gaps = run.gaps().iter().copied().collect();
        }
    }
}

/// Where the input of a deployment begins: behind a number; and of what is numbered up to there what its look-back has, from a
/// time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    /// The last number from before it came to be.
    pub through: Position,
    /// Where its look-back begins; `None`: it has none.
    pub since: Option<UnixMillis>,
}

/// See the module.
pub struct History {
    /// Of the cache.
    pub reader: Reader,
    /// How counters are given.
    pub reading: Reading,
    /// From where it may look; `None`: as far as there is anything.
    pub begin: Option<Begin>,
    /// How far it may look.
    pub consumed: Consumed,
}

impl HistorySource for History {
    fn read(&mut self, series: &[u32], since: UnixMillis, until: UnixMillis) -> Result<GuestBatch, String> {
        let Before { handles, through, gaps } = self.consumed.0.lock().clone();
        let Some(through) = through.filter(|_| since < until) else { return Ok(GuestBatch::default()) };
        // Of those that come with this call nothing was consumed before.
        let id = |handle: &u32| handles.get(*handle as usize).map(|handled| handled.id);
        let mut ids: Vec<SeriesId> = series.iter().filter_map(id).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut recall = Recall::new(self.reading, &handles);
        let unread = |error: hedgerow_cache::CacheError| format!("the farm cannot read it: {error}");
        for info in self.reader.epochs().map_err(unread)? {
            if info.epoch > through.epoch {
                break;
            }
            let last = if info.epoch == through.epoch { through.number } else { info.last };
            let mut after = 0;
            while after < last {
                let place = Position { epoch: info.epoch, number: after };
                if let Some(behind) = not_given(self.begin, &gaps, place) {
                    after = if behind.epoch == info.epoch { behind.number } else { last };
                    continue;
                }
                let (stop, from) = given(self.begin, &gaps, place);
                let request = ReadRequest {
                    series: &ids,
                    epoch: info.epoch,
                    after,
                    through: stop.min(last),
                    times: Some(since.max(from)..until.max(from)),
                    max_samples: READ_SAMPLES,
                };
                let answer = self.reader.read_in_order(&request).map_err(unread)?;
                answer.batches.iter().for_each(|numbered| recall.add(&numbered.batch));
                if recall.samples() > MAX_SAMPLES {
                    return Err(format!("there are more than {MAX_SAMPLES} samples: ask for less time"));
                }
                after = answer.through.max(after + 1);
            }
        }
        Ok(recall.into_batch())
    }
}

/// Where what is not given behind this place ends; `None`: what comes next is.
fn not_given(begin: Option<Begin>, gaps: &[GapTold], place: Position) -> Option<Position> {
    let before = begin.filter(|begin| begin.since.is_none()).map(|begin| begin.through);
    let gap = gaps.iter().filter(|gap| gap.after <= place).map(|gap| gap.through);
    before.into_iter().chain(gap).find(|through| place < *through)
}

/// Up to which number of its epoch what follows this place is given alike, and from what time on.
fn given(begin: Option<Begin>, gaps: &[GapTold], place: Position) -> (u64, UnixMillis) {
    let begin = begin.filter(|begin| place < begin.through);
    let ends = begin.map(|begin| begin.through).into_iter().chain(gaps.iter().map(|gap| gap.after));
    let here = ends.filter(|end| end.epoch == place.epoch && *end > place).map(|end| end.number);
    let since = begin.and_then(|begin| begin.since).unwrap_or(UnixMillis::MIN);
    (here.min().unwrap_or(u64::MAX), since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hedgerow_filter_host::guest::GapReason;
    use hedgerow_model::Epoch;

    fn at(start: u64, number: u64) -> Position {
        Position { epoch: Epoch { start, random: 7 }, number }
    }

    #[test]
    fn what_was_not_given_is_passed_over_and_a_look_back_has_its_own_times() {
        let gap = |after, through| GapTold { after, through, reason: GapReason::Lag, count: None };
        let gaps = [gap(at(2, 20), at(2, 30)), gap(at(2, 90), at(3, 5))];
        let begin = |since| Some(Begin { through: at(2, 10), since });
        for (place, behind) in [
            (at(1, 0), Some(at(2, 10))),
            (at(2, 9), Some(at(2, 10))),
            (at(2, 10), None),
            (at(2, 19), None),
            (at(2, 20), Some(at(2, 30))),
            (at(2, 30), None),
            (at(2, 95), Some(at(3, 5))),
            (at(3, 0), Some(at(3, 5))),
            (at(3, 5), None),
        ] {
            assert_eq!(not_given(begin(None), &gaps, place), behind, "{place:?}");
        }
        assert_eq!(not_given(begin(Some(-5)), &gaps, at(1, 0)), None, "it has a look-back");
        assert_eq!(given(begin(Some(-5)), &gaps, at(1, 0)), (u64::MAX, -5));
        assert_eq!(given(begin(Some(-5)), &gaps, at(2, 3)), (10, -5));
        assert_eq!(given(begin(Some(-5)), &gaps, at(2, 10)), (20, UnixMillis::MIN));
        assert_eq!(given(begin(None), &gaps, at(2, 30)), (90, UnixMillis::MIN));
        assert_eq!(given(None, &[], at(1, 0)), (u64::MAX, UnixMillis::MIN));
    }
}
