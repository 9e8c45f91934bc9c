//! Types of parameters: how each is read from JSON, and held against its bounds. One function for all types, as a filter has to be
//! small; the traits are only the types' outside.

use crate::Millis;
use crate::json::Json;
use crate::number::short;

/// Least and most.
pub(super) type Bounds = (f64, f64);

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub enum Shape {
    Number,
    Whole,
    Flag,
    Text,
    Duration,
    Texts,
    Numbers,
}

/// What was read.
#[derive(Debug)]
#[doc(hidden)]
pub enum Value {
    Number(f64),
    Whole(i64),
    Flag(bool),
    Text(String),
    Duration(Millis),
    Texts(Vec<String>),
    Numbers(Vec<f64>),
}

/// A type of parameter. Not to be implemented elsewhere.
pub trait Kind {
    /// What is read.
    type Value;
    #[doc(hidden)]
    const SHAPE: Shape;

    #[doc(hidden)]
    fn of(value: Value) -> Option<Self::Value>;
}

/// Marks a parameter that is a duration.
#[derive(Debug)]
pub struct Duration;

macro_rules! kinds {
    ($($kind:ty, $value:ty, $shape:ident;)*) => {$(
        impl Kind for $kind {
            type Value = $value;
            const SHAPE: Shape = Shape::$shape;

            fn of(value: Value) -> Option<$value> {
                if let Value::$shape(value) = value { Some(value) } else { None }
            }
        }
    )*};
}

kinds! {
    f64, f64, Number;
    i64, i64, Whole;
    bool, bool, Flag;
    String, String, Text;
    Duration, Millis, Duration;
    Vec<String>, Vec<String>, Texts;
    Vec<f64>, Vec<f64>, Numbers;
}

impl Shape {
    /// Members of the schema: before bounds and choices, and behind them.
    pub(super) fn schema(self) -> (&'static str, &'static str) {
        match self {
            Self::Number => (r#""type":"number""#, ""),
            Self::Whole => (r#""type":"integer""#, ""),
            Self::Flag => (r#""type":"boolean""#, ""),
            Self::Text => (r#""type":"string""#, ""),
            Self::Duration => (r#""type":"string","format":"hedgerow-duration""#, ""),
            Self::Texts => (r#""type":"array","items":{"type":"string""#, "}"),
            Self::Numbers => (r#""type":"array","items":{"type":"number""#, "}"),
        }
    }

    /// Reads it, or says what was expected and what is there.
    pub(super) fn read(self, json: &Json) -> Result<Value, String> {
        let what = match (self, json) {
            (Self::Number, Json::Number(number)) => return Ok(Value::Number(*number)),
            (Self::Number, _) => "a number",
            (Self::Whole, Json::Number(number)) if *number == number.trunc() && number.abs() < 9e15 => {
                return Ok(Value::Whole(*number as i64));
            }
            (Self::Whole, _) => "a whole number",
            (Self::Flag, Json::Flag(flag)) => return Ok(Value::Flag(*flag)),
            (Self::Flag, _) => "true or false",
            (Self::Text, Json::Text(text)) => return Ok(Value::Text(text.clone())),
            (Self::Text, _) => "a text",
            (Self::Duration, _) => {
                let read = if let Json::Text(text) = json { duration(text) } else { None };
                return read
                    .map(Value::Duration)
                    .ok_or_else(|| "expected a duration, as 30s, 5m, 1h30m".into());
            }
            (Self::Texts, Json::List(items)) => return texts(items).map(Value::Texts),
            (Self::Texts, Json::Text(one)) => return Ok(Value::Texts(vec![one.clone()])),
            (Self::Texts, _) => "a list of texts",
            (Self::Numbers, Json::List(items)) => return numbers(items).map(Value::Numbers),
            (Self::Numbers, Json::Number(one)) => return Ok(Value::Numbers(vec![*one])),
            (Self::Numbers, _) => "a list of numbers",
        };
        Err(expected(what, json))
    }
}

fn expected(what: &str, json: &Json) -> String {
    ["expected ", what, ", found ", json.name()].concat()
}

fn texts(items: &[Json]) -> Result<Vec<String>, String> {
    let mut texts = Vec::new();
    for item in items {
        let Json::Text(text) = item else { return Err(expected("a text", item)) };
        texts.push(text.clone());
    }
    Ok(texts)
}

fn numbers(items: &[Json]) -> Result<Vec<f64>, String> {
    let mut numbers = Vec::new();
    for item in items {
        let Json::Number(number) = item else { return Err(expected("a number", item)) };
        numbers.push(*number);
    }
    Ok(numbers)
}

impl Value {
    /// The value, if it is within the bounds and one of the choices.
    pub(super) fn judged(self, bounds: Bounds, choices: &[&str]) -> Result<Self, String> {
        let (one, unit) = match &self {
            Self::Number(number) => ([*number], ""),
            Self::Whole(number) => ([*number as f64], ""),
            Self::Duration(millis) => ([*millis as f64], " seconds"),
            Self::Text(text) if !choices.is_empty() && !choices.contains(&text.as_str()) => {
                let mut why = String::from("expected one of");
                for choice in choices {
                    why.push(' ');
                    why.push_str(choice);
                }
                return Err(why);
            }
            Self::Numbers(_) => ([0.0], ""),
            Self::Flag(_) | Self::Text(_) | Self::Texts(_) => return Ok(self),
        };
        let numbers = if let Self::Numbers(numbers) = &self { numbers.as_slice() } else { &one };
        let scale = if unit.is_empty() { 1.0 } else { 1000.0 };
        for number in numbers {
            if *number < bounds.0 {
                return Err(["expected at least ", &short(bounds.0 / scale), unit].concat());
            }
            if *number > bounds.1 {
                return Err(["expected at most ", &short(bounds.1 / scale), unit].concat());
            }
        }
        Ok(self)
    }
}

/// A century: what is longer is a mistake, and sums of times and durations stay far from overflow.
const LONGEST: Millis = 100 * 366 * 86_400_000;

/// `1h30m` in milliseconds.
pub(super) fn duration(text: &str) -> Option<Millis> {
    const UNITS: [(&str, Millis); 6] =
        [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];
    let mut total: Millis = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_lowercase).count();
        let (name, after) = after.split_at(letters);
        let mut count: Millis = 0;
        for digit in number.bytes() {
            count = count.checked_mul(10)?.checked_add(Millis::from(digit - b'0'))?;
        }
        let (_, unit) = UNITS.iter().find(|(unit, _)| *unit == name && digits > 0)?;
        total = total.checked_add(count.checked_mul(*unit)?).filter(|total| *total <= LONGEST)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}
