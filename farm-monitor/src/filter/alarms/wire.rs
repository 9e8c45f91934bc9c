//! Alarms as they go over the wire, and as they stand in `state.db`: the same message, with what only the farm needs beside it.

use hedgerow_filter_host::alarms::{
    Acknowledgement, Alarm, AlarmKey, Silence, Transition, Unknown, UnknownCause,
};
use hedgerow_filter_host::run::Place;
use hedgerow_model::{Glob, Status};
use hedgerow_proto::convert::{WireError, predicate, registration, series};
use hedgerow_proto::filter as wire;

/// An alarm, for the wire.
pub fn alarm(alarm: &Alarm) -> wire::Alarm {
    wire::Alarm {
        id: registration::id_to_wire(alarm.id),
        deployment: alarm.key.deployment.clone(),
        key: alarm.key.key.clone(),
        level: level(alarm.level).into(),
        text: alarm.text.clone(),
        paths: alarm.series.iter().map(series::key_to_wire).collect(),
        value: alarm.value,
        runbook: alarm.runbook.clone(),
        since_ms: alarm.since,
        changed_ms: alarm.changed,
        confirmed_ms: alarm.confirmed,
        cleared_ms: alarm.cleared,
        acknowledged: alarm.acknowledged.as_ref().map(|said| wire::alarm::Acknowledgement {
            by: said.by.clone(),
            comment: said.comment.clone(),
            at_ms: said.at,
            until_ms: said.until.unwrap_or_default(),
        }),
        unknown_reason: alarm.unknown.as_ref().map(|unknown| unknown.reason.clone()).unwrap_or_default(),
        level_before: alarm
            .unknown
            .as_ref()
            .map_or(wire::AlarmLevel::Unspecified, |unknown| level(unknown.before))
            .into(),
        silence: alarm.silenced.unwrap_or_default(),
        version: alarm.version,
    }
}

/// An alarm as it was kept.
///
/// # Errors
/// Which of its parts is not of its form.
pub fn alarm_kept(
    wire: wire::Alarm,
    unknown: Option<UnknownCause>,
    cause: Place,
) -> Result<Alarm, WireError> {
    let unknown = match unknown {
        None => None,
        Some(cause) => {
            let before = status(wire.level_before)?;
            Some(Unknown { reason: wire.unknown_reason, before, cause })
        }
    };
    Ok(Alarm {
        id: registration::id_from_wire("id", &wire.id)?,
        key: AlarmKey { deployment: wire.deployment, key: wire.key },
        level: status(wire.level)?,
        text: wire.text,
        series: wire.paths.iter().map(series::key_from_wire).collect::<Result<_, _>>()?,
        value: wire.value,
        runbook: wire.runbook,
        since: wire.since_ms,
        changed: wire.changed_ms,
        confirmed: wire.confirmed_ms,
        cleared: wire.cleared_ms,
        acknowledged: wire.acknowledged.map(|said| Acknowledgement {
            by: said.by,
            comment: said.comment,
            at: said.at_ms,
            until: Some(said.until_ms).filter(|until| *until != 0),
        }),
        unknown,
        silenced: Some(wire.silence).filter(|silence| *silence != 0),
        cause,
        version: wire.version,
    })
}

/// A transition, for the wire.
pub fn transition(transition: &Transition) -> wire::Transition {
    wire::Transition {
        time_ms: transition.time,
        from: level(transition.from).into(),
        to: level(transition.to).into(),
        text: transition.text.clone(),
        value: transition.value,
    }
}

/// A silence, for the wire.
pub fn silence(silence: &Silence) -> wire::Silence {
    wire::Silence {
        id: silence.id,
        deployment: silence.deployment.as_str().to_owned(),
        key: silence.key.as_str().to_owned(),
        path: silence.path.as_ref().map(predicate::pattern_to_wire),
        by: silence.by.clone(),
        comment: silence.comment.clone(),
        from_ms: silence.from,
        until_ms: silence.until,
    }
}

/// A silence from the wire.
///
/// # Errors
/// Which of its parts is not of its form.
pub fn silence_from(wire: wire::Silence) -> Result<Silence, WireError> {
    let glob = |field: &str, text: &str| {
        let text = if text.is_empty() { "*" } else { text };
        Glob::new(text).map_err(|error| WireError::new(field, error.to_string()))
    };
    let path = wire.path.map(predicate::pattern_from_wire).transpose();
    Ok(Silence {
        id: wire.id,
        deployment: glob("deployment", &wire.deployment)?,
        key: glob("key", &wire.key)?,
        path: path.map_err(|error| error.within("path"))?,
        by: wire.by,
        comment: wire.comment,
        from: wire.from_ms,
        until: wire.until_ms,
    })
}

fn level(status: Status) -> wire::AlarmLevel {
    match status {
        Status::Ok => wire::AlarmLevel::Ok,
        Status::Info => wire::AlarmLevel::Info,
        Status::Warning => wire::AlarmLevel::Warning,
        Status::Critical => wire::AlarmLevel::Critical,
        Status::Unknown => wire::AlarmLevel::Unknown,
    }
}

fn status(level: i32) -> Result<Status, WireError> {
    match wire::AlarmLevel::try_from(level) {
        Ok(wire::AlarmLevel::Ok) => Ok(Status::Ok),
        Ok(wire::AlarmLevel::Info) => Ok(Status::Info),
        Ok(wire::AlarmLevel::Warning) => Ok(Status::Warning),
        Ok(wire::AlarmLevel::Critical) => Ok(Status::Critical),
        Ok(wire::AlarmLevel::Unknown) => Ok(Status::Unknown),
        Ok(wire::AlarmLevel::Unspecified) | Err(_) => {
            Err(WireError::new("level", format!("{level}: none of this version")))
        }
    }
}
