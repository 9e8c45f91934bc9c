//! What functions make of a range: as Prometheus does, with the samples that are there carried on to the ends of the range
//! where these are near.

use crate::series::Window;
use crate::statistics;

/// How many mean distances an end of the range may be away for the samples to be carried on to it.
const NEAR: f64 = 1.1;

fn of(window: &Window<'_>, one: fn(&[f64]) -> f64) -> Option<f64> {
    let values: Vec<f64> = window.values().collect();
    (!values.is_empty()).then(|| one(&values))
}

pub(super) fn mean(window: &Window<'_>) -> Option<f64> {
    of(window, statistics::mean)
}

pub(super) fn sum(window: &Window<'_>) -> Option<f64> {
    of(window, statistics::sum)
}

pub(super) fn min(window: &Window<'_>) -> Option<f64> {
    of(window, statistics::min)
}

pub(super) fn max(window: &Window<'_>) -> Option<f64> {
    of(window, statistics::max)
}

pub(super) fn count(window: &Window<'_>) -> Option<f64> {
    of(window, statistics::count)
}

pub(super) fn deviation(window: &Window<'_>) -> Option<f64> {
    of(window, statistics::deviation)
}

pub(super) fn variance(window: &Window<'_>) -> Option<f64> {
    of(window, statistics::variance)
}

pub(super) fn present(window: &Window<'_>) -> Option<f64> {
    (window.len() > 0).then_some(1.0)
}

pub(super) fn quantile(window: &Window<'_>, q: f64, _: i64) -> Option<f64> {
    let values: Vec<f64> = window.values().collect();
    (!values.is_empty()).then(|| statistics::quantile(q, &values))
}

pub(super) fn changes(window: &Window<'_>) -> Option<f64> {
    (window.len() > 0).then(|| window.changes() as f64)
}

pub(super) fn resets(window: &Window<'_>) -> Option<f64> {
    (window.len() > 0).then(|| window.falls() as f64)
}

pub(super) fn rate(window: &Window<'_>) -> Option<f64> {
    Some(increase(window)? / seconds(window.to - window.from))
}

pub(super) fn increase(window: &Window<'_>) -> Option<f64> {
    let growth = (window.len() >= 2).then(|| window.growth())?;
    Some(growth * carried_on(window, Some(growth)))
}

pub(super) fn delta(window: &Window<'_>) -> Option<f64> {
    let last = window.len().checked_sub(1).filter(|last| *last > 0)?;
    Some(window.difference(0, last) * carried_on(window, None))
}

/// How much longer the range is, as far as samples speak for it, than from the first to the last of them. A counter, of which
/// `growth` is given, isn't carried back to before it was zero.
fn carried_on(window: &Window<'_>, growth: Option<f64>) -> f64 {
    let last = window.len() - 1;
    let sampled = seconds(window.times[last] - window.times[0]);
    let distance = sampled / last as f64;
    let mut before = seconds(window.times[0] - window.from);
    let after = seconds(window.to - window.times[last]);
    let first = window.value(0);
    if let Some(growth) = growth.filter(|growth| *growth > 0.0 && first >= 0.0) {
        before = before.min(sampled * (first / growth));
    }
    let reach = |away: f64| if away < distance * NEAR { away } else { distance / 2.0 };
    (sampled + reach(before) + reach(after)) / sampled
}

pub(super) fn irate(window: &Window<'_>) -> Option<f64> {
    let last = window.len().checked_sub(1).filter(|last| *last > 0)?;
    let difference = window.difference(last - 1, last);
    let grown = if difference < 0.0 { window.value(last) } else { difference };
    Some(grown / seconds(window.times[last] - window.times[last - 1]))
}

pub(super) fn idelta(window: &Window<'_>) -> Option<f64> {
    let last = window.len().checked_sub(1).filter(|last| *last > 0)?;
    Some(window.difference(last - 1, last))
}

pub(super) fn deriv(window: &Window<'_>) -> Option<f64> {
    Some(line(window, *window.times.first()?)?.0)
}

pub(super) fn predict_linear(window: &Window<'_>, ahead: f64, now: i64) -> Option<f64> {
    let (slope, value) = line(window, now)?;
    Some(slope * ahead + value)
}

fn line(window: &Window<'_>, zero: i64) -> Option<(f64, f64)> {
    let values: Vec<f64> = window.values().collect();
    (values.len() >= 2).then(|| statistics::line(window.times, &values, zero))
}

fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}
