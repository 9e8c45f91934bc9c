//! How the last values of live series are spread: a histogram, and exact quantiles.

use crate::column::is_zero;
use crate::content::{Content, json};
use crate::coverage::Coverage;
use crate::newest::{Newest, OfNewest, mixed};
use crate::spec::{Refused, predicate, within};
use crate::top::MAX_SERIES;
use hedgerow_model::UnixMillis;
use serde::{Deserialize, Serialize};

/// Bins of a histogram, where it does not say how many.
pub const DEFAULT_BINS: u32 = 40;
/// Most bins.
pub const MAX_BINS: u32 = 1000;

/// What a histogram shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpreadSpec {
    /// Patterns, and perhaps `where …`.
    pub predicate: String,
    /// Most bins, [`DEFAULT_BINS`] where absent. There are fewer where that makes round edges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bins: Option<u32>,
}

impl SpreadSpec {
    pub(crate) fn checked(self) -> Result<Self, Refused> {
        let bins = Some(within("bins", self.bins, DEFAULT_BINS, 1..=MAX_BINS)?);
        Ok(Self { predicate: predicate(&self.predicate)?.canonical(), bins })
    }
}

/// What a histogram's reader is told: always all of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SpreadFrame {
    /// True.
    pub full: bool,
    /// When it was made, Unix ms.
    pub now: UnixMillis,
    /// The unit of all values.
    pub unit: String,
    /// Finite last values of live series of farms that answer.
    pub count: u64,
    /// Last values that are not finite: not counted above.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_finite: u64,
    /// The edges of the bins, one more than there are bins; empty without values.
    pub edges: Vec<f64>,
    /// How many values lie in each: from its lower edge on, below its upper one.
    pub counts: Vec<u64>,
    /// Exact quantiles, linear between neighbouring values; absent without values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantiles: Option<Quantiles>,
    /// The least value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The greatest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Why there is nothing: values of different units do not mix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whom it covers.
    pub coverage: Coverage,
    /// Matching series for which there is no room.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

/// Quantiles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it, in hundredths")]
pub struct Quantiles {
    pub p01: f64,
    pub p05: f64,
    pub p25: f64,
    pub p50: f64,
    pub p75: f64,
    pub p95: f64,
    pub p99: f64,
}

/// The core of a histogram.
#[derive(Debug)]
pub(crate) struct Spread {
    newest: Newest,
    bins: u32,
    told: Option<Coverage>,
}

impl Spread {
    pub fn new(spec: &SpreadSpec) -> Result<Self, Refused> {
        let newest = Newest::new(&spec.predicate, MAX_SERIES)?;
        Ok(Self { newest, bins: spec.bins.unwrap_or(DEFAULT_BINS), told: None })
    }

    pub(crate) fn frame(&self, now: UnixMillis) -> SpreadFrame {
        let all: Vec<(usize, UnixMillis, f64)> = self.newest.numbers().collect();
        let units = self.newest.units(all.iter().map(|(s, ..)| *s));
        let mut values: Vec<f64> =
            all.iter().map(|(_, _, number)| *number).filter(|v| v.is_finite()).collect();
        let mut frame = SpreadFrame {
            full: true,
            now,
            not_finite: (all.len() - values.len()) as u64,
            error: mixed(&units),
            coverage: self.newest.farms.coverage(now),
            more: self.newest.book.beyond(),
            ..SpreadFrame::default()
        };
        if frame.error.is_some() {
            return frame;
        }
        frame.unit = units.into_iter().next().unwrap_or_default();
        frame.count = values.len() as u64;
        values.sort_unstable_by(f64::total_cmp);
        let (Some(min), Some(max)) = (values.first().copied(), values.last().copied()) else { return frame };
        let q = |p| quantile(&values, p);
        frame.quantiles = Some(Quantiles {
            p01: q(0.01),
            p05: q(0.05),
            p25: q(0.25),
            p50: q(0.5),
            p75: q(0.75),
            p95: q(0.95),
            p99: q(0.99),
        });
        #[expect(clippy::cast_precision_loss, reason = "a number of series")]
        let count = values.len() as f64;
        // Divided before they are added: a sum of large values may have no room.
        frame.mean = Some(values.iter().map(|value| value / count).sum());
        (frame.min, frame.max) = (Some(min), Some(max));
        (frame.edges, frame.counts) = histogram(&values, min, max, self.bins);
        frame
    }
}

