//! What a cache is opened with.

use hedgerow_model::{Name, UnixMillis};
use std::path::Path;
use std::time::Duration;

/// Tells the time; tests bring their own.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> UnixMillis;
}

impl<F: Fn() -> UnixMillis + Send + Sync + 'static> Clock for F {
    fn now(&self) -> UnixMillis {
        self()
    }
}

/// How much history is kept. What is beyond is deleted, oldest first, and counted in gap records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Older samples go (reason retention).
    pub max_age: Duration,
    /// When the file holds more, the oldest go (reason retention). `None`: 10 GiB or a tenth of the disk, the lesser.
    pub max_bytes: Option<u64>,
    /// Of these clusters at most so many bytes of blocks are kept (reason quota).
    pub cluster_bytes: Vec<(Name, u64)>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { max_age: Duration::from_secs(31 * 86_400), max_bytes: None, cluster_bytes: Vec::new() }
    }
}

/// The default of [`Bounds::max_bytes`] on a large disk.
const MAX_BYTES: u64 = 10 << 30;

impl Bounds {
    /// The bound of bytes for a file at `path`.
    pub(crate) fn bytes_at(&self, path: &Path) -> u64 {
        self.max_bytes.unwrap_or_else(|| {
            let disk = path.parent().and_then(|folder| rustix::fs::statvfs(folder).ok());
            disk.map_or(MAX_BYTES, |disk| MAX_BYTES.min(disk.f_blocks.saturating_mul(disk.f_frsize) / 10))
        })
    }
}

/// What a cache is opened with.
#[derive(Debug, Clone)]
pub struct CacheOptions {
    /// The id of the farm, kept in the file.
    pub farm: String,
    /// The start counter of the new epoch is at least this: for callers that keep it elsewhere, too.
    pub min_start: u64,
    /// How long samples wait for the commit they share. What a power cut can lose.
    pub commit_interval: Duration,
    /// How much history is kept.
    pub bounds: Bounds,
    /// Bound of appended batches that are not committed. When full, batches are refused (`Overload`) and counted; while the
    /// disk takes nothing, the oldest half of them is shed with a gap record.
    pub pending_bytes: usize,
    /// Bound of the unsealed in memory. When full, the largest chunks are sealed early: blocks become shorter.
    pub head_bytes: usize,
    /// Bound of the journal on disk. When full, the oldest chunks are sealed early.
    pub journal_bytes: u64,
    /// A chunk of times with this many entries is sealed.
    pub chunk_entries: usize,
    /// A chunk this old is sealed.
    pub chunk_age: Duration,
    /// Most connections that read at the same time; who comes later waits.
    pub readers: usize,
    /// Bytes kept free for the moment when the disk is full: the write-ahead log (4 MiB) needs room to be emptied. 0: none.
    pub ballast_bytes: u64,
    /// For tests of a full disk: the file has at most this many pages.
    #[doc(hidden)]
    pub max_pages: Option<u32>,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            farm: String::new(),
            min_start: 1,
            commit_interval: Duration::from_secs(1),
            bounds: Bounds::default(),
            pending_bytes: 64 << 20,
            head_bytes: 64 << 20,
            journal_bytes: 64 << 20,
            chunk_entries: 240,
            chunk_age: Duration::from_secs(2 * 3600),
            readers: 4,
            ballast_bytes: 8 << 20,
            max_pages: None,
        }
    }
}
