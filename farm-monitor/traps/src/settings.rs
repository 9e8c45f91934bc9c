//! What is configured of the door: plain data, comparable, so that a reload can tell what changed.

use crate::network::Network;
use hedgerow_model::Name;
use hedgerow_snmp::Security;
use hedgerow_snmp_profile::Library;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// `[door.traps]`, read and checked.
#[derive(Clone, PartialEq)]
pub struct TrapSettings {
    /// Where it listens; empty: it is shut.
    pub listen: Vec<SocketAddr>,
    /// Who may send.
    pub allow: Vec<Network>,
    /// Who forwards what others sent: there the agent that the notification names is believed.
    pub relays: Vec<Network>,
    /// The cluster it writes.
    pub cluster: Name,
    /// Communities and users that are let in.
    pub credentials: Vec<Arc<Security>>,
    /// How many notifications a second one source may send on average; at least 1.
    pub rate: u32,
    /// How many at once; at least 1.
    pub burst: u32,
    /// For how long a trap that is the same in every bit is taken for the same trap.
    pub duplicates: Duration,
    /// How long after their last event its series have ended; `None`: the farm's default.
    pub lifetime: Option<Duration>,
    /// The profiles, for names and states.
    pub library: Arc<Library>,
    /// What is known by another name than its address: (address or host name, node).
    pub nodes: Vec<(String, Name)>,
}

/// Without credentials, which are secrets, and without the long lists.
impl std::fmt::Debug for TrapSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrapSettings")
            .field("listen", &self.listen)
            .field("allow", &self.allow)
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}
