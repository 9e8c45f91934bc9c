//! A socket with the requests that went out over it. A reply comes back where its request left, so lines share nothing but
//! the counters: an agent has its line by its address.

use crate::counts::Counts;
use crate::engine::EngineOptions;
use crate::flights::{Flights, Found};
use crate::ids::Ids;
use crate::question::Flight;
use crate::socket::{self, BATCH, Batch, Datagram};
use crate::target::{Target, Targets};
use crate::wire;
use crate::wrong::Wrong;
use crate::{AskError, question::Question};
use bytes::Bytes;
use parking_lot::Mutex;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};
use tokio::time::Instant;

/// After so many batches the task lets others run.
const BATCHES_PER_TURN: usize = 8;
/// So many times that at most, where a question is about to be given up: more than a receive buffer holds of full replies,
/// and an end even where somebody floods the socket.
const CATCH_UP_TURNS: usize = 64;
/// A send is tried so often where the socket tells of errors, which may be about other agents.
const SEND_TRIES: usize = 16;

/// One socket.
pub(crate) struct Line {
    /// Not registered for writing: each datagram that left would wake the task.
    socket: AsyncFd<UdpSocket>,
    /// How large its receive buffer became.
    pub buffer: usize,
    counts: Arc<Counts>,
    ear: Mutex<Ear>,
    traffic: Mutex<Traffic>,
}

/// What is received into, and how many datagrams the socket has said it dropped. Taken before [`Traffic`].
struct Ear {
    batch: Batch,
    dropped: u32,
}

/// Who is asked, and what.
struct Traffic {
    ids: Ids,
    targets: Targets,
    flights: Flights<Flight>,
}

impl Line {
    /// On a free port.
    pub fn open(any: SocketAddr, options: &EngineOptions, counts: Arc<Counts>) -> io::Result<Self> {
        let (socket, buffer) = socket::bind(any, options.receive_buffer)?;
        let (window, longest) = (options.window, options.longest_datagram);
        let traffic = Traffic { ids: Ids::new(), targets: Targets::new(window), flights: Flights::new() };
        let socket = socket::to_listen(socket)?;
        let ear = Mutex::new(Ear { batch: Batch::new(longest), dropped: 0 });
        Ok(Self { socket, buffer, counts, ear, traffic: Mutex::new(traffic) })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.get_ref().local_addr()
    }

    /// An agent that is about to be asked.
    pub fn target(&self, address: SocketAddr) -> Arc<Target> {
        self.traffic.lock().targets.asked(address)
    }

    /// An id for the next sending.
    pub fn id(&self) -> i32 {
        self.traffic.lock().ids.next()
    }

    /// From here on replies to `id` are heard.
    pub fn depart(&self, id: i32, flight: Flight) {
        self.traffic.lock().flights.depart(id, flight.question.target.address, flight);
    }

    /// From here on replies to these are late, or double.
    pub fn land(&self, ids: &[i32], answered: bool) {
        let mut traffic = self.traffic.lock();
        for id in ids {
            traffic.flights.land(*id, answered);
        }
    }

    /// Sends, as soon as the socket takes it.
    pub async fn send(&self, message: &[u8], to: SocketAddr) -> io::Result<()> {
        let mut tries = 0;
        loop {
            match self.socket.get_ref().send_to(message, to) {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                // Errors that ICMP brought come out of whatever is called next, whomever it concerns. Those are in the
                // queue, with the address that they are about; what comes again and again is this message's own.
                Err(error) => {
                    self.take_errors();
                    tries += 1;
                    if tries == SEND_TRIES && error.kind() == io::ErrorKind::ConnectionRefused {
                        break; // Never of this message: it was not sent yet. As good as lost on the way.
                    }
                    if tries == SEND_TRIES {
                        return Err(error);
                    }
                }
            }
        }
        self.counts.sent.add_one();
        Ok(())
    }

    /// Waits until the socket takes more, which is seldom needed.
    async fn writable(&self) -> io::Result<()> {
        tokio::net::UdpSocket::from_std(self.socket.get_ref().try_clone()?)?.writable().await
    }

