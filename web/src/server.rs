//! The port: connections with their bounds, from the first byte to the last. Knows no path.

use axum::Router;
use hedgerow_service::drain::Drain;
use hedgerow_service::http::{Patience, Reader};
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Connections open at once, WebSockets aside; the next one waits until one closes.
pub const MAX_CONNECTIONS: usize = 1_024;
/// Bytes of a request's line and headers; more is refused (431).
pub const MAX_HEAD_BYTES: usize = 64 * 1024;
/// How long a request's head may take, and a connection may be idle; then it is closed.
pub const HEAD_PATIENCE: Duration = Duration::from_secs(60);
/// How long a reader may take nothing of what waits for it; then it is cut off.
pub const READER_PATIENCE: Duration = Duration::from_secs(60);
/// How long open requests may go on once the drain has begun.
const DRAIN_PATIENCE: Duration = Duration::from_millis(1500);
/// Before connections are taken again, where the system had no room for one.
const NO_ROOM: Duration = Duration::from_millis(100);

/// Serves until the drain.
pub async fn serve(listener: TcpListener, router: Router, drain: Drain) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepting = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepting => accepted,
            () = drain.clone().begun() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        match (place, accepted) {
            (Ok(place), Ok((stream, _))) => {
                let (router, drain) = (router.clone(), drain.clone());
                connections.spawn(async move {
                    connection(stream, router, drain).await;
                    drop(place);
                });
            }
            // Mostly no file descriptors: others close some.
            _ => sleep(NO_ROOM).await,
        }
    }
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN_PATIENCE, all).await;
}

async fn connection(stream: TcpStream, router: Router, drain: Drain) {
    let _ = stream.set_nodelay(true);
    let reader = Reader::new(stream, Patience::Something(READER_PATIENCE));
    let connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(reader), TowerToHyperService::new(router))
        .with_upgrades();
    tokio::pin!(connection);
    // What a reader does wrong is the reader's: hyper has answered it where there is an answer.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = drain.begun() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
