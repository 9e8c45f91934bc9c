//! Calls of etcd, by the few messages of its API v3 that are needed, written out here: its `.proto` files would need a
//! compiler.

use super::services::{Service, is_of, read};
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use hedgerow_model::registration::Id;
use hedgerow_proto::lookup::Signed;
use prost::Message;
use prost::bytes::Bytes;
use tokio::sync::mpsc;
use tonic::client::Grpc;
use tonic::codec::Streaming;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

/// Under which all services are, and the first key behind them.
const SERVICES: (&str, &str) = ("/services/", "/services0");
/// Seconds for which leases are asked.
const TTL: i64 = 7200;

#[derive(Clone, PartialEq, Message)]
struct GrantRequest {
    #[prost(int64, tag = "1")]
    ttl: i64,
    #[prost(int64, tag = "2")]
    id: i64,
}

#[derive(Clone, PartialEq, Message)]
struct GrantResponse {
    #[prost(int64, tag = "2")]
    id: i64,
    #[prost(string, tag = "4")]
    error: String,
}

#[derive(Clone, PartialEq, Message)]
struct PutRequest {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
    #[prost(int64, tag = "3")]
    lease: i64,
}

#[derive(Clone, PartialEq, Message)]
struct PutResponse {}

#[derive(Clone, PartialEq, Message)]
struct RangeRequest {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    range_end: Bytes,
    #[prost(bool, tag = "9")]
    count_only: bool,
}

