#![allow(clippy::unwrap_used)]
use super::*;
use hedgerow_filter::{Bench, Seen};

const MINUTE: Millis = 60_000;

/// A disk that grows by 0.01 a minute from 0.1 on, asked once a minute; what was said at each.
fn growing(bench: &mut Bench<Forecast>, minutes: std::ops::Range<i64>, restart: bool) -> Vec<Seen> {
    let mut all = Vec::new();
    for minute in minutes {
        all.push(bench.batch(minute * MINUTE, &[(0, 0.1 + 0.01 * minute as f64)]));
        if restart {
            bench.restart();
        }
    }
    all
}

fn bench(parameters: &str) -> Bench<Forecast> {
    let mut bench = Bench::new(parameters).unwrap();
    bench.series_with("hosts", "n1", "disk_used", |series| {
        series.labels = vec![("item".into(), "/var".into())];
        series.unit = "1".into();
    });
    bench
}

fn said(seen: &Seen, what: &str) -> Option<f64> {
    seen.labelled("n1", what, &[("item", "/var")])
}

#[test]
fn a_line_is_gone_on_with_and_its_time_to_the_limit_is_said() {
    let mut bench = bench(r#"{"step":"1m","horizon":"10m"}"#);
    let all = growing(&mut bench, 0..30, false);
    assert!(all[..8].iter().all(Seen::is_empty), "it takes eight steps to draw a line");
    // The step before the last one that came is the last that is over.
    let (value, left) = (said(&all[29], "disk_used_forecast"), said(&all[29], "disk_used_time_to_limit"));
    assert!((value.unwrap() - (0.1 + 0.01 * 38.0)).abs() < 1e-9, "{value:?}");
    assert!((left.unwrap() - 62.0 * 60.0).abs() < 1e-3, "{left:?}");
    assert_eq!((all[29].emitted[0].time, all[29].emitted[1].unit.as_str()), (29 * MINUTE, "s"));
}

#[test]
fn what_does_not_go_to_the_limit_has_no_time_to_it() {
    let mut bench = bench(r#"{"step":"1m","from":"above","limit":0}"#);
    let all = growing(&mut bench, 0..20, false);
    assert!(said(&all[19], "disk_used_forecast").is_some());
    assert_eq!(said(&all[19], "disk_used_time_to_limit"), None);
}

#[test]
fn stopped_at_any_time_it_goes_on_as_if_it_had_not_been() {
    for parameters in [r#"{"step":"3m"}"#, r#"{"step":"1m","season":"6m"}"#] {
        let plain = growing(&mut bench(parameters), 0..60, false);
        assert_eq!(growing(&mut bench(parameters), 0..60, true), plain);
        assert!(plain.iter().filter(|seen| !seen.is_empty()).count() > 10);
    }
}

#[test]
fn a_long_silence_begins_anew_and_a_short_one_does_not() {
    for (silence, is_forecast) in [(10, true), (30, false)] {
        let mut bench = bench(r#"{"step":"1m"}"#);
        growing(&mut bench, 0..20, false);
        let all = growing(&mut bench, 20 + silence..23 + silence, false);
        assert_eq!(said(&all[2], "disk_used_forecast").is_some(), is_forecast, "{silence}");
    }
}

#[test]
fn what_comes_late_or_from_before_the_deployment_is_not_told() {
    let mut bench = bench(r#"{"step":"1m"}"#);
    let past = |minute: i64| Batch {
        numbers: hedgerow_filter::Column {
            series: vec![0],
            times: vec![minute * MINUTE],
            values: vec![minute as f64],
        },
        look_back: true,
        ..Batch::default()
    };
    for minute in 0..20 {
        assert!(bench.whole_batch(&past(minute)).is_empty());
    }
    let first = bench.batch(20 * MINUTE, &[(0, 20.0)]);
    assert!(said(&first, "disk_used_forecast").is_some(), "it has learnt from it all the same");
    assert!(bench.batch(MINUTE, &[(0, 1e9)]).is_empty());
    let next = said(&bench.batch(21 * MINUTE, &[(0, 21.0)]), "disk_used_forecast").unwrap();
    assert!(next < 2000.0, "{next}");
}

#[cfg(feature = "alarms")]
#[test]
fn an_alarm_is_raised_once_it_is_soon_and_cleared_when_it_is_not() {
    let mut bench = bench(r#"{"step":"1m","within":"30m","severity":"critical","level":1,"trend":0.9}"#);
    let all = growing(&mut bench, 0..80, true);
    let raised: Vec<_> = all.iter().flat_map(|seen| &seen.raised).collect();
    assert_eq!(raised.len(), 1);
    assert_eq!(raised[0].text, "hosts/n1/disk_used[/var] reaches 1 in 29m");
    let mut cleared = Vec::new();
    for minute in 80..90 {
        cleared.extend(bench.batch(minute * MINUTE, &[(0, 0.5)]).cleared);
    }
    let expected = ("hosts/n1/disk_used[/var]".to_owned(), "it does not go to 1".to_owned());
    assert_eq!(cleared, [expected]);
}

#[cfg(feature = "alarms")]
#[test]
fn a_series_that_ends_takes_its_alarm_with_it() {
    let mut bench = bench(r#"{"step":"1m","limit":0.3}"#);
    growing(&mut bench, 0..40, false);
    assert_eq!(bench.life(0, Life::Ended, 1).cleared.len(), 1);
    assert!(bench.life(0, Life::Ended, 2).cleared.is_empty());
}

#[test]
fn other_steps_begin_anew() {
    // A state of steps of a minute would hold all steps of an hour for late.
    let mut bench = bench(r#"{"step":"1m"}"#);
    growing(&mut bench, 0..20, false);
    bench.restart_with(r#"{"step":"2m"}"#);
    let all = growing(&mut bench, 20..50, false);
    assert_eq!(all.iter().filter(|seen| !seen.is_empty()).count(), 7, "eight steps, and then each");
    bench.restart_with(r#"{"step":"2m","limit":7}"#);
    assert!(!growing(&mut bench, 50..51, false)[0].is_empty(), "with the same steps it goes on");
}

#[test]
fn there_is_room_for_so_many_series() {
    let mut bench = Bench::<Forecast>::new(r#"{"step":"1s","season":"500s"}"#).unwrap();
    let series: Vec<u32> = (0..1_001).map(|n| bench.series("hosts", &format!("n{n}"), "x")).collect();
    let logs: usize = series.iter().map(|series| bench.batch(0, &[(*series, 1.0)]).logs.len()).sum();
    assert_eq!(logs, 1, "said once");
    bench.life(series[0], Life::Ended, 1);
    assert!(bench.batch(1_000, &[(series[1_000], 1.0)]).logs.is_empty(), "there is room again");
}

#[test]
fn seasons_are_some_steps() {
    for (given, expected) in [
        (r#"{"season":"7m"}"#, "the parameter `season`: expected 0s, or 2 to 512 times `step`"),
        (r#"{"season":"5m"}"#, "the parameter `season`"),
        (r#"{"step":"1m","season":"1d"}"#, "the parameter `season`"),
        (r#"{"level":2}"#, "the parameter `level`: expected at most 1"),
    ] {
        let error = Bench::<Forecast>::new(given).unwrap_err();
        assert!(error.starts_with(expected), "{given}: {error}");
    }
    assert_eq!(["59", "3600", "90061"].map(|seconds| span(seconds.parse().unwrap())), ["0m", "1h0m", "1d1h"]);
}
