//! The snapshots that are being sent, and a bound on what they hold in memory together: after a network came back, everybody
//! asks for one at once. Who does not read his gives it back when others need the room: nobody waits for him.

use crate::watchers::Event;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// For so long a snapshot that nobody reads is kept in any case.
pub const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(20);
/// Who reads so many events a second beside that keeps his.
pub const SLOWEST_READER: u32 = 500;

/// Those that are being sent.
#[derive(Debug)]
pub struct Snapshots {
    most: usize,
    sending: Mutex<Sending>,
}

#[derive(Debug, Default)]
struct Sending {
    next: u64,
    events: usize,
    /// Oldest first.
    snapshots: BTreeMap<u64, Snapshot>,
}

#[derive(Debug)]
struct Snapshot {
    events: VecDeque<Event>,
    /// When it will be too old to stand in the way of others.
    until: Duration,
}

/// One watcher's snapshot; given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    all: Arc<Snapshots>,
    key: u64,
}

impl Snapshots {
    /// Of `most` events together. For one more, those are taken back that are read too slowly; where there are none it is
    /// refused. A single one is always let through.
    pub fn new(most: usize) -> Self {
        Self { most, sending: Mutex::default() }
    }

    /// Takes in a snapshot; `None`: there is no room.
    pub fn hold(self: &Arc<Self>, now: Duration, events: VecDeque<Event>) -> Option<Share> {
        // Dropped without the lock.
        let mut taken_back = Vec::new();
        let sending = &mut *self.sending.lock();
        while sending.events > 0 && sending.events + events.len() > self.most {
            let slow = sending.snapshots.iter().find(|(_, snapshot)| snapshot.until < now);
            let slow = *slow?.0;
            taken_back.extend(sending.remove(slow));
        }
        let key = sending.next;
        sending.next += 1;
        sending.events += events.len();
        let snapshot = Snapshot { events, until: now + SNAPSHOT_PATIENCE };
        sending.snapshots.insert(key, snapshot);
        Some(Share { all: Arc::clone(self), key })
    }
}

impl Sending {
    fn remove(&mut self, key: u64) -> Option<Snapshot> {
        let snapshot = self.snapshots.remove(&key)?;
        self.events -= snapshot.events.len();
        Some(snapshot)
    }
}

impl Share {
    /// Takes up to `most` of it to send them, none where all are sent; `None`: it was taken back.
    pub fn take(&self, most: usize) -> Option<VecDeque<Event>> {
        let sending = &mut *self.all.sending.lock();
        let snapshot = sending.snapshots.get_mut(&self.key)?;
        let count = snapshot.events.len().min(most);
        sending.events -= count;
        snapshot.until += Duration::from_secs(count as u64) / SLOWEST_READER;
        Some(snapshot.events.drain(..count).collect())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let left = self.all.sending.lock().remove(self.key);
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::watchers::Told;

    fn events(count: usize) -> VecDeque<Event> {
        vec![Event { number: 0, told: Told::Idle }; count].into()
    }

    #[test]
    fn room_is_bounded_and_comes_back_as_it_is_sent() {
        let snapshots = Arc::new(Snapshots::new(100));
        let hold = |count| snapshots.hold(Duration::ZERO, events(count));
        let large = hold(105).unwrap();
        assert!(hold(1).is_none());
        assert_eq!(large.take(10).unwrap().len(), 10);
        let small = hold(5).unwrap();
        assert!(hold(1).is_none());
        drop(small);
        drop(large);
        assert_eq!(snapshots.sending.lock().events, 0);
    }

    #[test]
    fn who_does_not_read_gives_his_back_to_others_and_who_reads_keeps_his() {
        let half = 20_000;
        let snapshots = Arc::new(Snapshots::new(2 * half));
        let [reads, stalls] = [(); 2].map(|()| snapshots.hold(Duration::ZERO, events(half)).unwrap());
        // Twenty seconds' worth.
        assert_eq!(reads.take(10_000).unwrap().len(), 10_000);
        assert!(snapshots.hold(SNAPSHOT_PATIENCE, events(half)).is_none(), "nobody is too slow yet");
        let late = SNAPSHOT_PATIENCE * 2;
        let another = snapshots.hold(late, events(half)).unwrap();
        assert!(stalls.take(1).is_none(), "taken back");
        assert_eq!(reads.take(1).unwrap().len(), 1);
        assert!(snapshots.hold(late, events(half)).is_none(), "one who reads, and a new one");
        drop((reads, stalls, another));
        assert_eq!(snapshots.sending.lock().events, 0);
    }
}
