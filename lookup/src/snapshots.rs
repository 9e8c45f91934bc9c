//! A bound on what all snapshots that are being sent hold in memory together: after a network came back, everybody asks
//! for one at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Most events in snapshots not yet sent, over all watchers (about 400 MB); a watcher that would exceed them is refused
/// and told to come again. A single snapshot is always let through.
pub const MAX_SNAPSHOT_EVENTS: usize = 4_000_000;

/// What snapshots hold.
#[derive(Debug, Default)]
pub struct SnapshotBudget(AtomicUsize);

/// What one snapshot holds; given back as it is sent, or dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<SnapshotBudget>,
    events: usize,
}

impl SnapshotBudget {
    /// Takes room for a snapshot; `None`: there is none.
    pub fn take(self: &Arc<Self>, events: usize) -> Option<Share> {
        let fits = |held: usize| (held == 0 || held + events <= MAX_SNAPSHOT_EVENTS).then_some(held + events);
        self.0.fetch_update(Relaxed, Relaxed, fits).ok()?;
        Some(Share { budget: Arc::clone(self), events })
    }
}

impl Share {
    /// Gives back what was sent.
    pub fn sent(&mut self, events: usize) {
        let events = events.min(self.events);
        self.events -= events;
        self.budget.0.fetch_sub(events, Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.sent(self.events);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn room_is_bounded_and_comes_back_as_it_is_sent() {
        let budget = Arc::new(SnapshotBudget::default());
        let mut large = budget.take(MAX_SNAPSHOT_EVENTS + 5).unwrap();
        assert!(budget.take(1).is_none());
        large.sent(10);
        let small = budget.take(5).unwrap();
        assert!(budget.take(1).is_none());
        drop(small);
        drop(large);
        assert_eq!(budget.0.load(Relaxed), 0);
    }
}
