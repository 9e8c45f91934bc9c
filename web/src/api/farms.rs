//! How a farm is, by its own account.

use crate::app::App;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Named, json};
use axum::extract::State;
use axum::response::Response;
use hedgerow_client::filters;
use hedgerow_shown::deployments::StatusLine;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub struct FarmAnswer<'a> {
    /// As `hedgerow farm status --json` gives it.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    status: serde_json::Value,
    /// What runs there, and what it costs; missing where the farm does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    filters: Option<Vec<StatusLine<'a>>>,
}

/// How a farm is
///
/// By its own account: collectors, targets with lateness and last error, cache, lookups, ledger, filters with their cost.
#[utoipa::path(get, path = "/api/v1/farms/{farm}", tag = "mesh",
    params(("farm" = String, Path, description = "Its name, `name~id8`, or id")),
    responses(
        (status = 200, description = "The farm", body = FarmAnswer),
        (status = 404, description = "There is no such farm", body = ErrorBody),
        (status = 409, description = "There are several", body = ErrorBody),
        (status = 504, description = "It does not answer", body = ErrorBody),
))]
pub async fn farm(State(app): State<Arc<App>>, Named(name): Named<String>) -> Result<Response, ApiError> {
    let mesh = app.mesh().await?;
    let status = mesh.farm_status(&name).await?;
    let farm = mesh.farm(&name).await?;
    let running = filters::statuses(&farm).await.ok();
    let filters = running.as_ref().map(|running| running.iter().map(StatusLine::of).collect());
    json(&FarmAnswer { status: hedgerow_shown::farms::object(&status), filters })
}
