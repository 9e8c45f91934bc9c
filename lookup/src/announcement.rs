//! A lookup announces itself on the local network by mDNS, so that others find a first one. It says where it is and whose
//! mesh it serves, and good-bye at its end; whether it lives nobody is to learn from that.

use hedgerow_model::registration::{Id, Mesh};
use mdns_sd::{IfKind, ServiceDaemon, ServiceInfo, UnregisterStatus};
use std::net::SocketAddr;
use std::time::Duration;

/// The service under which lookups announce themselves.
const SERVICE: &str = "_hedgerow-lookup._tcp.local.";
/// Longest name of an announcement, in bytes: a DNS label has 63, and the start of the id comes behind it.
const MAX_NAME_BYTES: usize = 50;
/// Longest mesh name in a TXT record, in bytes: an entry has 255 with its key. A longer one is cut; the id tells.
const MAX_MESH_BYTES: usize = 200;
/// How long saying good-bye may take.
const GOODBYE_PATIENCE: Duration = Duration::from_millis(500);

/// Why a lookup cannot be announced.
#[derive(Debug, thiserror::Error)]
#[error("multicast DNS: {0}")]
pub struct AnnounceError(#[from] mdns_sd::Error);

/// A lookup that is announced. Dropped without [`Announcement::end`] it is gone without a good-bye.
pub struct Announcement {
    daemon: ServiceDaemon,
    name: String,
}

impl Announcement {
    /// Announces the lookup that listens at `address`: on the interface that has this address, or on all but loopback where
    /// it listens on all.
    ///
    /// # Errors
    /// What keeps it from being announced.
    pub fn start(name: &str, id: Id, mesh: &Mesh, address: SocketAddr) -> Result<Self, AnnounceError> {
        let service = service(name, id, mesh, address)?;
        let daemon = ServiceDaemon::new()?;
        let begin = || {
            if address.ip().is_unspecified() {
                daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
            } else {
                daemon.disable_interface(IfKind::All)?;
                daemon.enable_interface(IfKind::Addr(address.ip()))?;
            }
            let name = service.get_fullname().to_owned();
            daemon.register(service)?;
            Ok(name)
        };
        match begin() {
            Ok(name) => Ok(Self { daemon, name }),
            Err(error) => {
                let _ = daemon.shutdown();
                Err(AnnounceError(error))
            }
        }
    }

    /// Says good-bye, so that who browses does not offer it any more.
    pub async fn end(self) {
        if let Ok(said) = self.daemon.unregister(&self.name)
            && let Ok(Ok(UnregisterStatus::NotFound)) =
                tokio::time::timeout(GOODBYE_PATIENCE, said.recv_async()).await
        {
            tracing::debug!(event = "announcement_unknown", name = self.name);
        }
        if let Ok(ended) = self.daemon.shutdown() {
            let _ = tokio::time::timeout(GOODBYE_PATIENCE, ended.recv_async()).await;
        }
    }
}

fn service(name: &str, id: Id, mesh: &Mesh, address: SocketAddr) -> Result<ServiceInfo, mdns_sd::Error> {
    let (short, id, mesh_id) = (id.short(), id.to_string(), mesh.id.to_string());
    let txt = [
        ("v", "1"),
        ("mesh", cut(&mesh.name, MAX_MESH_BYTES)),
        ("mesh_id", mesh_id.as_str()),
        ("id", id.as_str()),
    ];
    // Of its own: another program on this machine may speak for the name of the host.
    let host = format!("hedgerow-{short}.local.");
    // Two lookups of one name are two announcements.
    let name = format!("{}~{short}", cut(name, MAX_NAME_BYTES));
    if address.ip().is_unspecified() {
        return Ok(ServiceInfo::new(SERVICE, &name, &host, "", address.port(), &txt[..])?.enable_addr_auto());
    }
    ServiceInfo::new(SERVICE, &name, &host, address.ip(), address.port(), &txt[..])
}

/// The start of `text` that has at most this many bytes.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_lookup_is_announced_with_its_mesh_whatever_it_is_called() {
        for name in ["lookup", "a.b\\c d", &"ä".repeat(127)] {
            let mesh = Mesh { name: "m".repeat(255), id: Id([7; 16]) };
            let service = service(name, Id([1; 16]), &mesh, "10.0.0.2:7401".parse().unwrap()).unwrap();
            assert_eq!(service.get_port(), 7401);
            assert_eq!(service.get_property_val_str("mesh_id"), Some("07".repeat(16).as_str()));
            assert_eq!(service.get_property_val_str("id"), Some("01".repeat(16).as_str()));
            assert_eq!(service.get_property_val_str("v"), Some("1"));
            assert!("m".repeat(255).starts_with(service.get_property_val_str("mesh").unwrap()));
            assert!(service.get_fullname().contains('~') && !service.is_addr_auto());
        }
        let all = service(
            "lookup",
            Id([1; 16]),
            &Mesh { name: "m".into(), id: Id([7; 16]) },
            "[::]:1".parse().unwrap(),
        );
        assert!(all.unwrap().is_addr_auto());
    }
}
