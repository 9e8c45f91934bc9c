//! Keeps a service registered with every lookup it knows: registers, renews at a third of the term, registers again where
//! a lookup has forgotten, cancels at the end.
//!
//! Each lookup has a task of its own, so that one that hangs never delays another's renewals.

mod core;

use self::core::{Answer, Leases, Next};
use crate::backoff;
use crate::channel::{Caller, Connection, in_time, leads_to_loopback};
use crate::error::ClientError;
use crate::identity::Identity;
use futures_util::StreamExt as _;
use hedgerow_model::lease::DEFAULT_ASKED;
use hedgerow_model::registration::{Endpoint, Id, Mesh, Registration};
use hedgerow_proto::lookup::{
    CancelRequest, RegisterRequest, RenewRequest, RenewResponse, RenewState, Signed,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tonic::Streaming;

/// How long a lookup may take to answer one call; then it counts as failed and is made again.
const ANSWER_PATIENCE: Duration = Duration::from_secs(3);

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
            let at_lookup = AtLookup {
                connection: caller.connect(&url)?,
                on_loopback: leads_to_loopback(&url),
                caller: caller.clone(),
                identities: Arc::clone(&identities),
                said: said.clone(),
                asked,
                leases: Leases::new(identities.len(), Instant::now()),
                renewals: None,
                state: state_by,
            };
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

const REGISTER: &str = "register with the lookup";
const RENEW: &str = "renew the lease";
const CANCEL: &str = "cancel the lease";

struct AtLookup {
    connection: Connection,
    on_loopback: bool,
    caller: Caller,
    identities: Arc<[Identity]>,
    said: watch::Receiver<Said>,
    asked: Duration,
    leases: Leases,
    renewals: Option<Renewals>,
    state: watch::Sender<State>,
}

struct Renewals {
    requests: mpsc::Sender<RenewRequest>,
    answers: Streaming<RenewResponse>,
}

impl AtLookup {
    async fn keep(mut self, mut stopped: watch::Receiver<bool>) -> Vec<ClientError> {
        self.greet(&mut stopped).await;
        while !*stopped.borrow() {
            for (which, (serial, _)) in self.said.borrow_and_update().iter().enumerate() {
                self.leases.changed(which, *serial);
            }
            match self.leases.next(Instant::now()) {
                Next::Register(which) => self.register(which).await,
                Next::Renew(due) => self.renew(due).await,
                Next::Wait(until) => {
                    let timer = async {
                        match until {
                            Some(until) => sleep_until(until).await,
                            None => std::future::pending().await,
                        }
                    };
                    tokio::select! {
                        () = timer => {}
                        _ = stopped.changed() => {}
                        Ok(()) = self.said.changed() => {}
                    }
                }
            }
        }
        self.cancel().await
    }

    /// Waits until the lookup has told its mesh, and it is ours.
    async fn greet(&mut self, stopped: &mut watch::Receiver<bool>) {
        let mut failures = backoff::Backoff::default();
        while !*stopped.borrow() {
            let error = match self.connection.greet(&self.caller, ANSWER_PATIENCE).await {
                Ok(status) => {
                    self.tell(|state| state.id = Id::from_slice(&status.lookup_id));
                    return;
                }
                Err(error) => error,
            };
            // Another mesh may be put right, but not within seconds.
            let wait = match error {
                ClientError::OtherMesh { .. } => backoff::LONGEST,
                _ => failures.failed(backoff::random()),
            };
            self.fail(&error);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stopped.changed() => {}
            }
        }
    }

    async fn register(&mut self, which: usize) {
        let Some((serial, signed)) = self.signed(which) else { return };
        let asked_ms = u64::try_from(self.asked.as_millis()).unwrap_or(u64::MAX);
        let sent = Instant::now();
        let mut client = self.connection.lookup();
        let call = client.register(RegisterRequest { registration: Some(signed), asked_ms });
        match in_time(REGISTER, self.connection.url(), ANSWER_PATIENCE, call).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                let granted = Duration::from_millis(answer.granted_ms).min(self.asked);
                self.leases.registered(which, serial, sent, answer.lease, granted);
                self.tell(|state| {
                    state.id = Id::from_slice(&answer.lookup_id).or(state.id);
                    state.last_error = None;
                });
            }
            Err(error) => {
                let earliest = Instant::now() + error.retry_after().unwrap_or_default();
                self.leases.refused(which, earliest, backoff::random());
                self.fail(&error);
            }
        }
    }

    fn signed(&self, which: usize) -> Option<(u64, Signed)> {
        let identity = self.identities.get(which)?;
        let (serial, body) = self.said.borrow().get(which)?.clone();
        let mut endpoints = body.endpoints;
        endpoints.retain(|endpoint| self.on_loopback || !leads_to_loopback(&endpoint.url));
        let registration = Registration {
            id: identity.id(),
            mesh: self.caller.mesh()?.clone(),
            name: body.name,
            kind: body.kind,
            groups: body.groups,
            attributes: body.attributes,
            endpoints,
            apis: body.apis,
            version: body.version,
            description: body.description,
            instance: identity.instance(),
            serial,
        };
        Some((serial, identity.sign(&registration)))
    }

    async fn renew(&mut self, due: Vec<(usize, u64)>) {
        let sent = Instant::now();
        match self.exchange(due.iter().map(|(_, lease)| *lease).collect()).await {
            Ok(answers) => {
                let mut error = None;
                for ((which, _), answer) in due.into_iter().zip(answers) {
                    let answer = match answer.state() {
                        RenewState::Renewed => Answer::Renewed(Duration::from_millis(answer.granted_ms)),
                        RenewState::Replaced => Answer::Replaced,
                        RenewState::Unknown | RenewState::Unspecified => Answer::Unknown,
                    };
                    if answer == Answer::Replaced {
                        error = Some(
                            "another instance of this service took its place: if you did not start one, somebody has a \
                             copy of its identity"
                                .to_owned(),
                        );
                    }
                    self.leases.answered(which, sent, answer);
                }
                self.tell(|state| state.last_error = error);
            }
            Err(error) => {
                self.renewals = None;
                self.leases.unanswered(&due, Instant::now(), backoff::random());
                self.fail(&error);
            }
        }
    }

    /// One message of renewals and its answer, on the stream that stays open for all of them.
    async fn exchange(
        &mut self,
        leases: Vec<u64>,
    ) -> Result<Vec<hedgerow_proto::lookup::renew_response::Renewed>, ClientError> {
        let asked = leases.len();
        let mut client = self.connection.lookup();
        let renewals = &mut self.renewals;
        let call = async {
            let request = RenewRequest { leases };
            if renewals.is_none() {
                // One message is under way at a time: the next waits for the answer to this one.
                let (requests, mut waiting) = mpsc::channel(1);
                let outgoing = async_stream::stream! {
                    while let Some(request) = waiting.recv().await { yield request; }
                };
                // The request goes first: a lookup may answer with headers only once it has seen one.
                let _ = requests.try_send(request);
                let answers = client.renew(outgoing).await?.into_inner();
                *renewals = Some(Renewals { requests, answers });
            } else if let Some(open) = renewals {
                let ended = |_| tonic::Status::unavailable("the stream of renewals has ended");
                open.requests.send(request).await.map_err(ended)?;
            }
            match renewals {
                Some(open) => open.answers.message().await,
                None => Ok(None),
            }
        };
        let at = self.connection.url();
        let answer = in_time(RENEW, at, ANSWER_PATIENCE, call).await?;
        match answer.map(|answer| answer.renewed) {
            Some(renewed) if renewed.len() == asked => Ok(renewed),
            _ => {
                let status = tonic::Status::unavailable("the lookup ended the stream of renewals");
                Err(ClientError::of_status(RENEW, at, &status))
            }
        }
    }

    async fn cancel(&mut self) -> Vec<ClientError> {
        let at = self.connection.url();
        let calls = self.leases.held().map(|lease| {
            let mut client = self.connection.lookup();
            async move { in_time(CANCEL, at, ANSWER_PATIENCE, client.cancel(CancelRequest { lease })).await }
        });
        let answers = futures_util::future::join_all(calls).await;
        self.state.send_modify(|state| state.until = None);
        answers.into_iter().filter_map(Result::err).collect()
    }

    fn tell(&self, change: impl FnOnce(&mut State)) {
        let until = self.leases.all_held_until();
        self.state.send_modify(|state| {
            state.until = until;
            change(state);
        });
    }

    fn fail(&self, error: &ClientError) {
        self.tell(|state| state.last_error = Some(error.to_string()));
    }
}
