//! Operators between two expressions.

use super::aggregate::kept;
use super::rows::{ABSENT, Row, Table, is_there, mapped, merged};
use super::{Evaluator, Value};
use crate::fault::EvalError;
use crate::labels::{Labels, NAME};
use crate::plan::Times;
use crate::syntax::{Binary, Keys, Op, Side};
use std::collections::HashMap;

impl Evaluator<'_> {
    pub(super) fn binary(&mut self, binary: &Binary, times: &Times) -> Result<Value, EvalError> {
        let left = self.value(&binary.left, times)?;
        let right = self.value(&binary.right, times)?;
        Ok(match (left, right) {
            (Value::Scalar(a), Value::Scalar(b)) => {
                Value::Scalar(a.iter().zip(&b).map(|(a, b)| binary.op.apply(*a, *b)).collect())
            }
            (Value::Vector(rows), Value::Scalar(scalar)) => {
                Value::Vector(with_scalar(binary, rows, |value, at| (value, scalar[at]))?)
            }
            (Value::Scalar(scalar), Value::Vector(rows)) => {
                Value::Vector(with_scalar(binary, rows, |value, at| (scalar[at], value))?)
            }
            (Value::Vector(left), Value::Vector(right)) => {
                self.works((left.len() + right.len()) * times.count())?;
                Value::Vector(match binary.op.of_sets() {
                    true => of_sets(binary, left, right)?,
                    false => self.matched(binary, left, right, times)?,
                })
            }
            // Checked when it was read: texts stand on no side.
            (other, _) => other,
        })
    }

    fn matched(
        &mut self,
        binary: &Binary,
        left: Vec<Row>,
        right: Vec<Row>,
        times: &Times,
    ) -> Result<Vec<Row>, EvalError> {
        let mut table = Table::new(times.count());
        let mut lines: Vec<(Labels, Vec<&Row>, Vec<&Row>)> = Vec::new();
        let mut index = HashMap::new();
        for (side, rows) in [(Side::Left, &left), (Side::Right, &right)] {
            for row in rows {
                let signature = kept(&row.labels, &binary.matching.keys);
                let at = *index.entry(signature.clone()).or_insert_with(|| {
                    lines.push((signature, Vec::new(), Vec::new()));
                    lines.len() - 1
                });
                if side == Side::Left { lines[at].1.push(row) } else { lines[at].2.push(row) }
            }
        }
        let any = |rows: &[Row], at: usize| rows.iter().any(|row| is_there(row.values[at]));
        // Where one side has nothing, nothing is matched, nor can it be wrong.
        let at_work: Vec<bool> = (0..times.count()).map(|at| any(&left, at) && any(&right, at)).collect();
        let mut group = MatchGroup { binary, table: &mut table, targets: HashMap::new() };
        for (signature, left, right) in &lines {
            group.targets.clear();
            for at in (0..times.count()).filter(|at| at_work[*at]) {
                group.at(signature, left, right, at)?;
            }
            let rows = group.table.len();
            self.bounded(rows, times)?;
        }
        Ok(table.into_rows())
    }
}

/// Those of both sides that have the same signature.
struct MatchGroup<'t, 'r> {
    binary: &'r Binary,
    table: &'t mut Table,
    /// The row of the result for a row of the one side and of the other.
    targets: HashMap<(*const Row, *const Row), usize>,
}

