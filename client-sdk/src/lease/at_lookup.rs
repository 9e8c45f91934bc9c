//! The calls to one lookup: greet, register, renew, cancel, as [`Leases`] says when. Registrations are on their way side by
//! side, within a bound; renewals one message at a time, on a stream that stays open for all of them.

mod renewals;

use self::renewals::Renewals;
use super::core::{Answer, DISPUTED_EVERY, Leases, MAX_REGISTERING};
use super::{Said, State, States, Stop};
use crate::backoff::{self, random};
use crate::channel::{Caller, Connection, in_time, leads_to_loopback};
use crate::discovery::Lookups;
use crate::error::ClientError;
use crate::identity::Identity;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use hedgerow_model::registration::{Id, Registration};
use hedgerow_proto::lookup::{
    CancelRequest, RegisterRequest, RegisterResponse, RenewResponse, RenewState, Signed,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tonic::Code;

/// How long a lookup may take to answer one call; then it counts as failed and is made again.
pub(super) const ANSWER_PATIENCE: Duration = Duration::from_secs(3);

const REGISTER: &str = "register with the lookup";
pub(super) const CANCEL: &str = "cancel the lease";
/// Said where the lookup says nothing itself.
const REPLACED: &str = "another instance of this service took its place: if you did not start one, somebody has a copy of its \
                        identity";

/// What is kept, the same at every lookup.
#[derive(Clone)]
pub(super) struct Kept {
    pub caller: Caller,
    pub lookups: Lookups,
    pub identities: Arc<[Identity]>,
    pub said: watch::Receiver<Said>,
    pub asked: Duration,
    /// No call off loopback before this.
    pub start: Instant,
    pub states: watch::Sender<States>,
}

/// One lookup, and the leases there.
pub(super) struct AtLookup {
    kept: Kept,
    connection: Connection,
    on_loopback: bool,
    leases: Leases,
    registering: FuturesUnordered<BoxFuture<'static, Registered>>,
    renewals: Option<Renewals>,
    renewing: Option<BoxFuture<'static, Renewed>>,
    /// What it told last of the lookups it knows.
    version: Option<u64>,
}

/// A registration that is answered, or was given up.
struct Registered {
    which: usize,
    serial: u64,
    sent: Instant,
    answer: Result<RegisterResponse, ClientError>,
}

/// A message of renewals that is answered, or was given up.
struct Renewed {
    due: Vec<(usize, u64)>,
    sent: Instant,
    answer: Result<(Renewals, RenewResponse), ClientError>,
}

impl AtLookup {
    pub(super) fn new(connection: Connection, kept: Kept) -> Self {
        Self {
            on_loopback: leads_to_loopback(connection.url()),
            leases: Leases::new(kept.identities.len(), Instant::now()),
            registering: FuturesUnordered::new(),
            renewals: None,
            renewing: None,
            version: None,
            connection,
            kept,
        }
    }

    /// Keeps the leases until stopped; gives what could not be cancelled.
    pub(super) async fn keep(mut self, mut stop: watch::Receiver<Stop>) -> Vec<ClientError> {
        tokio::select! {
            () = self.greet() => {}
            _ = stop.wait_for(|stop| *stop != Stop::No) => {}
        }
        self.listen();
        while *stop.borrow() == Stop::No {
            self.call();
            let next = self.leases.next(self.renewing.is_some());
            let timer = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let renewed = async {
                match &mut self.renewing {
                    Some(renewing) => renewing.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = timer => {}
                _ = stop.changed() => {}
                Ok(()) = self.kept.said.changed() => self.listen(),
                Some(registered) = self.registering.next() => self.registered(registered),
                renewed = renewed => self.renewed(renewed),
            }
        }
        // One that is left is not told: it is gone, or reached in another way, and these leases are in use there.
        if *stop.borrow() == Stop::Leave { Vec::new() } else { self.cancel().await }
    }

    /// Waits until the lookup has told its mesh, and it is ours.
    async fn greet(&mut self) {
        if !self.on_loopback {
            sleep_until(self.kept.start).await;
        }
        let mut failures = backoff::Backoff::default();
        loop {
            let error = match self.connection.greet(&self.kept.caller, ANSWER_PATIENCE).await {
                Ok(status) => {
                    self.tell(|state| state.id = Id::from_slice(&status.lookup_id));
                    return;
                }
                Err(error) => error,
            };
            // Another mesh may be put right, but not within seconds.
            let wait = match error {
                ClientError::OtherMesh { .. } => backoff::LONGEST,
                _ => failures.failed(random()),
            };
            self.fail(&error);
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes in what the services say now.
    fn listen(&mut self) {
        let now = Instant::now();
        for (which, (serial, _)) in self.kept.said.borrow_and_update().iter().enumerate() {
            self.leases.changed(which, *serial, now);
        }
    }

    /// Makes the calls that are due.
    fn call(&mut self) {
        let now = Instant::now();
        while let Some(which) = self.leases.register(now) {
            match self.register(which, now) {
                Some(call) => self.registering.push(call),
                None => drop(self.leases.unanswered(which, now, random())),
            }
        }
        if self.renewing.is_none() {
            let due = self.leases.renew(now);
            if !due.is_empty() {
                let renewals = self.renewals.take();
                self.renewing = Some(Box::pin(renew(self.connection.clone(), renewals, due, now)));
            }
        }
    }

    fn register(&self, which: usize, sent: Instant) -> Option<BoxFuture<'static, Registered>> {
        let (serial, signed) = self.signed(which)?;
        let asked_ms = u64::try_from(self.kept.asked.as_millis()).unwrap_or(u64::MAX);
        let connection = self.connection.clone();
        Some(Box::pin(async move {
            let mut client = connection.lookup();
            let call = client.register(RegisterRequest { registration: Some(signed), asked_ms });
            let answer = in_time(REGISTER, connection.url(), ANSWER_PATIENCE, call).await;
            Registered { which, serial, sent, answer: answer.map(tonic::Response::into_inner) }
        }))
    }

    fn registered(&mut self, registered: Registered) {
        let Registered { which, serial, sent, answer } = registered;
        match answer {
            Ok(answer) => {
                let granted = Duration::from_millis(answer.granted_ms).min(self.kept.asked);
                self.leases.registered(which, serial, sent, answer.lease, granted);
                self.versioned(answer.lookups_version);
                self.tell(|state| {
                    state.id = Id::from_slice(&answer.lookup_id).or(state.id);
                    state.last_error = None;
                });
            }
            Err(error) => {
                let now = Instant::now();
                match (&error, error.retry_after()) {
                    (_, Some(after)) => self.leases.refused(which, now + after, true, random()),
                    // A newer instance, or an older that lives: that changes when the other goes.
                    (ClientError::Call { code: Code::FailedPrecondition, .. }, _) => {
                        self.leases.refused(which, now + DISPUTED_EVERY, false, random());
                    }
                    _ if error.is_transient() => {
                        let answered = self.leases.unanswered(which, now, random());
                        self.lost_if(answered);
                    }
                    _ => self.leases.refused(which, now, false, random()),
                }
                self.fail(&error);
            }
        }
    }

    fn signed(&self, which: usize) -> Option<(u64, Signed)> {
        let identity = self.kept.identities.get(which)?;
        let (serial, body) = self.kept.said.borrow().get(which)?.clone();
        let mut endpoints = body.endpoints;
        endpoints.retain(|endpoint| self.on_loopback || !leads_to_loopback(&endpoint.url));
        let registration = Registration {
            id: identity.id(),
            mesh: self.kept.caller.mesh()?.clone(),
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

    fn renewed(&mut self, renewed: Renewed) {
        self.renewing = None;
        let Renewed { due, sent, answer } = renewed;
        match answer {
            Ok((renewals, answer)) => {
                self.renewals = Some(renewals);
                let mut disputed = false;
                let granted = |ms| Duration::from_millis(ms).min(self.kept.asked);
                for (asked, answer) in due.into_iter().zip(&answer.renewed) {
                    let answer = match answer.state() {
                        RenewState::Renewed => Answer::Renewed(granted(answer.granted_ms)),
                        RenewState::Replaced => Answer::Replaced,
                        RenewState::Cloned => Answer::Cloned,
                        RenewState::Unknown | RenewState::Unspecified => Answer::Unknown,
                    };
                    disputed |= matches!(answer, Answer::Replaced | Answer::Cloned);
                    self.leases.answered(asked, sent, answer);
                }
                self.versioned(answer.lookups_version);
                let said = if answer.problem.is_empty() { REPLACED.to_owned() } else { answer.problem };
                self.tell(|state| state.last_error = disputed.then_some(said));
            }
            Err(error) => {
                let answered = self.leases.silent(Instant::now(), random());
                self.lost_if(answered);
                self.fail(&error);
            }
        }
    }

    async fn cancel(&mut self) -> Vec<ClientError> {
        let mut errors = self.cancel_held().await;
        // What was on its way may have arrived, and would be held until it runs out.
        while let Some(registered) = self.registering.next().await {
            self.registered(registered);
        }
        errors.extend(self.cancel_held().await);
        self.tell(|_| ());
        errors
    }

    async fn cancel_held(&mut self) -> Vec<ClientError> {
        let connection = &self.connection;
        let calls = self.leases.let_go().into_iter().map(|lease| {
            let mut client = connection.lookup();
            async move {
                let call = client.cancel(CancelRequest { lease });
                in_time(CANCEL, connection.url(), ANSWER_PATIENCE, call).await
            }
        });
        let answers = futures_util::stream::iter(calls).buffer_unordered(MAX_REGISTERING);
        answers.filter_map(|answer| std::future::ready(answer.err())).collect().await
    }

    fn versioned(&mut self, version: u64) {
        if self.version.replace(version) != Some(version) {
            self.kept.lookups.version(self.connection.url(), version);
        }
    }

    fn lost_if(&self, lost: bool) {
        if lost {
            self.kept.lookups.lost(self.connection.url());
        }
    }

    fn tell(&self, change: impl FnOnce(&mut State)) {
        let until = self.leases.all_held_until();
        self.kept.states.send_modify(|states| {
            if let Some(state) = states.get_mut(self.connection.url()) {
                state.until = until;
                change(state);
            }
        });
    }

    fn fail(&self, error: &ClientError) {
        self.tell(|state| state.last_error = Some(error.to_string()));
    }
}

async fn renew(
    connection: Connection,
    renewals: Option<Renewals>,
    due: Vec<(usize, u64)>,
    sent: Instant,
) -> Renewed {
    let leases = due.iter().map(|(_, lease)| *lease).collect();
    let answer = renewals::exchange(&connection, renewals, leases).await;
    Renewed { due, sent, answer }
}
