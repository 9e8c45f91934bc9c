#![allow(clippy::unwrap_used)]
use super::*;
use crate::directory::{Kept, KeptFormer};
use crate::leases::LeaseId;
use crate::testing::{Author, mesh};
use rusqlite::Connection;
use std::fs;

fn kept(n: u8, serial: u64) -> Kept {
    Kept {
        entry: Arc::new(Author::new(n).entry(1, serial)),
        lease: LeaseId(u64::MAX - u64::from(n)),
        asked: Duration::from_secs(60),
        granted: Duration::from_secs(20),
        former: (n % 2 == 1).then(|| KeptFormer {
            entry: Arc::new(Author::new(n).entry(7, 7)),
            lease: LeaseId(u64::MAX / 2 - u64::from(n)),
            asked: Duration::from_millis(30_001),
        }),
    }
}

/// What a file held.
struct Found {
    kept: Vec<Kept>,
    spoiled: usize,
    set_aside: Option<(std::path::PathBuf, String)>,
}

/// Opens; the writer finds `writes` where it asks.
fn open_with(folder: &Path, writes: Vec<Write>) -> (Store, Found) {
    let mut kept = Vec::new();
    let (store, loaded) = Store::open(folder, mesh().id, |one| kept.push(one)).unwrap();
    assert!(loaded.set_aside.is_some() || loaded.kept == kept.len());
    let ids: Vec<_> = writes.iter().map(service).collect();
    store
        .begin(move |ids| {
            let of = |id: &Id| writes.iter().find(|write| service(write) == *id).cloned();
            ids.iter().map(|id| of(id).unwrap_or(Write::Forget(*id))).collect()
        })
        .unwrap();
    store.put(ids);
    (store, Found { kept, spoiled: loaded.spoiled, set_aside: loaded.set_aside })
}

fn service(write: &Write) -> Id {
    match write {
        Write::Keep(kept) => kept.entry.registration.id,
        Write::Forget(id) => *id,
    }
}

fn open(folder: &Path) -> (Store, Found) {
    open_with(folder, Vec::new())
}

/// Opens, writes, closes.
fn write(folder: &Path, writes: Vec<Write>) {
    open_with(folder, writes).0.close();
}

fn names(found: &Found) -> Vec<&str> {
    found.kept.iter().map(|kept| kept.entry.registration.name.as_str()).collect()
}

#[test]
fn what_was_put_is_there_again_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), vec![Write::Keep(kept(1, 0)), Write::Keep(kept(2, 0)), Write::Keep(kept(3, 0))]);
    write(folder.path(), vec![Write::Keep(kept(1, 5)), Write::Forget(Id([2; 16]))]);
    let (_, loaded) = open(folder.path());
    assert_eq!(names(&loaded), ["farm-1", "farm-3"]);
    let (found, put) = (&loaded.kept[0], kept(1, 5));
    assert_eq!(found.entry, put.entry);
    assert_eq!((found.lease, found.asked, found.granted), (put.lease, put.asked, put.granted));
    assert!(put.former.is_some());
    assert_eq!(found.former, put.former, "whom it replaced, too");
    assert!(loaded.set_aside.is_none() && loaded.spoiled == 0);
}

#[test]
fn a_broken_file_is_set_aside_each_time_under_a_new_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lookup.db");
    for n in 1..=2 {
        fs::write(&path, vec![0x5a; 8192]).unwrap();
        let (store, loaded) = open_with(folder.path(), vec![Write::Keep(kept(1, 0))]);
        let (aside, problem) = loaded.set_aside.unwrap();
        assert_eq!(aside, folder.path().join(format!("lookup.db.broken-{n}")));
        assert_eq!(fs::read(aside).unwrap(), vec![0x5a; 8192], "{problem}");
        store.close();
        assert_eq!(names(&open(folder.path()).1), ["farm-1"]);
    }
}

