//! `hedgerow.filter.v1.Alarms`: the alarms of the farm, for people who look after them.

use super::FarmApi;
use crate::filter::alarms::AlarmError;
use hedgerow_filter_host::alarms::BookError;
use hedgerow_model::UnixMillis;
use hedgerow_proto::convert::registration::id_from_wire;
use hedgerow_proto::filter::alarms_server::{Alarms as Service, AlarmsServer};
use hedgerow_proto::filter::{
    AcknowledgeAlarmRequest, AcknowledgeAlarmResponse, CloseAlarmRequest, CloseAlarmResponse,
    ExplainAlarmRequest, ExplainAlarmResponse, ListAlarmsRequest, ListAlarmsResponse, SilenceAlarmsRequest,
    SilenceAlarmsResponse,
};
use hedgerow_service::listener::MAX_REQUEST_BYTES;
use tonic::{Request, Response, Status};

/// Longest name and comment of a person, in bytes.
const MAX_SAID_BYTES: usize = 4096;

/// The service.
#[derive(Clone)]
pub struct AlarmsApi {
    farm: FarmApi,
}

impl AlarmsApi {
    /// Over the alarms of a farm.
    pub fn new(farm: FarmApi) -> Self {
        Self { farm }
    }

    /// As a tonic service, with limits.
    pub fn into_server(self) -> AlarmsServer<Self> {
        AlarmsServer::new(self).max_decoding_message_size(MAX_REQUEST_BYTES)
    }
}

#[tonic::async_trait]
impl Service for AlarmsApi {
    async fn list_alarms(
        &self,
        request: Request<ListAlarmsRequest>,
    ) -> Result<Response<ListAlarmsResponse>, Status> {
        self.farm.check_mesh(&request).map_err(|status| *status)?;
        let ListAlarmsRequest { cleared, deployment } = request.into_inner();
        let (alarms, silences) = self.farm.alarms.list(cleared, &deployment);
        Ok(self.farm.answer(ListAlarmsResponse { alarms, silences }))
    }

    async fn explain_alarm(
        &self,
        request: Request<ExplainAlarmRequest>,
    ) -> Result<Response<ExplainAlarmResponse>, Status> {
        self.farm.check_mesh(&request).map_err(|status| *status)?;
        let id = id_from_wire("id", &request.into_inner().id)?;
        let alarms = self.farm.alarms.clone();
        let explained = super::aside(move || alarms.explain(id)).await?.map_err(status)?;
        Ok(self.farm.answer(explained))
    }

    async fn acknowledge_alarm(
        &self,
        request: Request<AcknowledgeAlarmRequest>,
    ) -> Result<Response<AcknowledgeAlarmResponse>, Status> {
        self.farm.check_mesh(&request).map_err(|status| *status)?;
        self.farm.refuse_while_draining()?;
        let AcknowledgeAlarmRequest { id, by, comment, until_ms, withdraw } = request.into_inner();
        let id = id_from_wire("id", &id)?;
        check_said(&by, &comment)?;
        let until: Option<UnixMillis> = Some(until_ms).filter(|until| *until != 0);
        let said = (!withdraw).then_some((by, comment, until));
        let alarm = self.farm.alarms.acknowledge(id, said).await.map_err(status)?;
        Ok(self.farm.answer(AcknowledgeAlarmResponse { alarm: Some(alarm) }))
    }

    async fn close_alarm(
        &self,
        request: Request<CloseAlarmRequest>,
    ) -> Result<Response<CloseAlarmResponse>, Status> {
        self.farm.check_mesh(&request).map_err(|status| *status)?;
        self.farm.refuse_while_draining()?;
        let CloseAlarmRequest { id, by, comment } = request.into_inner();
        let id = id_from_wire("id", &id)?;
        check_said(&by, &comment)?;
        if by.trim().is_empty() || comment.trim().is_empty() {
            return Err(Status::invalid_argument("by, comment: expected who closes the alarm, and why"));
        }
        let alarm = self.farm.alarms.close(id, &by, &comment).await.map_err(status)?;
        Ok(self.farm.answer(CloseAlarmResponse { alarm: Some(alarm) }))
    }

    async fn silence_alarms(
        &self,
        request: Request<SilenceAlarmsRequest>,
    ) -> Result<Response<SilenceAlarmsResponse>, Status> {
        self.farm.check_mesh(&request).map_err(|status| *status)?;
        self.farm.refuse_while_draining()?;
        let silence = request.into_inner().silence;
        let silence = silence.ok_or_else(|| Status::invalid_argument("silence: missing"))?;
        check_said(&silence.by, &silence.comment)?;
        let (silence, alarms) = self.farm.alarms.silence(silence).await.map_err(status)?;
        Ok(self.farm.answer(SilenceAlarmsResponse { silence: Some(silence), alarms }))
    }
}

fn check_said(by: &str, comment: &str) -> Result<(), Status> {
    for (field, text) in [("by", by), ("comment", comment)] {
        if text.len() > MAX_SAID_BYTES {
            let text = format!("{field}: {} bytes: at most {MAX_SAID_BYTES}", text.len());
            return Err(Status::invalid_argument(text));
        }
    }
    Ok(())
}

fn status(error: AlarmError) -> Status {
    let text = error.to_string();
    match error {
        AlarmError::Wire(error) => error.into(),
        AlarmError::Book(BookError::NoAlarm(_) | BookError::NoSilence(_)) => Status::not_found(text),
        AlarmError::Book(BookError::EmptySilence | BookError::EndsInThePast) => {
            Status::invalid_argument(text)
        }
        AlarmError::Book(BookError::TooManySilences(_)) => Status::resource_exhausted(text),
        AlarmError::Book(
            BookError::Cleared(_) | BookError::NotAcknowledged(_) | BookError::FilterRuns(_),
        ) => Status::failed_precondition(text),
        AlarmError::Read(_) => Status::internal(text),
    }
}
