//! What a query has to be given: for each of its selectors the series, and from when to when.

use crate::functions::Does;
use crate::matcher::Matcher;
use crate::syntax::{At, Expr, Selector, Subquery, When};

/// The times at which a query is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The first; Unix milliseconds.
    pub start: i64,
    /// None after this one.
    pub end: i64,
    /// How far apart, more than 0; of no meaning where there is only one.
    pub step: i64,
}

impl Times {
    /// Only this one.
    pub fn at(time: i64) -> Self {
        Self { start: time, end: time, step: 1 }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        if self.end < self.start { 0 } else { ((self.end - self.start) / self.step) as usize + 1 }
    }

    /// They, in order.
    pub fn iter(&self) -> impl Iterator<Item = i64> + use<> {
        let Self { start, step, .. } = *self;
        (0..self.count()).map(move |n| start + n as i64 * step)
    }

    fn last(&self) -> i64 {
        self.start + self.count().saturating_sub(1) as i64 * self.step
    }
}

/// What one selector has to be given.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// All of them have to take a series.
    pub matchers: Vec<Matcher>,
    /// Samples from here; Unix milliseconds.
    pub from: i64,
    /// Samples up to here, included.
    pub to: i64,
    /// Which samples between are seen at all.
    pub looks: Looks,
}

/// When a selector is seen, and what of it. What is never seen needn't be kept, and of what is always seen together, where only the
/// newest counts, only that: the answer is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    first: i64,
    step: i64,
    count: i64,
    /// How far back each look sees.
    back: i64,
    /// Of samples that are seen by the same looks only the newest counts.
    newest: bool,
}

impl Looks {
    /// Takes a sample of a series, in any order of times, if it counts: behind those that were taken, or in place of the last of
    /// them. Whether there is one more now.
    pub fn take<V>(&self, taken: &mut Vec<(i64, V)>, time: i64, value: V) -> bool {
        let Some(seen) = self.that_see(time) else { return false };
        if let Some(last) = taken.last_mut().filter(|last| self.newest && self.that_see(last.0) == Some(seen))
        {
            // Of one time it's the later that counts.
            if time >= last.0 {
                *last = (time, value);
            }
            return false;
        }
        taken.push((time, value));
        true
    }

    /// The first and the last look that see a sample of this time; `None`: none does.
    fn that_see(&self, time: i64) -> Option<(i64, i64)> {
        let Self { first, step, count, back, .. } = *self;
        let since = time.saturating_sub(first);
        let from = since.div_euclid(step).saturating_add(i64::from(since.rem_euclid(step) > 0)).max(0);
        let to = since.saturating_add(back).div_euclid(step).min(count - 1);
        (from <= to).then_some((from, to))
    }
}

/// What doesn't change while a query is evaluated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// The times that were asked for: `start()` and `end()` are of these, also within subqueries.
    pub(crate) asked: Times,
    /// How long a sample speaks for its series, in milliseconds.
    pub(crate) lookback: i64,
}

impl Frame {
    /// From when something is seen that is evaluated at `time`.
    pub(crate) fn seen(&self, when: &When, time: i64) -> i64 {
        let at = match when.at {
            None => time,
            Some(At::Time(at)) => at,
            Some(At::Start) => self.asked.start,
            Some(At::End) => self.asked.end,
        };
        at.saturating_sub(when.offset.unwrap_or(0))
    }

    /// The times of a subquery: multiples of its step.
    pub(crate) fn times_of(&self, subquery: &Subquery, times: &Times) -> Times {
        let Subquery { range, step, when, .. } = subquery;
        let first = self.seen(when, times.start).saturating_sub(*range);
        let start = first.saturating_add((-first).rem_euclid(*step));
        Times { start, end: self.seen(when, times.last()), step: *step }
    }
}

/// What the selectors of `expr` have to be given, into the places of their numbers.
pub(crate) fn plan(expr: &Expr, frame: &Frame, times: &Times, fetches: &mut Vec<Option<Fetch>>) {
    let mut of = |selector: &Selector, back: i64, newest: bool| {
        let seen = |time| frame.seen(&selector.when, time);
        let (first, to) = (seen(times.start), seen(times.last()));
        // At a fixed time it's the same look again and again.
        let count = if selector.when.at.is_some() { 1 } else { times.count() as i64 };
        let looks = Looks { first, step: times.step, count, back, newest };
        let from = first.saturating_sub(back);
        fetches[selector.id] = Some(Fetch { matchers: selector.matchers.clone(), from, to, looks });
    };
    match expr {
        Expr::Number(_) | Expr::Text(_) => {}
        Expr::Instant(selector) => of(selector, frame.lookback, true),
        Expr::Range(selector, range) => of(selector, *range, false),
        Expr::Subquery(subquery) => plan(&subquery.expr, frame, &frame.times_of(subquery, times), fetches),
        Expr::Minus(expr) => plan(expr, frame, times, fetches),
        Expr::Binary(binary) => {
            plan(&binary.left, frame, times, fetches);
            plan(&binary.right, frame, times, fetches);
        }
        Expr::Aggregate(aggregate) => {
            aggregate.param.iter().for_each(|param| plan(param, frame, times, fetches));
            plan(&aggregate.expr, frame, times, fetches);
        }
        Expr::Call(function, args) => match (function.does, &args[..]) {
            (Does::Last | Does::AbsentOverTime, [Expr::Range(selector, range)]) => of(selector, *range, true),
            _ => args.iter().for_each(|arg| plan(arg, frame, times, fetches)),
        },
    }
}
