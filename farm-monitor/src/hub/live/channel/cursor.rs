//! A place in a live channel: how far one subscription has come, and what it is told when it was overtaken.

use super::{LiveChannel, LiveEntry, LiveItem, RING_BYTES, Ring};
use hedgerow_model::SeriesId;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::watch;

/// A reader was too slow: this much went by unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overtaken {
    /// How many samples were skipped.
    pub samples: u64,
    /// The number of the last of them.
    pub through: u64,
    /// Whether changed declarations went by, too.
    pub redeclared: bool,
}

/// A place in a channel.
#[derive(Debug)]
pub struct LiveCursor {
    channel: Arc<LiveChannel>,
    next: u64,
    samples: u64,
    redeclared: u64,
    /// Changed declarations that were passed by when samples were read from the cache.
    kept: Vec<Arc<LiveEntry>>,
    /// What may wait for this reader.
    queue_bytes: usize,
    head: watch::Receiver<u64>,
}

impl LiveCursor {
    /// A place behind all that went through the channel so far.
    pub(super) fn behind(channel: &Arc<LiveChannel>) -> Self {
        let ring = channel.ring.lock();
        channel.cursors.fetch_add(1, Relaxed);
        Self {
            channel: Arc::clone(channel),
            next: ring.head(),
            samples: ring.samples,
            redeclared: ring.redeclared,
            kept: Vec::new(),
            queue_bytes: RING_BYTES,
            head: channel.head.subscribe(),
        }
    }

    /// Lets less wait for this reader than the ring would hold.
    pub fn bound(&mut self, queue_bytes: usize) {
        self.queue_bytes = queue_bytes.min(RING_BYTES);
    }

    /// Waits until there is something to take.
    pub async fn ready(&mut self) {
        let next = self.next;
        // The sender lives in the channel that this cursor holds: it cannot be gone.
        let _ = self.head.wait_for(|head| *head > next).await;
    }

    /// Takes entries in order, until their samples would take more than `max_bytes` (at least one), and says whether these
    /// were all. Where the reader was overtaken, that is said first, and the next call goes on behind it.
    pub fn take(&mut self, max_bytes: usize) -> Result<(Vec<Arc<LiveEntry>>, bool), Overtaken> {
        let channel = Arc::clone(&self.channel);
        let mut ring = channel.ring.lock();
        let came_from = self.next;
        let (first, through) = self.first_within_bound(&ring);
        if self.next < first {
            self.next = first;
            let (samples, redeclared) = self.note_place(&ring);
            ring.passed(came_from, first);
            channel.counters.lagged.fetch_add(samples, Relaxed);
            return Err(Overtaken { samples, through, redeclared });
        }
        let start = usize::try_from(self.next - ring.base).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let mut taken: Vec<_> = ring
            .entries
            .iter()
            .skip(start)
            .take_while(|entry| {
                let fits = bytes == 0 || bytes + entry.item.weight() <= max_bytes;
                bytes += entry.item.weight();
                fits
            })
            .cloned()
            .collect();
        self.next += taken.len() as u64;
        channel.counters.delivered.fetch_add(self.note_place(&ring).0, Relaxed);
        ring.passed(came_from, self.next);
        taken.splice(0..0, self.kept.drain(..));
        Ok((taken, self.next == ring.head()))
    }

    /// The index of the first entry that this reader may still have, and the number of the last sample before it.
    fn first_within_bound(&self, ring: &Ring) -> (u64, u64) {
        let (mut first, mut through) = (ring.base, ring.evicted);
        if self.queue_bytes < RING_BYTES {
            let start = self.next.max(ring.base);
            let skip = usize::try_from(start - ring.base).unwrap_or(usize::MAX);
            let waiting = ring.entries.iter().skip(skip);
            let mut bytes: usize = waiting.clone().map(|entry| entry.item.weight()).sum();
            for (index, entry) in (start..).zip(waiting) {
                if bytes <= self.queue_bytes || index + 1 == ring.head() {
                    break;
                }
                bytes -= entry.item.weight();
                first = index + 1;
                through = entry.item.last_number().unwrap_or(through);
            }
        }
        (first, through)
    }

    /// Forgets entries up to this number: they were read from the cache. False where the ring has lost some beyond it: there
    /// is more to read from the cache first. Marks of life at the seam stay: they may have come after the cache was read, and
    /// told twice they do no harm.
    pub fn skip_through(&mut self, number: u64) -> bool {
        let channel = Arc::clone(&self.channel);
        let mut ring = channel.ring.lock();
        let came_from = self.next;
        if self.next < ring.base {
            if ring.evicted > number {
                return false;
            }
            self.next = ring.base;
        }
        let start = usize::try_from(self.next - ring.base).unwrap_or(usize::MAX);
        for entry in ring.entries.iter().skip(start) {
            match &entry.item {
                LiveItem::Batch(_) if entry.item.last_number() > Some(number) => break,
                LiveItem::Life { mark, .. } if mark.after >= number => break,
                LiveItem::Redeclared(_) => self.kept.push(Arc::clone(entry)),
                LiveItem::Batch(_) | LiveItem::Life { .. } => {}
            }
            self.next += 1;
        }
        channel.counters.delivered.fetch_add(self.note_place(&ring).0, Relaxed);
        ring.passed(came_from, self.next);
        true
    }

    /// Takes note of having come to `next`; says how many samples lie between, and whether there are changed declarations.
    fn note_place(&mut self, ring: &Ring) -> (u64, bool) {
        let at = usize::try_from(self.next - ring.base).unwrap_or(usize::MAX);
        let here = |entry: &Arc<LiveEntry>| (entry.samples_before, entry.redeclared_before);
        let (samples, redeclared) = ring.entries.get(at).map_or((ring.samples, ring.redeclared), here);
        let passed = (samples - self.samples, redeclared > self.redeclared);
        (self.samples, self.redeclared) = (samples, redeclared);
        passed
    }

    /// The series that match, ascending, as of now.
    pub fn series(&self) -> Vec<SeriesId> {
        self.channel.series()
    }

    /// As `series`, but for the first `from` of them: those that came since.
    pub fn series_from(&self, from: usize) -> Vec<SeriesId> {
        self.channel.series_from(from)
    }
}

impl Drop for LiveCursor {
    fn drop(&mut self) {
        let mut ring = self.channel.ring.lock();
        let head = ring.head();
        ring.passed(self.next, head);
        self.channel.counters.left.fetch_add(ring.samples - self.samples, Relaxed);
        self.channel.cursors.fetch_sub(1, Relaxed);
    }
}
