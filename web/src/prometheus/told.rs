//! Answers in the form that Prometheus gives them.

use axum::response::{IntoResponse, Response};
use hedgerow_promql::{Answer, EvalError, Labels, Line, Point, number_text};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::fmt::Display;

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Refused {
    kind: Kind,
    what: String,
}

/// Prometheus's words for what is wrong, and the status that goes with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    BadData,
    Execution,
    Timeout,
    Unavailable,
    NotFound,
    BodyType,
    TooLarge,
    SlowBody,
    Internal,
}

impl Kind {
    const fn told(self) -> (&'static str, StatusCode) {
        match self {
            Self::BadData => ("bad_data", StatusCode::BAD_REQUEST),
            Self::Execution => ("execution", StatusCode::UNPROCESSABLE_ENTITY),
            Self::Timeout => ("timeout", StatusCode::SERVICE_UNAVAILABLE),
            Self::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND),
            Self::BodyType => ("bad_data", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Self::TooLarge => ("bad_data", StatusCode::PAYLOAD_TOO_LARGE),
            Self::SlowBody => ("timeout", StatusCode::REQUEST_TIMEOUT),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

impl Refused {
    fn of(kind: Kind, what: impl Display) -> Self {
        Self { kind, what: what.to_string() }
    }

    /// The question is wrong.
    pub fn wrong(what: impl Display) -> Self {
        Self::of(Kind::BadData, what)
    }

    /// One of its parameters is.
    pub fn parameter(name: &str, what: impl Display) -> Self {
        Self::of(Kind::BadData, format!("invalid parameter {name:?}: {what}"))
    }

    /// It can be understood and not be done.
    pub fn execution(what: impl Display) -> Self {
        Self::of(Kind::Execution, what)
    }

    /// It took too long.
    pub fn timeout(what: impl Display) -> Self {
        Self::of(Kind::Timeout, what)
    }

    /// The mesh can't be asked.
    pub fn unavailable(what: impl Display) -> Self {
        Self::of(Kind::Unavailable, what)
    }

    /// There is no such page.
    pub fn not_found(what: impl Display) -> Self {
        Self::of(Kind::NotFound, what)
    }

    /// The body is none that is read.
    pub fn body(what: impl Display) -> Self {
        Self::of(Kind::BodyType, what)
    }

    /// The body is too large.
    pub fn too_large(what: impl Display) -> Self {
        Self::of(Kind::TooLarge, what)
    }

    /// The body did not come in time.
    pub fn slow_body(what: impl Display) -> Self {
        Self::of(Kind::SlowBody, what)
    }

    /// A fault of this server.
    pub fn internal(what: impl Display) -> Self {
        Self::of(Kind::Internal, what)
    }
}

impl From<EvalError> for Refused {
    fn from(error: EvalError) -> Self {
        Self::execution(error)
    }
}

#[derive(Serialize)]
struct Failure<'a> {
    status: &'static str,
    #[serde(rename = "errorType")]
    error_type: &'static str,
    error: &'a str,
}

#[derive(Serialize)]
struct Success<T> {
    status: &'static str,
    data: T,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (error_type, status) = self.kind.told();
        let failure = Failure { status: "error", error_type, error: &self.what };
        json(status, serde_json::to_vec(&failure).unwrap_or_default())
    }
}

/// An answer, and what is to be known of it.
///
/// # Errors
/// Where it can't be written.
pub fn told(data: impl Serialize, warnings: Vec<String>) -> Result<Response, Refused> {
    let body = serde_json::to_vec(&Success { status: "success", data, warnings });
    Ok(json(StatusCode::OK, body.map_err(Refused::internal)?))
}

/// The value of a query: `{"resultType","result"}`.
#[derive(Serialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
pub enum Told {
    /// A number.
    Scalar((Time, String)),
    /// A text.
    String((Time, String)),
    /// Series with a value each.
    Vector(Vec<One>),
    /// Series with several.
    Matrix(Vec<Many>),
}

impl Told {
    /// What a query gave at `time`.
    pub fn at(time: i64, answer: Answer) -> Self {
        let one = |point: Point| One {
            metric: Metric(point.labels),
            value: (Time(time), number_text(point.value)),
        };
        match answer {
            Answer::Scalar(value) => Self::Scalar((Time(time), number_text(value))),
            Answer::Text(text) => Self::String((Time(time), text)),
            Answer::Vector(points) => Self::Vector(points.into_iter().map(one).collect()),
            Answer::Matrix(lines) => Self::lines(lines),
        }
    }

    /// What it gave at several times.
    pub fn lines(lines: Vec<Line>) -> Self {
        let point = |(time, value)| (Time(time), number_text(value));
        let many = |line: Line| Many {
            metric: Metric(line.labels),
            values: line.points.into_iter().map(point).collect(),
        };
        Self::Matrix(lines.into_iter().map(many).collect())
    }
}

#[derive(Serialize)]
pub struct One {
    metric: Metric,
    value: (Time, String),
}

#[derive(Serialize)]
pub struct Many {
    metric: Metric,
    values: Vec<(Time, String)>,
}

/// Labels as an object.
pub struct Metric(pub Labels);

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.iter().len()))?;
        for (key, value) in self.0.iter() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Unix milliseconds, told in seconds.
pub struct Time(i64);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 % 1000 {
            0 => serializer.serialize_i64(self.0 / 1000),
            _ => serializer.serialize_f64(self.0 as f64 / 1000.0),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn answers_have_the_form_of_prometheus() {
        let labels = Labels::new([("__name__", "up"), ("job", "x")]);
        let vector = Answer::Vector(vec![Point { labels, value: f64::INFINITY }]);
        let text = |told: Told| serde_json::to_string(&told).unwrap();
        assert_eq!(
            text(Told::at(1_500, vector)),
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"x"},"value":[1.5,"+Inf"]}]}"#
        );
        assert_eq!(text(Told::at(2_000, Answer::Scalar(2.0))), r#"{"resultType":"scalar","result":[2,"2"]}"#);
        let line = Line { labels: Labels::default(), points: vec![(0, f64::NAN)] };
        assert_eq!(
            text(Told::lines(vec![line])),
            r#"{"resultType":"matrix","result":[{"metric":{},"values":[[0,"NaN"]]}]}"#
        );
    }
}
