//! What a farm runs for a caller: within bounds, for the caller alone, and over what is stored the same every time.

use crate::ground::Ground;
use hedgerow_cache::Checkpoint;
use hedgerow_farm_monitor::config::FilterSettings;
use hedgerow_farm_monitor::filter::held::{Ended, HeldRuns, MAX_HELD, Order};
use hedgerow_farm_monitor::filter::host::FilterHost;
use hedgerow_filter_host::compile::Compiler;
use hedgerow_filter_host::guest::{Fault, GapReason};
use hedgerow_filter_host::run::{GapTold, Progress, Saved};
use hedgerow_model::deployment::Capability;
use hedgerow_model::{Glob, Kind, Name, Position, Value};
use hedgerow_proto::farm::item;
use hedgerow_proto::filter::RunResponse;
use hedgerow_proto::filter::run_response::Response;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(60);

fn guest(folder: &str, name: &str) -> bytes::Bytes {
    let path = format!("{}/../filters/{folder}/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap().into()
}

fn held(ground: &Ground, folder: &tempfile::TempDir) -> HeldRuns {
    HeldRuns::new(Arc::clone(&ground.hub), FilterHost::new(folder.path(), Compiler::InProcess))
}

/// This is not about time, and the machine may be slow.
fn settings() -> FilterSettings {
    FilterSettings { call_time: Duration::from_secs(20), ..FilterSettings::default() }
}

fn order(component: bytes::Bytes, parameters: &str, stored: Option<Range<i64>>) -> Order {
    Order { name: None, parameters: parameters.to_owned(), component, stored }
}

fn beat(ground: &Ground, seconds: u64) -> i64 {
    ground.pass(Duration::from_secs(seconds));
    ground.hub.beat();
    ground.now()
}

/// Runs it to its end, and gives what it told but for its cost, and how it ended.
async fn told(
    held: &HeldRuns,
    order: Order,
    settings: &FilterSettings,
) -> (Vec<Response>, Result<(), Ended>) {
    let (out, mut answer) = mpsc::channel(4);
    let read = async {
        let mut all = Vec::new();
        while let Some(told) = answer.recv().await {
            all.extend(response(told));
        }
        all
    };
    let run = async {
        let ended = held.run(order, settings, &out).await;
        drop(out);
        ended
    };
    let (ended, all) = tokio::time::timeout(PATIENCE, async { tokio::join!(run, read) }).await.unwrap();
    (all.into_iter().filter(|told| !matches!(told, Response::Cost(_))).collect(), ended)
}

fn response(told: Result<RunResponse, tonic::Status>) -> Option<Response> {
    told.unwrap().response
}

/// Series, time and value of what was emitted, with its series by their names.
fn emitted(told: &[Response]) -> Vec<(String, i64, Value)> {
    let (mut names, mut all) = (Vec::new(), Vec::new());
    for told in told {
        let Response::Message(message) = told else { continue };
        for item in message.decode_items() {
            match item.unwrap().item.unwrap() {
                item::Item::Series(series) => {
                    assert_eq!(series.id as usize, names.len() + 1, "dense, in their order");
                    names.push(format!("{}/{}/{}", series.cluster, series.node, series.parameter));
                }
                item::Item::Batch(batch) => {
                    let numbered = hedgerow_proto::convert::batch::from_wire(batch, |_| None).unwrap();
                    let named = |(id, time, value): (hedgerow_model::SeriesId, i64, Value)| {
                        (names[id.0 as usize - 1].clone(), time, value)
                    };
                    all.extend(numbered.batch.iter().map(named));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    all
}

#[tokio::test]
async fn a_backtest_gives_the_same_every_time_whatever_comes_after() {
    let (ground, folder) = (Ground::new(), tempfile::tempdir().unwrap());
    let held = held(&ground, &folder);
    ground.give(1, 5);
    beat(&ground, 1);
    let from = ground.now() + 1;
    beat(&ground, 1);
    for round in 2..40 {
        ground.give(round, 1 + round as usize % 7);
        beat(&ground, 1);
    }
    let to = ground.now() - 4_500;
    let order = || order(guest("fixtures", "echo"), "{}", Some(from..to));
    let (first, ended) = told(&held, order(), &settings()).await;
    ended.unwrap();
    let seen = emitted(&first);
    assert!(matches!(first.first(), Some(Response::Described(said)) if said.name == "echo"), "{first:?}");
    assert!(seen.iter().all(|(series, time, _)| series.starts_with("echo/") && (from..to).contains(time)));
    assert!(seen.iter().any(|(series, ..)| series == "echo/echo/seen"), "it was ticked: {seen:?}");
    assert!(seen.iter().any(|(series, ..)| series == "echo/n/p4"), "{seen:?}");
    assert_eq!(ground.hub.series_count(), 7 + 1, "nothing of it entered the hub");

    // Of the time before the farm began nothing is there.
    let early = Order { stored: Some(from - 86_400_000..to), ..order() };
    let (early, ended) = told(&held, early, &settings()).await;
    ended.unwrap();
    let missing = |told: &Response| match told {
        Response::Log(line) => line.of_farm && line.text.contains("are missing") && line.time < from,
        _ => false,
    };
    assert!(missing(&early[1]) && !first.iter().any(missing), "{early:?}");

    ground.give(99, 9);
    beat(&ground, 30);
    drop(held);
    let ground = ground.restart().await;
    let held = self::held(&ground, &folder);
    let (again, ended) = told(&held, order(), &settings()).await;
    ended.unwrap();
    assert_eq!(again, first);
}

#[tokio::test]
async fn a_live_run_and_a_backtest_of_what_was_stored_meanwhile_make_the_same() {
    let (ground, folder) = (Ground::new(), tempfile::tempdir().unwrap());
    let held = held(&ground, &folder);
    ground.give(1, 3);
    beat(&ground, 1);
    let (out, mut answer) = mpsc::channel(4);
    let live = {
        let held = held.clone();
        let order = order(guest("fixtures", "echo"), "{}", None);
        tokio::spawn(async move { held.run(order, &settings(), &out).await })
    };
    let described = tokio::time::timeout(PATIENCE, answer.recv()).await.unwrap().unwrap();
    assert!(matches!(response(described), Some(Response::Described(_))));
    while ground.hub.subscribers() == 0 {
        tokio::task::yield_now().await;
    }
    let from = beat(&ground, 1);
    for round in 0..20 {
        ground.give(round, 1 + round as usize % 5);
        beat(&ground, 1);
    }
    let last = ground.give_one("last", Kind::Gauge, Value::F64(7.0));
    let (mut seen, mut all) = (Vec::new(), Vec::new());
    while !seen.iter().any(|(series, ..): &(String, _, _)| series == "echo/n/last") {
        let told = tokio::time::timeout(PATIENCE, answer.recv()).await.unwrap().unwrap();
        all.extend(response(told));
        seen = emitted(&all);
        let cost =
            all.iter().rev().find_map(|told| if let Response::Cost(cost) = told { Some(cost) } else { None });
        let made = cost.map_or(0, |cost| cost.samples_out);
        assert!(made >= seen.len() as u64, "its cost lags behind what it made: {made} of {}", seen.len());
    }
    assert!(last.0 > 0);
    // Whoever breaks off has ended it.
    drop(answer);
    ground.give(100, 1);
    assert!(matches!(live.await.unwrap(), Err(Ended::Alone)));
    ground.pass(Duration::from_millis(500));
    let to = ground.now();
    ground.pass(Duration::from_secs(1));
    ground.hub.beat();
    let (tested, ended) =
        told(&held, order(guest("fixtures", "echo"), "{}", Some(from..to)), &settings()).await;
    ended.unwrap();
    let tested = emitted(&tested);
    assert_eq!(tested[..seen.len()], seen[..]);
    assert_eq!(tested.len(), seen.len() + 1, "and what came after the caller went");
}

#[tokio::test]
async fn a_guest_that_never_comes_back_is_stopped_and_its_caller_told() {
    let (ground, folder) = (Ground::new(), tempfile::tempdir().unwrap());
    let held = held(&ground, &folder);
    beat(&ground, 1);
    let from = ground.now() + 1;
    beat(&ground, 1);
    ground.give(1, 3);
    beat(&ground, 1);
    let bounded = FilterSettings { call_time: Duration::from_millis(50), ..settings() };
    let order = order(guest("fixtures", "loop-in-batch"), "{}", Some(from..ground.now()));
    let (_, ended) = told(&held, order, &bounded).await;
    let Err(Ended::Stopped(Fault::Overrun { call, what, .. })) = ended else { panic!("{ended:?}") };
    assert_eq!((call, what), ("on-batch", "processor time"));
}

#[tokio::test]
async fn alarms_are_told_with_the_time_of_then_and_what_the_farm_does_not_grant_is_refused() {
    let (ground, folder) = (Ground::new(), tempfile::tempdir().unwrap());
    let held = held(&ground, &folder);
    beat(&ground, 1);
    let from = ground.now() + 1;
    let first = beat(&ground, 1);
    ground.give_one("x", Kind::Gauge, Value::F64(0.95));
    beat(&ground, 1);
    let stored = Some(from..ground.now());
    let parameters = r#"{"above":0.9,"on":["*/c/n/x"]}"#;
    let component = guest("prebuilt", "threshold-alarm");
    let (all, ended) = told(&held, order(component.clone(), parameters, stored.clone()), &settings()).await;
    ended.unwrap();
    let alarms: Vec<&String> = all
        .iter()
        .filter_map(|told| if let Response::Alarm(alarm) = told { Some(alarm) } else { None })
        .collect();
    let alarm: serde_json::Value = serde_json::from_str(alarms[0]).unwrap();
    assert_eq!((&alarm["time"], &alarm["level"]), (&first.into(), &"warning".into()), "{alarm}");
    assert_eq!(alarm["series"][0], "c/n/x", "{alarm}");
    assert_eq!(alarms.len(), 1);

    let mean = FilterSettings { grant: [Capability::History].into(), ..settings() };
    let (_, ended) = told(&held, order(component, parameters, stored), &mean).await;
    let Err(Ended::Refused(why)) = ended else { panic!("{ended:?}") };
    assert!(why.contains("alarms"), "{why}");
}

#[tokio::test]
async fn an_action_is_told_and_not_run_whatever_the_farm_grants() {
    let (ground, folder) = (Ground::new(), tempfile::tempdir().unwrap());
    let held = held(&ground, &folder);
    beat(&ground, 1);
    let from = ground.now() + 1;
    let first = beat(&ground, 1);
    ground.give_one("x", Kind::Gauge, Value::F64(0.95));
    beat(&ground, 1);
    let stored = Some(from..ground.now());
    let parameters = r#"{"above":0.9,"on":["*/c/n/x"],"action":"restart","arguments":["node"]}"#;
    let none = FilterSettings { grant: [].into(), ..settings() };
    let (all, ended) =
        told(&held, order(guest("prebuilt", "threshold-action"), parameters, stored), &none).await;
    ended.unwrap();
    let action = |told: &Response| match told {
        Response::Action(action) => Some(serde_json::from_str::<serde_json::Value>(action).unwrap()),
        // That it was refused is what the filter would log.
        Response::Log(line) => panic!("{line:?}"),
        _ => None,
    };
    let asked: Vec<_> = all.iter().filter_map(action).collect();
    assert_eq!(
        asked,
        [serde_json::json!({"time": first, "action": "restart", "arguments": r#"{"node":"n"}"#})]
    );
}

#[tokio::test]
async fn hidden_clusters_and_wrong_parameters_are_refused_and_what_is_off_is_off() {
    let (ground, folder) = (Ground::new(), tempfile::tempdir().unwrap());
    let held = held(&ground, &folder);
    beat(&ground, 1);
    let component = guest("prebuilt", "threshold");
    let hidden = FilterSettings { hidden: vec![Glob::exact("secret")], ..settings() };
    for (parameters, word) in [
        (r#"{"above":1,"on":["*/secret"]}"#, "`secret`"),
        ("{}", "above"),
        (r#"{"above":1,"abvoe":2}"#, "`abvoe`"),
    ] {
        let (_, ended) = told(&held, order(component.clone(), parameters, None), &hidden).await;
        let Err(Ended::Refused(why)) = ended else { panic!("{ended:?}") };
        assert!(why.contains(word), "{why}");
    }
    let off = FilterSettings { enabled: false, ..settings() };
    assert!(HeldRuns::check(&off).unwrap_err().contains("filters.enabled"));
    let owners = FilterSettings { owners: Some([].into()), ..settings() };
    assert!(HeldRuns::check(&owners).unwrap_err().contains("filters.owners"));
    assert_eq!(HeldRuns::check(&settings()), Ok(()));
}

#[tokio::test]
async fn places_are_bounded_and_given_back() {
    let (ground, folder) = (Ground::new(), tempfile::tempdir().unwrap());
    let held = held(&ground, &folder);
    let mut places: Vec<_> = (0..MAX_HELD).map(|_| held.place().unwrap()).collect();
    assert!(held.clone().place().is_none());
    places.pop();
    assert!(held.place().is_some());
}

#[tokio::test]
async fn the_gaps_of_a_deployment_are_told_where_it_was_told_them() {
    let (ground, folder) = (Ground::new(), tempfile::tempdir().unwrap());
    let held = held(&ground, &folder);
    beat(&ground, 1);
    let from = ground.now() + 1;
    beat(&ground, 1);
    ground.give(1, 3);
    let after = ground.hub.routed();
    ground.give(2, 3);
    let through = ground.hub.routed();
    ground.give(3, 3);
    beat(&ground, 1);

    let gap = GapTold { after, through, reason: GapReason::Lag, count: Some(3) };
    let saved = Saved { gaps: vec![gap], ..Saved::fresh(after, None) };
    let progress = Progress {
        consumed: Position { number: through.number + 3, ..through }.into(),
        gaps: vec![],
        cost: Default::default(),
    };
    // As the runner writes it: its version, whose it is, its serial, no look-back.
    let state = [&[1][..], &[5; 32], &7_u64.to_le_bytes(), &[0], &[0; 8], &saved.to_bytes()].concat();
    let checkpoint = Checkpoint { consumed: progress.to_bytes().into(), state: Some(state.into()) };
    ground.hub.cache().checkpoint("mine", &checkpoint);
    ground.hub.cache().flush().unwrap();

    let stored = Some(from..ground.now());
    let anonymous = order(guest("fixtures", "echo"), r#"{"on":["*/c"]}"#, stored);
    let named = Order { name: Some(Name::new("mine").unwrap()), ..anonymous.clone() };
    let values = |told: &[Response]| -> Vec<f64> {
        let of = |(series, _, value): (String, i64, Value)| match value {
            Value::F64(value) if series.contains("/n/") => Some(value),
            _ => None,
        };
        emitted(told).into_iter().filter_map(of).collect()
    };
    let (all, _) = told(&held, anonymous, &settings()).await;
    assert_eq!(values(&all), [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0]);
    assert!(!all.iter().any(|told| matches!(told, Response::Gap(_))));
    let (all, _) = told(&held, named, &settings()).await;
    assert_eq!(values(&all), [1.0, 1.0, 1.0, 3.0, 3.0, 3.0], "what the deployment was not given");
    let gaps: Vec<_> =
        all.iter().filter_map(|told| if let Response::Gap(gap) = told { Some(gap) } else { None }).collect();
    assert_eq!(
        (gaps.len(), gaps[0].from, gaps[0].to, gaps[0].count),
        (1, after.number + 1, Some(through.number), Some(3))
    );
    assert_eq!(
        hedgerow_proto::convert::series::gap_from_wire((*gaps[0]).clone()).unwrap().reason.as_str(),
        "lag"
    );
}
