//! What outlives a restart: bodies and granted terms, never renewals (law 3), in the SQLite file `lookup.db`.
//!
//! One thread writes, a group of changes at a time, and nobody waits for it: what is not yet written when the process
//! dies is told again by its services, or runs out. Only slots wait for it; what is to be written of them it asks when it
//! writes, so that what stands in the file is never older than what was there. A broken file is set aside and an empty
//! one begun.

mod file;

pub use file::{Loaded, StoreError};

use crate::directory::{Kept, Write};
use file::StoreFile;
use hashbrown::HashSet;
use hedgerow_model::registration::Id;
use parking_lot::{Condvar, Mutex};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

/// For how long changes are gathered before they are committed together.
pub const LINGER: Duration = Duration::from_millis(500);
/// How many gathered changes are committed without waiting longer, and together.
const GROUP: usize = 10_000;
/// Of how many of them it asks at a time, which is while the directory waits.
const ASKED: usize = 64;
/// How long the writer waits after a failure (a full disk) before it tries again.
const RETRY: Duration = Duration::from_secs(2);
/// Most slots whose change may wait for a writer that cannot write; changes of further ones are not written, which
/// costs their services a registration, or brings them back unconfirmed for one term, after a restart. (5 bytes each.)
const MAX_WAITING: usize = 900_000;

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
    /// Until the writer has begun.
    file: Mutex<Option<StoreFile>>,
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
    /// Slots of which something else is to be written than is.
    waiting: HashSet<u32>,
    closing: bool,
}

impl Store {
    /// Opens the file in `folder` and reads what it holds of this mesh. `restore` says into which slot it took it, if it did.
    ///
    /// # Errors
    /// Where there can be no file at all, or another process has it.
    pub fn open(
        folder: &Path,
        mesh: Id,
        restore: impl FnMut(Kept) -> Option<u32>,
    ) -> Result<(Self, Loaded), StoreError> {
        let (file, loaded) = StoreFile::open(folder, mesh, restore)?;
        let store = Self { shared: Arc::default(), file: Mutex::new(Some(file)), writer: Mutex::new(None) };
        Ok((store, loaded))
    }

    /// Starts the writer. `current` says what is to stand in the file of these slots, each, now.
    ///
    /// # Errors
    /// Where there can be no thread.
    pub fn begin(
        &self,
        current: impl FnMut(&[u32]) -> Vec<Write> + Send + 'static,
    ) -> Result<(), StoreError> {
        let Some(mut file) = self.file.lock().take() else { return Ok(()) };
        let shared = Arc::clone(&self.shared);
        let writer = std::thread::Builder::new()
            .name("lookup-writer".into())
            .spawn(move || shared.write_until_closed(&mut file, current))
            .map_err(StoreError::Thread)?;
        *self.writer.lock() = Some(writer);
        Ok(())
    }

    /// Tells the writer of which slots something else is to be written than is. Never waits for the disk.
    pub fn put(&self, slots: impl IntoIterator<Item = u32>) {
        let mut state = self.shared.state.lock();
        let before = state.waiting.len();
        for slot in slots {
            state.put(slot, &self.shared.dropped);
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
    fn put(&mut self, slot: u32, dropped: &AtomicU64) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.insert(slot);
        } else if !self.waiting.contains(&slot) {
            dropped.fetch_add(1, Relaxed);
        }
    }
}

impl Shared {
    fn write_until_closed(&self, file: &mut StoreFile, mut current: impl FnMut(&[u32]) -> Vec<Write>) {
        let mut failing = false;
        loop {
            let (group, closing) = self.next_group();
            if group.is_empty() {
                return;
            }
            // Never all in memory: unpacked they take several times what the directory does.
            match file.commit(group.chunks(ASKED).flat_map(&mut current)) {
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
                    self.wait_to_retry(&group);
                }
            }
        }
    }

    /// Some of what waits, once there is something and it has gathered; empty: closed, and nothing is left.
    fn next_group(&self) -> (Vec<u32>, bool) {
        let mut state = self.state.lock();
        self.wake.wait_while(&mut state, |state| state.waiting.is_empty() && !state.closing);
        self.wake.wait_while_for(&mut state, |state| state.waiting.len() < GROUP && !state.closing, LINGER);
        let mut group: Vec<_> = state.waiting.extract_if(|_| true).take(GROUP).collect();
        if state.waiting.is_empty() {
            // What a flood took is given back.
            state.waiting = HashSet::new();
        }
        let closing = state.closing;
        drop(state);
        // In the order of the file, so that each of its pages is looked for once.
        group.sort_unstable();
        (group, closing)
    }

    /// Puts back what was not written, and waits for better times.
    fn wait_to_retry(&self, group: &[u32]) {
        let mut state = self.state.lock();
        group.iter().for_each(|slot| state.put(*slot, &self.dropped));
        self.wake.wait_while_for(&mut state, |state| !state.closing, RETRY);
    }
}

#[cfg(test)]
mod tests;
