//! The sockets of all agents, served by one thread. Decides nothing: what is sent, when and from where, agents say.

use crate::agent::{Agent, AgentConfig, Outgoing, Via};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// Datagrams taken from one socket before the others have their turn.
const TURN: usize = 16;
/// Events taken at once.
const EVENTS: usize = 256;
/// Replies that may wait for their time; what comes beyond is not sent.
const MAX_WAITING: usize = 100_000;
/// Room for one datagram.
const DATAGRAM: usize = 65_536;
/// Where replies come from that come from another address.
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 254, 254, 254);
/// The number of the event that wakes the thread; others are agents.
const WAKE: u64 = u64::MAX;

/// Where agents listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// All on 127.0.0.1: each on the port behind the one before. 0: on free ports.
    Ports(u16),
    /// Each on an address of its own, from this one on (within 127/8), all on this port. 0: on free ports.
    Addresses(Ipv4Addr, u16),
}

/// Why agents could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// An address that cannot be used.
    #[error("cannot listen on {address}: {source}")]
    Address {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The system refuses something.
    #[error("{doing}: {source}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// Agents that run until this is dropped.
pub struct Sim {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    epoll: OwnedFd,
    wake: OwnedFd,
    stops: AtomicBool,
    slots: Mutex<Vec<Slot>>,
}

struct Slot {
    agent: Agent,
    address: SocketAddr,
    /// `None`: closed.
    socket: Option<UdpSocket>,
}

impl Sim {
    /// Starts agents. `seed` decides what is random.
    ///
    /// # Errors
    /// An address that cannot be used.
    pub fn start(agents: Vec<AgentConfig>, place: Place, seed: u64) -> Result<Self, SimError> {
        let system = |doing: &'static str| move |source: io::Error| SimError::System { doing, source };
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC);
        let epoll = epoll.map_err(|error| system("making an epoll")(error.into()))?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let wake = wake.map_err(|error| system("making an eventfd")(error.into()))?;
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE), EventFlags::IN)
            .map_err(|error| system("waiting for an eventfd")(error.into()))?;
        let mut slots: Vec<Slot> = Vec::with_capacity(agents.len());
        for (config, number) in agents.into_iter().zip(0u32..) {
            let socket = bind(place.of(number))?;
            let address = socket.local_addr().map_err(system("asking a socket for its address"))?;
            watch(&epoll, &socket, number)?;
            let socket = Some(socket).filter(|_| !config.is_closed);
            let like = slots.last().map(|slot| &slot.agent);
            slots.push(Slot {
                agent: Agent::new(config, seed ^ u64::from(number) << 32, like),
                address,
                socket,
            });
        }
        let addresses = slots.iter().map(|slot| slot.address).collect();
        let shared =
            Arc::new(Shared { epoll, wake, stops: AtomicBool::new(false), slots: Mutex::new(slots) });
        let serving = shared.clone();
        let thread = std::thread::Builder::new().name("sim".to_owned()).spawn(move || serve(&serving));
        let thread = Some(thread.map_err(system("starting a thread"))?);
        Ok(Self { shared, addresses, thread })
    }

    /// One agent on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// As [`Sim::start`].
    pub fn one(agent: AgentConfig) -> Result<Self, SimError> {
        Self::start(vec![agent], Place::Ports(0), 1)
    }

    /// Where they listen, in their order.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Looks at an agent, or changes it, between two of its requests. `None`: there is no such agent.
    pub fn with<T>(&self, agent: usize, change: impl FnOnce(&mut Agent) -> T) -> Option<T> {
        let mut slots = self.shared.slots();
        let slot = slots.get_mut(agent)?;
        slot.agent.passes(now());
        Some(change(&mut slot.agent))
    }

    /// Closes the port of an agent: who asks is told so by ICMP.
    pub fn close(&self, agent: usize) {
        if let Some(slot) = self.shared.slots().get_mut(agent) {
            slot.socket = None;
        }
    }

    /// Opens it again.
    ///
    /// # Errors
    /// Somebody else has the port now.
    pub fn open(&self, agent: usize) -> Result<(), SimError> {
        if let (Some(slot), Ok(number)) = (self.shared.slots().get_mut(agent), u32::try_from(agent))
            && slot.socket.is_none()
        {
            let socket = bind(slot.address)?;
            watch(&self.shared.epoll, &socket, number)?;
            slot.socket = Some(socket);
        }
        Ok(())
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.shared.stops.store(true, Ordering::Relaxed);
        // Were it not to wake, joining would hang; writing 1 to a fresh eventfd does not fail.
        if rustix::io::write(&self.shared.wake, &1u64.to_ne_bytes()).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn of(self, number: u32) -> SocketAddr {
        let (address, port) = match self {
            Self::Ports(0) => (Ipv4Addr::LOCALHOST, 0),
            Self::Ports(first) => (Ipv4Addr::LOCALHOST, u32::from(first).saturating_add(number)),
            Self::Addresses(first, port) => {
                (Ipv4Addr::from(u32::from(first).saturating_add(number)), u32::from(port))
            }
        };
        // Past the last port there is none: 0 would be a free one, so it fails at the last, which is taken.
        SocketAddrV4::new(address, u16::try_from(port).unwrap_or(u16::MAX)).into()
    }
}

