//! The cache as the hub sees it: append, and be told what is committed.

use crate::checkpoint::Checkpoint;
use crate::error::{AppendRefused, CacheError};
use crate::open::{self, KnownSeries, Loaded, Recovered};
use crate::options::{Bounds, CacheOptions, Clock};
use crate::reader::{Pool, Reader};
use crate::rows::EpochInfo;
use crate::stats::CacheStats;
use crate::writer::retain::Ballast;
use crate::writer::{Control, Shared, Stop, Writer};
use hedgerow_model::{Epoch, LifeMark, Numbered, Position, SeriesDef, SeriesId};
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::watch;

/// An open cache. Dropping it commits what is pending and ends the epoch, as [`Cache::close`] does.
pub struct Cache {
    reader: Reader,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Held so that no other process writes the file.
    _lock: File,
}

/// A cache with what was found in it.
pub struct Opened {
    /// The cache.
    pub cache: Cache,
    /// The new epoch; its first number is 1.
    pub epoch: Epoch,
    /// All series ever added, by ascending id. New ones take the ids that follow.
    pub series: Vec<KnownSeries>,
    /// All epochs, oldest first; the new one is the last.
    pub epochs: Vec<EpochInfo>,
    /// What is known of deployments of filters, by name.
    pub checkpoints: BTreeMap<String, Checkpoint>,
    /// What was wrong.
    pub recovered: Recovered,
}

