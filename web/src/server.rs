//! The port: connections with their bounds, from the first byte to the last. Knows no path.

use axum::Router;
use hedgerow_service::drain::Drain;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep};

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
    let connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Taken::new(stream)), TowerToHyperService::new(router))
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

/// A stream whose reader has to take something from time to time while something waits.
struct Taken<S> {
    stream: S,
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> Taken<S> {
    fn new(stream: S) -> Self {
        Self { stream, until: None }
    }

    fn in_time<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_pending() {
            let until = self.until.get_or_insert_with(|| Box::pin(sleep(READER_PATIENCE)));
            ready!(until.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.until = None;
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Taken<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Taken<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.in_time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.in_time(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
