//! Asking SNMP agents. [`Ask`] is what the rest of the farm knows of SNMP: a request to an agent gives its reply, or
//! exactly why not. Codec and cryptography are a library's; what is ours is what decides whether a datagram is an answer.
//!
//! Knows no profile, no series and no collector.

pub mod agent;
pub mod ask;
pub mod counts;
mod course;
pub mod engine;
mod flights;
mod ids;
#[cfg(any(test, feature = "judge"))]
pub mod judge;
mod line;
pub mod notify;
mod question;
mod rtt;
mod socket;
mod target;
mod usm;
mod varbinds;
mod wire;
mod wrong;

pub use agent::{Agent, AuthProtocol, PrivacyProtocol, Secret, Security, V3User};
pub use ask::{Ask, AskError, BoxFuture, Reply, Request};
pub use async_snmp::{Oid, Value, VarBind};
pub use counts::Counts;
pub use engine::{Engine, EngineError, EngineOptions, Patience};
pub use wrong::Wrong;
