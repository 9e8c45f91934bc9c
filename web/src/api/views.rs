//! Saved views.

use crate::app::App;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Changer, Named, Sent, json};
use crate::saved::{Listed, SavedView, SavedViews};
use axum::extract::State;
use axum::response::Response;
use hedgerow_service::clock::unix_millis;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub struct ViewsAnswer {
    /// By name; a file that cannot be read with its `error`.
    views: Vec<Listed>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutView {
    /// What people call it.
    title: String,
    /// Which page: `explore`, `mesh`, …
    page: String,
    /// What the page's address holds.
    #[schema(value_type = Object)]
    state: serde_json::Map<String, serde_json::Value>,
}

/// Reads and writes files beside the async threads.
async fn beside<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&SavedViews) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let saved = app.saved.clone();
    let done = tokio::task::spawn_blocking(move || work(&saved)).await;
    done.map_err(|error| ApiError::internal(error.to_string()))?
}

/// Saved views
///
/// Files in the folder `views` of this server's data, read anew each time: they may be edited by hand.
#[utoipa::path(get, path = "/api/v1/views", tag = "views", responses(
    (status = 200, description = "All of them", body = ViewsAnswer),
))]
pub async fn list(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let views = beside(&app, SavedViews::list).await?;
    json(&ViewsAnswer { views })
}

/// A saved view
#[utoipa::path(get, path = "/api/v1/views/{name}", tag = "views",
    params(("name" = String, Path, description = "Its name")), responses(
        (status = 200, description = "The view", body = SavedView),
        (status = 400, description = "It is no name", body = ErrorBody),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "Its file is broken: how", body = ErrorBody),
))]
pub async fn get(State(app): State<Arc<App>>, Named(name): Named<String>) -> Result<Response, ApiError> {
    json(&beside(&app, move |saved| saved.get(&name)).await?)
}

/// Save a view
#[utoipa::path(put, path = "/api/v1/views/{name}", tag = "views", security(("session" = [])),
    params(("name" = String, Path, description = "Its name, and that of its file")), request_body = PutView,
    responses(
        (status = 200, description = "As it is kept", body = SavedView),
        (status = 400, description = "It is no name", body = ErrorBody),
        (status = 401, description = "Without the session's token", body = ErrorBody),
))]
pub async fn put(
    State(app): State<Arc<App>>,
    _: Changer,
    Named(name): Named<String>,
    Sent(PutView { title, page, state }): Sent<PutView>,
) -> Result<Response, ApiError> {
    let view = SavedView { title, page, state, saved: unix_millis() };
    let kept = view.clone();
    beside(&app, move |saved| saved.put(&name, &kept)).await?;
    json(&view)
}

#[derive(Serialize, ToSchema)]
pub struct Removed {
    removed: bool,
}

/// Remove a saved view
#[utoipa::path(delete, path = "/api/v1/views/{name}", tag = "views", security(("session" = [])),
    params(("name" = String, Path, description = "Its name")), responses(
        (status = 200, description = "It is gone", body = Removed),
        (status = 400, description = "It is no name", body = ErrorBody),
        (status = 401, description = "Without the session's token", body = ErrorBody),
        (status = 404, description = "There is none", body = ErrorBody),
))]
pub async fn remove(
    State(app): State<Arc<App>>,
    _: Changer,
    Named(name): Named<String>,
) -> Result<Response, ApiError> {
    beside(&app, move |saved| saved.remove(&name)).await?;
    json(&Removed { removed: true })
}
