//! Deployments and how they fare, as JSON and as tables.

use crate::client::brief;
use crate::outcome::{CommandError, Outcome};
use crate::output::clock::now;
use crate::output::table::{Align, Table};
use crate::output::{amount, say};
use hedgerow_client::filters::{Absent, AtFarm, Deployed, DeployedAt};
use hedgerow_model::deployment::Capability;
use hedgerow_model::template::Template;
use hedgerow_proto::filter::{Cost, DeploymentState, DeploymentStatus};
use serde::Serialize;

/// The word of a state.
pub fn word(state: DeploymentState) -> &'static str {
    match state {
        DeploymentState::Unspecified => "unknown",
        DeploymentState::Preparing => "preparing",
        DeploymentState::Admitted => "admitted",
        DeploymentState::Running => "running",
        DeploymentState::BackingOff => "backing off",
        DeploymentState::Refused => "refused",
        DeploymentState::Quarantined => "quarantined",
    }
}

/// The state at a farm, in a word: `absent` where it says nothing.
pub fn state(at: &AtFarm) -> &'static str {
    at.status.as_ref().map_or("absent", |status| word(status.state()))
}

/// Why, in a line; empty where the state says all.
pub fn reason(at: &AtFarm) -> String {
    match &at.status {
        Ok(status) if status.running_serial > 0 => {
            let colon = if status.reason.is_empty() { "" } else { ": " };
            format!("serial {} runs on{colon}{}", status.running_serial, status.reason)
        }
        Ok(status) => status.reason.clone(),
        Err(Absent::Unreachable(error)) => brief(error),
        Err(absent) => absent.to_string(),
    }
}

/// A deployment as a line of JSON.
#[derive(Serialize)]
pub struct Line<'a> {
    name: &'a str,
    owner: String,
    serial: u64,
    component: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    component_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    component_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<serde_json::Value>,
    to: String,
    grants: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
    farms: Vec<FarmLine<'a>>,
}

#[derive(Serialize)]
struct FarmLine<'a> {
    farm: &'a str,
    id: String,
    state: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(skip_serializing_if = "is_zero")]
    running_serial: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<CostLine>,
}

#[derive(Serialize)]
struct CostLine {
    cpu_us: u64,
    memory_bytes: u64,
    state_bytes: u64,
    samples_in: u64,
    samples_out: u64,
    samples_refused: u64,
    behind: u64,
    lateness_ms: u64,
    restarts: u64,
    missed: u64,
    log_lines_dropped: u64,
}

impl<'a> Line<'a> {
    /// Of this deployment.
    pub fn of(deployed: &'a DeployedAt) -> Self {
        let document = &deployed.document.document;
        let deployment = deployed.deployment.as_ref().ok();
        let text = |of: fn(&hedgerow_model::deployment::Deployment) -> &String| {
            deployment.map_or("", |deployment| of(deployment).as_str())
        };
        Self {
            name: &document.name,
            owner: deployed.document.owner.to_string(),
            serial: document.serial,
            component: document.blobs.first().map(|blob| blob.hash.to_string()).unwrap_or_default(),
            component_name: text(|d| &d.component_name),
            component_version: text(|d| &d.component_version),
            parameters: serde_json::from_str(text(|d| &d.parameters)).ok(),
            to: deployment.map(|d| d.farms.to_string()).unwrap_or_default(),
            grants: deployment.map(grants).unwrap_or_default(),
            actions: deployment.map(|d| d.actions.iter().map(String::as_str).collect()).unwrap_or_default(),
            description: text(|d| &d.description),
            until: document.ends_ms,
            farms: deployed.farms.iter().map(FarmLine::of).collect(),
        }
    }
}

impl<'a> FarmLine<'a> {
    fn of(at: &'a AtFarm) -> Self {
        let status = at.status.as_ref().ok();
        Self {
            farm: &at.farm,
            id: at.id.to_string(),
            state: state(at),
            reason: match &at.status {
                Ok(status) => status.reason.clone(),
                Err(_) => reason(at),
            },
            running_serial: status.map(|status| status.running_serial).unwrap_or_default(),
            since: status.map(|status| status.since_ms),
            cost: status.and_then(|status| status.cost.as_ref()).map(CostLine::of),
        }
    }
}

impl CostLine {
    fn of(cost: &Cost) -> Self {
        Self {
            cpu_us: cost.cpu_us,
            memory_bytes: cost.memory_bytes,
            state_bytes: cost.state_bytes,
            samples_in: cost.samples_in,
            samples_out: cost.samples_out,
            samples_refused: cost.samples_refused,
            behind: cost.behind,
            lateness_ms: cost.lateness_ms,
            restarts: cost.restarts,
            missed: cost.missed,
            log_lines_dropped: cost.log_lines_dropped,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn grants(deployment: &hedgerow_model::deployment::Deployment) -> Vec<&'static str> {
    deployment.grants.iter().map(|grant| Capability::as_str(*grant)).collect()
}

/// Which farms, for people.
pub fn to(farms: &Template) -> String {
    if farms.terms.is_empty() { "all farms".to_owned() } else { farms.to_string() }
}

/// The farms of one deployment, each with its state, what it costs there, and why.
pub fn farms(deployed: &DeployedAt) -> Table {
    let mut table = Table::new(&[
        ("FARM", Align::Left),
        ("STATE", Align::Left),
        ("SINCE", Align::Right),
        ("CPU", Align::Right),
        ("MEMORY", Align::Right),
        ("IN", Align::Right),
        ("OUT", Align::Right),
        ("LATE", Align::Right),
        ("RESTARTS", Align::Right),
        ("REASON", Align::Left),
    ]);
    for at in &deployed.farms {
        let status: Option<&DeploymentStatus> = at.status.as_ref().ok();
        let cost = status.and_then(|status| status.cost.as_ref());
        let of = |shown: fn(&Cost) -> String| cost.map(shown).unwrap_or_default();
        table.row([
            at.farm.to_string(),
            state(at).to_owned(),
            status.map(|status| amount::age((now() - status.since_ms).max(0))).unwrap_or_default(),
            of(|cost| format!("{} ms", cost.cpu_us / 1000)),
            of(|cost| amount::bytes(cost.memory_bytes)),
            of(|cost| cost.samples_in.to_string()),
            of(|cost| cost.samples_out.to_string()),
            of(|cost| format!("{} ms", cost.lateness_ms)),
            of(|cost| cost.restarts.to_string()),
            reason(at),
        ]);
    }
    table
}

/// Says what an answer does not cover, if anything: lookups and farms that did not answer.
///
/// # Errors
/// Where nobody said what is deployed.
pub fn coverage(deployed: &Deployed, asked: &[String]) -> Result<Outcome, CommandError> {
    if !deployed.is_known {
        let reasons: Vec<String> =
            deployed.lookups_missing.iter().map(|(_, error)| error.to_string()).collect();
        return Err(crate::client::no_lookup(asked, &reasons));
    }
    for (url, error) in &deployed.lookups_missing {
        say(&crate::client::unanswered(url, error));
    }
    let silent = |at: &&AtFarm| matches!(at.status, Err(Absent::Unreachable(_)));
    let farms = deployed.deployments.iter().flat_map(|deployed| &deployed.farms).filter(silent);
    let mut names: Vec<String> = farms.map(|at| format!("{}: {}", at.farm, reason(at))).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Ok(if deployed.stale_since.is_some() { Outcome::InPart } else { Outcome::Done });
    }
    say(&format!("{} did not answer:", if names.len() == 1 { "a farm" } else { "farms" }));
    names.iter().for_each(|name| say(&format!("  {name}")));
    Ok(Outcome::InPart)
}
