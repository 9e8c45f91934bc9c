//! Keeps a service registered with every lookup there is: registers, renews at a third of the term, registers again where
//! a lookup has forgotten, cancels at the end. Lookups that appear later are registered with, those gone are left.
//!
//! Each lookup has a task of its own, so that one that hangs never delays another's renewals.

mod at_lookup;
mod core;
pub(crate) mod start;

pub use self::start::{AFTER_BOOT, START_DELAY};

use self::at_lookup::{ANSWER_PATIENCE, AtLookup, CANCEL, Kept};
use crate::backoff::random;
use crate::channel::{Caller, Connection};
use crate::discovery::Lookups;
use crate::error::ClientError;
use crate::identity::Identity;
use hedgerow_model::lease::DEFAULT_ASKED;
use hedgerow_model::registration::{Endpoint, Id, Mesh};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{self, AbortHandle, JoinSet};
use tokio::time::Instant;

/// What a service says of itself. Its id, mesh, instance and serial are added by the keeper.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body {
    /// Its name; not unique.
    pub name: String,
    /// `farm`, `lookup`, `repository`, …
    pub kind: String,
    /// Groups it belongs to.
    pub groups: Vec<String>,
    /// Free key=value pairs.
    pub attributes: BTreeMap<String, String>,
    /// Where it can be reached. Those on loopback are not told to lookups off loopback.
    pub endpoints: Vec<Endpoint>,
    /// The API packages it speaks.
    pub apis: Vec<String>,
    /// The version of its program.
    pub version: String,
    /// Free description.
    pub description: String,
}

/// What a [`LeaseKeeper`] keeps, and where.
#[derive(Debug)]
pub struct LeaseKeeperOptions {
    /// The lookups to register with, as they come and go.
    pub lookups: Lookups,
    /// Who calls: the token; and the mesh, or it is taken from the first lookup that answers. The one that `lookups` has.
    pub caller: Caller,
    /// The services of this process, each with what it says of itself; a change is told at once.
    pub registrations: Vec<(Identity, watch::Receiver<Body>)>,
    /// The longest lease that is wanted.
    pub asked: Duration,
    /// Soon after this machine booted, the first call to lookups off loopback waits a random while of at most this, so that
    /// a whole site does not register in one moment after a power cut. Zero: never. See [`START_DELAY`].
    pub start_delay: Duration,
}

impl LeaseKeeperOptions {
    /// For one service, asking for a lease of 60 s.
    pub fn new(
        lookups: impl Into<Lookups>,
        caller: Caller,
        identity: Identity,
        body: watch::Receiver<Body>,
    ) -> Self {
        Self {
            lookups: lookups.into(),
            caller,
            registrations: vec![(identity, body)],
            asked: DEFAULT_ASKED,
            start_delay: START_DELAY,
        }
    }
}

/// How the leases at one lookup are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupLease {
    /// The lookup's address.
    pub url: String,
    /// Its id, once it answered.
    pub id: Option<Id>,
    /// Whether all registrations of this process are held there.
    pub registered: bool,
    /// How long the lease that runs out first still runs.
    pub remaining: Duration,
    /// What went wrong last; `None` while all is well.
    pub last_error: Option<String>,
}

/// Keeps leases. Dropped, it stops renewing and the leases run out; [`LeaseKeeper::cancel_all`] ends them at once.
#[derive(Debug)]
pub struct LeaseKeeper {
    caller: Caller,
    lookups: Lookups,
    states: watch::Receiver<States>,
    stop: watch::Sender<Stop>,
    /// Follows the lookups; ends with the keeper.
    follower: JoinSet<Vec<ClientError>>,
    following: AbortHandle,
    /// Follows the bodies; ends with the keeper.
    _scribe: JoinSet<()>,
}

/// Said where the keeping at one lookup panicked.
const PANICKED: &str = "a fault of this program ended the keeping of this lease: it is begun anew; please report what stands on \
                        standard error";
/// Said where all keeping has ended.
const ENDED: &str = "a fault of this program ended the keeping of leases: start it again";
/// How long after a panic the keeping is begun anew.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// By address.
type States = BTreeMap<String, State>;

#[derive(Debug, Clone)]
struct State {
    url: String,
    id: Option<Id>,
    until: Option<Instant>,
    last_error: Option<String>,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    No,
    /// The lookup is left: no more calls.
    Leave,
    /// Cancel all leases, until then at most.
    Cancel(Instant),
}

