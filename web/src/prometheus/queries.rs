//! `query` and `query_range`.

use super::asked::Asked;
use super::fetch::{self, Fetched};
use super::told::{Refused, Told, told};
use axum::response::Response;
use hedgerow_client::Mesh;
use hedgerow_promql::{Query, Series, Times};
use hedgerow_service::clock::unix_millis;
use std::time::Duration;

/// `/query`: a value at one time.
pub async fn query(mesh: &Mesh, asked: &Asked) -> Result<Response, Refused> {
    let query = asked.query()?;
    let time = asked.time("time")?.unwrap_or_else(unix_millis);
    let (times, lookback) = (Times::at(time), asked.lookback()?);
    let evaluate = move |query: Query, data: Vec<Vec<Series>>| {
        query.evaluate(&times, lookback, &data).map(|answer| Told::at(time, answer))
    };
    let (answer, warnings) = answered(mesh, asked.patience()?, query, times, lookback, evaluate).await?;
    told(answer, warnings)
}

/// `/query_range`: values at several times.
pub async fn query_range(mesh: &Mesh, asked: &Asked) -> Result<Response, Refused> {
    let times = asked.times()?;
    let query = asked.query()?;
    if !query.is_for_ranges() {
        let what = format!(
            "invalid expression type {:?} for range query, must be Scalar or instant Vector",
            query.gives()
        );
        return Err(Refused::parameter("query", what));
    }
    let lookback = asked.lookback()?;
    let evaluate = move |query: Query, data: Vec<Vec<Series>>| {
        query.evaluate_range(&times, lookback, &data).map(Told::lines)
    };
    let (answer, warnings) = answered(mesh, asked.patience()?, query, times, lookback, evaluate).await?;
    told(answer, warnings)
}

async fn answered(
    mesh: &Mesh,
    patience: Duration,
    query: Query,
    times: Times,
    lookback: i64,
    evaluate: impl FnOnce(Query, Vec<Vec<Series>>) -> Result<Told, hedgerow_promql::EvalError> + Send + 'static,
) -> Result<(Told, Vec<String>), Refused> {
    let answer = async {
        let Fetched { data, warnings, .. } = fetch::fetch(mesh, &query.plan(&times, lookback)).await?;
        // A calculation is bounded by what it may look at; it isn't for the threads that serve others.
        let value = tokio::task::spawn_blocking(move || evaluate(query, data)).await;
        Ok((value.map_err(Refused::internal)??, warnings))
    };
    let late = |_| Refused::timeout(format!("query timed out after {} s", patience.as_secs_f64()));
    tokio::time::timeout(patience, answer).await.map_err(late)?
}
