//! The alarms of a farm: what its filters raised, kept in `state.db` and told to whoever asks or listens.
//!
//! What becomes of an alarm the [`AlarmBook`] decides; here is what it takes to feed it: what filters say, whether their
//! deployments run, how their sources live, time. A change is told once it is on the disk, all that wait for it in one
//! transaction; what the disk does not take is told all the same, and tried again. That an alarm still stands is
//! written now and then only.

mod kept;
mod people;
mod told;
mod wire;

#[cfg(test)]
mod tests;

pub use told::ToldAlarm;

use super::{Deployments, Ready};
use crate::hub::Hub;
use crate::state_file::{StateError, StateFile};
use hedgerow_filter_host::alarms::{AlarmBook, AlarmChange, AlarmKey, BookError, Bounds, Raise, Said};
use hedgerow_filter_host::guest::AlarmCall;
use hedgerow_filter_host::run::Place;
use hedgerow_model::registration::Id;
use hedgerow_model::{Life, Position, SeriesDef, SeriesKey, Status, UnixMillis};
use hedgerow_proto::convert::WireError;
use hedgerow_proto::filter::DeploymentState;
use hedgerow_proto::signed::hash;
use kept::{Changes, Kept, Origin};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use told::Told;

/// How often it is looked how sources live, and what time has ended.
const TICK: Duration = Duration::from_secs(1);
/// Most transitions that wait for a disk that takes nothing; the oldest are lost and counted.
const MAX_UNWRITTEN: usize = 10_000;

/// The alarms. Cheap to clone.
#[derive(Clone)]
pub struct Alarms(Arc<Shared>);

struct Shared {
    state: Arc<StateFile>,
    hub: Arc<Hub>,
    now: fn() -> UnixMillis,
    inner: Mutex<Inner>,
    /// Held by the one who writes.
    disk: Mutex<()>,
    /// How many changes were told.
    revision: watch::Sender<u64>,
    /// There is something to write.
    wake: Notify,
}

struct Inner {
    book: AlarmBook,
    unwritten: Changes,
    told: Told,
    /// How the sources of open alarms lived when it was last looked.
    lives: HashMap<SeriesKey, (Life, Position)>,
    /// Deployments with open alarms of which nobody has said yet whether they run.
    unsettled: BTreeSet<String>,
    /// Alarms, silences and deployments that are on the disk or on their way there.
    alarms: BTreeSet<Id>,
    silences: BTreeSet<u64>,
    through: BTreeSet<String>,
    /// Alarms raised by this process.
    raised: u64,
    counts: Counts,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Alarms that are open.
    pub open: u64,
    /// Alarms that were refused because there were too many.
    pub refused: u64,
    /// Transitions that never came to the disk.
    pub lost: u64,
    /// Writes that the disk did not take.
    pub not_kept: u64,
}

