//! Units as people print them, turned into base units, so that what two scripts say can be added up.

use hedgerow_model::Value;
use hedgerow_model::unit::is_unit;

const KI: f64 = 1024.0;

/// Unit as written, base unit, what one is in base units. `KB` and its relatives count in 1024s, as the
/// monitoring plugins do; UCUM's `kBy` counts in 1000s.
const TABLE: [(&str, &str, f64); 36] = [
    ("%", "1", 0.01),
    ("s", "s", 1.0),
    ("sec", "s", 1.0),
    ("ms", "s", 1e-3),
    ("us", "s", 1e-6),
    ("µs", "s", 1e-6),
    ("ns", "s", 1e-9),
    ("min", "s", 60.0),
    ("h", "s", 3600.0),
    ("d", "s", 86_400.0),
    ("B", "By", 1.0),
    ("KB", "By", KI),
    ("kB", "By", KI),
    ("MB", "By", KI * KI),
    ("GB", "By", KI * KI * KI),
    ("TB", "By", KI * KI * KI * KI),
    ("PB", "By", KI * KI * KI * KI * KI),
    ("KiB", "By", KI),
    ("MiB", "By", KI * KI),
    ("GiB", "By", KI * KI * KI),
    ("TiB", "By", KI * KI * KI * KI),
    ("PiB", "By", KI * KI * KI * KI * KI),
    ("kBy", "By", 1e3),
    ("MBy", "By", 1e6),
    ("GBy", "By", 1e9),
    ("TBy", "By", 1e12),
    ("KiBy", "By", KI),
    ("MiBy", "By", KI * KI),
    ("GiBy", "By", KI * KI * KI),
    ("TiBy", "By", KI * KI * KI * KI),
    ("B/s", "By/s", 1.0),
    ("KB/s", "By/s", KI),
    ("MB/s", "By/s", KI * KI),
    ("GB/s", "By/s", KI * KI * KI),
    ("C", "Cel", 1.0),
    ("°C", "Cel", 1.0),
];

/// The value in base units, with its unit. What the table does not know is carried as it is.
///
/// # Errors
/// The unit has no form a unit can have, or the value is too large in base units.
pub fn to_base(value: Value, unit: &str, counter: bool) -> Result<(Value, String), String> {
    let Some((_, base, factor)) = TABLE.iter().find(|(written, ..)| *written == unit) else {
        if !is_unit(unit) {
            return Err(format!(
                "`{}` is not a unit: expected as in s, ms, By, KiB, %, Cel, 1",
                unit.escape_debug()
            ));
        }
        return Ok((value, unit.to_owned()));
    };
    Ok((scale(value, *factor, counter)?, (*base).to_owned()))
}

fn scale(value: Value, factor: f64, counter: bool) -> Result<Value, String> {
    #[expect(clippy::cast_possible_truncation, reason = "whole factors of the table are below 2^53")]
    let whole = (factor.fract() == 0.0).then_some(factor as i64);
    let float = match (value, whole) {
        (value, Some(1)) => return Ok(value),
        (Value::I64(bits), Some(factor)) if counter => {
            let Some(scaled) = bits.cast_unsigned().checked_mul(factor.unsigned_abs()) else {
                return Err("is more than a counter can hold in base units".to_owned());
            };
            return Ok(Value::counter(scaled));
        }
        (Value::I64(value), Some(factor)) if value.checked_mul(factor).is_some() => {
            return Ok(Value::I64(value.wrapping_mul(factor)));
        }
        #[expect(clippy::cast_precision_loss, reason = "a fraction cannot be kept in an integer")]
        (Value::I64(bits), _) => {
            if counter {
                bits.cast_unsigned() as f64
            } else {
                bits as f64
            }
        }
        (Value::F64(value), _) => value,
        (other, _) => return Ok(other),
    };
    // A division, where that is exact: 250 ms are 0.25 s and 7 % are 0.07, not the next number to it.
    let scaled = if factor < 1.0 { float / (1.0 / factor).round() } else { float * factor };
    if scaled.is_finite() { Ok(Value::F64(scaled)) } else { Err("is too large in base units".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_become_base_units() {
        let cases = [
            (Value::I64(7), "%", Value::F64(0.07), "1"),
            (Value::F64(250.0), "ms", Value::F64(0.25), "s"),
            (Value::I64(3), "KB", Value::I64(3072), "By"),
            (Value::I64(3), "kBy", Value::I64(3000), "By"),
            (Value::F64(1.5), "GiB", Value::F64(1_610_612_736.0), "By"),
            (Value::I64(i64::MAX), "KB", Value::F64(9_223_372_036_854_775_807.0 * 1024.0), "By"),
            (Value::I64(5), "rpm", Value::I64(5), "rpm"),
            (Value::I64(5), "", Value::I64(5), ""),
        ];
        for (value, unit, expected, base) in cases {
            assert_eq!(to_base(value, unit, false), Ok((expected, base.to_owned())), "{unit}");
        }
        assert!(to_base(Value::I64(1), "k g", false).is_err());
        assert!(to_base(Value::counter(u64::MAX), "KB", true).is_err(), "a counter is never rounded");
        assert_eq!(to_base(Value::counter(u64::MAX), "B", true).unwrap().0, Value::counter(u64::MAX));
    }

    #[test]
    fn every_base_unit_is_a_unit() {
        for (written, base, factor) in TABLE {
            assert!(is_unit(base) && factor > 0.0, "{written}");
        }
    }
}
