//! Points in time as people write and read them: in the local zone, or in UTC. The one place of the command where the
//! wall clock is read.

use hedgerow_model::UnixMillis;
use hedgerow_model::moment::LocalTime;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The zone in which times are shown and, where they name none, read.
#[derive(Debug, Clone)]
pub struct Zone(TimeZone);

impl Zone {
    /// The local zone, or UTC.
    pub fn new(utc: bool) -> Self {
        Self(if utc { TimeZone::UTC } else { TimeZone::system() })
    }

    /// As `2026-11-20 14:00:05+01:00`.
    pub fn print(&self, at: UnixMillis) -> String {
        match Timestamp::from_millisecond(at) {
            Ok(time) => time.to_zoned(self.0.clone()).strftime("%Y-%m-%d %H:%M:%S%:z").to_string(),
            Err(_) => format!("{at} ms"),
        }
    }

    /// The moment of a local time; of an hour that comes twice the first, `None` for one that is skipped.
    pub fn resolve(&self, local: &LocalTime) -> Option<UnixMillis> {
        let part = |value: u8| i8::try_from(value).ok();
        let civil = DateTime::new(
            i16::try_from(local.year).ok()?,
            part(local.month)?,
            part(local.day)?,
            part(local.hour)?,
            part(local.minute)?,
            part(local.second)?,
            i32::from(local.millisecond) * 1_000_000,
        )
        .ok()?;
        let ambiguous = self.0.to_ambiguous_timestamp(civil);
        if matches!(ambiguous.offset(), jiff::tz::AmbiguousOffset::Gap { .. }) {
            return None;
        }
        ambiguous.earlier().ok().map(Timestamp::as_millisecond)
    }
}

/// Now.
pub fn now() -> UnixMillis {
    hedgerow_service::clock::unix_millis()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_model::moment::{Moment, parse};

    #[test]
    fn local_times_are_read_and_shown_with_their_offset() {
        // Written as a POSIX rule: tests need no data base of zones.
        let zurich = Zone(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap());
        let moment = |text| match parse(text).unwrap() {
            Moment::Local(local) => zurich.resolve(&local),
            Moment::At(at) => Some(at),
        };
        let winter = moment("2026-11-20 14:00").unwrap();
        assert_eq!(zurich.print(winter), "2026-11-20 14:00:00+01:00");
        assert_eq!(Zone::new(true).print(winter), "2026-11-20 13:00:00+00:00");
        assert_eq!(moment("2026-03-29 02:30"), None, "skipped in spring");
        assert_eq!(moment("2026-10-25 02:30"), moment("2026-10-25T02:30+02:00"), "the first of two");
        assert_eq!(zurich.print(i64::MAX), "9223372036854775807 ms");
    }
}
