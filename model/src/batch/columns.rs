//! Values of many samples, each type in a column of its own.

use crate::value::{ColumnType, Value};
use std::sync::Arc;

/// Values in columns. Invariant: the lengths of the runs of one type add up to the length of its column.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Columns {
    /// (type, length): where the next positions have their values. No run is empty, neighbours differ.
    runs: Vec<(ColumnType, u32)>,
    f64s: Vec<f64>,
    i64s: Vec<i64>,
    texts: Vec<Arc<str>>,
    /// (index in the i64 column, text) of states that came with their text, ascending. Absent: unchanged.
    state_texts: Vec<(u32, Arc<str>)>,
}

/// Why parts do not make columns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// The runs and the columns disagree.
    #[error("runs name {runs} values of type {column:?}, its column has {values}")]
    Length {
        /// The column.
        column: ColumnType,
        /// The sum of its runs.
        runs: u64,
        /// Its length.
        values: usize,
    },
    /// A state's text stands nowhere, or out of order.
    #[error("text of a state at index {0} of the i64 column: out of range or out of order")]
    StateText(u32),
}

impl Columns {
    /// A column of floating point numbers.
    pub fn of_f64(values: Vec<f64>) -> Self {
        let runs = run_of(ColumnType::F64, values.len());
        Self { runs, f64s: values, ..Self::default() }
    }

    /// A column of integers.
    pub fn of_i64(values: Vec<i64>) -> Self {
        let runs = run_of(ColumnType::I64, values.len());
        Self { runs, i64s: values, ..Self::default() }
    }

    /// Puts columns together from their parts, as they come from the wire or from a file.
    /// With no runs at all, a single non-empty column is meant.
    pub fn from_parts(
        mut runs: Vec<(ColumnType, u32)>,
        f64s: Vec<f64>,
        i64s: Vec<i64>,
        texts: Vec<Arc<str>>,
        state_texts: Vec<(u32, Arc<str>)>,
    ) -> Result<Self, ColumnError> {
        if runs.is_empty() {
            runs = match (f64s.len(), i64s.len(), texts.len()) {
                (n, 0, 0) => run_of(ColumnType::F64, n),
                (0, n, 0) => run_of(ColumnType::I64, n),
                (0, 0, n) => run_of(ColumnType::Text, n),
                _ => runs,
            };
        }
        for (column, values) in
            [(ColumnType::F64, f64s.len()), (ColumnType::I64, i64s.len()), (ColumnType::Text, texts.len())]
        {
            let named: u64 =
                runs.iter().filter(|(kind, _)| *kind == column).map(|(_, n)| u64::from(*n)).sum();
            if named != values as u64 {
                return Err(ColumnError::Length { column, runs: named, values });
            }
        }
        let mut next = 0;
        for (at, _) in &state_texts {
            if *at < next || *at as usize >= i64s.len() {
                return Err(ColumnError::StateText(*at));
            }
            next = at + 1;
        }
        let mut columns = Self { runs: Vec::new(), f64s, i64s, texts, state_texts };
        for (column, length) in runs {
            columns.extend_run(column, length);
        }
        Ok(columns)
    }

    /// Which column the positions take their values from: (type, length), one after the other.
    pub fn runs(&self) -> &[(ColumnType, u32)] {
        &self.runs
    }

    /// The floating point column.
    pub fn f64s(&self) -> &[f64] {
        &self.f64s
    }

    /// The integer column.
    pub fn i64s(&self) -> &[i64] {
        &self.i64s
    }

    /// The text column.
    pub fn texts(&self) -> &[Arc<str>] {
        &self.texts
    }

