//! One serial of a deployment at work: its input comes from a feed, a slice of it at a time is given to the filter, and what comes
//! of a slice is done before the next one: alarms are kept, then what it emitted enters the hub together with how far it is, then
//! actions are asked for, then its log is told. So whatever ends the process, nothing is done twice and nothing is left out.

mod slice;

use super::deployed::report;
use super::history::{Consumed, History};
use super::outputs::Outputs;
use super::stored::Stored;
use super::{Env, Order};
use crate::filter::feed::{Feed, FeedOptions, Item, MAX_BEHIND, Start as FeedStart};
use crate::filter::host::{Admitted, Unfit};
use crate::filter::{Key, Ready};
use crate::hub::{Heartbeat, NotEmitted};
use hedgerow_cache::{CacheError, Checkpoint};
use hedgerow_filter_host::guest::{
    ActionJudge, AlarmCall, Capability, Fault, HistorySource, LogLevel as GuestLevel,
};
use hedgerow_filter_host::run::{Place, Plan, Progress, Run, Saved};
use hedgerow_filter_host::{Start, timed};
use hedgerow_model::{Batch, Name, SeriesDef, SeriesId, UnixMillis};
use hedgerow_proto::filter::{Cost, LogLevel};
use slice::{Done, Slice, slice};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// The state is saved when it is older than this and anything has changed,
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// or when so many samples came since, which a restart would give again,
const SAVE_SAMPLES: u64 = 100_000;
/// but not more often than this,
const LEAST_SAVE: Duration = Duration::from_secs(5);
/// nor so often that it would be more than this in a second, in bytes.
const SAVE_BYTES_PER_SECOND: u64 = 128 << 10;
/// How far it is is written so often where it emits nothing: a restart throws away what came of the rest anew.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// How long it waits where the hub has no room.
const ROOM_AFTER: Duration = Duration::from_millis(50);
/// How often it tries. Then it is begun again from its last state, which makes the same again.
const MAX_TRIES: u32 = 1200;

/// Why it is at its end.
#[derive(Debug)]
pub enum Ended {
    /// The filter, or what it ran on.
    Fault(Fault),
    /// It was to stop, while the hub had no room for what it made: that is made again.
    Stopped,
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// See the module.
pub struct Active {
    ready: Arc<Ready>,
    key: Key,
    admitted: Admitted,
    /// Away while a slice is given.
    run: Option<Box<Run>>,
    feed: Feed,
    /// Come, and not given yet.
    left: VecDeque<Item>,
    outputs: Outputs,
    /// Told where it is, where it may read back.
    consumed: Option<Consumed>,
    /// Held while it wants ticks.
    _heartbeat: Option<Heartbeat>,
    since: Option<UnixMillis>,
    checkpoint: Checkpoint,
    saved: Instant,
    written: Instant,
    /// What was refused at the hub's door since it began.
    refused: u64,
    logs_dropped: u64,
    /// The last heartbeat that it was given.
    heard: Option<UnixMillis>,
}

impl Active {
    /// Begins: from what is stored, or from nothing, with its look-back.
    ///
    /// # Errors
    /// Why not, and the processor time that went with it, in nanoseconds.
    pub async fn begin(
        env: &Env,
        ready: &Arc<Ready>,
        admitted: &Admitted,
        stored: Option<Stored>,
        now: Instant,
    ) -> Result<Self, (Unfit, u64)> {
        let none = |unfit| (unfit, admitted.spent_ns);
        let key = ready.key();
        let unnamed = |error| none(Unfit::Refused(format!("its name {error}")));
        let name = Name::new(&key.0).map_err(unnamed)?;
        let (terms, description) = (&admitted.terms, &admitted.description);
        let options = FeedOptions {
            patterns: admitted.patterns.clone(),
            excluded: vec![name.clone()],
            hidden: terms.hidden.clone(),
            max_behind: MAX_BEHIND,
        };
        let from = match &stored {
            Some(stored) => {
                FeedStart::Behind { position: stored.saved.at.position, look_back: stored.look_back() }
            }
            None => FeedStart::Fresh { look_back: Duration::from_millis(description.look_back_ms) },
        };
        let feed =
            Feed::start(Arc::clone(&env.hub), options, from).await.map_err(|error| none(unread(error)))?;
        let look_back = feed.look_back();
        let (is_new, mut stored) = match stored {
            Some(stored) => {
                (false, Stored { serial: ready.serial(), component: description.name.clone(), ..stored })
            }
            None => (true, fresh(ready, description.name.clone(), &feed)),
        };
        stored.progress.cost.cpu_ns += admitted.spent_ns;
        let plan = Plan::new(name, description, terms.limits.output_series, terms.emit_hour);
        let granted = Granted(ready.deployment.actions.clone());
        let reads_back = description.capabilities.contains(&Capability::History);
        let consumed = reads_back.then(Consumed::default);
        let history = consumed.clone().map(|consumed| History {
            reader: env.hub.cache().reader(),
            reading: description.reading,
            begin: stored.begin(),
            consumed,
        });
        let configured = configure(env, admitted, plan, stored, granted, history).await;
        let (run, logs, stored) =
            configured.map_err(|(unfit, took_ns)| (unfit, took_ns + admitted.spent_ns))?;
        let (checkpoint, logs_dropped) = (stored.write(), run.cost().logs_dropped);
        if is_new {
            env.hub.cache().forget_checkpoint(&key.0);
        }
        env.hub.cache().checkpoint(&key.0, &checkpoint);
        let active = Self {
            outputs: Outputs::new(&env.hub, &key.0),
            ready: Arc::clone(ready),
            key,
            admitted: Admitted { spent_ns: 0, ..admitted.clone() },
            run: Some(run),
            feed,
            left: VecDeque::new(),
            consumed,
            _heartbeat: (description.tick_ms > 0).then(|| env.hub.heartbeat()),
            since: look_back.map(|look_back| look_back.since),
            checkpoint,
            saved: now,
            written: now,
            refused: 0,
            logs_dropped,
            heard: None,
        };
        active.log(env, logs);
        Ok(active)
    }

