#![allow(clippy::unwrap_used)]
use super::*;
use hedgerow_filter::{Bench, Seen};

/// Made by `fixtures/make.py`: parts of 6 hours over 12 days; time, value, expected mean and deviation before it (or `-`).
const ORACLE: &str = include_str!("../fixtures/bands.txt");

const HOUR: Millis = 3_600_000;

fn bench(parameters: &str) -> Bench<Anomaly> {
    let mut bench = Bench::new(parameters).unwrap();
    bench.series_with("hosts", "n1", "load1", |series| series.unit = "1".into());
    bench
}

fn said(seen: &Seen, what: &str) -> Option<f64> {
    seen.value("n1", &format!("load1_{what}"))
}

/// Busy by day, idle by night, over some days, each hour thrice; what was said.
fn days(bench: &mut Bench<Anomaly>, days: std::ops::Range<i64>, restart: bool) -> Vec<Seen> {
    let mut all = Vec::new();
    for third in days.start * 72..days.end * 72 {
        let busy = if (8..18).contains(&(third / 3 % 24)) { 8.0 } else { 1.0 };
        let value = busy + [0.0, 0.1, -0.1][(third % 3) as usize];
        all.push(bench.batch(third * HOUR / 3, &[(0, value)]));
        if restart {
            bench.restart();
        }
    }
    all
}

#[test]
fn mean_and_deviation_of_each_part_are_those_of_all_seasons_before() {
    let mut bench = bench(r#"{"part":"6h","learn":2,"memory":1000,"floor":0,"width":1}"#);
    let mut judged = 0;
    for line in ORACLE.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let seen = bench.batch(words[0].parse().unwrap(), &[(0, words[1].parse().unwrap())]);
        let expected = words[2].parse::<f64>().ok().zip(words[3].parse::<f64>().ok());
        assert_eq!(said(&seen, "expected").is_some(), expected.is_some(), "{line}");
        let Some((mean, deviation)) = expected else { continue };
        let near = |found: Option<f64>, expected: f64| (found.unwrap() - expected).abs() < 1e-9;
        assert!(near(said(&seen, "expected"), mean), "{line}: {seen:?}");
        assert!(
            near(said(&seen, "low"), mean - deviation) && near(said(&seen, "high"), mean + deviation),
            "{line}"
        );
        let score = (words[1].parse::<f64>().unwrap() - mean) / deviation;
        assert!(near(said(&seen, "score"), score), "{line}");
        judged += 1;
    }
    assert!(judged > 500, "{judged}");
}

#[test]
fn the_same_value_is_usual_by_day_and_not_by_night() {
    let mut bench = bench("{}");
    let all = days(&mut bench, 0..5, false);
    assert!(all[..3 * 72].iter().all(Seen::is_empty), "three days are learnt from");
    assert!(all[3 * 72..].iter().all(|seen| said(seen, "score").unwrap().abs() < 2.0));
    let noon = bench.batch(5 * 24 * HOUR + 12 * HOUR, &[(0, 8.0)]);
    assert!(said(&noon, "score").unwrap().abs() < 1.0);
    let night = bench.batch(6 * 24 * HOUR + 2 * HOUR, &[(0, 8.0)]);
    assert!(said(&night, "score").unwrap() > 50.0, "{night:?}");
    assert!(said(&night, "high").unwrap() < 2.0);
    assert_eq!(night.emitted[3].unit, "1");
}

#[test]
fn one_outage_does_not_widen_the_band_for_long() {
    let mut bench = bench("{}");
    days(&mut bench, 0..5, false);
    for minute in 0..60 {
        bench.batch(5 * 24 * HOUR + 2 * HOUR + minute * 60_000, &[(0, 1e6)]);
    }
    let next = bench.batch(6 * 24 * HOUR + 2 * HOUR, &[(0, 1.0)]);
    assert!((0.9..1.3).contains(&said(&next, "expected").unwrap()), "{next:?}");
    assert!(said(&next, "high").unwrap() < 3.0, "{next:?}");
}

