//! One run outside any farm, for `hedgerow collect`: the same run as in the engine, its samples kept for the caller.

use super::run::{self, Context, Declared, Ended};
use super::{ApplyError, WallClock, made_by};
use crate::front_door::{Accepted, FrontDoor, OriginId};
use crate::module::{CollectError, Module};
use crate::spec::{CollectorSpec, Target};
use hedgerow_model::{Batch, Life, Mark, Refusal, SeriesDef, SeriesId, SeriesKey, UnixMillis, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What one run gave.
#[derive(Debug, Clone, PartialEq)]
pub struct OneRun {
    /// Its samples, `up` last.
    pub samples: Vec<OneSample>,
    /// What went wrong: the parts that failed (named), then the run itself.
    pub errors: Vec<(Option<String>, CollectError)>,
    /// How long it took.
    pub took: Duration,
}

/// A sample with all that is known of its series.
#[derive(Debug, Clone, PartialEq)]
pub struct OneSample {
    /// Its series.
    pub series: SeriesDef,
    /// When.
    pub time: UnixMillis,
    /// What.
    pub value: Value,
    /// What was seen of the counter.
    pub mark: Option<Mark>,
}

/// Asks one target of one collector once, under its deadline. A target that fails is no error here: see
/// [`OneRun::errors`].
///
/// # Errors
/// The module is not known, or refuses the specification.
pub async fn run_once(
    modules: &[Box<dyn Module>],
    spec: &CollectorSpec,
    target: &Target,
    wall: &WallClock,
) -> Result<OneRun, ApplyError> {
    let probe = made_by(modules, spec)?
        .probe(spec, target)
        .map_err(|reason| ApplyError::probe(spec, target, reason))?;
    let door = Arc::new(Recorder::default());
    let begun = Instant::now();
    let context = Context {
        door: door.clone(),
        origin: door.origin(&spec.name),
        spec: Arc::new(spec.clone()),
        target: Arc::new(target.clone()),
        started: wall(),
        begun,
        deadline: begun + spec.deadline.min(spec.period),
    };
    let (_keep, never_cut) = oneshot::channel();
    let finished = run::run(probe, Declared::default(), context, never_cut).await;
    let mut errors: Vec<_> = finished.parts.into_iter().map(|(part, error)| (Some(part), error)).collect();
    match finished.ended {
        Ended::Answered | Ended::Cut => {}
        Ended::Failed(error) => errors.push((None, error)),
        Ended::DeadlinePassed => errors.push((None, super::no_answer_within(spec))),
        Ended::Panicked(text) => {
            errors.push((None, CollectError::Failed(format!("the probe panicked: {text}"))))
        }
    }
    Ok(OneRun { samples: door.samples(), errors, took: finished.took })
}

/// A front door that keeps what comes.
#[derive(Default)]
struct Recorder(Mutex<Recorded>);

#[derive(Default)]
struct Recorded {
    series: Vec<SeriesDef>,
    ids: HashMap<SeriesKey, SeriesId>,
    batches: Vec<Batch>,
}

impl Recorder {
    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn samples(&self) -> Vec<OneSample> {
        let recorded = self.lock();
        let mut samples = Vec::new();
        for batch in &recorded.batches {
            let marks: HashMap<u32, Mark> = batch.marks.iter().copied().collect();
            for (position, (id, time, value)) in (0_u32..).zip(batch.iter()) {
                if let Some(series) = recorded.series.get((id.0 as usize).wrapping_sub(1)) {
                    let mark = marks.get(&position).copied();
                    samples.push(OneSample { series: series.clone(), time, value, mark });
                }
            }
        }
        samples
    }
}

impl FrontDoor for Recorder {
    fn origin(&self, _name: &str) -> OriginId {
        OriginId(0)
    }

    fn declare(&self, _origin: OriginId, def: &SeriesDef) -> Result<SeriesId, Refusal> {
        let mut recorded = self.lock();
        if let Some(id) = recorded.ids.get(&def.key) {
            return Ok(*id);
        }
        recorded.series.push(def.clone());
        let id = SeriesId(u32::try_from(recorded.series.len()).map_err(|_| Refusal::SeriesLimit)?);
        recorded.ids.insert(def.key.clone(), id);
        Ok(id)
    }

    fn accept(&self, _origin: OriginId, batch: Batch) -> Accepted {
        let accepted = batch.len() as u64;
        self.lock().batches.push(batch);
        Accepted { accepted, refused: Vec::new() }
    }

    fn set_life(&self, _series: &[SeriesId], _life: Life, _reason: &str) {}
}
