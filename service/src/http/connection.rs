//! One HTTP/1.1 connection, from its first byte to its last.

use super::{Door, HEAD_PATIENCE, MAX_HEAD_BYTES, Patience, READER_PATIENCE, Reader};
use crate::drain::Drain;
use http::Request;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// Serves it until its end; once the drain begins, only the request that is being answered.
pub(crate) async fn serve<S>(stream: S, loopback: bool, door: Arc<Door>, drain: Drain)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answer = service_fn(|request: Request<hyper::body::Incoming>| {
        let door = Arc::clone(&door);
        // A body is not read: hyper closes the connection behind it.
        async move { Ok::<_, Infallible>(door.answer(&request.into_parts().0, loopback).await) }
    });
    let reader = Reader::new(stream, Patience::Answer(READER_PATIENCE));
    let connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(reader), answer);
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

#[cfg(test)]
mod tests;