/// Why something cannot be done with an alarm.
#[derive(Debug, thiserror::Error)]
pub enum AlarmError {
    /// What was asked is not of its form.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The book says so.
    #[error(transparent)]
    Book(#[from] BookError),
    /// The disk does not give what was kept.
    #[error("reading what is kept of the alarm: {0}")]
    Read(#[from] rusqlite::Error),
}

impl Alarms {
    /// What was kept. Blocks.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn open(state: Arc<StateFile>, hub: Arc<Hub>, now: fn() -> UnixMillis) -> Result<Self, StateError> {
        let kept = Kept::load(&state)
            .map_err(|error| StateError::Open { path: PathBuf::from("state.db"), problem: error.into() })?;
        if kept.damaged > 0 {
            tracing::warn!(event = "alarms_damaged", rows = kept.damaged);
        }
        let mut inner = Inner {
            alarms: kept.alarms.iter().map(|alarm| alarm.id).collect(),
            silences: kept.silences.iter().map(|silence| silence.id).collect(),
            through: kept.through.keys().cloned().collect(),
            book: AlarmBook::new(hub.farm(), Bounds::default()),
            unwritten: Changes::default(),
            told: Told::default(),
            lives: HashMap::new(),
            unsettled: BTreeSet::new(),
            raised: 0,
            counts: Counts::default(),
        };
        kept.alarms.iter().for_each(|alarm| inner.told.put(alarm));
        inner.book.load(kept.alarms, kept.silences, kept.through);
        inner.unsettled = inner.book.open().map(|alarm| alarm.key.deployment.clone()).collect();
        let revision = watch::channel(inner.told.revision()).0;
        let (inner, disk) = (Mutex::new(inner), Mutex::new(()));
        Ok(Self(Arc::new(Shared { state, hub, now, inner, disk, revision, wake: Notify::new() })))
    }

    /// What a run said in one step, caused by what it had consumed up to `cause`; `component` is its name and version. Returns
    /// once what changed is on the disk, how many alarms were refused. What was said before of this cause, or a later one, is
    /// passed over.
    pub async fn said(
        &self,
        run: &Ready,
        component: (&str, &str),
        cause: Place,
        calls: Vec<AlarmCall>,
        series: impl Fn(u32) -> Option<Arc<SeriesDef>>,
    ) -> u64 {
        let name = &run.document.document.name;
        let said: Vec<Said> = calls.into_iter().map(|call| word(name, call, &series)).collect();
        let now = (self.0.now)();
        let (has_changed, refused) = {
            let mut inner = self.0.inner.lock();
            let Inner { book, raised, .. } = &mut *inner;
            let epoch = self.0.hub.epoch();
            let fresh = || {
                *raised += 1;
                fresh_id(self.0.hub.farm(), epoch.random, *raised)
            };
            let before = book.refused();
            let changes = book.said(name, cause, said, now, fresh);
            let refused = book.refused() - before;
            if refused > 0 {
                tracing::warn!(event = "alarms_refused", deployment = name, count = refused);
            }
            let has_changed =
                changes.iter().any(|change| change.transition.is_some() || change.alarm.changed == now);
            if !changes.is_empty() {
                inner.through.insert(name.clone());
                inner.unwritten.through.insert(name.clone(), Some(cause));
            }
            let new = changes.iter().filter(|change| change.alarm.version == 1).map(|change| change.alarm.id);
            let origins: Vec<_> = new.map(|id| (id, origin(run, component))).collect();
            inner.unwritten.origins.extend(origins);
            inner.changed(changes);
            (has_changed, refused)
        };
        if has_changed {
            self.flush().await;
        }
        refused
    }

    /// A run of the deployment has begun: with what it knew, or from nothing.
    pub fn runs(&self, name: &str, with_state: bool) {
        let mut inner = self.0.inner.lock();
        inner.unsettled.remove(name);
        let changes = inner.book.deployment_runs(name, with_state, (self.0.now)());
        inner.changed(changes);
        inner.note_through();
        drop(inner);
        self.0.wake.notify_one();
    }

    /// The deployment does not run, and why, as a clause of its own: `its deployment was removed`.
    pub fn stopped(&self, name: &str, reason: &str) {
        let mut inner = self.0.inner.lock();
        inner.unsettled.remove(name);
        let changes = inner.book.deployment_stopped(name, reason, (self.0.now)());
        inner.changed(changes);
        drop(inner);
        self.0.wake.notify_one();
    }

    /// Follows sources and time, and writes what waits. Ends only by being dropped.
    pub async fn keep(self, deployments: Deployments) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    self.settle(&deployments);
                    self.tick();
                }
                () = self.0.wake.notified() => {}
            }
            self.flush().await;
        }
    }

    /// What was kept of deployments that nobody runs becomes unknown, once it is known that nobody will.
    fn settle(&self, deployments: &Deployments) {
        let unsettled: Vec<String> = self.0.inner.lock().unsettled.iter().cloned().collect();
        if unsettled.is_empty() {
            return;
        }
        let statuses = deployments.statuses(&unsettled);
        for name in unsettled {
            let mut of_name = statuses.iter().filter(|status| status.name == name).peekable();
            if let Some(off) = deployments.off() {
                self.stopped(&name, &format!("its deployment does not run: {off}"));
            } else if of_name.peek().is_none() {
                if deployments.has_heard_all() {
                    self.stopped(&name, "its deployment was removed");
                }
            } else if let Some(refused) = of_name.find(|status| status.running_serial == 0)
                && refused.state() == DeploymentState::Refused
            {
                self.stopped(&name, &format!("its deployment is refused: {}", refused.reason));
            }
        }
    }

    /// How sources live now, and what time has ended.
    fn tick(&self) {
        let now = (self.0.now)();
        let sources: Vec<SeriesKey> = self.0.inner.lock().book.sources().into_iter().cloned().collect();
        let lives = self.0.hub.lives(&sources);
        let mut inner = self.0.inner.lock();
        let mut changes = Vec::new();
        let before = std::mem::take(&mut inner.lives);
        for (key, lives) in sources.into_iter().zip(lives) {
            let life = (lives.life, lives.behind);
            if before.get(&key) != Some(&life) {
                changes.extend(inner.book.source(&key, lives.life, lives.behind, &lives.reason, now));
            }
            inner.lives.insert(key, life);
        }
        changes.extend(inner.book.tick(now));
        inner.changed(changes);
        inner.note_through();
        inner.note_silences();
        inner.note_gone();
    }

    /// Those that are open, and up to which change that is so.
    pub fn open_now(&self) -> (Vec<Arc<ToldAlarm>>, u64) {
        let inner = self.0.inner.lock();
        let open = inner.told.since(0).filter(|told| told.alarm.cleared.is_none());
        (open.map(Arc::clone).collect(), inner.told.revision())
    }

    /// Those that changed since, each as it is now, and up to which change that is so.
    pub fn since(&self, revision: u64) -> (Vec<Arc<ToldAlarm>>, u64) {
        let inner = self.0.inner.lock();
        (inner.told.since(revision).map(Arc::clone).collect(), inner.told.revision())
    }

    /// Tells that some alarm has changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.revision.subscribe()
    }

    /// How many open ones there are of each level that an open one can have.
    pub fn levels(&self) -> [(Status, u64); 4] {
        let inner = self.0.inner.lock();
        [Status::Info, Status::Warning, Status::Critical, Status::Unknown]
            .map(|level| (level, inner.book.open_of(level) as u64))
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        let inner = self.0.inner.lock();
        Counts { open: inner.book.open().count() as u64, refused: inner.book.refused(), ..inner.counts }
    }

    /// Writes what waits, beside the async threads; returns when it is on the disk.
    async fn flush(&self) {
        let shared = Arc::clone(&self.0);
        if tokio::task::spawn_blocking(move || shared.flush()).await.is_err() {
            tracing::error!(event = "alarms_failed");
        }
    }
}

