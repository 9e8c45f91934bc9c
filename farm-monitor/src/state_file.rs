//! `state.db`: what a farm knows beside samples, in its folder: deployments, who holds which name, alarms and silences.
//!
//! Small and rarely written: each change is one transaction, on the disk when it returns. Tables are added by further
//! steps of [`STEPS`];a step that was released is never changed. A broken file is set aside and an empty one begun; what
//! was in it is told again by the lookups. One of a later release is refused, and stays as it is.

use hedgerow_service::sqlite_file::{self, Unusable, set_aside};
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Transaction};
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "state.db";
/// Bytes 68..72 of the file: `HdgS`.
const APPLICATION: i32 = i32::from_be_bytes(*b"HdgS");
/// What makes version N + 1 of version N. The checksum of a row is over all other columns, in their order.
const STEPS: &[&str] = &[
    "
    CREATE TABLE deployment (
        owner BLOB NOT NULL,
        name TEXT NOT NULL,
        serial INTEGER NOT NULL,
        standing INTEGER NOT NULL,
        accepted INTEGER NOT NULL,
        signature BLOB NOT NULL,
        body BLOB NOT NULL,
        crc INTEGER NOT NULL,
        PRIMARY KEY (owner, name, serial)
    ) STRICT;
    CREATE TABLE holder (
        name TEXT NOT NULL PRIMARY KEY,
        owner BLOB NOT NULL,
        crc INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE fact (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) STRICT;",
    "
    CREATE TABLE alarm (
        id BLOB NOT NULL PRIMARY KEY,
        body BLOB NOT NULL,
        unknown INTEGER NOT NULL,
        cause BLOB NOT NULL,
        crc INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE alarm_origin (
        alarm BLOB NOT NULL PRIMARY KEY,
        serial INTEGER NOT NULL,
        parameters TEXT NOT NULL,
        component TEXT NOT NULL,
        version TEXT NOT NULL,
        crc INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE alarm_transition (
        alarm BLOB NOT NULL,
        step INTEGER NOT NULL,
        body BLOB NOT NULL,
        crc INTEGER NOT NULL,
        PRIMARY KEY (alarm, step)
    ) STRICT;
    CREATE TABLE alarm_through (
        deployment TEXT NOT NULL PRIMARY KEY,
        cause BLOB NOT NULL,
        crc INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE silence (id INTEGER NOT NULL PRIMARY KEY, body BLOB NOT NULL, crc INTEGER NOT NULL) STRICT;",
    "
    CREATE TABLE deployment_faults (
        owner BLOB NOT NULL,
        name TEXT NOT NULL,
        serial INTEGER NOT NULL,
        body TEXT NOT NULL,
        crc INTEGER NOT NULL,
        PRIMARY KEY (owner, name, serial)
    ) STRICT;",
];

/// Why there can be no such file.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process has it.
    #[error("{0} is in use by another process: stop that one, or choose another folder")]
    InUse(PathBuf),
    /// It can neither be used nor replaced.
    #[error("cannot open {path}: {problem}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: Problem,
    },
    /// A file or folder beside it.
    #[error("cannot use {path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// SQLite says so.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// Of a later release.
    #[error(
        "it was written by a later release, in format {0}, and this one reads up to {latest}: start the release that wrote \
         it, or a later one; nothing was changed",
        latest = STEPS.len()
    )]
    Later(i32),
    /// Somebody else's.
    #[error("it is not the state of a farm: expected application {APPLICATION:#x}, it says {0:#x}")]
    Foreign(i32),
    /// SQLite's own check found something.
    #[error("its check says: {0}")]
    Check(String),
}

impl Problem {
    /// Whether the file is not to be set aside for it.
    fn unusable(&self) -> Option<Unusable> {
        match self {
            Self::Sqlite(error) => Unusable::of(error.sqlite_error_code()),
            Self::Later(_) => Some(Unusable::Refused),
            Self::Foreign(_) | Self::Check(_) => None,
        }
    }
}