    /// Hears what comes, for ever.
    pub async fn listen(&self) {
        loop {
            let Ok(mut ready) = self.socket.ready(Interest::READABLE | Interest::ERROR).await else { return };
            if ready.ready().is_error() {
                self.take_errors();
                ready.clear_ready_matching(Ready::ERROR);
            }
            if !self.take_batches() {
                ready.clear_ready_matching(Ready::READABLE);
                continue;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Hears what has come already. A process that stood still finds its time-outs over and the answers waiting: it hears
    /// those first.
    pub fn catch_up(&self) {
        for _ in 0..CATCH_UP_TURNS {
            if !self.take_batches() {
                break;
            }
        }
    }

    /// Hears what has come. Whether there may be more.
    fn take_batches(&self) -> bool {
        let Ear { batch, dropped } = &mut *self.ear.lock();
        for _ in 0..BATCHES_PER_TURN {
            match batch.receive(self.socket.as_raw_fd()) {
                Ok(told) => {
                    if let Some(told) = told {
                        self.counts.buffer_dropped.add(u64::from(told.wrapping_sub(*dropped)));
                        *dropped = told;
                    }
                    let now = Instant::now();
                    for datagram in batch.datagrams() {
                        self.hear(&datagram, now);
                    }
                    // What comes from now on makes the socket ready anew.
                    if batch.len() < BATCH {
                        return false;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => self.take_errors(),
            }
        }
        true
    }

    /// Tells those who wait for an agent what the network says of it.
    fn take_errors(&self) {
        while let Some((about, errno)) = socket::take_error(self.socket.as_raw_fd()) {
            if errno == libc::EMSGSIZE {
                continue; // Of the path, and the kernel's to deal with.
            }
            self.counts.unreachable.add_one();
            let Some(target) = self.traffic.lock().targets.known(about).cloned() else { continue };
            let why = io::Error::from_raw_os_error(errno);
            let asking: Vec<Arc<Question>> = target.asking.lock().clone();
            for question in asking {
                question.refuse(0, AskError::Unreachable(format!("{about} cannot be reached: {why}")));
            }
        }
    }

    fn hear(&self, datagram: &Datagram<'_>, now: Instant) {
        self.counts.received.add_one();
        if let Err((wrong, target)) = self.heard(datagram, now) {
            wrong.count(&self.counts).add_one();
            if let Some(target) = target {
                target.seen.add(wrong, (wrong == Wrong::Address).then_some(datagram.peer));
            }
        }
    }

    /// Finds whose reply it is and lets that flight hear it; else why not, and of which agent that is to be said.
    fn heard(&self, datagram: &Datagram<'_>, now: Instant) -> Result<(), (Wrong, Option<Arc<Target>>)> {
        let peer = datagram.peer;
        // Of an agent that was asked, what is wrong; of anybody else, no more than that nobody asked.
        let of_peer = |wrong: Wrong| match self.traffic.lock().targets.known(peer) {
            Some(target) => (wrong, Some(Arc::clone(target))),
            None => (Wrong::Stranger, None),
        };
        if datagram.cut {
            return Err(of_peer(Wrong::Huge));
        }
        let bytes = Bytes::copy_from_slice(datagram.bytes);
        let message = wire::open(bytes.clone()).map_err(|_| of_peer(Wrong::Malformed))?;
        let id = message.answers().map_err(of_peer)?;
        let found = self.traffic.lock().flights.find(id, peer);
        match found {
            Found::Flying(flight) => flight
                .hear(id, message, &bytes, &self.counts, now)
                .map_err(|wrong| (wrong, Some(Arc::clone(&flight.question.target)))),
            Found::Elsewhere(flight) => Err((Wrong::Address, Some(Arc::clone(&flight.question.target)))),
            Found::Answered => Err(of_peer(Wrong::Double)),
            Found::GivenUp => Err(of_peer(Wrong::Late)),
            Found::Nothing => Err(of_peer(Wrong::RequestId)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_is_listened_to_can_be_waited_for_until_it_takes_more() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = EngineOptions { longest_datagram: 1_000, ..EngineOptions::default() };
        let line = Arc::new(Line::open(any, &options, Arc::default()).unwrap());
        let listening = tokio::spawn({
            let line = Arc::clone(&line);
            async move { line.listen().await }
        });
        for _ in 0..3 {
            line.writable().await.unwrap();
            line.send(b"to itself", line.address().unwrap()).await.unwrap();
        }
        while line.counts.received.get() < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(line.counts.stranger.get() + line.counts.malformed.get(), 3);
        listening.abort();
    }
}
