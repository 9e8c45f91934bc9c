//! From what an agent says to the value of a series. Integers stay exact where nothing but integers is multiplied; a value
//! of the wrong sort is an error, never a 0.

use crate::profile::{Object, Scale};
use crate::row::Row;
use crate::text::text;
use hedgerow_model::{Kind, Value};
use std::fmt;
use std::sync::Arc;

/// Largest power of ten that a scale may come to, up or down.
const MAX_POWER: u64 = 30;
/// Integers up to here are exact as f64.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A number as an agent says it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// All integer types; holds every i64 and u64.
    Whole(i128),
    /// Opaque float and double of Net-SNMP, and decimal fractions in texts.
    Real(f64),
}

/// Why there is no value though the agent gave one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoValue {
    /// Not a number where one is needed.
    #[error("is {0}, and no number")]
    NoNumber(&'static str),
    /// Not bytes, an address or an OID where a text is needed.
    #[error("is {0}, and no text")]
    NoText(&'static str),
    /// A counter or a state that is no whole number of its range.
    #[error("is {0}, which a {1} cannot be")]
    OutOfRange(String, Kind),
    /// What it is scaled by is not there or no number.
    #[error("`{0}`, by which it is scaled, is missing")]
    ScaleMissing(String),
    /// Too large, or no number, after scaling.
    #[error("is no number of a sensible size after scaling")]
    NotFinite,
}

impl Number {
    /// Rounded where it does not fit.
    #[expect(clippy::cast_precision_loss, reason = "it says so")]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(whole) => whole.fmt(f),
            Self::Real(real) => real.fmt(f),
        }
    }
}

/// The number that a value is. A text that is a plain decimal number counts: `laLoad` is one.
pub fn number(value: &hedgerow_snmp::Value) -> Option<Number> {
    use hedgerow_snmp::Value as Raw;
    Some(match value {
        Raw::Integer(number) => Number::Whole((*number).into()),
        Raw::Counter32(number) | Raw::Gauge32(number) | Raw::UInteger32(number) | Raw::TimeTicks(number) => {
            Number::Whole((*number).into())
        }
        Raw::Counter64(number) => Number::Whole((*number).into()),
        Raw::Opaque(_) => {
            let real = value.as_opaque_double().or_else(|| value.as_opaque_float().map(f64::from));
            let unsigned = value.as_opaque_counter64().or_else(|| value.as_opaque_u64()).map(i128::from);
            let whole = unsigned.or_else(|| value.as_opaque_i64().map(i128::from));
            whole.map(Number::Whole).or(real.map(Number::Real))?
        }
        Raw::OctetString(bytes) => decimal(std::str::from_utf8(bytes).ok()?.trim())?,
        _ => return None,
    })
}

/// Digits with a sign and a point at most: no `1e9`, no `inf`.
fn decimal(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.len() <= 40
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !plain {
        return None;
    }
    match text.parse::<i128>() {
        Ok(whole) => Some(Number::Whole(whole)),
        Err(_) => text.parse().ok().map(Number::Real),
    }
}

