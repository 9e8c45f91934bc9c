#![allow(clippy::unwrap_used)]
use super::*;
use crate::directory::Kept;
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
    }
}

fn open(folder: &Path) -> (Store, Loaded) {
    Store::open(folder, mesh().id).unwrap()
}

/// Opens, writes, closes.
fn write(folder: &Path, writes: Vec<Write>) {
    let (store, _) = open(folder);
    store.put(writes);
    store.close();
}

fn names(loaded: &Loaded) -> Vec<&str> {
    loaded.kept.iter().map(|kept| kept.entry.registration.name.as_str()).collect()
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
    assert!(loaded.set_aside.is_none() && loaded.spoiled == 0);
}

#[test]
fn a_broken_file_is_set_aside_each_time_under_a_new_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lookup.db");
    for n in 1..=2 {
        fs::write(&path, vec![0x5a; 8192]).unwrap();
        let (store, loaded) = open(folder.path());
        let (aside, problem) = loaded.set_aside.unwrap();
        assert_eq!(aside, folder.path().join(format!("lookup.db.broken-{n}")));
        assert_eq!(fs::read(aside).unwrap(), vec![0x5a; 8192], "{problem}");
        store.put(vec![Write::Keep(kept(1, 0))]);
        store.close();
        assert_eq!(names(&open(folder.path()).1), ["farm-1"]);
    }
}

#[test]
fn a_torn_file_and_one_of_a_later_release_are_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lookup.db");
    write(folder.path(), (1..=200).map(|n| Write::Keep(kept(n, 0))).collect());
    let whole = fs::read(&path).unwrap();
    let mut torn = whole.clone();
    torn[4096..12_288].fill(0);
    fs::write(&path, torn).unwrap();
    assert!(open(folder.path()).1.set_aside.is_some());
    fs::write(&path, whole).unwrap();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 2).unwrap();
    let (_, loaded) = open(folder.path());
    assert!(loaded.set_aside.unwrap().1.contains("version 2"));
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
    let (_, loaded) = Store::open(folder.path(), Id([7; 16])).unwrap();
    assert_eq!((loaded.kept.len(), loaded.spoiled), (0, 1));
}

#[test]
fn a_file_in_use_is_neither_shared_nor_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let held = open(folder.path());
    assert!(matches!(Store::open(folder.path(), mesh().id), Err(StoreError::InUse(_))));
    drop(held);
    assert!(open(folder.path()).1.set_aside.is_none());
}

#[test]
fn what_cannot_be_written_now_is_written_later_unless_something_newer_came() {
    let shared = Shared::default();
    shared.state.lock().closing = true;
    shared.state.lock().put(Write::Forget(Id([1; 16])), &shared.dropped);
    let group = [Write::Keep(kept(1, 0)), Write::Keep(kept(2, 0))].map(|write| (write.service(), write));
    shared.wait_to_retry(group.into_iter().collect());
    let (group, _) = shared.next_group();
    assert!(matches!(group[&Id([1; 16])], Write::Forget(_)), "the newer change");
    assert!(matches!(group[&Id([2; 16])], Write::Keep(_)));
}
