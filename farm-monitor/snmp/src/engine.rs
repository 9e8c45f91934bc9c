//! The engine: thousands of requests in flight over few sockets.
//!
//! What a target costs: at most its window of requests in flight, each at most [`Patience`] long. A dead one holds up
//! nobody else. Replies to an earlier sending are taken as long as the question stands: each sending has its own id, and
//! all of them ask the same.
//! To a wrong community agents are silent, so that it shows as a time-out.

use crate::agent::{Agent, Security};
use crate::ask::{Ask, AskError, BoxFuture, Reply, Request};
use crate::counts::Counts;
use crate::course::Course;
use crate::line::Line;
use crate::question::{Inbox, Question};
use crate::usm::{KeyStore, Salts};
use parking_lot::Mutex;
use std::hash::BuildHasher;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// The shortest datagram limit: what every agent may send (RFC 3417).
const SHORTEST_DATAGRAM: usize = 484;
/// No more sockets per family.
const MOST_SOCKETS: usize = 64;

/// How long an agent is waited for: `first_timeout` × (2^`attempts` − 1), or until the deadline; by default 7 s. A request
/// is sent again all that time, so that lost datagrams cost a moment, and hardly ever the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Until a request to an agent of which nothing is known is sent again; doubles with each sending. Once its times are
    /// known, repetitions begin sooner, 0.2 s after the first sending if it is quick, and so there are more of them; the whole
    /// wait is the same.
    pub first_timeout: Duration,
    /// How often a request is sent at least where no answer comes, the first time included: so often to an agent of which
    /// nothing is known, or that is slow, and up to 8 times to one that was quick. At least once.
    pub attempts: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { first_timeout: Duration::from_secs(1), attempts: 3 }
    }
}

/// What an engine is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineOptions {
    /// Unless asked with another, see [`Engine::with_patience`].
    pub patience: Patience,
    /// So many requests to one agent may be in flight at once; what comes on top waits its turn, in order. Agents answer
    /// from one thread: 2–4 keep it busy, more only fill its buffer.
    pub window: usize,
    /// Wanted size of each socket's receive buffer. How much came of it says [`Engine::receive_buffer`].
    pub receive_buffer: usize,
    /// Sockets per address family, each with a task of its own.
    pub sockets: usize,
    /// The longest datagram that is read, also announced to v3 agents. What is longer is counted as huge.
    pub longest_datagram: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            patience: Patience::default(),
            window: 4,
            receive_buffer: 8 << 20,
            sockets: 1,
            longest_datagram: 65_535,
        }
    }
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No socket.
    #[error("cannot open a UDP socket for SNMP")]
    Socket(#[source] io::Error),
    /// No randomness for salts.
    #[error("no random numbers: {0}")]
    Random(String),
}

/// Asks agents. Cheap to clone; the last clone takes its tasks and sockets with it.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    patience: Patience,
}

/// What all clones share.
pub(crate) struct Shared {
    v4: Vec<Arc<Line>>,
    v6: Vec<Arc<Line>>,
    by_address: hashbrown::DefaultHashBuilder,
    tasks: Vec<JoinHandle<()>>,
    keys: KeyStore,
    pub counts: Arc<Counts>,
    pub salts: Salts,
    pub options: EngineOptions,
}

impl Drop for Shared {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Engine {
    /// Opens its sockets and begins to listen. Takes a runtime of tokio with IO and time.
    ///
    /// # Errors
    /// [`EngineError`]; a host without IPv6 is none.
    pub fn start(options: EngineOptions) -> Result<Self, EngineError> {
        let counts = Arc::new(Counts::default());
        let options = EngineOptions {
            window: options.window.max(1),
            sockets: options.sockets.clamp(1, MOST_SOCKETS),
            longest_datagram: options.longest_datagram.max(SHORTEST_DATAGRAM),
            ..options
        };
        let open = |any: SocketAddr| -> io::Result<Vec<Arc<Line>>> {
            let line = || Line::open(any, &options, Arc::clone(&counts));
            (0..options.sockets).map(|_| line().map(Arc::new)).collect()
        };
        let v4 = open(SocketAddr::from(([0; 4], 0))).map_err(EngineError::Socket)?;
        let v6 = open(SocketAddr::from(([0_u16; 8], 0))).unwrap_or_default();
        let salts = Salts::new().map_err(EngineError::Random)?;
        let tasks = v4
            .iter()
            .chain(&v6)
            .map(|line| {
                let line = Arc::clone(line);
                tokio::spawn(async move { line.listen().await })
            })
            .collect();
        let patience = options.patience;
        let (by_address, keys) = Default::default();
        let shared = Shared { v4, v6, by_address, tasks, counts, keys, salts, options };
        Ok(Self { shared: Arc::new(shared), patience })
    }

