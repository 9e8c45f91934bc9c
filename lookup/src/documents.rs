//! Signed documents: kept durably, shown to whoever watches, their bytes by hash (design, §9.2).
//!
//! What decides is [`set`], without IO. Around it: a thread that puts each change on the disk before anybody is told of it
//! ([`writer`], [`file`], [`BlobFiles`]), and the gRPC service. Lookups do not talk to each other: readers carry.
//!
//! **Clocks.** The wall clock decides three things only: that a document signed two days ahead is refused, that a document
//! is dropped 90 days after it was taken back or ended, and that it is refused from then on. A clock that is off by an
//! hour or a day moves these by an hour or a day. One that is far off drops and refuses what others keep, and is given it
//! again by readers when it is set. Which of two documents stands is never decided by a clock, nor when bytes are dropped.

mod bounds;
mod file;
mod refusal;
mod service;
mod set;
mod writer;

pub use bounds::{Bounds as DocumentBounds, LOOSE_FOR, MAX_AHEAD_MS, MAX_DOCUMENT_WATCHERS, MAX_UPLOADS};
pub use file::DocumentsError;
pub use service::{DocumentsService, MAX_REQUEST_BYTES};
pub use set::DocumentCounters;

use crate::clock::Clock;
use crate::lookup::BreaksOnPanic;
use bounds::{MAX_CHECKS, MAX_WAITING};
use file::{DocumentFile, Loaded};
use hedgerow_model::document::Hash;
use hedgerow_model::registration::Mesh;
use hedgerow_proto::lookup::Signed;
use hedgerow_proto::signed;
use hedgerow_service::blob_files::BlobFiles;
use parking_lot::Mutex;
use refusal::Refusal;
use set::{DocumentSet, Taken};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use writer::{Change, Head, Reply, Writer};

const BLOBS: &str = "documents";
/// How often it is looked whether something is to be dropped.
const TICK: Duration = Duration::from_secs(60);

/// How the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DocumentStatus {
    /// Documents, tombstones included.
    pub documents: usize,
    /// Bytes of bodies and blobs.
    pub bytes: u64,
    /// What happened since the start.
    pub counters: DocumentCounters,
}

/// The store.
pub struct Documents {
    set: Arc<Mutex<DocumentSet>>,
    blobs: Arc<BlobFiles>,
    changes: mpsc::Sender<Change>,
    head: watch::Receiver<Head>,
    closing: Arc<AtomicBool>,
    writer: Mutex<Option<JoinHandle<()>>>,
    watchers: Arc<Semaphore>,
    uploads: Semaphore,
    checks: Semaphore,
}

impl Documents {
    /// Opens what the folder holds of this mesh, and starts its writer. Blocks on the disk; needs a tokio runtime around it.
    ///
    /// # Errors
    /// Where there can be no file at all, or another process has it.
    pub fn open(
        folder: &Path,
        mesh: &Mesh,
        bounds: DocumentBounds,
        clock: Arc<dyn Clock>,
        breaks: BreaksOnPanic<CancellationToken>,
    ) -> Result<Self, DocumentsError> {
        let (file, loaded) = DocumentFile::open(folder, mesh.id)?;
        let path = folder.join(BLOBS);
        let (blobs, held) =
            BlobFiles::open(path.clone()).map_err(|source| DocumentsError::Io { path, source })?;
        report(&loaded);
        let mut set = DocumentSet::new(mesh.clone(), bounds);
        let now = clock.now();
        held.into_iter().for_each(|(hash, size)| set.add_bytes(hash, size, now));
        loaded.documents.into_iter().for_each(|document| set.restore(document, now));
        set.commit();
        let (head, seen) = watch::channel(Head { number: set.head(), hidden: 0 });
        let (set, blobs, closing) =
            (Arc::new(Mutex::new(set)), Arc::new(blobs), Arc::<AtomicBool>::default());
        let (changes, waiting) = mpsc::channel(MAX_WAITING);
        let theirs = Writer {
            set: Arc::clone(&set),
            file,
            blobs: Arc::clone(&blobs),
            clock,
            head,
            closing: Arc::clone(&closing),
        };
        let writer = std::thread::Builder::new()
            .name("documents-writer".into())
            .spawn(move || {
                let _breaks = breaks;
                theirs.run(waiting);
            })
            .map_err(DocumentsError::Thread)?;
        tokio::spawn(keep_time(changes.downgrade()));
        Ok(Self {
            set,
            blobs,
            changes,
            head: seen,
            closing,
            writer: Mutex::new(Some(writer)),
            watchers: Arc::new(Semaphore::new(MAX_DOCUMENT_WATCHERS)),
            uploads: Semaphore::new(MAX_UPLOADS),
            checks: Semaphore::new(MAX_CHECKS),
        })
    }

