//! Reading in number order gives the batches that were accepted; checkpoints are in one commit with what they stand for.

use crate::bench::{Bench, Row, options, rows};
use hedgerow_cache::{Bounds, CacheOptions, Checkpoint, ReadRequest, Reader};
use hedgerow_model::{Epoch, Life, LifeMark, Numbered, SeriesId, Times, Value};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[derive(Debug, Clone)]
enum Act {
    Append { ahead: i64, series: Vec<u32>, generation: u8 },
    Flush,
    Seal,
    Reopen,
    Crash,
    Pass(i64),
}

fn act() -> impl Strategy<Value = Act> {
    let append = (0_i64..50, prop::collection::btree_set(1_u32..14, 1..9), 0_u8..3).prop_map(
        |(ahead, series, generation)| Act::Append { ahead, series: series.into_iter().collect(), generation },
    );
    prop_oneof![
        14 => append, 3 => Just(Act::Flush), 2 => Just(Act::Seal), 1 => Just(Act::Reopen), 1 => Just(Act::Crash),
        2 => (0_i64..120).prop_map(Act::Pass)
    ]
}

/// All of an epoch in order, in answers of about `max_samples`.
fn in_order(
    reader: &Reader,
    epoch: Epoch,
    series: &[SeriesId],
    last: u64,
    max_samples: usize,
) -> Vec<Numbered> {
    let (mut all, mut after) = (Vec::new(), 0);
    while after < last {
        let request = ReadRequest { series, epoch, after, through: last, times: None, max_samples };
        let answer = reader.read_in_order(&request).unwrap();
        assert!(answer.through > after, "no progress");
        let samples: usize = answer.batches.iter().map(|batch| batch.batch.len()).sum();
        assert!(samples <= max_samples.max(1024) || answer.batches.len() == 1);
        all.extend(answer.batches);
        after = answer.through;
    }
    all
}

/// The batches as the bench accepted them, of what can be read at all.
fn expected(
    bench: &Bench,
    reader: &Reader,
    epoch: Epoch,
    series: &[SeriesId],
    last: u64,
) -> Vec<(u8, Vec<Row>)> {
    let request =
        ReadRequest { series, epoch, after: 0, through: last, times: None, max_samples: usize::MAX };
    let mut there = rows(&reader.read(&request).unwrap().batches);
    there.sort_by_key(|row| row.1);
    let batches =
        bench.batches.iter().filter(|batch| batch.0 == epoch.start).map(|(_, first, count, generation)| {
            let inside = |row: &&Row| (*first..first + count).contains(&row.1);
            (*generation, there.iter().filter(inside).cloned().collect::<Vec<_>>())
        });
    batches.filter(|(_, rows)| !rows.is_empty()).collect()
}

