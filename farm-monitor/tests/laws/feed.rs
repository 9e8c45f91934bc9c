//! What a deployment is given: whole batches in number order, the same from the live channel and from the cache.

use crate::ground::{Ground, Story};
use hedgerow_cache::Checkpoint;
use hedgerow_collect::front_door::FrontDoor;
use hedgerow_farm_monitor::filter::feed::{Feed, FeedOptions, Item, MAX_BEHIND, Missing, Start, Walk};
use hedgerow_farm_monitor::hub::NotEmitted;
use hedgerow_model::{
    Batch, BatchBuilder, Kind, Labels, Life, Name, Position, Predicate, Refusal, SeriesDef, SeriesId,
    SeriesKey, Value,
};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

fn options(patterns: &str) -> FeedOptions {
    FeedOptions {
        patterns: Predicate::parse(patterns).unwrap().patterns,
        excluded: vec![Name::new("own").unwrap()],
        hidden: Vec::new(),
        max_behind: MAX_BEHIND,
    }
}

async fn fresh(ground: &Ground, patterns: &str, look_back: u64) -> Feed {
    let start = Start::Fresh { look_back: Duration::from_secs(look_back) };
    Feed::start(Arc::clone(&ground.hub), options(patterns), start).await.unwrap()
}

async fn behind(ground: &Ground, position: Position) -> Feed {
    let start = Start::Behind { position, look_back: None };
    Feed::start(Arc::clone(&ground.hub), options("*"), start).await.unwrap()
}

async fn next(feed: &mut Feed) -> Vec<Item> {
    tokio::time::timeout(Duration::from_secs(30), feed.next())
        .await
        .expect("something in half a minute")
        .unwrap()
}

fn beats(ground: &Ground) {
    ground.pass(Duration::from_millis(1));
    ground.hub.beat();
}

/// Reads until a heartbeat of this time.
async fn until(feed: &mut Feed, time: i64) -> Vec<Item> {
    let mut all = Vec::new();
    let is = |item: &Item| matches!(item, Item::Accepted { heartbeat: Some(at), .. } if *at == time);
    while !all.last().is_some_and(is) {
        all.extend(next(feed).await);
    }
    all
}

/// Everything stored behind a position, as a backtest would have it.
fn stored(ground: &Ground, from: Position, patterns: &str) -> Vec<Item> {
    let patterns = Predicate::parse(patterns).unwrap().patterns;
    let key = ground.hub.heartbeat_key().unwrap();
    let mut wanted = ground.hub.matching(&patterns);
    let all = ground.hub.matching(&Predicate::parse("*").unwrap().patterns);
    wanted.retain(|id| &*ground.hub.def(*id).unwrap().key.cluster != "own");
    let heartbeat = all.into_iter().find(|id| ground.hub.def(*id).unwrap().key == key);
    let heartbeat = heartbeat.map(|id| (id, wanted.contains(&id)));
    if let Some((id, false)) = heartbeat {
        wanted.push(id);
    }
    let (mut walk, mut items) = (Walk::new(from, None), Vec::new());
    let end = ground.hub.routed();
    while !walk.step(&ground.hub.cache().reader(), &wanted, heartbeat, end, &mut items).unwrap() {}
    items
}

fn samples(items: &[Item]) -> usize {
    let of = |item: &Item| match item {
        Item::Accepted { batch: Some(batch), .. } => batch.batch.len(),
        _ => 0,
    };
    items.iter().map(of).sum()
}

fn own(parameter: &str) -> SeriesDef {
    let name = |text: &str| Name::new(text).unwrap();
    SeriesDef {
        key: SeriesKey {
            cluster: name("own"),
            node: name("n"),
            parameter: name(parameter),
            labels: Labels::none(),
        },
        kind: Kind::Gauge,
        unit: String::new(),
        source: "filter:f".into(),
        interval: None,
        lifetime: None,
        description: String::new(),
    }
}

fn output(id: SeriesId, time: i64, generation: u8) -> Batch {
    let mut builder = BatchBuilder::new();
    builder.push(id, time, Value::F64(time as f64), None);
    Batch { generation, ..builder.build() }
}