impl MatchGroup<'_, '_> {
    fn at(&mut self, signature: &Labels, left: &[&Row], right: &[&Row], at: usize) -> Result<(), EvalError> {
        let Binary { op, as_bool, matching, .. } = self.binary;
        let (many, one, side) = match &matching.group {
            Some(group) if group.many == Side::Right => (right, left, "left"),
            _ => (left, right, "right"),
        };
        let mut ones = one.iter().filter(|row| is_there(row.values[at]));
        let only = ones.next();
        if let (Some(first), Some(second)) = (only, ones.next()) {
            return Err(EvalError::ManyToMany {
                group: signature.to_string(),
                side,
                first: first.labels.to_string(),
                second: second.labels.to_string(),
            });
        }
        let Some(one) = only else { return Ok(()) };
        let mut found = false;
        for row in many.iter().filter(|row| is_there(row.values[at])) {
            let (a, b) = if side == "left" { (one, row) } else { (row, one) };
            let result = op.apply(a.values[at], b.values[at]);
            let value = match op.compares() && !as_bool {
                true if result == 0.0 => continue,
                true => a.values[at],
                false => result,
            };
            if std::mem::replace(&mut found, true) && matching.group.is_none() {
                return Err(EvalError::ManyToOne(signature.to_string()));
            }
            let pair = (std::ptr::from_ref::<Row>(row), std::ptr::from_ref::<Row>(one));
            let target = match self.targets.get(&pair) {
                Some(target) => *target,
                None => {
                    let target = self.table.row(&result_labels(self.binary, &row.labels, &one.labels));
                    self.targets.insert(pair, target);
                    target
                }
            };
            if !self.table.set(target, at, value) {
                let labels = result_labels(self.binary, &row.labels, &one.labels).to_string();
                return Err(match matching.group {
                    Some(_) => EvalError::Grouping(labels),
                    None => EvalError::SameLabels(labels),
                });
            }
        }
        Ok(())
    }
}

fn result_labels(binary: &Binary, many: &Labels, one: &Labels) -> Labels {
    let unnamed = !binary.op.compares() || binary.as_bool;
    let mut labels = if unnamed { many.unnamed() } else { many.clone() };
    match (&binary.matching.group, &binary.matching.keys) {
        (Some(group), _) => {
            for key in &group.include {
                labels = labels.with(key, one.get(key));
            }
        }
        (None, Keys::Only(keys)) => labels = labels.filtered(|key| keys.iter().any(|wanted| wanted == key)),
        (None, Keys::AllBut(keys)) => {
            labels = labels.filtered(|key| !keys.iter().any(|unwanted| unwanted == key))
        }
    }
    if binary.as_bool { labels.unnamed() } else { labels }
}

/// `operands` makes of a value and its time the left and the right one.
fn with_scalar(
    binary: &Binary,
    mut rows: Vec<Row>,
    operands: impl Fn(f64, usize) -> (f64, f64),
) -> Result<Vec<Row>, EvalError> {
    let value = |value, at| {
        let (a, b) = operands(value, at);
        binary.op.apply(a, b)
    };
    if !binary.op.compares() || binary.as_bool {
        return mapped(rows, value);
    }
    for row in &mut rows {
        for (at, cell) in row.values.iter_mut().enumerate().filter(|(_, cell)| is_there(**cell)) {
            if value(*cell, at) == 0.0 {
                *cell = ABSENT;
            }
        }
    }
    Ok(rows)
}

fn of_sets(binary: &Binary, mut left: Vec<Row>, mut right: Vec<Row>) -> Result<Vec<Row>, EvalError> {
    let width = left.iter().chain(&right).map(|row| row.values.len()).next().unwrap_or(0);
    let signature = |row: &Row| match &binary.matching.keys {
        Keys::Only(keys) => row.labels.filtered(|key| keys.iter().any(|wanted| wanted == key)),
        Keys::AllBut(keys) => {
            row.labels.filtered(|key| key != NAME && !keys.iter().any(|unwanted| unwanted == key))
        }
    };
    let (rows, others) = match binary.op {
        Op::Or => (&mut right, &left),
        _ => (&mut left, &right),
    };
    // At which times any of the other side has this signature.
    let mut there: HashMap<Labels, Vec<bool>> = HashMap::new();
    for other in others {
        let there = there.entry(signature(other)).or_insert_with(|| vec![false; width]);
        there.iter_mut().zip(&other.values).for_each(|(there, value)| *there |= is_there(*value));
    }
    for row in rows.iter_mut() {
        let there = there.get(&signature(row));
        for (at, value) in row.values.iter_mut().enumerate() {
            if there.is_some_and(|there| there[at]) != (binary.op == Op::And) {
                *value = ABSENT;
            }
        }
    }
    if binary.op != Op::Or {
        return Ok(left);
    }
    left.append(&mut right);
    merged(left)
}
