//! Filters: what is deployed and how it fares, what may be deployed, and, with the session, deploying.

use super::CoverageLine;
use super::desk::{Told, digest};
use super::mesh::template;
use crate::app::App;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Changer, Named, Raw, Sent, json};
use axum::extract::State;
use axum::response::Response;
use hedgerow_client::documents::Published;
use hedgerow_client::filters::{self, Absent, Deploy, Deployed, DeployedAt};
use hedgerow_filter_host::guest::Description;
use hedgerow_filter_host::shipped::SHIPPED;
use hedgerow_model::deployment::{Capability, Deployment};
use hedgerow_model::name;
use hedgerow_proto::filter::DeploymentState;
use hedgerow_service::clock::unix_millis;
use hedgerow_shown::deployments::{DeploymentLine, word};
use hedgerow_shown::filters::{DescriptionLine, ShippedLine};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use utoipa::ToSchema;

/// Deployments of a component whose parameters are tried, to have it say something of itself.
const MAX_TRIED: usize = 8;
/// How every WASM module and component begins.
const MAGIC: &[u8] = b"\0asm";

#[derive(Serialize, ToSchema)]
pub struct FiltersAnswer<'a> {
    /// What stands, with each farm that it means.
    deployments: Vec<DeploymentLine<'a>>,
    /// What comes with this program.
    shipped: Vec<ShippedLine>,
    coverage: CoverageLine,
}

/// What is deployed, and how it fares
#[utoipa::path(get, path = "/api/v1/filters", tag = "filters", responses(
    (status = 200, description = "Deployments, and the filters that are shipped", body = FiltersAnswer),
    (status = 503, description = "No lookup answers", body = ErrorBody),
))]
pub async fn filters(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let mesh = app.mesh().await?;
    let deployed = mesh.deployed(&[], unix_millis()).await;
    json(&FiltersAnswer {
        deployments: deployed.deployments.iter().map(DeploymentLine::of).collect(),
        shipped: SHIPPED.iter().map(ShippedLine::of).collect(),
        coverage: coverage(&deployed),
    })
}

/// Lookups that did not answer, and farms that are meant and said nothing.
fn coverage(deployed: &Deployed) -> CoverageLine {
    let mut line = CoverageLine::of_lookups(&deployed.lookups_missing, deployed.stale_since);
    let (mut asked, mut missing) = (BTreeSet::new(), std::collections::BTreeMap::new());
    for at in deployed.deployments.iter().flat_map(|one| &one.farms) {
        asked.insert(at.id);
        if let Err(Absent::Unreachable(error)) = &at.status {
            missing.insert(at.farm.to_string(), error.brief());
        }
    }
    (line.asked, line.answered) = (asked.len(), asked.len().saturating_sub(missing.len()));
    line.complete &= missing.is_empty();
    line.missing = missing.into_iter().map(|(farm, why)| super::MissingFarm { farm, why }).collect();
    line
}

#[derive(Serialize, ToSchema)]
pub struct UploadAnswer<'a> {
    /// By which it is deployed: the SHA-256 of its bytes, hex digits.
    digest: String,
    /// What it says of itself; null where it says nothing without parameters that it cannot do without: describe it with them.
    description: Option<DescriptionLine<'a>>,
    /// What it has against being given no parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// Its size.
    bytes: usize,
}

