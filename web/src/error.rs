//! Why a request was not answered, as every endpoint says it: `{"error":{"code","message"}}` and a status.

use axum::response::{IntoResponse, Response};
use hedgerow_client::error::ClientError;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use tonic::Code;
use utoipa::ToSchema;

/// Why a request was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

/// The body of every answer that is an error.
#[derive(Serialize, ToSchema)]
pub struct ErrorBody<'a> {
    error: Told<'a>,
}

#[derive(Serialize, ToSchema)]
struct Told<'a> {
    /// A word for programs, as `not_found`.
    code: &'a str,
    /// What was wrong, where, and what was expected.
    message: &'a str,
}

impl ApiError {
    /// An error with a word of its own.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// The question is wrong.
    pub fn wrong(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "wrong_question", message)
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// A bound is reached.
    pub fn too_much(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_much", message)
    }

    /// It cannot be done as things are.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// A fault of this server.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is said.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<ClientError> for ApiError {
    fn from(error: ClientError) -> Self {
        let (status, code) = match &error {
            ClientError::NoFarm { .. } | ClientError::FarmGone(_) => (StatusCode::NOT_FOUND, "not_found"),
            ClientError::SeveralFarms { .. } => (StatusCode::CONFLICT, "several"),
            ClientError::NoLookup(_) => (StatusCode::SERVICE_UNAVAILABLE, "no_lookup"),
            ClientError::TimedOut { .. } => (StatusCode::GATEWAY_TIMEOUT, "timed_out"),
            ClientError::TooMuch { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_much"),
            ClientError::Call { code, .. } => of_call(*code),
            _ => (StatusCode::BAD_GATEWAY, "failed"),
        };
        Self::new(status, code, error.to_string())
    }
}

fn of_call(code: Code) -> (StatusCode, &'static str) {
    match code {
        Code::InvalidArgument | Code::OutOfRange => (StatusCode::BAD_REQUEST, "wrong_question"),
        Code::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        Code::PermissionDenied | Code::Unauthenticated => (StatusCode::FORBIDDEN, "refused"),
        Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted => (StatusCode::CONFLICT, "conflict"),
        Code::ResourceExhausted => (StatusCode::TOO_MANY_REQUESTS, "too_much"),
        Code::DeadlineExceeded => (StatusCode::GATEWAY_TIMEOUT, "timed_out"),
        _ => (StatusCode::BAD_GATEWAY, "failed"),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody { error: Told { code: self.code, message: &self.message } };
        let mut response = Response::new(serde_json::to_vec(&body).unwrap_or_default().into());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
