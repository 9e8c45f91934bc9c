//! Follows the mesh for as long as the farm runs.

use super::super::kept;
use super::super::policy::{Here, taken_clusters};
use super::Deployments;
use crate::api::Configured;
use hedgerow_client::channel::Caller;
use hedgerow_client::discovery::Lookups;
use hedgerow_client::documents::{AtHand, Blob, DocumentReader, DocumentReaderOptions, SignedDocument};
use hedgerow_client::error::ClientError;
use hedgerow_client::lease::Body;
use hedgerow_model::deployment::KIND;
use hedgerow_model::registration::{Id, Instance, Mesh, Registration};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// Changes that come within this time of each other are judged together,
const LINGER: Duration = Duration::from_millis(20);
/// but no later than this after the first of them.
const LONGEST_LINGER: Duration = Duration::from_millis(500);
/// How often it is looked whether a fetch is due, and whether a lookup has told all.
const TICK: Duration = Duration::from_millis(250);
/// How often it is noted that a lookup was heard.
const NOTE_EVERY: Duration = Duration::from_secs(3600);
/// Components that are fetched at the same time; the others wait for their turn.
const MAX_FETCHES: usize = 4;

/// What it takes to follow.
pub struct Follow {
    /// The lookups.
    pub lookups: Lookups,
    /// Who calls.
    pub caller: Caller,
    /// The configuration, as it is applied.
    pub config: watch::Receiver<Configured>,
    /// What the farm says of itself: templates are about it.
    pub body: watch::Receiver<Body>,
    /// The farm's id.
    pub id: Id,
    /// Which run of it this is.
    pub instance: Instance,
}

type Fetched = (Blob, Result<(), String>);

impl Deployments {
    /// Follows the mesh. Ends only by being dropped.
    pub async fn follow(self, mut follow: Follow) {
        let known = self.known(follow.caller.mesh());
        let at_hand = Arc::clone(&self.0);
        let mut reader = DocumentReader::start(DocumentReaderOptions {
            kinds: vec![KIND.to_owned()],
            kept: known.iter().map(|document| document.signed.clone()).collect(),
            at_hand: AtHand::new(move |blob| at_hand.read(blob).ok()),
            ..DocumentReaderOptions::new(follow.lookups.clone(), follow.caller.clone(), self.0.now)
        });
        let (mut config, mut body) = (follow.config.clone(), follow.body.clone());
        let mut fetches: JoinSet<Fetched> = JoinSet::new();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut heard_all = false;
        let mut noted: Option<Instant> = None;
        // Until some lookup has told all, only what ran before does: of several owners of a name all have to be known.
        self.judge(known.clone(), &mut follow, false).await;
        loop {
            self.begin_fetches(&reader, &mut fetches);
            tokio::select! {
                _ = reader.next() => gather(&mut reader).await,
                Ok(()) = config.changed() => {}
                Ok(()) = body.changed() => {}
                Some(fetched) = fetches.join_next() => {
                    if let Ok((blob, outcome)) = fetched {
                        self.0.roster.lock().fetched(blob.hash, outcome, (self.0.now)());
                    }
                    self.aside(|shared| shared.changed()).await;
                    continue;
                }
                () = self.0.wake.notified() => continue,
                _ = ticks.tick() => {
                    let complete = reader.is_complete();
                    if complete && noted.is_none_or(|noted| noted.elapsed() > NOTE_EVERY) {
                        noted = Some(Instant::now());
                        self.aside(|shared| {
                            if let Err(error) = kept::heard(&shared.state, (shared.now)()) {
                                tracing::warn!(event = "deployments_not_kept", %error);
                            }
                        })
                        .await;
                    }
                    if !complete || heard_all {
                        continue;
                    }
                }
            }
            heard_all |= reader.is_complete();
            let mut standing = reader.standing();
            if !heard_all {
                standing.retain(|document| known.iter().any(|known| known.key() == document.key()));
            }
            self.judge(standing, &mut follow, heard_all).await;
        }
    }

    /// What stood when the farm ran last, where it is of its mesh.
    fn known(&self, mesh: Option<&Mesh>) -> Vec<Arc<SignedDocument>> {
        let kept = self.0.kept.lock();
        let of_mesh = |document: &SignedDocument| mesh.is_none_or(|mesh| mesh.id == document.document.mesh);
        let standing = kept.rows.values().filter(|row| row.standing && of_mesh(&row.document));
        standing.map(|row| Arc::clone(&row.document)).collect()
    }

    /// Judges what stands anew, beside the async threads.
    async fn judge(&self, standing: Vec<Arc<SignedDocument>>, follow: &mut Follow, heard_all: bool) {
        let config = Arc::clone(&follow.config.borrow_and_update().running);
        let registration = registration(follow);
        self.aside(move |shared| {
            shared.settings.lock().clone_from(&config.filters);
            let taken = taken_clusters(&config);
            let here = Here { registration: &registration, settings: &config.filters, taken: &taken };
            let mut roster = shared.roster.lock();
            roster.plan(&standing, &here, (shared.now)());
            if heard_all {
                roster.heard_all();
            }
            let unused = roster.unused();
            drop(roster);
            shared.changed();
            shared.heard_all.fetch_or(heard_all, Ordering::Release);
            // Only now: what is kept names them no more.
            unused.into_iter().for_each(|hash| shared.components.remove(hash));
        })
        .await;
    }

    fn begin_fetches(&self, reader: &DocumentReader, fetches: &mut JoinSet<Fetched>) {
        let room = MAX_FETCHES.saturating_sub(fetches.len());
        let due = self.0.roster.lock().due_fetches((self.0.now)(), room);
        for blob in due {
            let (fetching, shared) = (reader.fetch(blob), Arc::clone(&self.0));
            fetches.spawn(async move {
                let bytes = match fetching.await {
                    Ok(bytes) => bytes,
                    Err(error) => return (blob, Err(why(&error))),
                };
                let put = tokio::task::spawn_blocking(move || shared.put(blob, &bytes)).await;
                let put = put.map_err(|error| error.to_string());
                let put = put.and_then(|put| put.map_err(|error| format!("it cannot be written: {error}")));
                (blob, put)
            });
        }
    }

    async fn aside(&self, work: impl FnOnce(&super::Shared) + Send + 'static) {
        let shared = Arc::clone(&self.0);
        if tokio::task::spawn_blocking(move || work(&shared)).await.is_err() {
            tracing::error!(event = "deployments_failed");
        }
    }
}

/// Waits until no more comes for a moment: a lookup tells all that it has at once.
async fn gather(reader: &mut DocumentReader) {
    let begun = Instant::now();
    while begun.elapsed() < LONGEST_LINGER && timeout(LINGER, reader.next()).await.is_ok() {}
}

fn why(error: &ClientError) -> String {
    match error {
        ClientError::Call { at, why, .. } => format!("{why} ({at})"),
        error => error.to_string(),
    }
}

/// What templates are compared with.
fn registration(follow: &mut Follow) -> Registration {
    let body = follow.body.borrow_and_update().clone();
    let mesh = follow.caller.mesh().cloned();
    Registration {
        id: follow.id,
        // Templates say nothing of it.
        mesh: mesh.unwrap_or(Mesh { name: String::new(), id: Id([0; 16]) }),
        name: body.name,
        kind: body.kind,
        groups: body.groups,
        attributes: body.attributes,
        endpoints: body.endpoints,
        apis: body.apis,
        version: body.version,
        description: body.description,
        instance: follow.instance,
        serial: 0,
    }
}
