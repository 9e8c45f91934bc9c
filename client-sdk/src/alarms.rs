//! Alarms of a mesh: those of all farms in one list, and what one does with a single one at the farm that has it.

use crate::channel::in_time;
use crate::directory::Service;
use crate::error::ClientError;
use crate::mesh::{Coverage, FARM_PATIENCE, Mesh, Missing, farm_of};
use crate::subscription::Farm;
use futures_util::StreamExt as _;
use futures_util::stream;
use hedgerow_model::{Template, UnixMillis};
use hedgerow_proto::filter as wire;
use std::sync::Arc;

/// Farms that are asked at the same time; the others wait for their turn.
const MAX_AT_ONCE: usize = 64;

/// What farms have, and whom that covers.
#[derive(Debug, Default)]
pub struct MeshAlarms {
    /// By farm.
    pub farms: Vec<FarmAlarms>,
    /// Who did not answer.
    pub coverage: Coverage,
    /// Whether some lookup said which farms there are.
    pub is_known: bool,
}

/// What a farm has.
#[derive(Debug)]
pub struct FarmAlarms {
    /// Its name, as shown.
    pub farm: Arc<str>,
    /// It.
    pub service: Service,
    /// Its alarms, the open ones first.
    pub alarms: Vec<wire::Alarm>,
    /// Its silences.
    pub silences: Vec<wire::Silence>,
}

impl Mesh {
    /// The alarms of all farms of a template, also those that are `cleared` where they are asked for; of one deployment only, or
    /// (empty) of all.
    pub async fn alarms(&self, farms: &Template, cleared: bool, deployment: &str) -> MeshAlarms {
        let found = self.farms(farms).await;
        let asking: Vec<_> = found
            .services
            .iter()
            .map(|service| async move { (service, self.alarms_at(service, cleared, deployment).await) })
            .collect();
        let answers: Vec<_> = stream::iter(asking).buffer_unordered(MAX_AT_ONCE).collect().await;
        let mut coverage =
            Coverage { asked: answers.len(), stale_since: found.stale_since, ..Coverage::default() };
        let mut farms = Vec::new();
        for (service, answer) in answers {
            let farm = Arc::clone(&service.shown);
            match answer {
                Ok(wire::ListAlarmsResponse { alarms, silences }) => {
                    coverage.answered += 1;
                    farms.push(FarmAlarms { farm, service: service.clone(), alarms, silences });
                }
                Err(why) => coverage.missing.push(Missing { farm, why }),
            }
        }
        farms.sort_by(|a, b| a.farm.cmp(&b.farm));
        coverage.missing.sort_by(|a, b| a.farm.cmp(&b.farm));
        let is_known = found.is_known();
        coverage.lookups_missing = found.missing;
        MeshAlarms { farms, coverage, is_known }
    }

    async fn alarms_at(
        &self,
        service: &Service,
        cleared: bool,
        deployment: &str,
    ) -> Result<wire::ListAlarmsResponse, ClientError> {
        let farm = farm_of(self.directory().caller(), service)?;
        let mut client = farm.connection.alarms();
        let call = client.list_alarms(wire::ListAlarmsRequest { cleared, deployment: deployment.to_owned() });
        Ok(in_time("ask the farm for its alarms", farm.connection.url(), FARM_PATIENCE, call)
            .await?
            .into_inner())
    }
}

/// An alarm, and what led to it.
///
/// # Errors
/// Where the farm does not answer, or has no such alarm.
pub async fn explain(farm: &Farm, id: &[u8]) -> Result<wire::ExplainAlarmResponse, ClientError> {
    let mut client = farm.connection.alarms();
    let call = client.explain_alarm(wire::ExplainAlarmRequest { id: id.to_vec().into() });
    Ok(in_time("ask why there is an alarm", farm.connection.url(), FARM_PATIENCE, call).await?.into_inner())
}

/// Says at a farm that somebody has seen an alarm, until a time or (none) until it clears or gets worse.
///
/// # Errors
/// Where the farm does not answer, or says no.
pub async fn acknowledge(
    farm: &Farm,
    id: &[u8],
    by: &str,
    comment: &str,
    until: Option<UnixMillis>,
) -> Result<wire::Alarm, ClientError> {
    let until_ms = until.unwrap_or_default();
    let (by, comment) = (by.to_owned(), comment.to_owned());
    say(
        farm,
        wire::AcknowledgeAlarmRequest { id: id.to_vec().into(), by, comment, until_ms, withdraw: false },
    )
    .await
}

/// Takes an acknowledgement back.
///
/// # Errors
/// Where the farm does not answer, or says no.
pub async fn withdraw(farm: &Farm, id: &[u8], by: &str) -> Result<wire::Alarm, ClientError> {
    let request = wire::AcknowledgeAlarmRequest {
        id: id.to_vec().into(),
        by: by.to_owned(),
        withdraw: true,
        ..wire::AcknowledgeAlarmRequest::default()
    };
    say(farm, request).await
}

async fn say(farm: &Farm, request: wire::AcknowledgeAlarmRequest) -> Result<wire::Alarm, ClientError> {
    let mut client = farm.connection.alarms();
    let call = client.acknowledge_alarm(request);
    let answer = in_time("acknowledge an alarm", farm.connection.url(), FARM_PATIENCE, call).await?;
    Ok(answer.into_inner().alarm.unwrap_or_default())
}

/// Says at a farm that an alarm is over whose filter cannot say so: its deployment does not run.
///
/// # Errors
/// Where the farm does not answer, or says no.
pub async fn close(farm: &Farm, id: &[u8], by: &str, comment: &str) -> Result<wire::Alarm, ClientError> {
    let mut client = farm.connection.alarms();
    let (by, comment) = (by.to_owned(), comment.to_owned());
    let call = client.close_alarm(wire::CloseAlarmRequest { id: id.to_vec().into(), by, comment });
    let answer = in_time("close an alarm", farm.connection.url(), FARM_PATIENCE, call).await?;
    Ok(answer.into_inner().alarm.unwrap_or_default())
}

/// Adds a silence at a farm, or changes or ends the one with its id; with how many open alarms it covers.
///
/// # Errors
/// Where the farm does not answer, or says no.
pub async fn silence(farm: &Farm, silence: wire::Silence) -> Result<(wire::Silence, u64), ClientError> {
    let mut client = farm.connection.alarms();
    let call = client.silence_alarms(wire::SilenceAlarmsRequest { silence: Some(silence) });
    let answer = in_time("silence alarms", farm.connection.url(), FARM_PATIENCE, call).await?.into_inner();
    Ok((answer.silence.unwrap_or_default(), answer.alarms))
}
