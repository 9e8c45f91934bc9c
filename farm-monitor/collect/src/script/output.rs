//! What scripts print, read into measurements: one parser per format, each a pure function that never fails as a whole.
//!
//! A line that cannot be read becomes a [`Problem`] that names it and says what was expected; the others are kept.
//! A parser must never guess: what is not clearly a measurement is a problem.

pub mod influx;
pub mod json;
pub mod keyvalue;
pub mod nagios;
mod units;

use hedgerow_model::{Kind, Labels, Name, UnixMillis, Value};
use std::sync::Arc;

pub use units::to_base;

/// Most measurements of one run; the rest is left out, which is a problem of its own.
pub const MAX_MEASUREMENTS: usize = 20_000;
/// Most problems of one run that are kept word for word; the rest is only counted.
pub const MAX_PROBLEMS: usize = 20;
/// How much of a line a problem quotes, in characters.
const QUOTED: usize = 80;

/// One value that a script printed.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// Of what.
    pub parameter: Name,
    /// Labels, `item` included.
    pub labels: Labels,
    /// The node it belongs to, where it is not the target's.
    pub node: Option<Name>,
    /// The value, in base units.
    pub value: Value,
    /// The base unit.
    pub unit: String,
    /// What its values mean.
    pub kind: Kind,
    /// When, where the script said so.
    pub time: Option<UnixMillis>,
    /// Free description.
    pub description: String,
}

impl Measurement {
    /// A gauge, state or text, as the value says, without anything else.
    fn plain(parameter: Name, value: Value) -> Self {
        let kind = match value {
            Value::F64(_) | Value::I64(_) => Kind::Gauge,
            Value::Text(_) => Kind::Text,
            Value::State(..) => Kind::State,
        };
        Self {
            parameter,
            labels: Labels::none(),
            node: None,
            value,
            unit: String::new(),
            kind,
            time: None,
            description: String::new(),
        }
    }
}

/// A part of the output that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `line 3`, `samples[4]`.
    pub place: String,
    /// What stands there (cut) and what was expected.
    pub what: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// What was read of a script's output.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parsed {
    /// What was understood, in its order.
    pub measurements: Vec<Measurement>,
    /// What was not; the first [`MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// How many there were.
    pub problem_count: usize,
}

impl Parsed {
    fn problem(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.problem_count += 1;
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { place: place.into(), what: what.into() });
        }
    }

    /// Adds one; `false` once there are too many, and the parser can stop.
    fn add(&mut self, place: impl FnOnce() -> String, measurement: Measurement) -> bool {
        if self.measurements.len() >= MAX_MEASUREMENTS {
            self.problem(
                place(),
                format!("the rest is left out: at most {MAX_MEASUREMENTS} measurements a run"),
            );
            return false;
        }
        self.measurements.push(measurement);
        true
    }

    /// Reads line by line: empty lines and comments (`#`) are passed over.
    fn lines(output: &[u8], parse: impl Fn(&str) -> Result<Vec<Measurement>, String>) -> Self {
        let mut parsed = Self::default();
        for (number, line) in (1_usize..).zip(output.split(|byte| *byte == b'\n')) {
            let place = || format!("line {number}");
            let Ok(text) = std::str::from_utf8(line) else {
                parsed.problem(place(), format!("{}: expected UTF-8", quote(&String::from_utf8_lossy(line))));
                continue;
            };
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            match parse(text) {
                Ok(list) => {
                    if !list.into_iter().all(|measurement| parsed.add(place, measurement)) {
                        return parsed;
                    }
                }
                Err(what) => parsed.problem(place(), format!("{}: {what}", quote(text))),
            }
        }
        parsed
    }
}

/// The text as a problem shows it.
fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("`{}…`", text.get(..end).unwrap_or_default().escape_debug()),
        None => format!("`{}`", text.escape_debug()),
    }
}

fn name(text: &str) -> Result<Name, String> {
    Name::new(text).map_err(|error| format!("the name {error}"))
}

/// A number as it is written: integers stay integers, in full.
fn number(text: &str) -> Option<Value> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        if let Ok(value) = text.parse::<i64>() {
            return Some(Value::I64(value));
        }
    } else if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        // Rust also reads `inf`, `nan` and their relatives.
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite()).map(Value::F64)
}

