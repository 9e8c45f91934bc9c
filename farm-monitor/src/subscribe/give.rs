//! What a feed says: samples as the predicate wants them, each behind its series; changes of life; gaps; progress.

use super::feed::{Feed, Stop};
use super::outbox::progress;
use crate::hub::{holds, pieces};
use hedgerow_model::{Epoch, Gap, GapScope, Kind, Life, LifeMark, Numbered, Numbers, Position, SeriesId};
use hedgerow_proto::convert::{batch, series};
use hedgerow_proto::farm::{LifeChange, item};
use hedgerow_proto::stream::encode;
use std::sync::Arc;

/// Series looked at in one hold of the hub's lock.
const LIVES: usize = 1024;

impl Feed {
    /// Gives samples as they came from the cache or the channel, as the predicate wants them. `history` says whether they lie
    /// before the watermark.
    pub(super) async fn give(&mut self, mut numbered: Numbered, history: bool) -> Result<(), Stop> {
        if !self.plan.is_raw() {
            self.seed(&numbered).await?;
            let counters: Vec<SeriesId> = self.counters(&numbered);
            let reading = self.plan.predicate.reading;
            numbered = self.rates.apply(&numbered, reading, |id| counters.binary_search(&id).is_ok());
        }
        if self.plan.predicate.constraint.is_some() {
            self.learn(&numbered.batch.series);
            numbered = Arc::unwrap_or_clone(self.texts.fill(&self.hub, Arc::new(numbered), true));
        }
        let wanted = self.wanted(&numbered, history);
        if wanted.is_empty() {
            return Ok(());
        }
        if wanted.len() < numbered.batch.len() {
            let numbers = wanted.iter().filter_map(|at| numbered.numbers.at(*at as usize)).collect();
            numbered = Numbered {
                epoch: numbered.epoch,
                numbers: Numbers::Each(numbers),
                batch: numbered.batch.select(&wanted),
            };
        }
        self.name(numbered.epoch);
        for piece in pieces(Arc::new(numbered)) {
            self.tell(&piece.batch.series).await?;
            let piece = self.texts.fill(&self.hub, piece, false);
            self.out.samples += piece.batch.len() as u64;
            self.out.item(item::Item::Batch(batch::to_wire(&piece)));
            if !history {
                self.heard(&piece.batch.series);
            }
            self.out.send_if_full().await?;
        }
        Ok(())
    }

    /// Names an epoch before its samples; the running one is named by `opened`.
    fn name(&mut self, epoch: Epoch) {
        if epoch != self.named && epoch != self.plan.admitted.epoch {
            self.named = epoch;
            self.out.item(item::Item::Epoch(series::epoch_to_wire(epoch)));
        }
    }

    /// Positions of the samples that lie in the window and satisfy the constraint.
    fn wanted(&self, numbered: &Numbered, history: bool) -> Vec<u32> {
        let batch = &numbered.batch;
        let in_time = |at: &u32| self.plan.wants_time(history, batch.times.at(*at as usize));
        let Some(constraint) = &self.plan.predicate.constraint else {
            return (0_u32..).take(batch.len()).filter(in_time).collect();
        };
        let holds = |id: SeriesId, value| holds(constraint, self.kind_of(id), &value);
        (0_u32..)
            .zip(batch.values.iter())
            .filter(|(at, _)| in_time(at))
            .filter_map(|(at, value)| holds(batch.series[at as usize], value).then_some(at))
            .collect()
    }

    /// Tells of series before their samples.
    pub(super) async fn tell(&mut self, ids: &[SeriesId]) -> Result<(), Stop> {
        for (id, kind, item) in self.announced.tell(&self.hub, ids) {
            if kind == Kind::State {
                self.texts.expect(id);
            }
            self.out.encoded(encode(&item));
            self.out.send_if_full().await?;
        }
        Ok(())
    }

    /// Tells of a change in a series' life.
    pub(super) async fn life(&mut self, mark: &LifeMark) -> Result<(), Stop> {
        self.tell(&[mark.series]).await?;
        match mark.life {
            Life::Live => drop(self.lives.remove(&mark.series)),
            life => drop(self.lives.insert(mark.series, life)),
        }
        self.out.item(item::Item::Life(LifeChange {
            series: mark.series.0,
            life: mark.life as i32,
            time: mark.time,
            reason: mark.reason.to_string(),
        }));
        Ok(self.out.send_if_full().await?)
    }

    /// Live samples of series that were told not to be live: they are. The hub's own mark may not come: of what it knows from
    /// an earlier run it tells nothing twice.
    pub(super) fn heard(&mut self, ids: &[SeriesId]) {
        if self.lives.is_empty() {
            return;
        }
        for id in ids {
            if self.lives.remove(id).is_some() {
                self.out.item(item::Item::Life(LifeChange {
                    series: id.0,
                    life: Life::Live as i32,
                    time: self.hub.now(),
                    reason: String::new(),
                }));
            }
        }
    }

    /// Tells of the lives of series that this stream knows, where they are not what was told: behind history, which has only
    /// what lies in the window, and behind what a slow reader was not given.
    pub(super) async fn tell_lives(&mut self) -> Result<(), Stop> {
        for ids in self.announced.told().chunks(LIVES) {
            for known in self.hub.known(ids) {
                let (life, told) =
                    (known.told_life(), self.lives.get(&known.id).copied().unwrap_or(Life::Live));
                if life != told {
                    let (series, time, reason) = (known.id, known.heard, Arc::clone(&known.life_reason));
                    self.life(&LifeMark { series, life, time, after: 0, reason }).await?;
                }
            }
        }
        Ok(())
    }

    /// Tells of gaps, each once.
    pub(super) async fn gaps(&mut self, gaps: Vec<Gap>) -> Result<(), Stop> {
        for gap in gaps {
            let is_past = gap.to.is_none() && self.past.contains(&gap.epoch);
            if is_past || self.gaps_told.contains(&gap) {
                continue;
            }
            if let GapScope::Series(id) = gap.scope {
                self.tell(&[id]).await?;
            }
            self.out.item(item::Item::Gap(series::gap_to_wire(&gap)));
            self.gaps_told.push(gap);
        }
        Ok(())
    }

    /// Goes on in the chain of progress: all up to `number` of `epoch` is said.
    pub(super) fn progress(&mut self, epoch: Epoch, number: u64, epoch_ended: bool) {
        let after = if self.position.epoch == epoch { self.position.number } else { 0 };
        self.position = Position { epoch, number: number.max(after) };
        let token = self.plan.token(self.position).encode();
        self.out.item(progress(after, self.position, epoch_ended, token));
    }
}
