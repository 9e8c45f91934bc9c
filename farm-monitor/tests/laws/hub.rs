//! The front door: what comes in is counted, what is refused is named, what goes on is in normal form.

use crate::ground::{Ground, Story};
use hedgerow_collect::front_door::FrontDoor;
use hedgerow_farm_monitor::hub::Bounds;
use hedgerow_model::{
    Batch, BatchBuilder, Columns, Kind, Labels, Life, Name, Refusal, SeriesDef, SeriesId, SeriesKey, Times,
    Value,
};
use proptest::prelude::*;
use std::time::Duration;

fn def(cluster: &str, parameter: &str, kind: Kind) -> SeriesDef {
    let name = |text: &str| Name::new(text).unwrap();
    SeriesDef {
        key: SeriesKey {
            cluster: name(cluster),
            node: name("n"),
            parameter: name(parameter),
            labels: Labels::none(),
        },
        kind,
        unit: String::new(),
        source: "test".into(),
        interval: Some(Duration::from_secs(10)),
        lifetime: Some(Duration::from_secs(600)),
        description: String::new(),
    }
}

fn one(id: SeriesId, time: i64, value: Value) -> Batch {
    let mut builder = BatchBuilder::new();
    builder.push(id, time, value, None);
    builder.build()
}

#[tokio::test]
async fn each_refusal_has_its_own_word() {
    let ground = Ground::new();
    let hub = &ground.hub;
    let (mine, yours) = (hub.origin("mine"), hub.origin("yours"));
    let gauge = hub.declare(mine, &def("c1", "g", Kind::Gauge)).unwrap();
    let text = hub.declare(mine, &def("c1", "t", Kind::Text)).unwrap();
    let now = ground.now();
    let refused = |batch: Batch| {
        let accepted = hub.accept(mine, batch);
        assert_eq!(accepted.accepted, 0);
        accepted.refused
    };
    assert_eq!(refused(one(gauge, now - 86_400_001, Value::F64(1.0))), [(Refusal::TimeRange, 1)]);
    assert_eq!(refused(one(gauge, now + 600_001, Value::F64(1.0))), [(Refusal::TimeRange, 1)]);
    assert_eq!(refused(one(gauge, now, Value::Text("x".into()))), [(Refusal::BadValue, 1)]);
    assert_eq!(refused(one(text, now, Value::F64(1.0))), [(Refusal::BadValue, 1)]);
    assert_eq!(refused(one(SeriesId(999), now, Value::F64(1.0))), [(Refusal::BadName, 1)]);
    let mut looped = one(gauge, now, Value::F64(1.0));
    looped.generation = 9;
    assert_eq!(refused(looped), [(Refusal::Loop, 1)]);
    assert_eq!(hub.accept(mine, one(gauge, now, Value::F64(1.0))).accepted, 1);
    assert_eq!(refused(one(gauge, now, Value::F64(1.0))), [(Refusal::Duplicate, 1)]);
    assert_eq!(
        hub.accept(mine, one(gauge, now, Value::F64(-0.0))).accepted,
        1,
        "another value is no duplicate"
    );
    assert_eq!(hub.declare(yours, &def("c1", "new", Kind::Gauge)), Err(Refusal::SourceClash));
    assert_eq!(hub.declare(mine, &def("c1", "g", Kind::Counter)), Err(Refusal::BadValue));
    let bad_unit = SeriesDef { unit: "k g".into(), ..def("c1", "u", Kind::Gauge) };
    assert_eq!(hub.declare(mine, &bad_unit), Err(Refusal::BadName));
}

#[tokio::test]
async fn series_are_bounded_per_origin_and_per_farm() {
    let ground = Ground::bounded(3, 5);
    let hub = &ground.hub;
    let (a, b) = (hub.origin("a"), hub.origin("b"));
    for at in 0..3 {
        hub.declare(a, &def("ca", &format!("p{at}"), Kind::Gauge)).unwrap();
    }
    assert_eq!(hub.declare(a, &def("ca", "p3", Kind::Gauge)), Err(Refusal::SeriesLimit));
    assert!(hub.declare(a, &def("ca", "p0", Kind::Gauge)).is_ok(), "a known one stays known");
    for at in 0..2 {
        hub.declare(b, &def("cb", &format!("p{at}"), Kind::Gauge)).unwrap();
    }
    assert_eq!(hub.declare(b, &def("cb", "p2", Kind::Gauge)), Err(Refusal::SeriesLimit), "the farm is full");
    let edge = hub.edges().into_iter().find(|edge| edge.name == "source:b").unwrap();
    assert_eq!(edge.lost, [("series:series_limit".to_owned(), 1)]);
    assert!(
        hub.declare(b, &def("cb", "up", Kind::Gauge)).is_ok(),
        "whether a target answers is known of each"
    );
}

