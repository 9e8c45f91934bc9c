//! Calls of functions.

use super::aggregate::by_value;
use super::rows::{ABSENT, Row, is_there, mapped, merged};
use super::{Evaluator, Value};
use crate::fault::EvalError;
use crate::functions::{Does, Function};
use crate::labels::{self, BUCKET, Labels, NAME};
use crate::matcher::{self, Matcher, Test};
use crate::plan::Times;
use crate::series::Window;
use crate::statistics;
use crate::syntax::{Expr, Type};
use std::collections::HashMap;

impl Evaluator<'_> {
    pub(super) fn call(
        &mut self,
        function: &'static Function,
        args: &[Expr],
        times: &Times,
    ) -> Result<Value, EvalError> {
        let count = times.count();
        let rows = match (function.does, args) {
            (Does::Pi, _) => return Ok(Value::Scalar(vec![std::f64::consts::PI; count])),
            (Does::Time, _) => return Ok(Value::Scalar(times.iter().map(seconds).collect())),
            (Does::Scalar, [of]) => {
                let rows = self.vector(of, times)?;
                return Ok(Value::Scalar((0..count).map(|at| only(&rows, at)).collect()));
            }
            (Does::Vector, [of]) => vec![Row { labels: Labels::default(), values: self.scalar(of, times)? }],
            (Does::Absent, [of]) => absent(self.vector(of, times)?, of, count),
            (Does::Sort(largest), [of]) => {
                let mut rows = self.vector(of, times)?;
                if count == 1 {
                    rows.sort_by(|a, b| by_value(a.values[0], b.values[0], largest));
                }
                rows
            }
            (Does::HistogramQuantile, [q, of]) => {
                let q = self.scalar(q, times)?;
                histogram_quantile(&q, &self.vector(of, times)?)
            }
            (Does::LabelReplace, [of, rest @ ..]) => label_replace(self.vector(of, times)?, &texts(rest))?,
            (Does::LabelJoin, [of, rest @ ..]) => label_join(self.vector(of, times)?, &texts(rest))?,
            (Does::Window(_) | Does::WindowWith(_) | Does::Last | Does::AbsentOverTime, args) => {
                self.of_ranges(function.does, args, times)?
            }
            (does, args) => self.of_values(does, args, times)?,
        };
        Ok(Value::Vector(rows))
    }

    /// What functions of ranges make.
    fn of_ranges(&mut self, does: Does, args: &[Expr], times: &Times) -> Result<Vec<Row>, EvalError> {
        match (does, args) {
            (Does::Window(of), [range]) => self.windows(range, times, |window, _| of(window)),
            (Does::WindowWith(of), [a, b]) => {
                let (range, number) = if a.gives() == Type::Matrix { (a, b) } else { (b, a) };
                let numbers = self.scalar(number, times)?;
                let Times { start, step, .. } = *times;
                self.windows(range, times, |window, at| of(window, numbers[at], start + at as i64 * step))
            }
            (Does::Last, [range]) => {
                let newest =
                    |window: &Window<'_>, _| window.len().checked_sub(1).map(|last| window.value(last));
                self.windows_named(range, times, newest)
            }
            (_, [of]) => {
                let rows = self.windows_named(of, times, |window, _| (window.len() > 0).then_some(1.0))?;
                Ok(absent(rows, of, times.count()))
            }
            // Checked when it was read: as many arguments as it takes.
            _ => Ok(Vec::new()),
        }
    }

    /// What functions of single values make.
    fn of_values(&mut self, does: Does, args: &[Expr], times: &Times) -> Result<Vec<Row>, EvalError> {
        let Some((of, rest)) = args.split_first() else {
            let Does::Calendar(of) = does else { return Ok(Vec::new()) };
            let values = times.iter().map(|time| of(time.div_euclid(1000))).collect();
            return Ok(vec![Row { labels: Labels::default(), values }]);
        };
        if let (Does::Timestamp, Expr::Instant(selector)) = (does, of) {
            let rows = self.newest(selector, times, |series, at| seconds(series.times[at]))?;
            return mapped(rows, |value, _| value);
        }
        let rest: Vec<Vec<f64>> =
            rest.iter().map(|number| self.scalar(number, times)).collect::<Result<_, _>>()?;
        let rows = self.vector(of, times)?;
        match (does, &rest[..]) {
            (Does::Each(of), _) => mapped(rows, |value, _| of(value)),
            (Does::Calendar(of), _) => {
                mapped(rows, |value, _| if value.is_finite() { of(whole(value)) } else { f64::NAN })
            }
            (Does::Timestamp, _) => {
                let now: Vec<f64> = times.iter().map(seconds).collect();
                mapped(rows, |_, at| now[at])
            }
            (Does::Round, []) => mapped(rows, |value, _| round(value, 1.0)),
            (Does::Round, [to]) => mapped(rows, |value, at| round(value, to[at])),
            (Does::Clamp, [min, max]) => mapped(rows, |value, at| clamp(value, min[at], max[at])),
            (Does::ClampMin, [min]) => mapped(rows, |value, at| clamp(value, min[at], f64::INFINITY)),
            (Does::ClampMax, [max]) => mapped(rows, |value, at| clamp(value, f64::NEG_INFINITY, max[at])),
            _ => Ok(Vec::new()),
        }
    }

    fn windows(
        &mut self,
        range: &Expr,
        times: &Times,
        of: impl Fn(&Window<'_>, usize) -> Option<f64>,
    ) -> Result<Vec<Row>, EvalError> {
        let mut rows = self.windows_named(range, times, of)?;
        rows.iter_mut().for_each(|row| row.labels = row.labels.unnamed());
        // Those that show nothing do not stand in the way of others.
        rows.retain(|row| row.values.iter().any(|value| is_there(*value)));
        merged(rows)
    }

    fn windows_named(
        &mut self,
        range: &Expr,
        times: &Times,
        of: impl Fn(&Window<'_>, usize) -> Option<f64>,
    ) -> Result<Vec<Row>, EvalError> {
        let seen = self.seen(range, times)?;
        self.bounded(seen.series.len(), times)?;
        let mut rows = Vec::with_capacity(seen.series.len());
        for series in seen.series.iter() {
            let mut values = Vec::with_capacity(times.count());
            for (at, time) in times.iter().enumerate() {
                let to = self.frame.seen(&seen.when, time);
                let window = series.window(to - seen.range, to);
                self.works(window.len())?;
                values.push(of(&window, at).unwrap_or(ABSENT));
            }
            rows.push(Row { labels: series.labels.clone(), values });
        }
        Ok(rows)
    }
}

fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

/// Whole seconds, of what calendars know.
fn whole(seconds: f64) -> i64 {
    const LAST: f64 = 1e12;
    seconds.clamp(-LAST, LAST).trunc() as i64
}

/// Nothing where no value is between.
fn clamp(value: f64, min: f64, max: f64) -> f64 {
    if max < min {
        ABSENT
    } else if value.is_nan() || min.is_nan() || max.is_nan() {
        f64::NAN
    } else {
        value.max(min).min(max)
    }
}

/// To the nearest multiple; of two equally near the larger.
fn round(value: f64, to: f64) -> f64 {
    let inverse = 1.0 / to;
    (value * inverse + 0.5).floor() / inverse
}

/// The value of the only one that is there.
fn only(rows: &[Row], at: usize) -> f64 {
    let mut there = rows.iter().map(|row| row.values[at]).filter(|value| is_there(*value));
    match (there.next(), there.next()) {
        (Some(value), None) => value,
        _ => f64::NAN,
    }
}

fn texts(args: &[Expr]) -> Vec<&str> {
    args.iter().map(|arg| if let Expr::Text(text) = arg { text.as_str() } else { "" }).collect()
}

/// Where nothing is there: 1, with the labels that what is missing would certainly have.
fn absent(rows: Vec<Row>, of: &Expr, count: usize) -> Vec<Row> {
    let matchers: &[Matcher] = match of {
        Expr::Instant(selector) | Expr::Range(selector, _) => &selector.matchers,
        _ => &[],
    };
    let of_key = |key: &str| matchers.iter().filter(|matcher| matcher.key == key).count();
    let certain = matchers.iter().filter(|matcher| {
        matches!(matcher.test, Test::Equal) && matcher.key != NAME && of_key(&matcher.key) == 1
    });
    let labels = Labels::new(certain.map(|matcher| (matcher.key.as_str(), matcher.value.as_str())));
    let missing = |at: usize| rows.iter().all(|row| !is_there(row.values[at]));
    let values = (0..count).map(|at| if missing(at) { 1.0 } else { ABSENT }).collect();
    vec![Row { labels, values }]
}

fn histogram_quantile(q: &[f64], rows: &[Row]) -> Vec<Row> {
    let mut histograms: Vec<(Labels, Vec<(f64, &Row)>)> = Vec::new();
    let mut index = HashMap::new();
    for row in rows {
        let Some(bound) = row.labels.get(BUCKET).parse::<f64>().ok().filter(|bound| !bound.is_nan()) else {
            continue;
        };
        let labels = row.labels.filtered(|key| key != BUCKET && key != NAME);
        let at = *index.entry(labels.clone()).or_insert_with(|| {
            histograms.push((labels, Vec::new()));
            histograms.len() - 1
        });
        histograms[at].1.push((bound, row));
    }
    let row = |(labels, buckets): (Labels, Vec<(f64, &Row)>)| {
        let value = |at: usize| {
            let there = buckets.iter().map(|(bound, row)| (*bound, row.values[at]));
            let mut there: Vec<(f64, f64)> = there.filter(|(_, value)| is_there(*value)).collect();
            if there.is_empty() { ABSENT } else { statistics::histogram_quantile(q[at], &mut there) }
        };
        Row { labels, values: (0..q.len()).map(value).collect() }
    };
    histograms.into_iter().map(row).collect()
}

/// `texts`: to, replacement, from, regular expression.
fn label_replace(mut rows: Vec<Row>, texts: &[&str]) -> Result<Vec<Row>, EvalError> {
    let wrong = |what| EvalError::Argument { function: "label_replace", what };
    let [to, replacement, from, pattern] = texts[..] else { return Ok(rows) };
    let regex = matcher::whole(pattern).map_err(wrong)?;
    if !labels::is_key(to) {
        return Err(wrong(format!("invalid destination label name {to:?}")));
    }
    for row in &mut rows {
        if let Some(found) = regex.captures(row.labels.get(from)) {
            let mut value = String::new();
            found.expand(replacement, &mut value);
            row.labels = row.labels.with(to, &value);
        }
    }
    merged(rows)
}

/// `texts`: to, separator, and from which.
fn label_join(mut rows: Vec<Row>, texts: &[&str]) -> Result<Vec<Row>, EvalError> {
    let wrong = |what| EvalError::Argument { function: "label_join", what };
    let [to, separator, from @ ..] = texts else { return Ok(rows) };
    if let Some(key) = from.iter().find(|key| !labels::is_key(key)) {
        return Err(wrong(format!("invalid source label name {key:?}")));
    }
    if !labels::is_key(to) {
        return Err(wrong(format!("invalid destination label name {to:?}")));
    }
    for row in &mut rows {
        let values: Vec<&str> = from.iter().map(|key| row.labels.get(key)).collect();
        row.labels = row.labels.with(to, &values.join(separator));
    }
    merged(rows)
}
