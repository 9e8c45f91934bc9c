//! Live channels: what subscriptions of one condition share.
//!
//! A condition is matched once per new series; a batch then costs what the channels that want it cost. All subscriptions of
//! one condition read the same bounded ring, each with its own cursor: a thousand of them cost one entry, and one that does
//! not keep up is overtaken, alone, and told how much it missed.

mod channel;

mod pieces;

pub use channel::{LiveChannel, LiveCursor, LiveEntry, LiveItem, Overtaken};
pub use pieces::{PIECE_BYTES, PIECE_SAMPLES, pieces};

use super::ledger::Edge;
use super::series_table::{Known, SeriesTable};
use channel::StreamCounters;
use hashbrown::HashMap;
use hedgerow_model::predicate::{Constraint, PathPattern, Predicate, Reading, Window, holds};
use hedgerow_model::{Epoch, LifeMark, Numbered, Numbers, SeriesId};
use std::sync::Arc;

/// A live channel in the table.
#[derive(Debug)]
enum Slot {
    /// To be used again.
    Free,
    /// Its series are being found; nobody reads it yet.
    Building(Arc<LiveChannel>),
    /// Read.
    Open(Arc<LiveChannel>),
    /// Nobody reads it any more; these series still name it.
    Leaving(Vec<SeriesId>),
}

impl Slot {
    fn channel(&self) -> Option<&Arc<LiveChannel>> {
        match self {
            Self::Building(channel) | Self::Open(channel) => Some(channel),
            Self::Free | Self::Leaving(_) => None,
        }
    }

    fn read(&self) -> Option<&Arc<LiveChannel>> {
        self.channel().filter(|channel| channel.is_read())
    }
}

/// All live channels, and which series each wants.
#[derive(Debug, Default)]
pub struct LiveChannels {
    by_condition: HashMap<String, usize>,
    slots: Vec<Slot>,
    /// At index id - 1: the slots of the channels that want the series.
    wants: Vec<Vec<u32>>,
    counters: Arc<StreamCounters>,
    /// Channels with something new since they were last taken to be woken.
    touched: Vec<u32>,
    /// Scratch: positions of the batch in hand, per slot.
    positions: Vec<Vec<u32>>,
}

impl LiveChannels {
    /// The open channel of a condition, by its canonical text.
    pub fn of(&self, text: &str) -> Option<&Arc<LiveChannel>> {
        self.by_condition.get(text).and_then(|slot| self.slots[*slot].channel())
    }

    /// Makes a channel that nobody reads yet. From now on it hears of new series; those there are already are told by
    /// [`want`](Self::want), a slice at a time, so that nobody waits for the matching of a million.
    pub fn reserve(&mut self, farm: &str, condition: Predicate) -> usize {
        let slot = self.slots.iter().position(|slot| matches!(slot, Slot::Free)).unwrap_or_else(|| {
            self.slots.push(Slot::Free);
            self.positions.push(Vec::new());
            self.slots.len() - 1
        });
        let channel = LiveChannel::new(farm, condition, Arc::clone(&self.counters));
        self.slots[slot] = Slot::Building(Arc::new(channel));
        slot
    }

    /// These series match the condition of the channel in `slot`.
    pub fn want(&mut self, slot: usize, series: &[SeriesId]) {
        let Some(channel) = self.slots[slot].channel() else { return };
        channel.add_series(series);
        let name = u32::try_from(slot).unwrap_or(u32::MAX);
        for id in series {
            let at = id.0 as usize - 1;
            if self.wants.len() <= at {
                self.wants.resize(at + 1, Vec::new());
            }
            self.wants[at].push(name);
        }
    }

    /// A cursor behind everything routed so far, on the channel whose series are all told now. Where another subscription
    /// of the same condition was faster, on its channel.
    pub fn open(&mut self, slot: usize, text: String) -> LiveCursor {
        if let Some(other) = self.of(&text) {
            let cursor = other.cursor();
            self.leave(slot);
            return cursor;
        }
        let Slot::Building(channel) = std::mem::replace(&mut self.slots[slot], Slot::Free) else {
            unreachable!("invariant: only who reserved a slot opens it, once")
        };
        channel.sort_series();
        let cursor = channel.cursor();
        self.slots[slot] = Slot::Open(channel);
        self.by_condition.insert(text, slot);
        cursor
    }

    /// A new series: matched once, with every condition there is.
    pub fn series_added(&mut self, farm: &str, known: &Known) {
        for slot in 0..self.slots.len() {
            if self.slots[slot].channel().is_some_and(|channel| channel.wants(farm, &known.def.key)) {
                self.want(slot, &[known.id]);
            }
        }
    }

