//! The thread that changes the set and the disk, a group of changes at a time. What is acknowledged, or shown to anybody,
//! is on the disk; what the disk does not take is undone.

use super::bounds::MAX_WAITING;
use super::file::{DocumentFile, Write};
use super::refusal::Refusal;
use super::set::{DocumentSet, Taken};
use crate::clock::Clock;
use hedgerow_model::document::Hash;
use hedgerow_proto::signed::SignedDocument;
use hedgerow_service::blob_files::BlobFiles;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, oneshot, watch};

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// What is to be changed.
#[derive(Debug)]
pub enum Change {
    /// A document, its signature verified.
    Take(Arc<SignedDocument>, Reply<Taken>),
    /// Bytes that are on the disk, to get their name; whether they had one already.
    Bytes(PathBuf, Hash, u64, Reply<bool>),
    /// Bytes that are not what they were.
    Lose(Hash),
    /// Time has passed.
    Tick,
    /// To test what happens then.
    #[cfg(test)]
    FillTheDisk(bool),
    /// No more.
    Close,
}

/// How far everybody who watches may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The number of the last that is shown.
    pub number: u64,
    /// How often something was hidden: who sees another number here begins again.
    pub hidden: u64,
}

/// What the thread works with.
pub struct Writer {
    pub set: Arc<Mutex<DocumentSet>>,
    pub file: DocumentFile,
    pub blobs: Arc<BlobFiles>,
    pub clock: Arc<dyn Clock>,
    pub head: watch::Sender<Head>,
    pub closing: Arc<AtomicBool>,
}

/// What became of a document, before that is on the disk.
struct Judged {
    document: Arc<SignedDocument>,
    taken: Result<Taken, Refusal>,
    reply: Reply<Taken>,
}

impl Writer {
    /// Until the lookup closes.
    pub fn run(mut self, mut changes: mpsc::Receiver<Change>) {
        let mut failing = false;
        while let Some(first) = changes.blocking_recv() {
            let mut group = vec![first];
            while group.len() < MAX_WAITING
                && let Ok(change) = changes.try_recv()
            {
                group.push(change);
            }
            let closed = group.iter().any(|change| matches!(change, Change::Close));
            self.apply(group, &mut failing);
            if closed || self.closing.load(Ordering::Acquire) {
                return;
            }
        }
    }

    fn apply(&mut self, group: Vec<Change>, failing: &mut bool) {
        let (mut judged, mut kept, mut dropped) = (Vec::new(), Vec::new(), Vec::new());
        for change in group {
            match change {
                Change::Take(document, reply) => {
                    let taken = self.set.lock().take(&document, self.clock.unix_millis(), self.clock.now());
                    judged.push(Judged { document, taken, reply });
                }
                Change::Bytes(path, hash, size, reply) => {
                    kept.push((reply, self.keep_bytes(&path, hash, size)));
                }
                Change::Lose(hash) => self.lose(hash),
                Change::Tick => dropped.extend(self.tick()),
                #[cfg(test)]
                Change::FillTheDisk(full) => self.file.fill_the_disk(full).expect("a pragma"),
                Change::Close => {}
            }
        }
        let answers = match self.commit(&judged, dropped) {
            Ok(()) => {
                if std::mem::take(failing) {
                    tracing::info!(event = "documents_written_again");
                }
                judged.into_iter().map(|Judged { taken, reply, .. }| (reply, taken)).collect()
            }
            Err(error) => {
                if !std::mem::replace(failing, true) {
                    tracing::warn!(event = "documents_not_written", %error, changes = judged.len());
                }
                self.undo(judged, &error.to_string())
            }
        };
        let head = {
            let mut set = self.set.lock();
            set.commit();
            Head { number: set.head(), hidden: set.hidden() }
        };
        self.head.send_if_modified(|seen| std::mem::replace(seen, head) != head);
        // Only now: who is answered finds what he gave.
        for (reply, answer) in kept {
            let _ = reply.send(answer);
        }
        for (reply, answer) in answers {
            let _ = reply.send(answer);
        }
    }

    fn commit(&mut self, judged: &[Judged], dropped: Vec<Arc<SignedDocument>>) -> rusqlite::Result<()> {
        let new = judged.iter().filter(|judged| matches!(judged.taken, Ok(Taken::New(_))));
        let put = new.map(|judged| Write::Put(Arc::clone(&judged.document)));
        let writes: Vec<Write> = dropped.into_iter().map(Write::Drop).chain(put).collect();
        if writes.is_empty() { Ok(()) } else { self.file.commit(&writes) }
    }

    /// Backwards: one may have replaced another of the same group. What was to be dropped stays dropped here, and in the
    /// file until the next start, which drops it again.
    fn undo(&self, judged: Vec<Judged>, problem: &str) -> Vec<(Reply<Taken>, Result<Taken, Refusal>)> {
        let mut set = self.set.lock();
        set.counters.write_failures += 1;
        let undone = judged.into_iter().rev().map(|Judged { document, taken, reply }| {
            if let Ok(Taken::New(before)) = &taken {
                set.undo(&document, before.clone(), self.clock.now());
            }
            // Equal to, or older than, something of this group? Then that is not true any more.
            (reply, taken.and_then(|_| Err(Refusal::Disk(problem.to_owned()))))
        });
        undone.collect()
    }

    fn keep_bytes(&self, path: &PathBuf, hash: Hash, size: u64) -> Result<bool, Refusal> {
        let (known, room) = {
            let set = self.set.lock();
            (set.size(hash).is_some(), set.room_for_bytes(hash, size))
        };
        if known || room.is_err() {
            let _ = std::fs::remove_file(path);
            return if known { Ok(true) } else { room.map(|()| false) };
        }
        self.blobs.keep(path, hash).map_err(|error| Refusal::Disk(error.to_string()))?;
        self.set.lock().add_bytes(hash, size, self.clock.now());
        Ok(false)
    }

    /// Looks once more: since somebody found them broken they may have been set aside, and have come again.
    fn lose(&self, hash: Hash) {
        if self.set.lock().size(hash).is_none() || matches!(self.blobs.verify(hash), Ok(true)) {
            return;
        }
        tracing::warn!(event = "blob_broken", %hash, "set aside; documents that name it are hidden until it comes again");
        self.blobs.set_aside(hash);
        self.set.lock().lose_bytes(hash);
    }

    fn tick(&self) -> Vec<Arc<SignedDocument>> {
        let (over, loose) = {
            let mut set = self.set.lock();
            let now = self.clock.now();
            (set.drop_over(self.clock.unix_millis(), now), set.drop_loose(now))
        };
        loose.into_iter().for_each(|hash| self.blobs.remove(hash));
        over
    }
}