#[test]
fn what_has_changed_for_good_is_usual_after_a_while() {
    let mut bench = bench(r#"{"memory":4}"#);
    days(&mut bench, 0..5, false);
    let mut scores = Vec::new();
    for hour in 5 * 24..45 * 24 {
        scores.push(said(&bench.batch(hour * HOUR, &[(0, 20.0)]), "score").unwrap());
    }
    assert!(scores[0] > 50.0 && scores[scores.len() - 24..].iter().all(|score| *score < 4.0), "{scores:?}");
}

#[test]
fn a_value_that_never_changed_has_a_finite_score_when_it_does() {
    let mut bench = bench("{}");
    for hour in 0..24 * 4 {
        bench.batch(hour * HOUR, &[(0, 0.0)]);
    }
    let score = |bench: &mut Bench<Anomaly>, value: f64| {
        said(&bench.batch(96 * HOUR, &[(0, value)]), "score").unwrap()
    };
    assert_eq!([0.0, 1.0, -1.0].map(|value| score(&mut bench, value)), [0.0, 1_000.0, -1_000.0]);
}

#[test]
fn stopped_at_any_time_it_goes_on_as_if_it_had_not_been() {
    let plain = days(&mut bench(r#"{"learn":1}"#), 0..3, false);
    assert_eq!(days(&mut bench(r#"{"learn":1}"#), 0..3, true), plain);
    assert!(plain.iter().any(|seen| !seen.is_empty()));
}

#[test]
fn another_season_begins_anew() {
    let mut bench = bench(r#"{"learn":1}"#);
    days(&mut bench, 0..2, false);
    bench.restart_with(r#"{"learn":1,"width":2}"#);
    assert!(!days(&mut bench, 2..3, false)[0].is_empty());
    bench.restart_with(r#"{"learn":1,"part":"2h"}"#);
    let all = days(&mut bench, 3..5, false);
    assert!(all[0].is_empty() && !all[100].is_empty());
}

#[test]
fn those_that_ended_make_room() {
    let mut bench = Bench::<Anomaly>::new(r#"{"season":"week","part":"10m"}"#).unwrap();
    let most = u32::try_from(ROOM / 1_008).unwrap();
    let series: Vec<u32> = (0..=most).map(|n| bench.series("hosts", &format!("n{n}"), "x")).collect();
    let logs: usize = series.iter().map(|series| bench.batch(0, &[(*series, 1.0)]).logs.len()).sum();
    assert_eq!(logs, 1, "said once");
    assert!(bench.restart() < 16 << 20, "what a farm takes as a state");
    bench.life(series[0], Life::Ended, 1);
    assert!(bench.batch(1_000, &[(series[most as usize], 1.0)]).logs.is_empty(), "there is room again");
}

#[cfg(feature = "alarms")]
#[test]
fn an_alarm_is_raised_when_it_lasts_and_cleared_when_it_is_over() {
    let mut bench = bench(r#"{"hold":"10m","severity":"info"}"#);
    days(&mut bench, 0..4, false);
    let night = 4 * 24 * HOUR;
    let mut give = |minute: i64, value: f64| {
        let seen = bench.batch(night + minute * 60_000, &[(0, value)]);
        bench.restart();
        (seen.raised, seen.cleared)
    };
    for minute in [0, 5, 9] {
        assert!(give(minute, 8.0).0.is_empty());
    }
    let raised = give(10, 8.0).0;
    assert_eq!(
        (raised.len(), raised[0].severity, raised[0].value),
        (1, hedgerow_filter::Severity::Info, Some(8.0))
    );
    assert!(raised[0].text.starts_with("hosts/n1/load1 is 8, usual is 1 ("), "{}", raised[0].text);
    assert!(give(11, 8.0).0.is_empty() && give(12, 1.0).1.is_empty());
    let cleared = give(22, 1.0).1;
    assert!(cleared.len() == 1 && cleared[0].1.starts_with("back at 1, usual is 1"), "{cleared:?}");
}

#[test]
fn parts_divide_the_season() {
    for given in [r#"{"part":"7h"}"#, r#"{"part":"1m"}"#, r#"{"part":"2d"}"#] {
        let error = Bench::<Anomaly>::new(given).unwrap_err();
        assert!(error.starts_with("the parameter `part`: expected a part of a day"), "{given}: {error}");
    }
    assert!(Bench::<Anomaly>::new(r#"{"part":"10m","season":"week"}"#).is_ok());
}
