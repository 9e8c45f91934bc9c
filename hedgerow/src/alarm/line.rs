//! An alarm as a line of JSON, and as a line for people.

use crate::output::clock::Zone;
use crate::output::json::line;
use crate::output::lines::path;
use crate::output::safe::clean;
use hedgerow_proto::convert::series::key_from_wire;
use hedgerow_proto::filter::{Alarm, AlarmLevel};
use serde::Serialize;
use std::io::{self, IsTerminal as _};

/// How much of an id is shown to people.
const SHOWN_ID: usize = 8;

/// An alarm, for programs.
#[derive(Serialize)]
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

#[derive(Serialize)]
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

/// Its id, for people.
pub fn short(alarm: &Alarm) -> String {
    id(alarm).chars().take(SHOWN_ID).collect()
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

/// Why an alarm is as it is, beside its text: unknown, acknowledged, silenced, cleared.
pub fn marks(alarm: &Alarm, zone: &Zone) -> String {
    let mut marks = Vec::new();
    if alarm.level() == AlarmLevel::Unknown {
        marks.push(format!("was {}: {}", level(alarm.level_before()), alarm.unknown_reason));
    }
    if let Some(cleared) = alarm.cleared_ms {
        marks.push(format!("cleared {}", zone.print(cleared)));
    }
    if let Some(said) = &alarm.acknowledged {
        let colon = if said.comment.is_empty() { "" } else { ": " };
        marks.push(format!("acknowledged by {}{colon}{}", said.by, said.comment));
    }
    if alarm.silence != 0 {
        marks.push(format!("silence {}", alarm.silence));
    }
    marks.join("; ")
}

/// A line among the samples of a stream.
pub fn in_a_line(farm: &str, alarm: &Alarm, zone: &Zone) -> String {
    let (word, marks) = (level(alarm.level()), marks(alarm, zone));
    let marks = if marks.is_empty() { marks } else { format!(" ({marks})") };
    let text = format!("{farm}: alarm {} of {}: {}{marks}", short(alarm), alarm.deployment, alarm.text);
    format!("{}  {}  {}", zone.print(alarm.changed_ms), coloured(word, word), clean(&text))
}

/// `text` in the colour of a level, where a terminal shows it and the user wants colours.
pub fn coloured(level: &str, text: &str) -> String {
    let wanted = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let code = match level {
        "critical" => "1;31",
        "warning" => "33",
        "info" => "36",
        "unknown" => "35",
        "ok" => "32",
        _ => return text.to_owned(),
    };
    if wanted { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}
