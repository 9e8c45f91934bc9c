//! The file's schema, its version, and how a connection is set up.
//!
//! Version N opens N − 1: each migration stands in [`MIGRATIONS`] and is never changed once released.

use crate::error::{CacheError, Tried};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// "HgwC" in ASCII: what makes an SQLite file a cache.
pub(crate) const APPLICATION_ID: i32 = 0x4867_7743;
/// The bits of a block's id that say which member of the group it belongs to.
pub(crate) const RANK_BITS: u32 = 10;
/// What SQLite reads and writes at a time.
pub(crate) const PAGE_BYTES: u32 = 4096;
/// The write-ahead log is copied into the file whenever it has this many pages, and cut to that size.
const WAL_PAGES: u32 = 1000;

const MIGRATIONS: [&str; 2] = [V1, V2];

const V1: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE epoch(start INTEGER PRIMARY KEY, random INTEGER NOT NULL, opened INTEGER NOT NULL,
  last INTEGER NOT NULL, finish INTEGER NOT NULL, closed INTEGER);
CREATE TABLE series(id INTEGER PRIMARY KEY, cluster TEXT NOT NULL, node TEXT NOT NULL, parameter TEXT NOT NULL,
  labels TEXT NOT NULL, kind INTEGER NOT NULL, unit TEXT NOT NULL, source TEXT NOT NULL, interval INTEGER,
  lifetime INTEGER, description TEXT NOT NULL, last_time INTEGER);
CREATE TABLE grp(id INTEGER PRIMARY KEY, cluster TEXT NOT NULL, version INTEGER NOT NULL, members BLOB NOT NULL);
CREATE TABLE times(id INTEGER PRIMARY KEY, grp INTEGER NOT NULL, version INTEGER NOT NULL, epoch INTEGER NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL, t_min INTEGER NOT NULL, t_max INTEGER NOT NULL,
  entries INTEGER NOT NULL, count INTEGER NOT NULL, bytes INTEGER NOT NULL, codec INTEGER NOT NULL,
  crc INTEGER NOT NULL, blob BLOB NOT NULL);
CREATE INDEX times_of_group ON times(grp, epoch, last);
CREATE TABLE block(id INTEGER PRIMARY KEY, series INTEGER NOT NULL, count INTEGER NOT NULL, codec INTEGER NOT NULL,
  min, max, sum, crc INTEGER NOT NULL, blob BLOB NOT NULL);
CREATE TABLE journal(id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  codec INTEGER NOT NULL, crc INTEGER NOT NULL, blob BLOB NOT NULL);
CREATE TABLE sealed(grp INTEGER NOT NULL, epoch INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY(grp, epoch)) WITHOUT ROWID;
CREATE TABLE gap(id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, scope INTEGER NOT NULL, cluster TEXT, series INTEGER,
  from_number INTEGER NOT NULL, to_number INTEGER, count INTEGER, reason INTEGER NOT NULL);
CREATE INDEX gap_of_epoch ON gap(epoch, reason);
CREATE TABLE life(id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, after INTEGER NOT NULL, series INTEGER NOT NULL,
  life INTEGER NOT NULL, time INTEGER NOT NULL, reason TEXT NOT NULL);
CREATE INDEX life_of_epoch ON life(epoch, after);
CREATE TABLE checkpoint(deployment TEXT PRIMARY KEY, epoch INTEGER NOT NULL, number INTEGER NOT NULL,
  state BLOB NOT NULL) WITHOUT ROWID;
";

/// The index of batches. Nothing ever wrote the first form of checkpoints.
const V2: &str = "
CREATE TABLE batches(id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  codec INTEGER NOT NULL, crc INTEGER NOT NULL, blob BLOB NOT NULL);
CREATE INDEX batches_of_epoch ON batches(epoch, last);
CREATE INDEX times_of_epoch ON times(epoch, first);
DROP TABLE checkpoint;
CREATE TABLE checkpoint(deployment TEXT NOT NULL, part INTEGER NOT NULL, crc INTEGER NOT NULL, blob BLOB NOT NULL,
  PRIMARY KEY(deployment, part));
";

/// The newest version of the schema: what this program writes.
pub(crate) const VERSION: i32 = MIGRATIONS.len() as i32;

/// Opens the file for writing, makes or migrates its schema.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, CacheError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).tried("opening the cache")?;
    set_up(&db)?;
    let version: i32 = pragma(&db, "user_version")?;
    let application: i32 = pragma(&db, "application_id")?;
    let empty: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .tried("reading the schema")?;
    if empty == 0 {
        // Before the first table, or they have no effect.
        db.pragma_update(None, "page_size", PAGE_BYTES).tried("setting the page size")?;
        db.pragma_update(None, "auto_vacuum", "INCREMENTAL").tried("setting auto_vacuum")?;
        db.pragma_update(None, "application_id", APPLICATION_ID).tried("writing the application id")?;
    } else if application != APPLICATION_ID || !(1..=VERSION).contains(&version) {
        return Err(CacheError::Sql {
            what: "opening the cache: not a cache, or of a newer version",
            source: rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB),
                None,
            ),
        });
    }
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
        .tried("turning on the write-ahead log")?;
    db.pragma_update(None, "synchronous", "FULL").tried("setting synchronous")?;
    db.pragma_update(None, "wal_autocheckpoint", WAL_PAGES).tried("setting the log's bound")?;
    db.pragma_update_and_check(None, "journal_size_limit", WAL_PAGES * PAGE_BYTES, |_| Ok(()))
        .tried("setting the log's bound")?;
    for (before, migration) in MIGRATIONS.iter().enumerate().skip(usize::try_from(version).unwrap_or(0)) {
        db.execute_batch(&format!(
            "BEGIN IMMEDIATE; {migration} PRAGMA user_version = {}; COMMIT;",
            before + 1
        ))
        .tried("migrating the schema")?;
    }
    Ok(db)
}

/// Opens the file for reading beside the writer.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, CacheError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).tried("opening the cache to read")?;
    set_up(&db)?;
    db.pragma_update(None, "query_only", true).tried("setting query_only")?;
    Ok(db)
}

fn set_up(db: &Connection) -> Result<(), CacheError> {
    db.busy_timeout(std::time::Duration::from_secs(10)).tried("setting the busy time-out")?;
    db.set_prepared_statement_cache_capacity(64);
    db.pragma_update(None, "cell_size_check", true).tried("setting cell_size_check")?;
    db.pragma_update(None, "trusted_schema", false).tried("setting trusted_schema")
}

/// Reads a pragma of one value.
pub(crate) fn pragma<T: rusqlite::types::FromSql>(
    db: &Connection,
    name: &'static str,
) -> Result<T, CacheError> {
    db.pragma_query_value(None, name, |row| row.get(0)).tried(name)
}
