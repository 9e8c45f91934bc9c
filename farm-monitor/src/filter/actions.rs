//! Actions: programs that the site has named in its configuration, run when a filter asks for one that it was granted.
//!
//! Asking never waits, and what is asked runs at most once: never by a shell, with a scrubbed environment, killed with all it
//! started at its deadline, by the process that runs scripts. Whatever becomes of it stands in the deployment's log and is
//! counted. No filter chooses a program, or a word of a command that the site did not leave to it.

use super::{Deployments, Key, Ready};
use crate::api::Configured;
use crate::config::ActionSettings;
use hedgerow_collect::script::{Ending, Keeper, ScriptOutcome, ScriptRun, base_environment};
use hedgerow_filter_host::run::Place;
use hedgerow_model::UnixMillis;
use hedgerow_model::deployment::Capability;
use hedgerow_model::duration;
use hedgerow_proto::filter::LogLevel;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Actions that wait for their turn; one more is refused and counted.
const MAX_WAITING: usize = 256;
/// Actions that run at the same time.
const MAX_RUNNING: usize = 4;
/// Output of a program that is kept, to say its last line where it failed.
const MAX_OUTPUT: u64 = 64 * 1024;
/// How much of a line that a program said is told.
const MAX_SAID: usize = 300;
/// Refusals of one deployment that are told in a minute; further ones are counted only.
const MAX_TOLD: u32 = 10;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;

/// What becomes of what is asked: asked = ran + failed + refused + waiting or running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counted {
    /// Asked for by filters.
    Asked,
    /// Ran, and ended well.
    Ran,
    /// Could not be run, was killed at its deadline, or ended with an error.
    Failed,
    /// The deployment was not granted it, or the farm grants no actions.
    NotGranted,
    /// The site has named no such action.
    Unknown,
    /// What was given does not fit the arguments.
    BadArguments,
    /// More often than the site wants it.
    TooOften,
    /// Too many waited.
    Overload,
}

impl Counted {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::Asked,
        Self::Ran,
        Self::Failed,
        Self::NotGranted,
        Self::Unknown,
        Self::BadArguments,
        Self::TooOften,
        Self::Overload,
    ];

    /// The name of its series.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Ran => "ran",
            Self::Failed => "failed",
            Self::NotGranted => "not_granted",
            Self::Unknown => "unknown",
            Self::BadArguments => "bad_arguments",
            Self::TooOften => "too_often",
            Self::Overload => "overload",
        }
    }

    /// For the reference.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Asked => "asked for by filters",
            Self::Ran => "ran, and ended well",
            Self::Failed => "could not be run, was killed at its deadline, or ended with an error",
            Self::NotGranted => "refused: the deployment was not granted it, or the farm grants no actions",
            Self::Unknown => "refused: the farm's configuration names no such action",
            Self::BadArguments => "refused: what was given does not fit the arguments",
            Self::TooOften => "refused: more often than `per_hour`",
            Self::Overload => "refused: too many waited",
        }
    }
}

/// The actions. Cheap to clone.
#[derive(Clone)]
pub struct Actions(Arc<Shared>);

struct Shared {
    config: watch::Receiver<Configured>,
    deployments: Deployments,
    queue: mpsc::Sender<Asked>,
    book: Mutex<Book>,
    now: fn() -> UnixMillis,
}

#[derive(Default)]
struct Book {
    counts: BTreeMap<Counted, u64>,
    /// When each action was let through, within the last hour.
    times: HashMap<String, VecDeque<UnixMillis>>,
    /// Refusals told of each deployment in the minute.
    told: HashMap<Key, u32>,
    minute: i64,
}

/// Let through, and not run yet.
struct Asked {
    key: Key,
    action: ActionSettings,
    command: Vec<String>,
}

impl Actions {
    /// Begins to run what is asked for.
    pub fn start(
        config: watch::Receiver<Configured>,
        deployments: Deployments,
        keeper: Keeper,
        now: fn() -> UnixMillis,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let (queue, asked) = mpsc::channel(MAX_WAITING);
        let actions =
            Self(Arc::new(Shared { config, deployments, queue, book: Mutex::new(Book::default()), now }));
        tasks.spawn(actions.clone().work(asked, keeper));
        actions
    }

