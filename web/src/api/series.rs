//! A series with its last value, as lists have it.

use hedgerow_client::mesh::ListedSeries;
use hedgerow_model::Life;
use hedgerow_shown::json::Fields;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A series with its last value.
#[derive(Serialize, ToSchema)]
pub struct SeriesLine<'a> {
    /// Its place in this answer.
    s: usize,
    farm: &'a str,
    cluster: &'a str,
    node: &'a str,
    parameter: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, &'a str>,
    /// All of it as text, which reads back as a pattern.
    path: String,
    /// UCUM.
    #[serde(skip_serializing_if = "str::is_empty")]
    unit: &'a str,
    /// `gauge`, `counter`, `state` or `text`.
    kind: &'static str,
    /// How `value` is given: `value`; of a counter that is its count.
    #[serde(rename = "as")]
    given: &'static str,
    /// `live`, `stale` or `ended`.
    life: &'static str,
    /// Why it is not live.
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    /// How often a sample is expected, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<u64>,
    source: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    /// When its last sample was taken, Unix ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<i64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    last: Option<Fields<'a>>,
}

impl<'a> SeriesLine<'a> {
    /// The one at this place.
    pub fn of(s: usize, listed: &'a ListedSeries) -> Self {
        let def = &listed.def;
        Self {
            s,
            farm: &listed.farm,
            cluster: &def.key.cluster,
            node: &def.key.node,
            parameter: &def.key.parameter,
            labels: def.key.labels.iter().collect(),
            path: path(listed),
            unit: &def.unit,
            kind: def.kind.as_str(),
            given: "value",
            life: life(listed.life),
            reason: &listed.life_reason,
            interval: def.interval.and_then(|interval| u64::try_from(interval.as_millis()).ok()),
            source: &def.source,
            description: &def.description,
            time: listed.last.as_ref().map(|(time, _)| *time),
            last: listed.last.as_ref().map(|(_, value)| Fields::new(value, def.kind)),
        }
    }
}

/// Its path.
pub fn path(listed: &ListedSeries) -> String {
    hedgerow_shown::path(&listed.farm, &listed.def.key)
}

/// The word of a life; of one that its farm does not know, that it lives.
pub fn life(life: Option<Life>) -> &'static str {
    match life {
        None | Some(Life::Live) => "live",
        Some(Life::Stale) => "stale",
        Some(Life::Ended) => "ended",
    }
}
