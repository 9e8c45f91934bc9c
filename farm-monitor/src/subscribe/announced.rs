//! Which series a stream has been told of: each is told before its first sample, and again when its declaration changed.

use crate::hub::Hub;
use hedgerow_model::predicate::Reading;
use hedgerow_model::{Kind, SeriesDef, SeriesId, unit};
use hedgerow_proto::convert::series;
use hedgerow_proto::farm::{Item, item};
use std::sync::Arc;

/// A bit a series: told or not.
#[derive(Debug, Default)]
pub struct Announced {
    told: Vec<u64>,
    rates: bool,
    deltas: bool,
}

impl Announced {
    /// Nothing told yet; counters are given as `reading` says, or as rates where they are condensed.
    pub fn new(reading: Reading, condensed: bool) -> Self {
        let rates = reading == Reading::Rate || condensed;
        Self { told: Vec::new(), rates, deltas: reading == Reading::Delta && !condensed }
    }

    /// Whether the stream was told of it.
    pub fn knows(&self, id: SeriesId) -> bool {
        self.told.get(id.0 as usize / 64).is_some_and(|word| word & (1 << (id.0 % 64)) != 0)
    }

    /// Forgets that it was told.
    pub fn forget(&mut self, id: SeriesId) {
        if let Some(word) = self.told.get_mut(id.0 as usize / 64) {
            *word &= !(1 << (id.0 % 64));
        }
    }

    /// Forgets all that was told.
    pub fn forget_all(&mut self) {
        self.told.clear();
    }

    /// The items that tell of those not told yet, with their kinds. Asks the hub only where there are such.
    pub fn tell(&mut self, hub: &Hub, ids: &[SeriesId]) -> Vec<(SeriesId, Kind, Item)> {
        let new: Vec<SeriesId> = ids.iter().filter(|id| !self.mark(**id)).copied().collect();
        if new.is_empty() {
            return Vec::new();
        }
        let (declared, views) = hub.declared(&new);
        let item = |(id, def): (SeriesId, Arc<SeriesDef>)| {
            let (kind, def) = (def.kind, self.as_given(def));
            let mut told = series::to_wire(id, &def);
            let in_view = views.iter().filter(|view| view.holds(&def.key.cluster, &def.key.node));
            told.views = in_view.map(|view| view.name.clone()).collect();
            (id, kind, Item { item: Some(item::Item::Series(told)) })
        };
        declared.into_iter().map(item).collect()
    }

    /// Those that were told, ascending.
    pub fn told(&self) -> Vec<SeriesId> {
        let bits = |(at, word): (u32, &u64)| {
            let word = *word;
            (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| SeriesId(at * 64 + bit))
        };
        (0_u32..).zip(&self.told).flat_map(bits).collect()
    }

    /// Marks it as told; says whether it was already.
    fn mark(&mut self, id: SeriesId) -> bool {
        let (word, bit) = (id.0 as usize / 64, 1 << (id.0 % 64));
        if self.told.len() <= word {
            self.told.resize(word + 1, 0);
        }
        let was = self.told[word] & bit != 0;
        self.told[word] |= bit;
        was
    }

    /// The series as its values are given: a counter's rate is a gauge of another unit.
    fn as_given(&self, def: Arc<SeriesDef>) -> Arc<SeriesDef> {
        if def.kind != Kind::Counter || !(self.rates || self.deltas) {
            return def;
        }
        let unit = if self.rates { unit::rate_of(&def.unit) } else { def.unit.clone() };
        Arc::new(SeriesDef { kind: Kind::Gauge, unit, ..(*def).clone() })
    }
}
