//! Values as people read them: bytes in powers of 1024, ratios in percent, seconds as durations. JSON never comes here.

use hedgerow_model::{Kind, SeriesDef, Value};
use hedgerow_shown::special;

/// The last value of a series, or one of its samples.
pub fn of_series(value: &Value, series: &SeriesDef) -> String {
    // Every target has it, and it means the same everywhere.
    if &*series.key.parameter == "up" && series.kind == Kind::Gauge {
        match value {
            Value::F64(1.0) | Value::I64(1) => return "up".to_owned(),
            Value::F64(0.0) | Value::I64(0) => return "DOWN".to_owned(),
            _ => {}
        }
    }
    amount(value, series.kind, &series.unit)
}

/// `value` of a series of this kind and unit.
pub fn amount(value: &Value, kind: Kind, unit: &str) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::State(code, Some(text)) => format!("{text} ({code})"),
        Value::State(code, None) => code.to_string(),
        Value::I64(code) if kind == Kind::State => code.to_string(),
        Value::I64(value) if is_plain(unit) && kind == Kind::Counter => {
            with_unit(&value.cast_unsigned().to_string(), unit)
        }
        Value::I64(value) if is_plain(unit) => with_unit(&value.to_string(), unit),
        #[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
        Value::I64(value) if kind == Kind::Counter => scaled(value.cast_unsigned() as f64, unit),
        #[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
        Value::I64(value) => scaled(*value as f64, unit),
        Value::F64(value) => scaled(*value, unit),
    }
}

/// How long ago, as in `3s`, `5m12s`, `2d4h`.
pub fn age(milliseconds: i64) -> String {
    if milliseconds < 0 {
        return format!("in {}", age(-milliseconds));
    }
    if milliseconds < 1000 { "0s".to_owned() } else { long((milliseconds / 1000).unsigned_abs(), "") }
}

/// So many bytes.
pub fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
    scaled(count as f64, "By")
}

/// Whether values of this unit are shown as they are.
fn is_plain(unit: &str) -> bool {
    !matches!(unit, "By" | "By/s" | "1" | "s" | "Hz" | "bit" | "bit/s")
}

fn scaled(value: f64, unit: &str) -> String {
    if !value.is_finite() {
        return special(value).to_owned();
    }
    match unit {
        "By" | "By/s" => {
            let (value, prefix) = prefixed(value, 1024.0, &["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]);
            format!("{} {prefix}B{}", number(value), unit.trim_start_matches("By"))
        }
        "Hz" | "bit" | "bit/s" => {
            let (value, prefix) = prefixed(value, 1000.0, &["", "k", "M", "G", "T", "P", "E"]);
            format!("{} {prefix}{unit}", number(value))
        }
        "1" => percent(value * 100.0),
        "s" => seconds(value),
        _ => with_unit(&number(value), unit),
    }
}

fn with_unit(number: &str, unit: &str) -> String {
    match unit {
        "" => number.to_owned(),
        "Cel" => format!("{number} °C"),
        "1/s" => format!("{number}/s"),
        _ => format!("{number} {}", counted(number, unit)),
    }
}

/// UCUM writes what is counted in braces, in the singular: `{node}`.
fn counted(number: &str, unit: &str) -> String {
    let Some((word, behind)) = unit.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
        return unit.replace(['{', '}'], "");
    };
    let is_one = number == "1" || word.ends_with('s') || !word.ends_with(|c: char| c.is_ascii_lowercase());
    format!("{word}{}{}", if is_one { "" } else { "s" }, behind.replace(['{', '}'], ""))
}

fn prefixed<'a>(value: f64, step: f64, prefixes: &[&'a str]) -> (f64, &'a str) {
    let mut value = value;
    let mut prefixes = prefixes.iter().copied().peekable();
    let mut prefix = prefixes.next().unwrap_or_default();
    while value.abs() >= step
        && let Some(next) = prefixes.next()
    {
        value /= step;
        prefix = next;
    }
    (value, prefix)
}

fn percent(value: f64) -> String {
    match value.abs() {
        0.0 => "0 %".to_owned(),
        size if size < 0.01 => "<0.01 %".to_owned(),
        size if size < 10.0 => format!("{value:.2} %"),
        size if size < 1000.0 => format!("{value:.1} %"),
        _ => format!("{} %", number(value)),
    }
}

