//! Services as the lookups know them.

use hedgerow_client::directory::{Rival, Service};
use hedgerow_model::registration::{Id, Registration};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A service, for programs.
#[derive(Serialize, ToSchema)]
pub struct ServiceLine<'a> {
    id: String,
    kind: &'a str,
    name: &'a str,
    groups: &'a [String],
    attributes: &'a BTreeMap<String, String>,
    endpoints: Vec<&'a str>,
    version: &'a str,
    lease_remaining_ms: u64,
    state: &'static str,
    lookups: Vec<String>,
    /// `name~id8` while several services have the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    shown: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rivals: Vec<RivalLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    copy: Option<CopyLine<'a>>,
}

/// Another process that runs with the identity of a service.
#[derive(Serialize, ToSchema)]
struct CopyLine<'a> {
    endpoints: &'a [String],
}

/// What other lookups hold under the id of a service, signed with another key.
#[derive(Serialize, ToSchema)]
struct RivalLine<'a> {
    name: &'a str,
    endpoints: Vec<&'a str>,
    lookups: Vec<String>,
}

impl<'a> ServiceLine<'a> {
    /// As it is now.
    pub fn of(service: &'a Service) -> Self {
        let said = &*service.registration;
        Self {
            id: said.id.to_string(),
            kind: &said.kind,
            name: &said.name,
            groups: &said.groups,
            attributes: &said.attributes,
            endpoints: urls(said),
            version: &said.version,
            lease_remaining_ms: u64::try_from(service.remaining.as_millis()).unwrap_or(u64::MAX),
            state: service.state.as_str(),
            lookups: ids(&service.lookups),
            shown: Some(&*service.shown).filter(|shown| **shown != *said.name),
            rivals: service.rivals.iter().map(RivalLine::of).collect(),
            copy: service.copy.as_deref().map(|endpoints| CopyLine { endpoints }),
        }
    }

    /// Of one that is gone: nobody holds it.
    pub fn of_gone(service: &'a Service) -> Self {
        Self {
            state: "gone",
            lease_remaining_ms: 0,
            lookups: Vec::new(),
            rivals: Vec::new(),
            copy: None,
            ..Self::of(service)
        }
    }
}

impl<'a> RivalLine<'a> {
    fn of(rival: &'a Rival) -> Self {
        let said = &*rival.registration;
        Self { name: &said.name, endpoints: urls(said), lookups: ids(&rival.lookups) }
    }
}

/// Where it says it is reached.
pub fn urls(said: &Registration) -> Vec<&str> {
    said.endpoints.iter().map(|endpoint| endpoint.url.as_str()).collect()
}

fn ids(lookups: &[Id]) -> Vec<String> {
    lookups.iter().map(ToString::to_string).collect()
}
