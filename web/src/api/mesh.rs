//! Which mesh this is, and how its lookups are.

use super::{CoverageLine, MissingLookup};
use crate::app::App;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Asked, json};
use crate::security::Standing;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use hedgerow_client::Template;
use hedgerow_shown::services::ServiceLine;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

#[derive(Serialize, ToSchema)]
pub struct MeshAnswer<'a> {
    mesh: MeshName<'a>,
    /// Of this server.
    version: &'a str,
    /// This server's clock, Unix ms.
    now: i64,
    /// `changer` where the session's token was sent, else `reader`.
    session: &'a str,
    lookups: LookupsAnswer,
    /// No lookup answered when this server last asked: what it shows was known at this time, Unix ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_since_ms: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct MeshName<'a> {
    name: &'a str,
    /// 32 hex digits.
    id: String,
}

#[derive(Serialize, ToSchema)]
struct LookupsAnswer {
    asked: usize,
    answered: usize,
    missing: Vec<MissingLookup>,
}

/// Which mesh this is
///
/// And whether its lookups answer, and whether the token that was sent lets one change something.
#[utoipa::path(get, path = "/api/v1/mesh", tag = "mesh", responses(
    (status = 200, description = "The mesh", body = MeshAnswer),
    (status = 503, description = "No lookup answers", body = ErrorBody),
))]
pub async fn mesh(
    State(app): State<Arc<App>>,
    Extension(standing): Extension<Standing>,
) -> Result<Response, ApiError> {
    let mesh = app.mesh().await?;
    let found = mesh.farms(&Template::default()).await;
    let CoverageLine { lookups_missing, stale_since_ms, .. } = CoverageLine::of_found(&found);
    let identity = mesh.identity();
    json(&MeshAnswer {
        mesh: MeshName { name: &identity.name, id: identity.id.to_string() },
        version: env!("CARGO_PKG_VERSION"),
        now: hedgerow_service::clock::unix_millis(),
        session: match standing {
            Standing::Reader => "reader",
            Standing::Changer => "changer",
        },
        lookups: LookupsAnswer { asked: found.asked, answered: found.answered, missing: lookups_missing },
        stale_since_ms,
    })
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FarmsAsked {
    /// Terms that must all hold, as in `hedgerow find`: `group=alice cores=64..`; none: all farms.
    #[serde(default)]
    template: String,
}

#[derive(Serialize, ToSchema)]
pub struct FarmsAnswer<'a> {
    farms: Vec<ServiceLine<'a>>,
    coverage: CoverageLine,
}

/// The farms that match a template
///
/// As all lookups together know them; each as `hedgerow find --json` gives it.
#[utoipa::path(get, path = "/api/v1/farms", tag = "mesh", params(FarmsAsked), responses(
    (status = 200, description = "The farms", body = FarmsAnswer),
    (status = 400, description = "The template cannot be read", body = ErrorBody),
    (status = 503, description = "No lookup answers", body = ErrorBody),
))]
pub async fn farms(
    State(app): State<Arc<App>>,
    Asked(asked): Asked<FarmsAsked>,
) -> Result<Response, ApiError> {
    let template = template(&asked.template)?;
    let mesh = app.mesh().await?;
    let found = mesh.farms(&template).await;
    let farms = found.services.iter().map(ServiceLine::of).collect();
    json(&FarmsAnswer { farms, coverage: CoverageLine::of_found(&found) })
}

/// Reads a template.
///
/// # Errors
/// What is wrong with it, and what was expected.
pub fn template(text: &str) -> Result<Template, ApiError> {
    let template = Template::parse(text).map_err(|error| ApiError::wrong(format!("template: {error}")))?;
    template.compile().map_err(|fault| ApiError::wrong(format!("template: {fault}")))?;
    Ok(template)
}