fn shape(batches: &[Numbered]) -> Vec<(u8, Vec<Row>)> {
    batches.iter().map(|batch| (batch.batch.generation, rows(std::slice::from_ref(batch)))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn whole_batches_come_back_in_order_whatever_the_cache_did(
        acts in prop::collection::vec(act(), 1..80),
        reads in prop::collection::vec((any::<u16>(), 1_usize..40), 1..5),
    ) {
        let bounds = Bounds { max_age: Duration::from_millis(300), ..Bounds::default() };
        let mut bench = Bench::new(CacheOptions { chunk_entries: 6, bounds, ..options() });
        bench.add((1..14).filter(|id| id % 3 > 0), "a");
        bench.add((1..14).filter(|id| id % 3 == 0), "b");
        bench.cache().flush().unwrap();
        let mut epochs = vec![bench.epoch];
        for act in acts {
            match act {
                Act::Append { ahead, series, generation } => {
                    let time = bench.now.load(Ordering::SeqCst) + ahead;
                    let samples: Vec<_> = series.iter().map(|id| (*id, Value::F64(f64::from(*id)))).collect();
                    bench.append_as(time, &samples, Vec::new(), generation);
                }
                Act::Flush => bench.cache().flush().unwrap(),
                Act::Seal => bench.cache().seal().unwrap(),
                Act::Reopen => { bench.close(); bench.open(); epochs.push(bench.epoch); }
                Act::Crash => { bench.crash(); bench.open(); epochs.push(bench.epoch); }
                Act::Pass(time) => { bench.now.fetch_add(time, Ordering::SeqCst); }
            }
        }
        bench.prove();
        let reader = bench.reader();
        // What is read several times must stand still: retention goes on for as long as the cache is open.
        bench.close();
        let infos = reader.epochs().unwrap();
        for epoch in &epochs {
            let Some(info) = infos.iter().find(|info| info.epoch == *epoch) else { continue };
            for (mask, max_samples) in &reads {
                let some: Vec<SeriesId> = (1..14).map(SeriesId).filter(|id| mask >> id.0 & 1 == 1).collect();
                let found = in_order(&reader, *epoch, &some, info.last, *max_samples);
                prop_assert!(found.iter().all(|batch| matches!(batch.batch.times, Times::One(_))));
                prop_assert_eq!(shape(&found), expected(&bench, &reader, *epoch, &some, info.last));
                let count = reader.count(&some, *epoch, 0, info.last).unwrap();
                prop_assert_eq!(count, found.iter().map(|batch| batch.batch.len() as u64).sum::<u64>());
            }
        }
    }
}

#[test]
fn batches_that_look_like_one_are_kept_apart_and_one_that_is_large_is_whole() {
    let mut bench = Bench::new(CacheOptions { chunk_entries: 3, ..options() });
    bench.add(1..2000, "a");
    // The same time, ascending series: only the index tells where the second begins.
    bench.round(1..5, 10);
    bench.round(5..9, 10);
    bench.round(1..2000, 20);
    bench.round(1..3, 20);
    let all: Vec<SeriesId> = (1..2000).map(SeriesId).collect();
    for step in 0..3 {
        let found = in_order(&bench.reader(), bench.epoch, &all, bench.next - 1, 10);
        let lengths: Vec<usize> = found.iter().map(|batch| batch.batch.len()).collect();
        assert_eq!(lengths, [4, 4, 1999, 2], "step {step}");
        match step {
            0 => bench.cache().flush().unwrap(),
            _ => bench.cache().seal().unwrap(),
        }
    }
    let epoch = bench.epoch;
    let last = bench.next - 1;
    bench.close();
    bench.open();
    let found = in_order(&bench.reader(), epoch, &all, last, 1 << 20);
    assert_eq!(found.iter().map(|batch| batch.batch.len()).collect::<Vec<_>>(), [4, 4, 1999, 2]);
}

#[test]
fn the_index_goes_with_the_samples() {
    let bounds = Bounds { max_age: Duration::from_millis(100), ..Bounds::default() };
    let mut bench = Bench::new(CacheOptions { chunk_entries: 5, bounds, ..options() });
    bench.add(1..4, "a");
    for round in 0..20_000 {
        bench.now.store(1000 + round, Ordering::SeqCst);
        bench.round(1..4, 1000 + round);
        if round % 50 == 0 {
            bench.cache().flush().unwrap();
        }
    }
    let last = bench.next - 1;
    bench.cache().seal().unwrap();
    let epoch = bench.epoch;
    let found = in_order(&bench.reader(), epoch, &[SeriesId(1)], last, 100);
    assert!(!found.is_empty() && found.len() < 1000);
    bench.close();
    let db = rusqlite::Connection::open(&bench.path).unwrap();
    let (count, bytes): (u64, u64) = db
        .query_row("SELECT count(*), sum(length(blob)) FROM batches", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert!(
        count <= 3 && bytes <= 3 * 2100,
        "{count} rows of {bytes} bytes for 20,000 batches, most of them gone"
    );
}

#[test]
fn marks_of_life_come_with_their_ids_in_order() {
    let mut bench = Bench::new(options());
    bench.add(1..4, "a");
    bench.round(1..4, 10);
    let mark =
        |series, life, after| LifeMark { series: SeriesId(series), life, time: 10, after, reason: "".into() };
    let first = bench.cache().mark_life(mark(1, Life::Stale, 3));
    bench.cache().flush().unwrap();
    let second = bench.cache().mark_life(mark(1, Life::Live, 3));
    bench.cache().mark_life(mark(2, Life::Stale, 3));
    assert!(second > first);
    let read = |after, through| {
        let request = ReadRequest {
            series: &[SeriesId(1)],
            epoch: bench.epoch,
            after,
            through,
            times: None,
            max_samples: 10,
        };
        bench.reader().read_in_order(&request).unwrap().life.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(read(0, 3), [first, second]);
    assert_eq!(read(3, 3), [first, second], "at the seam again: the ids tell");
    assert!(read(0, 2).is_empty());
}

/// A deployment that has consumed the input up to a number and written one output sample for each input.
fn consumed(number: u64) -> Checkpoint {
    Checkpoint {
        consumed: number.to_le_bytes().into(),
        state: number.is_multiple_of(7).then(|| vec![number as u8; 10].into()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn at_any_commit_the_checkpoint_and_its_outputs_agree(
        acts in prop::collection::vec((0_u8..5, 1_u32..4), 1..60),
    ) {
        let mut bench = Bench::new(CacheOptions { chunk_entries: 4, ..options() });
        bench.add(1..4, "in");
        bench.add([9], "out");
        bench.cache().flush().unwrap();
        let mut consumed_inputs = 0_u64;
        for (act, inputs) in acts {
            match act {
                0 => bench.cache().flush().unwrap(),
                1 => bench.cache().seal().unwrap(),
                2 => {
                    bench.crash();
                    let checkpoints = bench.open().checkpoints.clone();
                    let before = checkpoints.get("f").map_or(0, |c| u64::from_le_bytes(c.consumed[..].try_into().unwrap()));
                    prop_assert!(before <= consumed_inputs);
                    let outputs = stored_of(&bench.reader(), SeriesId(9));
                    prop_assert_eq!(outputs, before, "outputs of what was consumed, and no others");
                    let state = checkpoints.get("f").and_then(|c| c.state.clone());
                    prop_assert_eq!(state.map(|s| s[0]), (before >= 7).then_some((before / 7 * 7) as u8));
                    consumed_inputs = before;
                }
                _ => {
                    bench.round(1..inputs + 1, 10);
                    // Two batches out for two inputs in: all of them with the one checkpoint.
                    let batches = [0, 1].map(|more| {
                        let mut batch = (*bench.batch(20 + more, &[(9, Value::F64(1.0))], Vec::new())).clone();
                        batch.numbers = hedgerow_model::Numbers::From(bench.next + more as u64);
                        Arc::new(batch)
                    });
                    consumed_inputs += 2;
                    let state = (1..=2).rev().find_map(|back| consumed(consumed_inputs + back - 2).state);
                    let checkpoint = Checkpoint { state, ..consumed(consumed_inputs) };
                    bench.cache().append_with(&batches, "f", &checkpoint).unwrap();
                    for (batch, time) in batches.iter().zip(20..) {
                        bench.note(batch, time);
                    }
                }
            }
        }
    }
}

/// How many samples of a series there are, of all epochs.
fn stored_of(reader: &Reader, series: SeriesId) -> u64 {
    let epochs = reader.epochs().unwrap();
    epochs.iter().map(|info| reader.count(&[series], info.epoch, 0, info.last).unwrap()).sum()
}

#[test]
fn killed_between_any_two_commits_the_checkpoint_and_its_outputs_agree() {
    let commit_interval = Duration::from_micros(100);
    let mut bench = Bench::new(CacheOptions { chunk_entries: 4, commit_interval, ..options() });
    bench.add([9], "out");
    bench.cache().flush().unwrap();
    let mut consumed = 0_u64;
    for round in 0..60 {
        for _ in 0..1 + 13 * (round % 5) {
            consumed += 1;
            let batch = bench.batch(consumed as i64, &[(9, Value::F64(1.0))], Vec::new());
            let checkpoint = Checkpoint { consumed: consumed.to_le_bytes().into(), state: None };
            bench.cache().append_with(std::slice::from_ref(&batch), "f", &checkpoint).unwrap();
            bench.note(&batch, consumed as i64);
        }
        bench.crash();
        let checkpoints = bench.open().checkpoints.clone();
        consumed = checkpoints.get("f").map_or(0, |c| u64::from_le_bytes(c.consumed[..].try_into().unwrap()));
        assert_eq!(stored_of(&bench.reader(), SeriesId(9)), consumed, "round {round}");
    }
    assert!(consumed > 0, "some commits came before their kill");
}

#[test]
fn a_checkpoint_is_kept_forgotten_and_made_anew() {
    let mut bench = Bench::new(options());
    let checkpoint = |consumed: u8, state: Option<u8>| Checkpoint {
        consumed: [consumed].into(),
        state: state.map(|state| vec![state; 100_000].into()),
    };
    bench.cache().checkpoint("a", &checkpoint(1, Some(1)));
    bench.cache().checkpoint("b", &checkpoint(1, Some(1)));
    bench.cache().flush().unwrap();
    bench.cache().checkpoint("a", &checkpoint(2, None));
    bench.cache().forget_checkpoint("b");
    bench.close();
    let found = bench.open().checkpoints.clone();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(found["a"], checkpoint(2, Some(1)), "the state stays until there is another");
    bench.cache().forget_checkpoint("a");
    bench.cache().checkpoint("a", &checkpoint(3, None));
    bench.close();
    assert_eq!(bench.open().checkpoints["a"], checkpoint(3, None), "nothing of what was forgotten");
    bench.close();
    let db = rusqlite::Connection::open(&bench.path).unwrap();
    db.execute("UPDATE checkpoint SET blob = x'00'", []).unwrap();
    drop(db);
    let opened = bench.open();
    assert!(opened.checkpoints.is_empty());
    assert_eq!(opened.recovered.checkpoints, ["a"], "said, not silently begun anew");
}

#[test]
fn a_damaged_row_of_the_index_leaves_all_samples() {
    let mut bench = Bench::new(CacheOptions { chunk_entries: 3, ..options() });
    bench.add(1..5, "a");
    for round in 0..10 {
        bench.round(1..5, round);
    }
    let (epoch, last) = (bench.epoch, bench.next - 1);
    bench.cache().seal().unwrap();
    bench.close();
    rusqlite::Connection::open(&bench.path).unwrap().execute("UPDATE batches SET crc = 0", []).unwrap();
    bench.open();
    let all: Vec<SeriesId> = (1..5).map(SeriesId).collect();
    let found = in_order(&bench.reader(), epoch, &all, last, 1000);
    assert_eq!(found.len(), 10, "cut where the time changes");
}
