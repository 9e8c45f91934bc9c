//! What the farms' caches have of a predicate, once: as JSON, lines of JSON, CSV, or Arrow.

mod arrow;
mod csv;
mod lines;
mod table;

use super::CoverageLine;
use super::series_list::predicate;
use crate::app::App;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Asked, typed};
use axum::extract::State;
use axum::response::Response;
use hedgerow_client::Predicate;
use hedgerow_client::mesh::MeshUpdate;
use hedgerow_client::subscription::Update;
use hedgerow_shown::json::SampleLine;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;
use table::Format;
use utoipa::{IntoParams, ToSchema};

/// Most rows of one answer; a question with more is refused, and may be condensed with `every=`.
pub const MAX_ROWS: usize = 1_000_000;
/// Most bytes of one answer, and what it takes in memory.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;
/// What an answer that has no place for it covers.
const COVERAGE: HeaderName = HeaderName::from_static("x-hedgerow-coverage");
/// Longest such header; of a longer one only the numbers are said.
const MAX_COVERAGE: usize = 4096;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct QueryAsked {
    /// Patterns, then `where CONSTRAINT`, `since= until= last every=WIDTH:AGGREGATES as=raw|rate|delta`. Without a window: the
    /// newest value of each series. Times without a zone are UTC.
    predicate: String,
    #[serde(default)]
    #[param(inline)]
    format: Word,
    /// The epoch and number of each sample, too.
    #[serde(default)]
    numbers: bool,
}

/// A form of answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// One document: `{"samples":[…],"coverage":{…}}`.
    #[default]
    Json,
    /// An object a line, the last one with `"event":"coverage"`.
    Ndjson,
    /// RFC 4180, with a header line, times in RFC 3339.
    Csv,
    /// An Arrow IPC stream.
    Arrow,
}

#[derive(Serialize, ToSchema)]
pub struct QueryAnswer<'a> {
    /// Samples, or bins: those have `every_ms` and the aggregates asked for in place of `value`.
    samples: Vec<SampleLine<'a>>,
    coverage: CoverageLine,
}

/// What was seen
///
/// Samples that the farms have kept, or bins of them. Every answer says what it covers: in JSON in it, else in the header
/// `X-Hedgerow-Coverage`.
#[utoipa::path(get, path = "/api/v1/query", tag = "data", params(QueryAsked), responses(
    (status = 200, description = "The samples", content(
        (QueryAnswer = "application/json"),
        (String = "application/x-ndjson"),
        (String = "text/csv"),
        (Vec<u8> = "application/vnd.apache.arrow.stream"),
    )),
    (status = 400, description = "The predicate cannot be read", body = ErrorBody),
    (status = 413, description = "More than one answer may have", body = ErrorBody),
))]
pub async fn query(
    State(app): State<Arc<App>>,
    Asked(asked): Asked<QueryAsked>,
) -> Result<Response, ApiError> {
    let predicate = windowed(predicate(&asked.predicate)?)?;
    let mesh = app.mesh().await?;
    let _place = app.queries.acquire().await.map_err(|_| ApiError::internal("closing"))?;
    let mut format = begun(asked.format, &predicate, asked.numbers)?;
    let mut answer = mesh.query(&predicate);
    let mut rows = 0;
    while let Some(update) = answer.next().await {
        let MeshUpdate::Farm { update, .. } = update else { continue };
        let written = match &update {
            Update::Samples(samples) => {
                rows += samples.len();
                samples.iter().try_for_each(|sample| format.sample(&sample))
            }
            Update::Bins(bins) => {
                rows += bins.series.len();
                format.bins(bins)
            }
            _ => Ok(()),
        };
        written.map_err(|error| cannot_write(&error))?;
        if rows > MAX_ROWS || format.bytes() > MAX_BYTES {
            return Err(too_much());
        }
    }
    let coverage = CoverageLine::of(&answer.coverage().cloned().unwrap_or_default());
    let bytes = format.end(&coverage).map_err(|error| cannot_write(&error))?;
    let mut response = typed(content_type(asked.format), bytes);
    if let Some(said) = in_header(&coverage) {
        response.headers_mut().insert(COVERAGE, said);
    }
    Ok(response)
}

/// With a window: where there is none, it is the newest value of each series.
fn windowed(mut predicate: Predicate) -> Result<Predicate, ApiError> {
    let window = &mut predicate.window;
    if window.since.is_none() && !window.last {
        if window.every.is_some() || window.until.is_some() {
            return Err(ApiError::wrong("predicate: from when? Expected since=, as in since=1h"));
        }
        window.last = true;
    }
    Ok(predicate)
}

fn begun(word: Word, predicate: &Predicate, numbers: bool) -> Result<Box<dyn Format>, ApiError> {
    Ok(match word {
        Word::Json => Box::new(lines::Json::new(numbers)),
        Word::Ndjson => Box::new(lines::Lines::new(numbers)),
        Word::Csv => Box::new(csv::Csv::new(predicate, numbers)),
        Word::Arrow => Box::new(arrow::Arrow::new(predicate, numbers).map_err(|error| cannot_write(&error))?),
    })
}

const fn content_type(word: Word) -> &'static str {
    match word {
        Word::Json => "application/json",
        Word::Ndjson => "application/x-ndjson",
        Word::Csv => "text/csv; charset=utf-8; header=present",
        Word::Arrow => "application/vnd.apache.arrow.stream",
    }
}

fn in_header(coverage: &CoverageLine) -> Option<HeaderValue> {
    let whole = hedgerow_shown::json::line(coverage).ok()?;
    let ascii = String::from_utf8(whole).ok().filter(|text| text.is_ascii() && text.len() <= MAX_COVERAGE);
    let text = ascii.unwrap_or_else(|| {
        let CoverageLine { asked, answered, complete, .. } = coverage;
        format!("{{\"asked\":{asked},\"answered\":{answered},\"complete\":{complete}}}")
    });
    HeaderValue::from_str(&text).ok()
}

fn too_much() -> ApiError {
    let message = format!(
        "more than {MAX_ROWS} rows or {} MiB: ask for fewer series, a shorter time, or bins, as in every=5m:mean",
        MAX_BYTES >> 20
    );
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_much", message)
}

fn cannot_write(error: &io::Error) -> ApiError {
    ApiError::internal(format!("the answer cannot be written: {error}"))
}

#[cfg(test)]
mod tests;