    /// What runs.
    pub fn ready(&self) -> &Arc<Ready> {
        &self.ready
    }

    /// What it was admitted as.
    pub fn admitted(&self) -> &Admitted {
        &self.admitted
    }

    /// What it would go on from.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Waits for input. Where it is not waited for to its end, nothing is lost.
    ///
    /// # Errors
    /// Where the cache cannot be read.
    pub async fn wait(&mut self) -> Result<(), Ended> {
        if self.left.is_empty() {
            let items =
                self.feed.next().await.map_err(|error| Ended::Fault(Fault::Host(error.to_string())))?;
            self.left.extend(items);
        }
        Ok(())
    }

    /// Gives a slice of the input that came, and does what comes of it. `orders`: to be looked at where the hub has no room.
    ///
    /// # Errors
    /// Why it has ended.
    pub async fn turn(
        &mut self,
        env: &Env,
        orders: &mut watch::Receiver<Order>,
        now: Instant,
    ) -> Result<(), Ended> {
        let (run, left, hub) = (self.take_run()?, std::mem::take(&mut self.left), Arc::clone(&env.hub));
        let consumed = self.consumed.clone();
        let Slice { mut run, left, done, fault, progress, heard } =
            env.host.run(move || slice(run, left, &hub, consumed.as_ref())).await?;
        self.left = left;
        self.heard = heard.or(self.heard);
        let done = self.done(env, &mut run, done, progress, orders, now).await;
        self.run = Some(run);
        done?;
        fault.map_or(Ok(()), |fault| Err(fault.into()))
    }

    /// Saves the state, or how far it is, where it is time.
    ///
    /// # Errors
    /// Why it has ended.
    pub async fn keep(&mut self, env: &Env, now: Instant) -> Result<(), Ended> {
        let Some(run) = &self.run else { return Ok(()) };
        let bytes = self.checkpoint.state.as_ref().map_or(0, |state| state.len() as u64);
        let least = LEAST_SAVE.max(Duration::from_secs(bytes / SAVE_BYTES_PER_SECOND));
        let since = now.saturating_duration_since(self.saved);
        let much = run.unsaved() >= SAVE_SAMPLES || since >= SAVE_EVERY;
        if run.unsaved() > 0 && much && since >= least {
            return self.save(env, now).await;
        }
        if now.saturating_duration_since(self.written) >= PROGRESS_EVERY {
            self.written = now;
            let consumed: Arc<[u8]> = run.progress().to_bytes().into();
            if consumed != self.checkpoint.consumed {
                self.checkpoint.consumed = Arc::clone(&consumed);
                env.hub.cache().checkpoint(&self.key.0, &Checkpoint { consumed, state: None });
            }
        }
        Ok(())
    }

    /// Saves the state.
    ///
    /// # Errors
    /// Why it has ended.
    pub async fn save(&mut self, env: &Env, now: Instant) -> Result<(), Ended> {
        let mut run = self.take_run()?;
        let (run, saved) = env
            .host
            .run(move || {
                let saved = run.save();
                (run, saved)
            })
            .await?;
        let progress = run.progress();
        self.run = Some(run);
        (self.saved, self.written) = (now, now);
        let (owner, serial) = (self.key.1, self.ready.serial());
        let (component, since) = (self.admitted.description.name.clone(), self.since);
        self.checkpoint = Stored { owner, serial, component, since, saved: saved?, progress }.write();
        env.hub.cache().checkpoint(&self.key.0, &self.checkpoint);
        Ok(())
    }

