#![allow(clippy::unwrap_used)]
use super::*;
use crate::directory::{Kept, KeptFormer};
use crate::leases::LeaseId;
use crate::testing::{Author, mesh};
use rusqlite::Connection;
use std::fs;

fn kept(n: u8, serial: u64) -> Kept {
    Kept {
        entry: Arc::new(Author::new(n).entry(1, serial)).into(),
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
    let restore = |one| {
        kept.push(one);
        Some(kept.len() as u32 - 1)
    };
    let (store, loaded) = Store::open(folder, mesh().id, restore).unwrap();
    assert!(loaded.set_aside.is_some() || loaded.kept == kept.len());
    let slots: Vec<_> = writes.iter().map(slot).collect();
    store
        .begin(move |slots| {
            let of = |at: &u32| writes.iter().find(|write| slot(write) == *at).cloned();
            slots.iter().map(|at| of(at).unwrap_or(Write::Forget(*at))).collect()
        })
        .unwrap();
    store.put(slots);
    (store, Found { kept, spoiled: loaded.spoiled, set_aside: loaded.set_aside })
}

const fn slot(write: &Write) -> u32 {
    match write {
        Write::Keep(slot, _) | Write::Forget(slot) => *slot,
    }
}

fn keep(slot: u32, kept: Kept) -> Write {
    Write::Keep(slot, kept)
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
    write(folder.path(), vec![keep(0, kept(1, 0)), keep(1, kept(2, 0)), keep(2, kept(3, 0))]);
    write(folder.path(), vec![keep(0, kept(1, 5)), Write::Forget(1)]);
    let (_, loaded) = open(folder.path());
    assert_eq!(names(&loaded), ["farm-1", "farm-3"]);
    let (found, put) = (&loaded.kept[0], kept(1, 5));
    assert_eq!(*found.entry, *put.entry);
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
        let (store, loaded) = open_with(folder.path(), vec![keep(0, kept(1, 0))]);
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
    write(folder.path(), (1..=200).map(|n| keep(n.into(), kept(n, 0))).collect());
    let whole = fs::read(&path).unwrap();
    let mut torn = whole.clone();
    torn[4096..12_288].fill(0);
    fs::write(&path, torn).unwrap();
    assert!(open(folder.path()).1.set_aside.is_some());
    fs::write(&path, whole).unwrap();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 4).unwrap();
    let refused = Store::open(folder.path(), mesh().id, |_| Some(0)).unwrap_err().to_string();
    assert!(refused.contains("lookup.db") && refused.contains("a later release, in format 4"), "{refused}");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 3).unwrap();
    let (_, loaded) = open(folder.path());
    assert_eq!((loaded.kept.len(), loaded.set_aside), (200, None), "nothing was lost");
}

/// As the second version made it.
const SECOND: &str = "
    DROP TABLE registration;
    CREATE TABLE registration (
        id BLOB PRIMARY KEY, lease INTEGER NOT NULL, asked_ms INTEGER NOT NULL, granted_ms INTEGER NOT NULL,
        public_key BLOB NOT NULL, signature BLOB NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL, former BLOB
    ) STRICT, WITHOUT ROWID;
    INSERT INTO registration SELECT id, lease, asked_ms, granted_ms, public_key, signature, body, crc, former FROM now;
    PRAGMA user_version = 2;";

#[test]
fn files_of_earlier_versions_are_read_and_written_on() {
    for back in [
        SECOND.to_owned(),
        format!("{SECOND} ALTER TABLE registration DROP COLUMN former; PRAGMA user_version = 1;"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lookup.db");
        write(folder.path(), vec![keep(7, kept(4, 0)), keep(3, kept(2, 0))]);
        let back = format!("CREATE TEMP TABLE now AS SELECT * FROM registration; {back}");
        Connection::open(&path).unwrap().execute_batch(&back).unwrap();
        let (store, loaded) = open_with(folder.path(), vec![keep(2, kept(1, 0))]);
        assert!(loaded.set_aside.is_none() && loaded.spoiled == 0);
        assert_eq!(names(&loaded), ["farm-2", "farm-4"]);
        store.close();
        let (_, loaded) = open(folder.path());
        assert_eq!(names(&loaded), ["farm-2", "farm-4", "farm-1"]);
        assert_eq!(loaded.kept[2].former, kept(1, 0).former);
    }
}

#[test]
fn rows_move_down_to_the_slots_that_are_given_out_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), vec![keep(5, kept(1, 0)), keep(6, kept(2, 0)), keep(9, kept(3, 0))]);
    // The second is there already, in another slot: its row goes.
    let mut slots = [Some(0), None, Some(1)].into_iter();
    Store::open(folder.path(), mesh().id, |_| slots.next().flatten()).unwrap().0.close();
    let of = "SELECT group_concat(slot || ' ' || hex(substr(id, 1, 1)), ', ') FROM registration";
    let file = Connection::open(folder.path().join("lookup.db")).unwrap();
    assert_eq!(file.query_row(of, [], |row| row.get::<_, String>(0)).unwrap(), "0 01, 1 03");
}

#[test]
fn a_damaged_row_costs_that_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lookup.db");
    write(folder.path(), vec![keep(0, kept(1, 0)), keep(1, kept(2, 0))]);
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
    write(folder.path(), vec![keep(0, kept(1, 0))]);
    let (_, loaded) = Store::open(folder.path(), Id([7; 16]), |_| Some(0)).unwrap();
    assert_eq!((loaded.kept, loaded.spoiled), (0, 1));
}

#[test]
fn a_file_in_use_is_neither_shared_nor_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let held = open(folder.path());
    assert!(matches!(Store::open(folder.path(), mesh().id, |_| Some(0)), Err(StoreError::InUse(_))));
    drop(held);
    assert!(open(folder.path()).1.set_aside.is_none());
}

#[test]
fn a_flood_is_written_in_groups_and_beyond_the_bound_counted() {
    let shared = Shared::default();
    let put = |n: u32| shared.state.lock().put(n, &shared.dropped);
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
    assert!(all.into_iter().eq(0..MAX_WAITING as u32), "each once");
    assert_eq!(shared.state.lock().waiting.capacity(), 0);
}