fn bind(address: SocketAddr) -> Result<UdpSocket, SimError> {
    let wrong = |source| SimError::Address { address, source };
    if !address.ip().is_loopback() {
        return Err(wrong(io::Error::other("not a loopback address")));
    }
    let socket = UdpSocket::bind(address).map_err(wrong)?;
    socket.set_nonblocking(true).map_err(wrong)?;
    Ok(socket)
}

fn watch(epoll: &OwnedFd, socket: &UdpSocket, number: u32) -> Result<(), SimError> {
    epoll::add(epoll, socket, EventData::new_u64(u64::from(number)), EventFlags::IN)
        .map_err(|error| SimError::System { doing: "waiting for a socket", source: error.into() })
}

#[expect(clippy::disallowed_methods, reason = "the one place where the simulator reads the clock")]
fn now() -> Instant {
    Instant::now()
}

/// Replies whose time has not come; of two for one moment, the one made first comes first.
type Later = BinaryHeap<Reverse<(Instant, u64, Sending)>>;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Sending {
    agent: usize,
    to: SocketAddr,
    via: Via,
    bytes: Vec<u8>,
}

fn serve(shared: &Shared) {
    let mut later = Later::new();
    let mut made = 0;
    let mut events = Vec::with_capacity(EVENTS);
    let mut datagram = vec![0; DATAGRAM];
    while !shared.stops.load(Ordering::Relaxed) {
        let timeout = later.peek().map(|Reverse((at, ..))| at.saturating_duration_since(now()));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        events.clear();
        if epoll::wait(&shared.epoll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref()).is_err()
        {
            // Interrupted by a signal: nothing has come.
            continue;
        }
        let mut slots = shared.slots();
        for event in &events {
            let Ok(agent) = usize::try_from(event.data.u64()) else { continue };
            let outgoing = slots.get_mut(agent).map(|slot| taken(slot, &mut datagram)).unwrap_or_default();
            for (to, Outgoing { at, via, bytes }) in outgoing {
                let sending = Sending { agent, to, via, bytes };
                if at <= now() {
                    send(&slots, &sending);
                } else if later.len() < MAX_WAITING {
                    made += 1;
                    later.push(Reverse((at, made, sending)));
                }
            }
        }
        while let Some(Reverse((at, ..))) = later.peek()
            && *at <= now()
        {
            if let Some(Reverse((_, _, sending))) = later.pop() {
                send(&slots, &sending);
            }
        }
    }
}

/// What an agent answers to what waits in its socket.
fn taken(slot: &mut Slot, datagram: &mut [u8]) -> Vec<(SocketAddr, Outgoing)> {
    let mut out = Vec::new();
    let Some(socket) = &slot.socket else { return out };
    for _ in 0..TURN {
        let Ok((length, from)) = socket.recv_from(datagram) else { break };
        let received = datagram.get(..length).unwrap_or_default();
        out.extend(slot.agent.receive(received, now()).into_iter().map(|outgoing| (from, outgoing)));
    }
    out
}

/// A reply that cannot be sent is lost, as on any network.
fn send(slots: &[Slot], sending: &Sending) {
    let Some(slot) = slots.get(sending.agent) else { return };
    let from = |ip: IpAddr, port| UdpSocket::bind((ip, port)).ok();
    let stranger = match sending.via {
        Via::Own => None,
        Via::OtherPort => from(slot.address.ip(), 0),
        Via::OtherAddress => from(OTHER.into(), slot.address.port()).or_else(|| from(OTHER.into(), 0)),
    };
    let own = slot.socket.as_ref().filter(|_| sending.via == Via::Own);
    if let Some(socket) = stranger.as_ref().or(own) {
        let _ = socket.send_to(&sending.bytes, sending.to);
    }
}
