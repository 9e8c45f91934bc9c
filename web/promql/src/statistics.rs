//! One number of many: for aggregations, and for what a range shows of a series. None is called with nothing.

/// Adds with what rounding lost kept beside (Kahan, Neumaier).
pub(crate) fn sum(values: &[f64]) -> f64 {
    let (mut sum, mut lost) = (0.0f64, 0.0f64);
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    if sum.is_infinite() || sum.is_nan() { sum } else { sum + lost }
}

/// The mean; where the sum is too large for a float, by steps.
pub(crate) fn mean(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let total = sum(values);
    if total.is_finite() || values.iter().any(|value| !value.is_finite()) {
        return total / count;
    }
    values.iter().map(|value| value / count).sum()
}

/// The smallest; not-a-number only where there is nothing else.
pub(crate) fn min(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, |min, value| if value < min || min.is_nan() { value } else { min })
}

/// The largest; not-a-number only where there is nothing else.
pub(crate) fn max(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, |max, value| if value > max || max.is_nan() { value } else { max })
}

/// How many.
pub(crate) fn count(values: &[f64]) -> f64 {
    values.len() as f64
}

/// The variance of the population.
pub(crate) fn variance(values: &[f64]) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0f64, 0.0f64, 0.0f64);
    for value in values {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    squares / count
}

/// The standard deviation of the population.
pub(crate) fn deviation(values: &[f64]) -> f64 {
    variance(values).sqrt()
}

/// The `q`-quantile, between neighbours by their distance. Not-a-number counts as the smallest.
pub(crate) fn quantile(q: f64, values: &[f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&q) {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| b.is_nan().cmp(&a.is_nan()).then(a.total_cmp(b)));
    let rank = q * (sorted.len() - 1) as f64;
    let lower = rank.floor() as usize;
    let upper = (lower + 1).min(sorted.len() - 1);
    let weight = rank - rank.floor();
    sorted[lower] * (1.0 - weight) + sorted[upper] * weight
}

/// The line that fits best: its slope per second, and its value at `zero`, in milliseconds.
pub(crate) fn line(times: &[i64], values: &[f64], zero: i64) -> (f64, f64) {
    let first = values[0];
    if values.iter().all(|value| *value == first) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let xs: Vec<f64> = times.iter().map(|time| (time - zero) as f64 / 1000.0).collect();
    let products: Vec<f64> = xs.iter().zip(values).map(|(x, y)| x * y).collect();
    let squares: Vec<f64> = xs.iter().map(|x| x * x).collect();
    let n = xs.len() as f64;
    let (sum_x, sum_y) = (sum(&xs), sum(values));
    let covariance = sum(&products) - sum_x * sum_y / n;
    let slope = covariance / (sum(&squares) - sum_x * sum_x / n);
    (slope, sum_y / n - slope * sum_x / n)
}

/// The `q`-quantile of a histogram: `(upper bound, how many up to there)`.
pub(crate) fn histogram_quantile(q: f64, buckets: &mut Vec<(f64, f64)>) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&q) {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    buckets.dedup_by(|later, first| {
        let same = later.0 == first.0;
        first.1 += if same { later.1 } else { 0.0 };
        same
    });
    let mut most = f64::NEG_INFINITY;
    for bucket in buckets.iter_mut() {
        most = most.max(bucket.1);
        bucket.1 = most;
    }
    let [.., (before_last, _), (last, observations)] = buckets[..] else { return f64::NAN };
    if last != f64::INFINITY || observations == 0.0 {
        return f64::NAN;
    }
    let rank = q * observations;
    let at = buckets[..buckets.len() - 1].partition_point(|(_, count)| *count < rank);
    if at == buckets.len() - 1 {
        return before_last;
    }
    let (upper, through) = buckets[at];
    if at == 0 && upper <= 0.0 {
        return upper;
    }
    let (lower, before) = if at == 0 { (0.0, 0.0) } else { buckets[at - 1] };
    lower + (upper - lower) * ((rank - before) / (through - before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rounding_loses_is_kept() {
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]), 2.0);
        assert_eq!(mean(&[f64::MAX, f64::MAX]), f64::MAX);
        assert_eq!(sum(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert!(mean(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(0.5, &[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!((quantile(-1.0, &[1.0]), quantile(2.0, &[1.0])), (f64::NEG_INFINITY, f64::INFINITY));
        assert!(quantile(0.0, &[1.0, f64::NAN]).is_nan());
        let buckets = |q| histogram_quantile(q, &mut vec![(1.0, 10.0), (2.0, 20.0), (f64::INFINITY, 20.0)]);
        assert_eq!((buckets(0.25), buckets(0.75), buckets(1.0)), (0.5, 1.5, 2.0));
    }
}
