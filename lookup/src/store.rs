//! What outlives a restart: bodies and granted terms, never renewals (law 3), in the SQLite file `lookup.db`.
//!
//! One thread writes, a group of changes at a time, and nobody waits for it: what is not yet written when the process
//! dies is told again by its services, or runs out. A broken file is set aside and an empty one begun.

mod file;

pub use file::{Loaded, StoreError};

use crate::directory::Write;
use file::StoreFile;
use hashbrown::HashMap;
use hedgerow_model::registration::Id;
use parking_lot::{Condvar, Mutex};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

/// For how long changes are gathered before they are committed together.
pub const LINGER: Duration = Duration::from_millis(500);
/// How many gathered changes are committed without waiting longer.
const GROUP: usize = 10_000;
/// How long the writer waits after a failure (a full disk) before it tries again.
const RETRY: Duration = Duration::from_secs(2);
/// Most services whose change may wait for a writer that cannot write; changes of further ones are not written, which
/// costs them a registration, or brings them back unconfirmed for one term, after a restart.
const MAX_WAITING: usize = 500_000;

/// What the writer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreCounters {
    /// Changes committed.
    pub written: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Changes that found no room to wait.
    pub dropped: u64,
}

/// The file's writer.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    written: AtomicU64,
    failures: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// The last change of each service.
    waiting: HashMap<Id, Write>,
    closing: bool,
}

impl Store {
    /// Opens the file in `folder`, reads what it holds of this mesh, and starts its writer.
    ///
    /// # Errors
    /// Where there can be no file at all, or another process has it.
    pub fn open(folder: &Path, mesh: Id) -> Result<(Self, Loaded), StoreError> {
        let (mut file, loaded) = StoreFile::open(folder, mesh)?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("lookup-writer".into())
            .spawn(move || theirs.write_until_closed(&mut file))
            .map_err(StoreError::Thread)?;
        Ok((Self { shared, writer: Mutex::new(Some(writer)) }, loaded))
    }

    /// Hands changes to the writer. Never waits for the disk.
    pub fn put(&self, writes: Vec<Write>) {
        let mut state = self.shared.state.lock();
        let before = state.waiting.len();
        for write in writes {
            state.put(write, &self.shared.dropped);
        }
        let after = state.waiting.len();
        if before == 0 || (before < GROUP && after >= GROUP) {
            self.shared.wake.notify_one();
        }
    }

    /// What the writer did.
    pub fn counters(&self) -> StoreCounters {
        StoreCounters {
            written: self.shared.written.load(Relaxed),
            failures: self.shared.failures.load(Relaxed),
            dropped: self.shared.dropped.load(Relaxed),
        }
    }

    /// Writes what waits and closes the file. Blocks.
    pub fn close(&self) {
        self.shared.state.lock().closing = true;
        self.shared.wake.notify_one();
        if let Some(writer) = self.writer.lock().take()
            && writer.join().is_err()
        {
            tracing::error!(event = "lookup_writer_panicked");
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

impl State {
    fn put(&mut self, write: Write, dropped: &AtomicU64) {
        let id = write.service();
        if self.waiting.len() >= MAX_WAITING && !self.waiting.contains_key(&id) {
            dropped.fetch_add(1, Relaxed);
            return;
        }
        self.waiting.insert(id, write);
    }
}

impl Write {
    fn service(&self) -> Id {
        match self {
            Self::Keep(kept) => kept.entry.registration.id,
            Self::Forget(id) => *id,
        }
    }
}

impl Shared {
    fn write_until_closed(&self, file: &mut StoreFile) {
        let mut failing = false;
        loop {
            let (group, closing) = self.next_group();
            if group.is_empty() {
                return;
            }
            match file.commit(group.values()) {
                Ok(()) => {
                    self.written.fetch_add(group.len() as u64, Relaxed);
                    if std::mem::take(&mut failing) {
                        tracing::info!(event = "lookup_file_written_again");
                    }
                }
                Err(error) => {
                    self.failures.fetch_add(1, Relaxed);
                    if !std::mem::replace(&mut failing, true) || closing {
                        tracing::warn!(event = "lookup_file_not_written", %error, changes = group.len());
                    }
                    if closing {
                        return;
                    }
                    self.wait_to_retry(group);
                }
            }
        }
    }

    /// What waits, once there is something and it has gathered; empty: closed, and nothing is left.
    fn next_group(&self) -> (HashMap<Id, Write>, bool) {
        let mut state = self.state.lock();
        self.wake.wait_while(&mut state, |state| state.waiting.is_empty() && !state.closing);
        self.wake.wait_while_for(&mut state, |state| state.waiting.len() < GROUP && !state.closing, LINGER);
        (std::mem::take(&mut state.waiting), state.closing)
    }

    /// Puts back what nothing newer has replaced meanwhile, and waits for better times.
    fn wait_to_retry(&self, group: HashMap<Id, Write>) {
        let mut state = self.state.lock();
        let newer = std::mem::replace(&mut state.waiting, group);
        for write in newer.into_values() {
            state.put(write, &self.dropped);
        }
        self.wake.wait_while_for(&mut state, |state| !state.closing, RETRY);
    }
}

#[cfg(test)]
mod tests;
