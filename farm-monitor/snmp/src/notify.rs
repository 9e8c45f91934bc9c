//! Notifications (traps and informs) as they come in: from a datagram to what it says, or why it says nothing.
//!
//! Decides by the bytes, the credentials and the time it is given; opens no socket. A trap of v3 comes from an engine that
//! is its own authority: its boots and time are learned from the first message that proves itself, and whoever repeats an
//! old one is refused. For an inform of v3 this side is the authority, see [`engine::OwnEngine`]; nothing is acknowledged
//! here: [`Acceptor::acknowledgement`] is asked for when what was said is safe.

mod community;
pub mod engine;
mod engines;
mod usm;

#[cfg(test)]
mod tests;

pub use engine::{EngineError, OwnEngine};
pub use usm::V3Ack;

pub use async_snmp::Version;

use crate::agent::{Secret, Security, V3User};
use async_snmp::ber::Decoder;
use async_snmp::{DecodeConfig, Oid, Value, VarBind};
use bytes::Bytes;
use engines::Engines;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::Ipv4Addr;
use std::time::Instant;
use usm::User;

/// Longest datagram that is read; longer ones are refused. Far above what any agent sends.
pub const MAX_NOTIFICATION_BYTES: usize = 16 * 1024;

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// How it came.
    pub version: Version,
    /// snmpTrapOID.0; of v1 by the translation of RFC 3584 §3.1.
    pub oid: Oid,
    /// sysUpTime.0, in hundredths of a second.
    pub uptime: u32,
    /// What else it says, in its order.
    pub varbinds: Vec<VarBind>,
    /// Whom the sender names as the agent: agent-addr of v1, snmpTrapAddress.0 else. Nobody has proven it.
    pub agent: Option<Ipv4Addr>,
}

/// A notification that was let in.
#[derive(Debug)]
pub struct Incoming {
    /// What it says.
    pub notification: Notification,
    /// The same for what is the same: version, credentials, kind of message, request id, uptime and content. Not across
    /// processes.
    pub fingerprint: u64,
    /// The engine that signed it, of signed traps: it is the sender, whatever the address says.
    pub engine: Option<Bytes>,
    /// Of an inform: what its sender waits for.
    pub ack: Option<Ack>,
}

/// An acknowledgement, to be sent when it is time.
#[derive(Debug)]
pub enum Ack {
    /// Of v2c: ready.
    Community(Vec<u8>),
    /// Of v3: is signed with the time at which it is sent.
    V3(Box<V3Ack>),
}

/// Why a datagram was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No SNMP message, or not well-formed.
    Malformed,
    /// Well-formed, and neither trap nor inform.
    NotANotification,
    /// A community that is not configured.
    WrongCommunity,
    /// A user that is not configured.
    UnknownUser,
    /// Not as well protected as the user's credentials ask for, or better than they can undo.
    WrongLevel,
    /// The signature is wrong.
    WrongDigest,
    /// Signed rightly, but outside the time window: old, or a repetition of what was old.
    NotInTimeWindow,
    /// Cannot be decrypted.
    NotDecrypted,
    /// Asks for this side's engine: how every sender of informs begins. Was answered.
    Discovery,
    /// More engines than are remembered.
    TooManyEngines,
}

/// A datagram that was not let in.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// What the sender is told, where RFC 3414 has an answer for it.
    pub report: Option<Vec<u8>>,
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self { reason, report: None }
    }
}

/// Credentials that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UnusableCredentials {
    /// A user whose password makes no key.
    #[error("the user `{user}` cannot be used: {why}")]
    User {
        /// Its name.
        user: String,
        /// What the cryptography says.
        why: String,
    },
    /// The same user twice, with different passwords.
    #[error("the user `{0}` is there twice, with different settings")]
    Twice(String),
}

/// Who is let in.
#[derive(Default)]
pub struct Keyring {
    communities: Vec<Secret>,
    users: HashMap<Bytes, User>,
}

impl Keyring {
    /// The keys of these credentials. A community is taken in v1 and v2c alike. Blocks: some milliseconds for each user, as
    /// a key is made of its password.
    ///
    /// # Errors
    /// Which of them cannot be used.
    pub fn new<'a>(credentials: impl IntoIterator<Item = &'a Security>) -> Result<Self, UnusableCredentials> {
        let mut keyring = Self::default();
        for security in credentials {
            match security {
                Security::V1 { community } | Security::V2c { community } => {
                    keyring.communities.push(community.clone());
                }
                Security::V3(user) => {
                    let name = Bytes::copy_from_slice(user.name.as_bytes());
                    match keyring.users.get(&name) {
                        Some(known) if !same_keys(known.settings(), user) => {
                            return Err(UnusableCredentials::Twice(user.name.clone()));
                        }
                        Some(_) => {}
                        None => drop(keyring.users.insert(name, User::new(user)?)),
                    }
                }
            }
        }
        Ok(keyring)
    }
}

