//! What was appended is read, whatever the cache did in between.

use crate::bench::{Bench, options, read_all, rows};
use hedgerow_cache::{CacheOptions, EpochEnd, ReadRequest, SummaryRequest};
use hedgerow_model::{Life, LifeMark, Mark, SeriesDef, SeriesId, Value};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Act {
    Append { time: i64, series: Vec<u32>, kind: u8 },
    Flush,
    Seal,
    Reopen,
    Crash,
}

fn act() -> impl Strategy<Value = Act> {
    let append = (0_i64..1000, prop::collection::btree_set(1_u32..14, 1..9), any::<u8>())
        .prop_map(|(time, series, kind)| Act::Append { time, series: series.into_iter().collect(), kind });
    prop_oneof![12 => append, 2 => Just(Act::Flush), 2 => Just(Act::Seal), 1 => Just(Act::Reopen), 1 => Just(Act::Crash)]
}

fn value(series: u32, kind: u8, time: i64) -> Value {
    match (series % 4, kind % 8) {
        (0, _) => Value::I64(time * 7 + i64::from(kind)),
        (1, 0) => Value::State(i64::from(kind), Some(format!("text {kind}").into())),
        (1, _) => Value::I64(i64::from(kind % 3)),
        (2, 1) => Value::F64(f64::from_bits(0x7ff8_0000_0000_0000 | u64::from(kind))),
        (2, 2) => Value::Text("mixed".into()),
        (2, _) => Value::F64(time as f64 / 8.0),
        _ => Value::Text(format!("t{}", kind % 3).into()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_window_reads_what_the_model_has(
        acts in prop::collection::vec(act(), 1..50),
        windows in prop::collection::vec((0_u64..200, 0_u64..200, any::<u16>(), 1_usize..60), 1..6),
    ) {
        let mut bench = Bench::new(CacheOptions { chunk_entries: 6, ..options() });
        // Two clusters, interleaved, so that batches split among groups.
        bench.add((1..14).filter(|id| id % 3 > 0), "a");
        bench.add((1..14).filter(|id| id % 3 == 0), "b");
        bench.cache().flush().unwrap();
        let mut epochs = vec![bench.epoch];
        for act in acts {
            match act {
                Act::Append { time, series, kind } => {
                    let marks = if kind % 5 == 0 { vec![(0, Mark::Reset)] } else { vec![] };
                    let samples: Vec<_> = series.iter().map(|id| (*id, value(*id, kind, time))).collect();
                    bench.append(time, &samples, marks);
                }
                Act::Flush => bench.cache().flush().unwrap(),
                Act::Seal => bench.cache().seal().unwrap(),
                Act::Reopen => { bench.close(); bench.open(); epochs.push(bench.epoch); }
                Act::Crash => { bench.crash(); bench.open(); epochs.push(bench.epoch); }
            }
        }
        bench.prove();
        let reader = bench.reader();
        let all: Vec<SeriesId> = (1..14).map(SeriesId).collect();
        for epoch in &epochs {
            let last = reader.epochs().unwrap().iter().find(|info| info.epoch == *epoch).unwrap().last;
            prop_assert_eq!(read_all(&reader, *epoch, &all, last, 1_000_000), bench.expected(*epoch, &all, 0, u64::MAX));
            for (after, length, mask, max_samples) in &windows {
                let some: Vec<SeriesId> = all.iter().copied().filter(|id| mask >> id.0 & 1 == 1).collect();
                let through = (after + length).min(last);
                let request = ReadRequest {
                    series: &some, epoch: *epoch, after: *after, through, times: None, max_samples: usize::MAX,
                };
                let mut found = rows(&reader.read(&request).unwrap().batches);
                found.sort_by_key(|row| (row.2, row.1));
                prop_assert_eq!(found, bench.expected(*epoch, &some, *after, through));
                prop_assert_eq!(
                    read_all(&reader, *epoch, &some, last, *max_samples), bench.expected(*epoch, &some, 0, last)
                );
                let times = 100..600;
                let request = ReadRequest { times: Some(times.clone()), ..request };
                let mut found = rows(&reader.read(&request).unwrap().batches);
                found.sort_by_key(|row| (row.2, row.1));
                let mut expected = bench.expected(*epoch, &some, *after, through);
                expected.retain(|row| times.contains(&row.3));
                prop_assert_eq!(found, expected);
            }
        }
    }
}

#[test]
fn a_clean_end_and_a_crash_are_told_apart() {
    let mut bench = Bench::new(options());
    bench.add(1..4, "a");
    bench.round(1..4, 10);
    let first = bench.epoch;
    bench.close();
    bench.open();
    let second = bench.epoch;
    assert!(second.start > first.start);
    bench.round(1..4, 20);
    bench.cache().flush().unwrap();
    bench.round(1..4, 30);
    bench.crash();
    let opened = bench.open();
    assert_eq!(opened.recovered.crashed.iter().map(|info| info.epoch).collect::<Vec<_>>(), [second]);
    assert_eq!(opened.recovered.replayed, 3, "what was not sealed comes from the journal");
    assert_eq!(opened.series.len(), 3);
    assert_eq!(opened.series[0].def, crate::bench::definition(1, "a"));
    assert_eq!(opened.series[0].last_time, Some(20));
    let reader = bench.reader();
    let epochs = reader.epochs().unwrap();
    let ends: Vec<_> = epochs.iter().map(|info| (info.last, info.end)).collect();
    assert_eq!(ends, [(3, EpochEnd::Clean), (3, EpochEnd::Crashed), (0, EpochEnd::Running)]);
    let gaps = reader.gaps(second, 0, 3, None).unwrap();
    assert_eq!(gaps.len(), 1);
    assert_eq!((gaps[0].from, gaps[0].to, gaps[0].count), (4, None, None));
    assert!(reader.gaps(first, 0, 3, None).unwrap().is_empty());
    assert!(reader.gaps(second, 0, 2, None).unwrap().is_empty(), "the crash stands behind the last number");
}

#[test]
fn appended_samples_are_read_before_their_commit_and_told_after_it() {
    let mut bench = Bench::new(options());
    bench.add(1..3, "a");
    let committed = bench.cache().committed();
    bench.round(1..3, 10);
    let series = [SeriesId(1), SeriesId(2)];
    assert_eq!(read_all(&bench.reader(), bench.epoch, &series, 2, 100).len(), 2);
    assert_eq!(committed.borrow().number, 0);
    bench.cache().flush().unwrap();
    assert_eq!(committed.borrow().number, 2);
}

/// Count, numbers, minimum, maximum, sum.
type Expected = (u64, u64, f64, f64, f64);

#[test]
fn bins_are_the_same_from_blocks_from_parts_of_blocks_and_from_the_head() {
    let mut bench = Bench::new(CacheOptions { chunk_entries: 8, ..options() });
    bench.add(1..5, "a");
    for round in 0..100_i64 {
        let odd = if round == 50 { Value::F64(f64::NAN) } else { Value::F64(round as f64 / 4.0) };
        let samples = [
            (1, Value::F64((round * 37 % 11) as f64)),
            (2, Value::I64(round)),
            (3, Value::Text("x".into())),
            (4, odd),
        ];
        bench.append(round * 10, &samples, Vec::new());
        if round % 8 == 7 && round < 90 {
            bench.cache().flush().unwrap();
            bench.cache().seal().unwrap();
        }
    }
    let series: Vec<SeriesId> = (1..5).map(SeriesId).collect();
    for (every, times, after) in [(1000, 0..2000, 0), (160, 0..2000, 0), (30, 5..777, 21), (7, 0..300, 0)] {
        let request = SummaryRequest {
            series: &series,
            epoch: bench.epoch,
            after,
            through: 390,
            times: times.clone(),
            every,
        };
        let summary = bench.reader().summarize(&request).unwrap();
        let mut expected: BTreeMap<(SeriesId, i64), Expected> = BTreeMap::new();
        for row in &bench.model {
            if row.1 > after && row.1 <= 390 && times.contains(&row.3) {
                let key = (SeriesId(row.2), row.3.div_euclid(every) * every);
                let bin = expected.entry(key).or_insert((0, 0, f64::INFINITY, f64::NEG_INFINITY, 0.0));
                bin.0 += 1;
                let number = match row.4.split_at(1) {
                    ("f", bits) => f64::from_bits(u64::from_str_radix(bits, 16).unwrap()),
                    ("i", number) => number.parse().unwrap(),
                    _ => f64::NAN,
                };
                if !number.is_nan() {
                    *bin = (bin.0, bin.1 + 1, bin.2.min(number), bin.3.max(number), bin.4 + number);
                }
            }
        }
        let found: BTreeMap<_, _> = summary
            .bins
            .iter()
            .map(|(key, bin)| (*key, (bin.count, bin.numbers, bin.min, bin.max, bin.sum)))
            .collect();
        assert_eq!(found, expected, "every {every}");
    }
}

#[test]
fn the_newest_sample_is_found_in_head_blocks_and_older_epochs() {
    let mut bench = Bench::new(CacheOptions { chunk_entries: 4, ..options() });
    bench.add(1..5, "a");
    bench.append(
        100,
        &[(1, Value::I64(1)), (2, Value::State(7, Some("up".into()))), (3, Value::I64(3))],
        Vec::new(),
    );
    bench.append(110, &[(2, Value::I64(7))], Vec::new());
    bench.cache().seal().unwrap();
    let first = bench.epoch;
    bench.close();
    bench.open();
    bench.append(300, &[(1, Value::I64(10))], Vec::new());
    // Accepted later, but older: not the newest.
    bench.append(250, &[(1, Value::I64(11))], Vec::new());
    let all: Vec<SeriesId> = (1..5).map(SeriesId).collect();
    let last = bench.reader().last(&all).unwrap();
    let found: Vec<_> =
        last.iter().map(|s| (s.series.0, s.position.epoch, s.time, s.value.clone())).collect();
    assert_eq!(
        found,
        [
            (1, bench.epoch, 300, Value::I64(10)),
            (2, first, 110, Value::State(7, Some("up".into()))),
            (3, first, 100, Value::I64(3)),
        ]
    );
    assert_eq!(bench.reader().first_number_at(first, 105).unwrap(), Some(1), "a chunk is taken as a whole");
    assert_eq!(bench.reader().first_number_at(bench.epoch, 260).unwrap(), Some(1));
    assert_eq!(bench.reader().first_number_at(bench.epoch, 301).unwrap(), None);
}

#[test]
fn marks_of_life_are_read_before_and_after_their_commit_and_only_once() {
    let mut bench = Bench::new(options());
    bench.add(1..3, "a");
    bench.round(1..3, 10);
    let mark = |series, after, life| LifeMark {
        series: SeriesId(series),
        life,
        time: 20,
        after,
        reason: "missed 3 intervals of 10s".into(),
    };
    bench.cache().mark_life(mark(1, 2, Life::Stale));
    bench.cache().mark_life(mark(2, 2, Life::Stale));
    bench.round(1..3, 30);
    bench.cache().mark_life(mark(1, 4, Life::Ended));
    let read = |bench: &Bench, after, through| {
        let series = [SeriesId(1)];
        let request = ReadRequest {
            series: &series,
            epoch: bench.epoch,
            after,
            through,
            times: None,
            max_samples: 100,
        };
        bench.reader().read(&request).unwrap().life
    };
    let (stale, ended) = (mark(1, 2, Life::Stale), mark(1, 4, Life::Ended));
    for _ in 0..2 {
        assert_eq!(read(&bench, 0, 4), [stale.clone(), ended.clone()]);
        assert_eq!(read(&bench, 0, 1), []);
        assert_eq!(
            read(&bench, 2, 3),
            std::slice::from_ref(&stale),
            "said again at the seam, never left out"
        );
        bench.cache().flush().unwrap();
    }
}

#[test]
fn a_changed_definition_is_kept_with_the_rest() {
    let mut bench = Bench::new(options());
    bench.add(1..3, "a");
    let changed = SeriesDef { description: "changed".to_owned(), ..crate::bench::definition(2, "a") };
    bench.cache().update_series(SeriesId(2), &changed);
    bench.close();
    let series = &bench.open().series;
    assert_eq!(series.iter().map(|known| known.id.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(series[1].def, changed);
}
