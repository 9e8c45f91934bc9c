//! The lookups of a farm: where it looks for them, what it keeps of them for the next start, what it says of them.

use crate::config::{FarmConfig, LookupSettings};
use crate::register;
use hedgerow_client::discovery::{Lookups, Sources};
use hedgerow_client::error::ClientError;
use hedgerow_client::lease::LeaseKeeper;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Where the farm looks for lookups. One that listens on loopback looks for none on the local network: it is of no use to
/// them.
pub(super) fn sources(
    config: &FarmConfig,
    started_with: Vec<String>,
    folder: &Path,
    address: SocketAddr,
) -> Sources {
    let LookupSettings { urls, domain, mdns, start_delay, .. } = config.lookup.clone();
    let names_none = urls.is_empty() && domain.is_none();
    Sources {
        configured: if names_none { started_with } else { urls },
        domain,
        mdns: mdns && !address.ip().is_loopback(),
        remembered: register::kept_lookups(folder),
        start_delay,
        ..Sources::default()
    }
}

/// Keeps the lookups that answer for the next start: a way back where those that are configured are gone by then.
pub(super) async fn keep(folder: PathBuf, mut lookups: Lookups) {
    let mut kept = register::kept_lookups(&folder);
    loop {
        let known = lookups.known();
        let urls: Vec<String> = known.iter().filter(|at| at.id.is_some()).map(|at| at.url.clone()).collect();
        if !urls.is_empty() && urls != kept {
            kept.clone_from(&urls);
            let folder = folder.clone();
            let written = tokio::task::spawn_blocking(move || register::keep_lookups(&folder, &urls)).await;
            if let Ok(Err(error)) = written {
                tracing::warn!(event = "lookups_not_kept", %error);
            }
        }
        lookups.changed().await;
    }
}

/// Says on standard error what keeps the farm from being found, once for each change: who cannot find it cannot ask it.
pub(super) async fn tell(leases: Arc<Mutex<Option<LeaseKeeper>>>, lookups: Lookups) {
    let mut looks = tokio::time::interval(Duration::from_secs(2));
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // A lookup that starts beside the farm answers by then.
    looks.reset();
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    loop {
        looks.tick().await;
        let known = lookups.known();
        for problem in lookups.problems().iter() {
            let (source, error) = match problem {
                ClientError::Domain { domain, .. } => (domain.clone(), problem.to_string()),
                ClientError::LocalNetwork { .. } => ("local network".to_owned(), problem.to_string()),
                ClientError::TooMuch { at, .. } => (at.clone(), problem.to_string()),
                // Found, and not one of ours.
                ClientError::OtherMesh { at, .. } if known.iter().all(|known| known.url != *at) => {
                    (at.clone(), problem.to_string())
                }
                // Told below.
                _ => continue,
            };
            if told.insert(source, error.clone()).as_ref() != Some(&error) {
                tracing::warn!(event = "lookups_not_found", error);
            }
        }
        let state = leases.lock().as_ref().map(LeaseKeeper::state).unwrap_or_default();
        for lease in state {
            let error = lease.last_error.filter(|_| !lease.registered).unwrap_or_default();
            let before = told.insert(lease.url.clone(), error.clone()).unwrap_or_default();
            if !error.is_empty() && error != before {
                tracing::warn!(event = "not_registered", lookup = lease.url, error);
            }
        }
    }
}
