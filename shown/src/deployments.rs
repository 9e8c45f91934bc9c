//! Deployments, how they fare at farms, and what they logged.

use hedgerow_client::filters::{Absent, AtFarm, DeployedAt};
use hedgerow_model::deployment::Capability;
use hedgerow_proto::filter::{Cost, DeploymentState, DeploymentStatus, LogLevel, LogLine};
use serde::Serialize;
use utoipa::ToSchema;

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
        Err(Absent::Unreachable(error)) => error.brief(),
        Err(absent) => absent.to_string(),
    }
}

/// A deployment, for programs.
#[derive(Serialize, ToSchema)]
pub struct DeploymentLine<'a> {
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

#[derive(Serialize, ToSchema)]
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

#[derive(Serialize, ToSchema)]
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

impl<'a> DeploymentLine<'a> {
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

/// A deployment as one farm tells of it, for programs.
#[derive(Serialize, ToSchema)]
pub struct StatusLine<'a> {
    name: &'a str,
    serial: u64,
    /// `preparing`, `admitted`, `running`, `backing off`, `refused` or `quarantined`.
    state: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    running_serial: u64,
    since: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<CostLine>,
}

impl<'a> StatusLine<'a> {
    /// As the farm says.
    pub fn of(status: &'a DeploymentStatus) -> Self {
        Self {
            name: &status.name,
            serial: status.serial,
            state: word(status.state()),
            reason: &status.reason,
            running_serial: status.running_serial,
            since: status.since_ms,
            cost: status.cost.as_ref().map(CostLine::of),
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

/// The word of a level of a log.
pub fn log_level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Unspecified | LogLevel::Info => "info",
        LogLevel::Warning => "warning",
        LogLevel::Error => "error",
    }
}

/// What a filter logged, for programs.
#[derive(Serialize, ToSchema)]
pub struct LoggedLine<'a> {
    farm: &'a str,
    time: i64,
    level: &'static str,
    text: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    of_farm: bool,
}

impl<'a> LoggedLine<'a> {
    /// A line of a farm.
    pub fn of(farm: &'a str, line: &'a LogLine) -> Self {
        Self {
            farm,
            time: line.time,
            level: log_level(line.level()),
            text: &line.text,
            of_farm: line.of_farm,
        }
    }
}
