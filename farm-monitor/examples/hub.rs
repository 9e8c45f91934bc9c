//! Measures the hub: what a million samples cost by how many subscriptions there are, and how long its lock is held while
//! patterns are matched and life is looked after. `cargo run --release -p hedgerow-farm-monitor --example hub`
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss, clippy::disallowed_methods)]

use hedgerow_cache::{Cache, CacheOptions};
use hedgerow_collect::front_door::FrontDoor;
use hedgerow_farm_monitor::hub::{Bounds, Hub, HubOptions, LifeRules, LiveCursor};
use hedgerow_model::{Batch, Columns, Kind, Labels, Name, Predicate, SeriesDef, SeriesId, SeriesKey, Times};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

const SERIES: usize = 200_000;
const BATCH: usize = 200;
const ROUNDS: usize = 10;

fn main() {
    println!("{SERIES} series, batches of {BATCH}, {} million samples a line", SERIES * ROUNDS / 1_000_000);
    accepting("no subscription", &[]);
    accepting("1 that matches all", &["*/*/*/*".to_owned()]);
    let all: Vec<String> = (0..100).map(|at| format!("*/*/*/p*,other{at}/*/*/*")).collect();
    accepting("100 that match all, each its own condition", &patterns(&all));
    let share: Vec<String> = (0..100).map(|at| format!("*/*/n{at}/*")).collect();
    accepting("100 that match a hundredth each", &share);
    let none: Vec<String> = (0..10_000).map(|at| format!("*/*/nobody{at}/*")).collect();
    accepting("10,000 that match none", &none);
    holding();
}

/// Two patterns a line, so that each condition is another one.
fn patterns(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| line.replace(',', " ")).collect()
}

struct Field {
    hub: Hub,
    ids: Vec<SeriesId>,
    clock: Arc<AtomicI64>,
    _folder: tempfile::TempDir,
}

fn field() -> Field {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(AtomicI64::new(1_793_000_000_000));
    let now = {
        let clock = Arc::clone(&clock);
        move || clock.load(Ordering::Relaxed)
    };
    let options = CacheOptions { ballast_bytes: 0, pending_bytes: 1 << 30, ..CacheOptions::default() };
    let opened = Cache::open(&folder.path().join("cache.db"), options, Arc::new(now.clone())).unwrap();
    let options = HubOptions {
        farm: "test".into(),
        bounds: Bounds { per_origin: SERIES, per_farm: SERIES },
        retention: Duration::from_secs(86_400),
        life: LifeRules::default(),
        views: Vec::new(),
    };
    let hub = Hub::new(options, opened, Arc::new(now));
    let origin = hub.origin("example");
    let name = |text: String| Name::new(&text).unwrap();
    let ids = (0..SERIES).map(|at| {
        let key = SeriesKey {
            cluster: name(format!("c{}", at / BATCH % 10)),
            node: name(format!("n{}", at / BATCH % 100)),
            parameter: name(format!("p{at}")),
            labels: Labels::none(),
        };
        let def = SeriesDef {
            key,
            kind: Kind::Gauge,
            unit: String::new(),
            source: "example".into(),
            interval: Some(Duration::from_secs(10)),
            lifetime: None,
            description: String::new(),
        };
        hub.declare(origin, &def).unwrap()
    });
    let ids = ids.collect();
    Field { hub, ids, clock, _folder: folder }
}

fn subscribe(hub: &Hub, predicate: &str) -> LiveCursor {
    hub.admit(&Predicate::parse(predicate).unwrap().patterns, None).1
}

/// What accepting costs on its own thread; the cache's writer and the readers are not in it.
fn accepting(what: &str, predicates: &[String]) {
    let field = field();
    let mut cursors: Vec<LiveCursor> = predicates.iter().map(|text| subscribe(&field.hub, text)).collect();
    let origin = field.hub.origin("example");
    let (mut cpu, mut wall, mut taken) = (0, Duration::ZERO, 0);
    for round in 0..ROUNDS {
        let time = field.clock.fetch_add(10_000, Ordering::Relaxed);
        for (part, ids) in field.ids.chunks(BATCH).enumerate() {
            let batch = Batch {
                series: ids.to_vec(),
                times: Times::One(time),
                values: Columns::of_f64(vec![(round * part) as f64; ids.len()]),
                marks: Vec::new(),
                generation: 0,
            };
            let (before, start) = (thread_cpu(), Instant::now());
            let accepted = field.hub.accept(origin, batch);
            (cpu, wall) = (cpu + thread_cpu() - before, wall + start.elapsed());
            assert_eq!(accepted.accepted, ids.len() as u64);
            if part % 50 == 0 {
                taken += take(&mut cursors);
            }
        }
        field.hub.cache().flush().unwrap();
    }
    taken += take(&mut cursors);
    let millions = (SERIES * ROUNDS) as f64 / 1e6;
    println!(
        "{what:45} {:.3} CPU-s per million, {:.2} million/s, {:.1} million taken by readers",
        cpu as f64 / 1e9 / millions,
        millions / wall.as_secs_f64(),
        taken as f64 / 1e6
    );
}

fn take(cursors: &mut [LiveCursor]) -> usize {
    let mut samples = 0;
    for cursor in cursors {
        loop {
            match cursor.take(1 << 20) {
                Err(_) => {}
                Ok((entries, all)) => {
                    samples += entries
                        .iter()
                        .map(|entry| match &entry.item {
                            hedgerow_farm_monitor::hub::LiveItem::Batch(numbered) => numbered.batch.len(),
                            _ => 0,
                        })
                        .sum::<usize>();
                    if all {
                        break;
                    }
                }
            }
        }
    }
    samples
}

/// How long somebody else waits for the lock, while this goes on.
fn holding() {
    let field = field();
    let hub = &field.hub;
    let many: Vec<String> = (0..64).map(|at| format!("*/c?/n{at}*/p*{at}")).collect();
    let many = many.join(" ");
    waiting(hub, "nothing", || std::thread::sleep(Duration::from_millis(500)));
    let mut kept = Vec::new();
    waiting(hub, "64 patterns admitted", || kept.push(subscribe(hub, &many)));
    waiting(hub, "all admitted", || kept.push(subscribe(hub, "*")));
    waiting(hub, "64 patterns listed", || drop(hub.matching(&Predicate::parse(&many).unwrap().patterns)));
    waiting(hub, "a tick, nothing due", || hub.tick());
    field.clock.fetch_add(31_000, Ordering::Relaxed);
    waiting(hub, "a tick, all stale", || hub.tick());
    kept.clear();
    waiting(hub, "a tick, both subscriptions gone", || hub.tick());
}

fn waiting(hub: &Hub, what: &str, work: impl FnOnce()) {
    let over = AtomicBool::new(false);
    let mut waits = std::thread::scope(|threads| {
        let looker = threads.spawn(|| {
            let mut waits = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let start = Instant::now();
                hub.series_count();
                waits.push(start.elapsed());
            }
            waits
        });
        std::thread::sleep(Duration::from_millis(20));
        let start = Instant::now();
        work();
        println!("{what:45} took {:?}", start.elapsed());
        over.store(true, Ordering::Relaxed);
        looker.join().unwrap()
    });
    waits.sort_unstable();
    let worst = waits.last().copied().unwrap_or_default();
    println!("{:45} another waited at most {worst:?} for the lock ({} looks)", "", waits.len());
}

/// Nanoseconds this thread ran.
fn thread_cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}
