//! How much is kept, and for how long.

pub use hedgerow_service::blob_files::CHUNK_BYTES;

use std::time::Duration;

/// How far a document may have been signed in the future, by the lookup's clock: two days, so that clocks which are off
/// by a day, on either side, refuse nothing. Further ones are refused, because their tombstones would be kept for ever.
pub const MAX_AHEAD_MS: i64 = 2 * 24 * 3_600_000;
/// For how long bytes are kept that no document names (yet), on a monotonic clock.
pub const LOOSE_FOR: Duration = Duration::from_secs(3600);
/// One owner's documents take at most one part in this many of the room; bytes that no document names the same.
pub const OWNERS: u64 = 4;
/// Most blobs that no document names (yet): each is a file, however small; further ones are refused.
pub const MAX_LOOSE: usize = 4096;
/// Most who watch the documents of a lookup; more are refused. One costs a few hundred bytes, and queues nothing.
pub const MAX_DOCUMENT_WATCHERS: usize = 16_384;
/// Most blobs that come in at once, each in memory; further ones wait for [`UPLOAD_PATIENCE`].
pub const MAX_UPLOADS: usize = 4;
/// How long a blob may take to come in, and how long one waits for its turn; then it is refused.
pub const UPLOAD_PATIENCE: Duration = Duration::from_secs(60);
/// How long nothing may come of a blob that comes in; then it is refused, and makes room for one that waits.
pub const CHUNK_PATIENCE: Duration = Duration::from_secs(10);
/// Most blobs that are checked at once before they are given out; further readers wait.
pub const MAX_CHECKS: usize = 4;
/// Most documents of one message to a watcher.
pub const MAX_MESSAGE_DOCUMENTS: usize = 512;
/// Most bytes of bodies in one message to a watcher, unless a single one has more.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// Changes that wait for the writer; who has a further one waits until there is room.
pub const MAX_WAITING: usize = 256;

/// How much is kept. What does not fit is refused; nothing that stands is dropped for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Documents, tombstones included.
    pub documents: u64,
    /// Bytes of their bodies, which are in memory.
    pub body_bytes: u64,
    /// Bytes of bodies and blobs together.
    pub bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { documents: 10_000, body_bytes: 64 << 20, bytes: 1 << 30 }
    }
}
