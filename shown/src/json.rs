//! JSON as programs read it: one object a line, i64 in full digits, what is no number as `null` plus `special`.
//!
//! Strings are as given, but what could act on a terminal is escaped (`\u009b`): the same text to every JSON reader.

use crate::bins::rows;
use crate::safe::is_unsafe;
use crate::special;
use hedgerow_client::mesh::Coverage;
use hedgerow_client::sample::{BinSet, Sample};
use hedgerow_model::{Kind, Labels, SeriesKey, Value};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::ser::{CompactFormatter, Formatter};
use std::io::{self, Write};
use utoipa::ToSchema;

/// One object as one line, without its end.
pub fn line(object: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(256);
    object.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, TerminalSafe))?;
    Ok(bytes)
}

/// Compact, with everything escaped that could act on a terminal.
struct TerminalSafe;

impl Formatter for TerminalSafe {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_unsafe(*c)) {
            let (before, after) = rest.split_at(at);
            CompactFormatter.write_string_fragment(writer, before)?;
            // All of them are below U+10000: one escape each.
            write!(writer, "\\u{:04x}", u32::from(c))?;
            rest = after.get(c.len_utf8()..).unwrap_or_default();
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

/// A series' identity, as fields.
#[derive(Serialize, ToSchema)]
pub struct Key<'a> {
    cluster: &'a str,
    node: &'a str,
    parameter: &'a str,
    #[serde(skip_serializing_if = "no_labels", serialize_with = "labels")]
    #[schema(value_type = Option<std::collections::HashMap<String, String>>)]
    labels: &'a Labels,
}

impl<'a> From<&'a SeriesKey> for Key<'a> {
    fn from(key: &'a SeriesKey) -> Self {
        Self { cluster: &key.cluster, node: &key.node, parameter: &key.parameter, labels: &key.labels }
    }
}

fn no_labels(labels: &&Labels) -> bool {
    labels.is_empty()
}

fn labels<S: Serializer>(labels: &&Labels, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(labels.iter())
}

/// A value, as the fields `value`, `text` and `special`.
#[derive(Serialize, ToSchema)]
pub struct Fields<'a> {
    /// A number, or a text; null: no number that JSON has, see `special`.
    #[schema(value_type = serde_json::Value)]
    value: Plain<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    special: Option<&'static str>,
}

/// A value as a JSON value.
#[derive(Serialize)]
#[serde(untagged)]
enum Plain<'a> {
    Float(f64),
    Integer(i64),
    Counter(u64),
    Text(&'a str),
    Null,
}

impl<'a> Plain<'a> {
    fn of(value: &'a Value, kind: Kind) -> (Self, Option<&'static str>) {
        match value {
            Value::F64(value) if value.is_finite() => (Self::Float(*value), None),
            Value::F64(value) => (Self::Null, Some(special(*value))),
            Value::I64(value) if kind == Kind::Counter => (Self::Counter(value.cast_unsigned()), None),
            Value::I64(value) | Value::State(value, _) => (Self::Integer(*value), None),
            Value::Text(text) => (Self::Text(text), None),
        }
    }
}

impl<'a> Fields<'a> {
    /// The fields of a value of a series of this kind.
    pub fn new(value: &'a Value, kind: Kind) -> Self {
        let (plain, special) = Plain::of(value, kind);
        let text = if let Value::State(_, text) = value { text.as_deref() } else { None };
        Self { value: plain, text, special }
    }
}

/// A sample, for programs.
#[derive(Serialize, ToSchema)]
pub struct SampleLine<'a> {
    farm: &'a str,
    #[serde(flatten)]
    key: Key<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    unit: &'a str,
    time: i64,
    #[serde(flatten)]
    fields: Fields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    late: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
}

/// A sample as a line.
pub fn sample(sample: &Sample, numbers: bool) -> io::Result<Vec<u8>> {
    line(&SampleLine::of(sample, numbers))
}

impl<'a> SampleLine<'a> {
    /// A sample, with its epoch and number if those are wanted.
    pub fn of(sample: &'a Sample, numbers: bool) -> Self {
        let number = sample.number.filter(|_| numbers);
        Self {
            farm: &sample.farm,
            key: (&sample.series.key).into(),
            unit: &sample.series.unit,
            time: sample.time,
            fields: Fields::new(&sample.value, sample.series.kind),
            mark: sample.mark.map(hedgerow_model::Mark::as_str),
            late: sample.late,
            epoch: number.map(|_| sample.epoch.to_string()),
            number,
        }
    }
}

/// One bin of one series: the aggregates asked for, by name.
struct BinLine<'a> {
    farm: &'a str,
    series: &'a hedgerow_model::SeriesDef,
    start: i64,
    every_ms: u64,
    aggregates: &'a [(&'static str, Value)],
}

