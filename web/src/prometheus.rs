//! `/prometheus/api/v1`: a mesh, read as a Prometheus would be; by Grafana, `promtool`, and whatever else asks a Prometheus.
//!
//! Only reads, by GET and by POST: a POST must be a form, and nothing that it says changes anything. A page elsewhere can send
//! such a form, but not read the answer. It must never answer what it doesn't know as if it did: what is missing stands in
//! `warnings`.

mod asked;
mod fetch;
mod holes;
mod kept;
mod lists;
mod mapping;
mod queries;
mod status;
mod told;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::Raw;
use asked::Asked;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode, Uri};
use std::sync::Arc;
use told::Refused;

pub(crate) use kept::Kept;

/// Largest form that is read, in bytes; a larger one is refused.
const MAX_FORM_BYTES: usize = 1 << 20;
const FORM: &str = "application/x-www-form-urlencoded";

/// The pages, below `/prometheus/api/v1/`; the reference is held against them.
pub const PAGES: [&str; 12] = [
    "query",
    "query_range",
    "series",
    "labels",
    "label/NAME/values",
    "metadata",
    "status/buildinfo",
    "rules",
    "alerts",
    "targets",
    "alertmanagers",
    "query_exemplars",
];

/// The pages, to stand below `/prometheus/api/v1`.
pub(crate) fn router() -> Router<Arc<App>> {
    let page = get(page).post(page);
    Router::new().route("/{*page}", page).layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}

async fn page(
    State(app): State<Arc<App>>,
    page: Result<Path<String>, PathRejection>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    form: Result<Raw, ApiError>,
) -> Result<Response, Refused> {
    let Path(page) = page.map_err(|error| Refused::wrong(error.body_text()))?;
    let Raw(form) = form.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Refused::too_large(format!("{}: a form has at most {MAX_FORM_BYTES} bytes", error.message()))
        }
        StatusCode::REQUEST_TIMEOUT => Refused::slow_body(error.message()),
        _ => Refused::wrong(error.message()),
    })?;
    let form = if method == Method::POST { posted(&headers, &form)? } else { &[] };
    answered(&app, &page, &Asked::read(uri.query(), form)?).await
}

fn posted<'a>(headers: &HeaderMap, form: &'a Bytes) -> Result<&'a [u8], Refused> {
    let said = headers.get(CONTENT_TYPE).and_then(|said| said.to_str().ok()).unwrap_or_default();
    let bare = said.split(';').next().unwrap_or_default().trim();
    if bare.eq_ignore_ascii_case(FORM) {
        return Ok(form);
    }
    let found = if bare.is_empty() { "no type" } else { bare };
    Err(Refused::body(format!("a body of {found} is not read: expected Content-Type {FORM}")))
}

async fn answered(app: &App, page: &str, asked: &Asked) -> Result<Response, Refused> {
    if page == "status/buildinfo" {
        return status::buildinfo();
    }
    if let Some(empty) = status::empty(page) {
        return empty;
    }
    let key = page.strip_prefix("label/").and_then(|rest| rest.strip_suffix("/values"));
    if key.is_none() && !PAGES.contains(&page) {
        return Err(Refused::not_found(format!("no page {page:?} here: there are {}", PAGES.join(", "))));
    }
    let mesh = app.mesh().await.map_err(|error| Refused::unavailable(error.message()))?;
    let _place = app.queries.acquire().await.map_err(Refused::internal)?;
    match (page, key) {
        ("query", _) => queries::query(&mesh, asked).await,
        ("query_range", _) => queries::query_range(&mesh, asked).await,
        (page, key) => {
            let lists = lists::Lists { mesh: &mesh, kept: &app.listed, asked };
            match (page, key) {
                ("series", _) => lists.series().await,
                ("labels", _) => lists.labels().await,
                (_, Some(key)) => lists.values(key).await,
                _ => lists.metadata().await,
            }
        }
    }
}

#[cfg(test)]
mod tests;