/// The open file. Everything here blocks.
#[derive(Debug)]
pub struct StateFile(Mutex<Connection>);

impl StateFile {
    /// Opens it in `folder`; sets a broken one aside.
    ///
    /// # Errors
    /// Where there can be none, or another process has it.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        let path = folder.join(FILE);
        let problem = match open(&path) {
            Ok(connection) => return Ok(Self(Mutex::new(connection))),
            Err(problem) => problem,
        };
        match problem.unusable() {
            Some(Unusable::InUse) => return Err(StateError::InUse(path)),
            Some(Unusable::Refused) => return Err(StateError::Open { path, problem }),
            None => {}
        }
        let aside = set_aside(&path).map_err(|source| StateError::Io { path: path.clone(), source })?;
        tracing::warn!(event = "state_set_aside", path = %aside.display(), %problem);
        let opened = open(&path).map_err(|problem| StateError::Open { path, problem })?;
        Ok(Self(Mutex::new(opened)))
    }

    /// Reads.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        read(&self.0.lock())
    }

    /// Changes, all or nothing; on the disk when this returns.
    ///
    /// # Errors
    /// What SQLite says; then nothing has changed.
    pub fn write<T>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut connection = self.0.lock();
        let transaction = connection.transaction()?;
        let changed = change(&transaction)?;
        transaction.commit()?;
        Ok(changed)
    }
}

/// A checksum over columns: SQLite itself would not notice a flipped bit.
pub fn checksum<'a>(columns: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    for column in columns {
        crc.update(&(column.len() as u64).to_le_bytes());
        crc.update(column);
    }
    crc.finalize()
}

fn open(path: &Path) -> Result<Connection, Problem> {
    let mut connection = sqlite_file::open(path)?;
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && (application, version, tables) != (0, 0, 0) {
        return Err(Problem::Foreign(application));
    }
    let done = usize::try_from(version).map_err(|_| Problem::Foreign(application))?;
    let steps = STEPS.get(done..).ok_or(Problem::Later(version))?;
    let check: Option<String> =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).optional()?;
    if let Some(said) = check.filter(|said| said != "ok") {
        return Err(Problem::Check(said));
    }
    if !steps.is_empty() {
        let transaction = connection.transaction()?;
        steps.iter().try_for_each(|step| transaction.execute_batch(step))?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", STEPS.len())?;
        transaction.commit()?;
    }
    Ok(connection)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_broken_file_is_set_aside_and_one_of_a_later_release_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let put =
            |file: &StateFile| file.write(|t| t.execute("INSERT INTO fact VALUES ('a', 1)", [])).unwrap();
        put(&StateFile::open(folder.path()).unwrap());
        let count = |file: &StateFile| {
            file.read(|c| c.query_row("SELECT count(*) FROM fact", [], |row| row.get::<_, i64>(0))).unwrap()
        };
        let file = StateFile::open(folder.path()).unwrap();
        assert_eq!(count(&file), 1);
        assert!(matches!(StateFile::open(folder.path()), Err(StateError::InUse(_))));
        drop(file);
        let later = Connection::open(&path).unwrap();
        later.pragma_update(None, "user_version", 99).unwrap();
        drop(later);
        let refused = StateFile::open(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("later release"), "{refused}");
        std::fs::write(&path, [7; 5000]).unwrap();
        assert_eq!(count(&StateFile::open(folder.path()).unwrap()), 0);
        assert!(folder.path().join("state.db.broken-1").exists());
    }

    #[test]
    fn a_change_that_fails_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::open(folder.path()).unwrap();
        let failed = file.write(|t| {
            t.execute("INSERT INTO fact VALUES ('a', 1)", [])?;
            t.execute("INSERT INTO nothing VALUES (1)", [])
        });
        assert!(failed.is_err());
        let none = file.read(|c| c.query_row("SELECT count(*) FROM fact", [], |row| row.get::<_, i64>(0)));
        assert_eq!(none.unwrap(), 0);
    }
}
