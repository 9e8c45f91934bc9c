//! One question to all lookups, one merged answer.

use super::merge::{Heard, Merge};
use super::{Directory, FIND_PATIENCE, Found, MAX_SERVICES};
use crate::channel::{Connection, in_time};
use crate::error::ClientError;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hedgerow_model::Template;
use hedgerow_model::registration::Id;
use hedgerow_proto::convert;
use hedgerow_proto::lookup::{self, FindRequest, Held};
use tokio::time::{Duration, Instant};

pub(super) async fn find(directory: &Directory, template: &Template) -> Found {
    let template = convert::template::to_wire(template);
    let mut merge = Merge::new(directory.lookups.len(), directory.caller.mesh().map(|mesh| mesh.id));
    let mut found = Found { asked: directory.lookups.len(), ..Found::default() };
    let mut asking: FuturesUnordered<_> = (0..)
        .zip(&directory.lookups)
        .map(|(which, lookup)| {
            let template = &template;
            async move { (which, ask(lookup, template).await) }
        })
        .collect();
    while let Some((which, answer)) = asking.next().await {
        let now = Instant::now();
        match answer {
            Ok((id, held)) => {
                found.answered += 1;
                // Of an answer only what is there counts; transitions are for those who watch.
                let mut ignored = Vec::new();
                merge.hear(which, now, Heard::Reached { afresh: true }, &mut ignored);
                for held in held {
                    merge.hear(which, now, Heard::Held(held), &mut ignored);
                    ignored.clear();
                }
                merge.hear(which, now, Heard::SnapshotEnd(id), &mut ignored);
            }
            Err(error) => {
                let url = directory.lookups.get(which).map_or("", Connection::url);
                found.missing.push((url.to_owned(), error));
            }
        }
    }
    found.services = merge.services(Instant::now());
    found.services.sort_by(|a, b| {
        (&a.registration.name, a.registration.id).cmp(&(&b.registration.name, b.registration.id))
    });
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
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let answer = in_time(TRIED, lookup.url(), left, client.find(request.clone())).await?.into_inner();
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