/// What is said now: of each registration its serial and its body.
type Said = Vec<(u64, Body)>;

impl LeaseKeeper {
    /// Starts keeping. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Where an address is none.
    pub fn start(options: LeaseKeeperOptions) -> Result<Self, ClientError> {
        let LeaseKeeperOptions { lookups, caller, registrations, asked, start_delay } = options;
        for at in lookups.known().iter() {
            caller.connect(&at.url)?;
        }
        if lookups.are_fixed() {
            caller.names(lookups.known().iter().map(|at| at.url.clone()));
        }
        let (identities, bodies): (Vec<_>, Vec<_>) = registrations.into_iter().unzip();
        let first: Said = bodies.iter().map(|body| (1, body.borrow().clone())).collect();
        let (said_by, said) = watch::channel(first);
        let (stop, stopped) = watch::channel(Stop::No);
        let (states_by, states) = watch::channel(States::new());
        let kept = Kept {
            caller: caller.clone(),
            lookups: lookups.clone(),
            identities: identities.into(),
            said,
            asked,
            start: Instant::now() + start::delay(start_delay, random()),
            states: states_by,
        };
        let (mut follower, mut scribe) = (JoinSet::new(), JoinSet::new());
        let keep = |connection, kept, stopped| AtLookup::new(connection, kept).keep(stopped);
        let following = follower.spawn(follow(kept, stopped, keep));
        for (which, body) in bodies.into_iter().enumerate() {
            scribe.spawn(write_down(which, body, said_by.clone()));
        }
        Ok(Self { caller, lookups, states, stop, follower, following, _scribe: scribe })
    }

    /// The mesh, once it is known.
    pub fn mesh(&self) -> Option<&Mesh> {
        self.caller.mesh()
    }

    /// The lookups it follows.
    pub fn lookups(&self) -> &Lookups {
        &self.lookups
    }

    /// How the leases are, per lookup; those of other meshes, which are never registered with, come last.
    pub fn state(&self) -> Vec<LookupLease> {
        let now = Instant::now();
        let (known, states) = (self.lookups.known(), self.states.borrow());
        let kept = known.iter().map(|at| match states.get(&at.url) {
            Some(state) => state.seen_at(now),
            None => State::new(&at.url, at.id).seen_at(now),
        });
        let problems = self.lookups.problems();
        let others = problems.iter().filter_map(|problem| match problem {
            ClientError::OtherMesh { at, .. } => {
                let last_error = Some(problem.to_string());
                Some(State { last_error, ..State::new(at, None) }.seen_at(now))
            }
            _ => None,
        });
        let mut all: Vec<LookupLease> = kept.chain(others).collect();
        if self.following.is_finished() {
            all.iter_mut().for_each(|lease| lease.last_error = Some(ENDED.to_owned()));
        }
        all
    }

