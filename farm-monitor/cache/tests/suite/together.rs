//! Readers beside a busy writer: every answer is whole.

use crate::bench::{Bench, options};
use hedgerow_cache::{Bounds, CacheOptions, ReadRequest};
use hedgerow_model::{GapReason, SeriesId};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn answers_are_whole_while_chunks_are_sealed_and_deleted() {
    let bounds = Bounds { max_age: Duration::from_millis(300), ..Bounds::default() };
    let mut bench = Bench::new(CacheOptions {
        chunk_entries: 5,
        commit_interval: Duration::from_micros(200),
        bounds,
        ..options()
    });
    bench.add(1..40, "a");
    bench.add(40..60, "b");
    let (reader, epoch) = (bench.reader(), bench.epoch);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let all: Vec<SeriesId> = (1..60).map(SeriesId).collect();
                    let mut reads = 0;
                    while !done.load(Ordering::SeqCst) {
                        let request = ReadRequest {
                            series: &all,
                            epoch,
                            after: 0,
                            through: u64::MAX,
                            times: None,
                            max_samples: 1 << 20,
                        };
                        let answer = reader.read(&request).unwrap();
                        let mut seen = HashSet::new();
                        for batch in &answer.batches {
                            for at in 0..batch.batch.len() {
                                assert!(seen.insert(batch.numbers.at(at).unwrap()), "a number came twice");
                            }
                        }
                        let told: u64 = answer.gaps.iter().filter_map(|gap| gap.count).sum();
                        assert!(answer.gaps.iter().all(|gap| gap.reason == GapReason::Retention));
                        assert_eq!(seen.len() as u64 + told, answer.through, "numbers are there or told");
                        reads += 1;
                    }
                    reads
                })
            })
            .collect();
        for round in 0..3000 {
            bench.now.store(1000 + round, Ordering::SeqCst);
            bench.round(1..60, 1000 + round);
            if round % 100 == 0 {
                bench.cache().flush().unwrap();
            }
        }
        bench.cache().flush().unwrap();
        done.store(true, Ordering::SeqCst);
        let reads: u32 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
        assert!(reads > 0);
    });
    let stats = bench.cache().stats();
    assert!(stats.sealed_chunks > 20 && stats.retained_away > 0, "{stats:?}");
    bench.close();
}
