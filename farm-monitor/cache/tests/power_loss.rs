//! A power cut at any moment: what was acknowledged is there, and the file opens.
//!
//! An SQLite VFS notes every write, truncation and sync of one run. For each of 50 cuts the files are built anew as a disk
//! would have them: what was synced, and of the rest nothing, or any part of it.
#![expect(unsafe_code, reason = "an SQLite VFS is a table of C functions")]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "suite/bench.rs"]
mod bench;

use bench::{Bench, options, read_all};
use hedgerow_cache::{Cache, CacheOptions};
use hedgerow_model::{SeriesId, Value};
use rusqlite::ffi;
use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

/// What happened, in order.
#[derive(Debug)]
enum Event {
    Write { file: Arc<str>, offset: usize, bytes: Vec<u8> },
    Truncate { file: Arc<str>, size: usize },
    Sync { file: Arc<str> },
    Delete { file: String },
    Acknowledged { number: u64 },
}

/// The recorder: only files in `folder` are noted.
#[derive(Default)]
struct Record {
    folder: Option<String>,
    events: Vec<Event>,
    /// Open files by the address of SQLite's handle: name, and the methods of the VFS below.
    files: HashMap<usize, (Arc<str>, &'static ffi::sqlite3_io_methods)>,
}

static RECORD: OnceLock<Mutex<Record>> = OnceLock::new();

fn record<T>(act: impl FnOnce(&mut Record) -> T) -> T {
    act(&mut RECORD.get_or_init(Mutex::default).lock().unwrap())
}

/// The VFS below, that does the work.
fn below() -> *mut ffi::sqlite3_vfs {
    // SAFETY: finding a VFS by a terminated name has no other condition.
    unsafe { ffi::sqlite3_vfs_find(c"unix".as_ptr()) }
}

fn methods(file: *mut ffi::sqlite3_file) -> (Arc<str>, &'static ffi::sqlite3_io_methods) {
    record(|record| record.files[&(file as usize)].clone())
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives a handle large enough for the VFS below, whose size the copy has kept.
    let result = unsafe { (*below()).xOpen.unwrap()(below(), name, file, flags, out) };
    if result != ffi::SQLITE_OK || name.is_null() {
        return result;
    }
    // SAFETY: not null, and terminated by SQLite's contract.
    let path = unsafe { CStr::from_ptr(name) }.to_str().unwrap().to_owned();
    record(|record| {
        if record.folder.as_ref().is_some_and(|folder| path.starts_with(folder.as_str())) {
            // SAFETY: a file that was opened has methods, and the tables of the VFS below are static.
            let base: &'static ffi::sqlite3_io_methods = unsafe { &*(*file).pMethods };
            let mut ours = *base;
            ours.xWrite = Some(write);
            ours.xTruncate = Some(truncate);
            ours.xSync = Some(sync);
            ours.xClose = Some(close);
            // SAFETY: the handle is ours until it is closed; the table is never freed.
            unsafe { (*file).pMethods = Box::leak(Box::new(ours)) };
            record.files.insert(file as usize, (path.into(), base));
        }
    });
    result
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    data: *const c_void,
    size: c_int,
    offset: i64,
) -> c_int {
    let (name, base) = methods(file);
    // SAFETY: SQLite's contract: `data` has `size` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size as usize) }.to_vec();
    record(|record| record.events.push(Event::Write { file: name, offset: offset as usize, bytes }));
    // SAFETY: the same arguments, to the method that was there before.
    unsafe { base.xWrite.unwrap()(file, data, size, offset) }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    let (name, base) = methods(file);
    record(|record| record.events.push(Event::Truncate { file: name, size: size as usize }));
    // SAFETY: as in `write`.
    unsafe { base.xTruncate.unwrap()(file, size) }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let (name, base) = methods(file);
    // SAFETY: as in `write`.
    let result = unsafe { base.xSync.unwrap()(file, flags) };
    record(|record| record.events.push(Event::Sync { file: name }));
    result
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let (_, base) = methods(file);
    record(|record| record.files.remove(&(file as usize)));
    // SAFETY: as in `write`.
    unsafe { base.xClose.unwrap()(file) }
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, dir: c_int) -> c_int {
    // SAFETY: terminated by SQLite's contract.
    let file = unsafe { CStr::from_ptr(name) }.to_str().unwrap().to_owned();
    record(|record| {
        if record.folder.as_ref().is_some_and(|folder| file.starts_with(folder.as_str())) {
            record.events.push(Event::Delete { file });
        }
    });
    // SAFETY: as in `write`.
    unsafe { (*below()).xDelete.unwrap()(below(), name, dir) }
}

fn install() {
    // SAFETY: the VFS below is found and lives for ever; so does the copy.
    unsafe {
        let mut shim = *below();
        shim.zName = c"recording".as_ptr();
        shim.xOpen = Some(open);
        shim.xDelete = Some(delete);
        assert_eq!(ffi::sqlite3_vfs_register(Box::leak(Box::new(shim)), 1), ffi::SQLITE_OK);
    }
}

/// A file as it is on disk, and what was done to it since its last sync.
#[derive(Debug, Default)]
struct Disk {
    durable: Vec<u8>,
    since: Vec<(usize, Option<Vec<u8>>)>,
}

impl Disk {
    fn apply(&mut self, offset: usize, bytes: Option<&[u8]>) {
        match bytes {
            None => self.durable.resize(offset, 0),
            Some(bytes) => {
                if self.durable.len() < offset + bytes.len() {
                    self.durable.resize(offset + bytes.len(), 0);
                }
                self.durable[offset..offset + bytes.len()].copy_from_slice(bytes);
            }
        }
    }

