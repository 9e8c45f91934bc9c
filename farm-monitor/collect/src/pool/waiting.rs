//! Who waits for a slot: by lane and module, collectors taking turns, each in order. Only queues, no bounds: a target
//! waits at most once, so there are never more entries than targets.

use super::Lane;
use crate::schedule::TargetKey;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Waiting {
    queues: BTreeMap<(Lane, Arc<str>), Queue>,
    /// The stamps of the next turn asked for, and of the next one given back.
    stamps: (i64, i64),
}

#[derive(Debug, Default)]
struct Queue {
    len: usize,
    /// The collectors that have somebody waiting, with the stamp of when their turn was asked for.
    turns: VecDeque<(i64, u32)>,
    collectors: HashMap<u32, VecDeque<TargetKey>>,
}

impl Waiting {
    /// How many wait, by lane and module, where any do.
    pub fn counts(&self) -> impl Iterator<Item = (Lane, &Arc<str>, usize)> {
        self.queues.iter().map(|((lane, module), queue)| (*lane, module, queue.len))
    }

    pub fn push_back(&mut self, lane: Lane, module: &Arc<str>, collector: u32, key: TargetKey) {
        self.stamps.0 += 1;
        let turn = (self.stamps.0, collector);
        let queue = self.queue(lane, module);
        let entries = queue.collectors.entry(collector).or_default();
        if entries.is_empty() {
            queue.turns.push_back(turn);
        }
        entries.push_back(key);
    }

    /// Takes back one that was popped for nothing: it comes first, and so does its collector's turn.
    pub fn push_front(&mut self, lane: Lane, module: &Arc<str>, collector: u32, key: TargetKey) {
        self.stamps.1 -= 1;
        let turn = (self.stamps.1, collector);
        let queue = self.queue(lane, module);
        let entries = queue.collectors.entry(collector).or_default();
        if entries.is_empty() {
            queue.turns.push_front(turn);
        }
        entries.push_front(key);
    }

    /// The next of a lane, of the collector that waits longest for its turn among the modules that admit one.
    pub fn pop(&mut self, lane: Lane, admits: impl Fn(&str) -> bool) -> Option<TargetKey> {
        let of_lane = self.queues.iter_mut().filter(|((at, name), _)| *at == lane && admits(name));
        let (slot, queue) = of_lane.min_by_key(|(_, queue)| queue.turns.front().map(|turn| turn.0))?;
        let (_, collector) = queue.turns.pop_front()?;
        let entries = queue.collectors.get_mut(&collector)?;
        let key = entries.pop_front()?;
        if entries.is_empty() {
            queue.collectors.remove(&collector);
        } else {
            self.stamps.0 += 1;
            queue.turns.push_back((self.stamps.0, collector));
        }
        queue.len -= 1;
        if queue.len == 0 {
            let slot = slot.clone();
            self.queues.remove(&slot);
        }
        Some(key)
    }

    pub fn remove(&mut self, lane: Lane, module: &Arc<str>, collector: u32, key: TargetKey) {
        let slot = (lane, module.clone());
        let Some(queue) = self.queues.get_mut(&slot) else { return };
        let Some(entries) = queue.collectors.get_mut(&collector) else { return };
        let Some(at) = entries.iter().position(|other| *other == key) else { return };
        entries.remove(at);
        if entries.is_empty() {
            queue.collectors.remove(&collector);
            queue.turns.retain(|(_, other)| *other != collector);
        }
        queue.len -= 1;
        if queue.len == 0 {
            self.queues.remove(&slot);
        }
    }

    /// The queue of a lane and module, to which the caller adds exactly one entry.
    fn queue(&mut self, lane: Lane, module: &Arc<str>) -> &mut Queue {
        let queue = self.queues.entry((lane, module.clone())).or_default();
        queue.len += 1;
        queue
    }
}
