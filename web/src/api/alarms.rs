//! Alarms: what filters raised at all farms; acknowledged and closed by who has the session.

use super::CoverageLine;
use crate::app::App;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Asked, Changer, Named, Sent, json};
use axum::extract::State;
use axum::response::Response;
use hedgerow_client::subscription::Farm;
use hedgerow_client::{Template, alarms};
use hedgerow_proto::filter::Alarm;
use hedgerow_shown::alarms::{AlarmLine, SilenceLine, WhyLine};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AlarmsAsked {
    /// Those, too, that are over.
    #[serde(default)]
    cleared: bool,
}

/// Where an alarm is.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct AlarmAt {
    /// The farm that has it: its name, `name~id8`, or id.
    farm: String,
    /// Its id: 32 hex digits.
    id: String,
}

impl AlarmAt {
    /// The farm, to change something there, and the id.
    async fn to_change(&self, app: &App) -> Result<(Farm, Vec<u8>), ApiError> {
        let id = bytes(&self.id)?;
        Ok((app.mesh_to_change().await?.farm_to_change(&self.farm).await?, id))
    }
}

#[derive(Serialize, ToSchema)]
pub struct AlarmsAnswer<'a> {
    /// Farm by farm, the open ones first.
    alarms: Vec<AlarmLine<'a>>,
    silences: Vec<SilenceLine<'a>>,
    coverage: CoverageLine,
}

/// The alarms of all farms
///
/// Each as `hedgerow alarm list --json` gives it; and the silences.
#[utoipa::path(get, path = "/api/v1/alarms", tag = "alarms", params(AlarmsAsked), responses(
    (status = 200, description = "Alarms and silences", body = AlarmsAnswer),
    (status = 400, description = "Asked in a way that cannot be meant", body = ErrorBody),
))]
pub async fn alarms(
    State(app): State<Arc<App>>,
    Asked(asked): Asked<AlarmsAsked>,
) -> Result<Response, ApiError> {
    let mesh = app.mesh().await?;
    let told = mesh.alarms(&Template::default(), asked.cleared, "").await;
    let of_farm = told.farms.iter().map(|at| (&*at.farm, at));
    json(&AlarmsAnswer {
        alarms: of_farm
            .clone()
            .flat_map(|(farm, at)| at.alarms.iter().map(move |alarm| AlarmLine::of(farm, alarm)))
            .collect(),
        silences: of_farm
            .flat_map(|(farm, at)| at.silences.iter().map(move |silence| SilenceLine::of(farm, silence)))
            .collect(),
        coverage: CoverageLine::of(&told.coverage),
    })
}

