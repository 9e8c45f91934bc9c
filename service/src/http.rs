//! Plain HTTP beside gRPC on a role's one port: pages that tools read, `/metrics` first among them.
//!
//! It only reads: GET and HEAD, no page changes anything. What a page costs is bounded here (connections, head, time, pages
//! made at once), who may see it is decided here, and no role knows of either. gRPC never passes through: its connections
//! are told apart by their first bytes (see [`crate::listener`]).
//!
//! **Who may read.** A right token opens everything. Without one the connection has to be on loopback, and `Host` has to
//! name loopback: a page of the web that lets its own name point at 127.0.0.1 is so kept from reading this port through
//! its visitor's browser. A wrong token is never taken for none.

pub mod exposition;

mod connection;
mod door;
mod process;
mod query;
mod reader;

pub use query::{Query, QueryError};
pub use reader::{Patience, Reader};

pub(crate) use connection::serve;
pub(crate) use door::Door;

use exposition::Family;
use std::sync::Arc;
use std::time::Duration;

/// HTTP connections open at once on one port; the next is told so (503) and closed. Out of the port's
/// [`crate::listener::MAX_CONNECTIONS`], so that readers of pages never take the places of services.
pub const MAX_CONNECTIONS: usize = 128;
/// Bytes of a request's line and headers; more is refused (431).
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// How long a request's head may take, and a connection may be idle; then it is closed.
pub const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// How long a reader may take to take an answer; then it is cut off.
pub const READER_PATIENCE: Duration = Duration::from_secs(30);
/// Pages made at the same time; who asks for one more waits.
pub const MAX_MAKING: usize = 4;

/// What a role shows.
#[derive(Clone)]
pub struct Pages {
    /// Who this is, for people: `farm oak`.
    pub role: String,
    /// What the role measures of itself. Called beside the async threads: it may take locks, and some milliseconds.
    pub metrics: Arc<dyn Fn() -> Vec<Family> + Send + Sync>,
    /// Further pages.
    pub more: Vec<Page>,
}

/// A further page of a role.
#[derive(Clone)]
pub struct Page {
    /// Where: `/prometheus/sd`.
    pub path: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Makes it. Called beside the async threads.
    pub make: Arc<dyn Fn(&Query) -> Answer + Send + Sync>,
}

/// What a page answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A JSON document.
    Json(String),
    /// The question is wrong (400): what was wrong, and what was expected.
    Wrong(String),
    /// Not now (503): why.
    NotNow(String),
}
