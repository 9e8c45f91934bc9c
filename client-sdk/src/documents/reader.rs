//! Reading: all lookups watched at once, for as long as the reader is held.
//!
//! Unlike the other streams of this library it works without being polled, because it carries. Nothing is queued for a
//! program that does not ask: what it has not been told yet is the difference between what it knows and what stands.

use super::DocumentEvent;
use super::at_lookup::{fetch, watch};
use super::carry::carry;
use super::merge::Merge;
use crate::backoff::{Backoff, random};
use crate::channel::{Caller, Connection};
use crate::discovery::Lookups;
use crate::error::ClientError;
use bytes::Bytes;
use hedgerow_model::UnixMillis;
use hedgerow_model::document::Blob;
use hedgerow_proto::lookup::Signed;
use hedgerow_proto::signed::SignedDocument;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

/// How long a lookup may take to say which mesh it serves.
const GREET_PATIENCE: Duration = Duration::from_secs(3);
/// How often it is looked whether a document is past its end.
const TICK: Duration = Duration::from_secs(1);
/// How long a lookup may be silent before it has told all; then it is watched anew. Later keep-alives find what is dead.
const COMPLETE_PATIENCE: Duration = Duration::from_secs(60);

/// What is read, and how.
#[derive(Debug, Clone)]
pub struct DocumentReaderOptions {
    /// The lookups; those that come and go are followed.
    pub lookups: Lookups,
    /// Who calls. Carrying needs the token.
    pub caller: Caller,
    /// Of which kinds; empty: all.
    pub kinds: Vec<String>,
    /// The time of day, for ends and the 90 days.
    pub now: fn() -> UnixMillis,
    /// Whether it carries from lookup to lookup.
    pub carries: bool,
    /// Carrying begins within this time, by chance, so that of many readers few do the same.
    pub spread: Duration,
    /// Documents that the program kept from an earlier time: known from the start, as if some lookup had told of them.
    pub kept: Vec<Signed>,
    /// Bytes that the program has itself: asked before any lookup.
    pub at_hand: AtHand,
}

/// Where a program keeps bytes of documents.
#[derive(Clone, Default)]
pub struct AtHand(Option<Arc<ReadBlob>>);

/// Gives bytes, verified; `None`: it has them not. May block.
type ReadBlob = dyn Fn(Blob) -> Option<Bytes> + Send + Sync;

impl AtHand {
    /// Bytes that `read` gives, verified; it may block.
    pub fn new(read: impl Fn(Blob) -> Option<Bytes> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(read)))
    }

    async fn read(&self, blob: Blob) -> Option<Bytes> {
        let read = Arc::clone(self.0.as_ref()?);
        tokio::task::spawn_blocking(move || read(blob)).await.ok()?
    }
}

impl std::fmt::Debug for AtHand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AtHand({})", if self.0.is_some() { "some" } else { "nothing" })
    }
}

impl DocumentReaderOptions {
    /// A reader of everything, who carries.
    pub fn new(lookups: Lookups, caller: Caller, now: fn() -> UnixMillis) -> Self {
        Self {
            lookups,
            caller,
            kinds: Vec::new(),
            now,
            carries: true,
            spread: Duration::from_secs(10),
            kept: Vec::new(),
            at_hand: AtHand::default(),
        }
    }
}

/// What a reader did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReaderCounters {
    /// Documents that it did not believe: altered, of another mesh, or too many.
    pub refused: u64,
    /// Documents that it carried to a lookup.
    pub carried: u64,
    /// Documents that a lookup did not take from it.
    pub not_carried: u64,
}

/// A reader; ends when dropped.
#[derive(Debug)]
pub struct DocumentReader {
    shared: Arc<Shared>,
    follower: AbortHandle,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: DocumentReaderOptions,
    merge: Mutex<Merge>,
    /// Rises with whatever is heard.
    pub(super) version: tokio::sync::watch::Sender<u64>,
    pub(super) carried: AtomicU64,
    pub(super) not_carried: AtomicU64,
    started: Instant,
}

impl DocumentReader {
    /// Begins to read. Needs a tokio runtime around it.
    pub fn start(mut options: DocumentReaderOptions) -> Self {
        let mut merge = Merge::default();
        let wall = (options.now)();
        // No lookup's: nobody has them yet, as far as is known.
        std::mem::take(&mut options.kept).iter().for_each(|signed| merge.hear("", signed, wall));
        let shared = Arc::new(Shared {
            options,
            merge: Mutex::new(merge),
            version: tokio::sync::watch::channel(0).0,
            carried: AtomicU64::new(0),
            not_carried: AtomicU64::new(0),
            started: Instant::now(),
        });
        let follower = tokio::spawn(follow(Arc::clone(&shared))).abort_handle();
        Self { shared, follower }
    }

