//! Small servers: a lookup that keeps a directory and a log, a farm that plays scripts. Each runs in a runtime of its own,
//! so that killing it closes every connection at once, as a crash does.

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use hedgerow_client::model::registration::{Endpoint, Id, Instance, Mesh, Registration};
use hedgerow_client::proto::farm::item::Item as Told;
use hedgerow_client::proto::farm::{self, farm_server, farm_server::FarmServer};
use hedgerow_client::proto::lookup::watch_response::event::Event as What;
use hedgerow_client::proto::lookup::watch_response::{self, Event};
use hedgerow_client::proto::lookup::{self, lookup_server, lookup_server::LookupServer};
use hedgerow_client::proto::stream::StreamMessage;
use hedgerow_client::proto::{signed, token};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

/// How long a test waits for what must come; only a failure takes as long.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it should have come by now")
}

/// Asks again and again until it is so.
pub async fn until(mut so: impl FnMut() -> bool) {
    soon(async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// A running server; dropped, it is gone as if killed.
pub struct Server {
    pub address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Server {
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn start(address: SocketAddr, routes: Routes) -> Self {
        let listener = std::net::TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
            let serving =
                tonic::transport::Server::builder().add_routes(routes).serve_with_incoming(incoming);
            serving.await.unwrap();
        });
        Self { address, runtime: Some(runtime) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // On a thread of its own: a runtime may not be waited for within another.
            std::thread::spawn(move || runtime.shutdown_timeout(PATIENCE)).join().unwrap();
        }
    }
}

pub fn anywhere() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

pub fn mesh() -> Mesh {
    Mesh { name: "test".into(), id: Id([9; 16]) }
}

pub fn registration(who: u8, name: &str, url: &str, serial: u64) -> Registration {
    Registration {
        id: Id([who; 16]),
        mesh: mesh(),
        name: name.into(),
        kind: "farm".into(),
        groups: vec![],
        attributes: BTreeMap::new(),
        endpoints: vec![Endpoint { url: url.into(), via_relay: None }],
        apis: vec!["hedgerow.farm.v1".into()],
        version: "0".into(),
        description: String::new(),
        instance: Instance { start: 1, random: 1 },
        serial,
    }
}

/// A lookup, as much of it as a client can see. Copies are one lookup.
#[derive(Clone)]
pub struct FakeLookup(Arc<LookupState>);

struct LookupState {
    inner: Mutex<Directory>,
    /// Rises with the log.
    grown: watch::Sender<u64>,
}

pub struct Directory {
    pub id: Id,
    pub mesh: Mesh,
    pub epoch: u64,
    pub granted: Duration,
    pub held: BTreeMap<u64, lookup::Signed>,
    pub log: Vec<(u64, What)>,
    pub registered: Vec<Registration>,
    pub renewed: usize,
    /// Messages on streams of renewals, and such streams.
    pub messages: usize,
    pub streams: usize,
    pub cancelled: usize,
    /// As it is told with every lease.
    pub lookups_version: u64,
    /// What renewals are answered, in place of what is held.
    pub disputed: Option<(lookup::RenewState, String)>,
    /// Most registrations that were under way at once, and how long one takes.
    pub side_by_side: usize,
    pub registering: Duration,
    under_way: usize,
    /// How long it takes to say its mesh.
    pub greeting: Duration,
    pub found: usize,
    /// Its answers to a find are empty pages without end.
    pub endless: bool,
    next: u64,
}

impl FakeLookup {
    pub fn new(id: u8) -> Self {
        let inner = Directory {
            id: Id([id; 16]),
            mesh: mesh(),
            epoch: u64::from(id) << 8,
            granted: Duration::from_secs(30),
            held: BTreeMap::new(),
            log: Vec::new(),
            registered: Vec::new(),
            renewed: 0,
            messages: 0,
            streams: 0,
            cancelled: 0,
            lookups_version: 0,
            disputed: None,
            side_by_side: 0,
            registering: Duration::ZERO,
            under_way: 0,
            greeting: Duration::ZERO,
            found: 0,
            endless: false,
            next: 1,
        };
        Self(Arc::new(LookupState { inner: Mutex::new(inner), grown: watch::channel(0).0 }))
    }

    pub fn inner(&self) -> MutexGuard<'_, Directory> {
        self.0.inner.lock().unwrap()
    }

    pub fn serve(&self, address: SocketAddr) -> Server {
        Server::start(address, Routes::new(LookupServer::new(self.clone())))
    }

    /// Holds `registration` from now on, telling it.
    pub fn hold(&self, registration: &Registration) -> u64 {
        let who = registration.id.0[0];
        let signed =
            signed::sign_registration(registration, &ed25519_dalek::SigningKey::from_bytes(&[who; 32]));
        self.hold_signed(signed)
    }

    pub fn hold_signed(&self, signed: lookup::Signed) -> u64 {
        let mut inner = self.inner();
        let lease = inner.next;
        let before =
            inner.held.iter().find(|(_, held)| held.public_key == signed.public_key).map(|(l, _)| *l);
        before.map(|before| inner.held.remove(&before));
        inner.held.insert(lease, signed.clone());
        let held = Some(inner.held_as(&signed));
        let what = match before {
            None => What::Appeared(watch_response::Appeared { held, cause: 1 }),
            Some(_) => What::Changed(watch_response::Changed { held, what: 1 }),
        };
        self.log(inner, what);
        lease
    }

    /// Ends the lease of `registration`.
    pub fn end(&self, registration: &Registration, cause: watch_response::disappeared::Cause) {
        let mut inner = self.inner();
        let lease = inner.held.iter().find_map(|(lease, held)| {
            (signed::open_registration(held).unwrap().id == registration.id).then_some(*lease)
        });
        inner.held.remove(&lease.unwrap());
        let what = What::Disappeared(watch_response::Disappeared {
            id: registration.id.0.to_vec().into(),
            instance: Some(lookup::Instance { start: 1, random: 1 }),
            serial: registration.serial,
            cause: cause.into(),
        });
        self.log(inner, what);
    }

    /// As after a restart that kept the directory but not the log.
    pub fn restarted(&self) {
        let mut inner = self.inner();
        inner.epoch += 1;
        inner.log.clear();
    }

    fn log(&self, mut inner: MutexGuard<'_, Directory>, what: What) {
        let number = inner.next;
        inner.next += 1;
        inner.log.push((number, what));
        drop(inner);
        self.0.grown.send_replace(number);
    }
}