    /// How it is.
    pub fn status(&self) -> DocumentStatus {
        let set = self.set.lock();
        DocumentStatus { documents: set.len(), bytes: set.bytes(), counters: set.counters }
    }

    /// Takes a document; it is on the disk when this returns.
    ///
    /// # Errors
    /// Why not.
    pub async fn take(&self, offered: &Signed) -> Result<Taken, Refusal> {
        let document = match signed::open_document(offered) {
            Ok(document) => Arc::new(document),
            Err(error) => {
                self.set.lock().counters.refused += 1;
                return Err(error.into());
            }
        };
        self.change(|reply| Change::Take(document, reply)).await
    }

    /// Whether the bytes are here already, or whether there is room for them.
    ///
    /// # Errors
    /// Why they would be refused.
    pub fn wants(&self, hash: Hash, size: u64) -> Result<bool, Refusal> {
        let mut set = self.set.lock();
        if set.size(hash).is_some() {
            return Ok(false);
        }
        let room = set.room_for_bytes(hash, size);
        set.counters.refused += u64::from(room.is_err());
        room.map(|()| true)
    }

    /// Keeps bytes; they are on the disk when this returns. Whether they were here already.
    ///
    /// # Errors
    /// Why not.
    pub async fn keep(&self, hash: Hash, bytes: Vec<u8>) -> Result<bool, Refusal> {
        let got = signed::hash(&bytes);
        if got != hash {
            self.set.lock().counters.refused += 1;
            return Err(Refusal::Altered { expected: hash.to_string(), got: got.to_string() });
        }
        let (blobs, size) = (Arc::clone(&self.blobs), bytes.len() as u64);
        let written = tokio::task::spawn_blocking(move || blobs.write(&bytes)).await;
        let path =
            written.map_err(|_| Refusal::Closing)?.map_err(|error| Refusal::Disk(error.to_string()))?;
        self.change(|reply| Change::Bytes(path, hash, size, reply)).await
    }

    /// Whether the bytes are here, and what they were. Where they are not, they are set aside, and hidden is what names
    /// them.
    pub async fn check(&self, hash: Hash) -> bool {
        if self.set.lock().size(hash).is_none() {
            return false;
        }
        let Ok(_turn) = self.checks.acquire().await else { return false };
        let blobs = Arc::clone(&self.blobs);
        let verified = tokio::task::spawn_blocking(move || blobs.verify(hash)).await;
        let lost = match verified {
            Ok(Ok(whole)) => !whole,
            Ok(Err(ref error)) => error.kind() == io::ErrorKind::NotFound,
            Err(_) => false,
        };
        if lost {
            let _ = self.changes.send(Change::Lose(hash)).await;
        }
        matches!(verified, Ok(Ok(true)))
    }

    async fn change<T>(&self, change: impl FnOnce(Reply<T>) -> Change) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        if self.closing.load(Ordering::Acquire) || self.changes.send(change(reply)).await.is_err() {
            return Err(Refusal::Closing);
        }
        answer.await.unwrap_or(Err(Refusal::Closing))
    }

    /// Writes what waits and closes the file. Blocks.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
        // Where there is no room for this, the writer has a change to look up from.
        let _ = self.changes.try_send(Change::Close);
        if let Some(writer) = self.writer.lock().take()
            && writer.join().is_err()
        {
            tracing::error!(event = "documents_writer_panicked");
        }
    }
}

impl Drop for Documents {
    fn drop(&mut self) {
        self.close();
    }
}

/// Lets time pass though nobody calls.
async fn keep_time(changes: mpsc::WeakSender<Change>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(changes) = changes.upgrade() else { return };
        if changes.send(Change::Tick).await.is_err() {
            return;
        }
    }
}

fn report(loaded: &Loaded) {
    if let Some((aside, problem)) = &loaded.set_aside {
        let aside = aside.display();
        tracing::warn!(event = "documents_file_set_aside", %aside, %problem, "begun empty; readers carry here what other lookups hold");
    }
    if loaded.spoiled > 0 {
        tracing::warn!(
            event = "documents_rows_dropped",
            rows = loaded.spoiled,
            "damaged, or of another mesh; readers carry here what other lookups hold"
        );
    }
}

#[cfg(test)]
mod tests;
