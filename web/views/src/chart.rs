//! A chart: matching series over time, condensed to the pixels there are; history, and then live values that join it exactly.
//!
//! With T a point of the grid of bins, at or before the beginning, everything before T comes as bins that the farms make, and
//! everything from T on is folded here out of raw samples, by the same law ([`hedgerow_model::bin`]). A farm's history is asked
//! for once its live stream was admitted; of samples before T the live stream then adds those that were accepted behind the
//! history's own watermark. So none is there twice and none is missing. Raw samples from some time before T on are asked
//! for, too: a counter's first rate needs the sample before it.

mod core;
mod line;
mod plan;
mod shell;

pub(crate) use self::core::Chart;
pub(crate) use self::shell::feed;

use crate::column::{Column, is_false, is_zero};
use crate::coverage::Coverage;
use crate::series::SeriesHead;
use crate::spec::{Refused, predicate, within};
use hedgerow_model::UnixMillis;
use serde::{Deserialize, Serialize};

/// Series of a chart, where it does not say how many.
pub const DEFAULT_SERIES: u32 = 50;
/// Most series of a chart; a matching series beyond is counted in `more`.
pub const MAX_SERIES: u32 = 500;
/// Most pixels of a chart.
pub const MAX_PIXELS: u32 = 16_384;
/// Most points of a chart; bins become wider where there would be more.
pub const MAX_CHART_POINTS: u32 = 1_000_000;
/// Longest span, in milliseconds: a hundred years.
pub const MAX_SPAN: i64 = 100 * 366 * 86_400_000;

/// What a chart shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChartSpec {
    /// Patterns, and perhaps `where …`.
    pub predicate: String,
    /// From here, Unix ms; 0 or less: so long before now, or before `to`.
    pub from: i64,
    /// Up to here, Unix ms; absent: it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<UnixMillis>,
    /// How many points a series may have.
    pub pixels: u32,
    /// Most series, [`DEFAULT_SERIES`] where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_series: Option<u32>,
}

impl ChartSpec {
    pub(crate) fn checked(self) -> Result<Self, Refused> {
        let max_series = within("max_series", self.max_series, DEFAULT_SERIES, 1..=MAX_SERIES)?;
        within("pixels", Some(self.pixels), 0, 1..=MAX_PIXELS)?;
        let refused = |field, found: i64, expected: &str| {
            Err(Refused::Value { field, found: found.to_string(), expected: expected.to_owned() })
        };
        match (self.from, self.to) {
            (_, Some(to)) if to <= 0 => {
                return refused("to", to, "a time in Unix ms; absent for a live chart");
            }
            (from, Some(to)) if from > 0 && from >= to => return refused("from", from, "a time before `to`"),
            (0, _) => {
                return refused("from", 0, "a time in Unix ms, or so many ms before now as in -3600000");
            }
            (from, to) if from < -MAX_SPAN || from > 0 && to.is_some_and(|to| to - from > MAX_SPAN) => {
                return refused("from", from, "a span of at most a hundred years");
            }
            _ => {}
        }
        let predicate = predicate(&self.predicate)?.canonical();
        Ok(Self { predicate, max_series: Some(max_series), ..self })
    }
}

/// What a chart's reader is told.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ChartFrame {
    /// All there is; else what changed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub full: bool,
    /// When it was made, Unix ms.
    pub now: UnixMillis,
    /// The width of a bin, in ms.
    pub bin: i64,
    /// Points before this are to be dropped.
    pub from: UnixMillis,
    /// The end of the chart; null: it goes on.
    pub to: Option<UnixMillis>,
    /// Series that are new or that changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<SeriesHead>,
    /// Points that are new or that changed: one of a (series, time) that is known replaces it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<Points>,
    /// What farms do not have any more, or could not give; new ones only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<GapLine>,
    /// What farms do not have any more, by number: when that was is not known. New ones only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unplaced: Vec<GapLine>,
    /// Whom it covers; absent: as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// History is still on its way.
    #[serde(default, skip_serializing_if = "is_false")]
    pub loading: bool,
    /// Matching series for which there is no room.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

/// Points of one series, ascending by time. Of numbers `min`, `max`, `mean`, `last`, `count`; of states `text`, `last` (the
/// code) and `count`; of texts `text` and `count`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Points {
    /// Of which series.
    pub s: u32,
    /// The start of each bin, Unix ms.
    pub t: Vec<UnixMillis>,
    /// The least value of each.
    #[serde(default, skip_serializing_if = "Column::is_empty")]
    pub min: Column,
    /// The greatest.
    #[serde(default, skip_serializing_if = "Column::is_empty")]
    pub max: Column,
    /// The mean; of a counter the increase over the time it took.
    #[serde(default, skip_serializing_if = "Column::is_empty")]
    pub mean: Column,
    /// The newest; of a state its code.
    #[serde(default, skip_serializing_if = "Column::is_empty")]
    pub last: Column,
    /// The newest text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<Option<String>>,
    /// How many samples there were.
    pub count: Vec<u64>,
}

/// Samples that are missing, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapLine {
    /// The farm.
    pub farm: String,
    /// The only series concerned, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s: Option<u32>,
    /// The only cluster concerned, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// From about here on, Unix ms; null only of those that have no place in time.
    pub from: Option<UnixMillis>,
    /// Up to about here, Unix ms; null as `from` is.
    pub to: Option<UnixMillis>,
    /// `retention`, `quota`, `disk_full`, `corruption`, `crash`, `lagged`, `broken`.
    pub reason: String,
    /// How many samples, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

#[cfg(test)]
mod tests;
