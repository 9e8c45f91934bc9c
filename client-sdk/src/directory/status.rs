//! How each lookup is, asked one by one: also those that only their peers know.

use super::{Directory, FIND_PATIENCE, LOOKUP_KIND, of_kind};
use crate::channel::leads_to_loopback;
use crate::error::ClientError;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hedgerow_model::Template;
use hedgerow_model::registration::{Id, Registration};
use hedgerow_proto::lookup::StatusResponse;
use std::collections::BTreeSet;

/// Most lookups that are asked; more are not.
const MAX_ASKED: usize = 64;

/// One lookup, by its own account.
#[derive(Debug, Clone)]
pub struct LookupStatus {
    /// Its address.
    pub url: String,
    /// Its name, where another lookup knows it, or it was known last.
    pub name: Option<String>,
    /// What it says, or why it says nothing.
    pub status: Result<StatusResponse, ClientError>,
}

/// Asks those that are known, then those that these know.
pub(super) async fn lookup_status(directory: &Directory) -> Vec<LookupStatus> {
    directory.some_known().await;
    let mut all: Vec<LookupStatus> = Vec::new();
    let mut asked: BTreeSet<String> = BTreeSet::new();
    let mut known: BTreeSet<Id> = BTreeSet::new();
    let mut urls = directory.urls();
    loop {
        let fresh = urls.drain(..).filter(|url| asked.len() < MAX_ASKED && asked.insert(url.clone()));
        let mut asking: FuturesUnordered<_> = fresh.map(|url| ask(directory, url)).collect();
        if asking.is_empty() {
            break;
        }
        while let Some(answer) = asking.next().await {
            let Ok(status) = &answer.status else {
                all.push(answer);
                continue;
            };
            // The same lookup by another address.
            if Id::from_slice(&status.lookup_id).is_some_and(|id| !known.insert(id)) {
                continue;
            }
            urls.extend(peers_of(&answer.url, status));
            all.push(answer);
        }
        urls.retain(|url| !asked.contains(url));
    }
    name(&mut all, &known);
    let lookups = of_kind(LOOKUP_KIND, &Template::default());
    let before = directory.kept.recall(&lookups, directory.caller.mesh()).unwrap_or_default().services;
    for one in all.iter_mut().filter(|one| one.name.is_none()) {
        let is_it = |said: &&Registration| said.endpoints.iter().any(|endpoint| endpoint.url == one.url);
        let known = before.iter().map(|(said, ..)| &**said).find(is_it);
        one.name = known.map(|said| said.name.clone());
    }
    all.sort_by(|a, b| (&a.name, &a.url).cmp(&(&b.name, &b.url)));
    all
}

/// Where its peers are, as the lookup at `teller` says. Nobody elsewhere can know what listens on this machine; and loopback
/// is given the token.
fn peers_of(teller: &str, status: &StatusResponse) -> Vec<String> {
    let loopback = leads_to_loopback(teller);
    let told = status
        .peers
        .iter()
        .filter_map(|peer| peer.urls.iter().find(|url| loopback || !leads_to_loopback(url)).cloned());
    told.take(MAX_ASKED).collect()
}

async fn ask(directory: &Directory, url: String) -> LookupStatus {
    let status = match directory.caller.connect(&url) {
        Ok(lookup) => lookup.greet(&directory.caller, FIND_PATIENCE).await,
        Err(error) => Err(error),
    };
    LookupStatus { url, name: None, status }
}

/// Gives each the name that a peer knows, and leaves out addresses of those that answered at another one.
fn name(all: &mut Vec<LookupStatus>, known: &BTreeSet<Id>) {
    let peers: Vec<_> =
        all.iter().filter_map(|one| one.status.as_ref().ok()).flat_map(|s| s.peers.clone()).collect();
    all.retain_mut(|one| {
        let id = one.status.as_ref().ok().and_then(|status| Id::from_slice(&status.lookup_id));
        let peer = peers.iter().find(|peer| match id {
            Some(id) => Id::from_slice(&peer.id) == Some(id),
            None => peer.urls.contains(&one.url),
        });
        one.name = peer.map(|peer| peer.name.clone());
        let answered_elsewhere =
            peer.and_then(|peer| Id::from_slice(&peer.id)).is_some_and(|id| known.contains(&id));
        id.is_some() || !answered_elsewhere
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use hedgerow_proto::lookup::status_response::Peer;

    #[test]
    fn a_lookup_elsewhere_leads_nobody_to_his_own_machine() {
        let peer =
            |urls: &[&str]| Peer { urls: urls.iter().map(ToString::to_string).collect(), ..Peer::default() };
        let peers = vec![peer(&["http://127.0.0.1:9", "http://10.0.0.2:1"]), peer(&["http://[::1]:9"])];
        let status = StatusResponse { peers, ..StatusResponse::default() };
        assert_eq!(peers_of("http://10.0.0.1:1", &status), ["http://10.0.0.2:1"]);
        assert_eq!(peers_of("http://127.0.0.1:1", &status), ["http://127.0.0.1:9", "http://[::1]:9"]);
    }
}
