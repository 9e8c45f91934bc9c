//! One run of one probe: under its deadline, its samples kept whatever happens to it, its verdict said as `up`.
//!
//! What a run has gathered is owned here, outside the probe's future: dropping that at the deadline, or when it panics,
//! loses nothing. Nothing here decides when to run.

use crate::front_door::{FrontDoor, OriginId};
use crate::module::{CollectError, Probe, Run};
use crate::spec::{CollectorSpec, Target};
use futures_util::FutureExt;
use hedgerow_model::{BatchBuilder, Kind, Labels, Life, Mark, Name, Refusal, SeriesDef, SeriesId, SeriesKey};
use hedgerow_model::{UnixMillis, Value};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Most samples of one run; further ones are dropped, and the run's errors say how many.
pub const MAX_RUN_SAMPLES: usize = 1 << 20;
/// Most series of one target; further ones are left out, and the run's errors say how many. More than the largest devices
/// have (5,000 ports come to 80,000), and so few that one target that makes up rows without end leaves room for the others
/// of its collector. Held here for what a run declares; a probe that keeps ids from run to run holds it for those.
pub const MAX_TARGET_SERIES: usize = 1 << 17;
/// Most errors of parts kept of one run; further ones are only counted.
pub const MAX_PART_ERRORS: usize = 16;
/// Declarations that no recent run used are forgotten when there are this many more than used ones.
const SPARE_DECLARATIONS: usize = 1024;

/// What a run needs to know.
pub(super) struct Context {
    pub door: Arc<dyn FrontDoor>,
    pub origin: OriginId,
    pub spec: Arc<CollectorSpec>,
    pub target: Arc<Target>,
    pub started: UnixMillis,
    pub begun: Instant,
    pub deadline: Instant,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    Answered,
    Failed(CollectError),
    DeadlinePassed,
    Cut,
    Panicked(String),
}

/// What comes back from a run.
pub(super) struct Finished {
    /// `None` after a panic: whatever state it is in, it is not used again.
    pub probe: Option<Box<dyn Probe>>,
    pub declared: Declared,
    pub ended: Ended,
    pub took: std::time::Duration,
    pub started: UnixMillis,
    /// The series of the batch handed in, `up` among them.
    pub series: Vec<SeriesId>,
    /// How many samples the probe itself made.
    pub samples: u64,
    pub up: Option<SeriesId>,
    /// Series the probe said are no more.
    pub gone: Vec<SeriesId>,
    pub parts: Vec<(String, CollectError)>,
    pub more_parts: u64,
}

/// The series a target has declared, from run to run.
#[derive(Default)]
pub(super) struct Declared {
    known: HashMap<SeriesKey, Declaration>,
    run: u64,
    used: usize,
}

struct Declaration {
    id: SeriesId,
    /// Of all that may change: a changed declaration is declared again.
    details: u64,
    run: u64,
}

/// Runs `probe` once and hands in what it gave.
pub(super) async fn run(
    mut probe: Box<dyn Probe>,
    declared: Declared,
    context: Context,
    cut: oneshot::Receiver<()>,
) -> Finished {
    let mut run = TargetRun::new(context, declared);
    let deadline = run.context.deadline;
    let ended = {
        // `async` around it: the call that makes the future may panic, too.
        let asked = AssertUnwindSafe(async { probe.run(&mut run).await }).catch_unwind();
        tokio::select! {
            biased;
            asked = tokio::time::timeout_at(deadline, asked) => match asked {
                Err(_) => Ended::DeadlinePassed,
                Ok(Ok(Ok(()))) => Ended::Answered,
                Ok(Ok(Err(error))) => Ended::Failed(error),
                Ok(Err(panic)) => Ended::Panicked(panic_text(&*panic)),
            },
            _ = cut => Ended::Cut,
        }
    };
    let probe = if matches!(ended, Ended::Panicked(_)) { None } else { Some(probe) };
    run.hand_in(probe, ended)
}

pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

struct TargetRun {
    context: Context,
    declared: Declared,
    builder: BatchBuilder,
    dropped: u64,
    /// Series that were not let in, by reason.
    refused: BTreeMap<Refusal, u64>,
    parts: Vec<(String, CollectError)>,
    more_parts: u64,
    lives: Vec<(Vec<SeriesId>, Life, String)>,
}

