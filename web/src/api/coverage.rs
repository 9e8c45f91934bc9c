//! What an answer covers. Nothing that is missing is left unsaid.

use hedgerow_client::directory::Found;
use hedgerow_client::error::ClientError;
use hedgerow_client::mesh::Coverage;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// What an answer covers.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct CoverageLine {
    /// It is complete up to here, Unix ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<i64>,
    /// Farms asked.
    pub asked: usize,
    /// Farms that answered completely.
    pub answered: usize,
    /// The others.
    pub missing: Vec<MissingFarm>,
    /// Lookups that did not answer: farms that only they know were not asked.
    pub lookups_missing: Vec<MissingLookup>,
    /// No lookup answers: the farms are those that were known at this time, Unix ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_since_ms: Option<i64>,
    /// Whether everybody answered.
    pub complete: bool,
}

/// A farm that did not answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct MissingFarm {
    /// Its name, as shown.
    pub farm: String,
    /// Why.
    pub why: String,
}

/// A lookup that did not answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct MissingLookup {
    /// Its address.
    pub url: String,
    /// Why.
    pub why: String,
}

impl CoverageLine {
    /// What a merged answer says of itself.
    pub fn of(coverage: &Coverage) -> Self {
        let missing = coverage.missing.iter();
        Self {
            as_of: coverage.as_of,
            asked: coverage.asked,
            answered: coverage.answered,
            missing: missing
                .map(|one| MissingFarm { farm: one.farm.to_string(), why: one.why.to_string() })
                .collect(),
            lookups_missing: missing_lookups(&coverage.lookups_missing),
            stale_since_ms: since(coverage.stale_since),
            complete: coverage.is_complete() && coverage.stale_since.is_none(),
        }
    }

    /// Of what the lookups alone know.
    pub fn of_found(found: &Found) -> Self {
        Self::of_lookups(&found.missing, found.stale_since)
    }

    /// Of what the lookups alone know: these did not answer.
    pub fn of_lookups(missing: &[(String, ClientError)], stale: Option<Duration>) -> Self {
        Self {
            lookups_missing: missing_lookups(missing),
            stale_since_ms: since(stale),
            complete: missing.is_empty() && stale.is_none(),
            ..Self::default()
        }
    }
}

fn missing_lookups(missing: &[(String, ClientError)]) -> Vec<MissingLookup> {
    missing.iter().map(|(url, why)| MissingLookup { url: url.clone(), why: why.to_string() }).collect()
}

fn since(age: Option<Duration>) -> Option<i64> {
    let age = i64::try_from(age?.as_millis()).unwrap_or(i64::MAX);
    Some(hedgerow_service::clock::unix_millis().saturating_sub(age))
}