    /// A run asks for an action, with a JSON object of arguments. To be called once for each time that it asks, when what it
    /// emitted in the same step has been taken. Never waits.
    pub fn ask(&self, run: &Ready, cause: Place, name: &str, arguments_json: &str) {
        let Shared { config, queue, .. } = &*self.0;
        self.count(Counted::Asked);
        let key = run.key();
        let may =
            run.deployment.grants.contains(&Capability::Actions) && run.deployment.actions.contains(name);
        if !may {
            return self.refuse(&key, name, Counted::NotGranted, "the deployment was not granted it");
        }
        let running = Arc::clone(&config.borrow().running);
        if !running.filters.grant.contains(&Capability::Actions) {
            return self.refuse(
                &key,
                name,
                Counted::NotGranted,
                "the farm grants no actions (`filters.grant`)",
            );
        }
        let Some(action) = running.actions.iter().find(|action| action.name == name) else {
            let why = format!("the farm's configuration has no [action.{name}]");
            return self.refuse(&key, name, Counted::Unknown, &why);
        };
        let command = match action.filled(arguments_json) {
            Ok(command) => command,
            Err(why) => return self.refuse(&key, name, Counted::BadArguments, &why),
        };
        if !self.is_time_for(action) {
            let why = format!("it ran {} times within an hour already (`per_hour`)", action.per_hour);
            return self.refuse(&key, name, Counted::TooOften, &why);
        }
        let number = cause.position.number;
        tracing::info!(event = "action_asked", deployment = key.0, action = name, cause = number);
        if queue.try_send(Asked { key: key.clone(), action: action.clone(), command }).is_err() {
            let why = format!("{MAX_WAITING} actions wait already");
            self.refuse(&key, name, Counted::Overload, &why);
        }
    }

    /// How often each thing happened.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let book = self.0.book.lock();
        Counted::ALL.map(|what| (what.as_str(), book.counts.get(&what).copied().unwrap_or_default())).to_vec()
    }

    fn is_time_for(&self, action: &ActionSettings) -> bool {
        let now = (self.0.now)();
        let mut book = self.0.book.lock();
        let times = book.times.entry(action.name.clone()).or_default();
        while times.front().is_some_and(|time| now.saturating_sub(*time) >= HOUR_MS) {
            times.pop_front();
        }
        let may = times.len() < action.per_hour as usize;
        if may {
            times.push_back(now);
        }
        may
    }

    fn count(&self, what: Counted) {
        *self.0.book.lock().counts.entry(what).or_default() += 1;
    }

    fn refuse(&self, key: &Key, name: &str, what: Counted, why: &str) {
        self.count(what);
        let minute = (self.0.now)().div_euclid(MINUTE_MS);
        let told = {
            let mut book = self.0.book.lock();
            if book.minute != minute {
                book.minute = minute;
                book.told.clear();
            }
            let told = book.told.entry(key.clone()).or_default();
            *told = told.saturating_add(1);
            *told
        };
        if told <= MAX_TOLD {
            self.note(key, LogLevel::Warning, &format!("action {name} was not run: {why}"));
        }
    }

    fn note(&self, key: &Key, level: LogLevel, text: &str) {
        self.0.deployments.note(key, level, text);
    }

    /// Runs what is asked for, in its order, some at a time.
    async fn work(self, mut asked: mpsc::Receiver<Asked>, keeper: Keeper) {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                next = asked.recv(), if running.len() < MAX_RUNNING => {
                    let Some(next) = next else { return };
                    running.spawn(self.clone().run(next, keeper.clone()));
                }
                Some(_) = running.join_next() => {}
            }
        }
    }

    async fn run(self, asked: Asked, keeper: Keeper) {
        let Asked { key, action, command } = asked;
        let mut environment = base_environment();
        let farm = self.0.config.borrow().running.farm.name.clone();
        for (name, value) in
            [("HEDGEROW_FARM", &farm), ("HEDGEROW_DEPLOYMENT", &key.0), ("HEDGEROW_ACTION", &action.name)]
        {
            environment.insert(name.to_owned(), value.clone());
        }
        environment.extend(action.environment.clone());
        let run = ScriptRun {
            command,
            environment: environment.into_iter().collect(),
            directory: action.directory.clone(),
            deadline: action.timeout,
            max_output: MAX_OUTPUT,
            max_memory: None,
        };
        let outcome = keeper.run(&run).await;
        let name = &action.name;
        match judge(&action, &outcome, &keeper) {
            Ok(()) => {
                self.count(Counted::Ran);
                self.note(&key, LogLevel::Info, &format!("action {name} was run"));
            }
            Err(why) => {
                self.count(Counted::Failed);
                self.note(&key, LogLevel::Error, &format!("action {name} failed: {why}"));
            }
        }
    }
}

fn judge(action: &ActionSettings, outcome: &ScriptOutcome, keeper: &Keeper) -> Result<(), String> {
    let said = last_line(&outcome.stderr).map_or(String::new(), |line| format!(": {line}"));
    Err(match &outcome.ending {
        Ending::Exited(0) => return Ok(()),
        Ending::Exited(status) => format!("exit status {status}{said}"),
        Ending::Signalled(signal) => format!("killed by signal {signal}{said}"),
        Ending::Deadline => format!("killed after {}{said}", duration::print(action.timeout)),
        Ending::Stuck(what) => format!("it cannot be killed: {what}"),
        Ending::NotStarted { errno, .. } => {
            format!("not started: {}", std::io::Error::from_raw_os_error(*errno))
        }
        Ending::Refused(why) => format!("not started: {why}"),
        Ending::Lost | Ending::Cancelled => {
            keeper.down().unwrap_or_else(|| "the process that watched it has died".to_owned())
        }
    })
}

fn last_line(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(line.chars().filter(|c| !c.is_control()).take(MAX_SAID).collect())
}