impl TargetRun {
    fn new(context: Context, mut declared: Declared) -> Self {
        declared.run += 1;
        declared.used = 0;
        Self {
            context,
            declared,
            builder: BatchBuilder::new(),
            dropped: 0,
            refused: BTreeMap::new(),
            parts: Vec::new(),
            more_parts: 0,
            lives: Vec::new(),
        }
    }

    fn hand_in(mut self, probe: Option<Box<dyn Probe>>, ended: Ended) -> Finished {
        let took = self.context.begun.elapsed();
        let samples = self.builder.len() as u64;
        if self.dropped > 0 {
            let reason = format!("more than {MAX_RUN_SAMPLES} samples: {} dropped", self.dropped);
            self.part_failed("samples", CollectError::Failed(reason));
        }
        let up = up_series(&self.context).and_then(|def| self.declare(&def));
        for (reason, many) in std::mem::take(&mut self.refused) {
            let series = if many == 1 { "series was" } else { "series were" };
            self.part_failed("series", CollectError::Failed(format!("{many} {series} refused: {reason}")));
        }
        if let Some(up) = up
            && ended != Ended::Cut
        {
            let value = Value::I64(i64::from(ended == Ended::Answered));
            self.builder.push(up, self.context.started, value, None);
        }
        let batch = self.builder.build();
        let series = batch.series.clone();
        if !batch.is_empty() {
            self.context.door.accept(self.context.origin, batch);
        }
        // After the samples: a life said of a series that also had one is meant to stand.
        let mut gone = Vec::new();
        for (series, life, reason) in self.lives {
            self.context.door.set_life(&series, life, &reason);
            if life == Life::Ended {
                gone.extend(series);
            }
        }
        self.declared.forget_unused();
        let (declared, started) = (self.declared, self.context.started);
        let (parts, more_parts) = (self.parts, self.more_parts);
        Finished { probe, declared, ended, took, started, series, samples, up, gone, parts, more_parts }
    }

    /// The id of a series, declared where that is news.
    fn declare(&mut self, def: &SeriesDef) -> Option<SeriesId> {
        let details = details(def);
        let run = self.declared.run;
        if let Some(known) = self.declared.known.get_mut(&def.key)
            && known.details == details
        {
            self.declared.used += usize::from(known.run != run);
            known.run = run;
            return Some(known.id);
        }
        // A refusal is not kept: the bound that made it may be lifted.
        let id = match self.context.door.declare(self.context.origin, &self.complete(def)?) {
            Ok(id) => id,
            Err(reason) => {
                *self.refused.entry(reason).or_default() += 1;
                return None;
            }
        };
        let earlier = self.declared.known.insert(def.key.clone(), Declaration { id, details, run });
        self.declared.used += usize::from(earlier.is_none_or(|earlier| earlier.run != run));
        Some(id)
    }

    /// The declaration with what the engine knows better than the module.
    fn complete(&self, def: &SeriesDef) -> Option<SeriesDef> {
        let mut def = def.clone();
        def.interval = def.interval.or(Some(self.context.spec.period));
        def.lifetime = def.lifetime.or(self.context.spec.lifetime);
        let labels = &self.context.target.labels;
        if labels.keys().any(|key| def.key.labels.get(key).is_none()) {
            let own = def.key.labels.iter();
            let more = labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            let more = more.filter(|(key, _)| def.key.labels.get(key).is_none());
            def.key.labels = Labels::new(own.chain(more)).ok()?;
        }
        Some(def)
    }
}

impl Run for TargetRun {
    fn started(&self) -> UnixMillis {
        self.context.started
    }

    fn deadline(&self) -> Instant {
        self.context.deadline
    }

    fn series(&mut self, def: &SeriesDef) -> Option<SeriesId> {
        if self.declared.used >= MAX_TARGET_SERIES && !self.declared.known.contains_key(&def.key) {
            *self.refused.entry(Refusal::SeriesLimit).or_default() += 1;
            return None;
        }
        self.declare(def)
    }