/// A counter's value as it is written: whole numbers as u64, in full, others (CPU seconds) as f64.
fn counter(text: &str) -> Option<Value> {
    match text.parse::<u64>() {
        Ok(value) => Some(Value::counter(value)),
        // A whole number that does not fit is refused: a counter is never rounded.
        Err(_) if text.bytes().all(|byte| byte.is_ascii_digit()) => None,
        Err(_) => match number(text) {
            Some(Value::F64(value)) if value >= 0.0 => Some(Value::F64(value)),
            _ => None,
        },
    }
}

fn boolean(value: bool) -> Value {
    Value::State(i64::from(value), Some(Arc::from(if value { "true" } else { "false" })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Text that is nearly right, so that more than the first check is reached.
    fn nearly() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<Vec<u8>>(),
            r#"([a-z/']{1,3}[ =\[\],|;#\\"\n\-.:{}%]{1,2}[0-9tfueiMB"]{0,3}){0,12}"#.prop_map(String::into_bytes),
            r#"(\{"samples":\[)?(\{"(parameter|value|kind|labels|time|a)":("x"|-?[0-9]{1,22}|\{\}|null|true|\[\]),?){0,3}\}*\]?\}?"#
                .prop_map(String::into_bytes),
        ]
    }

    proptest! {
        #[test]
        fn no_output_makes_a_parser_panic(output in nearly(), status in 0_i32..4) {
            for parsed in [
                keyvalue::parse(&output),
                influx::parse(&output),
                json::parse(&output),
                nagios::parse(&output, status),
            ] {
                prop_assert!(parsed.problems.len() <= MAX_PROBLEMS.min(parsed.problem_count));
                for measurement in parsed.measurements {
                    prop_assert!(hedgerow_model::unit::is_unit(&measurement.unit));
                    prop_assert!(!matches!(measurement.value, Value::F64(value) if !value.is_finite()));
                }
            }
        }

        #[test]
        fn integers_are_read_to_the_last_digit(value: i64, count: u64) {
            prop_assert_eq!(number(&value.to_string()), Some(Value::I64(value)));
            prop_assert_eq!(counter(&count.to_string()), Some(Value::counter(count)));
        }
    }

    #[test]
    fn the_examples_of_the_reference_are_read() {
        let page = include_str!("../../../../docs/reference/script-formats.md");
        let blocks: Vec<&str> = page.split("\n```").collect();
        let after = |heading: &str, nth: usize| {
            let at = blocks.iter().position(|block| block.contains(heading)).unwrap();
            let (_, block) = blocks[at + 1 + 2 * nth].split_once('\n').unwrap();
            block.as_bytes()
        };
        let read = [
            nagios::parse(after("## `nagios`", 0), 0),
            keyvalue::parse(after("## `keyvalue`", 1)),
            json::parse(after("## `json`", 0)),
            json::parse(after("## `json`", 1)),
            influx::parse(after("## `influx`", 0)),
        ];
        assert_eq!(
            read.iter().flat_map(|parsed| &parsed.problems).collect::<Vec<_>>(),
            Vec::<&Problem>::new()
        );
        assert_eq!(read.map(|parsed| parsed.measurements.len()), [2, 7, 3, 3, 3]);
    }

    #[test]
    fn what_is_too_much_is_left_out_and_said() {
        let output = "x 1\n".repeat(MAX_MEASUREMENTS + 5);
        let parsed = keyvalue::parse(output.as_bytes());
        assert_eq!(parsed.measurements.len(), MAX_MEASUREMENTS);
        assert_eq!(parsed.problems[0].place, "line 20001");
        let parsed = keyvalue::parse("?\n".repeat(30).as_bytes());
        assert_eq!((parsed.problems.len(), parsed.problem_count), (MAX_PROBLEMS, 30));
    }

    #[test]
    fn a_counter_is_never_rounded() {
        assert_eq!(counter("18446744073709551615"), Some(Value::counter(u64::MAX)));
        assert_eq!(counter("18446744073709551616"), None);
        assert_eq!(counter("2.5"), Some(Value::F64(2.5)));
        assert_eq!(counter("-1"), None);
    }

    #[test]
    fn words_for_infinity_are_no_numbers() {
        for text in ["nan", "NaN", "inf", "-Infinity", "", "-", "1e999", "0x10", "1_000"] {
            assert_eq!(number(text), None, "{text}");
        }
        assert_eq!(number("-1.5e3"), Some(Value::F64(-1500.0)));
        assert_eq!(number(".5"), Some(Value::F64(0.5)));
    }
}
