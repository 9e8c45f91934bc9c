//! Numbers as text, for logs and alarms. `format!` of a float works too, and costs a filter 20 kB.

/// The number with at most six significant digits: `0.9`, `12345.7`, `1.5e12`, `-3e-7`.
pub fn short(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let size = value.abs();
    if size == f64::INFINITY {
        return format!("{sign}infinity");
    }
    if size == 0.0 {
        return "0".into();
    }
    // Digits as a whole number of six figures, and the power of ten of the first.
    let mut power = 0i32;
    let mut scaled = size;
    while scaled >= 10.0 {
        scaled /= 10.0;
        power += 1;
    }
    while scaled < 1.0 {
        scaled *= 10.0;
        power -= 1;
    }
    let mut digits = (scaled * 1e5 + 0.5) as u32;
    if digits >= 1_000_000 {
        digits /= 10;
        power += 1;
    }
    // The point stands where people expect it, unless that takes many zeros.
    let plain = (-5..9).contains(&power);
    let mut place = if plain { power } else { 0 };
    let mut text = String::from(sign);
    if place < 0 {
        text.push_str("0.");
        for _ in place..-1 {
            text.push('0');
        }
    }
    let mut unit = 100_000;
    while digits > 0 || place >= 0 {
        text.push(char::from(b'0' + (digits / unit.max(1) % 10) as u8));
        digits %= unit.max(1);
        unit /= 10;
        if place == 0 && digits > 0 {
            text.push('.');
        }
        place -= 1;
    }
    if !plain {
        text.push('e');
        text.push_str(&power.to_string());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn numbers_are_short() {
        for (value, expected) in [
            (0.0, "0"),
            (0.9, "0.9"),
            (-0.25, "-0.25"),
            (1.0, "1"),
            (100.0, "100"),
            (12_345.678, "12345.7"),
            (999_999.96, "1000000"),
            (123_456_789.0, "123457000"),
            (1.5e12, "1.5e12"),
            (-3e-7, "-3e-7"),
            (0.000_12, "0.00012"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-infinity"),
        ] {
            assert_eq!(short(value), expected);
        }
        assert!(short(f64::MAX).starts_with("1.7976") && short(f64::MAX).ends_with("e308"));
        assert!(short(f64::MIN_POSITIVE).ends_with("e-308"));
    }
}
