//! An Arrow IPC stream: names in dictionaries, times in milliseconds UTC, values as f64; of whole numbers, beside, all their
//! bits as i64 (of a counter, those of a u64).

use super::table::{Format, aggregates, labels};
use crate::api::CoverageLine;
use arrow_array::builder::{
    ArrayBuilder, Float64Builder, Int64Builder, StringBuilder, StringDictionaryBuilder,
    TimestampMillisecondBuilder, UInt64Builder,
};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use hedgerow_client::sample::{BinSet, Sample};
use hedgerow_model::predicate::Predicate;
use hedgerow_model::{Kind, SeriesDef, Value};
use hedgerow_shown::bins;
use std::io;
use std::sync::Arc;

/// Rows that are written at once.
const ROWS: usize = 8192;
const NAMES: [&str; 6] = ["farm", "cluster", "node", "parameter", "labels", "unit"];
const UTC: &str = "UTC";

/// A stream under way.
pub struct Arrow {
    writer: StreamWriter<Vec<u8>>,
    schema: Arc<Schema>,
    names: Vec<StringDictionaryBuilder<Int32Type>>,
    times: TimestampMillisecondBuilder,
    /// One an aggregate; of samples one.
    values: Vec<Float64Builder>,
    /// Of samples.
    more: Option<More>,
    numbers: Option<(StringBuilder, UInt64Builder)>,
}

struct More {
    integers: Int64Builder,
    texts: StringBuilder,
}

impl Arrow {
    /// With its schema.
    ///
    /// # Errors
    /// None that can happen in memory.
    pub fn new(predicate: &Predicate, numbers: bool) -> io::Result<Self> {
        let aggregates = aggregates(predicate);
        let binned = !aggregates.is_empty();
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let mut fields: Vec<Field> =
            NAMES.iter().map(|name| Field::new(*name, dictionary.clone(), false)).collect();
        let time = DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into()));
        fields.push(Field::new("time", time, false));
        let value_names = if binned { aggregates } else { vec!["value"] };
        fields.extend(value_names.iter().map(|name| Field::new(*name, DataType::Float64, true)));
        if !binned {
            fields.push(Field::new("integer", DataType::Int64, true));
            fields.push(Field::new("text", DataType::Utf8, true));
        }
        let numbers = numbers && !binned;
        if numbers {
            fields.push(Field::new("epoch", DataType::Utf8, true));
            fields.push(Field::new("number", DataType::UInt64, true));
        }
        let schema = Arc::new(Schema::new(fields));
        let writer = StreamWriter::try_new(Vec::new(), &schema).map_err(io::Error::other)?;
        Ok(Self {
            writer,
            schema,
            names: NAMES.iter().map(|_| StringDictionaryBuilder::new()).collect(),
            times: TimestampMillisecondBuilder::new().with_timezone(UTC),
            values: value_names.iter().map(|_| Float64Builder::new()).collect(),
            more: (!binned).then(|| More { integers: Int64Builder::new(), texts: StringBuilder::new() }),
            numbers: numbers.then(|| (StringBuilder::new(), UInt64Builder::new())),
        })
    }

    fn head(&mut self, farm: &str, series: &SeriesDef, time: i64) -> io::Result<()> {
        let key = &series.key;
        let labels = labels(&key.labels);
        let names = [farm, &key.cluster, &key.node, &key.parameter, &labels, &series.unit];
        for (column, name) in self.names.iter_mut().zip(names) {
            column.append(name).map_err(io::Error::other)?;
        }
        self.times.append_value(time);
        Ok(())
    }

    fn flush_if_full(&mut self) -> io::Result<()> {
        if self.times.len() >= ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut columns: Vec<ArrayRef> = Vec::new();
        columns.extend(self.names.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        columns.push(Arc::new(self.times.finish()));
        columns.extend(self.values.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        if let Some(More { integers, texts }) = &mut self.more {
            columns.push(Arc::new(integers.finish()));
            columns.push(Arc::new(texts.finish()));
        }
        if let Some((epochs, numbers)) = &mut self.numbers {
            columns.push(Arc::new(epochs.finish()));
            columns.push(Arc::new(numbers.finish()));
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(io::Error::other)?;
        self.writer.write(&batch).map_err(io::Error::other)
    }
}

/// As f64; of a text nothing.
fn number(value: &Value, kind: Kind) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "all bits stand beside it")]
    match value {
        Value::F64(value) => Some(*value),
        Value::I64(value) if kind == Kind::Counter => Some(value.cast_unsigned() as f64),
        Value::I64(value) | Value::State(value, _) => Some(*value as f64),
        Value::Text(_) => None,
    }
}

impl Format for Arrow {
    fn sample(&mut self, sample: &Sample) -> io::Result<()> {
        self.head(&sample.farm, &sample.series, sample.time)?;
        for column in &mut self.values {
            column.append_option(number(&sample.value, sample.series.kind));
        }
        if let Some(More { integers, texts }) = &mut self.more {
            integers.append_option(match &sample.value {
                Value::I64(value) | Value::State(value, _) => Some(*value),
                _ => None,
            });
            texts.append_option(match &sample.value {
                Value::Text(text) => Some(&**text),
                Value::State(_, text) => text.as_deref(),
                _ => None,
            });
        }
        if let Some((epochs, numbers)) = &mut self.numbers {
            epochs.append_value(sample.epoch.to_string());
            numbers.append_option(sample.number);
        }
        self.flush_if_full()
    }

    fn bins(&mut self, set: &BinSet) -> io::Result<()> {
        for (series, aggregates) in bins::rows(set) {
            self.head(&set.farm, &series, set.start)?;
            let mut given = aggregates.iter();
            for column in &mut self.values {
                column.append_option(given.next().and_then(|(_, value)| number(value, series.kind)));
            }
            self.flush_if_full()?;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.writer.get_ref().len()
    }

    fn end(mut self: Box<Self>, _: &CoverageLine) -> io::Result<Vec<u8>> {
        if !self.times.is_empty() {
            self.flush()?;
        }
        self.writer.finish().map_err(io::Error::other)?;
        self.writer.into_inner().map_err(io::Error::other)
    }
}
