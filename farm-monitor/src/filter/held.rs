//! Filters that a caller holds: run for as long as the call is held, live or over what is stored. What they emit goes to the caller
//! alone and never into the hub; alarms are told, not kept; actions told, not run; nothing of them outlives the call.
//!
//! They have the bounds of deployments, and run on the same threads.

mod course;

use super::feed::{Feed, FeedOptions, Item, LookBack, MAX_BEHIND, Start as FeedStart, Stored, blocking};
use super::host::{Admitted, FilterHost, Terms, Unfit};
use super::policy;
use super::runner::history::{Begin as InputBegin, Consumed, History};
use super::runner::stored::Stored as Checkpointed;
use crate::config::FilterSettings;
use crate::hub::Hub;
use bytes::Bytes;
use course::{Clock, Course};
use hedgerow_cache::CacheError;
use hedgerow_filter_host::Start;
use hedgerow_filter_host::guest::{ActionJudge, Effects, Fault, Guest, HistorySource};
use hedgerow_filter_host::run::{GapTold, Plan, Run, Saved};
use hedgerow_model::deployment::Capability;
use hedgerow_model::{Name, Position, UnixMillis, duration};
use hedgerow_proto::convert::deployment::capability_to_wire;
use hedgerow_proto::filter::run_response::Response;
use hedgerow_proto::filter::{Cost, Described, LogLevel, LogLine, RunResponse};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

/// Runs that callers hold at once, at one farm; one more is refused: each may have the memory of a deployment.
pub const MAX_HELD: usize = 16;
/// How long the farm's heartbeat may take to come to the end of a backtest: it is asked for every second.
const BEAT_PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked for.
const BEAT_LOOK: Duration = Duration::from_millis(100);
/// How often it is looked whether a live run has cost more than was told.
const COST_EVERY: Duration = Duration::from_millis(500);

/// What is to run.
#[derive(Debug, Clone)]
pub struct Order {
    /// The cluster of what it emits, in the answers only; `None`: the component's own name.
    pub name: Option<Name>,
    /// A JSON object; empty: none.
    pub parameters: String,
    /// The component.
    pub component: Bytes,
    /// Over what was accepted in this time; `None`: live. Gaps that the deployment of that name was told are told at the same places.
    pub stored: Option<Range<UnixMillis>>,
}

/// Why a run ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The farm does not take it, or it refuses its parameters.
    #[error("{0}")]
    Refused(String),
    /// It was stopped: for what it did, or because the farm could not run it.
    #[error("it was stopped: {0}")]
    Stopped(#[from] Fault),
    /// Its input cannot be read.
    #[error("reading what is stored: {0}")]
    Cache(#[from] CacheError),
    /// The caller is gone.
    #[error("the caller is gone")]
    Alone,
}

impl From<Unfit> for Ended {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Refused(why) => Self::Refused(why),
            Unfit::Failed(fault) => Self::Stopped(fault),
        }
    }
}

/// Where a run's answers go. Whoever reads slowly makes the run wait, and it falls behind.
pub type Answers = mpsc::Sender<Result<RunResponse, tonic::Status>>;

/// Makes a run of a filter that was configured.
type Begin = Box<dyn FnOnce(Box<dyn Guest>, Effects, Plan) -> Result<Run, Fault> + Send>;

/// The runs of a farm. Cheap to clone.
#[derive(Clone)]
pub struct HeldRuns {
    hub: Arc<Hub>,
    host: FilterHost,
    places: Arc<Semaphore>,
}

/// A place among those that are held; given back when it is dropped.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "it is held, not used")] OwnedSemaphorePermit);

impl HeldRuns {
    /// Of a farm with this hub, on its threads for filters.
    pub fn new(hub: Arc<Hub>, host: FilterHost) -> Self {
        Self { hub, host, places: Arc::new(Semaphore::new(MAX_HELD)) }
    }

    /// A place; `None`: all are taken.
    pub fn place(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok().map(Place)
    }

    /// Whether this farm runs filters for callers.
    ///
    /// # Errors
    /// Why not, and what would have to change.
    pub fn check(settings: &FilterSettings) -> Result<(), String> {
        if let Some(off) = policy::off(settings) {
            return Err(off.to_owned());
        }
        if settings.owners.is_some() {
            return Err("this farm takes filters of named owners only (filters.owners in its configuration), and a run that is \
                        held says no owner: deploy it"
                .to_owned());
        }
        Ok(())
    }

