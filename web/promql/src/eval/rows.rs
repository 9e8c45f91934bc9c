//! Rows: the values of one series at all times, with holes.

use crate::fault::EvalError;
use crate::labels::Labels;
use crate::plan::Times;
use crate::series::{Series, Values};
use std::collections::HashMap;

/// No value. Its bits are those by which Prometheus marks staleness: no calculation makes them.
pub(super) const ABSENT: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether there is a value.
pub(super) fn is_there(value: f64) -> bool {
    value.to_bits() != ABSENT.to_bits()
}

/// The values of one series.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) labels: Labels,
    /// One for each time.
    pub(super) values: Vec<f64>,
}

impl Row {
    /// As if its values were samples.
    pub(super) fn into_series(self, times: &Times) -> Series {
        let there = times.iter().zip(self.values).filter(|(_, value)| is_there(*value));
        let (times, values) = there.unzip();
        Series { labels: self.labels, times, values: Values::F64(values), stale: Vec::new() }
    }
}

/// Rows by their labels.
pub(super) struct Table {
    width: usize,
    index: HashMap<Labels, usize>,
    rows: Vec<Row>,
}

impl Table {
    /// With so many times.
    pub(super) fn new(width: usize) -> Self {
        Self { width, index: HashMap::new(), rows: Vec::new() }
    }

    /// The row with these labels, which may be a new one.
    pub(super) fn row(&mut self, labels: &Labels) -> usize {
        if let Some(row) = self.index.get(labels) {
            return *row;
        }
        self.rows.push(Row { labels: labels.clone(), values: vec![ABSENT; self.width] });
        self.index.insert(labels.clone(), self.rows.len() - 1);
        self.rows.len() - 1
    }

    /// Sets a value; `false`: there was one already.
    #[must_use]
    pub(super) fn set(&mut self, row: usize, at: usize, value: f64) -> bool {
        let cell = &mut self.rows[row].values[at];
        let free = !is_there(*cell);
        *cell = value;
        free
    }

    /// Counts one more.
    pub(super) fn count(&mut self, row: usize, at: usize) {
        let cell = &mut self.rows[row].values[at];
        *cell = if is_there(*cell) { *cell + 1.0 } else { 1.0 };
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn into_rows(self) -> Vec<Row> {
        self.rows
    }
}

/// Rows of the same labels become one.
pub(super) fn merged(rows: Vec<Row>) -> Result<Vec<Row>, EvalError> {
    let width = rows.first().map_or(0, |row| row.values.len());
    let mut index = HashMap::with_capacity(rows.len());
    let mut all: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(first) = index.get(&row.labels) else {
            index.insert(row.labels.clone(), all.len());
            all.push(row);
            continue;
        };
        let first: &mut Row = &mut all[*first];
        for at in (0..width).filter(|at| is_there(row.values[*at])) {
            if is_there(first.values[at]) {
                return Err(EvalError::SameLabels(row.labels.to_string()));
            }
            first.values[at] = row.values[at];
        }
    }
    Ok(all)
}

/// Each value another, given also which time it is of; names are lost.
pub(super) fn mapped(rows: Vec<Row>, of: impl Fn(f64, usize) -> f64) -> Result<Vec<Row>, EvalError> {
    let one = |mut row: Row| {
        for (at, value) in row.values.iter_mut().enumerate().filter(|(_, value)| is_there(**value)) {
            *value = of(*value, at);
        }
        Row { labels: row.labels.unnamed(), ..row }
    };
    merged(rows.into_iter().map(one).collect())
}