/// Lets notifications in.
pub struct Acceptor {
    keyring: Keyring,
    own: OwnEngine,
    engines: Engines,
    /// Reports sent of each kind, as the RFC wants them told.
    reported: HashMap<Reason, u32>,
    fingerprints: RandomState,
}

impl Acceptor {
    /// One that lets nothing in yet.
    pub fn new(own: OwnEngine) -> Self {
        Self {
            keyring: Keyring::default(),
            own,
            engines: Engines::default(),
            reported: HashMap::new(),
            fingerprints: RandomState::new(),
        }
    }

    /// From now on these let in, and no others. What was learned of engines stays.
    pub fn set_keyring(&mut self, keyring: Keyring) {
        self.keyring = keyring;
    }

    /// Judges a datagram that came at `now`.
    ///
    /// # Errors
    /// Why it is not let in, with what its sender is told.
    pub fn take(&mut self, datagram: &Bytes, now: Instant) -> Result<Incoming, Refused> {
        if datagram.len() > MAX_NOTIFICATION_BYTES {
            return Err(Reason::Malformed.into());
        }
        match version(datagram).ok_or(Reason::Malformed)? {
            3 => self.take_v3(datagram, now),
            _ => self.take_community(datagram),
        }
    }

    /// The acknowledgement as it is to be sent at `now`. `None`: it cannot be made (its user is configured no more).
    pub fn acknowledgement(&self, ack: &Ack, now: Instant) -> Option<Vec<u8>> {
        match ack {
            Ack::Community(bytes) => Some(bytes.clone()),
            Ack::V3(ack) => self.sealed_ack(ack, now),
        }
    }

    /// What was learned of the engines that sign their traps, for [`Acceptor::recall`] in a later run.
    pub fn learned(&self, now: Instant) -> Vec<LearnedEngine> {
        self.engines.all(now)
    }

    /// Another number whenever more was learned.
    pub fn learned_revision(&self) -> u64 {
        self.engines.learned
    }

    /// Knows again what an earlier run learned: so that a trap of then cannot be repeated now.
    pub fn recall(&mut self, engines: impl IntoIterator<Item = LearnedEngine>, now: Instant) {
        self.engines.recall(engines, now);
    }

    fn fingerprint(&self, version: Version, who: &[u8], content: &[u8]) -> u64 {
        self.fingerprints.hash_one((version.as_i32(), who, content))
    }
}

/// An engine that signs traps: where its clock stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnedEngine {
    /// Its id.
    pub id: Bytes,
    /// How often it has started.
    pub boots: u32,
    /// Seconds since, by now.
    pub time: u32,
}

fn same_keys(a: &V3User, b: &V3User) -> bool {
    (&a.auth, &a.privacy) == (&b.auth, &b.privacy)
}

/// The version of a message, by the only field that all versions have in common.
fn version(datagram: &Bytes) -> Option<i32> {
    let mut decoder = Decoder::new(datagram.clone()).with_decode_config(DecodeConfig::STRICT);
    let mut message = decoder.read_sequence().ok()?;
    message.read_integer().ok()
}

/// Parts the two leading varbinds of RFC 3416 §4.2.6 from the rest: exactly those names, in that order.
fn parted(version: Version, varbinds: Vec<VarBind>) -> Option<Notification> {
    let mut varbinds = varbinds.into_iter();
    let (first, second) = (varbinds.next()?, varbinds.next()?);
    let Value::TimeTicks(uptime) = first.value else { return None };
    let Value::ObjectIdentifier(oid) = second.value else { return None };
    if first.oid.arcs() != SYS_UP_TIME || second.oid.arcs() != SNMP_TRAP_OID || oid.is_empty() {
        return None;
    }
    let varbinds: Vec<VarBind> = varbinds.collect();
    let agent = varbinds.iter().find(|varbind| varbind.oid.arcs() == SNMP_TRAP_ADDRESS);
    let agent = agent.and_then(|varbind| varbind.value.as_ip());
    Some(Notification { version, oid, uptime, varbinds, agent })
}

const SYS_UP_TIME: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 3, 0];
const SNMP_TRAP_OID: &[u32] = &[1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0];
const SNMP_TRAP_ADDRESS: &[u32] = &[1, 3, 6, 1, 6, 3, 18, 1, 3, 0];
