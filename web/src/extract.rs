//! What handlers take from a request, refused in the form of all errors; and what they answer.

use crate::error::ApiError;
use crate::security::Standing;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::time::Duration;

/// How long a body may take to come; then the request is refused (408).
pub const BODY_PATIENCE: Duration = Duration::from_secs(60);

/// The words behind `?`.
pub struct Asked<T>(pub T);
/// The parts of the path.
pub struct Named<T>(pub T);
/// A body of JSON.
pub struct Sent<T>(pub T);
/// A body as it comes.
pub struct Raw(pub Bytes);
/// That the session's token was shown: whoever takes this may change something.
pub struct Changer;

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // What is no text would be read as if something else had been asked.
        hedgerow_service::http::Query::parse(parts.uri.query().unwrap_or_default())
            .map_err(|error| ApiError::wrong(error.to_string()))?;
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
        let read: Result<Json<T>, JsonRejection> = in_time(Json::from_request(request, state)).await?;
        read.map(|Json(sent)| Self(sent)).map_err(|error| {
            let code =
                if error.status() == StatusCode::PAYLOAD_TOO_LARGE { "too_much" } else { "wrong_body" };
            // Of the wrong shape is wrong, too: 422 says nothing more than 400 does.
            let status = Some(error.status()).filter(|status| *status != StatusCode::UNPROCESSABLE_ENTITY);
            ApiError::new(status.unwrap_or(StatusCode::BAD_REQUEST), code, error.body_text())
        })
    }
}

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = ApiError;
    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let read: Result<Bytes, BytesRejection> = in_time(Bytes::from_request(request, state)).await?;
        read.map(Self).map_err(|error| ApiError::new(error.status(), "too_much", error.body_text()))
    }
}

/// What is read of a body, where it comes in time.
async fn in_time<T>(read: impl Future<Output = T>) -> Result<T, ApiError> {
    let slow = |_| {
        let text = format!("the body did not come within {} s", BODY_PATIENCE.as_secs());
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "slow_body", text)
    };
    tokio::time::timeout(BODY_PATIENCE, read).await.map_err(slow)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::body::Body;
    use futures_util::stream;
    use std::io;

    async fn query(text: &str) -> Result<Vec<(String, String)>, ApiError> {
        let (mut parts, ()) = http::Request::get(format!("/x?{text}")).body(()).unwrap().into_parts();
        Asked::from_request_parts(&mut parts, &()).await.map(|Asked(pairs)| pairs)
    }

    #[tokio::test]
    async fn words_that_are_no_text_are_refused_and_not_read_as_others() {
        assert_eq!(query("a=%C3%BC+b").await.unwrap(), [("a".to_owned(), "ü b".to_owned())]);
        for wrong in ["a=%ff", "a=%C3", "a=%zz", "%ff=a", "a=%"] {
            let refused = query(wrong).await.unwrap_err();
            assert!(refused.message().contains("expected UTF-8"), "{wrong}: {refused:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_given_up() {
        let request = || {
            let never = stream::pending::<Result<Bytes, io::Error>>();
            http::Request::post("/x")
                .header(CONTENT_TYPE, "application/json")
                .body(Body::from_stream(never))
                .unwrap()
        };
        let slow = Raw::from_request(request(), &()).await.err().unwrap();
        assert_eq!(slow.status(), StatusCode::REQUEST_TIMEOUT);
        let slow = Sent::<Vec<u8>>::from_request(request(), &()).await.err().unwrap();
        assert!(slow.message().contains("within 60 s"), "{slow:?}");
    }
}