    /// What was sent and received, and what was no answer.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.shared.counts)
    }

    /// The same engine, with its sockets and all it knows, that waits otherwise for answers.
    pub fn with_patience(&self, patience: Patience) -> Self {
        Self { shared: Arc::clone(&self.shared), patience }
    }

    /// The size of the smallest receive buffer, as the system gives it (on Linux twice what was asked for).
    pub fn receive_buffer(&self) -> usize {
        self.lines().map(|line| line.buffer).min().unwrap_or_default()
    }

    /// Whence it asks.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.lines().filter_map(|line| line.address().ok()).collect()
    }

    fn lines(&self) -> impl Iterator<Item = &Arc<Line>> {
        self.shared.v4.iter().chain(&self.shared.v6)
    }

    fn line(&self, address: SocketAddr) -> Result<&Line, AskError> {
        let lines = if address.is_ipv4() { &self.shared.v4 } else { &self.shared.v6 };
        let at = self.shared.by_address.hash_one(address) as usize % lines.len().max(1);
        let none = || AskError::Unreachable(format!("{address} cannot be reached: this host has no IPv6"));
        lines.get(at).map(|line| &**line).ok_or_else(none)
    }

    async fn answer(&self, agent: &Agent, request: Request, deadline: Instant) -> Result<Reply, AskError> {
        askable(&agent.security, &request)?;
        let address = plain(agent.address);
        let line = self.line(address)?;
        let target = line.target(address);
        let began = Instant::now();
        let masters = match &*agent.security {
            Security::V3(user) => Some(self.shared.keys.masters(user).await?),
            _ => None,
        };
        let turn = match target.window.try_acquire() {
            Ok(turn) => Some(turn),
            Err(_) => timeout_at(deadline, target.window.acquire()).await.ok().and_then(Result::ok),
        };
        let Some(turn) = turn.filter(|_| Instant::now() < deadline) else {
            self.shared.counts.timed_out.add_one();
            let seen = "others were asked before it, and had no answer in time either".to_owned();
            return Err(AskError::TimedOut { address, attempts: 0, waited: began.elapsed(), seen });
        };
        let question = Arc::new(Question {
            request,
            security: Arc::clone(&agent.security),
            target: Arc::clone(&target),
            inbox: Mutex::new(Inbox::default()),
            bell: Notify::new(),
        });
        let mut course = Course::begin(line, question, &self.shared, self.patience, deadline);
        let answer = course.run(masters.as_ref()).await;
        drop(course);
        drop(turn);
        answer
    }
}

impl Ask for Engine {
    fn ask<'a>(
        &'a self,
        agent: &'a Agent,
        request: Request,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Reply, AskError>> {
        Box::pin(self.answer(agent, request, deadline))
    }
}

/// An address as replies carry it.
fn plain(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(mut v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::from((v4, v6.port())),
            None => {
                v6.set_flowinfo(0);
                v6.into()
            }
        },
        SocketAddr::V4(_) => address,
    }
}

fn askable(security: &Security, request: &Request) -> Result<(), AskError> {
    if request.oids().is_empty() {
        return Err(AskError::NotAskable("a request names at least one object".to_owned()));
    }
    if matches!((security, request), (Security::V1 { .. }, Request::GetBulk { .. })) {
        return Err(AskError::NotAskable("SNMPv1 has no GETBULK".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use async_snmp::Oid;

    /// Where a GET of v2c with the community `public` says that it is one.
    const KIND: usize = 13;
    const RESPONSE: u8 = 0xa2;

    #[tokio::test]
    async fn an_answer_that_waits_in_the_socket_is_heard_before_its_question_is_given_up() {
        let engine = Engine::start(EngineOptions::default()).unwrap();
        // Nobody listens any more, as in a process that stood still for as long as the question is patient.
        engine.shared.tasks.iter().for_each(JoinHandle::abort);
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let agent = std::thread::spawn(move || {
            let mut message = [0; 100];
            let (length, asker) = socket.recv_from(&mut message).unwrap();
            message[KIND] = RESPONSE;
            socket.send_to(&message[..length], asker).unwrap();
        });
        let security = Arc::new(Security::V2c { community: Secret::new("public") });
        let request = Request::Get(vec![Oid::from_slice(&[1, 3, 6, 1, 2, 1, 1, 3, 0])]);
        let deadline = Instant::now() + Duration::from_secs(60);
        let reply = engine.ask(&Agent { address, security }, request, deadline).await.unwrap();
        assert_eq!(reply.varbinds.len(), 1);
        agent.join().unwrap();
    }
}
