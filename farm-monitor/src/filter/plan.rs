//! Which of the deployments that stand in the mesh this farm takes, and why not the others. No IO, no clock: the same
//! documents, holders and settings give the same answer.

use super::policy::{Here, alone};
use hedgerow_model::deployment::Deployment;
use hedgerow_model::document::Owner;
use hedgerow_proto::convert::deployment::decode;
use hedgerow_proto::signed::SignedDocument;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Which owner holds a name here: the first whose deployment of that name was taken, for as long as one of theirs stands.
pub type Holders = BTreeMap<String, Owner>;

/// A deployment that means this farm.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Its document.
    pub document: Arc<SignedDocument>,
    /// What it says.
    pub deployment: Arc<Deployment>,
    /// Why the farm does not take it.
    pub verdict: Result<(), String>,
}

/// What is to be.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// By name, then owner.
    pub judged: Vec<Judged>,
    /// Who holds which name from now on.
    pub holders: Holders,
}

/// Judges all that stands.
pub fn plan(standing: &[Arc<SignedDocument>], before: &Holders, here: &Here<'_>) -> Plan {
    let mut judged: Vec<Judged> = standing.iter().filter_map(|document| meant(document, here)).collect();
    judged.sort_by(|a, b| key(a).cmp(&key(b)));
    let holders = holders(&judged, before);
    let over = over_the_bound(&judged, before, &holders, here.settings.deployments);
    for one in &mut judged {
        let (name, owner) = (&one.document.document.name, one.document.owner);
        if one.verdict.is_err() {
            continue;
        }
        one.verdict = match holders.get(name) {
            Some(holder) if *holder != owner => Err(format!(
                "the name is held by another owner here, {holder}: deploy it under another name, or have theirs removed"
            )),
            _ if over.contains(name) => Err(format!(
                "{} deployments are here already, which is the most: remove one, or raise filters.deployments in the farm's \
                 configuration",
                here.settings.deployments
            )),
            _ => Ok(()),
        };
    }
    Plan { judged, holders }
}

/// The deployment, where it means this farm. One that cannot be read may mean it, and says why it is not taken.
fn meant(document: &Arc<SignedDocument>, here: &Here<'_>) -> Option<Judged> {
    let read = decode(&document.document.payload);
    let unread = read.as_ref().err().map(|error| {
        format!("it cannot be read by this release: {error}: deploy it anew, or update the farm")
    });
    let deployment = Arc::new(read.unwrap_or_default());
    if !deployment.farms.matches(here.registration) {
        return None;
    }
    let verdict = match unread {
        Some(why) => Err(why),
        None => alone(document, &deployment, here),
    };
    Some(Judged { document: Arc::clone(document), deployment, verdict })
}

fn key(judged: &Judged) -> (&str, Owner) {
    (&judged.document.document.name, judged.document.owner)
}

/// Whoever held a name goes on to, taken or not; a free one goes to who signed first, of those that would be taken.
fn holders(judged: &[Judged], before: &Holders) -> Holders {
    let mut holders = Holders::new();
    for one in judged {
        let (name, owner) = key(one);
        if before.get(name) == Some(&owner) {
            holders.insert(name.to_owned(), owner);
        }
    }
    let mut free: Vec<&Judged> = judged.iter().filter(|one| one.verdict.is_ok()).collect();
    free.sort_by_key(|one| (one.document.document.signed_ms, one.document.owner));
    for one in free {
        let (name, owner) = key(one);
        holders.entry(name.to_owned()).or_insert(owner);
    }
    holders
}

/// Names past the bound: those held already come first, then who signed first.
fn over_the_bound(judged: &[Judged], before: &Holders, holders: &Holders, most: usize) -> BTreeSet<String> {
    let would_run = |one: &&Judged| {
        let (name, owner) = key(one);
        one.verdict.is_ok() && holders.get(name) == Some(&owner)
    };
    let mut running: Vec<&Judged> = judged.iter().filter(would_run).collect();
    running.sort_by_key(|one| {
        let (name, owner) = key(one);
        (before.get(name) != Some(&owner), one.document.document.signed_ms, name.to_owned())
    });
    running.iter().skip(most).map(|one| key(one).0.to_owned()).collect()
}
