//! What a filter reads back of its own input: stored samples of series that it was given, up to where it is. So it sees the same
//! when the same input is given again. It runs within a call of the filter, on its thread and in its time.

use hedgerow_cache::{ReadRequest, Reader};
use hedgerow_filter_host::guest::{GuestBatch, HistorySource, Reading};
use hedgerow_filter_host::run::{Handled, Recall, Run};
use hedgerow_model::{Position, SeriesId, UnixMillis};
use parking_lot::Mutex;
use std::sync::Arc;

/// Most samples in an answer, as the contract has it; where there are more the filter is told so.
const MAX_SAMPLES: usize = 65_536;
/// About how many samples are read at once.
const READ_SAMPLES: usize = 16_384;

/// What a run has consumed before the call under way.
#[derive(Debug, Clone, Default)]
pub struct Consumed(Arc<Mutex<(Vec<Handled>, Option<Position>)>>);

impl Consumed {
    /// Takes note of where the run is.
    pub fn note(&self, run: &Run) {
        let mut consumed = self.0.lock();
        let known = consumed.0.len();
        consumed.0.extend_from_slice(run.handles().get(known..).unwrap_or_default());
        consumed.1 = Some(run.place().position);
    }
}

/// See the module.
pub struct History {
    /// Of the cache.
    pub reader: Reader,
    /// How counters are given.
    pub reading: Reading,
    /// How far it may look.
    pub consumed: Consumed,
}

impl HistorySource for History {
    fn read(&mut self, series: &[u32], since: UnixMillis, until: UnixMillis) -> Result<GuestBatch, String> {
        let (handles, through) = self.consumed.0.lock().clone();
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
                let request = ReadRequest {
                    series: &ids,
                    epoch: info.epoch,
                    after,
                    through: last,
                    times: Some(since..until),
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
