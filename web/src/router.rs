//! Which path leads where. In front of everything stands the gate.

use crate::api::{
    alarms, complete, farms, filters, live, logs, mesh, query, series_list, silences, sockets, tree, views,
};
use crate::app::App;
use crate::error::ApiError;
use crate::security::{Standing, put_on};
use crate::{docs, page, prometheus};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use axum::{Router, middleware};
use hedgerow_model::document::MAX_BLOB_BYTES;
use http::{HeaderMap, Method, StatusCode, Uri};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a body of JSON; more is refused (413).
const MAX_BODY: usize = 256 * 1024;
/// How long an answer may take to begin; then the request is given up (504).
const PATIENCE: Duration = Duration::from_secs(240);

/// All paths.
pub fn router(app: Arc<App>) -> Router {
    let component = usize::try_from(MAX_BLOB_BYTES).unwrap_or(usize::MAX);
    let api = Router::new()
        .route("/mesh", get(mesh::mesh))
        .route("/farms", get(mesh::farms))
        .route("/farms/{farm}", get(farms::farm))
        .route("/series", get(series_list::series))
        .route("/tree", get(tree::tree))
        .route("/complete", get(complete::complete))
        .route("/query", get(query::query))
        .route("/live", get(live::live))
        .route("/live/views", get(sockets::views))
        .route("/alarms", get(alarms::alarms))
        .route("/alarms/{farm}/{id}", get(alarms::alarm))
        .route("/alarms/{farm}/{id}/acknowledge", post(alarms::acknowledge))
        .route("/alarms/{farm}/{id}/unacknowledge", post(alarms::unacknowledge))
        .route("/alarms/{farm}/{id}/close", post(alarms::close))
        .route("/silences", post(silences::silence))
        .route("/silences/{farm}/{id}", delete(silences::end))
        .route("/filters", get(filters::filters))
        // Not below `filters`: there anything is the name of a deployment.
        .route("/components", post(filters::upload).layer(DefaultBodyLimit::max(component)))
        .route("/components/describe", post(filters::describe))
        .route("/filters/{name}", axum::routing::put(filters::deploy).delete(filters::remove))
        .route("/filters/{name}/logs", get(logs::logs))
        .route("/filters/{name}/retry", post(filters::retry))
        .route("/views", get(views::list))
        .route("/views/{name}", get(views::get).put(views::put).delete(views::remove))
        .route("/openapi.json", get(docs::document));
    Router::new()
        .nest("/api/v1", api)
        .nest("/prometheus/api/v1", prometheus::router())
        .route("/api", get(docs::page))
        .fallback(elsewhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(in_time))
        .layer(from_fn_with_state(Arc::clone(&app), guard))
        .with_state(app)
}

/// Lets a request in or refuses it; and puts on every answer what browsers are to know.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let reader = app.gate.reader(&parts);
    let mut response = match app.gate.admit(&parts) {
        Ok(standing) => {
            parts.extensions.insert::<Standing>(standing);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refusal) => ApiError::from(refusal).into_response(),
    };
    put_on(response.headers_mut(), reader.as_deref());
    response
}

async fn in_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(PATIENCE, next.run(request)).await.unwrap_or_else(|_| {
        let text = format!("no answer within {} s: ask for less", PATIENCE.as_secs());
        ApiError::new(StatusCode::GATEWAY_TIMEOUT, "timed_out", text).into_response()
    })
}

/// The page and its files; everything else is not here.
async fn elsewhere(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let reads = matches!(method, Method::GET | Method::HEAD);
    let found = Some(()).filter(|()| reads).and_then(|()| page::answer(&uri, &headers));
    found.unwrap_or_else(|| {
        ApiError::not_found(format!("there is nothing at {}: /api lists what there is", uri.path()))
            .into_response()
    })
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    let text = format!("{} does not take {method}: /api lists what there is", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", text)
}