    fn sync(&mut self) {
        for (offset, bytes) in std::mem::take(&mut self.since) {
            self.apply(offset, bytes.as_deref());
        }
    }
}

/// Writes the files as they are after a cut behind `events` into `folder`; returns the last acknowledged number.
/// With `luck`, some of what was not synced is there, whole or torn.
fn cut(events: &[Event], folder: &Path, mut luck: Option<u64>) -> u64 {
    let mut disks: HashMap<&str, Disk> = HashMap::new();
    let mut acknowledged = 0;
    for event in events {
        match event {
            Event::Write { file, offset, bytes } => {
                disks.entry(file).or_default().since.push((*offset, Some(bytes.clone())));
            }
            Event::Truncate { file, size } => disks.entry(file).or_default().since.push((*size, None)),
            Event::Sync { file } => disks.entry(file).or_default().sync(),
            Event::Delete { file } => drop(disks.remove(file.as_str())),
            Event::Acknowledged { number } => acknowledged = *number,
        }
    }
    for (name, mut disk) in disks {
        if let Some(state) = &mut luck {
            for (offset, bytes) in std::mem::take(&mut disk.since) {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                match (*state % 3, bytes) {
                    (0, _) => {}
                    (1, Some(bytes)) => disk.apply(offset, Some(&bytes[..bytes.len() / 1024 * 512])),
                    (_, bytes) => disk.apply(offset, bytes.as_deref()),
                }
            }
        }
        std::fs::write(folder.join(Path::new(name).file_name().unwrap()), disk.durable).unwrap();
    }
    acknowledged
}

/// One run with commits, seals, deletions and checkpoints, all noted.
fn run() -> (Bench, Vec<Event>) {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    record(|record| record.folder = Some(folder.path().to_str().unwrap().to_owned()));
    let mut bench = Bench::in_folder(folder, CacheOptions { chunk_entries: 12, readers: 1, ..options() });
    bench.add(1..9, "a");
    for round in 0..120_i64 {
        let samples: Vec<(u32, Value)> =
            (1..9).map(|id| (id, Value::F64((round * i64::from(id)) as f64 / 7.0))).collect();
        bench.append(round, &samples, Vec::new());
        if round % 3 == 0 {
            bench.cache().flush().unwrap();
            let number = bench.next - 1;
            record(|record| record.events.push(Event::Acknowledged { number }));
        }
        if round % 25 == 24 {
            let db = rusqlite::Connection::open(&bench.path).unwrap();
            db.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())).unwrap();
        }
    }
    bench.crash();
    let events = record(|record| {
        record.folder = None;
        std::mem::take(&mut record.events)
    });
    (bench, events)
}

#[test]
fn every_acknowledged_sample_survives_a_power_cut() {
    install();
    let (bench, events) = run();
    let syncs = events.iter().filter(|event| matches!(event, Event::Sync { .. })).count();
    assert!(events.len() > 300 && syncs > 50, "the recorder saw {} events, {syncs} syncs", events.len());
    let all: Vec<SeriesId> = (1..9).map(SeriesId).collect();
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut survived = 0;
    for case in 0..50 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (state >> 33) as usize % (events.len() + 1);
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let acknowledged = cut(&events[..at], folder.path(), (case % 2 == 1).then_some(state | 1));
        let path = folder.path().join("cache.db");
        let opened = Cache::open(&path, options(), Arc::new(|| 0)).unwrap();
        assert_eq!(opened.recovered.set_aside, None, "cut {case} at {at}: {:?}", opened.recovered.why);
        for proof in hedgerow_cache::verify(&path).unwrap() {
            assert!(proof.holds(), "cut {case} at {at}: {proof:?}");
        }
        if acknowledged > 0 {
            let info = opened.epochs[0];
            assert!(info.epoch == bench.epoch && info.last >= acknowledged, "cut {case} at {at}: {info:?}");
            let read = read_all(&opened.cache.reader(), bench.epoch, &all, acknowledged, 1 << 20);
            assert_eq!(read, bench.expected(bench.epoch, &all, 0, acknowledged), "cut {case} at {at}");
            survived += 1;
        }
    }
    assert!(survived > 30, "most cuts come after an acknowledgement: {survived}");
}