#[tokio::test]
async fn silence_is_told_and_the_next_sample_takes_it_back() {
    let ground = Ground::new();
    let hub = &ground.hub;
    let origin = hub.origin("mine");
    let id = hub.declare(origin, &def("c1", "g", Kind::Gauge)).unwrap();
    hub.accept(origin, one(id, ground.now(), Value::F64(1.0)));
    let life = |of: &Ground| of.hub.known(&[id])[0].life;
    ground.forget_for(Duration::from_secs(30));
    assert_eq!(life(&ground), Life::Live, "three intervals are not over yet");
    ground.forget_for(Duration::from_secs(1));
    assert_eq!(life(&ground), Life::Stale);
    assert_eq!(&*hub.known(&[id])[0].life_reason, "missed 3 intervals of 10s");
    hub.accept(origin, one(id, ground.now(), Value::F64(1.0)));
    assert_eq!(life(&ground), Life::Live);
    ground.forget_for(Duration::from_secs(601));
    assert_eq!(life(&ground), Life::Ended);
    hub.set_life(&[id], Life::Live, "");
    hub.set_life(&[id], Life::Stale, "target timed out");
    assert_eq!(&*hub.known(&[id])[0].life_reason, "target timed out");
}

#[tokio::test]
async fn long_texts_are_cut_and_kept() {
    let ground = Ground::new();
    let origin = ground.hub.origin("mine");
    let id = ground.hub.declare(origin, &def("c1", "t", Kind::Text)).unwrap();
    ground.hub.accept(origin, one(id, ground.now(), Value::Text("x".repeat(5000).into())));
    let latest = ground.hub.known(&[id])[0].latest.clone().unwrap();
    assert_eq!(latest.value, Value::Text("x".repeat(4096).into()));
}

/// (series 0..6, time offset 0..4 ms, value 0..3)
fn samples() -> impl Strategy<Value = Vec<Vec<(usize, i64, u8)>>> {
    proptest::collection::vec(proptest::collection::vec((0..6_usize, 0..4_i64, 0..3_u8), 1..30), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever comes in: made = accepted + refused, numbers are dense, every accepted sample is there once and as it came.
    #[test]
    fn the_ledger_adds_up_and_numbers_are_dense(batches in samples()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ground = Ground::new();
            let hub = &ground.hub;
            let origin = hub.origin("mine");
            let ids: Vec<SeriesId> =
                (0..6).map(|at| hub.declare(origin, &def("c1", &format!("p{at}"), Kind::Gauge)).unwrap()).collect();
            let start = ground.now();
            let (mut made, mut accepted, mut refused) = (0, 0, 0);
            let mut wanted: Vec<(u32, i64, u8)> = Vec::new();
            for batch in &batches {
                let mut values = Columns::default();
                batch.iter().for_each(|(_, _, value)| values.push(Value::F64(f64::from(*value))));
                let series = batch.iter().map(|(at, _, _)| ids[*at]).collect();
                let times = Times::Each(batch.iter().map(|(_, offset, _)| start + offset).collect());
                let outcome = hub.accept(origin, Batch { series, times, values, marks: Vec::new(), generation: 0 });
                made += batch.len() as u64;
                accepted += outcome.accepted;
                let lost: u64 = outcome.refused.iter().map(|(_, count)| count).sum();
                refused += lost;
                assert!(outcome.refused.iter().all(|(reason, _)| *reason == Refusal::Duplicate));
                wanted.extend(batch.iter().map(|(at, offset, value)| (ids[*at].0, start + offset, *value)));
            }
            assert_eq!(made, accepted + refused);
            assert_eq!(hub.routed().number, accepted, "numbers are dense");
            let edge = hub.edges().into_iter().find(|edge| edge.name == "source:mine").unwrap();
            assert_eq!((edge.samples, edge.passed), (made, accepted));
            let story = Story::query(&ground, "* since=1h", &[]).ended().await;
            story.assert_complete(1, accepted);
            let mut shown: Vec<(u32, i64, u8)> = story.shown.clone();
            shown.sort_unstable();
            wanted.sort_unstable();
            wanted.dedup();
            shown.dedup();
            assert_eq!(shown, wanted, "what was accepted is what came, and nothing else");
        });
    }
}

