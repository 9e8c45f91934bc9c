//! Points in time as people write them: RFC 3339, or a local date and time whose zone only the caller knows.
//! It reads no clock and knows no time zones.

use crate::UnixMillis;

const DAY_MILLIS: i64 = 86_400_000;
/// The first millisecond of year 0 and the first after year 9999: RFC 3339 can say no other.
pub const RANGE: std::ops::Range<UnixMillis> = -62_167_219_200_000..253_402_300_800_000;

/// A date and time without a zone, checked to exist on the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub struct LocalTime {
    pub year: u16,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    pub millisecond: u16,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// With a zone.
    At(UnixMillis),
    /// Without.
    Local(LocalTime),
}

/// Finds the moment of a local time; `None` where a zone skips it.
pub type Resolve<'a> = &'a dyn Fn(&LocalTime) -> Option<UnixMillis>;

/// Takes local times for UTC.
pub fn utc(local: &LocalTime) -> Option<UnixMillis> {
    Some(local.as_utc())
}

impl LocalTime {
    /// The moment this is in UTC.
    pub fn as_utc(&self) -> UnixMillis {
        let seconds = (i64::from(self.hour) * 60 + i64::from(self.minute)) * 60 + i64::from(self.second);
        days_from_civil(i64::from(self.year), i64::from(self.month), i64::from(self.day)) * DAY_MILLIS
            + seconds * 1000
            + i64::from(self.millisecond)
    }
}

/// Reads `2026-11-20`, `2026-11-20 14:00`, `2026-11-20T14:00:05.250`, each but the first with `Z` or `+01:00` behind it
/// or without. What is finer than a millisecond is cut. Leap seconds (`:60`) are not known.
pub fn parse(text: &str) -> Option<Moment> {
    let mut rest = text;
    let year = number(&mut rest, 4)?;
    let month = u8::try_from(after(&mut rest, "-", 2)?).ok()?;
    let day = u8::try_from(after(&mut rest, "-", 2)?).ok()?;
    let mut local = LocalTime { year, month, day, hour: 0, minute: 0, second: 0, millisecond: 0 };
    if !(1..=12).contains(&month) || !(1..=days_of_month(year, month)).contains(&day) {
        return None;
    }
    if rest.is_empty() {
        return Some(Moment::Local(local));
    }
    rest = rest.strip_prefix(['T', 't', ' '])?;
    local.hour = u8::try_from(number(&mut rest, 2)?).ok().filter(|hour| *hour < 24)?;
    local.minute = u8::try_from(after(&mut rest, ":", 2)?).ok().filter(|minute| *minute < 60)?;
    if rest.starts_with(':') {
        local.second = u8::try_from(after(&mut rest, ":", 2)?).ok().filter(|second| *second < 60)?;
        if let Some(fraction) = rest.strip_prefix('.') {
            let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
            let (digits, behind) = fraction.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())?;
            local.millisecond = format!("{digits:0<3}").get(..3)?.parse().ok()?;
            rest = behind;
        }
    }
    let offset_minutes = match rest {
        "" => return Some(Moment::Local(local)),
        "Z" | "z" => 0,
        _ => {
            let east = rest.starts_with('+');
            rest = rest.strip_prefix(['+', '-'])?;
            let (hours, minutes) = (number(&mut rest, 2)?, after(&mut rest, ":", 2)?);
            if hours > 23 || minutes > 59 || !rest.is_empty() {
                return None;
            }
            i64::from(hours * 60 + minutes) * if east { 1 } else { -1 }
        }
    };
    Some(Moment::At(local.as_utc() - offset_minutes * 60_000))
        .filter(|m| matches!(m, Moment::At(at) if RANGE.contains(at)))
}

/// Writes RFC 3339 in UTC, milliseconds only where there are some: `2026-11-20T14:00:00Z`.
pub fn print(at: UnixMillis) -> String {
    let (year, month, day) = civil_from_days(at.div_euclid(DAY_MILLIS));
    let left = at.rem_euclid(DAY_MILLIS);
    let (hour, minute, second, millis) =
        (left / 3_600_000, left / 60_000 % 60, left / 1000 % 60, left % 1000);
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}") };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Takes exactly `digits` digits.
fn number(rest: &mut &str, digits: usize) -> Option<u16> {
    let (taken, behind) = rest.split_at_checked(digits)?;
    *rest = behind;
    taken.bytes().all(|b| b.is_ascii_digit()).then(|| taken.parse().ok())?
}

fn after(rest: &mut &str, separator: &str, digits: usize) -> Option<u16> {
    *rest = rest.strip_prefix(separator)?;
    number(rest, digits)
}

fn days_of_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

// Both ways count in eras of 400 years that begin on the first of March, so that leap days come last.

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (day, month) =
        (day_of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms_with_a_zone_and_without_are_read() {
        let noon = Some(Moment::At(1_795_176_000_000));
        for text in [
            "2026-11-20T12:00:00Z",
            "2026-11-20t12:00:00z",
            "2026-11-20 12:00Z",
            "2026-11-20T12:00:00.0009Z",
            "2026-11-20T13:00:00+01:00",
            "2026-11-20T06:30:00-05:30",
        ] {
            assert_eq!(parse(text), noon, "{text}");
        }
        let local = |text| match parse(text) {
            Some(Moment::Local(local)) => local.as_utc(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(local("2026-11-20 12:00"), 1_795_176_000_000);
        assert_eq!(local("2026-11-20T12:00:00.25"), 1_795_176_000_250);
        assert_eq!(local("2024-02-29"), 1_709_164_800_000);
    }

    #[test]
    fn what_is_not_on_the_calendar_is_refused() {
        for text in [
            "",
            "2026",
            "2026-1-1",
            "2026-02-29",
            "1900-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "2026-04-31",
            "2026-01-01T24:00",
            "2026-01-01T12:60",
            "2026-01-01T12:00:60Z",
            "2026-01-01T12",
            "2026-01-01T12:00:00.Z",
            "2026-01-01T12:00Zx",
            "2026-01-01T12:00+1:00",
            "2026-01-01T12:00+24:00",
            "2026-01-01Z",
            "２０２６-01-01",
            "+026-01-01",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00+00:01",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(at in RANGE) {
            prop_assert_eq!(parse(&print(at)), Some(Moment::At(at)));
        }
    }
}
