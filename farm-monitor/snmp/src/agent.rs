//! An agent: where it is, and how it is spoken to.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// One SNMP agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Agent {
    /// Where it listens. Only replies from exactly there are answers.
    pub address: SocketAddr,
    /// Version and credentials; shared by all agents of a collector.
    pub security: Arc<Security>,
}

/// Version of the protocol with what it takes to be let in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Security {
    /// SNMPv1 (RFC 1157): no GETBULK, no Counter64, errors for the whole request.
    V1 {
        /// Sent in clear.
        community: Secret,
    },
    /// SNMPv2c (RFC 1901, 3416).
    V2c {
        /// Sent in clear.
        community: Secret,
    },
    /// SNMPv3 with the user-based security model (RFC 3414, 3826, 7860).
    V3(V3User),
}

/// A user of SNMPv3.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct V3User {
    /// Its name, 1–32 bytes.
    pub name: String,
    /// How messages are signed; `None`: noAuthNoPriv.
    pub auth: Option<(AuthProtocol, Secret)>,
    /// How they are encrypted; only with `auth`.
    pub privacy: Option<(PrivacyProtocol, Secret)>,
    /// The context asked for; mostly empty.
    pub context: String,
}

/// How messages are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say all")]
pub enum AuthProtocol {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// How messages are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say all")]
pub enum PrivacyProtocol {
    Des,
    Aes128,
    Aes192,
    Aes256,
}

/// A secret, never printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the codec only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
