//! What the items of a subscription mean: what is new and what came twice, whether the chain of progress holds, what is
//! to be fetched. Items come in, updates go out; it never waits and never calls.

use super::decode::{Book, Decoder};
use super::skipped::Skipped;
use super::update::{Counters, Update};
use crate::error::ClientError;
use crate::sample::{BinSet, Samples};
use bytes::Bytes;
use hedgerow_model::predicate::{Aggregate, When};
use hedgerow_model::registration::Id;
use hedgerow_model::{GapScope, NumberRange, Numbered, Position, Predicate};
use hedgerow_proto::farm::item::Item as Told;
use hedgerow_proto::farm::{Bins, End, Lagged, LifeChange, Opened, Progress};
use hedgerow_proto::{WireError, common, convert};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Whether there is more to come.
#[derive(Debug)]
pub(super) enum Flow {
    On,
    Ended(End),
}

#[derive(Debug)]
pub(super) struct Tracker {
    name: Arc<str>,
    farm: Option<Id>,
    /// Whether one begun again gives all that the first would have: its history begins at a fixed time.
    history: bool,
    /// Whether numbers say what is missing; bins have none.
    numbered: bool,
    back_fill: bool,
    counters: Arc<Counters>,
    book: Book,
    stream: Decoder,
    fetch: Decoder,
    /// Whether progress has to join: not between the number ranges of a query.
    chained: bool,
    chain: Option<Link>,
    token: Option<Bytes>,
    /// The seam of the first connection, until there is a token.
    seam: Option<Position>,
    skipped: Skipped,
}

/// The end of the chain of progress.
#[derive(Debug, Clone, Copy)]
struct Link {
    at: Position,
    /// The epoch has no numbers beyond.
    ended: bool,
}

