//! Silences: what is known and being dealt with is marked so, for a time, at each farm; nothing is hidden.

use crate::app::App;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Changer, Named, Sent, json};
use axum::extract::State;
use axum::response::Response;
use hedgerow_client::alarms::{self, FarmAlarms};
use hedgerow_client::{Mesh, Template};
use hedgerow_model::Glob;
use hedgerow_model::predicate::PathPattern;
use hedgerow_proto::convert::predicate::pattern_to_wire;
use hedgerow_proto::filter::Silence;
use hedgerow_shown::alarms::SilenceLine;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSilence {
    /// Only alarms of these deployments: a glob; none: of all.
    #[serde(default)]
    deployment: String,
    /// Only alarms with such a key: a glob; none: with any.
    #[serde(default)]
    key: String,
    /// Only alarms about series of this pattern, at farms that it matches.
    #[serde(default)]
    path: Option<String>,
    /// Until when, Unix ms.
    until: i64,
    #[serde(default)]
    comment: String,
    /// Who says so; without it: the user whose server this is.
    #[serde(default)]
    by: Option<String>,
    /// Only at this farm: its name, `name~id8`, or id; without it: at all.
    #[serde(default)]
    farm: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct SilencesAnswer {
    /// One a farm.
    silences: Vec<SilenceAt>,
    /// Farms that did not take it.
    refused: Vec<RefusedAt>,
}

#[derive(Serialize, ToSchema)]
struct SilenceAt {
    #[serde(flatten)]
    #[schema(value_type = Object)]
    silence: serde_json::Value,
    /// How many open alarms it covers now.
    covers: u64,
}

#[derive(Serialize, ToSchema)]
struct RefusedAt {
    farm: String,
    why: String,
}

/// Silence alarms
///
/// At each farm that is meant, as `hedgerow alarm silence` does.
#[utoipa::path(post, path = "/api/v1/silences", tag = "alarms", request_body = NewSilence,
    security(("session" = [])), responses(
        (status = 200, description = "What the farms made of it", body = SilencesAnswer),
        (status = 400, description = "A pattern cannot be read", body = ErrorBody),
        (status = 401, description = "Without the session's token", body = ErrorBody),
        (status = 404, description = "No farm is meant", body = ErrorBody),
))]
pub async fn silence(
    State(app): State<Arc<App>>,
    _: Changer,
    Sent(said): Sent<NewSilence>,
) -> Result<Response, ApiError> {
    for (field, text) in [("deployment", &said.deployment), ("key", &said.key)] {
        if !text.is_empty() {
            Glob::new(text).map_err(|error| ApiError::wrong(format!("{field}: {error}")))?;
        }
    }
    let path = said.path.as_deref().map(PathPattern::parse).transpose();
    let path = path.map_err(|error| ApiError::wrong(format!("path: {error}")))?;
    let mesh = app.mesh_to_change().await?;
    let told = mesh.alarms(&Template::default(), false, "").await;
    let meant = |at: &&FarmAlarms| {
        is_called(at, said.farm.as_deref())
            && path.as_ref().is_none_or(|path| {
                path.farm.matches(&at.farm) || path.farm.matches(&at.service.registration.name)
            })
    };
    let asked = Silence {
        deployment: said.deployment.clone(),
        key: said.key.clone(),
        // The farm knows itself by its own name, whatever it is shown as.
        path: path.as_ref().map(|path| pattern_to_wire(&PathPattern { farm: Glob::any(), ..path.clone() })),
        by: said.by.clone().unwrap_or_else(|| app.user.clone()),
        comment: said.comment.clone(),
        until_ms: said.until,
        ..Silence::default()
    };
    at_each(&mesh, told.farms.iter().filter(meant), asked).await
}

/// End a silence
#[utoipa::path(delete, path = "/api/v1/silences/{farm}/{id}", tag = "alarms", security(("session" = [])),
    params(("farm" = String, Path, description = "The farm that has it: its name, `name~id8`, or id"),
           ("id" = u64, Path, description = "Its number there")),
    responses(
        (status = 200, description = "It has ended", body = SilencesAnswer),
        (status = 401, description = "Without the session's token", body = ErrorBody),
        (status = 404, description = "There is no such silence", body = ErrorBody),
))]
pub async fn end(
    State(app): State<Arc<App>>,
    _: Changer,
    Named((farm, id)): Named<(String, u64)>,
) -> Result<Response, ApiError> {
    let mesh = app.mesh_to_change().await?;
    let told = mesh.alarms(&Template::default(), false, "").await;
    let found = told.farms.iter().filter(|at| is_called(at, Some(&farm)));
    let mut found = found.filter_map(|at| Some((at, at.silences.iter().find(|silence| silence.id == id)?)));
    let (at, silence) = found
        .next()
        .ok_or_else(|| ApiError::not_found(format!("farm {farm} has no silence {id}, or does not answer")))?;
    at_each(&mesh, [at].into_iter(), Silence { until_ms: silence.from_ms, ..silence.clone() }).await
}

fn is_called(at: &FarmAlarms, name: Option<&str>) -> bool {
    let registration = &at.service.registration;
    name.is_none_or(|name| {
        *at.farm == *name || registration.name == name || registration.id.to_string() == name
    })
}

async fn at_each<'a>(
    mesh: &Mesh,
    farms: impl Iterator<Item = &'a FarmAlarms>,
    asked: Silence,
) -> Result<Response, ApiError> {
    let mut answer = SilencesAnswer { silences: Vec::new(), refused: Vec::new() };
    let mut last = None;
    for at in farms {
        let done = match mesh.to_change(&at.service) {
            Ok(farm) => alarms::silence(&farm, asked.clone()).await,
            Err(error) => Err(error),
        };
        match done {
            Ok((silence, covers)) => {
                let silence = serde_json::to_value(SilenceLine::of(&at.farm, &silence));
                let silence = silence.map_err(|error| ApiError::internal(error.to_string()))?;
                answer.silences.push(SilenceAt { silence, covers });
            }
            Err(error) => {
                answer.refused.push(RefusedAt { farm: at.farm.to_string(), why: error.brief() });
                last = Some(error);
            }
        }
    }
    match last {
        // Nobody took it: the refusal is the answer.
        Some(error) if answer.silences.is_empty() => Err(error.into()),
        None if answer.silences.is_empty() => Err(ApiError::not_found("no farm that answers is meant")),
        _ => json(&answer),
    }
}