#[tokio::test]
async fn what_is_sent_again_is_dropped_also_behind_newer_ones() {
    let ground = Ground::new();
    let hub = &ground.hub;
    let origin = hub.origin("mine");
    let pushed = SeriesDef { interval: None, ..def("c1", "g", Kind::Gauge) };
    let id = hub.declare(origin, &pushed).unwrap();
    let push = |values: &[(i64, f64)]| {
        let mut builder = BatchBuilder::new();
        values.iter().for_each(|(at, value)| builder.push(id, ground.now() + at, Value::F64(*value), None));
        let accepted = hub.accept(origin, builder.build());
        (accepted.accepted, accepted.refused)
    };
    let bulk = [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0), (5, f64::NAN)];
    assert_eq!(push(&bulk), (5, vec![]));
    assert_eq!(push(&bulk), (0, vec![(Refusal::Duplicate, 5)]));
    assert_eq!(push(&[(2, 2.5)]), (1, vec![]), "another value");
    assert_eq!(push(&[(9, 1.0), (9, 1.0)]), (1, vec![(Refusal::Duplicate, 1)]), "twice in one push");
    assert_eq!(push(&[(9, 2.0), (9, 1.0)]), (1, vec![(Refusal::Duplicate, 1)]));
    let ordered = hub.declare(origin, &def("c1", "o", Kind::Gauge)).unwrap();
    for time in [1, 2, 1, 1] {
        hub.accept(origin, one(ordered, ground.now() + time, Value::F64(0.0)));
    }
    let story = Story::query(&ground, "*/*/*/o since=1h", &[]).ended().await;
    assert_eq!(story.samples.len(), 3, "one whose interval is declared: once times have come out of order");
}

#[tokio::test]
async fn the_text_of_a_state_belongs_to_its_value() {
    let ground = Ground::new();
    let hub = &ground.hub;
    let origin = hub.origin("mine");
    let id = hub.declare(origin, &def("c1", "s", Kind::State)).unwrap();
    let now = ground.now();
    let state = |text: Option<&str>| one(id, now, Value::State(1, text.map(Into::into)));
    assert_eq!(hub.accept(origin, state(Some("disk full"))).accepted, 1);
    assert_eq!(hub.accept(origin, state(Some("disk full"))).accepted, 0);
    assert_eq!(hub.accept(origin, state(None)).accepted, 0, "unchanged");
    assert_eq!(hub.accept(origin, state(Some("disk fuller"))).accepted, 1);
}

#[tokio::test]
async fn series_of_an_earlier_run_count_for_who_declares_them_again() {
    let ground = Ground::bounded(3, 100);
    let a = ground.hub.origin("a");
    for at in 0..3 {
        ground.hub.declare(a, &def("ca", &format!("p{at}"), Kind::Gauge)).unwrap();
    }
    let ground = ground.restart_bounded(Bounds { per_origin: 3, per_farm: 100 }).await;
    let a = ground.hub.origin("a");
    for at in 0..3 {
        ground.hub.declare(a, &def("ca", &format!("p{at}"), Kind::Gauge)).unwrap();
        ground.hub.declare(a, &def("ca", &format!("p{at}"), Kind::Gauge)).unwrap();
    }
    assert_eq!(ground.hub.declare(a, &def("ca", "p3", Kind::Gauge)), Err(Refusal::SeriesLimit));
}

#[tokio::test]
async fn what_has_ended_makes_room_but_not_for_ever() {
    let ground = Ground::bounded(3, 3);
    let hub = &ground.hub;
    let a = hub.origin("a");
    let mut ids = Vec::new();
    for round in 0..4 {
        for at in 0..3 {
            ids.push(hub.declare(a, &def("ca", &format!("p{round}-{at}"), Kind::Gauge)).unwrap());
        }
        assert_eq!(hub.declare(a, &def("ca", "more", Kind::Gauge)), Err(Refusal::SeriesLimit));
        hub.set_life(&ids, Life::Ended, "gone");
    }
    let refused = hub.declare(a, &def("ca", "more", Kind::Gauge));
    assert_eq!(refused, Err(Refusal::SeriesLimit), "four times as many are known");
    // One that comes back counts again; ended twice, it does not count twice.
    hub.accept(a, one(ids[0], ground.now(), Value::F64(1.0)));
    hub.set_life(&ids, Life::Ended, "gone");
    let ground = ground.restart_bounded(Bounds { per_origin: 3, per_farm: 4 }).await;
    let a = ground.hub.origin("a");
    assert!(
        ground.hub.declare(a, &def("ca", "more", Kind::Gauge)).is_ok(),
        "ended ones stay so over a restart"
    );
    assert!(ids.iter().all(|id| ground.hub.known(&[*id])[0].life == Life::Ended));
}

