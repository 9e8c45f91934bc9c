//! Age, bytes, quotas and full disks: the oldest goes, counted; the newest stays.

use crate::bench::{Bench, options, read_all};
use hedgerow_cache::{Bounds, CacheOptions};
use hedgerow_model::{GapReason, GapScope, Name, SeriesId, Value};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A round that does not compress.
fn noise(bench: &mut Bench, ids: std::ops::Range<u32>, time: i64) {
    let mut state = time.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let samples: Vec<(u32, Value)> = ids
        .map(|id| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (id, Value::F64(f64::from_bits(state >> 2)))
        })
        .collect();
    bench.append(time, &samples, Vec::new());
}

#[test]
fn what_is_too_old_goes_and_is_counted_by_one_low_water_mark() {
    let bounds = Bounds { max_age: Duration::from_secs(100), ..Bounds::default() };
    let mut bench = Bench::new(CacheOptions { chunk_entries: 10, bounds, ..options() });
    bench.add(1..5, "a");
    for second in 0..300 {
        bench.now.store(1000 + second * 1000, Ordering::SeqCst);
        bench.round(1..5, 1000 + second * 1000);
        if second % 10 == 0 {
            bench.cache().flush().unwrap();
        }
    }
    bench.cache().flush().unwrap();
    let gaps = bench.reader().gaps(bench.epoch, 0, u64::MAX, None).unwrap();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!((gaps[0].reason, gaps[0].from, &gaps[0].scope), (GapReason::Retention, 1, &GapScope::Farm));
    assert_eq!(gaps[0].count, gaps[0].to, "here whole chunks of the only group went");
    let gone = gaps[0].to.unwrap();
    assert!((700..=800).contains(&gone), "{gone}");
    let all: Vec<SeriesId> = (1..5).map(SeriesId).collect();
    assert_eq!(
        read_all(&bench.reader(), bench.epoch, &all, bench.next - 1, 100),
        bench.expected(bench.epoch, &all, gone, u64::MAX)
    );
    bench.close();
}

#[test]
fn an_epoch_of_which_nothing_is_left_is_forgotten_in_the_end() {
    let bounds = Bounds { max_age: Duration::from_secs(100), ..Bounds::default() };
    let mut bench = Bench::new(CacheOptions { bounds, ..options() });
    bench.add(1..3, "a");
    bench.round(1..3, 1000);
    bench.cache().flush().unwrap();
    bench.crash();
    bench.open();
    let (middle, later) = (50_000, 300_000);
    for now in [middle, later] {
        bench.now.store(now, Ordering::SeqCst);
        bench.cache().seal().unwrap();
        bench.close();
        bench.open();
    }
    // Sealed in the second epoch, deleted in the third or fourth, forgotten by the open after that.
    bench.cache().flush().unwrap();
    bench.close();
    bench.open();
    let epochs = bench.reader().epochs().unwrap();
    assert!(epochs.iter().all(|info| info.epoch.start > 2), "{epochs:?}");
    assert!(epochs.len() >= 2);
}

#[test]
fn the_file_stays_within_its_bound_of_bytes() {
    let bounds = Bounds { max_bytes: Some(600_000), ..Bounds::default() };
    let mut bench =
        Bench::new(CacheOptions { chunk_entries: 20, journal_bytes: 100_000, bounds, ..options() });
    bench.add(1..101, "a");
    for round in 0..1000 {
        noise(&mut bench, 1..101, round);
        if round % 5 == 0 {
            bench.cache().flush().unwrap();
        }
    }
    bench.cache().flush().unwrap();
    let stats = bench.cache().stats();
    assert!(stats.used_bytes < 700_000, "{stats:?}");
    assert!(stats.retained_away > 0 && stats.sealed_samples > 20_000, "{stats:?}");
    // Pages are used again: the file does not grow beyond what was in use at one time.
    let file = std::fs::metadata(&bench.path).unwrap().len();
    assert!(file < 1_000_000, "{file}");
    bench.close();
}

#[test]
fn a_cluster_over_its_quota_loses_its_own_samples_only() {
    let bounds = Bounds { cluster_bytes: vec![(Name::new("loud").unwrap(), 50_000)], ..Bounds::default() };
    let mut bench = Bench::new(CacheOptions { chunk_entries: 20, bounds, ..options() });
    bench.add(1..21, "quiet");
    bench.add(21..41, "loud");
    for round in 0..600 {
        noise(&mut bench, 1..41, round);
        if round % 20 == 0 {
            bench.cache().flush().unwrap();
        }
    }
    bench.cache().seal().unwrap();
    bench.cache().flush().unwrap();
    let quiet: Vec<SeriesId> = (1..21).map(SeriesId).collect();
    let reader = bench.reader();
    assert_eq!(read_all(&reader, bench.epoch, &quiet, bench.next - 1, 5000).len(), 12_000);
    assert!(reader.gaps(bench.epoch, 0, u64::MAX, Some(&quiet)).unwrap().is_empty());
    let gaps = reader.gaps(bench.epoch, 0, u64::MAX, Some(&[SeriesId(21)])).unwrap();
    assert_eq!(gaps.len(), 1);
    assert_eq!(
        (gaps[0].reason, &gaps[0].scope),
        (GapReason::Quota, &GapScope::Cluster(Name::new("loud").unwrap()))
    );
    assert_eq!(bench.cache().stats().quota_away, gaps[0].count.unwrap());
    bench.close();
}

