//! The value of a tree. Each expression is evaluated once, for all times: a row of values for each series, so that labels are
//! looked at once a series and not once a value.

mod aggregate;
mod binary;
mod call;
mod rows;

use crate::fault::EvalError;
use crate::plan::{Frame, Times};
use crate::series::Series;
use crate::syntax::{Expr, Selector, Type, When};
use crate::{Answer, Line, Point};
use rows::{Row, is_there};
use std::borrow::Cow;

/// Most values of one expression, its series times its times; where there are more, evaluation ends with an error.
pub const MAX_CELLS: u64 = 10_000_000;
/// Most samples and values looked at for one query; where there are more, evaluation ends with an error.
pub const MAX_WORK: u64 = 500_000_000;

/// The value at the first of the times that were asked for.
pub(crate) fn instant(expr: &Expr, frame: Frame, data: &[Vec<Series>]) -> Result<Answer, EvalError> {
    let times = Times::at(frame.asked.start);
    let mut evaluator = Evaluator { data, frame, work: 0 };
    if expr.gives() == Type::Matrix {
        let seen = evaluator.seen(expr, &times)?;
        let at = evaluator.frame.seen(&seen.when, times.start);
        let lines = seen.series.iter().map(|series| {
            let window = series.window(at - seen.range, at);
            let points = window.times.iter().copied().zip(window.values()).collect();
            Line { labels: series.labels.clone(), points }
        });
        return Ok(Answer::Matrix(lines.filter(|line| !line.points.is_empty()).collect()));
    }
    Ok(match evaluator.value(expr, &times)? {
        Value::Scalar(values) => Answer::Scalar(values.first().copied().unwrap_or(f64::NAN)),
        Value::Text(text) => Answer::Text(text),
        Value::Vector(rows) => {
            let there = rows.into_iter().filter(|row| is_there(row.values[0]));
            Answer::Vector(there.map(|row| Point { labels: row.labels, value: row.values[0] }).collect())
        }
    })
}

/// The values at all times that were asked for.
pub(crate) fn range(expr: &Expr, frame: Frame, data: &[Vec<Series>]) -> Result<Vec<Line>, EvalError> {
    let times = frame.asked;
    let rows = match (Evaluator { data, frame, work: 0 }).value(expr, &times)? {
        Value::Scalar(values) => vec![Row { labels: Default::default(), values }],
        Value::Text(_) => Vec::new(),
        Value::Vector(rows) => rows,
    };
    let line = |row: Row| {
        let points = times.iter().zip(row.values).filter(|(_, value)| is_there(*value)).collect();
        Line { labels: row.labels, points }
    };
    let mut lines: Vec<Line> = rows.into_iter().map(line).filter(|line| !line.points.is_empty()).collect();
    lines.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(lines)
}

/// What an expression is, at each time.
enum Value {
    Scalar(Vec<f64>),
    Text(String),
    Vector(Vec<Row>),
}

/// What a range shows: series, of which the part counts that is not older than `range` when seen as `when` says.
struct Seen<'a> {
    series: Cow<'a, [Series]>,
    range: i64,
    when: When,
}

struct Evaluator<'a> {
    data: &'a [Vec<Series>],
    frame: Frame,
    work: u64,
}

impl<'a> Evaluator<'a> {
    /// Counts what is looked at.
    fn works(&mut self, steps: usize) -> Result<(), EvalError> {
        self.work += steps as u64;
        if self.work <= MAX_WORK {
            return Ok(());
        }
        Err(EvalError::TooMuch { what: "samples and values looked at", most: MAX_WORK })
    }

    /// Before so many rows are made.
    fn bounded(&mut self, rows: usize, times: &Times) -> Result<(), EvalError> {
        let cells = rows.max(1) as u64 * times.count() as u64;
        if cells > MAX_CELLS {
            return Err(EvalError::TooMuch { what: "values of one expression", most: MAX_CELLS });
        }
        self.works(cells as usize)
    }

    fn value(&mut self, expr: &Expr, times: &Times) -> Result<Value, EvalError> {
        self.bounded(1, times)?;
        Ok(match expr {
            Expr::Number(number) => Value::Scalar(vec![*number; times.count()]),
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Instant(selector) => {
                Value::Vector(self.newest(selector, times, |series, at| series.values.at(at))?)
            }
            // Checked when it was read: a range stands only where a function takes it.
            Expr::Range(..) | Expr::Subquery(_) => Value::Vector(Vec::new()),
            Expr::Minus(expr) => match self.value(expr, times)? {
                Value::Scalar(values) => Value::Scalar(values.iter().map(|value| -value).collect()),
                Value::Vector(rows) => Value::Vector(rows::mapped(rows, |value, _| -value)?),
                text => text,
            },
            Expr::Binary(binary) => self.binary(binary, times)?,
            Expr::Aggregate(aggregate) => Value::Vector(self.aggregate(aggregate, times)?),
            Expr::Call(function, args) => self.call(function, args, times)?,
        })
    }

    /// Of an argument that is a number.
    fn scalar(&mut self, expr: &Expr, times: &Times) -> Result<Vec<f64>, EvalError> {
        match self.value(expr, times)? {
            Value::Scalar(values) => Ok(values),
            _ => Ok(vec![f64::NAN; times.count()]),
        }
    }

    /// Of an argument that is a vector.
    fn vector(&mut self, expr: &Expr, times: &Times) -> Result<Vec<Row>, EvalError> {
        match self.value(expr, times)? {
            Value::Vector(rows) => Ok(rows),
            _ => Ok(Vec::new()),
        }
    }

    /// The series of a selector, in the order of their labels.
    fn series(&self, selector: &Selector) -> &'a [Series] {
        self.data.get(selector.id).map_or(&[], Vec::as_slice)
    }

    /// `what` of the newest sample of each series.
    fn newest(
        &mut self,
        selector: &Selector,
        times: &Times,
        what: fn(&Series, usize) -> f64,
    ) -> Result<Vec<Row>, EvalError> {
        let (series, frame) = (self.series(selector), self.frame);
        self.bounded(series.len(), times)?;
        let row = |series: &Series| {
            let newest = |time| series.newest(frame.seen(&selector.when, time), frame.lookback);
            let value = |time| newest(time).map_or(rows::ABSENT, |at| what(series, at));
            Row { labels: series.labels.clone(), values: times.iter().map(value).collect() }
        };
        Ok(series.iter().map(row).collect())
    }

    /// What an argument that is a range shows.
    fn seen(&mut self, expr: &Expr, times: &Times) -> Result<Seen<'a>, EvalError> {
        match expr {
            Expr::Range(selector, range) => {
                Ok(Seen { series: Cow::Borrowed(self.series(selector)), range: *range, when: selector.when })
            }
            Expr::Subquery(subquery) => {
                let inner = self.frame.times_of(subquery, times);
                let rows = self.vector(&subquery.expr, &inner)?;
                let series = rows.into_iter().map(|row| row.into_series(&inner)).collect();
                Ok(Seen { series: Cow::Owned(series), range: subquery.range, when: subquery.when })
            }
            _ => Ok(Seen { series: Cow::Borrowed(&[]), range: 0, when: When::default() }),
        }
    }
}