/// Upload a component
///
/// Kept in memory, bounded, until it is deployed or this server stops. It is compiled and asked what it is as a farm does it.
#[utoipa::path(post, path = "/api/v1/components", tag = "filters", security(("session" = [])),
    request_body(content = Vec<u8>, content_type = "application/wasm"), responses(
        (status = 200, description = "It is a filter", body = UploadAnswer),
        (status = 400, description = "It is no WASM", body = ErrorBody),
        (status = 401, description = "Without the session's token", body = ErrorBody),
        (status = 413, description = "It is too large", body = ErrorBody),
        (status = 422, description = "It is no filter: why not", body = ErrorBody),
))]
pub async fn upload(State(app): State<Arc<App>>, _: Changer, Raw(sent): Raw) -> Result<Response, ApiError> {
    if !sent.starts_with(MAGIC) {
        return Err(ApiError::wrong(
            "it is no WASM: expected a component, or a module for wasm32-unknown-unknown",
        ));
    }
    let _place = app.changers.acquire().await.map_err(|_| ApiError::internal("closing"))?;
    let mesh = app.mesh().await?;
    let digest = app.desk.keep(sent.clone());
    let component = app.desk.component(&digest, &mesh).await?;
    // It is a filter also where it wants to be told something, and complains of the parameters.
    let parameters = vec![String::new(), component.example.to_owned()];
    let Told { said, complaint: problem } = app.desk.told(component, parameters).await?;
    let description = said.as_ref().map(|said| DescriptionLine::of(said, sent.len()));
    json(&UploadAnswer { digest, description, problem, bytes: sent.len() })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Describe {
    /// The digest of an uploaded or deployed component, or the name of one that is shipped.
    component: String,
    /// An object; none: that which the shipped one is described with.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    parameters: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Serialize, ToSchema)]
pub struct DescribeAnswer<'a> {
    /// What it says of itself: with the parameters, or, where it complains of them, with others if it says something with any. Else
    /// these fields are missing, and its schema cannot be known.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    said: Option<DescriptionLine<'a>>,
    /// What it has against the parameters: it would not be deployed with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    complaint: Option<String>,
}

/// What a filter does with these parameters
///
/// Its own words: what it reads, how far it looks back, what it has to be granted, and the schema of its parameters. Where it does
/// not take them, `complaint` says why, and the rest is what it says with others, if there are any that it takes: its example, none,
/// or those of a deployment.
#[utoipa::path(post, path = "/api/v1/components/describe", tag = "filters", security(("session" = [])),
    request_body = Describe, responses(
        (status = 200, description = "What it says, or its complaint", body = DescribeAnswer),
        (status = 401, description = "Without the session's token", body = ErrorBody),
        (status = 404, description = "There is no such component", body = ErrorBody),
        (status = 422, description = "It is no filter: why not", body = ErrorBody),
))]
pub async fn describe(
    State(app): State<Arc<App>>,
    _: Changer,
    Sent(asked): Sent<Describe>,
) -> Result<Response, ApiError> {
    let _place = app.changers.acquire().await.map_err(|_| ApiError::internal("closing"))?;
    let mesh = app.mesh().await?;
    let component = app.desk.component(&asked.component, &mesh).await?;
    let bytes = component.bytes.len();
    let example = component.example.to_owned();
    let first = asked.parameters.map(|object| serde_json::Value::Object(object).to_string());
    let first = first.unwrap_or_else(|| example.clone());
    let mut told = app.desk.told(component.clone(), vec![first, example, String::new()]).await?;
    if told.said.is_none() {
        // Nothing that can be thought of here: somebody may have found something that it takes.
        let digest = digest(&component.bytes);
        let deployed = mesh.deployed(&[], unix_millis()).await;
        let blobs =
            |one: &DeployedAt| one.document.document.blobs.iter().any(|blob| blob.hash.to_string() == digest);
        let of_it = deployed.deployments.into_iter().filter(blobs).filter_map(|one| one.deployment.ok());
        let parameters = of_it.map(|one| one.parameters).take(MAX_TRIED).collect();
        told.said = app.desk.told(component, parameters).await?.said;
    }
    let said = told.said.as_ref().map(|said| DescriptionLine::of(said, bytes));
    json(&DescribeAnswer { said, complaint: told.complaint })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutFilter {
    /// The digest of an uploaded or deployed component, or the name of one that is shipped.
    component: String,
    /// An object, by the component's schema.
    #[serde(default)]
    #[schema(value_type = Object)]
    parameters: serde_json::Map<String, serde_json::Value>,
    /// Which farms, as in `hedgerow find`; empty: all.
    #[serde(default)]
    template: String,
    /// Remove it then, Unix ms; without it: by hand only.
    #[serde(default)]
    until: Option<i64>,
    /// What it may do beside: `alarms`, `history`, `action:NAME`.
    #[serde(default)]
    grants: Vec<String>,
    /// Whether it goes on from the state of what it replaces.
    #[serde(default)]
    state: StateWord,
    /// For people.
    #[serde(default)]
    description: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum StateWord {
    /// It goes on.
    #[default]
    Keep,
    /// It begins from nothing.
    Fresh,
}

#[derive(Serialize, ToSchema)]
pub struct DeployedAnswer {
    name: String,
    serial: u64,
    /// Lookups that have it.
    taken: usize,
    /// Those that have not: it is carried there later.
    missing: Vec<super::MissingLookup>,
}

impl DeployedAnswer {
    fn of(published: &Published) -> Self {
        let document = &published.document.document;
        let missing = published.missing();
        Self {
            name: document.name.clone(),
            serial: document.serial,
            taken: published.at.iter().filter(|(_, taken)| taken.is_ok()).count(),
            missing: missing
                .map(|(url, why)| super::MissingLookup { url: url.to_owned(), why: why.to_string() })
                .collect(),
        }
    }
}

/// Deploy a filter
///
/// Signed by the user whose server this is, and given to all lookups; farms take it as they hear of it, and `GET /filters` tells
/// what becomes of it. Before that it is taken here as a farm takes it.
#[utoipa::path(put, path = "/api/v1/filters/{name}", tag = "filters", security(("session" = [])),
    params(("name" = String, Path, description = "The name of the deployment, and the cluster of what it emits")),
    request_body = PutFilter, responses(
        (status = 200, description = "It stands at the lookups", body = DeployedAnswer),
        (status = 400, description = "The template or a grant cannot be read", body = ErrorBody),
        (status = 401, description = "Without the session's token", body = ErrorBody),
        (status = 404, description = "There is no such component", body = ErrorBody),
        (status = 409, description = "It asks for more than it is granted", body = ErrorBody),
        (status = 422, description = "It does not take the parameters: its complaint", body = ErrorBody),
))]
pub async fn deploy(
    State(app): State<Arc<App>>,
    _: Changer,
    Named(deployed_as): Named<String>,
    Sent(asked): Sent<PutFilter>,
) -> Result<Response, ApiError> {
    let _place = app.changers.acquire().await.map_err(|_| ApiError::internal("closing"))?;
    name::check(&deployed_as).map_err(|error| ApiError::wrong(format!("name: {error}")))?;
    let farms = template(&asked.template)?;
    let (grants, actions) = grants(&asked.grants)?;
    let now = unix_millis();
    if asked.until.is_some_and(|until| until <= now) {
        return Err(ApiError::wrong("until is over: expected a time to come, in Unix ms"));
    }
    let component = app.desk.component(&asked.component, &app.mesh().await?).await?;
    let parameters = match asked.parameters.is_empty() {
        true => String::new(),
        false => serde_json::Value::Object(asked.parameters).to_string(),
    };
    let said = app.desk.describe(component.clone(), parameters.clone()).await?;
    granted(&said, &grants)?;
    let Description { name: component_name, version: component_version, .. } = said;
    let deployment = Deployment {
        farms,
        component_name,
        component_version,
        parameters,
        grants,
        actions,
        fresh: asked.state == StateWord::Fresh,
        description: asked.description,
    };
    deployment.check().map_err(|error| ApiError::wrong(error.to_string()))?;
    let mesh = app.mesh_to_change().await?;
    let author = mesh.author(app.author.identity()?);
    let (name, component) = (deployed_as, component.bytes);
    let deploy = Deploy { name, component, deployment, signed_ms: now, ends_ms: asked.until };
    json(&DeployedAnswer::of(&mesh.deploy(&author, &deploy).await?))
}

