//! What people ask of alarms, and what they say of them.

use super::kept::{self, Origin};
use super::{AlarmError, Alarms, wire};
use hedgerow_filter_host::alarms::{Acknowledgement, BookError};
use hedgerow_model::UnixMillis;
use hedgerow_model::registration::Id;
use hedgerow_proto::filter as proto;

impl Alarms {
    /// Alarms, the open ones first, then cleared ones where they are asked for, the last cleared first; and the silences.
    pub fn list(&self, cleared: bool, deployment: &str) -> (Vec<proto::Alarm>, Vec<proto::Silence>) {
        let inner = self.0.inner.lock();
        let over: Vec<_> = inner.book.cleared().filter(|_| cleared).collect();
        let all = inner.book.open().chain(over.into_iter().rev());
        let asked = all.filter(|alarm| deployment.is_empty() || alarm.key.deployment == deployment);
        (asked.map(wire::alarm).collect(), inner.book.silences().map(wire::silence).collect())
    }

    /// An alarm, and what led to it. Blocks.
    ///
    /// # Errors
    /// Where there is none, or it cannot be read.
    pub fn explain(&self, id: Id) -> Result<proto::ExplainAlarmResponse, AlarmError> {
        self.0.flush();
        let alarm = self.0.inner.lock().book.get(id).map(wire::alarm).ok_or(BookError::NoAlarm(id))?;
        let (origin, transitions) = kept::history(&self.0.state, id)?;
        let Origin { parameters, component, component_version, .. } = origin.unwrap_or_default();
        Ok(proto::ExplainAlarmResponse {
            alarm: Some(alarm),
            transitions,
            parameters,
            component_name: component,
            component_version,
        })
    }

    /// Somebody has seen an alarm, or takes that back. On the disk when it returns.
    ///
    /// # Errors
    /// Where there is none, or nothing to say of it.
    pub async fn acknowledge(
        &self,
        id: Id,
        acknowledgement: Option<(String, String, Option<UnixMillis>)>,
    ) -> Result<proto::Alarm, AlarmError> {
        let now = (self.0.now)();
        let alarm = {
            let mut inner = self.0.inner.lock();
            let change = match acknowledgement {
                None => inner.book.withdraw(id, now)?,
                Some((by, comment, until)) => {
                    inner.book.acknowledge(id, Acknowledgement { by, comment, at: now, until }, now)?
                }
            };
            let alarm = wire::alarm(&change.alarm);
            inner.changed(vec![change]);
            alarm
        };
        self.flush().await;
        Ok(alarm)
    }

    /// Somebody says that an alarm is over whose filter cannot. On the disk when it returns.
    ///
    /// # Errors
    /// Where there is none, it is over, or its filter speaks of it.
    pub async fn close(&self, id: Id, by: &str, comment: &str) -> Result<proto::Alarm, AlarmError> {
        let alarm = {
            let mut inner = self.0.inner.lock();
            let change = inner.book.close(id, by, comment, (self.0.now)())?;
            let alarm = wire::alarm(&change.alarm);
            inner.changed(vec![change]);
            alarm
        };
        self.flush().await;
        Ok(alarm)
    }

    /// Adds, changes or ends a silence; with how many open alarms it covers now, those that another one
    /// covers, too, included. On the disk when it returns.
    ///
    /// # Errors
    /// Where it is of no form, names none, or there are too many.
    pub async fn silence(&self, mut asked: proto::Silence) -> Result<(proto::Silence, u64), AlarmError> {
        let now = (self.0.now)();
        if asked.from_ms == 0 {
            asked.from_ms = now;
        }
        let mut silence = wire::silence_from(asked)?;
        let covered = {
            let mut inner = self.0.inner.lock();
            let (id, changes) = inner.book.silence(silence.clone(), now)?;
            silence.id = id;
            inner.changed(changes);
            inner.silences.insert(id);
            inner.unwritten.silences.insert(id, Some(silence.clone()));
            inner.note_silences();
            let farm = self.0.hub.farm();
            inner.book.open().filter(|alarm| silence.covers(farm, alarm, now)).count() as u64
        };
        self.flush().await;
        Ok((wire::silence(&silence), covered))
    }
}
