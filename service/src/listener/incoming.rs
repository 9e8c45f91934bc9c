//! Accepted connections: each holds its place on the port, and is told by its first bytes: gRPC, or HTTP/1.1.

use super::{FIRST_BYTES_PATIENCE, is_loopback};
use crate::drain::Drain;
use crate::http::{self, Door};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// With what every HTTP/2 connection begins that knows beforehand that it is one; all of gRPC does.
const HTTP2: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// After an accept that failed: mostly there are no file descriptors left, and some may be soon.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
const TURNED_AWAY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Retry-After: 5\r\nConnection: close\r\nContent-Length: 29\r\n\r\ntoo many HTTP connections now";

/// Accepts until the drain: gRPC goes to `calls`, HTTP is served here. Returns when the HTTP connections have ended.
pub async fn accept(
    listener: TcpListener,
    places: Arc<Semaphore>,
    calls: mpsc::Sender<io::Result<Incoming>>,
    door: Arc<Door>,
    drain: Drain,
) {
    let readers = Arc::new(Semaphore::new(http::MAX_CONNECTIONS));
    let mut open = JoinSet::new();
    let draining = drain.clone().begun();
    tokio::pin!(draining);
    loop {
        while open.try_join_next().is_some() {}
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
            let (stream, _) = listener.accept().await?;
            Ok::<_, io::Error>((stream, place))
        };
        let accepted = tokio::select! {
            () = draining.as_mut() => break,
            accepted = next => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let arrived =
                    Arrived { calls: calls.clone(), readers: Arc::clone(&readers), door: Arc::clone(&door) };
                open.spawn(arrived.sort(stream, place, drain.clone()));
            }
            Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
        }
    }
    drop((listener, calls));
    while open.join_next().await.is_some() {}
}

/// A connection that has said nothing yet.
struct Arrived {
    calls: mpsc::Sender<io::Result<Incoming>>,
    readers: Arc<Semaphore>,
    door: Arc<Door>,
}

impl Arrived {
    async fn sort(self, mut stream: TcpStream, place: OwnedSemaphorePermit, drain: Drain) {
        let _ = stream.set_nodelay(true);
        let Ok(Ok((first, is_http2))) =
            tokio::time::timeout(FIRST_BYTES_PATIENCE, first_bytes(&mut stream)).await
        else {
            return;
        };
        let ends = [stream.local_addr(), stream.peer_addr()];
        let loopback = ends.iter().all(|end| end.as_ref().is_ok_and(|end| is_loopback(end.ip())));
        let mut stream = Incoming { first, stream, _place: place };
        if is_http2 {
            let _ = self.calls.send(Ok(stream)).await;
            return;
        }
        match self.readers.try_acquire_owned() {
            Ok(_reader) => http::serve(stream, loopback, self.door, drain).await,
            Err(_) => {
                self.door.turned_away.fetch_add(1, Ordering::Relaxed);
                let _ = tokio::time::timeout(FIRST_BYTES_PATIENCE, async {
                    stream.write_all(TURNED_AWAY).await?;
                    stream.shutdown().await
                })
                .await;
            }
        }
    }
}

/// Reads until it is clear which of both it is.
async fn first_bytes(stream: &mut TcpStream) -> io::Result<(Vec<u8>, bool)> {
    let mut first = Vec::with_capacity(HTTP2.len());
    loop {
        if stream.take((HTTP2.len() - first.len()) as u64).read_buf(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !HTTP2.starts_with(&first) {
            return Ok((first, false));
        }
        if first.len() == HTTP2.len() {
            return Ok((first, true));
        }
    }
}

/// A connection that holds its place among [`super::MAX_CONNECTIONS`], its first bytes read and to be read again.
pub struct Incoming {
    first: Vec<u8>,
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
}

impl Connected for Incoming {
    type ConnectInfo = TcpConnectInfo;
    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Incoming {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let some = self.first.len().min(buf.remaining());
        buf.put_slice(&self.first[..some]);
        self.first.drain(..some);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Incoming {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
