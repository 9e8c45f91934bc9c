//! Measures keeping: CPU-seconds per million samples, bytes a sample, recovery, and reading back.
//!
//! `cargo run --release -p hedgerow-cache --example keeping -- [SERIES] [ROUNDS]`: counters, gauges, constants and noise in equal
//! parts, a round every 10 s, batches of 1000.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a measurement for people"
)]

use hedgerow_cache::{Cache, CacheOptions, ReadRequest};
use hedgerow_model::{
    Batch, Columns, Kind, Labels, Name, Numbered, Numbers, SeriesDef, SeriesId, SeriesKey, Times, Value,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// CPU-seconds of this process, all threads.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u32>().unwrap());
    let (count, rounds) = (arguments.next().unwrap_or(100_000), arguments.next().unwrap_or(240));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.db");
    let now = Arc::new(AtomicI64::new(1_800_000_000_000));
    let clock = {
        let now = Arc::clone(&now);
        Arc::new(move || now.load(Ordering::SeqCst))
    };
    let options = CacheOptions {
        head_bytes: 1 << 30,
        pending_bytes: 1 << 30,
        journal_bytes: 1 << 30,
        ..CacheOptions::default()
    };
    let opened = Cache::open(&path, options.clone(), clock.clone()).unwrap();
    let (cache, epoch) = (opened.cache, opened.epoch);
    for id in 1..=count {
        let key = SeriesKey {
            cluster: Name::new("c").unwrap(),
            node: Name::new(&format!("n{}", id / 1000)).unwrap(),
            parameter: Name::new(&format!("p{}", id % 1000)).unwrap(),
            labels: Labels::none(),
        };
        let def = SeriesDef {
            key,
            kind: Kind::Gauge,
            unit: String::new(),
            source: "measure".to_owned(),
            interval: None,
            lifetime: None,
            description: String::new(),
        };
        cache.add_series(SeriesId(id), &def);
    }
    cache.flush().unwrap();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut values: Vec<f64> = (0..count).map(|id| f64::from(id % 977)).collect();
    let mut counters: Vec<i64> = (0..count).map(|id| i64::from(id) * 1_000_003).collect();
    let (mut next, mut used, mut waited) = (1, 0.0, 0.0);
    for round in 0..rounds {
        let time = 1_800_000_000_000 + i64::from(round) * 10_000 + (random(&mut state) % 40) as i64;
        now.store(time, Ordering::SeqCst);
        let mut batches = Vec::new();
        for first in (1..=count).step_by(1000) {
            let ids = first..(first + 1000).min(count + 1);
            let mut columns = Columns::default();
            for id in ids.clone() {
                let at = id as usize - 1;
                columns.push(match (id / 250) % 4 {
                    0 => {
                        counters[at] += 1000 + (random(&mut state) % 4) as i64;
                        Value::I64(counters[at])
                    }
                    1 => {
                        values[at] += (random(&mut state) % 3) as f64 / 10.0 - 0.1;
                        Value::F64((values[at] * 10.0).round() / 10.0)
                    }
                    2 => Value::F64(values[at]),
                    _ => Value::F64((random(&mut state) % 100) as f64 / 100.0),
                });
            }
            let batch = Batch {
                series: ids.clone().map(SeriesId).collect(),
                times: Times::One(time),
                values: columns,
                marks: vec![],
                generation: 0,
            };
            batches.push(Arc::new(Numbered { epoch, numbers: Numbers::From(next), batch }));
            next += ids.len() as u64;
        }
        let (before, started) = (cpu(), Instant::now());
        batches.iter().for_each(|batch| cache.append(batch).unwrap());
        cache.flush().unwrap();
        used += cpu() - before;
        waited += started.elapsed().as_secs_f64();
    }
    let (before, started) = (cpu(), Instant::now());
    while cache.stats().head_bytes > 0 {
        cache.seal().unwrap();
    }
    used += cpu() - before;
    waited += started.elapsed().as_secs_f64();
    let stats = cache.stats();
    let samples = (next - 1) as f64;
    println!("samples           {samples}");
    println!("CPU-s per million {:.4}", used / samples * 1e6);
    println!("million/s         {:.2}", samples / waited / 1e6);
    println!("bytes a sample    {:.3}", stats.used_bytes as f64 / samples);
    println!("commit max        {:?}", stats.commit_max);

    let reader = cache.reader();
    let started = Instant::now();
    for id in 1..=1000 {
        let series = [SeriesId(id * (count / 1000))];
        let request = ReadRequest {
            series: &series,
            epoch,
            after: 0,
            through: u64::MAX,
            times: None,
            max_samples: 1 << 20,
        };
        assert_eq!(reader.read(&request).unwrap().batches[0].batch.len(), rounds as usize);
    }
    println!("read one series   {:?}", started.elapsed() / 1000);
    let all: Vec<SeriesId> = (1..=count).map(SeriesId).collect();
    let (mut after, mut found, started) = (0, 0, Instant::now());
    while after < next - 1 {
        let request =
            ReadRequest { series: &all, epoch, after, through: next - 1, times: None, max_samples: 1 << 21 };
        let answer = reader.read(&request).unwrap();
        found += answer.batches.iter().map(|batch| batch.batch.len()).sum::<usize>();
        after = answer.through;
    }
    assert_eq!(found as u64, next - 1);
    println!("read everything   {:?}", started.elapsed());

    // One round more, unsealed, then a crash.
    let values = Columns::of_f64(vec![0.5; 50_000.min(count as usize)]);
    let series: Vec<SeriesId> = (1..=values.len() as u32).map(SeriesId).collect();
    let last = i64::from(rounds) * 10_000 + 1_800_000_000_000;
    let batch = Batch { series, times: Times::One(last), values, marks: vec![], generation: 0 };
    for round in 0..60 {
        let numbers = Numbers::From(next + round * batch.len() as u64);
        cache.append(&Arc::new(Numbered { epoch, numbers, batch: batch.clone() })).unwrap();
    }
    cache.flush().unwrap();
    cache.crash();
    let started = Instant::now();
    let opened =
        Cache::open(&path, CacheOptions { commit_interval: Duration::from_secs(60), ..options }, clock)
            .unwrap();
    println!("recovery          {:?} for {} samples", started.elapsed(), opened.recovered.replayed);
}
