//! A reader who has to take an answer in time: the stream under one HTTP connection.
//!
//! It watches writing only; hyper itself watches how long a request takes to come.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What a reader has to do in time; one who does not is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Take all of an answer, however slowly it goes on: for answers that are small.
    Answer(Duration),
    /// Take something, again and again: for answers that may be large, or never end.
    Something(Duration),
}

/// Fails writes once a reader has been given its time and has not taken what it has to.
pub struct Reader<S> {
    stream: S,
    patience: Patience,
    /// Set by the first write that has to wait, gone when what has to be taken is taken.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> Reader<S> {
    /// Of this stream.
    pub fn new(stream: S, patience: Patience) -> Self {
        Self { stream, patience, until: None }
    }

    fn in_time<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let (Patience::Answer(patience) | Patience::Something(patience)) = self.patience;
        if written.is_pending() {
            let until = self.until.get_or_insert_with(|| Box::pin(sleep(patience)));
            ready!(until.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if matches!(self.patience, Patience::Something(_)) {
            self.until = None;
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

    /// Only called once everything is written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        ready!(self.in_time(cx, flushed))?;
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    const PATIENCE: Duration = Duration::from_secs(30);

    /// A reader who takes a byte from time to time, until it is cut off, or has taken so many.
    async fn trickle(theirs: &mut DuplexStream, bytes: usize) {
        for _ in 0..bytes {
            sleep(PATIENCE / 4).await;
            theirs.read_exact(&mut [0; 1]).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_of_an_answer_who_trickles_is_cut_off_and_one_who_takes_all_is_not() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut reader = Reader::new(ours, Patience::Answer(PATIENCE));
        // Two answers, each taken slowly, but in time.
        for _ in 0..2 {
            let taking = async {
                for _ in 0..4 {
                    sleep(PATIENCE / 5).await;
                    theirs.read_exact(&mut [0; 64]).await.unwrap();
                }
            };
            let writing = async {
                reader.write_all(&[7; 256]).await.unwrap();
                reader.flush().await.unwrap();
            };
            tokio::join!(taking, writing);
        }
        tokio::select! {
            () = trickle(&mut theirs, usize::MAX) => {}
            cut = reader.write_all(&[7; 256]) => assert_eq!(cut.unwrap_err().kind(), io::ErrorKind::TimedOut),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_of_a_stream_may_trickle_and_is_cut_off_when_it_takes_nothing() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut reader = Reader::new(ours, Patience::Something(PATIENCE));
        // Many times as long as its patience.
        let writing = async { reader.write_all(&[7; 256]).await.unwrap() };
        tokio::join!(writing, trickle(&mut theirs, 192));
        let cut = reader.write_all(&[7; 256]).await;
        assert_eq!(cut.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
