//! One port of one role: gRPC with the health service, reflection, access, and every limit said; beside it, told apart by
//! the first bytes of a connection, the role's pages over HTTP/1.1 ([`crate::http`]).

mod incoming;

use crate::access::Access;
use crate::drain::Drain;
use crate::http::{Door, Pages};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic::transport::Server;

/// Calls open at once on one connection; more are refused by the protocol itself.
pub const MAX_STREAMS: u32 = 256;
/// Bytes of metadata in one call.
pub const MAX_HEADER_BYTES: u32 = 16 * 1024;
/// Bytes of one message that a service takes. Give it to each generated server (`max_decoding_message_size`).
pub const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;
/// Connections open at once on one port; the next one waits unanswered until one closes.
pub const MAX_CONNECTIONS: usize = 16_384;
/// An idle connection is asked this often whether it still lives, and closed when it does not answer.
pub const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How long it has to answer.
pub const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(10);
/// How long a connection may take to say whether it is gRPC or HTTP; then it is closed. One that says nothing at all must
/// not hold a place.
pub const FIRST_BYTES_PATIENCE: Duration = Duration::from_secs(10);
/// Connections of gRPC that wait to be taken; who accepts waits with the next.
const ACCEPTED: usize = 16;
/// How long open calls may go on once the drain has begun.
pub const DRAIN_PATIENCE: Duration = Duration::from_millis(1500);

/// Why a port cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else has it.
    #[error("port {0} is taken by another program: stop it, or choose other ports with --base-port")]
    Taken(SocketAddr),
    /// Not on loopback.
    #[error(
        "{0} is not on loopback: this release serves 127.0.0.0/8 and [::1] only; TLS and trust between machines come with a \
         later release"
    )]
    OffLoopback(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// Whether a role may be reached from other machines without TLS: only in tests, in network namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Loopback only.
    Loopback,
    /// Anywhere, in the clear.
    UnsafeClear,
}

/// Opens the port. Separate from [`serve`], so that all ports of a process are there, or its start fails as a whole.
///
/// # Errors
/// Says what to do.
pub fn bind(address: SocketAddr, reach: Reach) -> Result<StdListener, ListenError> {
    if reach == Reach::Loopback && !is_loopback(address.ip()) {
        return Err(ListenError::OffLoopback(address));
    }
    let listener = StdListener::bind(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken(address),
        _ => ListenError::Bind { address, source },
    })?;
    listener.set_nonblocking(true).map_err(|source| ListenError::Bind { address, source })?;
    Ok(listener)
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Serves `routes` and `pages` until the drain; then lets open calls end, for [`DRAIN_PATIENCE`] at most.
/// `names` are the services' full names, for the health service.
///
/// # Errors
/// What the transport says.
pub async fn serve(
    listener: StdListener,
    routes: Routes,
    names: &[&str],
    pages: Pages,
    access: Access,
    drain: Drain,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (health_reporter, health) = tonic_health::server::health_reporter();
    for name in names {
        health_reporter.set_service_status(*name, tonic_health::ServingStatus::Serving).await;
    }
    // Listed is what this port serves, not all that the contract has.
    let descriptors = || {
        let builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(hedgerow_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        let platform = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"];
        names.iter().chain(&platform).fold(builder, |builder, name| builder.with_service_name(*name))
    };
    let routes = routes
        .add_service(health)
        .add_service(descriptors().build_v1()?)
        .add_service(descriptors().build_v1alpha()?);

    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let free = Arc::clone(&places);
    let open = move || MAX_CONNECTIONS.saturating_sub(free.available_permits());
    let door = Arc::new(Door::new(pages, access.clone(), open));
    let (calls, incoming) = mpsc::channel(ACCEPTED);
    let accepting = incoming::accept(TcpListener::from_std(listener)?, places, calls, door, drain.clone());

    let server = Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_ANSWER))
        .layer(access)
        .add_routes(routes)
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), drain.clone().begun());
    tokio::select! {
        (result, ()) = async { tokio::join!(server, accepting) } => Ok(result?),
        () = async {
            drain.begun().await;
            tokio::time::sleep(DRAIN_PATIENCE).await;
        } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn off_loopback_is_refused_and_a_taken_port_is_named() {
        let error = bind("0.0.0.0:0".parse().unwrap(), Reach::Loopback).unwrap_err();
        assert!(error.to_string().contains("later release"), "{error}");
        assert!(matches!(
            bind("[::ffff:10.0.0.1]:0".parse().unwrap(), Reach::Loopback),
            Err(ListenError::OffLoopback(_))
        ));
        let first = bind("127.0.0.1:0".parse().unwrap(), Reach::Loopback).unwrap();
        let address = first.local_addr().unwrap();
        assert!(matches!(bind(address, Reach::Loopback), Err(ListenError::Taken(at)) if at == address));
    }
}
