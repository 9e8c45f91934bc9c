//! How a chart is cut: the width of bins, where it begins and ends, and which series it takes where too many match.

use super::{ChartSpec, DEFAULT_SERIES, MAX_CHART_POINTS, MAX_SPAN};
use crate::spec::{Refused, predicate};
use hedgerow_client::mesh::ListedSeries;
use hedgerow_model::bin::floor;
use hedgerow_model::predicate::{Aggregate, Every, MAX_PATTERNS, PathPattern, When, Window};
use hedgerow_model::{Kind, Life, Name, Predicate, SeriesPath, UnixMillis};
use std::time::Duration;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Widths of bins.
const LADDER: [i64; 23] = [
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    5 * DAY,
    10 * DAY,
    30 * DAY,
    365 * DAY,
];

/// How long before now the seam lies at least: what is a little late by nature is then part of history.
const SEAM_LAG: i64 = 3 * SECOND;
/// How far before the seam raw samples are asked for: so many of a counter's intervals, as farms look back for a rate …
const LOOK_BACK_INTERVALS: u32 = 10;
/// … but at least and at most so far.
const LOOK_BACK: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// What a chart is made of.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub predicate: Predicate,
    /// The width of a bin, in ms.
    pub width: i64,
    from: From,
    pub to: Option<UnixMillis>,
    pub max_series: usize,
}

#[derive(Debug, Clone, Copy)]
enum From {
    At(UnixMillis),
    /// So long before now.
    Back(i64),
}

impl Plan {
    /// The plan of a chart that begins at `now`. One that begins at a time and goes on keeps the width of its first moment.
    pub fn new(spec: &ChartSpec, now: UnixMillis) -> Result<Self, Refused> {
        let predicate = predicate(&spec.predicate)?;
        let max_series = spec.max_series.unwrap_or(DEFAULT_SERIES).max(1);
        let pixels = i64::from(spec.pixels.min(MAX_CHART_POINTS / max_series).max(1));
        let from = match spec.to {
            _ if spec.from > 0 => From::At(spec.from),
            Some(to) => From::At(to.saturating_add(spec.from)),
            None => From::Back(spec.from.saturating_neg()),
        };
        let start = match from {
            From::At(from) => from,
            From::Back(span) => now.saturating_sub(span),
        };
        let span = spec.to.unwrap_or(now).saturating_sub(start).clamp(SECOND, MAX_SPAN);
        let width = width(span, pixels);
        Ok(Self { predicate, width, from, to: spec.to, max_series: max_series as usize })
    }

    /// The start of the first bin at `now`.
    pub fn from(&self, now: UnixMillis) -> UnixMillis {
        let from = match self.from {
            From::At(from) => from,
            From::Back(span) => now.saturating_sub(span),
        };
        floor(from, self.width)
    }

    /// Whether all of it lies in the past: nothing comes to it any more.
    pub fn is_past(&self, now: UnixMillis) -> bool {
        self.to.is_some_and(|to| to <= now)
    }

    /// T: where history ends and what is folded here begins.
    pub fn seam(&self, now: UnixMillis) -> UnixMillis {
        floor(now.saturating_sub(SEAM_LAG), self.width).max(self.from(now))
    }

    /// The question for history, of some of the patterns: bins up to `until`. `None`: there is none to ask for.
    pub fn history(&self, patterns: &[PathPattern], now: UnixMillis, until: UnixMillis) -> Option<Predicate> {
        let since = self.from(now);
        if since >= until {
            return None;
        }
        let aggregates =
            vec![Aggregate::Last, Aggregate::Mean, Aggregate::Min, Aggregate::Max, Aggregate::Count];
        let width = Duration::from_millis(self.width.unsigned_abs());
        let window = Window {
            since: Some(When::At(since)),
            until: Some(When::At(until)),
            last: false,
            every: Some(Every { width, aggregates }),
        };
        Some(Predicate { patterns: patterns.to_vec(), window, ..self.predicate.clone() })
    }

    /// The question for live values: raw, from `back` before the seam on. A constraint is applied here, as it is about rates.
    pub fn live(&self, patterns: &[PathPattern], seam: UnixMillis, back: Duration) -> Predicate {
        let back = i64::try_from(back.as_millis()).unwrap_or(i64::MAX);
        let window = Window { since: Some(When::At(seam.saturating_sub(back))), ..Window::default() };
        Predicate { window, ..Predicate::live(patterns.to_vec()) }
    }

    /// Which series are taken, where more than there is room for match: those of a live chart that are live first, then by path.
    /// Gives the patterns to ask for, in pieces that are one question each; and how many are left out.
    pub fn taken(&self, listed: &[ListedSeries], now: UnixMillis) -> (Vec<Vec<PathPattern>>, u64) {
        let from = self.from(now);
        let inside = |series: &&ListedSeries| series.last.as_ref().is_none_or(|(time, _)| *time >= from);
        let mut inside: Vec<&ListedSeries> = listed.iter().filter(inside).collect();
        if inside.len() <= self.max_series {
            return (vec![self.predicate.patterns.clone()], 0);
        }
        let past = self.is_past(now);
        inside.sort_by_key(|series| !past && series.life.is_some_and(|life| life != Life::Live));
        let beyond = (inside.len() - self.max_series) as u64;
        inside.truncate(self.max_series);
        let exact = inside.iter().filter_map(|series| {
            let farm = Name::new(&series.farm).ok()?;
            Some(PathPattern::exact(&SeriesPath { farm, key: series.def.key.clone() }))
        });
        let exact: Vec<PathPattern> = exact.collect();
        (exact.chunks(MAX_PATTERNS).map(<[PathPattern]>::to_vec).collect(), beyond)
    }

    /// How far before the seam raw samples are needed.
    pub fn look_back(listed: &[ListedSeries]) -> Duration {
        let counters = listed.iter().filter(|series| series.def.kind == Kind::Counter);
        let longest = counters.filter_map(|series| series.def.interval).max().unwrap_or_default();
        longest.saturating_mul(LOOK_BACK_INTERVALS).clamp(LOOK_BACK.0, LOOK_BACK.1)
    }
}

/// Farms take samples from up to ten minutes ahead.
pub(super) const FUTURE: i64 = 10 * MINUTE;
/// The least width of bins by which a span has no more of them than pixels.
fn width(span: i64, pixels: i64) -> i64 {
    let fits = |width: &&i64| span.saturating_add(**width - 1) / **width <= pixels;
    LADDER.iter().find(fits).copied().unwrap_or(LADDER[LADDER.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_as_narrow_as_the_pixels_allow() {
        assert_eq!(width(HOUR, 3600), SECOND);
        assert_eq!(width(HOUR, 3599), 2 * SECOND);
        assert_eq!(width(DAY, 800), 2 * MINUTE);
        assert_eq!(width(1, 1), SECOND);
        assert_eq!(width(MAX_SPAN, 1), 365 * DAY, "the last is as wide as it gets");
    }
}
