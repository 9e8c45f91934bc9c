//! The samples before the first ones of counters: looked up in the cache, so that a rate begins with the window.

use super::feed::{Ask, Feed, READ_SAMPLES, Stop};
use hashbrown::HashMap;
use hedgerow_model::{Kind, Numbered, SeriesId, UnixMillis};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// How far back the sample before a counter's first one is looked for: so many of its intervals …
const LOOK_BACK_INTERVALS: u32 = 10;
/// … and never further than this.
const LOOK_BACK: Range<Duration> = Duration::from_secs(60)..Duration::from_secs(3600);

impl Feed {
    /// Asks the hub for the kinds of series that were not asked for yet, all in one look.
    pub(super) fn learn(&mut self, ids: &[SeriesId]) {
        let mut last = None;
        let unknown = |id: &&SeriesId| last.replace(**id) != Some(**id) && !self.kinds.contains_key(*id);
        let unknown: Vec<SeriesId> = ids.iter().filter(unknown).copied().collect();
        if unknown.is_empty() {
            return;
        }
        for (id, def) in self.hub.declared(&unknown).0 {
            let interval = def.interval.unwrap_or_default();
            let look_back =
                interval.saturating_mul(LOOK_BACK_INTERVALS).clamp(LOOK_BACK.start, LOOK_BACK.end);
            self.kinds.insert(id, (def.kind, look_back));
            if def.kind == Kind::State {
                self.texts.expect(id);
            }
        }
    }

    /// The kind of a series that was learnt.
    pub(super) fn kind_of(&self, id: SeriesId) -> Kind {
        self.kinds.get(&id).map_or(Kind::Gauge, |(kind, _)| *kind)
    }

    /// The counters among the series of a batch, ascending.
    pub(super) fn counters(&mut self, numbered: &Numbered) -> Vec<SeriesId> {
        let mut ids = numbered.batch.series.clone();
        ids.sort_unstable();
        ids.dedup();
        self.learn(&ids);
        ids.retain(|id| self.kind_of(*id) == Kind::Counter);
        ids
    }

    /// Looks up the samples before the first ones of counters that were not seen yet.
    pub(super) async fn seed(&mut self, numbered: &Numbered) -> Result<(), Stop> {
        let mut missing = self.counters(numbered);
        missing.retain(|id| !self.rates.knows(*id));
        if missing.is_empty() {
            return Ok(());
        }
        // The number and the time of each one's first sample here, by how far to look back.
        let mut wanted: BTreeMap<Duration, HashMap<SeriesId, (u64, UnixMillis)>> = BTreeMap::new();
        for (at, (id, time, _)) in numbered.batch.iter().enumerate() {
            if missing.binary_search(&id).is_ok() {
                let back = self.kinds.get(&id).map_or(LOOK_BACK.start, |(_, back)| *back);
                let number = numbered.numbers.at(at).unwrap_or(1);
                wanted.entry(back).or_default().entry(id).or_insert((number, time));
            }
        }
        for (back, first) in wanted {
            self.seed_from(numbered, back, first).await?;
        }
        Ok(())
    }

    async fn seed_from(
        &mut self,
        numbered: &Numbered,
        back: Duration,
        mut first: HashMap<SeriesId, (u64, UnixMillis)>,
    ) -> Result<(), Stop> {
        let times = first.values().map(|(_, time)| *time);
        let (oldest, newest) = (times.clone().min().unwrap_or_default(), times.max().unwrap_or_default());
        let oldest = oldest.saturating_sub_unsigned(u64::try_from(back.as_millis()).unwrap_or(u64::MAX));
        let last = first.values().map(|(number, _)| *number).max().unwrap_or_default();
        let reader = self.reader.clone();
        let epochs = self.blocking(move || reader.epochs()).await?;
        for info in epochs.into_iter().rev().filter(|info| info.epoch <= numbered.epoch) {
            let here = info.epoch == numbered.epoch;
            let mut ask = Ask {
                series: first.keys().copied().collect(),
                epoch: info.epoch,
                after: 0,
                through: if here { last.saturating_sub(1) } else { info.last },
                times: Some(oldest..newest),
                max_samples: READ_SAMPLES,
            };
            while ask.after < ask.through {
                let answer = self.read(ask.clone()).await?;
                for earlier in &answer.batches {
                    for (at, (id, time, value)) in earlier.batch.iter().enumerate() {
                        let number = earlier.numbers.at(at).unwrap_or(u64::MAX);
                        let before = first.get(&id).is_some_and(|(n, t)| time < *t && (!here || number < *n));
                        if before {
                            self.rates.seed(id, time, &value);
                        }
                    }
                }
                if answer.through <= ask.after {
                    break;
                }
                ask.after = answer.through;
            }
            first.retain(|id, _| !self.rates.knows(*id));
            if first.is_empty() || info.opened < oldest {
                break;
            }
        }
        Ok(())
    }
}
