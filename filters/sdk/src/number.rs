//! Numbers as text and back, for parameters, logs and alarms. `format!` and `parse` of a float work too, and cost a filter 20 kB each.

/// The number without sign that a text begins with, and how many bytes of the text are it: `0.9`, `12e-3`. None where it does not
/// begin with one, or it is too large.
///
/// Exact for up to 15 digits and 22 places, which is all that people write; else off by some last bits at most.
pub fn decimal(text: &str) -> Option<(f64, usize)> {
    let bytes = text.as_bytes();
    let mut mantissa = 0_u64;
    let whole = digits(bytes, &mut mantissa);
    let mut at = whole;
    let mut power = 0_i32;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(&bytes[at + 1..], &mut mantissa);
        power = -i32::try_from(fraction).unwrap_or(i32::MAX);
        at += 1 + fraction;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = bytes.get(at + 1).filter(|sign| matches!(sign, b'+' | b'-'));
        at += 1 + usize::from(sign.is_some());
        let mut places = 0;
        let written = digits(&bytes[at..], &mut places);
        if written == 0 {
            return None;
        }
        at += written;
        let places = i32::try_from(places).unwrap_or(i32::MAX).min(1000);
        power = power.saturating_add(if sign == Some(&b'-') { -places } else { places });
    }
    let mut ten = 1.0;
    for _ in 0..power.unsigned_abs().min(2000) {
        ten *= 10.0;
    }
    let number = if power < 0 { mantissa as f64 / ten } else { mantissa as f64 * ten };
    (whole > 0 && number.is_finite() && mantissa < u64::MAX).then_some((number, at))
}

/// A whole number as text. `to_string` works too, and costs a filter 2 kB.
pub fn whole(value: u64) -> String {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value;
    while rest > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    digits[at..].iter().map(|digit| char::from(*digit)).collect()
}

/// How many digits there are, added to a number that stays where it would not fit.
fn digits(bytes: &[u8], to: &mut u64) -> usize {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |count, digit| {
        *to = to.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
        count + 1
    })
}

/// The number with at most six significant digits: `0.9`, `12345.7`, `1.5e12`, `-3e-7`.
pub fn short(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let size = value.abs();
    if size == f64::INFINITY {
        return [sign, "infinity"].concat();
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
        text.push_str(if power < 0 { "-" } else { "" });
        text.push_str(&whole(u64::from(power.unsigned_abs())));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{short, whole};

    #[test]
    fn whole_numbers_are_all_their_digits() {
        for value in [0, 9, 10, 86_400_000, u64::MAX] {
            assert_eq!(whole(value), value.to_string());
        }
    }

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