impl Shared {
    /// Writes what waits, then tells it. Whoever comes while another writes waits for that, and writes all that came meanwhile.
    fn flush(&self) {
        let _one = self.disk.lock();
        let changes = std::mem::take(&mut self.inner.lock().unwritten);
        if changes.is_empty() {
            return;
        }
        let written = kept::write(&self.state, &changes);
        let mut inner = self.inner.lock();
        changes.alarms.values().for_each(|alarm| inner.told.put(alarm));
        changes.gone.iter().for_each(|id| inner.told.forget(*id));
        if let Err(error) = written {
            tracing::warn!(event = "alarms_not_kept", %error);
            inner.counts.not_kept += 1;
            inner.unwritten.put_back(changes);
            while inner.unwritten.transitions.len() > MAX_UNWRITTEN {
                inner.unwritten.transitions.pop_first();
                inner.counts.lost += 1;
            }
        }
        let revision = inner.told.revision();
        drop(inner);
        self.revision.send_if_modified(|before| std::mem::replace(before, revision) != revision);
    }
}

impl Inner {
    /// Notes what is to be written and told.
    fn changed(&mut self, changes: Vec<AlarmChange>) {
        for AlarmChange { alarm, transition } in changes {
            self.alarms.insert(alarm.id);
            if let Some(transition) = transition {
                self.unwritten.transitions.insert((alarm.id, alarm.version), transition);
            }
            self.unwritten.alarms.insert(alarm.id, alarm);
        }
    }

    /// Of deployments that the book has forgotten nothing is kept.
    fn note_through(&mut self) {
        let Self { book, through, unwritten, .. } = self;
        let now: BTreeMap<&str, Place> = book.through().collect();
        through.retain(|name| {
            let stays = now.contains_key(name.as_str());
            if !stays {
                unwritten.through.insert(name.clone(), None);
            }
            stays
        });
    }

    /// Silences that have ended are not kept.
    fn note_silences(&mut self) {
        let Self { book, silences, unwritten, .. } = self;
        let now: BTreeSet<u64> = book.silences().map(|silence| silence.id).collect();
        silences.retain(|id| {
            let stays = now.contains(id);
            if !stays {
                unwritten.silences.insert(*id, None);
            }
            stays
        });
    }

    /// Alarms that the book has forgotten are not kept.
    fn note_gone(&mut self) {
        let Self { book, alarms, unwritten, .. } = self;
        if book.open().count() + book.cleared().count() == alarms.len() {
            return;
        }
        let now: BTreeSet<Id> = book.open().chain(book.cleared()).map(|alarm| alarm.id).collect();
        alarms.retain(|id| {
            let stays = now.contains(id);
            if !stays {
                unwritten.alarms.remove(id);
                unwritten.gone.push(*id);
            }
            stays
        });
    }
}

/// What a filter said, in the book's words.
fn word(deployment: &str, call: AlarmCall, series: &impl Fn(u32) -> Option<Arc<SeriesDef>>) -> Said {
    let of = |key| AlarmKey { deployment: deployment.to_owned(), key };
    match call {
        AlarmCall::Raise { key, severity, text, series: handles, value, runbook } => {
            let keys = handles.into_iter().filter_map(series).map(|def| def.key.clone());
            Said::Raise(Raise { key: of(key), level: severity, text, series: keys.collect(), value, runbook })
        }
        AlarmCall::Clear { key, text } => Said::Clear(of(key), text),
    }
}

fn origin(run: &Ready, (name, version): (&str, &str)) -> Origin {
    Origin {
        serial: run.serial(),
        parameters: run.deployment.parameters.clone(),
        component: name.to_owned(),
        component_version: version.to_owned(),
    }
}

/// Random enough: the random part is drawn anew at each start of the farm.
fn fresh_id(farm: &str, random: u64, raised: u64) -> Id {
    let mut bytes = b"hedgerow/alarm\0".to_vec();
    bytes.extend_from_slice(&random.to_le_bytes());
    bytes.extend_from_slice(&raised.to_le_bytes());
    bytes.extend_from_slice(farm.as_bytes());
    let mut id = Id([0; 16]);
    id.0.iter_mut().zip(hash(&bytes).0).for_each(|(to, from)| *to = from);
    id
}
