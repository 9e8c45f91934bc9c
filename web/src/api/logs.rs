//! What a deployment logged.

use super::{CoverageLine, MissingFarm};
use crate::app::App;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Asked, Named, json};
use axum::extract::State;
use axum::response::Response;
use hedgerow_client::filters;
use hedgerow_client::subscription::Farm;
use hedgerow_proto::filter::LogLine;
use hedgerow_service::clock::unix_millis;
use hedgerow_shown::deployments::LoggedLine;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// Lines of each farm in one answer.
const MAX_LINES: u32 = 1_000;
/// How long a farm may take to give them.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LogsAsked {
    /// At this farm only; without it: at all that have it.
    farm: Option<String>,
    /// Only lines after this time, Unix ms.
    after: Option<i64>,
    /// At most the last lines of each farm.
    #[param(minimum = 1, maximum = 1000, default = 200)]
    last: Option<u32>,
}

#[derive(Serialize, ToSchema)]
pub struct LogsAnswer<'a> {
    /// By time.
    lines: Vec<LoggedLine<'a>>,
    /// Lines that farms left out.
    dropped: u64,
    coverage: CoverageLine,
}

/// What a deployment logged
#[utoipa::path(get, path = "/api/v1/filters/{name}/logs", tag = "filters",
    params(("name" = String, Path, description = "The deployment"), LogsAsked), responses(
        (status = 200, description = "The lines", body = LogsAnswer),
        (status = 404, description = "There is no such deployment, or farm", body = ErrorBody),
))]
pub async fn logs(
    State(app): State<Arc<App>>,
    Named(name): Named<String>,
    Asked(asked): Asked<LogsAsked>,
) -> Result<Response, ApiError> {
    let mesh = app.mesh().await?;
    let last = asked.last.unwrap_or(200).clamp(1, MAX_LINES);
    let mut coverage = CoverageLine::default();
    let mut farms = Vec::new();
    if let Some(farm) = &asked.farm {
        farms.push(mesh.farm(farm).await?);
    } else {
        let deployed = mesh.deployed(std::slice::from_ref(&name), unix_millis()).await;
        if deployed.deployments.is_empty() {
            return Err(ApiError::not_found(format!("no deployment is called {name}")));
        }
        coverage = CoverageLine::of_lookups(&deployed.lookups_missing, deployed.stale_since);
        let at = deployed.deployments.iter().flat_map(|one| &one.farms).filter(|at| at.status.is_ok());
        for at in at {
            farms.push(mesh.farm(&at.id.to_string()).await?);
        }
    }
    coverage.asked = farms.len();
    let mut told = Vec::new();
    let mut dropped = 0;
    for farm in &farms {
        match lines(farm, &name, last).await {
            Ok((lines, left_out)) => {
                dropped += left_out;
                told.extend(lines.into_iter().map(|line| (Arc::clone(&farm.name), line)));
            }
            Err(error) if farms.len() == 1 => return Err(error),
            Err(error) => {
                let why = error.message().to_owned();
                coverage.missing.push(MissingFarm { farm: farm.name.to_string(), why });
            }
        }
    }
    coverage.answered = farms.len() - coverage.missing.len();
    coverage.complete = coverage.missing.is_empty() && coverage.lookups_missing.is_empty();
    told.retain(|(_, line)| asked.after.is_none_or(|after| line.time > after));
    told.sort_by_key(|(_, line)| line.time);
    json(&LogsAnswer {
        lines: told.iter().map(|(farm, line)| LoggedLine::of(farm, line)).collect(),
        dropped,
        coverage,
    })
}

async fn lines(farm: &Farm, name: &str, last: u32) -> Result<(Vec<LogLine>, u64), ApiError> {
    let reading = async {
        let mut stream = filters::logs(farm, name, last, false).await?;
        let (mut lines, mut dropped) = (Vec::new(), 0);
        while let Some(told) =
            stream.message().await.map_err(|status| ApiError::conflict(status.message()))?
        {
            lines.extend(told.lines);
            dropped += told.dropped;
        }
        Ok((lines, dropped))
    };
    let late = |_| ApiError::conflict("it does not answer in time");
    tokio::time::timeout(PATIENCE, reading).await.map_err(late)?
}