    /// Runs it, and answers, until it ends. Where it is not waited for any longer, the run is dropped.
    ///
    /// # Errors
    /// Why it ended; a run over what is stored ends without an error.
    pub async fn run(&self, order: Order, settings: &FilterSettings, out: &Answers) -> Result<(), Ended> {
        let mut terms = Terms::new(settings, &settings.grant);
        // What it asks for is only told: so that what is to be deployed can be tried as it is, whatever the farm grants.
        terms.granted.extend((!terms.granted.contains(&Capability::Actions)).then_some(Capability::Actions));
        let admitted = self.host.admit(order.component, &order.parameters, terms).await;
        let admitted = admitted.map_err(|(unfit, _)| unfit)?;
        say(out, Response::Described(described(&admitted))).await?;
        let gaps = match (&order.stored, &order.name) {
            (Some(_), Some(name)) => self.gaps_of(name.clone()).await?,
            _ => Vec::new(),
        };
        let own = Name::new(&admitted.description.name);
        let name = order.name.map_or_else(|| own, Ok).map_err(|error| Ended::Refused(error.to_string()))?;
        let options = FeedOptions {
            patterns: admitted.patterns.clone(),
            // As of a deployment of this name: it never gets what it made itself.
            excluded: vec![name.clone()],
            hidden: admitted.terms.hidden.clone(),
            max_behind: MAX_BEHIND,
        };
        match order.stored {
            Some(times) => self.stored(admitted, name, options, times, gaps, out).await,
            None => self.live(admitted, name, options, out).await,
        }
    }

    async fn live(
        &self,
        admitted: Admitted,
        name: Name,
        options: FeedOptions,
        out: &Answers,
    ) -> Result<(), Ended> {
        let _beats = (admitted.description.tick_ms > 0).then(|| self.hub.heartbeat());
        let look_back = Duration::from_millis(admitted.description.look_back_ms);
        let start = FeedStart::Fresh { look_back };
        let mut feed = Feed::start(Arc::clone(&self.hub), options, start).await?;
        let from = begins(feed.position(), feed.look_back());
        let saved = Saved::fresh(feed.position(), Some(from.through));
        let begin: Begin =
            Box::new(move |guest, configured, plan| Run::resume(guest, configured, plan, &saved, None));
        let clock = Clock::Live(self.hub.now());
        let mut course = self.begin(&admitted, name, begin, from, clock, Vec::new()).await?;
        let mut costs = tokio::time::interval_at(Instant::now() + COST_EVERY, COST_EVERY);
        let mut told = Cost::default();
        loop {
            let items = tokio::select! {
                items = feed.next() => items?,
                _ = costs.tick() => {
                    let cost = course.cost();
                    if told != cost {
                        told = cost;
                        say(out, Response::Cost(cost)).await?;
                    }
                    continue;
                }
            };
            course.clock = Clock::Live(self.hub.now());
            course = self.go(course, items, out).await?;
        }
    }

    async fn stored(
        &self,
        admitted: Admitted,
        name: Name,
        options: FeedOptions,
        times: Range<UnixMillis>,
        gaps: Vec<GapTold>,
        out: &Answers,
    ) -> Result<(), Ended> {
        let look_back = Duration::from_millis(admitted.description.look_back_ms);
        let mut stored =
            self.wait_for(options, times.start..times.end.min(self.hub.now()), look_back).await?;
        if let Some(opened) = stored.begins_at() {
            say(out, Response::Log(nothing_before(opened, times.start))).await?;
        }
        let (first, end) = (stored.position(), stored.end());
        let from = begins(first, stored.look_back());
        let told = gaps.clone();
        let begin: Begin = Box::new(move |guest, configured, plan| {
            Run::backtest(guest, configured, plan, first, Some(from.through), &told)
        });
        let clock = Clock::Virtual(times.start);
        let mut course = self.begin(&admitted, name, begin, from, clock, gaps).await?;
        loop {
            let (next, items) = stored.next().await?;
            stored = next;
            let Some(items) = items else { break };
            course = self.go(course, items, out).await?;
        }
        let end = Item::Accepted { through: end, batch: None, heartbeat: None };
        course = self.go(course, vec![end], out).await?;
        say(out, Response::Cost(course.cost())).await
    }

    /// The gaps that the deployment of this name was told.
    async fn gaps_of(&self, name: Name) -> Result<Vec<GapTold>, CacheError> {
        let reader = self.hub.cache().reader();
        let stored = blocking(move || Ok(reader.checkpoint(&name)?.as_ref().and_then(Checkpointed::read)));
        let told = |stored: Checkpointed| [stored.saved.gaps, stored.progress.gaps].concat();
        Ok(stored.await?.map(told).unwrap_or_default())
    }

