//! Parts of a date, in UTC, of Unix seconds.

const DAY: i64 = 86_400;

/// Year, month and day; by eras of 400 years that begin in March.
fn date(seconds: i64) -> (i64, i64, i64) {
    let days = seconds.div_euclid(DAY) + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * from_march + 2) / 5 + 1)
}

fn leaps(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leaps(year)),
        _ => 31,
    }
}

pub(super) fn year(seconds: i64) -> f64 {
    date(seconds).0 as f64
}

pub(super) fn month(seconds: i64) -> f64 {
    date(seconds).1 as f64
}

pub(super) fn day_of_month(seconds: i64) -> f64 {
    date(seconds).2 as f64
}

/// From 1.
pub(super) fn day_of_year(seconds: i64) -> f64 {
    let (year, month, day) = date(seconds);
    ((1..month).map(|month| days_of(year, month)).sum::<i64>() + day) as f64
}

pub(super) fn days_in_month(seconds: i64) -> f64 {
    let (year, month, _) = date(seconds);
    days_of(year, month) as f64
}

/// Sunday is 0; the first day of all was a Thursday.
pub(super) fn day_of_week(seconds: i64) -> f64 {
    (seconds.div_euclid(DAY) + 4).rem_euclid(7) as f64
}

pub(super) fn hour(seconds: i64) -> f64 {
    (seconds.rem_euclid(DAY) / 3600) as f64
}

pub(super) fn minute(seconds: i64) -> f64 {
    (seconds.rem_euclid(3600) / 60) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // 2024-02-29 13:45:10, a Thursday; 1969-12-31 23:59:59, a Wednesday.
        let all = [year, month, day_of_month, day_of_week, day_of_year, days_in_month, hour, minute];
        assert_eq!(all.map(|part| part(1_709_214_310)), [2024.0, 2.0, 29.0, 4.0, 60.0, 29.0, 13.0, 45.0]);
        assert_eq!(all.map(|part| part(-1)), [1969.0, 12.0, 31.0, 3.0, 365.0, 31.0, 23.0, 59.0]);
    }
}
