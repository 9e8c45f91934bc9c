//! Live channels: what subscriptions of one condition share.
//!
//! A condition is matched once per new series; a batch then costs what the channels that want it cost. All subscriptions of
//! one condition read the same bounded ring, each with its own cursor: a thousand of them cost one entry, and one that does
//! not keep up is overtaken, alone, and told how much it missed.

mod channel;

pub use channel::{LiveChannel, LiveCursor, LiveEntry, LiveItem, Overtaken};

use super::constraint;
use super::ledger::Edge;
use super::series_table::{Known, SeriesTable};
use channel::StreamCounters;
use hashbrown::HashMap;
use hedgerow_model::predicate::{Constraint, PathPattern, Predicate, Reading, Window};
use hedgerow_model::{Epoch, LifeMark, Numbered, Numbers, SeriesId};
use std::sync::Arc;

/// All live channels, and which series each wants.
#[derive(Debug, Default)]
pub struct LiveChannels {
    by_condition: HashMap<String, usize>,
    channels: Vec<Option<Arc<LiveChannel>>>,
    /// At index id - 1: the channels that want the series.
    wants: Vec<Vec<u32>>,
    counters: Arc<StreamCounters>,
    /// Channels with something new since the last wake-up.
    touched: Vec<u32>,
    /// Scratch: positions of the batch in hand, per channel.
    positions: Vec<Vec<u32>>,
}

impl LiveChannels {
    /// A cursor behind everything routed so far, on the channel of this condition.
    pub fn attach(
        &mut self,
        farm: &str,
        patterns: &[PathPattern],
        constraint: Option<&Constraint>,
        table: &SeriesTable,
    ) -> LiveCursor {
        self.forget_unread();
        let condition = Predicate {
            patterns: patterns.to_vec(),
            constraint: constraint.cloned(),
            window: Window::default(),
            reading: Reading::Raw,
        };
        let text = condition.canonical();
        if let Some(Some(channel)) = self.by_condition.get(&text).map(|slot| &self.channels[*slot]) {
            return channel.cursor();
        }
        let slot = self.channels.iter().position(Option::is_none).unwrap_or_else(|| {
            self.channels.push(None);
            self.positions.push(Vec::new());
            self.channels.len() - 1
        });
        let channel = Arc::new(LiveChannel::new(condition, Arc::clone(&self.counters)));
        let cursor = channel.cursor();
        for known in table.iter() {
            self.want(farm, known, slot, &channel);
        }
        self.by_condition.insert(text, slot);
        self.channels[slot] = Some(channel);
        cursor
    }

    /// A new series: matched once, with every condition there is.
    pub fn series_added(&mut self, farm: &str, known: &Known) {
        for slot in 0..self.channels.len() {
            if let Some(channel) = self.channels[slot].clone() {
                self.want(farm, known, slot, &channel);
            }
        }
    }

    fn want(&mut self, farm: &str, known: &Known, slot: usize, channel: &LiveChannel) {
        if !channel.condition().matches(farm, &known.def.key) {
            return;
        }
        let at = known.id.0 as usize - 1;
        if self.wants.len() <= at {
            self.wants.resize(at + 1, Vec::new());
        }
        self.wants[at].push(u32::try_from(slot).unwrap_or(u32::MAX));
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
            if let Some(channel) = self.channels[slot as usize].as_ref().filter(|channel| channel.is_read()) {
                if let Some(wanted) = &channel.condition().constraint {
                    positions.retain(|at| {
                        let kind = table.get(batch.series[*at as usize]).map(|known| known.def.kind);
                        let value = batch.values.get(*at as usize);
                        kind.is_some_and(|kind| constraint::holds(wanted, kind, &value))
                    });
                }
                if !positions.is_empty() {
                    channel.push(LiveItem::Batch(select(numbered, &positions)));
                    self.touched.push(slot);
                }
            }
            positions.clear();
            self.positions[slot as usize] = positions;
        }
    }

    /// Gives a change in a series' life to the channels that want the series.
    pub fn life(&mut self, mark: &LifeMark, epoch: Epoch) {
        self.give(mark.series, &LiveItem::Life(epoch, mark.clone()));
    }

    /// Says that a series' declaration changed.
    pub fn redeclared(&mut self, series: SeriesId) {
        self.give(series, &LiveItem::Redeclared(series));
    }

    fn give(&mut self, series: SeriesId, item: &LiveItem) {
        for slot in self.wants.get(series.0 as usize - 1).into_iter().flatten() {
            if let Some(channel) = self.channels[*slot as usize].as_ref().filter(|channel| channel.is_read())
            {
                channel.push(item.clone());
                self.touched.push(*slot);
            }
        }
    }

    /// Wakes those who wait for what was given since the last time.
    pub fn wake(&mut self) {
        self.touched.sort_unstable();
        self.touched.dedup();
        for slot in self.touched.drain(..) {
            if let Some(channel) = &self.channels[slot as usize] {
                channel.wake();
            }
        }
    }

    /// How many cursors there are.
    pub fn cursors(&self) -> usize {
        self.channels.iter().flatten().map(|channel| channel.cursors()).sum()
    }

    /// The ledger of all streams together.
    pub fn edge(&self) -> Edge {
        self.counters.edge()
    }

    /// Drops channels that nobody reads any more.
    fn forget_unread(&mut self) {
        let unread: Vec<u32> = (0_u32..)
            .zip(&self.channels)
            .filter(|(_, channel)| channel.as_ref().is_some_and(|channel| !channel.is_read()))
            .map(|(slot, _)| slot)
            .collect();
        if unread.is_empty() {
            return;
        }
        self.by_condition.retain(|_, slot| !unread.contains(&u32::try_from(*slot).unwrap_or(u32::MAX)));
        self.wants.iter_mut().for_each(|slots| slots.retain(|slot| !unread.contains(slot)));
        self.touched.retain(|slot| !unread.contains(slot));
        unread.iter().for_each(|slot| self.channels[*slot as usize] = None);
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