fn seconds(value: f64) -> String {
    match value.abs() {
        // No duration that anybody measures: seconds since 1970.
        #[expect(clippy::cast_possible_truncation, reason = "far below the bound")]
        size if (1e9..1e10).contains(&size) => hedgerow_model::moment::print((value * 1000.0) as i64),
        0.0 => "0 s".to_owned(),
        size if size < 1e-6 => format!("{} ns", number(value * 1e9)),
        size if size < 1e-3 => format!("{} µs", number(value * 1e6)),
        size if size < 1.0 => format!("{} ms", number(value * 1e3)),
        size if size < 120.0 => format!("{} s", number(value)),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive, and saturates"
        )]
        size => format!("{}{}", if value < 0.0 { "-" } else { "" }, long(size as u64, " ")),
    }
}

/// The two largest of days, hours, minutes and seconds.
fn long(seconds: u64, between: &str) -> String {
    let parts =
        [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let from = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let shown: Vec<String> = parts
        .iter()
        .skip(from)
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if shown.is_empty() { "0s".to_owned() } else { shown.join(between) }
}

/// About four significant digits; whole numbers whole.
pub fn number(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        _ if !value.is_finite() => return special(value).to_owned(),
        0.0 => return "0".to_owned(),
        _ if value.trunc() == value && size < 1e15 => return format!("{value:.0}"),
        _ if !(1e-3..1e15).contains(&size) => return format!("{value:.3e}"),
        _ if size >= 1000.0 => format!("{value:.0}"),
        _ if size >= 100.0 => format!("{value:.1}"),
        _ if size >= 10.0 => format!("{value:.2}"),
        _ if size >= 0.1 => format!("{value:.3}"),
        _ => format!("{value:.5}"),
    };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_scaled_for_people() {
        let gauge = |value, unit| amount(&Value::F64(value), Kind::Gauge, unit);
        for (value, unit, expected) in [
            (0.0, "By", "0 B"),
            (1023.0, "By", "1023 B"),
            (1536.0, "By", "1.5 KiB"),
            (3.2e9, "By", "2.98 GiB"),
            (-2048.0, "By/s", "-2 KiB/s"),
            (0.4567, "1", "45.7 %"),
            (0.031_234, "1", "3.12 %"),
            (3e-7, "1", "<0.01 %"),
            (1.0, "1", "100.0 %"),
            (0.000_012, "s", "12 µs"),
            (0.0125, "s", "12.5 ms"),
            (59.5, "s", "59.5 s"),
            (3725.0, "s", "1h 2m"),
            (90_000.0, "s", "1d 1h"),
            (-180.0, "s", "-3m"),
            (1_795_172_302.0, "s", "2026-11-20T10:58:22Z"),
            (2.4e9, "Hz", "2.4 GHz"),
            (41.25, "Cel", "41.25 °C"),
            (12.0, "1/s", "12/s"),
            (12.0, "{packets}/s", "12 packets/s"),
            (12.0, "{sample}/s", "12 samples/s"),
            (0.0, "{node}", "0 nodes"),
            (1.0, "{node}", "1 node"),
            (3.0, "{series}", "3 series"),
            (2.0, "{#}", "2 #"),
            (0.17, "", "0.17"),
            (1_234_567.0, "", "1234567"),
            (1.5e-9, "", "1.500e-9"),
            (1e300, "By", "8.674e281 EiB"),
            (f64::NAN, "By", "NaN"),
            (f64::NEG_INFINITY, "", "-Inf"),
        ] {
            assert_eq!(gauge(value, unit), expected, "{value} {unit}");
        }
    }

    #[test]
    fn kinds_are_shown_as_what_they_are() {
        assert_eq!(amount(&Value::counter(u64::MAX), Kind::Counter, ""), "18446744073709551615");
        assert_eq!(amount(&Value::counter(u64::MAX), Kind::Counter, "By"), "16 EiB");
        assert_eq!(amount(&Value::I64(-1), Kind::Gauge, ""), "-1");
        assert_eq!(amount(&Value::State(1, Some("WARNING".into())), Kind::State, ""), "WARNING (1)");
        assert_eq!(amount(&Value::I64(2), Kind::State, ""), "2");
    }

    #[test]
    fn ages_have_two_parts() {
        assert_eq!(age(400), "0s");
        assert_eq!(age(61_000), "1m1s");
        assert_eq!(age(7_200_000), "2h");
        assert_eq!(age(200_000_000), "2d7h");
        assert_eq!(age(-5000), "in 5s");
    }
}