fn granted(said: &Description, grants: &BTreeSet<Capability>) -> Result<(), ApiError> {
    let lacking = said.capabilities.iter().filter(|wanted| !grants.contains(wanted));
    let lacking: Vec<&str> = lacking
        .map(|wanted| match wanted {
            Capability::Actions => "action:NAME",
            other => other.as_str(),
        })
        .collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let text =
        format!("{} asks for more than it is granted: add {} to grants", said.name, lacking.join(", "));
    Err(ApiError::conflict(text))
}

/// What it is granted, and the actions among that.
fn grants(words: &[String]) -> Result<(BTreeSet<Capability>, BTreeSet<String>), ApiError> {
    let (mut grants, mut actions) = (BTreeSet::new(), BTreeSet::new());
    for word in words {
        let wrong = || ApiError::wrong(format!("grants: `{word}`: expected alarms, history or action:NAME"));
        if let Some(action) = word.strip_prefix("action:") {
            name::check(action).map_err(|_| wrong())?;
            actions.insert(action.to_owned());
            grants.insert(Capability::Actions);
        } else {
            let plain = Capability::parse(word).filter(|capability| *capability != Capability::Actions);
            grants.insert(plain.ok_or_else(wrong)?);
        }
    }
    Ok((grants, actions))
}