#[test]
fn a_torn_file_is_set_aside_and_one_of_a_later_release_is_refused_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lookup.db");
    write(folder.path(), (1..=200).map(|n| Write::Keep(kept(n, 0))).collect());
    let whole = fs::read(&path).unwrap();
    let mut torn = whole.clone();
    torn[4096..12_288].fill(0);
    fs::write(&path, torn).unwrap();
    assert!(open(folder.path()).1.set_aside.is_some());
    fs::write(&path, whole).unwrap();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 3).unwrap();
    let refused = Store::open(folder.path(), mesh().id, drop).unwrap_err().to_string();
    assert!(refused.contains("lookup.db") && refused.contains("a later release, in format 3"), "{refused}");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 2).unwrap();
    let (_, loaded) = open(folder.path());
    assert_eq!((loaded.kept.len(), loaded.set_aside), (200, None), "nothing was lost");
}

#[test]
fn a_file_of_the_first_version_is_read_and_written_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lookup.db");
    write(folder.path(), vec![Write::Keep(kept(2, 0)), Write::Keep(kept(4, 0))]);
    let first = "ALTER TABLE registration DROP COLUMN former; PRAGMA user_version = 1;";
    Connection::open(&path).unwrap().execute_batch(first).unwrap();
    let (store, loaded) = open_with(folder.path(), vec![Write::Keep(kept(1, 0))]);
    assert!(loaded.set_aside.is_none() && loaded.spoiled == 0);
    assert_eq!(names(&loaded), ["farm-2", "farm-4"]);
    store.close();
    let (_, loaded) = open(folder.path());
    assert_eq!(names(&loaded), ["farm-1", "farm-2", "farm-4"]);
    assert_eq!(loaded.kept[0].former, kept(1, 0).former);
}

#[test]
fn a_damaged_row_costs_that_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lookup.db");
    write(folder.path(), vec![Write::Keep(kept(1, 0)), Write::Keep(kept(2, 0))]);
    let damage = |sql: &str| assert_eq!(Connection::open(&path).unwrap().execute(sql, []).unwrap(), 1);
    damage("UPDATE registration SET granted_ms = 86400000 WHERE id = x'01010101010101010101010101010101'");
    let (store, loaded) = open(folder.path());
    assert_eq!((names(&loaded), loaded.spoiled), (vec!["farm-2"], 1));
    store.close();
    assert_eq!(open(folder.path()).1.spoiled, 0, "it was thrown away");
}

#[test]
fn another_meshs_registrations_are_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), vec![Write::Keep(kept(1, 0))]);
    let (_, loaded) = Store::open(folder.path(), Id([7; 16]), drop).unwrap();
    assert_eq!((loaded.kept, loaded.spoiled), (0, 1));
}

#[test]
fn a_file_in_use_is_neither_shared_nor_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let held = open(folder.path());
    assert!(matches!(Store::open(folder.path(), mesh().id, drop), Err(StoreError::InUse(_))));
    drop(held);
    assert!(open(folder.path()).1.set_aside.is_none());
}

#[test]
fn a_flood_is_written_in_groups_and_beyond_the_bound_counted() {
    let shared = Shared::default();
    let id = |n: u32| Id(u128::from(n).to_be_bytes());
    let put = |n: u32| shared.state.lock().put(id(n), &shared.dropped);
    (0..MAX_WAITING as u32 + 3).for_each(put);
    put(5);
    assert_eq!(shared.dropped.load(Relaxed), 3, "what waits already does so once");
    shared.state.lock().closing = true;
    let (group, _) = shared.next_group();
    assert_eq!((group.len(), shared.state.lock().waiting.len()), (GROUP, MAX_WAITING - GROUP));
    shared.wait_to_retry(&group);
    let mut all: Vec<_> =
        std::iter::from_fn(|| Some(shared.next_group().0).filter(|group| !group.is_empty()))
            .flatten()
            .collect();
    all.sort_unstable();
    assert!(all.into_iter().eq((0..MAX_WAITING as u32).map(id)), "each once");
    assert_eq!(shared.state.lock().waiting.capacity(), 0);
}
