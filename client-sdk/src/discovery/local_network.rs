//! Lookups that announce themselves on the local network by mDNS: a way to find the first one, and nothing more. Whether
//! a lookup lives is never decided here: one that answers stays, whatever becomes of its announcement.

use crate::channel::Caller;
use crate::error::ClientError;
use hedgerow_model::name;
use hedgerow_model::registration::Mesh;
use mdns_sd::{IfKind, ResolvedService, ServiceDaemon, ServiceEvent};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The service under which lookups announce themselves. In its TXT record stand `v` (1), `mesh` (the mesh's name),
/// `mesh_id` and `id` (of the lookup), both as 32 hex digits. A record without them is followed all the same.
pub const MDNS_SERVICE: &str = "_hedgerow-lookup._tcp.local.";
/// Most announcements that are followed at a time; further ones are left out, and that is said.
const MAX_ANNOUNCED: usize = super::MAX_LOOKUPS;
/// Most addresses of one announcement that are tried.
const MAX_ADDRESSES: usize = 8;
/// How long the first answers may take; whoever waits until everything is known waits this long.
const FIRST_ANSWERS: Duration = Duration::from_millis(1500);
/// How long to wait before the local network is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// What is announced, as it is known now.
pub(super) struct LocalNetwork {
    told: watch::Receiver<Told>,
    others: Vec<ClientError>,
    _task: JoinSet<()>,
}

#[derive(Debug, Clone, Default)]
struct Told {
    /// By the name of the announcement.
    announced: Arc<BTreeMap<String, Announced>>,
    problem: Option<ClientError>,
    tried: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Announced {
    mesh: Option<Mesh>,
    urls: Vec<String>,
}

impl LocalNetwork {
    /// Begins to listen, if wanted.
    pub(super) fn new(wanted: bool) -> Self {
        let (tell, told) = watch::channel(Told { tried: !wanted, ..Told::default() });
        let mut task = JoinSet::new();
        if wanted {
            task.spawn(listen(tell));
        }
        Self { told, others: Vec::new(), _task: task }
    }

    /// Waits for news, and gives the addresses that are announced now, but those that say to be of another mesh.
    pub(super) async fn changed(&mut self, caller: &Caller) -> Vec<String> {
        if self.told.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        let announced = Arc::clone(&self.told.borrow_and_update().announced);
        let mut urls = Vec::new();
        self.others.clear();
        for announced in announced.values() {
            // Without a mesh of our own, whoever answers says whose mesh it is.
            match (caller.mesh(), announced.urls.first(), &announced.mesh) {
                (Some(ours), Some(at), Some(theirs)) if ours.id != theirs.id => {
                    let (theirs, ours) = (Box::new(theirs.clone()), Box::new(ours.clone()));
                    self.others.push(ClientError::OtherMesh { at: at.clone(), theirs, ours });
                }
                _ => urls.extend(announced.urls.iter().cloned()),
            }
        }
        urls
    }

    /// What is wrong: lookups of other meshes, and why nothing is heard.
    pub(super) fn problems(&self) -> impl Iterator<Item = ClientError> {
        self.others.iter().cloned().chain(self.told.borrow().problem.clone())
    }

    /// Whether the first answers have had their time.
    pub(super) fn tried(&self) -> bool {
        !self.told.has_changed().unwrap_or(false) && self.told.borrow().tried
    }
}

/// Ends the thread that listens.
struct Listening(ServiceDaemon);

impl Drop for Listening {
    fn drop(&mut self) {
        // One that is busy ends with the process.
        let _ = self.0.shutdown();
    }
}

async fn listen(tell: watch::Sender<Told>) {
    loop {
        let why = match follow(&tell).await {
            Ok(()) => "it ended".to_owned(),
            Err(error) => error.to_string(),
        };
        tell.send_modify(|told| {
            told.tried = true;
            told.problem = Some(ClientError::LocalNetwork { why });
        });
        tokio::time::sleep(AGAIN).await;
    }
}

/// Follows the announcements until that ends.
async fn follow(tell: &watch::Sender<Told>) -> Result<(), mdns_sd::Error> {
    let daemon = Listening(ServiceDaemon::new()?);
    daemon.0.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
    let events = daemon.0.browse(MDNS_SERVICE)?;
    tell.send_modify(|told| told.problem = None);
    let first = tokio::time::sleep(FIRST_ANSWERS);
    tokio::pin!(first);
    loop {
        let event = tokio::select! {
            event = events.recv_async() => event,
            () = &mut first, if !tell.borrow().tried => {
                tell.send_modify(|told| told.tried = true);
                continue;
            }
        };
        let Ok(event) = event else { return Ok(()) };
        tell.send_if_modified(|told| hear(told, event));
    }
}

/// Takes in an event; whether something is different now.
fn hear(told: &mut Told, event: ServiceEvent) -> bool {
    match event {
        ServiceEvent::ServiceResolved(service) => {
            let announced = Announced::of(&service);
            if told.announced.get(&service.fullname) == Some(&announced) {
                return false;
            }
            if told.announced.len() >= MAX_ANNOUNCED && !told.announced.contains_key(&service.fullname) {
                let at = "the local network".to_owned();
                told.problem = Some(ClientError::TooMuch { what: "lookups", at, most: MAX_ANNOUNCED });
                return true;
            }
            Arc::make_mut(&mut told.announced).insert(service.fullname.clone(), announced);
            true
        }
        ServiceEvent::ServiceRemoved(_, name) => {
            let removed = Arc::make_mut(&mut told.announced).remove(&name).is_some();
            // There is room again, and what was left out comes with its next announcement.
            removed.then(|| told.problem = None).is_some()
        }
        _ => false,
    }
}

impl Announced {
    /// What of an announcement can be used. Whoever is on the network can announce anything.
    fn of(service: &ResolvedService) -> Self {
        let mut addresses: Vec<IpAddr> =
            service.addresses.iter().map(|address| address.to_ip_addr()).filter(can_be_reached).collect();
        addresses.sort();
        let urls = addresses.into_iter().take(MAX_ADDRESSES).map(|ip| match ip {
            IpAddr::V4(ip) => format!("http://{ip}:{}", service.port),
            IpAddr::V6(ip) => format!("http://[{ip}]:{}", service.port),
        });
        let said = |key| service.txt_properties.get_property_val_str(key);
        let mesh = said("mesh_id").and_then(|id| id.parse().ok()).map(|id| {
            let named = said("mesh").filter(|named| name::check(named).is_ok());
            Mesh { name: named.unwrap_or("?").to_owned(), id }
        });
        Self { mesh, urls: if service.port == 0 { Vec::new() } else { urls.collect() } }
    }
}

/// Of another machine, and without a zone: an address that is a link's own has none in a URL. Never loopback: nobody on
/// the network can know what listens here, and it would be given the token.
fn can_be_reached(address: &IpAddr) -> bool {
    let address = address.to_canonical();
    let link_local = match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(link_local || address.is_loopback() || address.is_unspecified() || address.is_multicast())
}

#[cfg(test)]
mod tests;
