//! The calls to one lookup: greet, register, renew, cancel, as [`Leases`] says when. One call is under way at a time.

use super::core::{Answer, Leases, Next};
use super::{Said, State};
use crate::backoff;
use crate::channel::{Caller, Connection, in_time, leads_to_loopback};
use crate::error::ClientError;
use crate::identity::Identity;
use hedgerow_model::registration::{Id, Registration};
use hedgerow_proto::lookup::{
    CancelRequest, RegisterRequest, RenewRequest, RenewResponse, RenewState, Signed, renew_response,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tonic::Streaming;

/// How long a lookup may take to answer one call; then it counts as failed and is made again.
pub(super) const ANSWER_PATIENCE: Duration = Duration::from_secs(3);

const REGISTER: &str = "register with the lookup";
const RENEW: &str = "renew the lease";
pub(super) const CANCEL: &str = "cancel the lease";

/// One lookup, and the leases there.
pub(super) struct AtLookup {
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
    pub(super) fn new(
        connection: Connection,
        caller: Caller,
        identities: Arc<[Identity]>,
        said: watch::Receiver<Said>,
        asked: Duration,
        state: watch::Sender<State>,
    ) -> Self {
        Self {
            on_loopback: leads_to_loopback(connection.url()),
            leases: Leases::new(identities.len(), Instant::now()),
            renewals: None,
            connection,
            caller,
            identities,
            said,
            asked,
            state,
        }
    }

    /// Keeps the leases until stopped, then cancels them; gives what could not be cancelled.
    pub(super) async fn keep(mut self, mut stopped: watch::Receiver<bool>) -> Vec<ClientError> {
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
                        RenewState::Replaced | RenewState::Cloned => Answer::Replaced,
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
    async fn exchange(&mut self, leases: Vec<u64>) -> Result<Vec<renew_response::Renewed>, ClientError> {
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
