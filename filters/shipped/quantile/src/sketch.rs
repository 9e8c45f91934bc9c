//! Counts of values in buckets whose bounds grow by a constant factor: quantiles with a bounded relative error, in bounded memory.
//!
//! After Masson, Rim and Lee, "DDSketch" (2019). Bounds come from the bits of the number, not from a logarithm: the same everywhere.

use hedgerow_filter::saved;

/// Buckets for each doubling: bounds differ by at most 1/32 of their value, so that the middle is right within 1.6 %, and
/// mostly within 1 %.
const PER_DOUBLING_BITS: u32 = 6;

/// Buckets kept of each sign. Past it, the two nearest to zero become one: only quantiles down there suffer. Enough for a range of
/// 1 to 2^16 without that.
const BUCKETS: usize = 1_024;

/// How many values there were of each size.
#[derive(Debug, Default)]
pub struct Sketch {
    /// Bucket and count, by bucket. Few are new, so that moving the others does not matter.
    positive: Vec<(u32, u64)>,
    negative: Vec<(u32, u64)>,
    zero: u64,
    count: u64,
    least: f64,
    most: f64,
}

saved!(Sketch { positive, negative, zero, count, least, most });

impl Sketch {
    /// Counts a value, which is finite.
    pub fn add(&mut self, value: f64) {
        let is_first = self.count == 0;
        self.count += 1;
        self.least = if is_first { value } else { self.least.min(value) };
        self.most = if is_first { value } else { self.most.max(value) };
        if value == 0.0 {
            self.zero += 1;
            return;
        }
        let buckets = if value > 0.0 { &mut self.positive } else { &mut self.negative };
        let bucket = bucket(value.abs());
        match buckets.binary_search_by_key(&bucket, |(known, _)| *known) {
            Ok(at) => buckets[at].1 += 1,
            Err(at) => buckets.insert(at, (bucket, 1)),
        }
        if buckets.len() > BUCKETS {
            let (_, count) = buckets.remove(0);
            buckets[0].1 += count;
        }
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// A value so that this share of all is not more than it.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let count = self.count;
        if count == 0 {
            return None;
        }
        // The rank, from 1: the nearest from above.
        let rank = ((share * count as f64).ceil() as u64).clamp(1, count);
        let negative = self.negative.iter().rev().map(|(bucket, count)| (-middle(*bucket), *count));
        let positive = self.positive.iter().map(|(bucket, count)| (middle(*bucket), *count));
        let mut seen = 0;
        for (value, count) in negative.chain([(0.0, self.zero)]).chain(positive) {
            seen += count;
            if seen >= rank {
                // Not `clamp`: its message of bounds in disorder prints floats, which takes 20 kB.
                return Some(value.max(self.least).min(self.most));
            }
        }
        Some(self.most)
    }
}

/// The exponent and the first bits of the fraction.
fn bucket(value: f64) -> u32 {
    (value.to_bits() >> (52 - PER_DOUBLING_BITS)) as u32
}

/// The middle of a bucket.
fn middle(bucket: u32) -> f64 {
    let bits = u64::from(bucket) << (52 - PER_DOUBLING_BITS);
    f64::from_bits(bits | 1 << (51 - PER_DOUBLING_BITS))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quantiles_are_right_within_one_percent() {
        for scale in [1e-12, 1.0, 1e15] {
            let values: Vec<f64> = (1..=10_000).map(|n| f64::from(n).powi(2) * scale).collect();
            let mut sketch = Sketch::default();
            values.iter().for_each(|value| sketch.add(*value));
            for share in [0.5, 0.9, 0.99, 1.0] {
                let exact = values[((share * 10_000.0) as usize) - 1];
                let found = sketch.quantile(share).unwrap();
                assert!((found - exact).abs() <= exact * 0.01, "{share} of {scale}: {found}, not {exact}");
            }
        }
    }

    #[test]
    fn signs_and_zero_are_in_order() {
        let mut sketch = Sketch::default();
        [-100.0, -1.0, 0.0, 1.0, 100.0].iter().for_each(|value| sketch.add(*value));
        let quantiles: Vec<f64> =
            [0.0, 0.2, 0.4, 0.6, 0.8, 1.0].iter().map(|s| sketch.quantile(*s).unwrap()).collect();
        for (found, exact) in quantiles.iter().zip([-100.0, -100.0, -1.0, 0.0, 1.0, 100.0]) {
            assert!((found - exact).abs() <= f64::abs(exact) * 0.01, "{quantiles:?}");
        }
        assert_eq!(Sketch::default().quantile(0.5), None);
    }

    #[test]
    fn memory_is_bounded_and_the_highest_stay_exact() {
        let mut sketch = Sketch::default();
        let mut value = f64::MIN_POSITIVE;
        while value < 1e300 {
            sketch.add(value);
            sketch.add(-value);
            value *= 1.02;
        }
        assert!(sketch.positive.len() <= BUCKETS && sketch.negative.len() <= BUCKETS);
        assert!((sketch.quantile(1.0).unwrap() / value - 1.0).abs() < 0.05);
    }
}
