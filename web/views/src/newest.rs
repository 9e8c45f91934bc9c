//! The last value of each matching series: what tables, top lists and spreads are made of. The core, and the shell that feeds it.

use crate::clock;
use crate::farms::Farms;
use crate::series::Book;
use crate::spec::{Refused, predicate};
use crate::views::{Tally, lock};
use hedgerow_client::{Mesh, MeshUpdate, SubscribeOptions, Update};
use hedgerow_model::predicate::{Reading, Window, holds};
use hedgerow_model::{Predicate, UnixMillis, Value};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// The last values of matching series. Counters come as rates, made by the farms.
#[derive(Debug)]
pub(crate) struct Newest {
    predicate: Predicate,
    pub book: Book,
    pub farms: Farms,
    values: Vec<Option<Last>>,
    /// Series whose value is to be told, since this was last asked.
    dirty: BTreeSet<u32>,
}

/// A last value.
#[derive(Debug, Clone)]
pub(crate) struct Last {
    pub time: UnixMillis,
    pub value: Value,
    /// It satisfies the constraint.
    pub is_wanted: bool,
}

impl Newest {
    /// Of what `text` matches, at most `most` series.
    pub fn new(text: &str, most: usize) -> Result<Self, Refused> {
        Ok(Self {
            predicate: predicate(text)?,
            book: Book::new(most),
            farms: Farms::default(),
            values: Vec::new(),
            dirty: BTreeSet::new(),
        })
    }

    /// The question to the farms. A constraint is applied here: a value that does not satisfy it takes the place of one that did.
    pub fn question(&self) -> Predicate {
        let window = Window { last: true, ..Window::default() };
        Predicate { window, reading: Reading::Rate, constraint: None, ..self.predicate.clone() }
    }

    /// Takes what the merged stream told.
    pub fn hear(&mut self, update: &MeshUpdate, now: UnixMillis) {
        if let MeshUpdate::Farm { id, update: Update::Failed(_) | Update::End { .. }, .. } = update {
            self.book.forget(0, *id);
        }
        self.farms.hear(update, now);
        let changed = self.farms.take_changed();
        self.book.touch(&changed);
        let MeshUpdate::Farm { id: farm, update, .. } = update else { return };
        match update {
            Update::Series { id, def } => drop(self.book.enter(0, *farm, *id, def, true)),
            Update::Samples(samples) => {
                let batch = &samples.numbered.batch;
                for (at, (id, value)) in batch.series.iter().zip(batch.values.iter()).enumerate() {
                    if let Some(s) = self.book.place(0, *farm, *id, &samples.series, true) {
                        self.take(s, batch.times.at(at), value);
                    }
                }
            }
            Update::Life { id, def, life, reason, .. } => {
                if let Some(s) = self.book.enter(0, *farm, *id, def, true) {
                    self.book.life(s, *life, reason);
                }
            }
            _ => {}
        }
    }

    fn take(&mut self, s: usize, time: UnixMillis, value: Value) {
        if self.values.len() <= s {
            self.values.resize_with(s + 1, || None);
        }
        let kind = self.book.get(s).map(|entry| entry.def.kind);
        let wanted = self.predicate.constraint.as_ref().zip(kind);
        let is_wanted = wanted.is_none_or(|(wanted, kind)| holds(wanted, kind, &value));
        let known = &mut self.values[s];
        if known.as_ref().is_none_or(|known| known.time <= time) {
            *known = Some(Last { time, value, is_wanted });
            self.dirty.extend(u32::try_from(s));
        }
    }

    /// The last value of a series.
    pub fn last(&self, s: usize) -> Option<&Last> {
        self.values.get(s)?.as_ref()
    }

    /// The live series with a number that satisfies the constraint, and that.
    pub fn numbers(&self) -> impl Iterator<Item = (usize, UnixMillis, f64)> {
        (0..self.values.len()).filter_map(|s| {
            let last = self.last(s).filter(|last| last.is_wanted)?;
            let number = crate::column::number(&last.value)?;
            self.book.is_live(s, &self.farms).then_some((s, last.time, number))
        })
    }

    /// The units of these series.
    pub fn units(&self, series: impl Iterator<Item = usize>) -> BTreeSet<String> {
        series.filter_map(|s| Some(self.book.get(s)?.def.unit.clone())).collect()
    }

    /// Series whose value is to be told, since this was last asked.
    pub fn take_dirty(&mut self) -> BTreeSet<u32> {
        std::mem::take(&mut self.dirty)
    }

    /// About how much it holds, in points of charts.
    pub fn weight(&self) -> usize {
        // An entry with its names weighs about ten points.
        self.book.len() * 10
    }
}

/// Says that units do not mix, where there are several.
pub(crate) fn mixed(units: &BTreeSet<String>) -> Option<String> {
    if units.len() < 2 {
        return None;
    }
    let name = |unit: &String| if unit.is_empty() { "no unit".to_owned() } else { format!("`{unit}`") };
    let named: Vec<String> = units.iter().take(8).map(name).collect();
    let more = if units.len() > named.len() { ", …" } else { "" };
    Some(format!(
        "series of different units match: {}{more}; expected a predicate that matches one",
        named.join(", ")
    ))
}

/// A core that is made of last values.
pub(crate) trait OfNewest: Send + 'static {
    /// The last values.
    fn newest(&mut self) -> &mut Newest;
}

/// Feeds a core of last values.
pub(crate) async fn feed<C: OfNewest>(mesh: Mesh, tally: Arc<Tally>, core: Arc<Mutex<C>>) -> String {
    let _upstream = tally.upstream();
    let question = lock(&core).newest().question();
    let mut stream = mesh.subscribe_with(&question, SubscribeOptions::default());
    while let Some(update) = stream.next().await {
        lock(&core).newest().hear(&update, clock::now());
    }
    "the stream of the mesh has ended".to_owned()
}
