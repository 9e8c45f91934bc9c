//! Numbers and values as JSON has them: what JSON cannot say is `null`.

use hedgerow_model::Value;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A column of numbers. NaN and infinities are `null`, and read back as NaN.
#[derive(Debug, Clone, Default)]
pub struct Column(pub Vec<f64>);

impl Column {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// As JSON sees them: what it cannot say is all the same.
impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (&f64, &f64)| a == b || (!a.is_finite() && !b.is_finite());
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }
}

impl Serialize for Column {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|number| number.is_finite().then_some(*number)))
    }
}

impl<'de> Deserialize<'de> for Column {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let numbers = Vec::<Option<f64>>::deserialize(deserializer)?;
        Ok(Self(numbers.into_iter().map(|number| number.unwrap_or(f64::NAN)).collect()))
    }
}

/// One value of a table: a number, a text (also of an integer that is too large for JSON's readers), or nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// A finite number.
    Number(f64),
    /// A text, or the text of a state.
    Text(String),
    /// A number that JSON has not.
    Nothing,
}

/// Integers up to here are exact as f64.
const EXACT: u64 = 1 << 53;

impl Cell {
    /// What a gauge's, a state's or a text's value is in a table.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::F64(number) if number.is_finite() => Self::Number(*number),
            Value::F64(_) => Self::Nothing,
            #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
            Value::I64(number) | Value::State(number, None) if number.unsigned_abs() <= EXACT => {
                Self::Number(*number as f64)
            }
            Value::I64(number) | Value::State(number, None) => Self::Text(number.to_string()),
            Value::Text(text) | Value::State(_, Some(text)) => Self::Text(text.to_string()),
        }
    }
}

/// A value as a number, where it is one.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::F64(number) => Some(*number),
        #[expect(clippy::cast_precision_loss, reason = "drawn, sorted and counted as f64")]
        Value::I64(number) => Some(*number as f64),
        Value::Text(_) | Value::State(..) => None,
    }
}

/// For fields that are there only when they say something.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}

/// For counts that are there only when they are not 0.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
pub(crate) fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_json_cannot_say_is_null_and_what_its_readers_round_is_text() {
        let column = Column(vec![1.0, f64::NAN, f64::INFINITY, -0.5]);
        assert_eq!(serde_json::to_string(&column).unwrap(), "[1.0,null,null,-0.5]");
        assert_eq!(serde_json::from_str::<Column>("[1.0,null,null,-0.5]").unwrap(), column);
        let cell = |value| serde_json::to_string(&Cell::of(&value)).unwrap();
        assert_eq!(cell(Value::F64(f64::NAN)), "null");
        assert_eq!(cell(Value::I64(i64::MIN)), "\"-9223372036854775808\"");
        assert_eq!(cell(Value::State(2, Some("down".into()))), "\"down\"");
        assert_eq!(cell(Value::State(2, None)), "2.0");
    }
}