/// Remove a deployment
///
/// From all farms, those that are away included; only that of the user whose server this is.
#[utoipa::path(delete, path = "/api/v1/filters/{name}", tag = "filters", security(("session" = [])),
    params(("name" = String, Path, description = "The deployment")), responses(
        (status = 200, description = "It is taken back", body = DeployedAnswer),
        (status = 401, description = "Without the session's token", body = ErrorBody),
        (status = 404, description = "There is no such deployment", body = ErrorBody),
        (status = 409, description = "It is somebody else's", body = ErrorBody),
))]
pub async fn remove(
    State(app): State<Arc<App>>,
    _: Changer,
    Named(name): Named<String>,
) -> Result<Response, ApiError> {
    let mesh = app.mesh_to_change().await?;
    let now = unix_millis();
    let deployed = mesh.deployed(std::slice::from_ref(&name), now).await;
    if deployed.deployments.is_empty() {
        return Err(ApiError::not_found(format!("no deployment is called {name}")));
    }
    let author = mesh.author(app.author.identity()?);
    let owner = author.owner();
    if !deployed.deployments.iter().any(|one| one.document.owner == owner) {
        let text =
            format!("{name} is another owner's: only they can remove it; this server deploys as {owner}");
        return Err(ApiError::conflict(text));
    }
    json(&DeployedAnswer::of(&mesh.remove_deployment(&author, &name, now).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// At this farm only; without it: wherever it is quarantined or waits.
    #[serde(default)]
    farm: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct RetryAnswer {
    farms: Vec<RetriedAt>,
}

#[derive(Serialize, ToSchema)]
struct RetriedAt {
    farm: String,
    /// How it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<&'static str>,
    /// Why it is not tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// Try a quarantined deployment again
#[utoipa::path(post, path = "/api/v1/filters/{name}/retry", tag = "filters", security(("session" = [])),
    params(("name" = String, Path, description = "The deployment")), request_body = Retry, responses(
        (status = 200, description = "What each farm made of it", body = RetryAnswer),
        (status = 401, description = "Without the session's token", body = ErrorBody),
        (status = 404, description = "It is quarantined nowhere", body = ErrorBody),
))]
pub async fn retry(
    State(app): State<Arc<App>>,
    _: Changer,
    Named(name): Named<String>,
    Sent(asked): Sent<Retry>,
) -> Result<Response, ApiError> {
    let mesh = app.mesh_to_change().await?;
    let ids = match asked.farm {
        Some(farm) => vec![farm],
        None => {
            let deployed = mesh.deployed(std::slice::from_ref(&name), unix_millis()).await;
            let at = deployed.deployments.iter().flat_map(|one| &one.farms);
            let failed = |state| {
                use DeploymentState::{BackingOff, Preparing, Quarantined};
                matches!(state, Quarantined | BackingOff | Preparing)
            };
            let failed = at.filter(|at| at.status.as_ref().is_ok_and(|status| failed(status.state())));
            failed.map(|at| at.id.to_string()).collect()
        }
    };
    if ids.is_empty() {
        return Err(ApiError::not_found(format!("{name} is quarantined at no farm that answers")));
    }
    let mut farms = Vec::new();
    for id in ids {
        let farm = mesh.farm_to_change(&id).await?;
        let (was, why) = match filters::retry(&farm, &name).await {
            Ok(status) => (Some(word(status.state())), None),
            Err(error) => (None, Some(error.brief())),
        };
        farms.push(RetriedAt { farm: farm.name.to_string(), was, why });
    }
    json(&RetryAnswer { farms })
}
