//! A reader who has to take an answer in time: the stream under one HTTP connection.
//!
//! It watches writing only; hyper itself watches how long a request takes to come.

use super::READER_PATIENCE;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Fails writes once an answer has taken [`READER_PATIENCE`] and is not all taken, however slowly it goes on.
pub struct Reader<S> {
    stream: S,
    /// Set by the first write of an answer that has to wait, gone when all is written.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> Reader<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, until: None }
    }

    fn in_time<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_pending() {
            let until = self.until.get_or_insert_with(|| Box::pin(sleep(READER_PATIENCE)));
            ready!(until.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Reader<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Reader<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.in_time(cx, written)
    }

    /// Only called once everything is written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.until = None;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn a_reader_who_trickles_is_cut_off_and_one_who_takes_all_is_not() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut reader = Reader::new(ours);
        // Two answers, each taken slowly, but in time.
        for _ in 0..2 {
            let taking = async {
                for _ in 0..4 {
                    sleep(READER_PATIENCE / 5).await;
                    theirs.read_exact(&mut [0; 64]).await.unwrap();
                }
            };
            let writing = async {
                reader.write_all(&[7; 256]).await.unwrap();
                reader.flush().await.unwrap();
            };
            tokio::join!(taking, writing);
        }
        let trickle = async {
            loop {
                sleep(READER_PATIENCE / 4).await;
                theirs.read_exact(&mut [0; 1]).await.unwrap();
            }
        };
        tokio::select! {
            () = trickle => {}
            cut = reader.write_all(&[7; 256]) => assert_eq!(cut.unwrap_err().kind(), io::ErrorKind::TimedOut),
        }
    }
}