    /// What is stored in this time, once the farm's heartbeat has come to its end: then it never changes.
    async fn wait_for(
        &self,
        options: FeedOptions,
        times: Range<UnixMillis>,
        look_back: Duration,
    ) -> Result<Stored, Ended> {
        let _beats = self.hub.heartbeat();
        let end = Instant::now() + BEAT_PATIENCE;
        loop {
            let hub = Arc::clone(&self.hub);
            if let Some(stored) = Stored::open(hub, options.clone(), times.clone(), look_back).await? {
                return Ok(stored);
            }
            if Instant::now() >= end {
                let what = "the farm's heartbeat does not come to the end of the time asked for";
                return Err(Fault::Host(what.to_owned()).into());
            }
            tokio::time::sleep(BEAT_LOOK).await;
        }
    }

    /// Starts an instance and its run.
    async fn begin(
        &self,
        admitted: &Admitted,
        name: Name,
        run: Begin,
        from: InputBegin,
        clock: Clock,
        gaps: Vec<GapTold>,
    ) -> Result<Course, Ended> {
        let Admitted { program, description, parameters, terms, spent_ns, .. } = admitted.clone();
        let plan = Plan::new(name, &description, terms.limits.output_series, terms.emit_hour);
        let lines = terms.limits.log_lines;
        let reads_back = description.capabilities.contains(&Capability::History);
        let consumed = reads_back.then(Consumed::default);
        let (reader, reading) = (self.hub.cache().reader(), description.reading);
        let history =
            consumed.clone().map(|consumed| History { reader, reading, begin: Some(from), consumed });
        let begun = self.host.run(move || {
            let start = Start {
                granted: &terms.granted,
                actions: Some(Box::new(Told)),
                history: history.map(|history| Box::new(history) as Box<dyn HistorySource>),
                ..Start::new(&parameters, terms.limits)
            };
            let (instance, mut configured) = program.start(start)?;
            let logs = std::mem::take(&mut configured.logs);
            configured.cpu_ns += spent_ns;
            Ok::<_, Fault>((run(Box::new(instance), configured, plan)?, logs))
        });
        let (run, logs) = begun.await?.map_err(Unfit::of)?;
        Ok(Course::new(run, consumed, logs, clock, gaps, lines))
    }

    /// Gives it items, and answers what comes of them.
    async fn go(&self, mut course: Course, items: Vec<Item>, out: &Answers) -> Result<Course, Ended> {
        let mut left = items.into();
        loop {
            let hub = Arc::clone(&self.hub);
            let given;
            (course, left, given) = self
                .host
                .run(move || {
                    let given = course.give(&mut left, &hub);
                    (course, left, given)
                })
                .await?;
            let answers = course.take_answers();
            // Told before: whoever ends the run at what came of it knows what it took.
            if !answers.is_empty() && matches!(course.clock, Clock::Live(_)) {
                say(out, Response::Cost(course.cost())).await?;
            }
            for response in answers {
                say(out, response).await?;
            }
            if let Err(fault) = given {
                say(out, Response::Cost(course.cost())).await?;
                return Err(fault.into());
            }
            if left.is_empty() {
                return Ok(course);
            }
        }
    }
}

/// It is answered as a deployment that was granted what it asks for: what it does next is to be the same. The caller is told of it.
struct Told;

impl ActionJudge for Told {
    fn judge(&mut self, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
}

/// Where its input begins, as that of a deployment does.
fn begins(position: Position, look_back: Option<LookBack>) -> InputBegin {
    InputBegin {
        through: look_back.map_or(position, |look_back| look_back.through),
        since: look_back.map(|look_back| look_back.since),
    }
}

async fn say(out: &Answers, response: Response) -> Result<(), Ended> {
    out.send(Ok(RunResponse { response: Some(response) })).await.map_err(|_| Ended::Alone)
}

/// That a farm is younger than the time asked for.
fn nothing_before(opened: UnixMillis, asked: UnixMillis) -> LogLine {
    let missing = Duration::from_millis(opened.saturating_sub(asked).max(0).cast_unsigned());
    let missing = duration::print(Duration::from_secs(missing.as_secs()));
    let text = format!(
        "nothing is stored of the time before this: the first {missing} of what was asked for are missing"
    );
    LogLine { time: opened, level: LogLevel::Warning.into(), text, of_farm: true }
}

fn described(admitted: &Admitted) -> Described {
    let description = &admitted.description;
    Described {
        name: description.name.clone(),
        version: description.version.clone(),
        description: description.description.clone(),
        predicates: description.predicates.clone(),
        look_back_ms: description.look_back_ms,
        tick_ms: description.tick_ms,
        capabilities: description.capabilities.iter().map(|one| capability_to_wire(*one).into()).collect(),
        schema: description.schema.clone(),
    }
}
