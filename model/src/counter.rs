//! Counters as increases: from the sample before to the next one, and none where that is unknown.

use crate::UnixMillis;
use crate::batch::Mark;
use crate::predicate::Reading;
use crate::value::Value;

/// What a counter showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Count {
    /// Counts of fractions (seconds of processor time).
    Float(f64),
    /// All others.
    Integer(u64),
}

impl Count {
    /// The count that a value is; none for a text.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::F64(count) => Some(Self::Float(*count)),
            Value::I64(bits) | Value::State(bits, _) => Some(Self::Integer(bits.cast_unsigned())),
            Value::Text(_) => None,
        }
    }
}

/// A counter's sample: what the next one is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CounterSample {
    /// When.
    pub time: UnixMillis,
    /// What it showed.
    pub count: Count,
}

/// The increase of a counter between two samples, and over how many milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Increase {
    /// By how much.
    pub by: f64,
    /// Over which time; more than 0.
    pub millis: i64,
}

impl Increase {
    /// As `reading` wants it.
    pub fn given(self, reading: Reading) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds between two samples")]
        match reading {
            Reading::Rate => self.by * 1000.0 / self.millis as f64,
            Reading::Delta | Reading::Raw => self.by,
        }
    }
}

/// The increase that leads from `before` to `next`, which takes its place. None for the first sample, and across a reset or a
/// discontinuity. A sample that is no later than the one before gives none either, and leaves it in its place.
pub fn advance(
    before: &mut Option<CounterSample>,
    next: CounterSample,
    mark: Option<Mark>,
) -> Option<Increase> {
    let Some(known) = before else {
        *before = Some(next);
        return None;
    };
    if known.time >= next.time {
        return None;
    }
    let by = difference(known.count, next.count, mark);
    let millis = next.time.saturating_sub(known.time);
    *known = next;
    by.map(|by| Increase { by, millis })
}

/// `after - before`, where it is known: not across a reset, not where a counter ran backwards without a word.
fn difference(before: Count, after: Count, mark: Option<Mark>) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "an increase as f64 is what is asked for")]
    match (before, after, mark) {
        (_, _, Some(Mark::Reset | Mark::Discontinuity)) => None,
        (Count::Integer(before), Count::Integer(after), mark) => match mark {
            Some(Mark::Wrap32) => Some(after.wrapping_sub(before).wrapping_add(1 << 32) as f64),
            Some(_) => Some(after.wrapping_sub(before) as f64),
            None => after.checked_sub(before).map(|by| by as f64),
        },
        (Count::Float(before), Count::Float(after), _) if after >= before => Some(after - before),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(samples: &[(i64, Value, Option<Mark>)]) -> Vec<Option<f64>> {
        let mut before = None;
        let step = |(time, value, mark): &(i64, Value, Option<Mark>)| {
            let next = CounterSample { time: *time, count: Count::of(value).unwrap() };
            advance(&mut before, next, *mark).map(|i| i.given(Reading::Rate))
        };
        samples.iter().map(step).collect()
    }

    #[test]
    fn wraps_are_known_and_resets_are_not() {
        let c = Value::counter;
        assert_eq!(
            steps(&[(0, c(10), None), (1000, c(30), None), (3000, c(40), None)]),
            [None, Some(20.0), Some(5.0)]
        );
        let wrap = (1 << 32) - 6;
        assert_eq!(steps(&[(0, c(wrap), None), (1000, c(4), Some(Mark::Wrap32))]), [None, Some(10.0)]);
        assert_eq!(steps(&[(0, c(u64::MAX), None), (1000, c(4), Some(Mark::Wrap64))]), [None, Some(5.0)]);
        let reset = steps(&[(0, c(100), None), (1000, c(4), Some(Mark::Reset)), (2000, c(5), None)]);
        assert_eq!(reset, [None, None, Some(1.0)]);
        assert_eq!(steps(&[(0, c(100), None), (1000, c(4), None)]), [None, None], "backwards without a mark");
        let floats = steps(&[(0, Value::F64(1.5), None), (500, Value::F64(2.0), None), (1000, c(9), None)]);
        assert_eq!(floats, [None, Some(1.0), None], "of another type");
    }

    #[test]
    fn a_late_sample_gives_nothing_and_disturbs_nothing() {
        let c = Value::counter;
        let late = steps(&[(0, c(0), None), (2000, c(20), None), (1000, c(10), None), (3000, c(30), None)]);
        assert_eq!(late, [None, Some(10.0), None, Some(10.0)]);
    }
}