    /// The next change; at first each document that stands. Between two calls a document may have changed several times:
    /// the last counts.
    pub async fn next(&mut self) -> DocumentEvent {
        let mut versions = self.shared.version.subscribe();
        loop {
            versions.borrow_and_update();
            if let Some(event) = self.shared.merge().next_event() {
                return event;
            }
            if versions.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// What stands, as far as it is known.
    pub fn standing(&self) -> Vec<Arc<SignedDocument>> {
        self.shared.merge().standing()
    }

    /// Waits until some lookup has told all that it has.
    pub async fn complete(&self) {
        let mut versions = self.shared.version.subscribe();
        // The sender lives as long as this.
        let _ = versions.wait_for(|_| self.shared.merge().is_complete()).await;
    }

    /// Bytes that a document names, from whichever lookup has them; they are what they hash to.
    ///
    /// # Errors
    /// Why the last that was asked did not give them.
    pub async fn bytes(&self, blob: Blob) -> Result<Bytes, ClientError> {
        self.shared.fetch(blob).await
    }

    /// Whether all lookups are known to have all.
    #[cfg(test)]
    pub(super) fn owes_nothing(&self) -> bool {
        let known = self.shared.options.lookups.known();
        let merge = self.shared.merge();
        known.iter().all(|lookup| merge.has_all(&lookup.url))
    }

    /// The same, apart from this reader's life: to fetch several at once.
    pub fn fetch(&self, blob: Blob) -> impl Future<Output = Result<Bytes, ClientError>> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        async move { shared.fetch(blob).await }
    }

    /// Whether some lookup has told all that it has.
    pub fn is_complete(&self) -> bool {
        self.shared.merge().is_complete()
    }

    /// What it did.
    pub fn counters(&self) -> ReaderCounters {
        ReaderCounters {
            refused: self.shared.merge().refused,
            carried: self.shared.carried.load(Relaxed),
            not_carried: self.shared.not_carried.load(Relaxed),
        }
    }
}

impl Drop for DocumentReader {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Shared {
    pub(super) fn merge(&self) -> MutexGuard<'_, Merge> {
        self.merge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn since_start(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn owed(&self, lookup: &str) -> Vec<Arc<SignedDocument>> {
        self.merge().owed(lookup, (self.options.now)(), self.since_start())
    }

    /// From the program itself; else from those lookups first that are known to have them, each time from another.
    pub(super) async fn fetch(&self, blob: Blob) -> Result<Bytes, ClientError> {
        if let Some(bytes) = self.options.at_hand.read(blob).await {
            return Ok(bytes);
        }
        let mut lookups = self.merge().holders(blob.hash);
        let first = usize::try_from(random() % lookups.len().max(1) as u64).unwrap_or(0);
        lookups.rotate_left(first);
        for known in self.options.lookups.known().iter() {
            if !lookups.contains(&known.url) {
                lookups.push(known.url.clone());
            }
        }
        let mut last = ClientError::NoLookup(vec!["none is known".to_owned()]);
        for url in lookups {
            let fetched = match self.options.caller.connect(&url) {
                Ok(lookup) => fetch(&lookup, blob).await,
                Err(error) => Err(error),
            };
            match fetched {
                Ok(bytes) => return Ok(bytes),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }
}

/// Watches, and carries to, each lookup that is known.
async fn follow(shared: Arc<Shared>) {
    let mut lookups = shared.options.lookups.clone();
    let mut tasks = JoinSet::new();
    let mut followed: HashMap<String, AbortHandle> = HashMap::new();
    let mut ticks = tokio::time::interval(TICK);
    loop {
        let known = lookups.known();
        followed.retain(|url, task| {
            let stays = known.iter().any(|lookup| lookup.url == *url);
            if !stays {
                task.abort();
                shared.merge().forget(url);
            }
            stays
        });
        for lookup in known.iter().filter(|lookup| !followed.contains_key(&lookup.url)).collect::<Vec<_>>() {
            let (url, shared) = (lookup.url.clone(), Arc::clone(&shared));
            let task = tasks.spawn(async move { at_one(&shared, &url).await });
            followed.insert(lookup.url.clone(), task);
        }
        tokio::select! {
            _ = lookups.changed() => {}
            // Those that were stopped.
            Some(_) = tasks.join_next() => {}
            _ = ticks.tick() => {
                if shared.merge().tick((shared.options.now)()) {
                    shared.changed();
                }
            }
        }
    }
}

async fn at_one(shared: &Shared, url: &str) {
    // Not an address: there is nothing to follow, and whoever configured it is told where it is used for registering.
    let Ok(lookup) = shared.options.caller.connect(url) else { return };
    let watching = async {
        let mut backoff = Backoff::default();
        loop {
            let ended = watch_once(shared, &lookup, &mut backoff).await;
            shared.merge().lost(url);
            let wait = ended.retry_after().unwrap_or_default();
            tokio::time::sleep(wait.max(backoff.failed(random()))).await;
        }
    };
    let carrying = async {
        if shared.options.carries {
            carry(shared, &lookup).await;
        }
    };
    tokio::join!(watching, carrying);
}

async fn watch_once(shared: &Shared, lookup: &Connection, backoff: &mut Backoff) -> ClientError {
    const TRIED: &str = "watch documents";
    let url = lookup.url();
    let answer = async {
        lookup.greet(&shared.options.caller, GREET_PATIENCE).await?;
        watch(lookup, &shared.options.kinds).await
    };
    let mut messages = match answer.await {
        Ok(messages) => messages,
        Err(error) => return error,
    };
    {
        let mut merge = shared.merge();
        merge.began(url);
        if let Some(mesh) = shared.options.caller.mesh() {
            merge.of_mesh(mesh.id);
        }
    }
    let begun = Instant::now();
    let mut complete = false;
    loop {
        let message = match tokio::time::timeout(COMPLETE_PATIENCE, messages.message()).await {
            Ok(message) => message,
            Err(_) if complete => continue,
            Err(_) => {
                let at = url.to_owned();
                return ClientError::TimedOut { tried: TRIED, at, within: COMPLETE_PATIENCE };
            }
        };
        match message {
            Ok(Some(message)) => {
                backoff.worked(begun.elapsed());
                let wall = (shared.options.now)();
                let mut merge = shared.merge();
                message.documents.iter().for_each(|signed| merge.hear(url, signed, wall));
                if message.complete {
                    complete = true;
                    merge.completed(url);
                }
                drop(merge);
                shared.changed();
            }
            Ok(None) => {
                let ended = tonic::Status::unavailable("the lookup ended the stream");
                return ClientError::of_status(TRIED, url, &ended);
            }
            Err(status) => return ClientError::of_status(TRIED, url, &status),
        }
    }
}
