//! Keeps a service registered with every lookup it knows: registers, renews at a third of the term, registers again where
//! a lookup has forgotten, cancels at the end.
//!
//! Each lookup has a task of its own, so that one that hangs never delays another's renewals.

mod at_lookup;
mod core;

use self::at_lookup::{ANSWER_PATIENCE, AtLookup, CANCEL};
use crate::channel::Caller;
use crate::error::ClientError;
use crate::identity::Identity;
use futures_util::StreamExt as _;
use hedgerow_model::lease::DEFAULT_ASKED;
use hedgerow_model::registration::{Endpoint, Id, Mesh};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
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
    /// The addresses of all lookups.
    pub lookups: Vec<String>,
    /// Who calls: the token; and the mesh, or it is taken from the first lookup that answers.
    pub caller: Caller,
    /// The services of this process, each with what it says of itself; a change is told at once.
    pub registrations: Vec<(Identity, watch::Receiver<Body>)>,
    /// The longest lease that is wanted.
    pub asked: Duration,
}

impl LeaseKeeperOptions {
    /// For one service, asking for a lease of 60 s.
    pub fn new(
        lookups: Vec<String>,
        caller: Caller,
        identity: Identity,
        body: watch::Receiver<Body>,
    ) -> Self {
        Self { lookups, caller, registrations: vec![(identity, body)], asked: DEFAULT_ASKED }
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
    states: Vec<watch::Receiver<State>>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<Vec<ClientError>>,
    /// Follows the bodies; ends with the keeper.
    _scribe: JoinSet<()>,
}

#[derive(Debug, Clone)]
struct State {
    url: String,
    id: Option<Id>,
    until: Option<Instant>,
    last_error: Option<String>,
}

/// What is said now: of each registration its serial and its body.
type Said = Arc<[(u64, Body)]>;

impl LeaseKeeper {
    /// Starts keeping. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Where an address is none.
    pub fn start(options: LeaseKeeperOptions) -> Result<Self, ClientError> {
        let LeaseKeeperOptions { lookups, caller, registrations, asked } = options;
        let (identities, bodies): (Vec<_>, Vec<_>) = registrations.into_iter().unzip();
        let identities: Arc<[Identity]> = identities.into();
        let first: Said = bodies.iter().map(|body| (1, body.borrow().clone())).collect();
        let (said_by, said) = watch::channel(first);
        let (stop, stopped) = watch::channel(false);
        let (mut states, mut tasks, mut scribe) = (Vec::new(), JoinSet::new(), JoinSet::new());
        for url in lookups {
            let (state_by, state) =
                watch::channel(State { url: url.clone(), id: None, until: None, last_error: None });
            states.push(state);
            let connection = caller.connect(&url)?;
            let at_lookup = AtLookup::new(
                connection,
                caller.clone(),
                Arc::clone(&identities),
                said.clone(),
                asked,
                state_by,
            );
            tasks.spawn(at_lookup.keep(stopped.clone()));
        }
        for (which, body) in bodies.into_iter().enumerate() {
            scribe.spawn(write_down(which, body, said_by.clone()));
        }
        Ok(Self { caller, states, stop, tasks, _scribe: scribe })
    }

    /// The mesh, once it is known.
    pub fn mesh(&self) -> Option<&Mesh> {
        self.caller.mesh()
    }

    /// How the leases are, per lookup.
    pub fn state(&self) -> Vec<LookupLease> {
        let now = Instant::now();
        self.states.iter().map(|state| state.borrow().seen_at(now)).collect()
    }

    /// Waits until at least one lookup holds all registrations.
    pub async fn registered(&self) {
        let any = self.states.iter().map(|state| {
            let mut state = state.clone();
            Box::pin(async move {
                if state.wait_for(|state| state.until.is_some()).await.is_err() {
                    std::future::pending::<()>().await;
                }
            })
        });
        let mut any: futures_util::stream::FuturesUnordered<_> = any.collect();
        if any.next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Ends all leases at once and waits for the lookups' answers, until `deadline` at most. What could not be cancelled
    /// is told; it runs out by itself.
    pub async fn cancel_all(mut self, deadline: Instant) -> Vec<ClientError> {
        self.stop.send_replace(true);
        let mut errors = Vec::new();
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                errors.extend(ended.unwrap_or_default());
            }
        };
        if tokio::time::timeout_at(deadline, all).await.is_err() {
            let at = format!("{} lookups", self.tasks.len());
            errors.push(ClientError::TimedOut { tried: CANCEL, at, within: ANSWER_PATIENCE });
        }
        errors
    }
}

impl State {
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
        said.send_if_modified(|said| {
            let mut all = said.to_vec();
            match all.get_mut(which) {
                Some((serial, before)) if *before != body => {
                    (*serial, *before) = (*serial + 1, body);
                    *said = all.into();
                    true
                }
                _ => false,
            }
        });
    }
}