    /// The series that it has made, as the hub knows them.
    pub fn made(&self) -> impl Iterator<Item = SeriesId> {
        self.outputs.made()
    }

    /// How many samples the hub has refused since it began.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// What it has cost, and how far behind it is. `refused`: samples that the hub refused before.
    pub async fn cost(&mut self, env: &Env, refused: u64) -> Cost {
        if self.left.is_empty()
            && self.feed.is_live()
            && let Ok(Ok(items)) = tokio::time::timeout(Duration::ZERO, self.feed.next()).await
        {
            self.left.extend(items);
        }
        let is_behind = !self.left.is_empty() || !self.feed.is_live();
        let Some(run) = &self.run else { return Cost::default() };
        let (cost, routed, place) = (run.cost(), env.hub.routed(), run.place().position);
        let before = if routed.epoch == place.epoch { place.number } else { 0 };
        let late = self.heard.map_or(0, |heard| env.hub.now().saturating_sub(heard));
        Cost {
            memory_bytes: run.memory_bytes(),
            state_bytes: self.checkpoint.state.as_ref().map_or(0, |state| state.len() as u64),
            samples_refused: cost.samples_refused + refused + self.refused,
            behind: if is_behind { routed.number.saturating_sub(before) } else { 0 },
            lateness_ms: if is_behind { u64::try_from(late).unwrap_or(0) } else { 0 },
            // Lines left out are counted with its log.
            ..report::cost(&cost)
        }
    }

    /// Processor time that no checkpoint tells of, in nanoseconds: where it is stopped, nothing else does.
    pub fn untold_ns(&self) -> u64 {
        let told = Progress::from_bytes(&self.checkpoint.consumed).map_or(0, |progress| progress.cost.cpu_ns);
        self.run.as_ref().map_or(0, |run| run.cost().cpu_ns.saturating_sub(told))
    }

    fn take_run(&mut self) -> Result<Box<Run>, Fault> {
        self.run.take().ok_or_else(|| Fault::Host("it was lost while it ran".to_owned()))
    }

    /// Does what came of a slice; see the module for the order. `progress`: how far it was with the last of it.
    async fn done(
        &mut self,
        env: &Env,
        run: &mut Run,
        done: Vec<Done>,
        progress: Option<Progress>,
        orders: &mut watch::Receiver<Order>,
        now: Instant,
    ) -> Result<(), Ended> {
        let dropped = run.cost().logs_dropped;
        let (mut batches, mut actions, mut logs) = (Vec::new(), Vec::new(), Vec::new());
        for Done { place, step } in done {
            self.alarms(env, run, place, step.alarms).await;
            batches.extend(step.batches);
            actions.extend(step.actions.into_iter().map(|(name, arguments)| (place, name, arguments)));
            logs.extend(step.logs);
        }
        if let Some(progress) = progress {
            self.emit(env, run, batches, &progress, orders).await?;
            self.written = now;
        }
        if !actions.is_empty() {
            // On the disk first: a restart does not ask for them again.
            let hub = Arc::clone(&env.hub);
            let _ = tokio::task::spawn_blocking(move || hub.cache().flush()).await;
            for (cause, name, arguments) in actions {
                env.actions.ask(&self.ready, cause, &name, &arguments);
            }
        }
        if dropped > self.logs_dropped {
            env.deployments.not_said(&self.key, dropped - self.logs_dropped);
        }
        self.logs_dropped = dropped;
        self.log(env, logs);
        Ok(())
    }

    /// What it said of alarms, on the disk when this returns.
    async fn alarms(&mut self, env: &Env, run: &mut Run, cause: Place, calls: Vec<AlarmCall>) {
        if calls.is_empty() {
            return;
        }
        let about = |call: &AlarmCall| match call {
            AlarmCall::Raise { series, .. } => series.clone(),
            AlarmCall::Clear { .. } => Vec::new(),
        };
        let known: BTreeMap<u32, Arc<SeriesDef>> = calls
            .iter()
            .flat_map(about)
            .filter_map(|handle| Some((handle, env.hub.def(run.series(handle)?)?)))
            .collect();
        let description = &self.admitted.description;
        let component = (description.name.as_str(), description.version.as_str());
        let series = |handle| known.get(&handle).cloned();
        let refused = env.alarms.said(&self.ready, component, cause, calls, series).await;
        if refused > 0 {
            let text =
                format!("{refused} alarms are not raised: so many are open already, or were raised at once");
            self.note(env, LogLevel::Warning, vec![text]);
        }
    }