    fn push(&mut self, series: SeriesId, time: UnixMillis, value: Value, mark: Option<Mark>) {
        if self.builder.len() < MAX_RUN_SAMPLES {
            self.builder.push(series, time, value, mark);
        } else {
            self.dropped += 1;
        }
    }

    fn part_failed(&mut self, part: &str, error: CollectError) {
        if self.parts.len() < MAX_PART_ERRORS {
            self.parts.push((part.to_owned(), error));
        } else {
            self.more_parts += 1;
        }
    }

    fn set_life(&mut self, series: &[SeriesId], life: Life, reason: &str) {
        self.lives.push((series.to_vec(), life, reason.to_owned()));
    }
}

impl Declared {
    /// Rows come and go (processes, sessions): what runs no longer use does not pile up.
    fn forget_unused(&mut self) {
        if self.known.len() > 2 * self.used + SPARE_DECLARATIONS {
            let run = self.run;
            self.known.retain(|_, declaration| declaration.run == run);
        }
    }
}

fn details(def: &SeriesDef) -> u64 {
    let mut hasher = DefaultHasher::new();
    (def.kind, &def.unit, &def.source, def.interval, def.lifetime, &def.description).hash(&mut hasher);
    hasher.finish()
}

/// Whether the target answered, 1 or 0; `None` where the names are none.
fn up_series(context: &Context) -> Option<SeriesDef> {
    let key = SeriesKey {
        cluster: Name::new(&context.spec.cluster).ok()?,
        node: Name::new(&context.target.node).ok()?,
        parameter: Name::new("up").ok()?,
        labels: Labels::none(),
    };
    Some(SeriesDef {
        key,
        kind: Kind::Gauge,
        unit: "1".to_owned(),
        source: format!("{}:{}", context.spec.module.name(), context.spec.name),
        interval: None,
        lifetime: None,
        description: "1 if the target answered, 0 if not".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front_door::Accepted;
    use crate::spec::{HostSpec, ModuleSpec};
    use hedgerow_model::Batch;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    /// Takes everything.
    #[derive(Default)]
    struct Open(AtomicU32);

    impl FrontDoor for Open {
        fn origin(&self, _: &str) -> OriginId {
            OriginId(1)
        }
        fn declare(&self, _: OriginId, _: &SeriesDef) -> Result<SeriesId, Refusal> {
            Ok(SeriesId(self.0.fetch_add(1, Ordering::Relaxed) + 1))
        }
        fn accept(&self, _: OriginId, batch: Batch) -> Accepted {
            Accepted { accepted: batch.len() as u64, refused: Vec::new() }
        }
        fn set_life(&self, _: &[SeriesId], _: Life, _: &str) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_has_so_many_series_and_its_up_beside_them() {
        let now = Instant::now();
        let spec = CollectorSpec {
            name: "c".to_owned(),
            cluster: "c".to_owned(),
            period: Duration::from_secs(10),
            deadline: Duration::from_secs(8),
            targets: Vec::new(),
            lifetime: None,
            module: ModuleSpec::Host(HostSpec::default()),
        };
        let target = Target { node: "n".to_owned(), address: "n".to_owned(), labels: BTreeMap::new() };
        let context = Context {
            door: Arc::new(Open::default()),
            origin: OriginId(1),
            spec: Arc::new(spec),
            target: Arc::new(target),
            started: 0,
            begun: now,
            deadline: now,
        };
        let mut def = up_series(&context).unwrap();
        let mut run = TargetRun::new(context, Declared::default());
        for at in 0..MAX_TARGET_SERIES + 2 {
            def.key.parameter = Name::new(&format!("p{at}")).unwrap();
            assert_eq!(run.series(&def).is_some(), at < MAX_TARGET_SERIES, "{at}");
        }
        def.key.parameter = Name::new("p0").unwrap();
        assert!(run.series(&def).is_some(), "a known one stays known");
        let finished = run.hand_in(None, Ended::Answered);
        let refused = CollectError::Failed("2 series were refused: series_limit".to_owned());
        assert_eq!((finished.up.is_some(), finished.parts), (true, vec![("series".to_owned(), refused)]));
    }
}
