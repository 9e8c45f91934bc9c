//! What a subscription tells, and what it counts.

use crate::error::ClientError;
use crate::sample::{BinSet, Samples};
use bytes::Bytes;
use hedgerow_model::{Epoch, Gap, Life, NumberRange, Position, SeriesDef, SeriesId, UnixMillis};
use hedgerow_proto::filter::Alarm;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a subscription tells.
#[derive(Debug, Clone)]
pub enum Update {
    /// The farm answers: once for each connection.
    Opened {
        /// The farm's running epoch, and its last number at admission: up to here is history.
        watermark: Position,
        /// The window, made absolute.
        since: Option<UnixMillis>,
        /// The window, made absolute.
        until: Option<UnixMillis>,
        /// The stream goes on where an earlier one was.
        resumed: bool,
        /// The farm's clock.
        now: UnixMillis,
    },
    /// A series, before its first sample and when its description changed.
    Series {
        /// Its id in this subscription.
        id: SeriesId,
        /// What it is.
        def: Arc<SeriesDef>,
    },
    /// Samples, in columns.
    Samples(Samples),
    /// Bins.
    Bins(BinSet),
    /// Samples that the farm does not have any more, and why.
    Gap {
        /// Which. The id of a series is that of this subscription.
        gap: Gap,
        /// Said while something skipped was fetched.
        late: bool,
    },
    /// The farm's account of what it sent does not join: between these, samples may be missing that nobody has named.
    Broken {
        /// Up to here all was sent.
        from: Position,
        /// From here on it is again.
        to: Position,
    },
    /// Samples were skipped: this reader was too slow, or the connection broke before there was anything to resume from.
    Lagged {
        /// Which numbers.
        range: NumberRange,
        /// How many samples; `None`: not known.
        count: Option<u64>,
        /// They are fetched, and [`Update::BackFilled`] comes at their end. Until then no token covers them.
        fetching: bool,
    },
    /// What was skipped has been given, marked late.
    BackFilled {
        /// Which numbers.
        range: NumberRange,
        /// Why not all of it, if so.
        error: Option<ClientError>,
    },
    /// A series is live, stale or ended.
    Life {
        /// Its id in this subscription.
        id: SeriesId,
        /// What it is.
        def: Arc<SeriesDef>,
        /// How it is now.
        life: Life,
        /// Since when.
        time: UnixMillis,
        /// Why.
        reason: Arc<str>,
    },
    /// An alarm, as it is now; where alarms were asked for. After a lost connection those that are open come again: its version
    /// says whether there is anything new.
    Alarm(Box<Alarm>),
    /// All that was asked for up to here has been given, or is named by a gap or a lagged update.
    Progress {
        /// The epoch of the numbers.
        epoch: Epoch,
        /// The last number before.
        after: u64,
        /// The last number.
        through: u64,
        /// Resumes behind this, also in another process.
        token: Bytes,
    },
    /// The connection is lost; it is opened again and the stream goes on.
    Disconnected {
        /// Why.
        error: ClientError,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// The end of the window. The stream ends.
    End {
        /// How many samples the farm says it sent in this connection.
        samples: u64,
        /// For people; mostly empty.
        detail: String,
    },
    /// It cannot go on by itself. The stream ends.
    Failed(ClientError),
}

/// What a subscription counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Samples that came again after a reconnect, and were dropped.
    pub duplicates: u64,
    /// Connections lost.
    pub reconnects: u64,
    /// Ranges that were skipped.
    pub lagged: u64,
    /// Ranges that were skipped and not fetched: not wanted, too many waiting, or the farm refused.
    pub not_fetched: u64,
    /// Late samples given.
    pub late: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    duplicates: AtomicU64,
    reconnects: AtomicU64,
    lagged: AtomicU64,
    not_fetched: AtomicU64,
    late: AtomicU64,
}

impl Counters {
    pub(super) fn duplicates(&self, count: usize) {
        self.duplicates.fetch_add(count as u64, Ordering::Relaxed);
    }
    pub(super) fn late(&self, count: usize) {
        self.late.fetch_add(count as u64, Ordering::Relaxed);
    }
    pub(super) fn reconnected(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }
    pub(super) fn lagged(&self) {
        self.lagged.fetch_add(1, Ordering::Relaxed);
    }
    pub(super) fn not_fetched(&self) {
        self.not_fetched.fetch_add(1, Ordering::Relaxed);
    }
    pub(super) fn read(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            duplicates: read(&self.duplicates),
            reconnects: read(&self.reconnects),
            lagged: read(&self.lagged),
            not_fetched: read(&self.not_fetched),
            late: read(&self.late),
        }
    }
}
