//! What handlers take from a request, refused in the form of all errors; and what they answer.

use crate::error::ApiError;
use crate::security::Standing;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use axum::response::Response;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The words behind `?`.
pub struct Asked<T>(pub T);
/// The parts of the path.
pub struct Named<T>(pub T);
/// A body of JSON.
pub struct Sent<T>(pub T);
/// That the session's token was shown: whoever takes this may change something.
pub struct Changer;

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        read.map(|Query(asked)| Self(asked)).map_err(|error| ApiError::wrong(error.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
        read.map(|Path(named)| Self(named)).map_err(|error| ApiError::wrong(error.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let read: Result<Json<T>, JsonRejection> = Json::from_request(request, state).await;
        read.map(|Json(sent)| Self(sent)).map_err(|error| {
            let code =
                if error.status() == StatusCode::PAYLOAD_TOO_LARGE { "too_much" } else { "wrong_body" };
            // Of the wrong shape is wrong, too: 422 says nothing more than 400 does.
            let status = Some(error.status()).filter(|status| *status != StatusCode::UNPROCESSABLE_ENTITY);
            ApiError::new(status.unwrap_or(StatusCode::BAD_REQUEST), code, error.body_text())
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Changer {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match parts.extensions.get::<Standing>() {
            Some(Standing::Changer) => Ok(Self),
            // The gate has refused it before: this is the second lock of the same door.
            _ => Err(crate::security::Refusal::NoSession.into()),
        }
    }
}

/// An answer of JSON. Text from the mesh stands in it escaped where it could act on a terminal.
///
/// # Errors
/// None that can happen.
pub fn json(value: &impl Serialize) -> Result<Response, ApiError> {
    let bytes = hedgerow_shown::json::line(value).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(typed("application/json", bytes))
}

/// An answer of this type, not to be kept by anybody.
pub fn typed(content_type: &'static str, bytes: impl Into<axum::body::Body>) -> Response {
    let mut response = Response::new(bytes.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
