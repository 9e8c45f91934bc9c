//! CSV by RFC 4180: a header line, lines end with CR LF, quotes where they are needed.
//!
//! A text that a spreadsheet would take for a formula is left as it is: programs read this, and what they read is what was seen.

use super::table::{Format, aggregates, labels};
use crate::api::CoverageLine;
use hedgerow_client::sample::{BinSet, Sample};
use hedgerow_model::predicate::Predicate;
use hedgerow_model::{Kind, SeriesDef, Value, moment};
use hedgerow_shown::{bins, special};
use std::io;

const SERIES: [&str; 7] = ["farm", "cluster", "node", "parameter", "labels", "unit", "time"];

/// A table.
pub struct Csv {
    bytes: Vec<u8>,
    numbers: bool,
}

impl Csv {
    /// With its header.
    pub fn new(predicate: &Predicate, numbers: bool) -> Self {
        let mut csv = Self { bytes: Vec::new(), numbers };
        let aggregates = aggregates(predicate);
        let values = if aggregates.is_empty() { vec!["value", "text"] } else { aggregates };
        let numbers = ["epoch", "number"].into_iter().filter(|_| numbers);
        csv.row(SERIES.into_iter().chain(values).chain(numbers));
        csv
    }

    fn row<C: AsRef<str>>(&mut self, cells: impl Iterator<Item = C>) {
        for (at, cell) in cells.enumerate() {
            if at > 0 {
                self.bytes.push(b',');
            }
            let cell = cell.as_ref();
            if cell.contains(['"', ',', '\n', '\r']) || cell.starts_with(' ') || cell.ends_with(' ') {
                self.bytes.push(b'"');
                self.bytes.extend(cell.replace('"', "\"\"").as_bytes());
                self.bytes.push(b'"');
            } else {
                self.bytes.extend(cell.as_bytes());
            }
        }
        self.bytes.extend(b"\r\n");
    }
}

fn head(farm: &str, series: &SeriesDef, time: i64) -> [String; 7] {
    let key = &series.key;
    let names = [farm, &key.cluster, &key.node, &key.parameter].map(str::to_owned);
    let [farm, cluster, node, parameter] = names;
    [farm, cluster, node, parameter, labels(&key.labels), series.unit.clone(), moment::print(time)]
}

/// A value; of a state its code.
fn cell(value: &Value, kind: Kind) -> String {
    match value {
        Value::F64(value) if value.is_finite() => value.to_string(),
        Value::F64(value) => special(*value).to_owned(),
        Value::I64(value) if kind == Kind::Counter => value.cast_unsigned().to_string(),
        Value::I64(value) | Value::State(value, _) => value.to_string(),
        Value::Text(_) => String::new(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::State(_, text) => text.as_deref().unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

impl Format for Csv {
    fn sample(&mut self, sample: &Sample) -> io::Result<()> {
        let series = &sample.series;
        let values = [cell(&sample.value, series.kind), text(&sample.value)];
        let number = sample.number.map(|number| number.to_string()).unwrap_or_default();
        let numbers = [sample.epoch.to_string(), number].into_iter().filter(|_| self.numbers);
        let numbers: Vec<String> = numbers.collect();
        self.row(head(&sample.farm, series, sample.time).into_iter().chain(values).chain(numbers));
        Ok(())
    }

    fn bins(&mut self, set: &BinSet) -> io::Result<()> {
        for (series, aggregates) in bins::rows(set) {
            let values = aggregates.iter().map(|(_, value)| cell(value, series.kind));
            let empty = [String::new(), String::new()].into_iter().filter(|_| self.numbers);
            let cells: Vec<String> =
                head(&set.farm, &series, set.start).into_iter().chain(values).chain(empty).collect();
            self.row(cells.iter());
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn end(self: Box<Self>, _: &CoverageLine) -> io::Result<Vec<u8>> {
        Ok(self.bytes)
    }
}
