//! The last minutes of what is on the screen, as lines of small bars. History comes first, so a line is whole at once. Decides
//! which charts are wanted for the rows that are shown; reads no clock and asks nobody.

use hedgerow_model::predicate::PathPattern;
use hedgerow_model::{SeriesPath, UnixMillis};
use hedgerow_views::chart::{ChartFrame, ChartSpec};
use std::collections::{BTreeMap, HashMap, HashSet};

/// How far back a line goes, in milliseconds.
pub const SPAN: i64 = 300_000;
/// Points of a line.
const POINTS: u32 = 60;
/// Series of one chart: a predicate has at most so many patterns.
const PER_CHART: usize = 60;
/// Most charts that are open; where more would be, all are closed, and opened anew for what is shown.
const MAX_CHARTS: usize = 8;
/// How long nothing is asked for after something was, in milliseconds: rows that fly past are not charted.
const PAUSE: i64 = 700;

/// Bars from low to high, and those of terminals that have letters only.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const PLAIN_BARS: [char; 8] = ['_', '.', ':', '-', '=', '+', '*', '#'];

/// The lines.
#[derive(Debug, Default)]
pub struct Trends {
    charts: Vec<Chart>,
    next: u64,
    asked_at: UnixMillis,
}

#[derive(Debug)]
struct Chart {
    number: u64,
    spec: ChartSpec,
    paths: HashSet<String>,
    lines: HashMap<String, Line>,
    /// The path of each series, by its index.
    names: HashMap<u32, String>,
    bin: i64,
}

#[derive(Debug, Default)]
struct Line {
    points: BTreeMap<UnixMillis, f64>,
    interval: i64,
}

impl Trends {
    /// The rows on the screen are of these paths. Says whether other charts are wanted than before.
    pub fn show(&mut self, paths: &[String], now: UnixMillis) -> bool {
        let is_new = |path: &&String| !self.charts.iter().any(|chart| chart.paths.contains(*path));
        let mut new: Vec<&String> = paths.iter().filter(is_new).collect();
        if new.is_empty() || now.abs_diff(self.asked_at) < PAUSE.unsigned_abs() {
            return false;
        }
        if self.charts.len() + new.len().div_ceil(PER_CHART) > MAX_CHARTS {
            self.charts.clear();
            new = paths.iter().take(MAX_CHARTS * PER_CHART).collect();
        }
        self.asked_at = now;
        for part in new.chunks(PER_CHART) {
            let patterns =
                part.iter().filter_map(|path| Some(PathPattern::exact(&SeriesPath::parse(path).ok()?)));
            let predicate: Vec<String> = patterns.map(|pattern| pattern.to_string()).collect();
            if predicate.is_empty() {
                continue;
            }
            let predicate = predicate.join(" ");
            let max_series = Some(PER_CHART as u32);
            self.next += 1;
            self.charts.push(Chart {
                number: self.next,
                spec: ChartSpec { predicate, from: -SPAN, to: None, pixels: POINTS, max_series },
                paths: part.iter().map(|path| (*path).clone()).collect(),
                lines: HashMap::new(),
                names: HashMap::new(),
                bin: 0,
            });
        }
        true
    }

    /// The charts that are wanted, with their numbers.
    pub fn wanted(&self) -> impl Iterator<Item = (u64, &ChartSpec)> {
        self.charts.iter().map(|chart| (chart.number, &chart.spec))
    }

    /// Takes a frame of a chart.
    pub fn take(&mut self, number: u64, frame: ChartFrame) {
        let Some(chart) = self.charts.iter_mut().find(|chart| chart.number == number) else { return };
        if frame.full {
            chart.lines.clear();
        }
        chart.bin = frame.bin;
        for head in frame.series {
            let line = chart.lines.entry(head.path.clone()).or_default();
            line.interval = head.interval.map_or(0, |ms| i64::try_from(ms).unwrap_or_default());
            chart.names.insert(head.s, head.path);
        }
        for points in frame.points {
            let line = chart.names.get(&points.s).and_then(|path| chart.lines.get_mut(path));
            let Some(line) = line else { continue };
            line.points.extend(points.t.into_iter().zip(points.mean.0).filter(|(_, mean)| mean.is_finite()));
        }
        for line in chart.lines.values_mut() {
            line.points = line.points.split_off(&frame.from);
        }
    }

    /// The line of a series in so many columns, up to `now`; empty where nothing is known yet.
    pub fn bars(&self, path: &str, columns: usize, now: UnixMillis, plain: bool) -> String {
        let known = self.charts.iter().rev().find_map(|chart| Some((chart.bin, chart.lines.get(path)?)));
        let Some((bin, line)) = known else { return String::new() };
        let means = line.columns(columns, bin, now);
        let known = means.iter().flatten().copied();
        let (low, high) = known
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), mean| (low.min(mean), high.max(mean)));
        let bars = if plain { PLAIN_BARS } else { BARS };
        let bar = |mean: f64| {
            // Of a line without any movement: the lowest for nothing, the middle for something.
            let part =
                if high > low { (mean - low) / (high - low) } else { f64::from(u8::from(mean != 0.0)) * 0.5 };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 7")]
            let at = (part * 7.0).round() as usize;
            bars.get(at).copied().unwrap_or(' ')
        };
        means.into_iter().map(|mean| mean.map_or(' ', bar)).collect()
    }
}

impl Line {
    /// The mean in each column. Between two points that belong together nothing is missing; where none is near, there is none.
    fn columns(&self, columns: usize, bin: i64, now: UnixMillis) -> Vec<Option<f64>> {
        let (begin, reach) = (now - SPAN, (bin * 5 / 2).max(self.interval * 3));
        let width = |at: usize| begin + SPAN * i64::try_from(at).unwrap_or_default() / columns.max(1) as i64;
        let column = |at: usize| {
            let (from, to) = (width(at), width(at + 1));
            let (sum, count) = self
                .points
                .range(from..to)
                .fold((0.0, 0.0), |(sum, count), (_, mean)| (sum + mean, count + 1.0));
            if count > 0.0 {
                return Some(sum / count);
            }
            let (time, mean) = self.points.range(..from).next_back()?;
            (to - time <= reach).then_some(*mean)
        };
        (0..columns).map(column).collect()
    }
}
