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
    let mut told = Told::default();
    loop {
        looks.tick().await;
        let known = lookups.known();
        let mut wrong = Wrong::new();
        for problem in lookups.problems().iter() {
            let at = match problem {
                ClientError::Domain { domain, .. } => domain.as_str(),
                ClientError::LocalNetwork { .. } => "local network",
                ClientError::TooMuch { at, .. } => at,
                // Found, and not one of ours.
                ClientError::OtherMesh { at, .. } if known.iter().all(|known| known.url != *at) => at,
                // Told below.
                _ => continue,
            };
            wrong.insert(at.to_owned(), ("lookups_not_found", problem.to_string()));
        }
        let state = leases.lock().as_ref().map(LeaseKeeper::state).unwrap_or_default();
        for lease in state.into_iter().filter(|lease| !lease.registered) {
            if let Some(error) = lease.last_error {
                wrong.entry(lease.url).or_insert(("not_registered", error));
            }
        }
        for (at, (event, error)) in told.news(wrong) {
            tracing::warn!(event, at, error);
        }
    }
}

/// What is wrong now: where, as which event, and in words.
type Wrong = BTreeMap<String, (&'static str, String)>;

/// What was wrong at the last look, and so has been told.
#[derive(Default)]
struct Told(Wrong);

impl Told {
    /// What was not so before. What is over is forgotten.
    fn news(&mut self, wrong: Wrong) -> Wrong {
        let before = std::mem::replace(&mut self.0, wrong);
        let is_new = |(at, what): &(&String, &(_, _))| before.get(*at) != Some(*what);
        self.0.iter().filter(is_new).map(|(at, what)| (at.clone(), what.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_once_and_what_is_over_is_forgotten() {
        let mut told = Told::default();
        let wrong = |all: &[(&str, &str)]| -> Wrong {
            let one =
                |(at, error): &(&str, &str)| ((*at).to_owned(), ("not_registered", (*error).to_owned()));
            all.iter().map(one).collect()
        };
        let both = wrong(&[("a", "refused"), ("b", "silent")]);
        assert_eq!(told.news(both.clone()), both);
        assert_eq!(told.news(both), Wrong::new());
        assert_eq!(told.news(wrong(&[("a", "refused"), ("b", "full")])), wrong(&[("b", "full")]));
        assert_eq!(told.news(wrong(&[("b", "full")])), Wrong::new());
        assert_eq!(told.0.len(), 1, "addresses come and go");
        assert_eq!(told.news(wrong(&[("a", "refused")])), wrong(&[("a", "refused")]), "anew");
    }
}
