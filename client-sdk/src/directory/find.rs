//! One question to all lookups, one merged answer.

use super::merge::{Heard, Merge};
use super::{Directory, FIND_PATIENCE, Found, MAX_SERVICES};
use crate::channel::Connection;
use crate::error::ClientError;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hedgerow_model::Template;
use hedgerow_model::registration::Id;
use hedgerow_proto::convert;
use hedgerow_proto::lookup::{self, FindRequest, Held};
use std::collections::BTreeSet;
use tokio::time::Instant;

pub(super) async fn find(directory: &Directory, template: &Template) -> Found {
    let strangers = directory.strangers().await;
    let mut merge = Merge::new(directory.caller.mesh().map(|mesh| mesh.id));
    merge.pin(directory.kept.keys());
    // Of an answer only what is there counts; transitions are for those who watch.
    let ignored = &mut Vec::new();
    let mut found = asked(directory, template, &mut merge, ignored).await;
    found.asked += strangers.len();
    found.missing.extend(strangers);
    if found.answered > 0 {
        if let Some(mesh) = directory.caller.mesh() {
            let complete = found.missing.is_empty() && found.refused == 0;
            directory.kept.refresh(&merge, template, complete, mesh, directory.urls());
            directory.kept.write_if_due().await;
        }
    } else if !found.missing.iter().any(|(_, error)| matches!(error, ClientError::TooMuch { .. }))
        && let Some(known) = directory.kept.recalled(template, directory.caller.mesh()).await
    {
        found.stale_since = Some(known.age);
        merge.recall(known.services, Instant::now(), ignored);
    }
    found.services = merge.services(Instant::now());
    found.services.sort_by(|a, b| {
        (&a.registration.name, a.registration.id).cmp(&(&b.registration.name, b.registration.id))
    });
    found
}

/// Asks the lookups that are known, and those that they know: who those are is waited for as long as for an answer.
async fn asked(
    directory: &Directory,
    template: &Template,
    merge: &mut Merge,
    ignored: &mut Vec<super::Transition>,
) -> Found {
    let template = &convert::template::to_wire(template);
    directory.some_known().await;
    let mut lookups = directory.lookups.clone();
    let mut found = Found::default();
    let (mut asking, mut known) = (FuturesUnordered::new(), BTreeSet::new());
    let (mut all_known, late) = (false, tokio::time::sleep(FIND_PATIENCE));
    tokio::pin!(late);
    loop {
        let (connections, _) = directory.connections();
        for lookup in connections {
            if known.insert(lookup.url().to_owned()) {
                let which = found.asked;
                found.asked += 1;
                asking.push(async move { (which, ask(&lookup, template).await, lookup) });
            }
        }
        if all_known && asking.is_empty() {
            break;
        }
        tokio::select! {
            biased;
            Some((which, answer, lookup)) = asking.next() => {
                let now = Instant::now();
                match answer {
                    Ok((id, held)) => {
                        found.answered += 1;
                        merge.hear(which, now, Heard::Reached { afresh: true }, ignored);
                        for held in held {
                            merge.hear(which, now, Heard::Held(held), ignored);
                            ignored.clear();
                        }
                        merge.hear(which, now, Heard::SnapshotEnd(id), ignored);
                    }
                    Err(error) => found.missing.push((lookup.url().to_owned(), error)),
                }
            }
            _ = lookups.changed() => {}
            () = directory.lookups.settled(), if !all_known => all_known = true,
            () = &mut late, if !all_known => all_known = true,
        }
    }
    found.refused = merge.refused();
    found
}

const TRIED: &str = "find services";

async fn ask(
    lookup: &Connection,
    template: &lookup::Template,
) -> Result<(Option<Id>, Vec<Held>), ClientError> {
    let deadline = Instant::now() + FIND_PATIENCE;
    let mut held = Vec::new();
    let mut request = FindRequest { template: Some(template.clone()), ..FindRequest::default() };
    loop {
        let mut client = lookup.lookup();
        let call = tokio::time::timeout_at(deadline, client.find(request.clone())).await;
        let at = || lookup.url().to_owned();
        let late = |_| ClientError::TimedOut { tried: TRIED, at: at(), within: FIND_PATIENCE };
        let answer =
            call.map_err(late)?.map_err(|status| ClientError::of_status(TRIED, lookup.url(), &status));
        let answer = answer?.into_inner();
        held.extend(answer.held);
        if held.len() > MAX_SERVICES {
            let at = lookup.url().to_owned();
            return Err(ClientError::TooMuch { what: "services", at, most: MAX_SERVICES });
        }
        if answer.cursor.is_empty() {
            return Ok((Id::from_slice(&answer.lookup_id), held));
        }
        request.cursor = answer.cursor;
    }
}
