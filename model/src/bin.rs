//! A bin: what is known of the samples of one series in one span of the Unix grid. The law of `every`, at the farm and wherever
//! samples are condensed after it, so that both come to the same. Knows no clock: when a bin is over, others decide.

use crate::UnixMillis;
use crate::counter::Increase;
use crate::predicate::Aggregate;
use crate::series::Kind;
use crate::value::Value;

/// The point of the grid at or before `time`; `width` in milliseconds, at least 1.
pub fn floor(time: UnixMillis, width: i64) -> UnixMillis {
    time.saturating_sub(time.rem_euclid(width))
}

/// What is known of one bin of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Bin {
    count: u64,
    sum: f64,
    /// What the sum is divided by for the mean: samples, or the time that increases took.
    weight: f64,
    min: f64,
    max: f64,
    last_time: UnixMillis,
    last: Value,
}

/// What one sample adds to its bin.
#[derive(Debug, Clone, PartialEq)]
pub enum Point {
    /// A number as it is.
    Number(f64, Value),
    /// The rate of a counter, and the seconds it holds for.
    Rate(f64, f64),
    /// A text or a state: only counted, and the last is known.
    Text(Value),
}

impl Bin {
    /// A bin with one sample.
    pub fn of(time: UnixMillis, point: Point) -> Self {
        let (value, weight, last) = point.parts();
        Self { count: 1, sum: value * weight, weight, min: value, max: value, last_time: time, last }
    }

    /// A bin of which only the aggregates are known. `weight` is what its mean counts for beside others: the number of samples,
    /// or the seconds that increases took; 0 where it has no numbers. `time`: not after its last sample.
    pub fn told(time: UnixMillis, count: u64, weight: f64, [mean, min, max]: [f64; 3], last: Value) -> Self {
        let sum = if weight > 0.0 { mean * weight } else { 0.0 };
        Self { count, sum, weight, min, max, last_time: time, last }
    }

    /// Adds a sample.
    pub fn add(&mut self, time: UnixMillis, point: Point) {
        self.merge(&Self::of(time, point));
    }

    /// Adds all that another bin of the same span knows.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.weight += other.weight;
        // NaN is passed on, not passed over: a bin that holds one says so.
        self.min = if other.min < self.min || other.min.is_nan() { other.min } else { self.min };
        self.max = if other.max > self.max || other.max.is_nan() { other.max } else { self.max };
        if other.last_time >= self.last_time {
            (self.last_time, self.last) = (other.last_time, other.last.clone());
        }
    }

    /// What was asked of it.
    pub fn aggregate(&self, aggregate: Aggregate) -> Value {
        match aggregate {
            Aggregate::Last => self.last.clone(),
            Aggregate::Mean => Value::F64(self.mean()),
            Aggregate::Min => Value::F64(self.min),
            Aggregate::Max => Value::F64(self.max),
            Aggregate::Count => Value::I64(self.count.cast_signed()),
        }
    }

    /// Whether its values are numbers: of texts and states only the last and the count can be told.
    pub fn is_numeric(&self) -> bool {
        self.weight > 0.0
    }

    /// The mean; of a counter the increase over the time it took. NaN where there are no numbers.
    pub fn mean(&self) -> f64 {
        self.sum / self.weight
    }

    /// The least and the greatest.
    pub fn range(&self) -> (f64, f64) {
        (self.min, self.max)
    }

    /// The newest value.
    pub fn last(&self) -> &Value {
        &self.last
    }

    /// How many samples.
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl Point {
    /// What a sample adds to its bin; `increase` is asked of a counter's. None: nothing, as the increase is unknown, or the value
    /// is no number where one is due.
    pub fn of(kind: Kind, value: Value, increase: impl FnOnce(&Value) -> Option<Increase>) -> Option<Self> {
        match (kind, &value) {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds between two samples")]
            (Kind::Counter, _) => increase(&value).map(|increase| {
                let seconds = increase.millis as f64 / 1000.0;
                Self::Rate(increase.by / seconds, seconds)
            }),
            (Kind::Gauge, Value::F64(number)) => Some(Self::Number(*number, value)),
            #[expect(clippy::cast_precision_loss, reason = "a mean as f64 is what is asked for")]
            (Kind::Gauge, Value::I64(number)) => Some(Self::Number(*number as f64, value)),
            (Kind::Gauge, _) => None,
            (Kind::State | Kind::Text, _) => Some(Self::Text(value)),
        }
    }

    /// The value that a constraint looks at.
    pub fn value(&self) -> Value {
        match self {
            Self::Number(_, value) | Self::Text(value) => value.clone(),
            Self::Rate(rate, _) => Value::F64(*rate),
        }
    }

    fn parts(self) -> (f64, f64, Value) {
        match self {
            Self::Number(value, last) => (value, 1.0, last),
            Self::Rate(rate, seconds) => (rate, seconds, Value::F64(rate)),
            Self::Text(last) => (0.0, 0.0, last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_in_two_parts_is_the_same_bin() {
        let number = |value: f64| Point::Number(value, Value::F64(value));
        let samples = [(3, 2.0), (1, -5.0), (4, f64::NAN), (2, 7.5)];
        let fold = |samples: &[(UnixMillis, f64)]| {
            let mut rest = samples.iter();
            let first = rest.next().map(|(time, value)| Bin::of(*time, number(*value)));
            rest.fold(first, |bin, (time, value)| {
                bin.map(|mut bin| {
                    bin.add(*time, number(*value));
                    bin
                })
            })
        };
        let whole = fold(&samples);
        let parts = fold(&samples[..2]).zip(fold(&samples[2..]));
        let merged = parts.map(|(mut one, other)| {
            one.merge(&other);
            one
        });
        assert_eq!(format!("{merged:?}"), format!("{whole:?}"), "NaN is not equal to itself");
    }
}
