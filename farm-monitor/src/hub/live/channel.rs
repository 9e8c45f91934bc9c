//! One live channel: a bounded ring of entries, and the cursors that read it.

mod cursor;

pub use cursor::{LiveCursor, Overtaken};

use crate::hub::ledger::Edge;
use bytes::Bytes;
use hedgerow_model::predicate::{PathPattern, Predicate};
use hedgerow_model::{Epoch, LifeMark, Numbered, SeriesId, SeriesKey};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;

/// What one channel may hold for its slowest reader, in bytes of memory. Past it the oldest entries go, and readers that had
/// not come so far are overtaken.
pub const RING_BYTES: usize = 1 << 20;

/// What goes through a channel.
#[derive(Debug, Clone)]
pub enum LiveItem {
    /// Samples that match, in number order.
    Batch(Arc<Numbered>),
    /// A transition in the life of a series that matches.
    Life {
        /// The running epoch.
        epoch: Epoch,
        /// What and when.
        mark: LifeMark,
        /// The mark's id in the cache.
        id: i64,
    },
    /// The declaration of a series that matches changed: tell it again before its next sample.
    Redeclared(SeriesId),
}

impl LiveItem {
    fn samples(&self) -> u64 {
        match self {
            Self::Batch(numbered) => numbered.batch.len() as u64,
            Self::Life { .. } | Self::Redeclared(_) => 0,
        }
    }

    /// The number of its last sample.
    pub fn last_number(&self) -> Option<u64> {
        match self {
            Self::Batch(numbered) => numbered.numbers.at(numbered.batch.len().checked_sub(1)?),
            Self::Life { .. } | Self::Redeclared(_) => None,
        }
    }

    fn weight(&self) -> usize {
        match self {
            // Held twice while it is on its way: as columns, and encoded.
            Self::Batch(numbered) => 256 + 2 * (numbered.batch.values.bytes() + 8 * numbered.batch.len()),
            Self::Life { .. } | Self::Redeclared(_) => 256,
        }
    }
}

/// An entry of a channel. Encoded by the first reader that needs it, for all.
#[derive(Debug)]
pub struct LiveEntry {
    /// What it is.
    pub item: LiveItem,
    /// How many samples went through the channel before it.
    samples_before: u64,
    /// How many changed declarations.
    redeclared_before: u64,
    encoded: OnceLock<Bytes>,
}

impl LiveEntry {
    /// The encoded form; `encode` makes it where nobody has yet.
    pub fn encoded(&self, encode: impl FnOnce() -> Bytes) -> Bytes {
        self.encoded.get_or_init(encode).clone()
    }
}

/// A channel. Written by the hub under its lock, read by cursors.
#[derive(Debug)]
pub struct LiveChannel {
    condition: Predicate,
    /// Those of the condition's patterns that can match a series of this farm.
    patterns: Vec<PathPattern>,
    /// The series that match, ascending once the channel is open. Its own lock, so that readers need not ask the hub.
    series: Mutex<Vec<SeriesId>>,
    ring: Mutex<Ring>,
    head: watch::Sender<u64>,
    cursors: AtomicUsize,
    counters: Arc<StreamCounters>,
}

#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<Arc<LiveEntry>>,
    /// Of each entry, how many readers have yet to pass it. What all have passed goes at once: a ring is as long as its
    /// slowest reader is behind.
    unread: VecDeque<usize>,
    /// The index of the first entry.
    base: u64,
    bytes: usize,
    /// How many samples went through.
    samples: u64,
    /// How many changed declarations.
    redeclared: u64,
    /// The number of the last sample that is no longer here.
    evicted: u64,
}

