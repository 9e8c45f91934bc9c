//! Whether a value satisfies a predicate's constraint.

use super::{Comparison, Constraint};
use crate::series::Kind;
use crate::value::Value;
use std::cmp::Ordering;

/// Whether `value` of a series of this kind satisfies `constraint`. Texts satisfy no comparison, NaN only `!=`.
pub fn holds(constraint: &Constraint, kind: Kind, value: &Value) -> bool {
    match constraint {
        Constraint::Compare(comparison, wanted) => {
            let order = match value {
                Value::F64(value) => value.partial_cmp(wanted),
                Value::I64(value) if kind == Kind::Counter => compare_u64(value.cast_unsigned(), *wanted),
                Value::I64(value) | Value::State(value, _) => compare_i64(*value, *wanted),
                Value::Text(_) => return false,
            };
            match comparison {
                Comparison::Less => order == Some(Ordering::Less),
                Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                Comparison::Equal => order == Some(Ordering::Equal),
                Comparison::NotEqual => order != Some(Ordering::Equal),
                Comparison::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
                Comparison::Greater => order == Some(Ordering::Greater),
            }
        }
        Constraint::In(values) => match value {
            Value::Text(text) | Value::State(_, Some(text)) => values.iter().any(|wanted| **wanted == **text),
            Value::State(code, None) => values.iter().any(|wanted| wanted.parse() == Ok(*code)),
            Value::I64(value) if kind == Kind::Counter => {
                values.iter().any(|wanted| wanted.parse() == Ok(value.cast_unsigned()))
            }
            Value::I64(value) => values.iter().any(|wanted| wanted.parse() == Ok(*value)),
            Value::F64(value) => values.iter().any(|wanted| wanted.parse() == Ok(*value)),
        },
    }
}

/// Exact: an i64 beyond 2^53 is not rounded.
fn compare_i64(value: i64, wanted: f64) -> Option<Ordering> {
    compare_i128(i128::from(value), wanted)
}

fn compare_u64(value: u64, wanted: f64) -> Option<Ordering> {
    compare_i128(i128::from(value), wanted)
}

fn compare_i128(value: i128, wanted: f64) -> Option<Ordering> {
    if wanted.is_nan() {
        return None;
    }
    let floor = wanted.floor();
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and every i64 and u64 lies well inside")]
    let whole = floor as i128;
    Some(value.cmp(&whole).then(if wanted > floor { Ordering::Less } else { Ordering::Equal }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(comparison: Comparison, wanted: f64, value: &Value) -> bool {
        holds(&Constraint::Compare(comparison, wanted), Kind::Gauge, value)
    }

    #[test]
    fn integers_are_compared_exactly() {
        let big = (1_i64 << 53) + 1;
        assert!(compare(Comparison::Greater, 9_007_199_254_740_992.0, &Value::I64(big)));
        assert!(compare(Comparison::Less, 1.5, &Value::I64(1)));
        assert!(compare(Comparison::Greater, -1.5, &Value::I64(-1)));
        assert!(compare(Comparison::Less, f64::INFINITY, &Value::I64(i64::MAX)));
        let counter = Value::counter(u64::MAX);
        assert!(holds(&Constraint::Compare(Comparison::Greater, 1e19), Kind::Counter, &counter));
        assert!(compare(Comparison::Equal, -1.0, &counter), "the same bits of a gauge are -1");
    }

    #[test]
    fn texts_and_nan_satisfy_what_they_should() {
        assert!(!compare(Comparison::NotEqual, 1.0, &Value::Text("x".into())));
        assert!(compare(Comparison::NotEqual, 1.0, &Value::F64(f64::NAN)));
        assert!(!compare(Comparison::Less, 1.0, &Value::F64(f64::NAN)));
        let wanted = Constraint::In(vec!["down".into(), "3".into()]);
        assert!(holds(&wanted, Kind::State, &Value::State(0, Some("down".into()))));
        assert!(holds(&wanted, Kind::State, &Value::State(3, None)));
        assert!(holds(&wanted, Kind::Gauge, &Value::F64(3.0)));
        assert!(!holds(&wanted, Kind::Text, &Value::Text("up".into())));
    }
}
