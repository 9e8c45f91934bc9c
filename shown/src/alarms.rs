//! Alarms and silences.

use crate::json::line;
use crate::path;
use hedgerow_proto::convert::predicate::pattern_from_wire;
use hedgerow_proto::convert::series::key_from_wire;
use hedgerow_proto::filter::{Alarm, AlarmLevel, ExplainAlarmResponse, Silence, Transition};
use serde::Serialize;
use std::io;
use utoipa::ToSchema;

/// An alarm, for programs.
#[derive(Serialize, ToSchema)]
pub struct AlarmLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    farm: &'a str,
    id: String,
    level: &'static str,
    deployment: &'a str,
    key: &'a str,
    text: &'a str,
    paths: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    runbook: &'a str,
    since: i64,
    changed: i64,
    confirmed: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cleared: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged: Option<AckLine<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    unknown_reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    level_before: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    silence: Option<u64>,
    version: u64,
}

#[derive(Serialize, ToSchema)]
struct AckLine<'a> {
    by: &'a str,
    comment: &'a str,
    at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
}

impl<'a> AlarmLine<'a> {
    /// An alarm of a farm.
    pub fn of(farm: &'a str, alarm: &'a Alarm) -> Self {
        Self {
            event: None,
            farm,
            id: id(alarm),
            level: level(alarm.level()),
            deployment: &alarm.deployment,
            key: &alarm.key,
            text: &alarm.text,
            paths: paths(farm, alarm),
            value: alarm.value.filter(|value| value.is_finite()),
            runbook: &alarm.runbook,
            since: alarm.since_ms,
            changed: alarm.changed_ms,
            confirmed: alarm.confirmed_ms,
            cleared: alarm.cleared_ms,
            acknowledged: alarm.acknowledged.as_ref().map(|said| AckLine {
                by: &said.by,
                comment: &said.comment,
                at: said.at_ms,
                until: Some(said.until_ms).filter(|until| *until != 0),
            }),
            unknown_reason: &alarm.unknown_reason,
            level_before: (alarm.level() == AlarmLevel::Unknown).then(|| level(alarm.level_before())),
            silence: Some(alarm.silence).filter(|silence| *silence != 0),
            version: alarm.version,
        }
    }

    /// The same, among the samples of a stream.
    pub fn event(farm: &'a str, alarm: &'a Alarm) -> Self {
        Self { event: Some("alarm"), ..Self::of(farm, alarm) }
    }

    /// As JSON.
    ///
    /// # Errors
    /// None that can happen.
    pub fn json(&self) -> io::Result<Vec<u8>> {
        line(self)
    }
}

/// Its id, whole.
pub fn id(alarm: &Alarm) -> String {
    alarm.id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What it is about.
pub fn paths(farm: &str, alarm: &Alarm) -> Vec<String> {
    alarm.paths.iter().filter_map(|series| Some(path(farm, &key_from_wire(series).ok()?))).collect()
}

/// The word of a level.
pub fn level(level: AlarmLevel) -> &'static str {
    match level {
        AlarmLevel::Unspecified => "?",
        AlarmLevel::Ok => "ok",
        AlarmLevel::Info => "info",
        AlarmLevel::Warning => "warning",
        AlarmLevel::Critical => "critical",
        AlarmLevel::Unknown => "unknown",
    }
}

/// A silence, for programs.
#[derive(Serialize, ToSchema)]
pub struct SilenceLine<'a> {
    farm: &'a str,
    id: u64,
    deployment: &'a str,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    by: &'a str,
    comment: &'a str,
    from: i64,
    until: i64,
}

impl<'a> SilenceLine<'a> {
    /// A silence of a farm.
    pub fn of(farm: &'a str, silence: &'a Silence) -> Self {
        Self {
            farm,
            id: silence.id,
            deployment: &silence.deployment,
            key: &silence.key,
            path: path_of(silence),
            by: &silence.by,
            comment: &silence.comment,
            from: silence.from_ms,
            until: silence.until_ms,
        }
    }
}

/// The pattern of a silence, as it can be read back.
pub fn path_of(silence: &Silence) -> Option<String> {
    Some(pattern_from_wire(silence.path.clone()?).ok()?.to_string())
}

/// An alarm with what led to it, for programs.
#[derive(Serialize, ToSchema)]
pub struct WhyLine<'a> {
    #[serde(flatten)]
    alarm: AlarmLine<'a>,
    filter: &'a str,
    filter_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<serde_json::Value>,
    steps: Vec<Step<'a>>,
}

#[derive(Serialize, ToSchema)]
struct Step<'a> {
    time: i64,
    from: &'static str,
    to: &'static str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
}

impl<'a> WhyLine<'a> {
    /// As its farm explains it.
    pub fn of(farm: &'a str, alarm: &'a Alarm, explained: &'a ExplainAlarmResponse) -> Self {
        let step = |step: &'a Transition| Step {
            time: step.time_ms,
            from: level(step.from()),
            to: level(step.to()),
            text: &step.text,
            value: step.value.filter(|value| value.is_finite()),
        };
        Self {
            alarm: AlarmLine::of(farm, alarm),
            filter: &explained.component_name,
            filter_version: &explained.component_version,
            parameters: serde_json::from_str(&explained.parameters).ok(),
            steps: explained.transitions.iter().map(step).collect(),
        }
    }
}
