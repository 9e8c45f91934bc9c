//! PromQL over samples that somebody else fetches: what a query needs, then its value. No IO, no clock.
//!
//! What Prometheus answers, this answers, equal up to rounding; what it doesn't know of PromQL it says, with what to write
//! instead. Ranges include both their ends, as in Prometheus 2.
//!
//! ```
//! use hedgerow_promql::{Answer, Labels, Query, Series, Times, Values};
//!
//! let query = Query::parse("rate(sent_total[1m])")?;
//! let times = Times::at(60_000);
//! let fetches = query.plan(&times, 300_000);
//! assert_eq!((fetches.len(), fetches[0].from, fetches[0].to), (1, 0, 60_000));
//! let sent = Series {
//!     labels: Labels::new([("__name__", "sent_total"), ("node", "n1")]),
//!     times: vec![0, 30_000, 60_000],
//!     values: Values::U64(vec![0, 30, 120]),
//!     stale: vec![],
//! };
//! let Answer::Vector(vector) = query.evaluate(&times, 300_000, &[vec![sent]])? else { unreachable!() };
//! assert_eq!((vector[0].labels.to_string(), vector[0].value), ("{node=\"n1\"}".to_owned(), 2.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod eval;
mod fault;
mod functions;
mod labels;
mod lex;
mod matcher;
mod parse;
mod plan;
pub mod reference;
mod series;
mod statistics;
mod syntax;

pub use eval::{MAX_CELLS, MAX_WORK};
pub use fault::{EvalError, ParseError, Place, What};
pub use labels::{BUCKET, Labels, NAME, is_key, number_text};
pub use lex::duration;
pub use matcher::{Matcher, Test};
pub use parse::{MAX_DEPTH, MAX_QUERY_BYTES, SUBQUERY_STEP_MS};
pub use plan::{Fetch, Looks, Times};
pub use series::{Series, Values};

use plan::Frame;
use syntax::{Expr, Type};

/// How long a sample speaks for its series where nothing else is said, in milliseconds.
pub const LOOKBACK_MS: i64 = 300_000;

/// A query that was understood.
#[derive(Debug, Clone)]
pub struct Query {
    expr: Expr,
    selectors: usize,
}

/// The value of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Of one time: a number.
    Scalar(f64),
    /// Of one time: a text.
    Text(String),
    /// Of one time: series with a value each; in the order of the query where it sorts.
    Vector(Vec<Point>),
    /// Series with a value at each of several times, or the samples of a range.
    Matrix(Vec<Line>),
}

/// A value of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Its labels.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}

/// The values of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its labels.
    pub labels: Labels,
    /// When, in Unix milliseconds, and what; at least one.
    pub points: Vec<(i64, f64)>,
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// Where it isn't PromQL, or of PromQL what is not known here: with the place, and what was expected or is to be written
    /// instead.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let (expr, selectors) = parse::parse(text)?;
        Ok(Self { expr, selectors })
    }

    /// Reads only a selector, as in `match[]`: its conditions.
    ///
    /// # Errors
    /// As [`Query::parse`], and where it is anything else, or has a range or an offset.
    pub fn selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
        match Self::parse(text)?.expr {
            Expr::Instant(selector) if selector.when.at.is_none() && selector.when.offset.is_none() => {
                Ok(selector.matchers)
            }
            _ => Err(lex::wrong(text, 0, "expected a selector such as up{job=\"x\"}, and nothing else")),
        }
    }

    /// Whether it has a value at each of several times: a text and a range have not.
    pub fn is_for_ranges(&self) -> bool {
        matches!(self.expr.gives(), Type::Scalar | Type::Vector)
    }

    /// What it gives, in the words of Prometheus.
    pub fn gives(&self) -> &'static str {
        self.expr.gives().as_str()
    }

    /// What its selectors have to be given for an evaluation at `times`.
    pub fn plan(&self, times: &Times, lookback: i64) -> Vec<Fetch> {
        let mut fetches = vec![None; self.selectors];
        plan::plan(&self.expr, &Frame { asked: *times, lookback }, times, &mut fetches);
        fetches.into_iter().flatten().collect()
    }

    /// Its value at one time, where `times` is one. `data`: for each of [`Query::plan`] the series.
    ///
    /// # Errors
    /// Where series can't be matched, an argument has no meaning, or it would take too much.
    pub fn evaluate(&self, times: &Times, lookback: i64, data: &[Vec<Series>]) -> Result<Answer, EvalError> {
        eval::instant(&self.expr, Frame { asked: *times, lookback }, data)
    }

    /// Its values at `times`, always as lines; nothing where it is not [`Query::is_for_ranges`].
    ///
    /// # Errors
    /// As [`Query::evaluate`].
    pub fn evaluate_range(
        &self,
        times: &Times,
        lookback: i64,
        data: &[Vec<Series>],
    ) -> Result<Vec<Line>, EvalError> {
        eval::range(&self.expr, Frame { asked: *times, lookback }, data)
    }
}

#[cfg(test)]
mod tests;