impl Scale {
    /// Whether a number stays as it is.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// The number in the object's unit; `None` where it is a share of nothing.
    fn of(&self, number: Number, row: &dyn Row) -> Result<Option<Number>, NoValue> {
        if self.is_plain() {
            return Ok(Some(number));
        }
        let get = |source: &crate::profile::Source| {
            row.number(source).ok_or_else(|| NoValue::ScaleMissing(source.0.clone()))
        };
        let times = self.times.as_ref().map(get).transpose()?;
        if self.over.is_none()
            && self.powers.is_empty()
            && let Some(product) = self.exact(number, times)
        {
            return Ok(Some(Number::Whole(product)));
        }
        let (mut up, mut down) = (times.map_or(1.0, Number::as_f64), 1.0);
        // 241 / 10 is 24.1; 241 × 0.1 is not.
        let inverse = (1.0 / self.factor).round();
        if self.factor.abs() < 1.0 && inverse.abs() < EXACT && 1.0 / inverse == self.factor {
            down = inverse;
        } else {
            up *= self.factor;
        }
        if let Some(over) = &self.over {
            let whole = get(over)?.as_f64();
            if whole <= 0.0 {
                return Ok(None);
            }
            down *= whole;
        }
        let mut power = 0_i64;
        for part in &self.powers {
            let Number::Whole(said) = get(&part.of)? else { return Err(NoValue::NotFinite) };
            let said = i32::try_from(said).map_err(|_| NoValue::NotFinite)?;
            let step = (i64::from(said) - i64::from(part.origin)).saturating_mul(part.step.into());
            power = power.saturating_add(step);
        }
        if power.unsigned_abs() > MAX_POWER {
            return Err(NoValue::NotFinite);
        }
        let ten = 10_f64.powi(i32::try_from(power.unsigned_abs()).unwrap_or(0));
        if power < 0 {
            down *= ten;
        } else {
            up *= ten;
        }
        let scaled = number.as_f64() * up / down;
        if scaled.is_finite() { Ok(Some(Number::Real(scaled))) } else { Err(NoValue::NotFinite) }
    }

    /// The product, where only whole numbers are multiplied and it fits an i64.
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    fn exact(&self, number: Number, times: Option<Number>) -> Option<i128> {
        let (Number::Whole(number), Number::Whole(times)) = (number, times.unwrap_or(Number::Whole(1)))
        else {
            return None;
        };
        if self.factor.fract() != 0.0 || self.factor.abs() > EXACT {
            return None;
        }
        let product = number.checked_mul(times)?.checked_mul(self.factor as i128)?;
        i64::try_from(product).is_ok().then_some(product)
    }
}

impl Object {
    /// The value of its series, from what the agent says. `None` where the agent says that it has none, or where it is a
    /// share of nothing.
    ///
    /// # Errors
    /// The agent's value is not of a sort that the object can have.
    pub fn value(&self, raw: &hedgerow_snmp::Value, row: &dyn Row) -> Result<Option<Value>, NoValue> {
        if raw.is_exception() || *raw == hedgerow_snmp::Value::Null {
            return Ok(None);
        }
        if self.kind == Kind::Text {
            // A number can be shown in a name, but an object that is a text cannot be one.
            use hedgerow_snmp::Value as Raw;
            let is_text = matches!(
                raw,
                Raw::OctetString(_) | Raw::Nsap(_) | Raw::IpAddress(_) | Raw::ObjectIdentifier(_)
            );
            let text = text(raw, self.text).filter(|_| is_text);
            let text = text.ok_or(NoValue::NoText(raw.kind().as_str()))?;
            return Ok(Some(Value::Text(Arc::from(text))));
        }
        let read = number(raw).ok_or(NoValue::NoNumber(raw.kind().as_str()))?;
        if matches!(read, Number::Whole(whole) if self.missing.iter().any(|missing| whole == i128::from(*missing)))
        {
            return Ok(None);
        }
        let Some(scaled) = self.scale.of(read, row)? else { return Ok(None) };
        let out_of_range = || NoValue::OutOfRange(scaled.to_string(), self.kind);
        Ok(Some(match (self.kind, scaled) {
            (Kind::Counter, Number::Whole(whole)) => {
                Value::counter(u64::try_from(whole).map_err(|_| out_of_range())?)
            }
            (Kind::Counter, Number::Real(real)) if real < 0.0 => return Err(out_of_range()),
            (Kind::State, Number::Whole(whole)) => {
                let code = i64::try_from(whole).map_err(|_| out_of_range())?;
                Value::State(code, self.words.get(&code).map(|word| Arc::from(word.as_str())))
            }
            (Kind::State, Number::Real(_)) => return Err(out_of_range()),
            (_, Number::Whole(whole)) => match i64::try_from(whole) {
                Ok(whole) => Value::I64(whole),
                Err(_) => Value::F64(scaled.as_f64()),
            },
            (_, Number::Real(real)) if real.is_finite() => Value::F64(real),
            (_, Number::Real(_)) => return Err(NoValue::NotFinite),
        }))
    }
}

#[cfg(test)]
mod tests;
