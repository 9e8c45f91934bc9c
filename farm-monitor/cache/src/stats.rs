//! What the cache says of itself: for `farm status` and the ledger.

use hedgerow_model::UnixMillis;
use std::time::Duration;

/// Counters begin at the start of the process.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CacheStats {
    /// Bytes of the file and its write-ahead log on disk.
    pub disk_bytes: u64,
    /// Of them bytes in use; the rest is reused.
    pub used_bytes: u64,
    /// The bound of bytes.
    pub max_bytes: u64,
    /// Bytes of the journal of the unsealed.
    pub journal_bytes: u64,
    /// The time of the oldest sealed sample.
    pub oldest: Option<UnixMillis>,
    /// The time of the newest sealed sample.
    pub newest: Option<UnixMillis>,
    /// Samples a day, by what is sealed.
    pub samples_per_day: Option<f64>,
    /// How many days of history the bound of bytes gives at this rate; not more than the bound of age.
    pub days: Option<f64>,
    /// Sealed samples in the file.
    pub sealed_samples: u64,
    /// Appended samples since the start.
    pub appended: u64,
    /// Bytes in memory that are not committed.
    pub pending_bytes: usize,
    /// Bytes in memory that are not sealed.
    pub head_bytes: usize,
    /// Commits.
    pub commits: u64,
    /// Commits that failed and were tried again.
    pub failed_commits: u64,
    /// The longest commit.
    pub commit_max: Duration,
    /// Chunks sealed.
    pub sealed_chunks: u64,
    /// Batches refused because too much was uncommitted.
    pub overloads: u64,
    /// Samples deleted by age or bytes.
    pub retained_away: u64,
    /// Samples deleted by a cluster's own bound.
    pub quota_away: u64,
    /// Samples shed for a full disk.
    pub disk_full_away: u64,
    /// Samples found unreadable.
    pub corrupt: u64,
    /// Why nothing is committed at the moment.
    pub trouble: Option<String>,
    /// The file is broken: the cache must be opened anew, which sets it aside.
    pub broken: bool,
}

impl CacheStats {
    /// Fills what follows from the rest.
    pub(crate) fn forecast(&mut self, max_age: Duration) {
        let Some((oldest, newest)) = self.oldest.zip(self.newest).filter(|(oldest, newest)| newest > oldest)
        else {
            return;
        };
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let (span, samples, used, bound) = (
            (newest - oldest) as f64 / 86_400_000.0,
            self.sealed_samples as f64,
            self.used_bytes.saturating_sub(self.journal_bytes) as f64,
            self.max_bytes as f64,
        );
        self.samples_per_day = Some(samples / span);
        self.days = Some((span * bound / used.max(1.0)).min(max_age.as_secs_f64() / 86_400.0));
    }
}