#[test]
fn on_a_full_disk_the_oldest_is_shed_and_collection_goes_on() {
    let mut bench = Bench::new(CacheOptions {
        chunk_entries: 20,
        journal_bytes: 100_000,
        max_pages: Some(200),
        ..options()
    });
    bench.add(1..101, "a");
    for round in 0..800 {
        noise(&mut bench, 1..101, round);
        if round % 5 == 0 {
            // May fail while there is no room; must never end the cache.
            let _ = bench.cache().flush();
        }
    }
    bench.cache().flush().unwrap();
    let stats = bench.cache().stats();
    assert!(stats.disk_full_away > 0 && !stats.broken, "{stats:?}");
    assert_eq!(bench.cache().committed().borrow().number, bench.next - 1);
    let gaps = bench.reader().gaps(bench.epoch, 0, u64::MAX, None).unwrap();
    assert!(gaps.iter().all(|gap| gap.reason == GapReason::DiskFull), "{gaps:?}");
    bench.close();
    bench.options.max_pages = None;
    bench.open();
    bench.round(1..101, 5000);
    bench.close();
}

#[test]
fn while_the_disk_takes_nothing_the_newer_half_of_what_waits_is_kept() {
    // No page beyond the schema's: after a row or two in those nothing fits.
    let mut bench = Bench::new(CacheOptions { max_pages: Some(1), pending_bytes: 20_000, ..options() });
    bench.add(1..51, "a");
    for round in 0..200 {
        noise(&mut bench, 1..51, round);
        assert!(bench.cache().flush().is_err() || round < 10);
    }
    let committed = bench.cache().committed().borrow().number;
    let stats = bench.cache().stats();
    assert!(stats.disk_full_away > 7000 && stats.overloads == 0 && stats.trouble.is_some(), "{stats:?}");
    let reader = bench.reader();
    let gaps = reader.gaps(bench.epoch, 0, u64::MAX, None).unwrap();
    assert_eq!(gaps.len(), 1, "adjacent gaps are one: {gaps:?}");
    let all: Vec<SeriesId> = (1..51).map(SeriesId).collect();
    let read = read_all(&reader, bench.epoch, &all, bench.next - 1, 1000);
    assert_eq!(read.len() as u64 + gaps[0].count.unwrap(), bench.next - 1);
    assert!(committed <= 500 && gaps[0].from == committed + 1, "{committed} {gaps:?}");
    // Who waits for an acknowledgement learns of each: kept, lost, or still on its way.
    let kept = |first, last| {
        let waiting = pin!(bench.cache().kept(first, last));
        waiting.poll(&mut Context::from_waker(Waker::noop()))
    };
    assert_eq!(kept(1, committed), Poll::Ready(true));
    assert_eq!(kept(committed, committed + 1), Poll::Ready(false));
    assert_eq!(kept(gaps[0].to.unwrap(), bench.next - 1), Poll::Ready(false));
    assert_eq!(kept(bench.next - 1, bench.next - 1), Poll::Pending);
}

#[test]
fn too_much_uncommitted_is_refused_and_its_numbers_stay_free() {
    let mut bench = Bench::new(CacheOptions { pending_bytes: 10_000, ..options() });
    bench.add(1..51, "a");
    let mut taken = 0;
    while bench.cache().append(&bench.batch(taken, &[(1, Value::I64(1))], vec![])).is_ok() {
        bench.next += 1;
        taken += 1;
    }
    assert!(taken > 10);
    assert_eq!(bench.cache().stats().overloads, 1);
    bench.cache().flush().unwrap();
    bench.append(5, &[(1, Value::I64(1))], vec![]);
    bench.close();
}

#[test]
#[ignore = "needs a file system of 24 MiB: mount -t tmpfs -o size=24M tmpfs DIR, SMALL_DISK=DIR"]
fn on_a_disk_that_is_really_full_collection_goes_on() {
    let disk = std::path::PathBuf::from(std::env::var_os("SMALL_DISK").unwrap());
    let hog = disk.join("hog");
    let small = CacheOptions {
        chunk_entries: 20,
        journal_bytes: 300_000,
        ballast_bytes: 5 << 20,
        pending_bytes: 400_000,
        bounds: Bounds { max_bytes: Some(1 << 30), ..Bounds::default() },
        ..options()
    };
    let mut bench = Bench::in_folder(tempfile::tempdir_in(&disk).unwrap(), small);
    bench.add(1..101, "a");
    for round in 0..30_000 {
        noise(&mut bench, 1..101, round);
        if round % 20 == 0 {
            bench.cache().flush().unwrap();
        }
        match round {
            // Somebody else takes the room, and gives it back.
            16_000 => drop(std::fs::write(&hog, vec![1; 4 << 20])),
            18_000 => drop(std::fs::remove_file(&hog)),
            _ => {}
        }
    }
    let stats = bench.cache().stats();
    assert!(stats.disk_full_away > 0 && stats.sealed_samples > 500_000, "{stats:?}");
    bench.close();
    // And not one byte free at the start.
    assert!(std::fs::write(&hog, vec![1; 24 << 20]).is_err());
    assert_eq!(bench.open().recovered.set_aside, None);
    bench.round(1..101, 40_000);
    bench.cache().flush().unwrap();
    std::fs::remove_file(&hog).unwrap();
    bench.close();
}