impl Cache {
    /// Opens the file at `path` (made if missing; its folder must exist) and begins an epoch. Blocks.
    ///
    /// # Errors
    /// Where another process has it open, or the folder cannot be written. A broken file is no error: it is set aside.
    pub fn open(path: &Path, options: CacheOptions, clock: Arc<dyn Clock>) -> Result<Opened, CacheError> {
        let (loaded, lock) = open::open(path, &options, &*clock)?;
        let Loaded { db, head, series, epochs, checkpoints, journal, .. } = loaded;
        let Loaded { next_journal, next_times, usage, samples, recovered, .. } = loaded;
        let epoch = head.epoch;
        let (committed, _) = watch::channel(Position { epoch, number: 0 });
        let ballast =
            Ballast { path: open::beside(path, "ballast"), bytes: options.ballast_bytes, held: false };
        let pool = Arc::new(Pool::new(options.readers));
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            bounds: Mutex::new(options.bounds.clone()),
            options,
            clock,
            head: Mutex::new(head),
            control: Mutex::new(Control::default()),
            changed: Condvar::new(),
            committed,
            shed: Arc::default(),
            stats: Mutex::default(),
        });
        let writer = Writer {
            db,
            shared: Arc::clone(&shared),
            journal,
            next_journal,
            next_times,
            usage,
            samples,
            ballast,
        };
        let thread =
            std::thread::Builder::new().name("cache-writer".to_owned()).spawn(move || writer.run()).map_err(
                |source| CacheError::Io { what: "starting the writer of", path: path.to_owned(), source },
            )?;
        let reader = Reader { shared, pool };
        let cache = Self { reader, thread: Mutex::new(Some(thread)), _lock: lock };
        Ok(Opened { cache, epoch, series, epochs, checkpoints, recovered })
    }

    /// Takes a batch in normal form (one time, series ascending, numbers that follow the last). Never waits for the disk.
    /// Readers see it at once; [`Cache::committed`] tells when it is safe.
    ///
    /// # Errors
    /// Then its numbers stay unused, and the next batch begins with them.
    pub fn append(&self, batch: &Arc<Numbered>) -> Result<(), AppendRefused> {
        let now = self.reader.shared.clock.now();
        self.reader.shared.head.lock().append(batch, now)
    }

    /// Takes batches and the checkpoint of the deployment that made them, in one step: both are in one commit. All of it, or
    /// nothing. Otherwise as [`Cache::append`].
    ///
    /// # Errors
    /// As `append`.
    pub fn append_with(
        &self,
        batches: &[Arc<Numbered>],
        deployment: &str,
        checkpoint: &Checkpoint,
    ) -> Result<(), AppendRefused> {
        let now = self.reader.shared.clock.now();
        self.reader.shared.head.lock().append_all(batches, now, Some((deployment, checkpoint)))
    }

    /// Keeps a checkpoint. It is in one commit with all that was appended before, or in a later one.
    pub fn checkpoint(&self, deployment: &str, checkpoint: &Checkpoint) {
        self.reader.shared.head.lock().checkpoints.put(deployment, checkpoint);
    }

    /// Forgets the checkpoint of a deployment, if there is one.
    pub fn forget_checkpoint(&self, deployment: &str) {
        self.reader.shared.head.lock().checkpoints.forget(deployment);
    }

    /// Makes a series known, before its first sample. Ids are dense and rise: the one after the highest known.
    pub fn add_series(&self, id: SeriesId, def: &SeriesDef) {
        let mut head = self.reader.shared.head.lock();
        head.groups.add_series(id, &def.key.cluster);
        head.definitions.push((id, def.clone()));
    }

    /// Writes a series' changed definition. Its key cannot change.
    pub fn update_series(&self, id: SeriesId, def: &SeriesDef) {
        self.reader.shared.head.lock().definitions.push((id, def.clone()));
    }

    /// Keeps a transition in a series' life. Gives the mark's id: within an epoch marks are in the order of their ids.
    pub fn mark_life(&self, mark: LifeMark) -> i64 {
        let mut head = self.reader.shared.head.lock();
        let id = head.next_life;
        head.next_life += 1;
        head.life.push((id, mark));
        id
    }

    /// The last number that is committed: acknowledgements wait for it.
    pub fn committed(&self) -> watch::Receiver<Position> {
        self.reader.shared.committed.subscribe()
    }

    /// Waits until these numbers of the running epoch are committed. `false`: some of them were shed before they were, or
    /// the cache is gone. Holds neither the cache nor its file.
    pub fn kept(&self, first: u64, last: u64) -> impl Future<Output = bool> + Send + use<> {
        let mut committed = self.committed();
        let shed = Arc::clone(&self.reader.shared.shed);
        async move {
            let is_shed = || shed.lock().any_of(first, last);
            committed.wait_for(|position| position.number >= last || is_shed()).await.is_ok() && !is_shed()
        }
    }

    /// Commits what was appended before the call. Blocks.
    ///
    /// # Errors
    /// Where the disk does not take it, or the cache is closed.
    pub fn flush(&self) -> Result<(), CacheError> {
        self.ask(false)
    }

    /// As [`Cache::flush`], and seals all that is unsealed (up to a bound a commit).
    ///
    /// # Errors
    /// As `flush`.
    pub fn seal(&self) -> Result<(), CacheError> {
        self.ask(true)
    }

    fn ask(&self, seal_all: bool) -> Result<(), CacheError> {
        let shared = &self.reader.shared;
        let mut control = shared.control.lock();
        control.asked += 1;
        control.seal_all |= seal_all;
        let mine = control.asked;
        shared.changed.notify_all();
        shared.changed.wait_while(&mut control, |control| control.answered < mine && !control.ended);
        match (&control.failure, control.answered < mine) {
            (_, true) => Err(CacheError::Closed),
            (Some(failure), _) => Err(CacheError::NotCommitted(failure.clone())),
            (None, _) => Ok(()),
        }
    }

    /// Changes how much history is kept.
    pub fn set_bounds(&self, bounds: Bounds) {
        *self.reader.shared.bounds.lock() = bounds;
    }

    /// A reader; cheap.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Figures for `farm status` and the ledger.
    pub fn stats(&self) -> CacheStats {
        let mut stats = self.reader.shared.stats.lock().clone();
        let head = self.reader.shared.head.lock();
        stats.appended = head.last;
        stats.pending_bytes = head.pending_bytes;
        stats.head_bytes = head.bytes;
        stats.overloads = head.overloads;
        drop(head);
        stats.forecast(self.reader.shared.bounds.lock().max_age);
        stats
    }

    /// Commits everything, records the clean end of the epoch, and closes the file. Blocks. Readers go on reading.
    ///
    /// # Errors
    /// Where the last commit failed: then the next open finds the epoch crashed.
    pub fn close(&self) -> Result<(), CacheError> {
        self.stop(Stop::Clean);
        match self.reader.shared.control.lock().failure.take() {
            Some(failure) => Err(CacheError::NotCommitted(failure)),
            None => Ok(()),
        }
    }

    /// Ends as a kill would: what is not committed is lost. For tests.
    #[doc(hidden)]
    pub fn crash(self) {
        self.stop(Stop::Crash);
    }

    fn stop(&self, how: Stop) {
        if let Some(thread) = self.thread.lock().take() {
            self.reader.shared.control.lock().stop = Some(how);
            self.reader.shared.changed.notify_all();
            // A writer that panicked has said so; there is nothing to add.
            let _ = thread.join();
        }
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.stop(Stop::Clean);
    }
}
