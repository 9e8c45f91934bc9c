//! How each lookup is, asked one by one: also those that only their peers know.

use super::{Directory, FIND_PATIENCE};
use crate::error::ClientError;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hedgerow_model::registration::Id;
use hedgerow_proto::lookup::StatusResponse;
use std::collections::BTreeSet;

/// Most lookups that are asked; more are not.
const MAX_ASKED: usize = 64;

/// One lookup, by its own account.
#[derive(Debug, Clone)]
pub struct LookupStatus {
    /// Its address.
    pub url: String,
    /// Its name, where another lookup knows it.
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
            let peers = status.peers.iter().filter_map(|peer| peer.urls.first());
            urls.extend(peers.cloned());
            all.push(answer);
        }
        urls.retain(|url| !asked.contains(url));
    }
    name(&mut all, &known);
    all
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
    all.sort_by(|a, b| (&a.name, &a.url).cmp(&(&b.name, &b.url)));
}
