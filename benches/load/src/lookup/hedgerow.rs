//! Calls of our lookup, straight by the generated code: the client must cost as little as that of the peer.

use super::etcd::queued;
use super::services::{Service, cell_name, country, read};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use hedgerow_model::registration::Id;
use hedgerow_proto::lookup::lookup_client::LookupClient;
use hedgerow_proto::lookup::watch_response::Event;
use hedgerow_proto::lookup::watch_response::event::Event as Told;
use hedgerow_proto::lookup::{
    FindRequest, Operation, RegisterRequest, RenewRequest, RenewResponse, RenewState, StatusRequest,
    StatusResponse, Template, WatchRequest, WatchResponse, template::Term,
};
use tokio::sync::mpsc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// A connection that shows its token with each call.
pub type Client = LookupClient<InterceptedService<Channel, Token>>;

/// For how long leases are asked: the longest that there is.
const ASKED_MS: u64 = 24 * 3600 * 1000;

/// The token of the user who started the lookup.
#[derive(Debug, Clone)]
pub struct Token(MetadataValue<Ascii>);

impl Token {
    pub fn new(text: &str) -> Result<Self, String> {
        Ok(Self(format!("Bearer {text}").parse().map_err(|_| "the token is not text".to_owned())?))
    }
}

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

fn told(status: Status) -> String {
    format!("hedgerow: {status}")
}

/// A connection.
pub fn client(channel: Channel, token: Token) -> Client {
    LookupClient::with_interceptor(channel, token).max_decoding_message_size(64 << 20)
}

/// Registers, or says something new: gives the lease and its term in milliseconds.
pub async fn register(client: &Client, service: &Service, asked_ms: u64) -> Result<(u64, u64), String> {
    let request = RegisterRequest { registration: Some(service.signed.clone()), asked_ms };
    let granted = client.clone().register(request).await.map_err(told)?.into_inner();
    Ok((granted.lease, granted.granted_ms))
}

/// Registers for as long as can be.
pub async fn register_long(client: &Client, service: &Service) -> Result<u64, String> {
    Ok(register(client, service, ASKED_MS).await?.0)
}

/// Renews each lease once, so many in a message, with at most `window` messages on their way; an error unless all run on.
pub async fn renew(client: &Client, leases: &[u64], batch: usize, window: usize) -> Result<(), String> {
    let (queue, requests) = mpsc::channel(window);
    let mut waiting = leases.chunks(batch).map(|leases| RenewRequest { leases: leases.to_vec() });
    for request in waiting.by_ref().take(window) {
        queue.try_send(request).map_err(|error| error.to_string())?;
    }
    let mut answers = client.clone().renew(queued(requests)).await.map_err(told)?.into_inner();
    for asked in leases.chunks(batch) {
        let answer = answers.message().await.map_err(told)?.ok_or("hedgerow: the stream ended")?;
        all_renewed(&answer, asked.len())?;
        if let Some(request) = waiting.next() {
            queue.send(request).await.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

fn all_renewed(answer: &RenewResponse, asked: usize) -> Result<(), String> {
    let renewed = answer.renewed.iter().filter(|one| one.state() == RenewState::Renewed).count();
    if renewed == asked { Ok(()) } else { Err(format!("hedgerow: {renewed} of {asked} leases were renewed")) }
}

/// Opens a stream of renewals, renews a lease once, and keeps the stream.
pub async fn hold(client: &Client, lease: u64) -> Result<Box<dyn Send>, String> {
    let (queue, requests) = mpsc::channel(1);
    queue.try_send(RenewRequest { leases: vec![lease] }).map_err(|error| error.to_string())?;
    let mut answers = client.clone().renew(queued(requests)).await.map_err(told)?.into_inner();
    let answer = answers.message().await.map_err(told)?.ok_or("hedgerow: the stream ended")?;
    all_renewed(&answer, 1)?;
    Ok(Box::new((queue, answers)))
}

/// How the lookup is.
pub async fn status(client: &Client) -> Result<StatusResponse, String> {
    client.clone().status(StatusRequest {}).await.map(tonic::Response::into_inner).map_err(told)
}

fn is(key: &str, value: &str) -> Term {
    Term { key: key.to_owned(), operation: Operation::Is.into(), values: vec![value.to_owned()] }
}

fn of_cell(cell: usize) -> Template {
    Template { terms: vec![is("kind", "farm"), is("cell", &cell_name(cell)), is("country", country(cell))] }
}

/// How many services are registered.
pub async fn count(client: &Client) -> Result<usize, String> {
    let template = Some(Template { terms: vec![is("kind", "farm")] });
    let request = FindRequest { template, limit: 1, ..FindRequest::default() };
    let total = client.clone().find(request).await.map_err(told)?.into_inner().total;
    usize::try_from(total).map_err(|error| error.to_string())
}

/// The services of a cell.
pub async fn find(client: &Client, cell: usize) -> Result<Vec<Id>, String> {
    let request = FindRequest { template: Some(of_cell(cell)), ..FindRequest::default() };
    let found = client.clone().find(request).await.map_err(told)?.into_inner();
    let id = |held: hedgerow_proto::lookup::Held| {
        let wire = read(&held.registration.unwrap_or_default())?;
        Id::from_slice(&wire.id).ok_or_else(|| "hedgerow: a registration without id".to_owned())
    };
    found.held.into_iter().map(id).collect()
}

/// Watches all services; with `elsewhere` a cell in which nothing happens. Gives the serials of changes.
pub async fn watch(
    client: &Client,
    elsewhere: Option<usize>,
) -> Result<BoxStream<'static, Result<Vec<u64>, String>>, String> {
    let all = || Template { terms: vec![is("kind", "farm")] };
    let template = Some(elsewhere.map_or_else(all, of_cell));
    let request = WatchRequest { template, after: None };
    let mut answers = client.clone().watch(request).await.map_err(told)?.into_inner();
    let is_end = |event: &Event| matches!(event.event, Some(Told::SnapshotEnd(_)));
    while !answers
        .message()
        .await
        .map_err(told)?
        .ok_or("hedgerow: the watch ended")?
        .events
        .iter()
        .any(is_end)
    {}
    let serials = |answer: Result<WatchResponse, Status>| {
        let events = answer.map_err(told)?.events;
        events.into_iter().filter_map(|event| serial(event.event?).transpose()).collect()
    };
    Ok(answers.map(serials).boxed())
}

fn serial(told: Told) -> Result<Option<u64>, String> {
    match told {
        Told::Changed(changed) => {
            let held = changed.held.unwrap_or_default();
            Ok(Some(read(&held.registration.unwrap_or_default())?.serial))
        }
        Told::Reset(reset) => Err(format!("hedgerow: a watcher was reset: {}", reset.reason)),
        _ => Ok(None),
    }
}
