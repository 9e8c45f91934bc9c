#![allow(clippy::unwrap_used)]

use hedgerow_filter::{Bench, Seen};
#[cfg(feature = "alarms")]
use hedgerow_filter::{Life, Severity};

use super::*;

fn made(parameters: &str) -> Result<Bench<Threshold>, String> {
    let wanted = if ACTIONS { r#"{"action":"page","arguments":["node","text"],"# } else { "{" };
    Bench::new(&parameters.replacen('{', wanted, 1).replace(",}", "}"))
}

fn bench(parameters: &str) -> Bench<Threshold> {
    made(parameters).unwrap()
}

fn state(seen: &Seen) -> Option<f64> {
    seen.value("n1", "disk_used_state")
}

/// The states after each value, ten seconds apart; with a restart after each of them or not.
fn states(parameters: &str, values: &[f64], restart: bool) -> String {
    let mut bench = bench(parameters);
    let series = bench.series("hosts", "n1", "disk_used");
    let mut all = String::new();
    for (value, time) in values.iter().zip((0..).step_by(10_000)) {
        all.push(if state(&bench.batch(time, &[(series, *value)])) == Some(1.0) { '1' } else { '0' });
        if restart {
            bench.restart();
        }
    }
    all
}

fn check(parameters: &str, values: &[f64], expected: &str) {
    assert_eq!(states(parameters, values, false), expected);
    assert_eq!(states(parameters, values, true), expected, "over restarts");
}

#[test]
fn a_value_past_its_bound_changes_the_state_at_once() {
    check(r#"{"above":0.9}"#, &[0.5, 0.9, 0.91, 0.9, 0.95], "00101");
    check(r#"{"below":0.1}"#, &[0.5, 0.1, 0.09], "001");
    check(r#"{"above":0.9,"below":0.1}"#, &[0.95, 0.5, 0.05], "101");
}

#[test]
fn hysteresis_keeps_the_state_until_the_value_is_well_back() {
    check(r#"{"above":0.9,"hysteresis":0.1}"#, &[0.85, 0.91, 0.85, 0.81, 0.8, 0.85], "011100");
}

#[test]
fn hold_times_outlast_short_visits_on_either_side() {
    let given = r#"{"above":0.9,"hold":"20s","clear_hold":"10s"}"#;
    check(given, &[0.95, 0.95, 0.5, 0.95, 0.95, 0.95, 0.5, 0.95, 0.5, 0.5], "0000011110");
}

#[cfg(feature = "alarms")]
#[test]
fn an_alarm_is_raised_once_and_cleared_once() {
    let mut bench = bench(r#"{"above":10,"severity":"critical","runbook":"wipe it"}"#);
    let series = bench.series_with("hosts", "n1", "disk_used", |series| {
        series.labels = vec![("item".into(), "/var".into())];
        series.unit = "By".into();
    });
    assert!(bench.batch(0, &[(series, 5.0)]).raised.is_empty());
    let seen = bench.batch(1_000, &[(series, 11.5)]);
    let expected = Alarm {
        key: "hosts/n1/disk_used[/var]".into(),
        severity: Severity::Critical,
        text: "hosts/n1/disk_used[/var] is 11.5 By, above 10 By".into(),
        series: vec![series],
        value: Some(11.5),
        runbook: "wipe it".into(),
    };
    assert_eq!(seen.raised, [expected]);
    assert_eq!(seen.labelled("n1", "disk_used_state", &[("item", "/var")]), Some(1.0));
    bench.restart();
    assert!(bench.batch(2_000, &[(series, 12.0)]).raised.is_empty());
    let cleared = bench.batch(3_000, &[(series, 9.0)]).cleared;
    assert_eq!(cleared, [("hosts/n1/disk_used[/var]".to_owned(), "back at 9 By".to_owned())]);
    assert!(bench.batch(4_000, &[(series, 9.0)]).cleared.is_empty());
}

#[cfg(feature = "alarms")]
#[test]
fn a_series_that_ends_takes_its_alarm_with_it() {
    let mut bench = bench(r#"{"above":10}"#);
    let series = bench.series("hosts", "n1", "x");
    bench.batch(0, &[(series, 11.0)]);
    assert!(bench.life(series, Life::Stale, 1).cleared.is_empty(), "the farm marks it as unknown");
    assert_eq!(bench.life(series, Life::Ended, 2).cleared.len(), 1);
    assert!(bench.life(series, Life::Ended, 3).cleared.is_empty());
}

#[cfg(feature = "actions")]
#[test]
fn an_action_is_asked_for_once_when_the_value_gets_past_its_bound() {
    let mut bench = bench(r#"{"above":10,"hold":"1s"}"#);
    let series = bench.series("hosts", "n\"1", "x");
    assert!(bench.batch(0, &[(series, 11.0)]).asked.is_empty(), "not for long enough");
    let given = r#"{"node":"n\"1","text":"hosts/n\"1/x is 11, above 10"}"#;
    assert_eq!(bench.batch(1_000, &[(series, 11.0)]).asked, [("page".to_owned(), given.to_owned())]);
    bench.restart();
    assert!(bench.batch(2_000, &[(series, 12.0)]).asked.is_empty());
    assert!(bench.batch(3_000, &[(series, 9.0)]).asked.is_empty(), "nor when it is over");
    assert_eq!(
        bench.batch(4_000, &[(series, 11.0)]).asked.len() + bench.batch(5_000, &[(series, 11.0)]).asked.len(),
        1
    );

    let wrong = Bench::<Threshold>::new(r#"{"above":10,"action":"page","arguments":"nodes"}"#).unwrap_err();
    assert!(wrong.contains("path node text"), "{wrong}");
    let none = Bench::<Threshold>::new(r#"{"above":10}"#).unwrap_err();
    assert!(none.contains("`action` is missing"), "{none}");
}

#[test]
fn what_is_no_number_changes_nothing() {
    let mut bench = bench(r#"{"above":10}"#);
    let series = bench.series("hosts", "n1", "disk_used");
    assert_eq!(state(&bench.batch(0, &[(series, 11.0)])), Some(1.0));
    assert!(bench.batch(1, &[(series, f64::NAN)]).is_empty());
}

#[test]
fn bounds_that_make_no_sense_are_refused() {
    for (given, expected) in [
        ("{}", "one of the parameters `above` and `below`"),
        (r#"{"above":1,"below":1}"#, "has to be less than `above`"),
        (r#"{"above":1,"below":0.5,"hysteresis":0.3}"#, "by more than twice"),
        (r#"{"above":1,"hysteresis":-1}"#, "the parameter `hysteresis`: expected at least 0"),
    ] {
        let error = made(given).unwrap_err();
        assert!(error.contains(expected), "{given}: {error}");
    }
}

#[test]
fn only_the_one_for_alarms_asks_for_them() {
    let mut bench = bench(r#"{"above":10}"#);
    let series = bench.series("hosts", "n1", "x");
    assert_eq!(bench.batch(0, &[(series, 11.0)]).raised.len(), usize::from(ALARMS));
    assert_eq!(made(r#"{"above":10,"severity":"info"}"#).is_ok(), ALARMS);
}
