//! From what a filter makes to what the hub takes: its series are declared at the front door, as everybody's are, and what is
//! refused there is said once.

use crate::hub::Hub;
use hedgerow_collect::front_door::{FrontDoor, OriginId};
use hedgerow_model::{Batch, Refusal, SeriesDef, SeriesId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The series of one deployment at the hub.
#[derive(Debug)]
pub struct Outputs {
    origin: OriginId,
    /// By the filter's own handle; none: the hub refuses it.
    ids: Vec<Option<SeriesId>>,
    told: BTreeSet<Refusal>,
}

impl Outputs {
    /// None yet.
    pub fn new(hub: &Hub, deployment: &str) -> Self {
        let origin = hub.origin(&format!("filter:{deployment}"));
        Self { origin, ids: Vec::new(), told: BTreeSet::new() }
    }

    /// Who makes them.
    pub fn origin(&self) -> OriginId {
        self.origin
    }

    /// Those that the hub took.
    pub fn made(&self) -> impl Iterator<Item = SeriesId> {
        self.ids.iter().copied().flatten()
    }

    /// Declares those that are new; says which are refused.
    pub fn declare(&mut self, hub: &Hub, defs: &[Arc<SeriesDef>]) -> Vec<String> {
        let mut refused: BTreeMap<Refusal, (usize, &SeriesDef)> = BTreeMap::new();
        for def in defs.get(self.ids.len()..).unwrap_or_default() {
            let declared = hub.declare(self.origin, def);
            if let Err(refusal) = declared {
                refused.entry(refusal).or_insert((0, def)).0 += 1;
            }
            self.ids.push(declared.ok());
        }
        let say = |(refusal, (count, first)): (Refusal, (usize, &SeriesDef))| {
            format!("the farm does not take {count} of its series, {} first: {refusal}", first.key)
        };
        refused.into_iter().map(say).collect()
    }

    /// A batch with the hub's ids, where any of it is of series that it took; and how many samples are not.
    pub fn translate(&self, mut batch: Batch) -> (Option<Batch>, u64) {
        let made = batch.len();
        // In the batches of a run the id is the handle plus one.
        let id = |id: &SeriesId| *self.ids.get((id.0 as usize).checked_sub(1)?)?;
        let ids: Vec<Option<SeriesId>> = batch.series.iter().map(id).collect();
        if ids.contains(&None) {
            let taken: Vec<u32> =
                (0_u32..).zip(&ids).filter(|(_, id)| id.is_some()).map(|(at, _)| at).collect();
            batch = batch.select(&taken);
        }
        batch.series = ids.into_iter().flatten().collect();
        let refused = (made - batch.len()) as u64;
        ((!batch.is_empty()).then_some(batch), refused)
    }

    /// What the hub did not take of the samples, in words, where it was not said before.
    pub fn refused(&mut self, refused: &[(Refusal, u64)]) -> Vec<String> {
        let new: Vec<_> = refused.iter().filter(|(refusal, _)| self.told.insert(*refusal)).collect();
        let say = |(refusal, count): &(Refusal, u64)| {
            format!(
                "the farm does not take {count} of its samples: {refusal}; more of these are counted, and not said"
            )
        };
        new.into_iter().map(say).collect()
    }
}