    /// Texts of states: (index in the integer column, text), ascending.
    pub fn state_texts(&self) -> &[(u32, Arc<str>)] {
        &self.state_texts
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.f64s.len() + self.i64s.len() + self.texts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how many bytes of memory the values take.
    pub fn bytes(&self) -> usize {
        let texts: usize = self.texts.iter().map(|t| t.len() + 16).sum();
        let states: usize = self.state_texts.iter().map(|(_, t)| t.len() + 24).sum();
        8 * (self.f64s.len() + self.i64s.len()) + texts + states
    }

    /// Adds a value at the end.
    pub fn push(&mut self, value: Value) {
        self.extend_run(value.column(), 1);
        match value {
            Value::F64(value) => self.f64s.push(value),
            Value::I64(value) => self.i64s.push(value),
            Value::Text(text) => self.texts.push(text),
            Value::State(code, text) => {
                if let Some(text) = text {
                    self.state_texts.push((u32::try_from(self.i64s.len()).unwrap_or(u32::MAX), text));
                }
                self.i64s.push(code);
            }
        }
    }

    /// The value at `position`. Linear in the number of runs, which is mostly one.
    ///
    /// # Panics
    /// Where `position` is not below [`Self::len`].
    pub fn get(&self, position: usize) -> Value {
        let mut before = [0_usize; 3];
        let mut start = 0;
        for (column, length) in &self.runs {
            let length = *length as usize;
            if position < start + length {
                return self.value(*column, before[*column as usize] + position - start);
            }
            before[*column as usize] += length;
            start += length;
        }
        unreachable!("invariant: position {position} is below the length {}", self.len())
    }

    /// The values in the order of their positions.
    pub fn iter(&self) -> impl Iterator<Item = Value> {
        self.slots().map(|(column, index)| self.value(column, index))
    }

    /// (column, index in it) of each position.
    pub fn slots(&self) -> impl Iterator<Item = (ColumnType, usize)> {
        let mut next = [0_usize; 3];
        self.runs.iter().flat_map(move |(column, length)| {
            let first = next[*column as usize];
            next[*column as usize] += *length as usize;
            (first..first + *length as usize).map(move |index| (*column, index))
        })
    }

    /// The values at `positions` (ascending), in that order.
    pub fn select(&self, positions: &[u32]) -> Self {
        let mut part = Self::default();
        if let ([(ColumnType::F64, _)], true) = (&self.runs[..], self.state_texts.is_empty()) {
            return Self::of_f64(positions.iter().map(|p| self.f64s[*p as usize]).collect());
        }
        let mut wanted = positions.iter().peekable();
        for (position, (column, index)) in (0_u32..).zip(self.slots()) {
            if wanted.next_if(|p| **p == position).is_some() {
                part.push(self.value(column, index));
            }
            if wanted.peek().is_none() {
                break;
            }
        }
        part
    }

    fn value(&self, column: ColumnType, index: usize) -> Value {
        match column {
            ColumnType::F64 => Value::F64(self.f64s[index]),
            ColumnType::Text => Value::Text(Arc::clone(&self.texts[index])),
            ColumnType::I64 => {
                let at = self.state_texts.binary_search_by_key(&index, |(at, _)| *at as usize);
                match at {
                    Ok(at) => Value::State(self.i64s[index], Some(Arc::clone(&self.state_texts[at].1))),
                    Err(_) => Value::I64(self.i64s[index]),
                }
            }
        }
    }

    fn extend_run(&mut self, column: ColumnType, length: u32) {
        match self.runs.last_mut() {
            _ if length == 0 => {}
            Some((last, count)) if *last == column => *count += length,
            _ => self.runs.push((column, length)),
        }
    }
}

fn run_of(column: ColumnType, length: usize) -> Vec<(ColumnType, u32)> {
    match u32::try_from(length) {
        Ok(0) => Vec::new(),
        Ok(length) => vec![(column, length)],
        Err(_) => unreachable!("invariant: a batch has at most MAX_BATCH_SAMPLES values"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_disagree_are_refused() {
        let wrong = Columns::from_parts(vec![(ColumnType::F64, 2)], vec![1.0], vec![], vec![], vec![]);
        assert!(matches!(wrong, Err(ColumnError::Length { column: ColumnType::F64, runs: 2, values: 1 })));
        let mixed = Columns::from_parts(vec![], vec![1.0], vec![2], vec![], vec![]);
        assert!(mixed.is_err(), "two columns need runs");
        let text = Columns::from_parts(vec![], vec![], vec![1], vec![], vec![(1, "x".into())]);
        assert_eq!(text, Err(ColumnError::StateText(1)));
    }

    #[test]
    fn values_come_back_in_order() {
        let values = [
            Value::I64(1),
            Value::F64(2.0),
            Value::State(3, Some("x".into())),
            Value::Text("y".into()),
            Value::I64(4),
        ];
        let mut columns = Columns::default();
        values.iter().cloned().for_each(|v| columns.push(v));
        assert_eq!(columns.iter().collect::<Vec<_>>(), values);
        assert!((0..5).all(|at| columns.get(at) == values[at]));
        assert_eq!(
            columns.select(&[2, 4]).iter().collect::<Vec<_>>(),
            [values[2].clone(), values[4].clone()]
        );
    }
}
