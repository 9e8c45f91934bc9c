//! Series that match, with their last values, a page at a time.

use super::{CoverageLine, SeriesLine, series};
use crate::app::App;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Asked, json};
use axum::extract::State;
use axum::response::Response;
use hedgerow_client::Predicate;
use hedgerow_model::predicate::{PathPattern, Reading, Window};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Series in one answer where nothing else is asked.
const DEFAULT_LIMIT: usize = 1_000;
/// Most series in one answer; the next page has more.
const MAX_LIMIT: usize = 10_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SeriesAsked {
    /// Patterns `FARM/CLUSTER/NODE/PARAMETER[LABELS]`, with `*`, `?`, `{a,b}`; missing parts at the end mean `*`.
    #[serde(default = "everything")]
    #[param(default = "*")]
    predicate: String,
    /// How many at most.
    #[serde(default)]
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    limit: Option<usize>,
    /// Behind this one: `next` of the page before.
    #[serde(default)]
    after: Option<String>,
}

fn everything() -> String {
    "*".to_owned()
}

#[derive(Serialize, ToSchema)]
pub struct SeriesAnswer<'a> {
    /// In the order of their paths.
    series: Vec<SeriesLine<'a>>,
    /// Whether there are more behind these.
    more: bool,
    /// For `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    coverage: CoverageLine,
}

/// Series with their last values
///
/// A page at a time. Of a counter the last value is its count.
#[utoipa::path(get, path = "/api/v1/series", tag = "data", params(SeriesAsked), responses(
    (status = 200, description = "The series", body = SeriesAnswer),
    (status = 400, description = "The patterns cannot be read", body = ErrorBody),
))]
pub async fn series(
    State(app): State<Arc<App>>,
    Asked(asked): Asked<SeriesAsked>,
) -> Result<Response, ApiError> {
    let patterns = patterns(&asked.predicate)?;
    let limit = asked.limit.unwrap_or(DEFAULT_LIMIT);
    if limit == 0 || limit > MAX_LIMIT {
        return Err(ApiError::wrong(format!("limit is {limit}: expected 1 to {MAX_LIMIT}")));
    }
    let mesh = app.mesh().await?;
    let _place = app.queries.acquire().await.map_err(|_| ApiError::internal("closing"))?;
    let list = mesh.list_series(&patterns).await;
    let mut all: Vec<_> = list.series.iter().map(|listed| (series::path(listed), listed)).collect();
    all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let begin = asked.after.map_or(0, |after| all.partition_point(|(path, _)| *path <= after));
    let page = all.get(begin..).unwrap_or_default();
    let more = page.len() > limit;
    let page = page.get(..limit).unwrap_or(page);
    json(&SeriesAnswer {
        series: page.iter().enumerate().map(|(s, (_, listed))| SeriesLine::of(s, listed)).collect(),
        more,
        next: page.last().filter(|_| more).map(|(path, _)| path.clone()),
        coverage: CoverageLine::of(&list.coverage),
    })
}

/// Reads patterns.
///
/// # Errors
/// What is wrong with them, and what was expected.
pub fn patterns(text: &str) -> Result<Vec<PathPattern>, ApiError> {
    let predicate = predicate(text)?;
    if predicate.constraint.is_some()
        || predicate.window != Window::default()
        || predicate.reading != Reading::Raw
    {
        return Err(ApiError::wrong("predicate: patterns only are taken here, no `where` and no window"));
    }
    Ok(predicate.patterns)
}

/// Reads a predicate.
///
/// # Errors
/// What is wrong with it, where, and what was expected.
pub fn predicate(text: &str) -> Result<Predicate, ApiError> {
    Predicate::parse(text).map_err(|error| ApiError::wrong(format!("predicate: {error}")))
}
