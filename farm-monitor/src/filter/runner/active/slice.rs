//! A slice: as much of the input as a filter is given before others have their turn. It runs on the threads of filters.

use crate::filter::feed::{Item as Fed, Missing};
use crate::filter::runner::history::Consumed;
use crate::hub::Hub;
use hedgerow_filter_host::guest::{Fault, GapReason};
use hedgerow_filter_host::run::{Item, MAX_TIMES, Place, Progress, Run, Step};
use hedgerow_model::{SeriesId, UnixMillis};
use std::collections::VecDeque;

/// Processor time of a slice, in nanoseconds; the call that goes past it is the last one.
const SLICE_NS: u64 = 10_000_000;
/// What may come of a slice, in samples emitted and other effects, where no single call makes more; and [`MAX_TIMES`], so that
/// it takes the hub little.
const SLICE_EFFECTS: usize = 16_384;

/// What came of an item.
pub struct Done {
    /// Where it was given.
    pub place: Place,
    /// What came of it.
    pub step: Step,
}

/// What came of a slice.
pub struct Slice {
    /// The run that it was given to.
    pub run: Box<Run>,
    /// Not given yet.
    pub left: VecDeque<Fed>,
    /// What came of what was.
    pub done: Vec<Done>,
    /// Why the filter was stopped.
    pub fault: Option<Fault>,
    /// How far it was with the last thing that has to be done once.
    pub progress: Option<Progress>,
    /// The last heartbeat in it.
    pub heard: Option<UnixMillis>,
}

/// Gives a slice. `consumed`: to be told where the run is, for what it reads back.
pub fn slice(run: Box<Run>, left: VecDeque<Fed>, hub: &Hub, consumed: Option<&Consumed>) -> Slice {
    let mut slice = Slice { run, left, done: Vec::new(), fault: None, progress: None, heard: None };
    let (began, mut effects, mut times) = (slice.run.cost().cpu_ns, 0, 0);
    while let Some(item) = slice.left.pop_front() {
        if let Some(consumed) = consumed {
            consumed.note(&slice.run);
        }
        let step = match give(&mut slice.run, &item, hub) {
            Ok(step) => step,
            Err(fault) => {
                slice.fault = Some(fault);
                break;
            }
        };
        if let Fed::Accepted { heartbeat: Some(time), .. } = item {
            slice.heard = Some(time);
        }
        if !step.is_empty() {
            if !(step.batches.is_empty() && step.alarms.is_empty() && step.actions.is_empty()) {
                slice.progress = Some(slice.run.progress());
            }
            times += step.times;
            effects += 1 + step.batches.iter().map(|batch| batch.len()).sum::<usize>();
            slice.done.push(Done { place: slice.run.place(), step });
        }
        let much = effects >= SLICE_EFFECTS || times >= MAX_TIMES;
        if much || slice.run.cost().cpu_ns.saturating_sub(began) >= SLICE_NS {
            break;
        }
    }
    slice
}

fn give(run: &mut Run, item: &Fed, hub: &Hub) -> Result<Step, Fault> {
    let defs = |id: SeriesId| hub.def(id);
    match item {
        Fed::Accepted { through, batch, heartbeat } => {
            let (through, heartbeat) = (*through, *heartbeat);
            run.give(Item::Accepted { through, batch: batch.as_deref(), heartbeat }, &defs)
        }
        Fed::Life(epoch, mark) => run.give(Item::Life(*epoch, mark), &defs),
        Fed::Gap { through, reason, count } => {
            let (through, count) = (*through, *count);
            let reason = match reason {
                Missing::Retention => GapReason::Retention,
                Missing::Lag => GapReason::Lag,
                Missing::Lost => GapReason::Lost,
            };
            run.give(Item::Gap { through, reason, count }, &defs)
        }
        Fed::Redeclared(id) => {
            run.redeclared(*id);
            Ok(Step::default())
        }
    }
}
