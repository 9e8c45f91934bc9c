//! What makes a predicate one, whoever built it: the bounds and combinations that types alone don't hold.

use super::{Aggregate, Constraint, LabelPattern, MAX_PATTERNS, MAX_VALUES, Predicate, Reading, When};
use crate::labels::{MAX_LABELS, is_key};
use crate::moment;
use crate::value::MAX_TEXT_BYTES;
use std::time::Duration;

/// Why a predicate asks for nothing that can be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PredicateFault {
    /// No patterns, or too many.
    #[error("{0} patterns: expected 1 to {MAX_PATTERNS}")]
    Patterns(usize),
    /// A list of label patterns that is empty, unsorted or too long, has a key twice, or one that is not a key.
    #[error(
        "label patterns `{0}`: expected 1 to {MAX_LABELS}, sorted by key, each key once and of the form of a label's"
    )]
    Labels(String),
    /// A comparison with NaN.
    #[error("a comparison with NaN: nothing satisfies it")]
    NotANumber,
    /// An empty list of values, or too long a one.
    #[error("{0} values to choose from: expected 1 to {MAX_VALUES}")]
    Values(usize),
    /// A listed value longer than any text can be.
    #[error("a value of {0} bytes: a text has at most {MAX_TEXT_BYTES}")]
    ValueTooLong(usize),
    /// A moment that RFC 3339 cannot say, or a part of a millisecond.
    #[error("a time outside the years 0 to 9999, or finer than a millisecond")]
    Time,
    /// `since` is not before `until`.
    #[error("`since` is not before `until`")]
    Backwards,
    /// Both `last` and `since`.
    #[error("`last` beside `since`: history ends with the last value anyway")]
    LastWithSince,
    /// Both `last` and `every`.
    #[error("`last` beside `every`: a last value is not a bin")]
    LastWithEvery,
    /// A width of bins that is not a whole number of milliseconds, from 1.
    #[error("bins {0:?} wide: expected whole milliseconds, at least 1 ms")]
    Width(Duration),
    /// No aggregates.
    #[error("no aggregates: expected some of last, mean, min, max, count")]
    NoAggregates,
    /// An aggregate twice.
    #[error("aggregate `{}` is given twice", .0.as_str())]
    AggregateTwice(Aggregate),
    /// `every` with increases.
    #[error("`as=delta` beside `every`: bins give counters as rates")]
    DeltaWithEvery,
}

impl Predicate {
    /// Checks what the types leave open. Predicates read from text have passed it.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn check(&self) -> Result<(), PredicateFault> {
        if !(1..=MAX_PATTERNS).contains(&self.patterns.len()) {
            return Err(PredicateFault::Patterns(self.patterns.len()));
        }
        self.patterns.iter().try_for_each(|pattern| check_labels(&pattern.labels))?;
        self.constraint.iter().try_for_each(check_constraint)?;
        self.check_window()
    }

    fn check_window(&self) -> Result<(), PredicateFault> {
        let window = &self.window;
        [window.since, window.until].into_iter().flatten().try_for_each(check_time)?;
        match (window.since, window.until) {
            (Some(When::At(since)), Some(When::At(until))) if since >= until => {
                return Err(PredicateFault::Backwards);
            }
            (Some(When::Ago(since)), Some(When::Ago(until))) if since <= until => {
                return Err(PredicateFault::Backwards);
            }
            _ => {}
        }
        if window.last && window.since.is_some() {
            return Err(PredicateFault::LastWithSince);
        }
        let Some(every) = &window.every else { return Ok(()) };
        if window.last {
            return Err(PredicateFault::LastWithEvery);
        }
        if !is_whole_millis(every.width) || every.width.is_zero() {
            return Err(PredicateFault::Width(every.width));
        }
        if every.aggregates.is_empty() {
            return Err(PredicateFault::NoAggregates);
        }
        let twice =
            |(at, one): (usize, &Aggregate)| every.aggregates.iter().skip(at + 1).any(|other| other == one);
        if let Some((_, aggregate)) = every.aggregates.iter().enumerate().find(|pair| twice(*pair)) {
            return Err(PredicateFault::AggregateTwice(*aggregate));
        }
        if self.reading == Reading::Delta { Err(PredicateFault::DeltaWithEvery) } else { Ok(()) }
    }
}

fn check_labels(labels: &LabelPattern) -> Result<(), PredicateFault> {
    let LabelPattern::All(pairs) = labels else { return Ok(()) };
    let sorted = pairs.windows(2).all(|pair| matches!(pair, [a, b] if a.0 < b.0));
    if sorted && (1..=MAX_LABELS).contains(&pairs.len()) && pairs.iter().all(|(key, _)| is_key(key)) {
        return Ok(());
    }
    Err(PredicateFault::Labels(pairs.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(",")))
}

fn check_constraint(constraint: &Constraint) -> Result<(), PredicateFault> {
    match constraint {
        Constraint::Compare(_, number) if number.is_nan() => Err(PredicateFault::NotANumber),
        Constraint::Compare(..) => Ok(()),
        Constraint::In(values) if !(1..=MAX_VALUES).contains(&values.len()) => {
            Err(PredicateFault::Values(values.len()))
        }
        Constraint::In(values) => match values.iter().find(|value| value.len() > MAX_TEXT_BYTES) {
            Some(value) => Err(PredicateFault::ValueTooLong(value.len())),
            None => Ok(()),
        },
    }
}

fn check_time(when: When) -> Result<(), PredicateFault> {
    let fine = match when {
        When::At(at) => moment::RANGE.contains(&at),
        When::Ago(ago) => is_whole_millis(ago) && ago.as_secs() <= crate::duration::MAX_SECONDS,
    };
    if fine { Ok(()) } else { Err(PredicateFault::Time) }
}

const fn is_whole_millis(duration: Duration) -> bool {
    duration.subsec_nanos().is_multiple_of(1_000_000)
}
