//! Damaged blocks become gaps, a broken file is set aside, and nobody writes a file twice.

use crate::bench::{Bench, options, read_all};
use hedgerow_cache::{Cache, CacheError, CacheOptions, ReadRequest};
use hedgerow_model::{GapReason, GapScope, SeriesId};
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;

fn filled() -> Bench {
    let mut bench = Bench::new(CacheOptions { chunk_entries: 10, ..options() });
    bench.add(1..6, "a");
    for round in 0..40 {
        bench.round(1..6, 100 * round);
        if round % 10 == 9 {
            bench.cache().seal().unwrap();
        }
    }
    bench
}

fn sql(bench: &Bench, text: &str) {
    rusqlite::Connection::open(&bench.path).unwrap().execute_batch(text).unwrap();
}

#[test]
fn a_damaged_block_is_a_gap_of_its_series_and_the_rest_stays() {
    let mut bench = filled();
    let epoch = bench.epoch;
    bench.close();
    // One bit in the blob of the third series' second block.
    sql(
        &bench,
        "UPDATE block SET blob = CAST(substr(blob, 1, 3) || x'ff' || substr(blob, 5) AS BLOB) WHERE id = 2 * 1024 + 2",
    );
    bench.open();
    let all: Vec<SeriesId> = (1..6).map(SeriesId).collect();
    for pass in 0..2 {
        let request =
            ReadRequest { series: &all, epoch, after: 0, through: 200, times: None, max_samples: 10_000 };
        let answer = bench.reader().read(&request).unwrap();
        assert_eq!(answer.gaps.len(), 1, "pass {pass}");
        let gap = &answer.gaps[0];
        assert_eq!((gap.reason, &gap.scope), (GapReason::Corruption, &GapScope::Series(SeriesId(3))));
        assert_eq!((gap.from, gap.to, gap.count), (53, Some(98), Some(10)));
        assert_eq!(read_all(&bench.reader(), epoch, &all, 200, 50).len(), 190);
        // The first pass reports it; from now on it stands in the file.
        bench.cache().flush().unwrap();
        bench.prove();
    }
    assert_eq!(bench.cache().stats().corrupt, 10);
    assert!(bench.reader().gaps(epoch, 0, 200, Some(&[SeriesId(1)])).unwrap().is_empty());
}

#[test]
fn a_wrong_summary_is_found_too() {
    let mut bench = filled();
    let epoch = bench.epoch;
    bench.close();
    sql(&bench, "UPDATE block SET max = 1e9 WHERE id = 1024");
    bench.open();
    assert_eq!(read_all(&bench.reader(), epoch, &[SeriesId(1)], 200, 1000).len(), 30);
}

#[test]
fn damaged_times_are_a_gap_of_the_cluster() {
    let mut bench = filled();
    let epoch = bench.epoch;
    bench.close();
    sql(&bench, "UPDATE times SET crc = crc + 1 WHERE id = 1");
    bench.open();
    let all: Vec<SeriesId> = (1..6).map(SeriesId).collect();
    assert_eq!(read_all(&bench.reader(), epoch, &all, 200, 50).len(), 150);
    bench.cache().flush().unwrap();
    let gaps = bench.reader().gaps(epoch, 0, 200, None).unwrap();
    assert_eq!(gaps.len(), 1);
    assert_eq!((gaps[0].from, gaps[0].to, gaps[0].count), (1, Some(50), Some(50)));
    bench.prove();
}

#[test]
fn a_damaged_journal_row_costs_only_what_is_not_in_blocks() {
    let mut bench = Bench::new(options());
    bench.add(1..6, "a");
    bench.add(6..9, "b");
    bench.round(1..9, 10);
    bench.cache().flush().unwrap();
    bench.round(1..9, 20);
    bench.cache().flush().unwrap();
    let epoch = bench.epoch;
    bench.close();
    sql(&bench, "UPDATE journal SET blob = x'00' || blob WHERE id = 2");
    bench.open();
    assert_eq!(bench.opened.as_ref().unwrap().recovered.damaged, 8);
    let all: Vec<SeriesId> = (1..9).map(SeriesId).collect();
    assert_eq!(read_all(&bench.reader(), epoch, &all, 16, 1000).len(), 8);
    let gaps = bench.reader().gaps(epoch, 0, 16, None).unwrap();
    assert_eq!((gaps[0].from, gaps[0].to, gaps[0].reason), (9, Some(16), GapReason::Corruption));
    bench.cache().seal().unwrap();
    bench.prove();
}

#[test]
fn a_broken_file_is_set_aside_and_the_start_counter_still_rises() {
    let breakages: [fn(&Bench); 5] = [
        |bench| {
            std::fs::remove_file(&bench.path).unwrap();
            std::fs::create_dir(&bench.path).unwrap();
        },
        |bench| {
            // The first page.
            let mut file = std::fs::OpenOptions::new().write(true).open(&bench.path).unwrap();
            file.write_all(&[0x55; 200]).unwrap();
        },
        |bench| {
            // Everything but the first pages.
            let file = std::fs::OpenOptions::new().write(true).open(&bench.path).unwrap();
            file.set_len(8192).unwrap();
        },
        |bench| sql(bench, "PRAGMA application_id = 7"),
        |bench| sql(bench, "DROP TABLE epoch"),
    ];
    for (case, breakage) in breakages.iter().enumerate() {
        let mut bench = filled();
        let before = bench.epoch;
        bench.close();
        breakage(&bench);
        let opened = bench.open();
        let aside = opened.recovered.set_aside.clone();
        assert!(
            aside.is_some_and(|path| path.ends_with("cache.db.broken-1") && path.exists()),
            "case {case}"
        );
        assert!(opened.recovered.why.is_some() && opened.series.is_empty());
        assert!(opened.epoch.start > before.start, "case {case}");
        bench.add(1..3, "a");
        bench.round(1..3, 10);
        bench.close();
    }
}

#[test]
fn garbage_anywhere_never_keeps_the_cache_from_opening() {
    for page in 0..16_u64 {
        let mut bench = filled();
        bench.close();
        let mut file = std::fs::OpenOptions::new().write(true).open(&bench.path).unwrap();
        file.seek(SeekFrom::Start(page * 4096 + 100)).unwrap();
        file.write_all(&[0xa5; 600]).unwrap();
        drop(file);
        bench.open();
        let all: Vec<SeriesId> = (1..6).map(SeriesId).collect();
        for info in bench.reader().epochs().unwrap_or_default() {
            let request = ReadRequest {
                series: &all,
                epoch: info.epoch,
                after: 0,
                through: info.last,
                times: None,
                max_samples: 10_000,
            };
            // Samples, gaps, or an error that says so; never a panic.
            let _ = bench.reader().read(&request);
        }
        bench.add(1..3, "a");
        bench.round(1..3, 10);
        let _ = bench.cache().seal();
        drop(bench.opened.take());
        bench.open();
    }
}

#[test]
fn two_never_write_one_file() {
    let bench = filled();
    let again = Cache::open(&bench.path, options(), Arc::new(|| 0));
    assert!(matches!(again.err(), Some(CacheError::InUse(_))));
}
