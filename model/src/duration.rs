//! Durations and sizes as people write them: `30s`, `1h30m`, `2GiB`.

use std::time::Duration;

const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// The longest duration that is read: 100 years.
pub const MAX_SECONDS: u64 = 100 * 366 * 86_400;

/// Reads `30s`, `500ms`, `1h30m`, `2d`, `1w`; a number has no sign and may have a fraction (`1.5s`). `0s` is allowed.
///
/// # Errors
/// What was expected, in words that follow the text.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration: expected as in 500ms, 30s, 5m, 1h30m, 2d");
    let mut rest = text;
    let mut total = 0.0_f64;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = &rest[..letters];
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        #[expect(clippy::cast_precision_loss, reason = "units are small")]
        let millis = *millis as f64;
        total += number * millis;
        rest = &rest[letters..];
    }
    Duration::try_from_secs_f64(total / 1000.0)
        .ok()
        .filter(|d| d.as_secs() <= MAX_SECONDS)
        .ok_or_else(|| format!("`{text}` is too long: at most 100 years"))
        .map(|d| Duration::from_millis(u64::try_from((d.as_micros() + 500) / 1000).unwrap_or(u64::MAX)))
}

/// Writes a duration so that [`parse`] reads it back, to the millisecond: `1h30m`.
pub fn print(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if left == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (name, millis) in UNITS.into_iter().skip(1) {
        if left >= millis {
            text.push_str(&format!("{}{name}", left / millis));
            left %= millis;
        }
    }
    text
}

/// Reads a size in bytes: `512`, `64KiB`, `2GiB`, `10GB`.
///
/// # Errors
/// What was expected, in words that follow the text.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size: expected as in 512B, 64KiB, 2GiB, 10GB");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let factor: u64 = match text[digits..].trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is more bytes than there are"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_printed_back() {
        for (text, millis) in
            [("500ms", 500), ("30s", 30_000), ("1h30m", 5_400_000), ("2d", 172_800_000), ("1.5s", 1500)]
        {
            let duration = parse(text).unwrap();
            assert_eq!(duration.as_millis(), millis, "{text}");
            assert_eq!(parse(&print(duration)).unwrap(), duration);
        }
        assert_eq!(print(Duration::from_millis(5_400_000)), "1h30m");
        for bad in ["", "30", "s", "-3s", "3 s", "3x", "1e9d", "9999999999w"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert_eq!(parse_size("512"), Ok(512));
        assert!(parse_size("2 gigs").is_err());
        assert!(parse_size("99999999999TiB").is_err());
    }
}