    /// What it made enters the hub, together with how far it is; waits while there is no room.
    async fn emit(
        &mut self,
        env: &Env,
        run: &mut Run,
        batches: Vec<Batch>,
        progress: &Progress,
        orders: &mut watch::Receiver<Order>,
    ) -> Result<(), Ended> {
        if !batches.is_empty() {
            let said = self.outputs.declare(&env.hub, run.outputs());
            self.note(env, LogLevel::Warning, said);
        }
        let mut outputs = Vec::with_capacity(batches.len());
        for batch in batches {
            let (batch, refused) = self.outputs.translate(batch);
            outputs.extend(batch);
            self.refused += refused;
        }
        let checkpoint = Checkpoint { consumed: progress.to_bytes().into(), state: None };
        let mut tries = 0;
        let accepted = loop {
            tries += 1;
            match env.hub.emit(self.outputs.origin(), outputs.clone(), &self.key.0, &checkpoint) {
                Ok(accepted) => break accepted,
                Err(NotEmitted::Closed) => return Err(Ended::Stopped),
                Err(NotEmitted::Overload) if matches!(*orders.borrow(), Order::Stop(_)) => {
                    return Err(Ended::Stopped);
                }
                Err(NotEmitted::Overload) if tries >= MAX_TRIES => {
                    return Err(
                        Fault::Host("the hub had no room for what it emitted for a minute".into()).into()
                    );
                }
                Err(NotEmitted::Overload) => tokio::time::sleep(ROOM_AFTER).await,
            }
        };
        self.checkpoint.consumed = checkpoint.consumed;
        self.refused += accepted.refused.iter().map(|(_, count)| count).sum::<u64>();
        let said = self.outputs.refused(&accepted.refused);
        self.note(env, LogLevel::Warning, said);
        Ok(())
    }

    fn log(&self, env: &Env, logs: Vec<(GuestLevel, String)>) {
        for (level, text) in logs {
            let level = match level {
                GuestLevel::Debug => LogLevel::Debug,
                GuestLevel::Info => LogLevel::Info,
                GuestLevel::Warning => LogLevel::Warning,
                GuestLevel::Error => LogLevel::Error,
            };
            env.deployments.said(&self.key, level, &text);
        }
    }

    fn note(&self, env: &Env, level: LogLevel, said: Vec<String>) {
        said.iter().for_each(|text| env.deployments.note(&self.key, level, text));
    }
}

fn unread(error: CacheError) -> Unfit {
    Fault::Host(error.to_string()).into()
}

/// Of a deployment that begins where its feed does.
fn fresh(ready: &Ready, component: String, feed: &Feed) -> Stored {
    let look_back = feed.look_back();
    let through = look_back.map_or(feed.position(), |look_back| look_back.through);
    let saved = Saved::fresh(feed.position(), Some(through));
    let progress = Progress { consumed: saved.at, gaps: Vec::new(), cost: Default::default() };
    let (owner, serial) = (ready.document.owner, ready.serial());
    Stored { owner, serial, component, since: look_back.map(|look_back| look_back.since), saved, progress }
}

/// The actions that the owner named. Whether the farm has them it says in the log: that may change, and must not change what a
/// filter does.
struct Granted(BTreeSet<String>);

impl ActionJudge for Granted {
    fn judge(&mut self, action: &str, _: &str) -> Result<(), String> {
        if self.0.contains(action) {
            return Ok(());
        }
        Err(format!("the action `{action}` is not granted to this deployment"))
    }
}

type Logs = Vec<(GuestLevel, String)>;

/// Starts an instance and configures it; where that fails, says what it took.
async fn configure(
    env: &Env,
    admitted: &Admitted,
    plan: Plan,
    stored: Stored,
    actions: Granted,
    history: Option<History>,
) -> Result<(Box<Run>, Logs, Stored), (Unfit, u64)> {
    let admitted = admitted.clone();
    let version = stored.saved.state.is_some().then(|| stored.saved.version.clone());
    let begin = move || {
        let saved = &stored.saved;
        let start = Start {
            state: saved.state.as_deref(),
            granted: &admitted.terms.granted,
            actions: Some(Box::new(actions)),
            history: history.map(|history| Box::new(history) as Box<dyn HistorySource>),
            known_series: u32::try_from(saved.handles.len()).unwrap_or(u32::MAX),
            ..Start::new(&admitted.parameters, admitted.terms.limits)
        };
        let (instance, mut configured) = admitted.program.start(start)?;
        let logs = std::mem::take(&mut configured.logs);
        let run = Run::resume(Box::new(instance), configured, plan, saved, Some(stored.progress.clone()))?;
        Ok((Box::new(run), logs, stored))
    };
    let begun = env.host.run(move || timed(begin)).await;
    let (begun, took_ns) = begun.map_err(|fault| (fault.into(), 0))?;
    begun.map_err(|fault| match (Unfit::of(fault), version) {
        (Unfit::Refused(why), Some(version)) => {
            let why = format!(
                "{why}; it was given the state that version {version} of it saved: `--fresh` begins without"
            );
            (Unfit::Refused(why), took_ns)
        }
        (unfit, _) => (unfit, took_ns),
    })
}