impl Directory {
    fn held_as(&self, signed: &lookup::Signed) -> lookup::Held {
        lookup::Held {
            registration: Some(signed.clone()),
            state: lookup::LeaseState::Live.into(),
            lease_remaining_ms: 20_000,
            granted_ms: u64::try_from(self.granted.as_millis()).unwrap(),
            revision: None,
            clone: None,
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;
type Answers<T> = BoxStream<'static, Result<T, Status>>;

#[tonic::async_trait]
impl lookup_server::Lookup for FakeLookup {
    async fn register(&self, request: Request<lookup::RegisterRequest>) -> Answer<lookup::RegisterResponse> {
        let request = request.into_inner();
        let signed = request.registration.unwrap();
        let registration =
            signed::open_registration(&signed).map_err(|e| Status::invalid_argument(e.to_string()))?;
        let takes = {
            let mut inner = self.inner();
            inner.under_way += 1;
            inner.side_by_side = inner.side_by_side.max(inner.under_way);
            inner.registering
        };
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        let lease = self.hold_signed(signed);
        let mut inner = self.inner();
        inner.under_way -= 1;
        inner.registered.push(registration);
        let granted_ms = u64::try_from(inner.granted.as_millis()).unwrap().min(request.asked_ms);
        let lookup_id = inner.id.0.to_vec().into();
        Ok(Response::new(lookup::RegisterResponse {
            lease,
            granted_ms,
            revision: None,
            lookup_id,
            lookups_version: inner.lookups_version,
        }))
    }

    type RenewStream = Answers<lookup::RenewResponse>;
    async fn renew(&self, requests: Request<Streaming<lookup::RenewRequest>>) -> Answer<Self::RenewStream> {
        self.inner().streams += 1;
        let lookup = self.clone();
        let answers = requests.into_inner().map(move |request| {
            let mut inner = lookup.inner();
            inner.messages += 1;
            let granted_ms = u64::try_from(inner.granted.as_millis()).unwrap();
            let renewed = request?.leases.into_iter().map(|lease| {
                let known = inner.held.contains_key(&lease);
                inner.renewed += usize::from(known);
                let state = match &inner.disputed {
                    Some((state, _)) => *state,
                    None if known => lookup::RenewState::Renewed,
                    None => lookup::RenewState::Unknown,
                };
                lookup::renew_response::Renewed { state: state.into(), granted_ms }
            });
            let renewed = renewed.collect();
            let problem = inner.disputed.as_ref().map(|(_, problem)| problem.clone()).unwrap_or_default();
            Ok(lookup::RenewResponse { renewed, lookups_version: inner.lookups_version, problem })
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn cancel(&self, request: Request<lookup::CancelRequest>) -> Answer<lookup::CancelResponse> {
        let mut inner = self.inner();
        let cancelled = inner.held.remove(&request.into_inner().lease).is_some();
        inner.cancelled += usize::from(cancelled);
        Ok(Response::new(lookup::CancelResponse { cancelled }))
    }

    async fn find(&self, request: Request<lookup::FindRequest>) -> Answer<lookup::FindResponse> {
        let mut inner = self.inner();
        inner.found += 1;
        if inner.endless {
            let cursor = "1".into();
            return Ok(Response::new(lookup::FindResponse { cursor, ..Default::default() }));
        }
        // Pages of two, so that paging is always played.
        let at: usize = std::str::from_utf8(&request.into_inner().cursor).unwrap().parse().unwrap_or(0);
        let held: Vec<_> = inner.held.values().skip(at).take(2).map(|signed| inner.held_as(signed)).collect();
        let more = at + 2 < inner.held.len();
        Ok(Response::new(lookup::FindResponse {
            held,
            total: inner.held.len() as u64,
            cursor: if more { (at + 2).to_string().into() } else { Default::default() },
            revision: None,
            lookup_id: inner.id.0.to_vec().into(),
        }))
    }

    async fn facets(&self, _: Request<lookup::FacetsRequest>) -> Answer<lookup::FacetsResponse> {
        Ok(Response::new(lookup::FacetsResponse::default()))
    }

    type WatchStream = Answers<lookup::WatchResponse>;
    async fn watch(&self, request: Request<lookup::WatchRequest>) -> Answer<Self::WatchStream> {
        let lookup = self.clone();
        let after = request.into_inner().after;
        let events = async_stream::stream! {
            let mut grown = lookup.0.grown.subscribe();
            let (mut first, mut number, epoch) = {
                let inner = lookup.inner();
                let at = |number| Some(lookup::Revision { epoch: inner.epoch, number });
                let mut first = Vec::new();
                let number = match after {
                    Some(after) if after.epoch == inner.epoch => after.number,
                    _ => {
                        if after.is_some() {
                            let reset = What::Reset(watch_response::Reset { reason: "restarted".into() });
                            first.push(Event { revision: at(0), event: Some(reset) });
                        }
                        for signed in inner.held.values() {
                            let held = What::Present(inner.held_as(signed));
                            first.push(Event { revision: at(0), event: Some(held) });
                        }
                        let number = inner.next - 1;
                        let lookup_id = inner.id.0.to_vec().into();
                        let end = What::SnapshotEnd(watch_response::SnapshotEnd { lookup_id });
                        first.push(Event { revision: at(number), event: Some(end) });
                        number
                    }
                };
                (first, number, inner.epoch)
            };
            loop {
                let events = std::mem::take(&mut first);
                yield Ok(lookup::WatchResponse { events });
                {
                    let inner = lookup.inner();
                    for (at, what) in inner.log.iter().filter(|(at, _)| *at > number) {
                        let revision = Some(lookup::Revision { epoch, number: *at });
                        first.push(Event { revision, event: Some(what.clone()) });
                    }
                    number = number.max(inner.next - 1);
                }
                if first.is_empty() && grown.changed().await.is_err() {
                    return;
                }
            }
        };
        Ok(Response::new(events.boxed()))
    }

    async fn status(&self, request: Request<lookup::StatusRequest>) -> Answer<lookup::StatusResponse> {
        let takes = self.inner().greeting;
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        let inner = self.inner();
        let said = request.metadata().get(hedgerow_proto::MESH_ID_METADATA);
        if said.is_some_and(|said| said != inner.mesh.id.to_string().as_str()) {
            return Err(Status::failed_precondition("of another mesh"));
        }
        Ok(Response::new(lookup::StatusResponse {
            lookup_id: inner.id.0.to_vec().into(),
            mesh_name: inner.mesh.name.clone(),
            mesh_id: inner.mesh.id.0.to_vec().into(),
            ..lookup::StatusResponse::default()
        }))
    }
}

/// What a farm answers to one call: these messages, then how it ends.
pub struct Script {
    pub messages: Box<dyn Iterator<Item = Vec<Told>> + Send>,
    pub then: Then,
}

pub enum Then {
    /// Nothing more is said.
    Silence,
    /// The stream ends with this; what is an invalid argument is refused before anything is said.
    Error(Status),
    /// The stream ends with this, whatever it is.
    Refusal(Status),
}

impl Script {
    pub fn of(messages: Vec<Told>, then: Then) -> Self {
        Self { messages: Box::new(std::iter::once(messages)), then }
    }

    fn play(self) -> impl Stream<Item = Result<StreamMessage, Status>> + Send {
        use hedgerow_client::proto::stream::encode;
        let Self { messages, then } = self;
        async_stream::stream! {
            for items in messages {
                let encoded = items.into_iter().map(|item| encode(&farm::Item { item: Some(item) }));
                yield Ok(StreamMessage { items: encoded.collect() });
            }
            match then {
                Then::Silence => std::future::pending().await,
                Then::Error(status) | Then::Refusal(status) => yield Err(status),
            }
        }
    }
}

/// A farm that answers each call with the next script; without one it says nothing. Copies are one farm.
#[derive(Clone, Default)]
pub struct FakeFarm(Arc<Mutex<Scripts>>);

#[derive(Default)]
pub struct Scripts {
    pub subscribe: VecDeque<Script>,
    pub query: VecDeque<Script>,
    pub subscribed: Vec<farm::SubscribeRequest>,
    pub queried: Vec<farm::QueryRequest>,
    pub listed: Vec<farm::ListSeriesResponse>,
    /// Somebody sent a token.
    pub token_seen: bool,
}

impl FakeFarm {
    pub fn inner(&self) -> MutexGuard<'_, Scripts> {
        self.0.lock().unwrap()
    }

    pub fn serve(&self, address: SocketAddr) -> Server {
        Server::start(address, Routes::new(FarmServer::new(self.clone())))
    }
}

#[tonic::async_trait]
impl farm_server::Farm for FakeFarm {
    async fn status(&self, request: Request<farm::StatusRequest>) -> Answer<farm::StatusResponse> {
        self.inner().token_seen |= request.metadata().contains_key("authorization");
        Ok(Response::new(farm::StatusResponse { version: "fake".into(), ..farm::StatusResponse::default() }))
    }

    type ListSeriesStream = Answers<farm::ListSeriesResponse>;
    async fn list_series(&self, _: Request<farm::ListSeriesRequest>) -> Answer<Self::ListSeriesStream> {
        let answers: Vec<_> = self.inner().listed.iter().cloned().map(Ok).collect();
        Ok(Response::new(futures_util::stream::iter(answers).boxed()))
    }

    type SubscribeStream = Answers<StreamMessage>;
    async fn subscribe(&self, request: Request<farm::SubscribeRequest>) -> Answer<Self::SubscribeStream> {
        let mut inner = self.inner();
        inner.subscribed.push(request.into_inner());
        let script = inner.subscribe.pop_front().unwrap_or_else(|| Script::of(vec![], Then::Silence));
        match script.then {
            Then::Error(status) if status.code() == tonic::Code::InvalidArgument => Err(status),
            _ => Ok(Response::new(script.play().boxed())),
        }
    }

    type QueryStream = Answers<StreamMessage>;
    async fn query(&self, request: Request<farm::QueryRequest>) -> Answer<Self::QueryStream> {
        let mut inner = self.inner();
        inner.queried.push(request.into_inner());
        let script = inner.query.pop_front().unwrap_or_else(|| Script::of(vec![], Then::Silence));
        Ok(Response::new(script.play().boxed()))
    }
}

/// The farm's items, in short.
pub mod say {
    use super::{Told, farm, token};
    use hedgerow_client::proto::common;

    pub fn epoch() -> common::Epoch {
        common::Epoch { start: 1, random: 7 }
    }

    pub fn opened(who: u8, watermark: u64, resumed: bool) -> Told {
        Told::Opened(farm::Opened {
            farm_id: vec![who; 16].into(),
            epoch: Some(epoch()),
            watermark,
            resumed,
            now_ms: 1_000 + i64::from(who),
            ..farm::Opened::default()
        })
    }

    pub fn series(id: u32, parameter: &str) -> Told {
        Told::Series(wire_series(id, parameter))
    }

    pub fn wire_series(id: u32, parameter: &str) -> common::Series {
        common::Series {
            id,
            cluster: "c".into(),
            node: "n".into(),
            parameter: parameter.into(),
            kind: common::Kind::Gauge.into(),
            ..common::Series::default()
        }
    }

    /// Samples of series 1 with these consecutive numbers; values are the numbers.
    pub fn batch(numbers: std::ops::RangeInclusive<u32>) -> Told {
        let values: Vec<f64> = numbers.clone().map(f64::from).collect();
        Told::Batch(common::Batch {
            epoch_start: 1,
            first: u64::from(*numbers.start()),
            series: vec![1],
            time: 5,
            values: Some(common::Columns { f64: values, ..common::Columns::default() }),
            ..common::Batch::default()
        })
    }

    pub fn progress(after: u64, through: u64) -> Told {
        let token = format!("token {through}").into_bytes();
        assert!(token.len() < token::TOKEN_BYTES);
        Told::Progress(farm::Progress {
            epoch: Some(epoch()),
            after,
            through,
            epoch_ended: false,
            token: token.into(),
        })
    }

    pub fn lagged(after: u64, through: u64) -> Told {
        Told::Lagged(farm::Lagged { epoch: Some(epoch()), after, through, count: through - after })
    }

    pub fn end() -> Told {
        Told::End(farm::End { reason: farm::end::Reason::Complete.into(), ..farm::End::default() })
    }
}