    /// Waits until at least one lookup holds all registrations.
    pub async fn registered(&self) {
        let mut states = self.states.clone();
        let any = |states: &States| states.values().any(|state| state.until.is_some());
        if states.wait_for(any).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Ends all leases at once and waits for the lookups' answers, until `deadline` at most. What could not be cancelled
    /// is told; it runs out by itself.
    pub async fn cancel_all(mut self, deadline: Instant) -> Vec<ClientError> {
        self.stop.send_replace(Stop::Cancel(deadline));
        match self.follower.join_next().await {
            Some(Ok(errors)) => errors,
            _ => Vec::new(),
        }
    }
}

/// Keeps a task for each lookup that is known, until told to stop; gives what could not be cancelled. A task that panics is
/// said and begun anew.
async fn follow<F>(
    kept: Kept,
    mut stopped: watch::Receiver<Stop>,
    keep: impl Fn(Connection, Kept, watch::Receiver<Stop>) -> F,
) -> Vec<ClientError>
where
    F: Future<Output = Vec<ClientError>> + Send + 'static,
{
    let mut lookups = kept.lookups.clone();
    let mut tasks: JoinSet<Vec<ClientError>> = JoinSet::new();
    let mut urls: HashMap<task::Id, String> = HashMap::new();
    let mut stops: BTreeMap<String, watch::Sender<Stop>> = BTreeMap::new();
    let stop = loop {
        let known = lookups.known();
        stops.retain(|url, stop| {
            let stays = known.iter().any(|at| at.url == *url);
            if !stays {
                stop.send_replace(Stop::Leave);
                kept.states.send_modify(|states| drop(states.remove(url)));
            }
            stays
        });
        for at in known.iter().filter(|at| !stops.contains_key(&at.url)).collect::<Vec<_>>() {
            // Those that came by themselves were looked at when they were taken in.
            let Ok(connection) = kept.caller.connect(&at.url) else { continue };
            let (stop, stopped) = watch::channel(Stop::No);
            stops.insert(at.url.clone(), stop);
            kept.states.send_modify(|states| {
                states.entry(at.url.clone()).or_insert_with(|| State::new(&at.url, at.id));
            });
            let task = tasks.spawn(keep(connection, kept.clone(), stopped));
            urls.insert(task.id(), at.url.clone());
        }
        tokio::select! {
            _ = lookups.changed() => {}
            // A keeper that is dropped takes this task with it.
            _ = stopped.changed() => break *stopped.borrow_and_update(),
            Some(ended) = tasks.join_next_with_id() => {
                let id = ended.as_ref().map_or_else(task::JoinError::id, |(id, _)| *id);
                let (Some(url), Err(_)) = (urls.remove(&id), ended) else { continue };
                stops.remove(&url);
                kept.states.send_modify(|states| {
                    if let Some(state) = states.get_mut(&url) {
                        (state.until, state.last_error) = (None, Some(PANICKED.to_owned()));
                    }
                });
                // What panics at once must not do so in a loop.
                tokio::time::sleep(AFTER_PANIC).await;
            }
        }
    };
    for each in stops.values() {
        each.send_replace(stop);
    }
    let mut errors = Vec::new();
    let Stop::Cancel(deadline) = stop else { return errors };
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            errors.extend(ended.unwrap_or_default());
        }
    };
    if tokio::time::timeout_at(deadline, all).await.is_err() {
        let at = format!("{} lookups", tasks.len());
        errors.push(ClientError::TimedOut { tried: CANCEL, at, within: ANSWER_PATIENCE });
    }
    errors
}

impl State {
    fn new(url: &str, id: Option<Id>) -> Self {
        Self { url: url.to_owned(), id, until: None, last_error: None }
    }

    fn seen_at(&self, now: Instant) -> LookupLease {
        let remaining = self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        LookupLease {
            url: self.url.clone(),
            id: self.id,
            registered: !remaining.is_zero(),
            remaining,
            last_error: self.last_error.clone(),
        }
    }
}

/// Gives each change of a body the next serial, the same for all lookups.
async fn write_down(which: usize, mut body: watch::Receiver<Body>, said: watch::Sender<Said>) {
    while body.changed().await.is_ok() {
        let body = body.borrow_and_update().clone();
        // In place: with many registrations a copy of them all would be large.
        said.send_if_modified(|said| match said.get_mut(which) {
            Some((serial, before)) if *before != body => {
                (*serial, *before) = (*serial + 1, body);
                true
            }
            _ => false,
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_said_and_begun_anew() {
        let (states, seen) = watch::channel(States::new());
        let kept = Kept {
            caller: Caller::default(),
            lookups: Lookups::fixed(["http://127.0.0.1:9"]),
            identities: [].into(),
            said: watch::channel(Said::default()).1,
            asked: DEFAULT_ASKED,
            start: Instant::now(),
            states,
        };
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        let keep = move |_, _, stopped: watch::Receiver<Stop>| {
            let time = count.fetch_add(1, Ordering::Relaxed);
            async move {
                assert!(time > 0, "the fault");
                let _ = stopped.clone().wait_for(|stop| *stop != Stop::No).await;
                Vec::new()
            }
        };
        let (stop, stopped) = watch::channel(Stop::No);
        let following = tokio::spawn(follow(kept, stopped, keep));
        let said =
            |states: &States| states.values().any(|state| state.last_error.as_deref() == Some(PANICKED));
        seen.clone().wait_for(said).await.unwrap();
        while begun.load(Ordering::Relaxed) < 2 {
            tokio::time::sleep(AFTER_PANIC).await;
        }
        assert!(said(&seen.borrow()), "until it is registered again");
        stop.send_replace(Stop::Cancel(Instant::now() + AFTER_PANIC));
        assert!(following.await.unwrap().is_empty());
    }
}