/// An alarm and what led to it
#[utoipa::path(get, path = "/api/v1/alarms/{farm}/{id}", tag = "alarms",
    params(AlarmAt),
    responses(
        (status = 200, description = "The alarm, its steps, and the filter behind it", body = WhyLine),
        (status = 400, description = "The id is none", body = ErrorBody),
        (status = 404, description = "There is no such alarm", body = ErrorBody),
))]
pub async fn alarm(State(app): State<Arc<App>>, Named(at): Named<AlarmAt>) -> Result<Response, ApiError> {
    let id = bytes(&at.id)?;
    let farm = app.mesh().await?.farm(&at.farm).await?;
    let explained = alarms::explain(&farm, &id).await?;
    let alarm = explained.alarm.clone().unwrap_or_default();
    json(&WhyLine::of(&farm.name, &alarm, &explained))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledge {
    /// What is known of it, or done about it.
    #[serde(default)]
    comment: String,
    /// Until when it counts, Unix ms; without it: until it clears or gets worse.
    #[serde(default)]
    until: Option<i64>,
    /// Who says so; without it: the user whose server this is.
    #[serde(default)]
    by: Option<String>,
}

/// Acknowledge an alarm
///
/// Void when it gets worse or clears.
#[utoipa::path(post, path = "/api/v1/alarms/{farm}/{id}/acknowledge", tag = "alarms", request_body = Acknowledge,
    security(("session" = [])),
    params(AlarmAt),
    responses(
        (status = 200, description = "The alarm as it is now", body = AlarmLine),
        (status = 400, description = "The id is none", body = ErrorBody),
        (status = 401, description = "Without the session's token", body = ErrorBody),
        (status = 404, description = "There is no such alarm", body = ErrorBody),
))]
pub async fn acknowledge(
    State(app): State<Arc<App>>,
    _: Changer,
    Named(at): Named<AlarmAt>,
    Sent(said): Sent<Acknowledge>,
) -> Result<Response, ApiError> {
    let (farm, id) = at.to_change(&app).await?;
    let by = said.by.as_deref().unwrap_or(&app.user);
    let alarm = alarms::acknowledge(&farm, &id, by, &said.comment, said.until).await?;
    told(&farm.name, &alarm)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Withdraw {
    /// Who says so; without it: the user whose server this is.
    #[serde(default)]
    by: Option<String>,
}

/// Take an acknowledgement back
#[utoipa::path(post, path = "/api/v1/alarms/{farm}/{id}/unacknowledge", tag = "alarms", request_body = Withdraw,
    security(("session" = [])),
    params(AlarmAt),
    responses(
        (status = 200, description = "The alarm as it is now", body = AlarmLine),
        (status = 400, description = "The id is none", body = ErrorBody),
        (status = 401, description = "Without the session's token", body = ErrorBody),
        (status = 404, description = "There is no such alarm", body = ErrorBody),
))]
pub async fn unacknowledge(
    State(app): State<Arc<App>>,
    _: Changer,
    Named(at): Named<AlarmAt>,
    Sent(said): Sent<Withdraw>,
) -> Result<Response, ApiError> {
    let (farm, id) = at.to_change(&app).await?;
    let alarm = alarms::withdraw(&farm, &id, said.by.as_deref().unwrap_or(&app.user)).await?;
    told(&farm.name, &alarm)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// Why it is over.
    #[schema(min_length = 1)]
    comment: String,
    /// Who says so; without it: the user whose server this is.
    #[serde(default)]
    by: Option<String>,
}

/// Close an alarm
///
/// That is unknown because its deployment does not run. Of one whose filter runs, the filter says when it is over.
#[utoipa::path(post, path = "/api/v1/alarms/{farm}/{id}/close", tag = "alarms", request_body = Close,
    security(("session" = [])),
    params(AlarmAt),
    responses(
        (status = 200, description = "The alarm as it is now", body = AlarmLine),
        (status = 400, description = "The id is none, or nothing says why", body = ErrorBody),
        (status = 401, description = "Without the session's token", body = ErrorBody),
        (status = 404, description = "There is no such alarm", body = ErrorBody),
        (status = 409, description = "Its filter runs", body = ErrorBody),
))]
pub async fn close(
    State(app): State<Arc<App>>,
    _: Changer,
    Named(at): Named<AlarmAt>,
    Sent(said): Sent<Close>,
) -> Result<Response, ApiError> {
    if said.comment.trim().is_empty() {
        return Err(ApiError::wrong("comment is empty: expected why the alarm is over"));
    }
    let (farm, id) = at.to_change(&app).await?;
    let by = said.by.as_deref().unwrap_or(&app.user);
    let alarm = alarms::close(&farm, &id, by, &said.comment).await?;
    told(&farm.name, &alarm)
}

fn told(farm: &str, alarm: &Alarm) -> Result<Response, ApiError> {
    json(&AlarmLine::of(farm, alarm))
}

/// An id as it is sent to the farm.
fn bytes(id: &str) -> Result<Vec<u8>, ApiError> {
    let wrong =
        || ApiError::wrong(format!("`{id}` is no id of an alarm: expected hex digits, as the list has them"));
    if id.is_empty()
        || id.len() > 64
        || !id.len().is_multiple_of(2)
        || !id.bytes().all(|c| c.is_ascii_hexdigit())
    {
        return Err(wrong());
    }
    let byte = |at: usize| id.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..id.len()).step_by(2).map(|at| byte(at).ok_or_else(wrong)).collect()
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn an_id_is_hex_digits_and_nothing_else() {
        assert_eq!(bytes("00fF"), Ok(vec![0, 255]));
        for wrong in ["", "0", "0g", "é0", "+1", &"00".repeat(33)] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