    /// Gives a batch in normal form to the channels that want any of it.
    pub fn route(&mut self, numbered: &Arc<Numbered>, table: &SeriesTable) {
        let batch = &numbered.batch;
        let mut slots: Vec<u32> = Vec::new();
        for (position, id) in (0_u32..).zip(&batch.series) {
            for slot in self.wants.get(id.0 as usize - 1).into_iter().flatten() {
                let positions = &mut self.positions[*slot as usize];
                if positions.is_empty() {
                    slots.push(*slot);
                }
                positions.push(position);
            }
        }
        for slot in slots {
            let mut positions = std::mem::take(&mut self.positions[slot as usize]);
            if let Some(channel) = self.slots[slot as usize].read() {
                if let Some(wanted) = &channel.condition().constraint {
                    positions.retain(|at| {
                        let value = batch.values.get(*at as usize);
                        let known = table.get(batch.series[*at as usize]);
                        known.is_some_and(|known| holds(wanted, known.def.kind, &known.with_text(value)))
                    });
                }
                if !positions.is_empty() {
                    for piece in pieces(select(numbered, &positions)) {
                        channel.push(LiveItem::Batch(piece));
                    }
                    self.touched.push(slot);
                }
            }
            positions.clear();
            self.positions[slot as usize] = positions;
        }
    }

    /// Gives a change in a series' life to the channels that want the series.
    pub fn life(&mut self, mark: LifeMark, epoch: Epoch, id: i64) {
        self.give(mark.series, &LiveItem::Life { epoch, mark, id });
    }

    /// Says that a series' declaration changed.
    pub fn redeclared(&mut self, series: SeriesId) {
        self.give(series, &LiveItem::Redeclared(series));
    }

    fn give(&mut self, series: SeriesId, item: &LiveItem) {
        for slot in self.wants.get(series.0 as usize - 1).into_iter().flatten() {
            if let Some(channel) = self.slots[*slot as usize].read() {
                channel.push(item.clone());
                self.touched.push(*slot);
            }
        }
    }

    /// The channels with something new since the last time; to be woken once the hub's lock is free.
    pub fn take_touched(&mut self) -> Vec<Arc<LiveChannel>> {
        self.touched.sort_unstable();
        self.touched.dedup();
        self.touched.drain(..).filter_map(|slot| self.slots[slot as usize].channel().cloned()).collect()
    }

    /// How many cursors there are.
    pub fn cursors(&self) -> usize {
        self.slots.iter().filter_map(Slot::channel).map(|channel| channel.cursors()).sum()
    }

    /// The ledger of all streams together.
    pub fn edge(&self) -> Edge {
        self.counters.edge()
    }

    /// Forgets channels that nobody reads any more, taking at most about `most` series' words back; says whether that
    /// was all.
    pub fn forget_unread(&mut self, most: usize) -> bool {
        let unread = |slot: &Slot| matches!(slot, Slot::Open(channel) if !channel.is_read());
        let gone: Vec<usize> = (0..self.slots.len()).filter(|slot| unread(&self.slots[*slot])).collect();
        if !gone.is_empty() {
            self.by_condition.retain(|_, slot| !gone.contains(slot));
            gone.into_iter().for_each(|slot| self.leave(slot));
        }
        let mut left = most;
        for (name, slot) in (0_u32..).zip(&mut self.slots) {
            let Slot::Leaving(series) = slot else { continue };
            let kept = series.len().saturating_sub(left);
            left -= series.len() - kept;
            for id in series.drain(kept..) {
                if let Some(slots) = self.wants.get_mut(id.0 as usize - 1) {
                    slots.retain(|slot| *slot != name);
                }
            }
            if series.is_empty() {
                *slot = Slot::Free;
            } else {
                return false;
            }
        }
        true
    }

    fn leave(&mut self, slot: usize) {
        if let Some(channel) = std::mem::replace(&mut self.slots[slot], Slot::Free).channel() {
            self.slots[slot] = Slot::Leaving(channel.series());
        }
    }
}

/// The condition of a live channel: patterns and constraint, no window.
pub fn condition(patterns: &[PathPattern], constraint: Option<&Constraint>) -> Predicate {
    Predicate {
        patterns: patterns.to_vec(),
        constraint: constraint.cloned(),
        window: Window::default(),
        reading: Reading::Raw,
    }
}

/// The samples at `positions`, with their numbers; the batch itself where that is all of them.
fn select(numbered: &Arc<Numbered>, positions: &[u32]) -> Arc<Numbered> {
    if positions.len() == numbered.batch.len() {
        return Arc::clone(numbered);
    }
    let numbers = positions.iter().filter_map(|at| numbered.numbers.at(*at as usize)).collect();
    Arc::new(Numbered {
        epoch: numbered.epoch,
        numbers: Numbers::Each(numbers),
        batch: numbered.batch.select(positions),
    })
}