/// The quantile `p` of values that are sorted, linear between neighbours.
fn quantile(sorted: &[f64], p: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a number of series")]
    let place = p * (sorted.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the list")]
    let below = place.floor() as usize;
    let part = place - place.floor();
    let (low, high) = (sorted[below], sorted[(below + 1).min(sorted.len() - 1)]);
    // As two products: the distance of two finite numbers may not be finite.
    if part == 0.0 { low } else { low * (1.0 - part) + high * part }
}

/// At most about `bins` bins with round edges over all of `sorted`, and how many values lie in each.
fn histogram(sorted: &[f64], min: f64, max: f64, bins: u32) -> (Vec<f64>, Vec<u64>) {
    let step = round_step(min, max, bins);
    let mut first = (min / step).floor();
    while first * step > min {
        first -= 1.0;
    }
    let mut edges = vec![first * step];
    // Up to an edge that lies above all. Edges are multiples, not sums, so that they stay round.
    let mut next = first;
    while edges.last().is_some_and(|edge| *edge <= max) && edges.len() < 2 * MAX_BINS as usize {
        next += 1.0;
        edges.push(next * step);
    }
    let mut counts = vec![0_u64; edges.len().saturating_sub(1).max(1)];
    let mut bin = 0;
    for value in sorted {
        while bin + 1 < counts.len() && edges.get(bin + 1).is_some_and(|upper| value >= upper) {
            bin += 1;
        }
        counts[bin] += 1;
    }
    (edges, counts)
}

/// A step of 1, 2 or 5 times a power of ten by which `min` to `max` has at most about `bins` steps.
fn round_step(min: f64, max: f64, bins: u32) -> f64 {
    let span = max / f64::from(bins) - min / f64::from(bins);
    // All values (nearly) the same: as fine as their size allows to tell apart.
    let least = (min.abs().max(max.abs()) * 1e-12).max(f64::MIN_POSITIVE * 1e3);
    let rough = if max > min { span.max(least) } else { (min.abs() / 10.0).max(least) };
    let rough = if min == 0.0 && max == 0.0 { 1.0 } else { rough };
    let rough = rough.min(f64::MAX / 100.0);
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|times| times * power)
        .into_iter()
        .find(|step| *step >= rough * (1.0 - 1e-9))
        .unwrap_or(rough)
}

impl OfNewest for Spread {
    fn newest(&mut self) -> &mut Newest {
        &mut self.newest
    }
}

impl Content for Spread {
    fn full(&mut self, now: UnixMillis) -> String {
        json(&self.frame(now))
    }

    fn difference(&mut self, now: UnixMillis) -> Option<String> {
        let heads = self.newest.book.take_dirty();
        let coverage = self.newest.farms.coverage(now);
        let covers_the_same = self.told.as_ref().is_some_and(|told| coverage.says_the_same(told));
        if self.newest.take_dirty().is_empty() && heads.is_empty() && covers_the_same {
            return None;
        }
        self.told = Some(coverage);
        Some(json(&self.frame(now)))
    }

    fn weight(&self) -> usize {
        self.newest.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edges_are_round_and_quantiles_exact() {
        let values: Vec<f64> = (0..=100).map(f64::from).collect();
        let (edges, counts) = histogram(&values, 0.0, 100.0, 10);
        assert_eq!(edges.first().copied().zip(edges.get(1).copied()), Some((0.0, 10.0)));
        assert_eq!(counts.iter().sum::<u64>(), 101);
        assert_eq!(counts[0], 10);
        let q = [0.01, 0.5, 0.99].map(|p| quantile(&values, p));
        assert!(q.iter().zip([1.0, 50.0, 99.0]).all(|(a, b)| (a - b).abs() < 1e-9), "{q:?}");
        assert!((quantile(&[1.0, 2.0], 0.25) - 1.25).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn every_value_lies_in_its_bin(
            mut values in proptest::collection::vec(prop_oneof![
                -1e3..1e3_f64, any::<f64>().prop_filter("not too large", |v| v.abs() < 1e300), Just(0.0), Just(5.0),
            ], 1..50),
            bins in 1..100_u32,
        ) {
            values.sort_unstable_by(f64::total_cmp);
            let (min, max) = (values[0], values[values.len() - 1]);
            let (edges, counts) = histogram(&values, min, max, bins);
            prop_assert_eq!(edges.len(), counts.len() + 1);
            prop_assert!(edges.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", edges);
            prop_assert!(counts.len() <= 2 * bins as usize + 3, "{} bins of {}", counts.len(), bins);
            let mut rest = &values[..];
            for (at, count) in counts.iter().enumerate() {
                let (here, others) = rest.split_at(usize::try_from(*count).unwrap_or(0));
                let inside = here.iter().all(|value| (edges[at]..edges[at + 1]).contains(value));
                prop_assert!(inside, "{:?} in {:?}..{:?}", here, edges[at], edges[at + 1]);
                rest = others;
            }
            prop_assert!(rest.is_empty());
        }
    }
}