impl Tracker {
    pub(super) fn new(
        name: Arc<str>,
        farm: Option<Id>,
        predicate: &Predicate,
        back_fill: bool,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            name,
            farm,
            history: matches!(predicate.window.since, Some(When::At(_))),
            numbered: predicate.window.every.is_none(),
            back_fill,
            counters,
            book: Book::default(),
            stream: Decoder::default(),
            fetch: Decoder::default(),
            chained: true,
            chain: None,
            token: None,
            seam: None,
            skipped: Skipped::default(),
        }
    }

    /// For answers of several ranges, between which nothing is missing.
    pub(super) fn unchained(mut self) -> Self {
        self.chained = false;
        self
    }

    /// Resumes behind all progress so far.
    pub(super) fn token(&self) -> Option<&Bytes> {
        self.token.as_ref()
    }

    /// The farm refuses the token it gave (its cache was set aside): begins anew. `false`: there was none.
    pub(super) fn forget_token(&mut self) -> bool {
        self.history = false;
        self.token.take().is_some()
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What to say when the farm has gone for good.
    pub(super) fn gone(&self) -> ClientError {
        ClientError::FarmGone(self.name.to_string())
    }

    /// A new stream begins.
    pub(super) fn reopened(&mut self) {
        self.stream = Decoder::default();
        self.book.reopened();
        self.skipped.interrupted();
    }

    /// Takes an item of the live stream.
    pub(super) fn item(
        &mut self,
        item: Option<Told>,
        at: &str,
        out: &mut VecDeque<Update>,
    ) -> Result<Flow, ClientError> {
        let wire = |error| ClientError::Wire { at: at.to_owned(), error };
        match item {
            Some(Told::Opened(opened)) => self.opened(&opened, at, out)?,
            Some(Told::Batch(batch)) => self.samples(batch, out).map_err(wire)?,
            Some(Told::Progress(progress)) => self.progress(progress, out).map_err(wire)?,
            Some(Told::Lagged(lagged)) => self.lagged(&lagged, out).map_err(wire)?,
            Some(Told::Bins(bins)) => self.bins(bins, out).map_err(wire)?,
            Some(Told::Life(life)) => self.life(&life, out).map_err(wire)?,
            Some(Told::Series(series)) => {
                let new = self.stream.series(series, &mut self.book).map_err(wire)?;
                out.extend(new.map(|(id, def)| Update::Series { id, def }));
            }
            Some(Told::Gap(gap)) => {
                let gap = gap_of(gap, &mut self.stream).map_err(wire)?;
                // A crash ends its epoch, at a number nobody knows.
                if let Some(link) = self.chain.as_mut().filter(|link| link.at.epoch == gap.epoch) {
                    link.ended |= gap.to.is_none();
                }
                out.push_back(Update::Gap { gap, late: false });
            }
            Some(Told::Epoch(epoch)) => drop(self.stream.epoch(Some(epoch)).map_err(wire)?),
            Some(Told::Alarm(alarm)) => out.push_back(Update::Alarm(Box::new(alarm))),
            Some(Told::End(end)) => return Ok(Flow::Ended(end)),
            // Of a later version; progress says whether anything was missed.
            None => {}
        }
        Ok(Flow::On)
    }

    /// Takes an item of the answer to [`Tracker::begin_fetch`].
    pub(super) fn late_item(
        &mut self,
        item: Option<Told>,
        at: &str,
        out: &mut VecDeque<Update>,
    ) -> Result<Flow, ClientError> {
        let wire = |error| ClientError::Wire { at: at.to_owned(), error };
        match item {
            Some(Told::Opened(opened)) => {
                self.check_farm(&opened, at)?;
                self.fetch.epoch(opened.epoch).map_err(wire)?;
            }
            Some(Told::Series(series)) => {
                let new = self.fetch.series(series, &mut self.book).map_err(wire)?;
                out.extend(new.map(|(id, def)| Update::Series { id, def }));
            }
            Some(Told::Batch(batch)) => {
                let numbered = self.fetch.batch(batch).map_err(wire)?;
                let skipped = &mut self.skipped;
                let (kept, _) = keep(numbered, |id, position| skipped.is_new(id, position));
                if let Some(numbered) = kept {
                    self.counters.late(numbered.batch.len());
                    out.push_back(self.given(numbered, true));
                }
            }
            Some(Told::Gap(gap)) => {
                let gap = gap_of(gap, &mut self.fetch).map_err(wire)?;
                out.push_back(Update::Gap { gap, late: true });
            }
            Some(Told::Progress(progress)) => drop(self.fetch.epoch(progress.epoch).map_err(wire)?),
            Some(Told::Epoch(epoch)) => drop(self.fetch.epoch(Some(epoch)).map_err(wire)?),
            Some(Told::End(end)) => return Ok(Flow::Ended(end)),
            Some(Told::Lagged(_) | Told::Life(_) | Told::Bins(_) | Told::Alarm(_)) | None => {}
        }
        Ok(Flow::On)
    }

    /// The range to fetch now, if any.
    pub(super) fn begin_fetch(&mut self) -> Option<NumberRange> {
        let range = self.skipped.begin()?;
        self.fetch = Decoder::default();
        self.fetch.name(range.epoch);
        Some(range)
    }

    /// The range has been fetched, or is given up.
    pub(super) fn fetched(&mut self, error: Option<ClientError>, out: &mut VecDeque<Update>) {
        if error.is_some() {
            self.counters.not_fetched();
        }
        let range = self.skipped.done(error.is_some());
        out.extend(range.map(|range| Update::BackFilled { range, error }));
    }

    fn check_farm(&self, opened: &Opened, at: &str) -> Result<(), ClientError> {
        match (self.farm, Id::from_slice(&opened.farm_id)) {
            (Some(expected), Some(found)) if expected != found => {
                Err(ClientError::OtherFarm { at: at.to_owned(), found, expected })
            }
            _ => Ok(()),
        }
    }

    fn opened(&mut self, opened: &Opened, at: &str, out: &mut VecDeque<Update>) -> Result<(), ClientError> {
        self.check_farm(opened, at)?;
        let wire = |error| ClientError::Wire { at: at.to_owned(), error };
        let epoch = self.stream.epoch(opened.epoch).map_err(wire)?;
        let watermark = Position { epoch, number: opened.watermark };
        out.push_back(Update::Opened {
            watermark,
            since: opened.since_ms,
            until: opened.until_ms,
            resumed: opened.resumed,
            now: opened.now_ms,
        });
        if opened.resumed {
            return Ok(());
        }
        // It begins anew. What lies between the old end and the new seam is sent only where there is history.
        let end = self.chain.take().map(|link| link.at).or(self.seam);
        self.seam = Some(watermark);
        match end {
            Some(end) if !self.history && end < watermark => {
                if end.epoch == epoch && self.numbered {
                    let range = NumberRange { epoch, after: end.number, through: watermark.number };
                    self.skip(range, None, out);
                } else {
                    out.push_back(Update::Broken { from: end, to: watermark });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn samples(&mut self, wire: common::Batch, out: &mut VecDeque<Update>) -> Result<(), WireError> {
        let numbered = self.stream.batch(wire)?;
        let (book, skipped) = (&mut self.book, &self.skipped);
        let plain = skipped.owes_nothing();
        let (kept, dropped) = keep(numbered, |id, position| {
            let Some(given) = book.given(id) else { return true };
            if given.before >= Some(position) || (!plain && skipped.owes(position)) {
                return false;
            }
            given.last = given.last.max(Some(position));
            true
        });
        self.counters.duplicates(dropped);
        if let Some(numbered) = kept {
            out.push_back(self.given(numbered, false));
        }
        Ok(())
    }

    fn given(&self, numbered: Numbered, late: bool) -> Update {
        Update::Samples(Samples {
            farm: Arc::clone(&self.name),
            numbered,
            series: self.book.table.clone(),
            late,
        })
    }

    fn progress(&mut self, wire: Progress, out: &mut VecDeque<Update>) -> Result<(), WireError> {
        let epoch = self.stream.epoch(wire.epoch)?;
        let (after, through) = (wire.after, wire.through);
        if after > through {
            let problem = format!("after {after} lies behind through {through}");
            return Err(WireError::new("progress", problem));
        }
        if let Some(link) = self.chain.filter(|_| self.chained) {
            let joins = if link.at.epoch == epoch {
                after <= link.at.number
            } else {
                link.ended && link.at.epoch < epoch && after == 0
            };
            if !joins {
                let to = Position { epoch, number: after };
                out.push_back(Update::Broken { from: link.at, to });
            }
        }
        let at = Position { epoch, number: through };
        self.chain = Some(Link { at, ended: wire.epoch_ended });
        self.skipped.progressed(at);
        if !wire.token.is_empty() {
            self.token = Some(wire.token.clone());
        }
        out.push_back(Update::Progress { epoch, after, through, token: wire.token });
        Ok(())
    }

    fn lagged(&mut self, wire: &Lagged, out: &mut VecDeque<Update>) -> Result<(), WireError> {
        let epoch = self.stream.epoch(wire.epoch)?;
        if wire.after > wire.through {
            return Err(WireError::new("lagged", "its range runs backwards"));
        }
        let range = NumberRange { epoch, after: wire.after, through: wire.through };
        self.skip(range, Some(wire.count), out);
        Ok(())
    }

    fn skip(&mut self, range: NumberRange, count: Option<u64>, out: &mut VecDeque<Update>) {
        self.counters.lagged();
        let wanted = self.back_fill && self.numbered;
        let fetching = wanted && self.skipped.take(range, self.book.given_before()).is_some();
        if !fetching {
            self.counters.not_fetched();
        }
        out.push_back(Update::Lagged { range, count, fetching });
    }

    fn bins(&mut self, wire: Bins, out: &mut VecDeque<Update>) -> Result<(), WireError> {
        let mut columns = Vec::new();
        for column in wire.columns {
            let aggregate = match column.aggregate {
                1 => Aggregate::Last,
                2 => Aggregate::Mean,
                3 => Aggregate::Min,
                4 => Aggregate::Max,
                5 => Aggregate::Count,
                other => {
                    return Err(WireError::new("bins.aggregate", format!("{other}: none of this version")));
                }
            };
            let values = convert::batch::columns_from_wire(column.values.unwrap_or_default())?;
            if values.len() != wire.series.len() {
                let problem = format!("{} values for {} series", values.len(), wire.series.len());
                return Err(WireError::new("bins.columns", problem));
            }
            columns.push((aggregate, values));
        }
        let (mut series, mut kept) = (Vec::new(), Vec::new());
        for (at, farms) in (0_u32..).zip(&wire.series) {
            let id = self.stream.id(*farms)?;
            let Some(given) = self.book.given(id) else { continue };
            // A series' bins come in order: what is not behind the last one came before.
            if given.bin.is_none_or(|last| last < wire.start) {
                given.bin = Some(wire.start);
                series.push(id);
                kept.push(at);
            }
        }
        self.counters.duplicates(wire.series.len() - kept.len());
        if kept.len() < wire.series.len() {
            columns.iter_mut().for_each(|(_, values)| *values = values.select(&kept));
        }
        if !series.is_empty() || wire.late > 0 {
            out.push_back(Update::Bins(BinSet {
                farm: Arc::clone(&self.name),
                start: wire.start,
                width: Duration::from_millis(wire.width_ms),
                series,
                columns,
                late: wire.late,
                table: self.book.table.clone(),
            }));
        }
        Ok(())
    }

    fn life(&mut self, wire: &LifeChange, out: &mut VecDeque<Update>) -> Result<(), WireError> {
        let id = self.stream.id(wire.series)?;
        let life = convert::series::life_from_wire(wire.life);
        if let Some(def) = self.book.table.get(id) {
            out.push_back(Update::Life {
                id,
                def,
                life,
                time: wire.time,
                reason: wire.reason.as_str().into(),
            });
        }
        Ok(())
    }
}

/// A gap, with the subscription's id where it is about one series.
fn gap_of(wire: common::Gap, stream: &mut Decoder) -> Result<hedgerow_model::Gap, WireError> {
    let mut gap = convert::series::gap_from_wire(wire)?;
    stream.name(gap.epoch);
    if let GapScope::Series(farms) = gap.scope {
        gap.scope = GapScope::Series(stream.id(farms.0)?);
    }
    Ok(gap)
}

/// The samples that are wanted, if any, and how many are not. Those without numbers are never known to be doubles.
fn keep(
    mut numbered: Numbered,
    mut wanted: impl FnMut(hedgerow_model::SeriesId, Position) -> bool,
) -> (Option<Numbered>, usize) {
    let count = numbered.batch.len();
    let mut kept = Vec::with_capacity(count);
    for (at, id) in (0_u32..).zip(&numbered.batch.series) {
        let number = numbered.numbers.at(at as usize);
        if number.is_none_or(|number| wanted(*id, Position { epoch: numbered.epoch, number })) {
            kept.push(at);
        }
    }
    let dropped = count - kept.len();
    if dropped > 0 {
        let number = |at: &u32| numbered.numbers.at(*at as usize);
        numbered.numbers = hedgerow_model::Numbers::Each(kept.iter().filter_map(number).collect());
        numbered.batch = numbered.batch.select(&kept);
    }
    ((!kept.is_empty()).then_some(numbered), dropped)
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