#[derive(Clone, PartialEq, Message)]
struct RangeResponse {
    #[prost(message, repeated, tag = "2")]
    kvs: Vec<KeyValue>,
    #[prost(int64, tag = "4")]
    count: i64,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "5")]
    value: Bytes,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct KeepAliveRequest {
    #[prost(int64, tag = "1")]
    id: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct KeepAliveResponse {
    #[prost(int64, tag = "2")]
    id: i64,
    #[prost(int64, tag = "3")]
    ttl: i64,
}

#[derive(Clone, PartialEq, Message)]
struct WatchRequest {
    #[prost(message, optional, tag = "1")]
    create: Option<WatchCreate>,
}

#[derive(Clone, PartialEq, Message)]
struct WatchCreate {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    range_end: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct WatchResponse {
    #[prost(bool, tag = "3")]
    created: bool,
    #[prost(bool, tag = "4")]
    canceled: bool,
    #[prost(message, repeated, tag = "11")]
    events: Vec<Event>,
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(message, optional, tag = "2")]
    kv: Option<KeyValue>,
}

fn told(status: Status) -> String {
    format!("etcd: {status}")
}

async fn grpc(channel: &Channel) -> Result<Grpc<Channel>, String> {
    let mut grpc = Grpc::new(channel.clone()).max_decoding_message_size(usize::MAX);
    grpc.ready().await.map_err(|error| format!("etcd: {error}"))?;
    Ok(grpc)
}

async fn call<Q, R>(channel: &Channel, path: &'static str, request: Q) -> Result<R, String>
where
    Q: Message + 'static,
    R: Message + Default + 'static,
{
    let (path, codec) = (PathAndQuery::from_static(path), ProstCodec::<Q, R>::default());
    let response = grpc(channel).await?.unary(Request::new(request), path, codec).await;
    response.map(tonic::Response::into_inner).map_err(told)
}

/// Opens a stream both ways.
async fn streaming<Q, R>(
    channel: &Channel,
    path: &'static str,
    requests: impl Stream<Item = Q> + Send + 'static,
) -> Result<Streaming<R>, String>
where
    Q: Message + 'static,
    R: Message + Default + 'static,
{
    let (path, codec) = (PathAndQuery::from_static(path), ProstCodec::<Q, R>::default());
    let response = grpc(channel).await?.streaming(Request::new(requests), path, codec).await;
    response.map(tonic::Response::into_inner).map_err(told)
}

/// What comes out of a queue.
pub fn queued<T: Send + 'static>(queue: mpsc::Receiver<T>) -> impl Stream<Item = T> + Send + 'static {
    stream::unfold(queue, |mut queue| async { Some((queue.recv().await?, queue)) })
}

/// A lease, and the registration put under it.
pub async fn register(channel: &Channel, service: &Service) -> Result<u64, String> {
    let granted: GrantResponse =
        call(channel, "/etcdserverpb.Lease/LeaseGrant", GrantRequest { ttl: TTL, id: 0 }).await?;
    if !granted.error.is_empty() {
        return Err(format!("etcd: {}", granted.error));
    }
    change(channel, service, granted.id.cast_unsigned()).await?;
    Ok(granted.id.cast_unsigned())
}

/// Puts a registration in the place of the one before, under its lease.
pub async fn change(channel: &Channel, service: &Service, lease: u64) -> Result<(), String> {
    let key = format!("{}farm/{}", SERVICES.0, service.id).into();
    let value = service.signed.encode_to_vec().into();
    let put = PutRequest { key, value, lease: lease.cast_signed() };
    let PutResponse {} = call(channel, "/etcdserverpb.KV/Put", put).await?;
    Ok(())
}

/// Renews each lease once, with at most `window` on their way; an error unless all run on.
pub async fn renew(channel: &Channel, leases: &[u64], window: usize) -> Result<(), String> {
    let (queue, requests) = mpsc::channel(window);
    let mut waiting = leases.iter().map(|lease| KeepAliveRequest { id: lease.cast_signed() });
    for request in waiting.by_ref().take(window) {
        queue.try_send(request).map_err(|error| error.to_string())?;
    }
    let mut answers: Streaming<KeepAliveResponse> =
        streaming(channel, "/etcdserverpb.Lease/LeaseKeepAlive", queued(requests)).await?;
    for lease in leases {
        let answer = answers.message().await.map_err(told)?.ok_or("etcd: the stream ended")?;
        if answer.id != lease.cast_signed() || answer.ttl <= 0 {
            return Err(format!("etcd: lease {lease:x} is gone: {answer:?}"));
        }
        if let Some(request) = waiting.next() {
            queue.send(request).await.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// Opens a stream of renewals, renews a lease once, and keeps the stream.
pub async fn hold(channel: &Channel, lease: u64) -> Result<Box<dyn Send>, String> {
    let (queue, requests) = mpsc::channel(1);
    queue.try_send(KeepAliveRequest { id: lease.cast_signed() }).map_err(|error| error.to_string())?;
    let mut answers: Streaming<KeepAliveResponse> =
        streaming(channel, "/etcdserverpb.Lease/LeaseKeepAlive", queued(requests)).await?;
    answers.message().await.map_err(told)?.ok_or("etcd: the stream ended")?;
    Ok(Box::new((queue, answers)))
}

/// How many services are registered.
pub async fn count(channel: &Channel) -> Result<usize, String> {
    let range = RangeRequest { key: SERVICES.0.into(), range_end: SERVICES.1.into(), count_only: true };
    let response: RangeResponse = call(channel, "/etcdserverpb.KV/Range", range).await?;
    usize::try_from(response.count).map_err(|error| error.to_string())
}

/// All services, of which the client takes those that it wants.
pub async fn find(channel: &Channel, cell: usize) -> Result<Vec<Id>, String> {
    let range = RangeRequest { key: SERVICES.0.into(), range_end: SERVICES.1.into(), count_only: false };
    let response: RangeResponse = call(channel, "/etcdserverpb.KV/Range", range).await?;
    let mut found = Vec::new();
    for kv in response.kvs {
        let wire = read(&signed(kv)?)?;
        if is_of(&wire, cell) {
            found.extend(Id::from_slice(&wire.id));
        }
    }
    Ok(found)
}

/// Watches all services; with `elsewhere` a folder of its own in which nothing happens. Gives the serials of changes.
pub async fn watch(
    channel: &Channel,
    elsewhere: Option<usize>,
) -> Result<BoxStream<'static, Result<Vec<u64>, String>>, String> {
    let (key, range_end) = match elsewhere {
        None => (SERVICES.0.to_owned(), SERVICES.1.to_owned()),
        Some(n) => (format!("/elsewhere-{n}/"), format!("/elsewhere-{n}0")),
    };
    let create = WatchCreate { key: key.into(), range_end: range_end.into() };
    // What asks must stay open: at its end etcd ends the watch.
    let requests = stream::iter([WatchRequest { create: Some(create) }]).chain(stream::pending());
    let mut answers: Streaming<WatchResponse> =
        streaming(channel, "/etcdserverpb.Watch/Watch", requests).await?;
    let created = answers.message().await.map_err(told)?.is_some_and(|answer| answer.created);
    if !created {
        return Err("etcd: no watch was created".to_owned());
    }
    let serials = |answer: Result<WatchResponse, Status>| {
        let answer = answer.map_err(told)?;
        if answer.canceled {
            return Err("etcd: the watch was cancelled".to_owned());
        }
        let serial = |event: Event| Ok(read(&signed(event.kv.unwrap_or_default())?)?.serial);
        answer.events.into_iter().map(serial).collect()
    };
    Ok(answers.map(serials).boxed())
}

fn signed(kv: KeyValue) -> Result<Signed, String> {
    Signed::decode(kv.value).map_err(|error| format!("etcd: a value: {error}"))
}