#[derive(Debug, Clone)]
enum Act {
    Give(u8),
    Large,
    Life(u8),
    Redeclare(u8),
    Emit,
    Beat,
    Read,
    Seal,
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (1_u8..30).prop_map(Act::Give), 1 => Just(Act::Large), 3 => (0_u8..12).prop_map(Act::Life),
        1 => (0_u8..12).prop_map(Act::Redeclare), 2 => Just(Act::Emit), 2 => Just(Act::Beat),
        6 => Just(Act::Read), 1 => Just(Act::Seal), 1 => Just(Act::Restart)
    ]
}

fn redeclare(ground: &Ground, parameter: &str, round: usize) {
    let id = ground.series(parameter, Kind::Gauge, "1");
    let def = ground.hub.def(id).unwrap();
    let def = SeriesDef { description: format!("round {round}"), ..(*def).clone() };
    let origin = ground.hub.origin("test");
    ground.hub.declare(origin, &def).unwrap();
}

/// Every act once, the feed read whenever the acts say so; what it gave is what is stored.
async fn tell(acts: Vec<Act>, patterns: &'static str) {
    let mut ground = Ground::new();
    ground.give(0, 3);
    beats(&ground);
    let mut feed = fresh(&ground, patterns, 0).await;
    let from = feed.position();
    let (mut given, mut mark) = (Vec::new(), 1);
    for (round, act) in acts.into_iter().enumerate() {
        match act {
            Act::Give(count) => ground.give(round as u64, usize::from(count)),
            Act::Large => ground.give(round as u64, 9000),
            Act::Life(series) => {
                let id = ground.series(&format!("p{series}"), Kind::Gauge, "1");
                let life = if round % 2 == 0 { Life::Stale } else { Life::Live };
                ground.hub.set_life(&[id], life, "because");
            }
            Act::Redeclare(series) => redeclare(&ground, &format!("p{series}"), round),
            Act::Emit => {
                let origin = ground.hub.origin("filter:own");
                let id = ground.hub.declare(origin, &own("out")).unwrap();
                mark += 1;
                let checkpoint = Checkpoint::default();
                ground
                    .hub
                    .emit(origin, vec![output(id, ground.now() + mark, 1)], "own", &checkpoint)
                    .unwrap();
            }
            Act::Beat => beats(&ground),
            Act::Read => {
                beats(&ground);
                given.extend(until(&mut feed, ground.now()).await);
            }
            Act::Seal => ground.hub.cache().seal().unwrap(),
            Act::Restart => {
                beats(&ground);
                given.extend(until(&mut feed, ground.now()).await);
                let position = feed.position();
                drop(feed);
                ground = ground.restart().await;
                let start = Start::Behind { position, look_back: None };
                feed = Feed::start(Arc::clone(&ground.hub), options(patterns), start).await.unwrap();
            }
        }
    }
    beats(&ground);
    given.extend(until(&mut feed, ground.now()).await);
    given.retain(|item| !matches!(item, Item::Redeclared(_)));
    let expected = stored(&ground, from, patterns);
    assert_eq!(given.len(), expected.len());
    for (given, expected) in given.iter().zip(&expected) {
        assert_eq!(given, expected);
    }
    let clusters = given.iter().filter_map(|item| match item {
        Item::Accepted { batch: Some(batch), .. } => Some(batch.batch.series.clone()),
        _ => None,
    });
    for id in clusters.flatten() {
        assert_ne!(&*ground.hub.def(id).unwrap().key.cluster, "own");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn live_and_stored_are_the_same_batches(acts in prop::collection::vec(act(), 1..40), all in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(tell(acts, if all { "*" } else { "*/c/*/p{1,2,3,11,8999}" }));
    }
}

#[tokio::test]
async fn a_look_back_ends_where_live_begins_and_nothing_older_than_it_comes() {
    let ground = Ground::new();
    for round in 0..100 {
        ground.pass(Duration::from_secs(1));
        ground.give(round, 5);
    }
    let mut feed = fresh(&ground, "*", 30).await;
    let look_back = feed.look_back().unwrap();
    assert_eq!(look_back.through.number, 500);
    // Late samples from before the look-back are live: they come after the deployment.
    ground.give_at(ground.now() - 60_000, 1000, 2);
    beats(&ground);
    let items = until(&mut feed, ground.now()).await;
    assert_eq!(samples(&items), 30 * 5 + 2 + 1, "the last half minute, the late ones, the heartbeat");
    let times = items.iter().filter_map(|item| match item {
        Item::Accepted { through, batch: Some(batch), .. } => Some((*through, batch.batch.times.at(0))),
        _ => None,
    });
    let (old, new): (Vec<_>, Vec<_>) = times.partition(|(through, _)| *through <= look_back.through);
    assert!(old.iter().all(|(_, time)| *time >= look_back.since));
    assert_eq!((old.len(), new.len()), (30, 2));
    // Killed in the middle of the look-back, it goes on there.
    let start = Start::Behind { position: old[10].0, look_back: Some(look_back) };
    let mut again = Feed::start(Arc::clone(&ground.hub), options("*"), start).await.unwrap();
    assert_eq!(samples(&until(&mut again, ground.now()).await), 19 * 5 + 2 + 1);
}

#[tokio::test]
async fn a_feed_that_nobody_reads_skips_what_is_past_its_bound_and_says_how_much() {
    let ground = Ground::new();
    ground.give(0, 5);
    let options = FeedOptions { max_behind: 1000, ..options("*/c/*/p{0,1}") };
    let start = Start::Fresh { look_back: Duration::ZERO };
    let mut feed = Feed::start(Arc::clone(&ground.hub), options, start).await.unwrap();
    for round in 1..=50 {
        ground.give(round, 10);
    }
    assert_eq!(samples(&next(&mut feed).await), 100, "within the bound nothing is left out");
    // More than the live channel holds, and more than the bound.
    for round in 0..20_000 {
        ground.give(100 + round, 10);
    }
    let end = ground.hub.routed();
    let mut items = next(&mut feed).await;
    while !matches!(items.last(), Some(Item::Gap { .. })) {
        items.extend(next(&mut feed).await);
    }
    let Some(Item::Gap { through, reason, count }) = items.last().cloned() else { unreachable!() };
    assert_eq!((reason, count), (Missing::Lag, Some(20_000 * 2 - samples(&items) as u64)));
    assert_eq!(through, end);
    ground.give(1, 2);
    assert_eq!(samples(&next(&mut feed).await), 2, "and goes on");
}

#[tokio::test]
async fn what_a_crash_lost_is_told_between_the_epochs() {
    let ground = Ground::new();
    ground.give(0, 5);
    let from = Position { number: 0, ..ground.hub.routed() };
    let ground = ground.restart_killed().await;
    ground.give(1, 5);
    beats(&ground);
    let mut feed = behind(&ground, from).await;
    let items = until(&mut feed, ground.now()).await;
    let gaps: Vec<&Item> = items.iter().filter(|item| matches!(item, Item::Gap { .. })).collect();
    let through = Position { epoch: ground.hub.epoch(), number: 0 };
    assert_eq!(gaps, [&Item::Gap { through, reason: Missing::Lost, count: None }]);
    // An epoch that is not known at all.
    let mut feed =
        behind(&ground, Position { epoch: hedgerow_model::Epoch { start: 0, random: 7 }, number: 9 }).await;
    let items = until(&mut feed, ground.now()).await;
    assert!(matches!(items[0], Item::Gap { reason: Missing::Retention, .. }), "{:?}", items[0]);
}

#[tokio::test]
async fn what_a_crash_lost_is_told_only_where_it_may_be_of_the_time_asked_for() {
    let ground = Ground::new();
    ground.give(0, 5);
    let ground = ground.restart_killed().await;
    ground.pass(Duration::from_secs(60));
    ground.give(1, 5);
    for (since, told) in [("1h", 1), ("30s", 0)] {
        let story = Story::query(&ground, &format!("* since={since}"), &[]).ended().await;
        assert_eq!(story.gaps.len(), told, "{since}: {:?}", story.gaps);
    }
}

#[tokio::test]
async fn outputs_and_checkpoint_come_in_together_and_a_loop_is_refused() {
    let ground = Ground::new();
    ground.give(0, 3);
    let hub = &ground.hub;
    let origin = hub.origin("filter:own");
    let id = hub.declare(origin, &own("out")).unwrap();
    let checkpoint = Checkpoint { consumed: [3].into(), state: None };
    let accepted = hub.emit(origin, vec![output(id, ground.now(), 8)], "own", &checkpoint).unwrap();
    assert_eq!(accepted.accepted, 1);
    let accepted = hub.emit(origin, vec![output(id, ground.now() + 1, 9)], "own", &checkpoint).unwrap();
    assert_eq!(accepted.refused, [(Refusal::Loop, 1)]);
    // Another one's cluster is not to be had.
    let other = hub.origin("filter:other");
    assert_eq!(hub.declare(other, &own("out")), Err(Refusal::SourceClash));
    assert_eq!(hub.declare(other, &own("out2")), Err(Refusal::SourceClash));
    let at_end = Checkpoint { consumed: [4].into(), state: Some(b"s".as_slice().into()) };
    assert_eq!(hub.emit(origin, Vec::new(), "own", &at_end).unwrap().accepted, 0);
    hub.cache().close().unwrap();
    let closed = hub.emit(origin, vec![output(id, ground.now() + 2, 1)], "own", &checkpoint);
    assert_eq!(closed, Err(NotEmitted::Closed));
    let (ground, checkpoints) = ground.restart_with_checkpoints().await;
    assert_eq!(checkpoints["own"], at_end);
    // The generation is stored with the batch.
    let epoch = hedgerow_model::Epoch { start: 1, ..ground.hub.epoch() };
    let reader = ground.hub.cache().reader();
    let epoch =
        reader.epochs().unwrap().iter().map(|info| info.epoch).find(|e| e.start == epoch.start).unwrap();
    let request = hedgerow_cache::ReadRequest {
        series: &[id],
        epoch,
        after: 0,
        through: 100,
        times: None,
        max_samples: 100,
    };
    let batches = reader.read_in_order(&request).unwrap().batches;
    assert_eq!(batches.iter().map(|batch| batch.batch.generation).collect::<Vec<_>>(), [8]);
}

#[tokio::test]
async fn the_heartbeat_comes_every_second_only_while_somebody_asks() {
    let ground = Ground::new();
    assert!(!ground.hub.is_heartbeat_asked());
    let (one, two) = (ground.hub.heartbeat(), ground.hub.heartbeat());
    drop(one);
    assert!(ground.hub.is_heartbeat_asked());
    drop(two);
    assert!(!ground.hub.is_heartbeat_asked());
    let mut feed = fresh(&ground, "*/c/*/*", 0).await;
    beats(&ground);
    assert_eq!(
        next(&mut feed).await,
        [Item::Accepted { through: ground.hub.routed(), batch: None, heartbeat: Some(ground.now()) }]
    );
}

#[tokio::test]
async fn what_changes_of_a_declaration_is_said() {
    let ground = Ground::new();
    ground.give(0, 2);
    let mut feed = fresh(&ground, "*/c/*/p1", 0).await;
    ground.give(1, 2);
    next(&mut feed).await;
    while !feed.is_live() {
        ground.give(2, 2);
        next(&mut feed).await;
    }
    redeclare(&ground, "p0", 1);
    redeclare(&ground, "p1", 1);
    let id = ground.hub.matching(&Predicate::parse("*/c/*/p1").unwrap().patterns)[0];
    assert_eq!(next(&mut feed).await, [Item::Redeclared(id)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints how long a batch takes to a feed; for an idle machine"]
async fn latency() {
    let ground = Ground::new();
    ground.give(0, 100);
    let mut feed = fresh(&ground, "*", 0).await;
    while !feed.is_live() {
        ground.give(1, 100);
        next(&mut feed).await;
    }
    let (times, taken) = std::sync::mpsc::sync_channel(1000);
    let reads = tokio::spawn(async move {
        for _ in 0..1000 {
            next(&mut feed).await;
            times.send(tokio::time::Instant::now().into_std()).unwrap();
        }
    });
    let mut all = Vec::new();
    for round in 0..1000 {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let begun = tokio::time::Instant::now().into_std();
        ground.give(2 + round, 100);
        let taken = taken.recv_timeout(Duration::from_secs(10)).unwrap();
        all.push(taken.saturating_duration_since(begun));
    }
    reads.await.unwrap();
    all.sort_unstable();
    println!("accepted to given: p50 {:?}, p99 {:?}", all[500], all[990]);
}
