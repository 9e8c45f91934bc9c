//! Aggregations: of the rows of a group one, or some of them.

use super::rows::{ABSENT, Row, Table, is_there};
use super::{Evaluator, Value};
use crate::fault::EvalError;
use crate::labels::{self, Labels, NAME, number_text};
use crate::plan::Times;
use crate::statistics;
use crate::syntax::{Aggregate, Aggregator, Keys};
use std::cmp::Ordering;

/// The labels that count.
pub(super) fn kept(labels: &Labels, keys: &Keys) -> Labels {
    match keys {
        Keys::Only(only) => labels.filtered(|key| only.iter().any(|wanted| wanted == key)),
        Keys::AllBut(but) => {
            labels.filtered(|key| key != NAME && !but.iter().any(|unwanted| unwanted == key))
        }
    }
}

/// Groups in the order in which they come first, each with the numbers of its rows.
fn groups(rows: &[Row], by: &Keys) -> Vec<(Labels, Vec<usize>)> {
    let mut groups: Vec<(Labels, Vec<usize>)> = Vec::new();
    let mut index = std::collections::HashMap::new();
    for (number, row) in rows.iter().enumerate() {
        let labels = kept(&row.labels, by);
        let at = *index.entry(labels.clone()).or_insert_with(|| {
            groups.push((labels, Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(number);
    }
    groups
}

impl Evaluator<'_> {
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate, times: &Times) -> Result<Vec<Row>, EvalError> {
        use Aggregator::{Avg, Bottomk, Count, CountValues, Max, Min, Quantile, Stddev, Stdvar, Sum, Topk};
        let param = match &aggregate.param {
            Some(param) => self.value(param, times)?,
            None => Value::Scalar(vec![0.0; times.count()]),
        };
        let rows = self.vector(&aggregate.expr, times)?;
        self.works(rows.len() * times.count())?;
        let groups = groups(&rows, &aggregate.by);
        let params = match param {
            Value::Text(key) if aggregate.op == CountValues => {
                return self.count_values(&key, &rows, &groups, times);
            }
            Value::Scalar(params) => params,
            _ => vec![f64::NAN; times.count()],
        };
        let of: fn(&[f64]) -> f64 = match aggregate.op {
            Topk | Bottomk => return first(rows, &groups, &params, aggregate.op == Topk),
            Quantile => {
                return Ok(condensed(&rows, groups, |at, values| statistics::quantile(params[at], values)));
            }
            Sum => statistics::sum,
            Avg => statistics::mean,
            Min => statistics::min,
            Max => statistics::max,
            Count => statistics::count,
            Stddev => statistics::deviation,
            Stdvar => statistics::variance,
            Aggregator::Group | CountValues => |_| 1.0,
        };
        Ok(condensed(&rows, groups, |_, values| of(values)))
    }

    fn count_values(
        &mut self,
        key: &str,
        rows: &[Row],
        groups: &[(Labels, Vec<usize>)],
        times: &Times,
    ) -> Result<Vec<Row>, EvalError> {
        if !labels::is_key(key) {
            let what = format!("invalid label name {key:?}");
            return Err(EvalError::Argument { function: "count_values", what });
        }
        let mut table = Table::new(times.count());
        for (labels, members) in groups {
            for row in members.iter().map(|member| &rows[*member]) {
                for (at, value) in row.values.iter().enumerate().filter(|(_, value)| is_there(**value)) {
                    let row = table.row(&labels.with(key, &number_text(*value)));
                    table.count(row, at);
                }
                self.bounded(table.len(), times)?;
            }
        }
        Ok(table.into_rows())
    }
}

/// One row for each group.
fn condensed(rows: &[Row], groups: Vec<(Labels, Vec<usize>)>, of: impl Fn(usize, &[f64]) -> f64) -> Vec<Row> {
    let width = rows.first().map_or(0, |row| row.values.len());
    let mut there = Vec::new();
    let mut row = |(labels, members): (Labels, Vec<usize>)| {
        let mut value = |at: usize| {
            there.clear();
            there.extend(
                members.iter().map(|member| rows[*member].values[at]).filter(|value| is_there(*value)),
            );
            if there.is_empty() { ABSENT } else { of(at, &there) }
        };
        let values = (0..width).map(&mut value).collect();
        Row { labels, values }
    };
    groups.into_iter().map(&mut row).collect()
}

/// Of each group at each time only the largest or smallest so many.
fn first(
    mut rows: Vec<Row>,
    groups: &[(Labels, Vec<usize>)],
    counts: &[f64],
    largest: bool,
) -> Result<Vec<Row>, EvalError> {
    let name = if largest { "topk" } else { "bottomk" };
    for (at, count) in counts.iter().enumerate() {
        if count.is_nan() || count.abs() >= i64::MAX as f64 {
            let what = format!("scalar value {} overflows int64", number_text(*count));
            return Err(EvalError::Argument { function: name, what });
        }
        for (_, members) in groups {
            let mut there: Vec<usize> = members.clone();
            there.retain(|member| is_there(rows[*member].values[at]));
            there.sort_by(|a, b| by_value(rows[*a].values[at], rows[*b].values[at], largest));
            for member in there.iter().skip(count.max(0.0) as usize) {
                rows[*member].values[at] = ABSENT;
            }
        }
    }
    if counts.len() == 1 {
        let order: Vec<usize> = groups
            .iter()
            .flat_map(|(_, members)| {
                let mut members = members.clone();
                members.sort_by(|a, b| by_value(rows[*a].values[0], rows[*b].values[0], largest));
                members
            })
            .collect();
        rows = order.into_iter().map(|row| rows[row].clone()).collect();
    }
    Ok(rows)
}

/// The order in which the largest, or smallest, is first and not-a-number last.
pub(super) fn by_value(a: f64, b: f64, largest: bool) -> Ordering {
    let order = a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()));
    if largest && !a.is_nan() && !b.is_nan() { order.reverse() } else { order }
}
