//! A question to an agent, and what can come of it.

use crate::agent::Agent;
use async_snmp::{Oid, VarBind};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;

/// A future on the heap: what asks is kept behind `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What asks agents: the engine over sockets, or a scripted one in tests.
pub trait Ask: Send + Sync {
    /// Sends one request, again where no answer comes, and gives the answer; never later than `deadline`.
    ///
    /// Waits for its turn where as many requests to this agent are in flight as it may have.
    ///
    /// # Errors
    /// Why there is no answer. What was received and was no answer has been counted, see [`crate::Counts`].
    fn ask<'a>(
        &'a self,
        agent: &'a Agent,
        request: Request,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Reply, AskError>>;
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Exactly these.
    Get(Vec<Oid>),
    /// The ones behind these.
    GetNext(Vec<Oid>),
    /// The one behind each of the first, and so many behind each of the rest. Not with v1.
    GetBulk {
        /// How many of `oids`, from the front, are asked for one successor only.
        non_repeaters: u32,
        /// How many successors of each of the rest.
        max_repetitions: u32,
        /// Behind what.
        oids: Vec<Oid>,
    },
}

impl Request {
    /// What is asked for.
    pub fn oids(&self) -> &[Oid] {
        match self {
            Self::Get(oids) | Self::GetNext(oids) | Self::GetBulk { oids, .. } => oids,
        }
    }
}

/// An answer: from the agent that was asked, to this request, well-formed, without error status, and of a shape that the
/// request allows (Get: the same names in the same order; GetNext: as many; GetBulk: at most as many as asked for, and none only
/// where none was asked for: an empty reply is [`TOO_BIG`]).
/// Whether names increase is for the reader of the values to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// In the order of the request.
    pub varbinds: Vec<VarBind>,
    /// Size of the datagram.
    pub bytes: usize,
    /// From the sending that it answers (each has its own id) to the answer.
    pub took: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Nothing that is an answer came in time. `seen` says what came instead, where something did: `a reply came from
    /// 10.0.0.2`, `2 replies were malformed`. To a wrong community agents are silent: it shows as this, too.
    #[error("no answer from {address} to {attempts} requests in {:?}{}", in_millis(*waited), said(seen))]
    TimedOut {
        /// Who was asked.
        address: std::net::SocketAddr,
        /// How often it was sent.
        attempts: u32,
        /// How long in all.
        waited: Duration,
        /// What came instead; empty: nothing at all.
        seen: String,
    },
    /// The network or the host says that nobody is there (ICMP), or it cannot be sent.
    #[error("{0}")]
    Unreachable(String),
    /// The agent refuses who asks: unknown user, wrong digest, authorizationError, …; with the agent's word for it.
    #[error("{0}")]
    Refused(String),
    /// The agent answers with an error status (RFC 3416): `tooBig`, `noSuchName` (v1), `genErr`, ….
    #[error("the agent answers {word} ({status}), at {index}")]
    Status {
        /// The number.
        status: i32,
        /// Its name.
        word: &'static str,
        /// Which of the request's names, from 1; 0: none in particular.
        index: usize,
    },
    /// The request cannot be put: too long for a datagram, or GETBULK with v1.
    #[error("{0}")]
    NotAskable(String),
}

impl AskError {
    /// What an error status means: refusals under their own name.
    pub(crate) fn of_status(status: i32, index: usize) -> Self {
        let at = usize::try_from(status).ok().and_then(|at| STATUS_WORDS.get(at));
        match (status, at) {
            (NO_ACCESS | AUTHORIZATION_ERROR, Some(word)) => {
                Self::Refused(format!("the agent answers {word} ({status}), at {index}"))
            }
            (_, word) => {
                Self::Status { status, word: word.copied().unwrap_or("a status that does not exist"), index }
            }
        }
    }
}

/// noAccess of RFC 3416.
const NO_ACCESS: i32 = 6;
/// authorizationError of RFC 3416.
const AUTHORIZATION_ERROR: i32 = 16;
/// The words of RFC 3416, by number.
const STATUS_WORDS: [&str; 19] = [
    "noError",
    "tooBig",
    "noSuchName",
    "badValue",
    "readOnly",
    "genErr",
    "noAccess",
    "wrongType",
    "wrongLength",
    "wrongEncoding",
    "wrongValue",
    "noCreation",
    "inconsistentValue",
    "resourceUnavailable",
    "commitFailed",
    "undoFailed",
    "authorizationError",
    "notWritable",
    "inconsistentName",
];

/// tooBig of RFC 3416: the answer would not fit.
pub const TOO_BIG: i32 = 1;
/// noSuchName of RFC 1157: what v1 says for a missing object.
pub const NO_SUCH_NAME: i32 = 2;

/// As it is shown: nobody waits for nanoseconds.
fn in_millis(waited: Duration) -> Duration {
    Duration::from_millis(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX))
}

fn said(seen: &str) -> String {
    if seen.is_empty() { String::new() } else { format!(": {seen}") }
}