impl Serialize for BinLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let key = &self.series.key;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("farm", self.farm)?;
        map.serialize_entry("cluster", &*key.cluster)?;
        map.serialize_entry("node", &*key.node)?;
        map.serialize_entry("parameter", &*key.parameter)?;
        if !key.labels.is_empty() {
            map.serialize_entry("labels", &Pairs(&key.labels))?;
        }
        if !self.series.unit.is_empty() {
            map.serialize_entry("unit", &self.series.unit)?;
        }
        map.serialize_entry("time", &self.start)?;
        map.serialize_entry("every_ms", &self.every_ms)?;
        let mut specials = Vec::new();
        for (name, value) in self.aggregates {
            let (plain, special) = Plain::of(value, self.series.kind);
            map.serialize_entry(name, &plain)?;
            specials.extend(special.map(|special| (*name, special)));
        }
        if !specials.is_empty() {
            map.serialize_entry("special", &Named(&specials))?;
        }
        map.end()
    }
}

struct Pairs<'a>(&'a Labels);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

struct Named<'a>(&'a [(&'static str, &'static str)]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// The bins of one start, a line a series.
pub fn bins(bins: &BinSet) -> io::Result<Vec<Vec<u8>>> {
    let every_ms = u64::try_from(bins.width.as_millis()).unwrap_or(u64::MAX);
    rows(bins)
        .map(|(series, aggregates)| {
            line(&BinLine {
                farm: &bins.farm,
                series: &series,
                start: bins.start,
                every_ms,
                aggregates: &aggregates,
            })
        })
        .collect()
}

#[derive(Serialize)]
struct CoverageLine<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<i64>,
    asked: usize,
    answered: usize,
    missing: Vec<MissingFarm<'a>>,
    lookups_missing: Vec<&'a str>,
}

#[derive(Serialize)]
struct MissingFarm<'a> {
    farm: &'a str,
    reason: String,
}

/// What an answer covers, as an event.
pub fn coverage(coverage: &Coverage) -> io::Result<Vec<u8>> {
    let missing = coverage.missing.iter();
    line(&CoverageLine {
        event: "coverage",
        as_of: coverage.as_of,
        asked: coverage.asked,
        answered: coverage.answered,
        missing: missing.map(|one| MissingFarm { farm: &one.farm, reason: one.why.to_string() }).collect(),
        lookups_missing: coverage.lookups_missing.iter().map(|(url, _)| url.as_str()).collect(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_model::{Epoch, Mark, Name, SeriesDef};
    use std::sync::Arc;

    fn series(kind: Kind, unit: &str, labels: &[(&str, &str)]) -> Arc<SeriesDef> {
        Arc::new(SeriesDef {
            key: SeriesKey {
                cluster: Name::new("hosts").unwrap(),
                node: Name::new("n\u{202e}1").unwrap(),
                parameter: Name::new("a/\"b\"").unwrap(),
                labels: Labels::new(labels.iter().copied()).unwrap(),
            },
            kind,
            unit: unit.into(),
            source: "test".into(),
            interval: None,
            lifetime: None,
            description: String::new(),
        })
    }

    fn shown(series: &Arc<SeriesDef>, value: Value, numbers: bool) -> String {
        let sample = Sample {
            farm: "cern".into(),
            series: Arc::clone(series),
            time: 1_795_176_000_000,
            value,
            number: Some(17),
            epoch: Epoch { start: 3, random: 0xc0ffee },
            mark: (series.kind == Kind::Counter).then_some(Mark::Reset),
            late: false,
        };
        String::from_utf8(super::sample(&sample, numbers).unwrap()).unwrap()
    }

    #[test]
    fn samples_are_lines_that_lose_nothing() {
        let gauge = series(Kind::Gauge, "By", &[("item", "/var")]);
        let counter = series(Kind::Counter, "", &[]);
        let state = series(Kind::State, "", &[]);
        let text = series(Kind::Text, "", &[]);
        insta::assert_snapshot!(
            [
                shown(&gauge, Value::F64(0.1), false),
                shown(&gauge, Value::F64(-0.0), false),
                shown(&gauge, Value::F64(f64::NAN), false),
                shown(&gauge, Value::F64(f64::INFINITY), false),
                shown(&gauge, Value::F64(f64::NEG_INFINITY), true),
                shown(&gauge, Value::I64(i64::MIN), false),
                shown(&counter, Value::counter(u64::MAX), false),
                shown(&state, Value::State(2, Some("down\n".into())), false),
                shown(&state, Value::I64(2), false),
                shown(&text, Value::Text("\u{1b}[31m \u{9b}\u{7f} ok".into()), false),
            ]
            .join("\n")
        );
    }

    #[test]
    fn escapes_are_the_same_text_to_a_reader() {
        let text = "a\u{202e}b\"\\\u{9b}\u{0}\u{2028}é🙂";
        let line = line(&text).unwrap();
        assert!(line.iter().all(|byte| *byte >= 0x20), "no control character");
        assert!(!String::from_utf8(line.clone()).unwrap().chars().any(is_unsafe));
        assert_eq!(serde_json::from_slice::<String>(&line).unwrap(), text);
    }

    #[test]
    fn bins_have_their_aggregates_by_name() {
        let series = series(Kind::Gauge, "1", &[("item", "0")]);
        let aggregates =
            [("mean", Value::F64(0.25)), ("max", Value::F64(f64::NAN)), ("count", Value::I64(30))];
        let bin = BinLine {
            farm: "cern",
            series: &series,
            start: 1_795_176_000_000,
            every_ms: 300_000,
            aggregates: &aggregates,
        };
        insta::assert_snapshot!(String::from_utf8(line(&bin).unwrap()).unwrap());
    }
}
