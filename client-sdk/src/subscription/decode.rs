//! One stream's items, made the subscription's own: ids that stay, epochs by their start, states with their texts.
//!
//! A farm's ids and its "unchanged" texts are good for one stream only, so each connection gets a new [`Decoder`] while
//! the [`Book`] stays.

use crate::error::ClientError;
use crate::series_table::{SeriesTable, place};
use hedgerow_model::{
    Batch, Columns, Epoch, Kind, Numbered, Position, SeriesDef, SeriesId, SeriesKey, UnixMillis, Value,
};
use hedgerow_proto::farm::Item;
use hedgerow_proto::farm::item::Item as Told;
use hedgerow_proto::{WireError, common, convert};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Most epochs of one stream that are known at a time; the oldest is forgotten. Farms send them in ascending order.
const MAX_EPOCHS: usize = 4096;

pub(super) fn item<E: ToString>(item: Result<Item, E>, at: &str) -> Result<Option<Told>, ClientError> {
    let wire =
        |error: E| ClientError::Wire { at: at.to_owned(), error: WireError::new("items", error.to_string()) };
    item.map(|item| item.item).map_err(wire)
}

/// What is known of all series, over all connections.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) table: SeriesTable,
    ids: HashMap<SeriesKey, SeriesId>,
    given: Vec<Given>,
}

/// What was given of a series.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Given {
    /// The highest number.
    pub(super) last: Option<Position>,
    /// The highest number given before the connection that is open now.
    pub(super) before: Option<Position>,
    /// The start of the last bin.
    pub(super) bin: Option<UnixMillis>,
}

impl Book {
    /// Enters a series, or a new description of one; tells the id and whether anything is new.
    fn enter(&mut self, def: SeriesDef) -> Option<(SeriesId, Arc<SeriesDef>, bool)> {
        if let Some(id) = self.ids.get(&def.key) {
            let known = self.table.get(*id)?;
            if *known == def {
                return Some((*id, known, false));
            }
            let def = Arc::new(def);
            self.table.describe(*id, Arc::clone(&def));
            return Some((*id, def, true));
        }
        let key = def.key.clone();
        let def = Arc::new(def);
        let id = self.table.add(Arc::clone(&def))?;
        self.ids.insert(key, id);
        self.given.push(Given::default());
        Some((id, def, true))
    }

    pub(super) fn given(&mut self, id: SeriesId) -> Option<&mut Given> {
        self.given.get_mut(place(id)?)
    }

    /// A new connection: what was given so far was given before.
    pub(super) fn reopened(&mut self) {
        for given in &mut self.given {
            given.before = given.last;
        }
    }

    /// The series of which samples were given before this connection, with the highest number.
    pub(super) fn given_before(&self) -> impl Iterator<Item = (SeriesId, Position)> + Clone {
        (1..).map(SeriesId).zip(&self.given).filter_map(|(id, given)| Some((id, given.before?)))
    }
}

/// What is known of one stream.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    epochs: BTreeMap<u64, u64>,
    series: HashMap<u32, Local>,
}

#[derive(Debug)]
struct Local {
    id: SeriesId,
    kind: Kind,
    /// The text of its last state.
    text: Option<Arc<str>>,
}

impl Decoder {
    pub(super) fn epoch(&mut self, wire: Option<common::Epoch>) -> Result<Epoch, WireError> {
        let epoch = convert::series::epoch_from_wire(wire)?;
        self.name(epoch);
        Ok(epoch)
    }

    pub(super) fn name(&mut self, epoch: Epoch) {
        self.epochs.insert(epoch.start, epoch.random);
        if self.epochs.len() > MAX_EPOCHS {
            self.epochs.pop_first();
        }
    }

    /// Takes a series; tells it where it is new to the subscription.
    pub(super) fn series(
        &mut self,
        wire: common::Series,
        book: &mut Book,
    ) -> Result<Option<(SeriesId, Arc<SeriesDef>)>, WireError> {
        let (farms, def) = convert::series::from_wire(wire)?;
        let kind = def.kind;
        let (id, def, new) =
            book.enter(def).ok_or_else(|| WireError::new("series", "more than a subscription can have"))?;
        self.series.insert(farms.0, Local { id, kind, text: None });
        Ok(new.then_some((id, def)))
    }

    /// The subscription's id of what the farm calls `farms`.
    pub(super) fn id(&self, farms: u32) -> Result<SeriesId, WireError> {
        self.series.get(&farms).map(|local| local.id).ok_or_else(|| unknown(farms))
    }

    pub(super) fn batch(&mut self, wire: common::Batch) -> Result<Numbered, WireError> {
        let epoch = |start| self.epochs.get(&start).map(|random| Epoch { start, random: *random });
        let mut numbered = convert::batch::from_wire(wire, epoch).map_err(|error| error.within("batch"))?;
        let batch = &mut numbered.batch;
        let mut states = false;
        let mut ids = Vec::with_capacity(batch.series.len());
        for farms in &batch.series {
            let local = self.series.get(&farms.0).ok_or_else(|| unknown(farms.0))?;
            states |= local.kind == Kind::State;
            ids.push(local.id);
        }
        if states {
            batch.values = self.with_texts(batch);
        }
        batch.series = ids;
        Ok(numbered)
    }

    /// The values of a batch with the farm's ids, each state with the text that was said last.
    fn with_texts(&mut self, batch: &Batch) -> Columns {
        let mut values = Columns::default();
        for (farms, value) in batch.series.iter().zip(batch.values.iter()) {
            let state = self.series.get_mut(&farms.0).filter(|local| local.kind == Kind::State);
            values.push(match (value, state) {
                (Value::State(code, Some(text)), Some(local)) => {
                    local.text = Some(Arc::clone(&text));
                    Value::State(code, Some(text))
                }
                (Value::I64(code), Some(local)) => Value::State(code, local.text.clone()),
                (value, _) => value,
            });
        }
        values
    }
}

fn unknown(farms: u32) -> WireError {
    WireError::new("series", format!("id {farms}: not named by this stream"))
}
