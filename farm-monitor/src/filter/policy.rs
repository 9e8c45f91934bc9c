//! What the farm's configuration says to one deployment, whatever else is deployed.

use crate::config::{FarmConfig, FilterSettings, RESERVED_CLUSTER};
use hedgerow_model::deployment::{Capability, Deployment};
use hedgerow_model::registration::Registration;
use hedgerow_proto::signed::SignedDocument;
use std::collections::BTreeMap;

/// The farm as a deployment finds it.
#[derive(Debug, Clone, Copy)]
pub struct Here<'a> {
    /// What the farm says of itself: templates are about it.
    pub registration: &'a Registration,
    /// `[filters]`.
    pub settings: &'a FilterSettings,
    /// Clusters that are written by something else, and by what.
    pub taken: &'a BTreeMap<String, String>,
}

/// The clusters that no deployment can have, and who writes them.
pub fn taken_clusters(config: &FarmConfig) -> BTreeMap<String, String> {
    let mut taken = BTreeMap::from([(RESERVED_CLUSTER.to_owned(), "the farm itself".to_owned())]);
    for collector in &config.collectors {
        taken.insert(collector.cluster.clone(), format!("collector `{}`", collector.name));
    }
    if !config.traps.listen.is_empty() {
        taken.insert(config.traps.cluster.to_string(), "the door for traps".to_owned());
    }
    taken
}

/// Whether the farm would take it, were it the only one.
///
/// # Errors
/// Why not, and what would have to change.
pub fn alone(document: &SignedDocument, deployment: &Deployment, here: &Here<'_>) -> Result<(), String> {
    let settings = here.settings;
    let name = &document.document.name;
    if let Some(off) = off(settings) {
        return Err(off.to_owned());
    }
    if settings.owners.as_ref().is_some_and(|owners| !owners.contains(&document.owner)) {
        return Err(format!(
            "its owner {} may not deploy here: add the key to filters.owners in the farm's configuration",
            document.owner
        ));
    }
    if let Some(writer) = here.taken.get(name) {
        return Err(format!(
            "the cluster `{name}` is that of {writer} here: deploy it under another name, which is its cluster"
        ));
    }
    if document.document.blobs.is_empty() {
        return Err("it names no component: expected its hash as the first blob of the document".to_owned());
    }
    let wanted = deployment.grants.iter().filter(|grant| !settings.grant.contains(grant));
    let wanted: Vec<&str> = wanted.map(|grant| Capability::as_str(*grant)).collect();
    if !wanted.is_empty() {
        return Err(format!(
            "it is to be granted {}, which this farm does not: add to filters.grant in its configuration, or deploy it without",
            wanted.join(", ")
        ));
    }
    if !deployment.parameters.is_empty()
        && let Err(error) =
            serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&deployment.parameters)
    {
        return Err(format!("its parameters are no JSON object: {error}"));
    }
    Ok(())
}

/// Why the farm runs no filters at all.
pub fn off(settings: &FilterSettings) -> Option<&'static str> {
    (!settings.enabled)
        .then_some("filters are off at this farm: filters.enabled = false in its configuration")
}