#[tokio::test]
async fn a_refused_series_takes_no_cluster() {
    let ground = Ground::bounded(1, 10);
    let hub = &ground.hub;
    let (a, b) = (hub.origin("a"), hub.origin("b"));
    hub.declare(a, &def("ca", "p", Kind::Gauge)).unwrap();
    assert_eq!(hub.declare(a, &def("cb", "p", Kind::Gauge)), Err(Refusal::SeriesLimit));
    assert!(hub.declare(b, &def("cb", "p", Kind::Gauge)).is_ok());
}

#[tokio::test]
async fn bursts_do_not_hide_the_pause_between_them() {
    let ground = Ground::new();
    let hub = &ground.hub;
    let origin = hub.origin("mine");
    let pushed = SeriesDef { interval: None, lifetime: None, ..def("c1", "g", Kind::Gauge) };
    let id = hub.declare(origin, &pushed).unwrap();
    let burst = || {
        for _ in 0..50 {
            ground.pass(Duration::from_millis(2));
            assert_eq!(hub.accept(origin, one(id, ground.now(), Value::F64(1.0))).accepted, 1);
        }
    };
    let stale = || hub.known(&[id])[0].life == Life::Stale;
    for round in 0..12 {
        burst();
        for _ in 0..60 {
            ground.forget_for(Duration::from_secs(1));
            assert!(round < 3 || !stale(), "a minute's pause is its way, known by round {round}");
        }
    }
    ground.forget_for(Duration::from_secs(200));
    assert!(stale(), "three pauses are not");
    ground.forget_for(Duration::from_secs(40_000));
    burst();
    let learned = hub.known(&[id])[0].learned.unwrap();
    assert!(learned < Duration::from_secs(300), "an outage is no interval: {learned:?}");
}

#[tokio::test]
async fn cut_texts_are_counted() {
    let ground = Ground::new();
    let origin = ground.hub.origin("mine");
    let id = ground.hub.declare(origin, &def("c1", "t", Kind::Text)).unwrap();
    for (at, length) in [(0, 4096), (1, 4097), (2, 9000)] {
        ground.hub.accept(origin, one(id, ground.now() + at, Value::Text("x".repeat(length).into())));
    }
    assert_eq!(ground.hub.texts_cut(), 2);
}

#[tokio::test]
async fn what_is_acknowledged_is_on_the_disk() {
    let ground = Ground::new();
    let hub = &ground.hub;
    let origin = hub.origin("door");
    let id = hub.declare(origin, &def("doors", "event", Kind::Text)).unwrap();
    for round in 0..20 {
        let text = Value::Text(format!("event {round}").into());
        let (accepted, kept) = hub.accept_durably(origin, one(id, ground.now() + round, text));
        assert_eq!(accepted.accepted, 1);
        let number = hub.routed().number;
        kept.await.unwrap();
        assert!(hub.cache().committed().borrow().number >= number);
    }
    // Nothing was accepted, so there is nothing to wait for.
    let again = Value::Text("event 19".into());
    let (accepted, kept) = hub.accept_durably(origin, one(id, ground.now() + 19, again));
    assert_eq!(accepted.refused, [(Refusal::Duplicate, 1)]);
    assert_eq!(kept.await, Ok(()));
}

/// Each becomes a batch of its own, and none costs a look at all the others.
#[tokio::test]
async fn as_many_times_as_samples_or_one_series_again_and_again_hold_up_nobody() {
    const SAMPLES: i64 = 30_000;
    let ground = Ground::new();
    let origin = ground.hub.origin("mine");
    let id = ground.hub.declare(origin, &def("c1", "g", Kind::Gauge)).unwrap();
    let now = ground.now();
    for (first, apart) in [(now, 1), (now + 2 * SAMPLES, 0)] {
        let mut builder = BatchBuilder::new();
        (0..SAMPLES).for_each(|at| builder.push(id, first + at * apart, Value::I64(at), None));
        assert_eq!(ground.hub.accept(origin, builder.build()).accepted, SAMPLES.cast_unsigned());
    }
}