impl Ring {
    fn head(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    /// A reader has passed the entries from index `from` to before `to`.
    fn passed(&mut self, from: u64, to: u64) {
        let place = |index: u64| usize::try_from(index.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let (from, to) = (place(from), place(to));
        self.unread.iter_mut().take(to).skip(from).for_each(|unread| *unread = unread.saturating_sub(1));
        while self.unread.front() == Some(&0) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        self.unread.pop_front();
        if let Some(oldest) = self.entries.pop_front() {
            self.bytes -= oldest.item.weight();
            self.base += 1;
            self.evicted = oldest.item.last_number().unwrap_or(self.evicted);
        }
    }
}

/// What all streams together were given.
#[derive(Debug, Default)]
pub struct StreamCounters {
    matched: AtomicU64,
    delivered: AtomicU64,
    lagged: AtomicU64,
    left: AtomicU64,
}

impl StreamCounters {
    /// As an edge of the ledger.
    pub fn edge(&self) -> Edge {
        let (delivered, lagged, left) =
            (self.delivered.load(Relaxed), self.lagged.load(Relaxed), self.left.load(Relaxed));
        let matched = self.matched.load(Relaxed).max(delivered + lagged + left);
        let lost = [("lagged", lagged), ("unsubscribed", left)];
        Edge {
            name: "consumer:streams".to_owned(),
            samples: matched,
            passed: delivered,
            held: matched - delivered - lagged - left,
            conflated: 0,
            lost: lost.into_iter().filter(|(_, n)| *n > 0).map(|(word, n)| (word.to_owned(), n)).collect(),
        }
    }
}

impl LiveChannel {
    pub(super) fn new(farm: &str, condition: Predicate, counters: Arc<StreamCounters>) -> Self {
        let (head, _) = watch::channel(0);
        let here = |pattern: &&PathPattern| pattern.farm.matches(farm);
        Self {
            patterns: condition.patterns.iter().filter(here).cloned().collect(),
            condition,
            series: Mutex::default(),
            ring: Mutex::default(),
            head,
            cursors: AtomicUsize::new(0),
            counters,
        }
    }

    /// A cursor that never gets anything: for a question about what is there already.
    pub fn closed(condition: Predicate, series: Vec<SeriesId>) -> LiveCursor {
        let channel = Self::new("", condition, Arc::default());
        *channel.series.lock() = series;
        Arc::new(channel).cursor()
    }

    pub(super) fn wants(&self, farm: &str, key: &SeriesKey) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(farm, key))
    }

    pub(super) fn add_series(&self, more: &[SeriesId]) {
        self.series.lock().extend(more);
    }

    pub(super) fn sort_series(&self) {
        // Two ascending runs at most: those that were there, and those that came meanwhile.
        self.series.lock().sort();
    }

    /// The series that match, as of now.
    pub(in crate::hub) fn series(&self) -> Vec<SeriesId> {
        self.series.lock().clone()
    }

    /// Of the series that match those behind the first `from`; new ones come at the end.
    pub(in crate::hub) fn series_from(&self, from: usize) -> Vec<SeriesId> {
        self.series.lock().get(from..).unwrap_or_default().to_vec()
    }

    /// Which samples go through it: patterns and constraint of this predicate.
    pub fn condition(&self) -> &Predicate {
        &self.condition
    }

    pub(in crate::hub) fn cursor(self: &Arc<Self>) -> LiveCursor {
        LiveCursor::behind(self)
    }

    pub(super) fn cursors(&self) -> usize {
        self.cursors.load(Relaxed)
    }

    pub(super) fn is_read(&self) -> bool {
        self.cursors() > 0
    }

    pub(super) fn push(&self, item: LiveItem) {
        let (samples, weight) = (item.samples(), item.weight());
        let mut ring = self.ring.lock();
        let redeclared = u64::from(matches!(item, LiveItem::Redeclared(_)));
        let (samples_before, redeclared_before) = (ring.samples, ring.redeclared);
        let entry = LiveEntry { item, samples_before, redeclared_before, encoded: OnceLock::new() };
        ring.samples += samples;
        ring.redeclared += redeclared;
        ring.bytes += weight;
        let readers = self.cursors();
        ring.entries.push_back(Arc::new(entry));
        ring.unread.push_back(readers);
        while ring.bytes > RING_BYTES && ring.entries.len() > 1 {
            ring.drop_oldest();
        }
        self.counters.matched.fetch_add(samples * readers as u64, Relaxed);
    }

    /// Wakes those who wait for what was pushed.
    pub(in crate::hub) fn wake(&self) {
        let head = self.ring.lock().head();
        self.head.send_replace(head);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_model::{Life, Predicate};

    fn mark(number: u64) -> LiveItem {
        let epoch = Epoch { start: 1, random: 1 };
        let mark =
            LifeMark { series: SeriesId(1), life: Life::Stale, time: 0, after: number, reason: "".into() };
        LiveItem::Life { epoch, mark, id: number as i64 }
    }

    #[test]
    fn a_ring_is_as_long_as_its_slowest_reader_is_behind() {
        let channel = Arc::new(LiveChannel::new("f", Predicate::parse("*").unwrap(), Arc::default()));
        let length = || channel.ring.lock().entries.len();
        let (mut quick, mut slow) = (channel.cursor(), channel.cursor());
        for number in 0..100 {
            channel.push(mark(number));
            assert_eq!(quick.take(usize::MAX).unwrap().0.len(), 1);
        }
        assert_eq!(length(), 100, "kept for the slow one");
        let mut late = channel.cursor();
        assert_eq!(slow.take(256 * 60).unwrap().0.len(), 60);
        assert_eq!(length(), 40);
        channel.push(mark(100));
        drop(slow);
        assert_eq!(length(), 1, "nobody but the quick and the late one needs what is left");
        assert_eq!(late.take(usize::MAX).unwrap().0.len(), 1);
        assert_eq!(quick.take(usize::MAX).unwrap().0.len(), 1);
        assert_eq!(length(), 0);
    }
}
