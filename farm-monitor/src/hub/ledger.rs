//! The ledger: every edge adds up. Source to hub: made = accepted + refused. Hub to a consumer: matched = delivered +
//! dropped + conflated + held.

use super::admit::Refused;
use hashbrown::HashMap;
use hedgerow_collect::front_door::OriginId;
use hedgerow_model::Refusal;

/// One edge of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edge {
    /// `source:collector host`, `consumer:cache`, `consumer:streams`.
    pub name: String,
    /// Made by the source, or matched for the consumer.
    pub samples: u64,
    /// Accepted by the hub, or delivered to the consumer.
    pub passed: u64,
    /// On their way.
    pub held: u64,
    /// Left out because a newer one took their place.
    pub conflated: u64,
    /// Refused or dropped, by reason.
    pub lost: Vec<(String, u64)>,
}

/// What is counted of one source.
#[derive(Debug, Default)]
pub struct Origin {
    name: String,
    made: u64,
    accepted: u64,
    refused: Refused,
    series_refused: Refused,
}

/// The edges from sources to the hub.
#[derive(Debug, Default)]
pub struct Ledger {
    origins: Vec<Origin>,
    by_name: HashMap<String, OriginId>,
}

impl Ledger {
    /// The origin of this name, made on first use.
    pub fn origin(&mut self, name: &str) -> OriginId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = OriginId(u32::try_from(self.origins.len()).unwrap_or(u32::MAX));
        self.origins.push(Origin { name: name.to_owned(), ..Origin::default() });
        self.by_name.insert(name.to_owned(), id);
        id
    }

    /// Counts a batch.
    pub fn accepted(&mut self, origin: OriginId, made: u64, accepted: u64, refused: &[(Refusal, u64)]) {
        if let Some(origin) = self.origins.get_mut(origin.0 as usize) {
            origin.made += made;
            origin.accepted += accepted;
            refused.iter().for_each(|(reason, count)| origin.refused.add(*reason, *count));
        }
    }

    /// Counts a series that was not made known.
    pub fn series_refused(&mut self, origin: OriginId, reason: Refusal) {
        if let Some(origin) = self.origins.get_mut(origin.0 as usize) {
            origin.series_refused.add(reason, 1);
        }
    }

    /// All edges from sources. Series refused stand beside, as `series:REASON`: their samples were never made.
    pub fn edges(&self) -> Vec<Edge> {
        let edge = |origin: &Origin| {
            let samples = origin.refused.list().map(|(reason, count)| (reason.as_str().to_owned(), count));
            let series =
                origin.series_refused.list().map(|(reason, count)| (format!("series:{reason}"), count));
            Edge {
                name: format!("source:{}", origin.name),
                samples: origin.made,
                passed: origin.accepted,
                lost: samples.chain(series).collect(),
                ..Edge::default()
            }
        };
        self.origins.iter().map(edge).collect()
    }
}
