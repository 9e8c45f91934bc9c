//! Alarms: one object each, kept where it was raised, from the first raise until some time after it was cleared.
//!
//! [`AlarmBook`] decides what becomes of an alarm when its filter speaks, when its filter or its sources fall silent, and when a
//! person acknowledges or silences it. An alarm never stays because nobody speaks any more, and never clears by itself: it becomes
//! `unknown`, with the reason. No IO and no clock: times are arguments, and each change is returned, to be kept and told.

mod book;
mod silence;

#[cfg(test)]
mod tests;

pub use book::{AlarmBook, BookError, Bounds, MAX_SERIES, Said};
pub use silence::{Silence, SilenceId};

use crate::run::Place;
use hedgerow_model::registration::Id;
use hedgerow_model::{SeriesKey, Status, UnixMillis};

/// Which alarm: its deployment and the key that its filter gave it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlarmKey {
    /// The deployment.
    pub deployment: String,
    /// Of the filter's choice; 1–255 bytes.
    pub key: String,
}

/// Why nobody can say how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// For people: `its deployment was removed`, `its source site/hosts/n12/up is stale: …`.
    pub reason: String,
    /// The level it had before.
    pub before: Status,
    /// Whose silence it is.
    pub cause: UnknownCause,
}

/// Whose silence makes an alarm unknown. It ends with its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownCause {
    /// The deployment does not run.
    Deployment,
    /// The series that it is about are stale or ended, all of them.
    Source,
}

/// Somebody has seen it and says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// What they say.
    pub comment: String,
    /// When.
    pub at: UnixMillis,
    /// Until when it counts; none: until the alarm clears or gets worse.
    pub until: Option<UnixMillis>,
}

/// An alarm as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// Of this raising: an alarm that was cleared and is raised again is another one.
    pub id: Id,
    /// Which.
    pub key: AlarmKey,
    /// Info, warning or critical as its filter said; ok once cleared; unknown while nobody can say.
    pub level: Status,
    /// For people.
    pub text: String,
    /// What it is about.
    pub series: Vec<SeriesKey>,
    /// The value that led to it.
    pub value: Option<f64>,
    /// What to do; empty: not said.
    pub runbook: String,
    /// When it was raised.
    pub since: UnixMillis,
    /// When level or text last changed.
    pub changed: UnixMillis,
    /// When its filter last spoke of it.
    pub confirmed: UnixMillis,
    /// When it was cleared.
    pub cleared: Option<UnixMillis>,
    /// By whom it is acknowledged.
    pub acknowledged: Option<Acknowledgement>,
    /// Of level unknown: why.
    pub unknown: Option<Unknown>,
    /// The silence that covers it.
    pub silenced: Option<SilenceId>,
    /// What its filter had consumed when it last spoke of it.
    pub cause: Place,
    /// Rises with every change.
    pub version: u64,
}

/// A step in an alarm's life.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// When.
    pub time: UnixMillis,
    /// From which level; ok before the first.
    pub from: Status,
    /// To which.
    pub to: Status,
    /// The alarm's text then, or why it is unknown.
    pub text: String,
    /// The value then.
    pub value: Option<f64>,
}

/// What changed: to be kept, and told to whoever listens.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmChange {
    /// As it is now.
    pub alarm: Alarm,
    /// Where the level changed.
    pub transition: Option<Transition>,
}

/// What a filter says of an alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct Raise {
    /// Which.
    pub key: AlarmKey,
    /// Info, warning or critical.
    pub level: Status,
    /// For people.
    pub text: String,
    /// What it is about; at most 16.
    pub series: Vec<SeriesKey>,
    /// The value that led to it.
    pub value: Option<f64>,
    /// What to do; empty: not said.
    pub runbook: String,
}
