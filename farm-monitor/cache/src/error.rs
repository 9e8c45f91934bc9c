//! What can go wrong with the cache, in words for the farm's log and its operators.

use crate::bytes::Damaged;
use hedgerow_model::SeriesId;
use std::path::PathBuf;

/// Why something could not be done with the cache's file.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// SQLite refused.
    #[error("{what}")]
    Sql {
        /// What was tried.
        what: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The operating system refused.
    #[error("{what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error("cache {} is in use by another process: only one farm may write it", .0.display())]
    InUse(PathBuf),
    /// A blob in a place where no gap record can stand for it.
    #[error("{what}")]
    Damaged {
        /// Where.
        what: &'static str,
        /// What is wrong.
        source: Damaged,
    },
    /// The writer has ended: the cache was closed.
    #[error("the cache is closed")]
    Closed,
    /// What was asked for is not committed: the disk does not take it.
    #[error("not committed: {0}")]
    NotCommitted(String),
}

impl CacheError {
    /// Whether the file's structure is broken, so that only a new file helps.
    pub(crate) fn is_broken(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, TypeMismatch};
        match self {
            Self::Sql { source, .. } => match source {
                rusqlite::Error::SqliteFailure(failure, _) => {
                    // An unknown table or column is a plain error: a schema that is not ours.
                    matches!(failure.code, DatabaseCorrupt | NotADatabase | TypeMismatch)
                        || failure.extended_code == 1
                }
                rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::Utf8Error(..)
                | rusqlite::Error::QueryReturnedNoRows => true,
                _ => false,
            },
            Self::Damaged { .. } => true,
            _ => false,
        }
    }

    /// Whether the file cannot be opened at all, or not for writing.
    pub(crate) fn is_unusable(&self) -> bool {
        use rusqlite::ErrorCode::{CannotOpen, PermissionDenied, ReadOnly};
        self.is_broken()
            || matches!(self, Self::Sql { source: rusqlite::Error::SqliteFailure(failure, _), .. }
                if matches!(failure.code, CannotOpen | PermissionDenied | ReadOnly))
    }

    /// Whether the disk (or the bound of pages) has no room.
    pub(crate) fn is_full(&self) -> bool {
        // What SQLite says when a write, or the growth of its shared memory, finds no room.
        use rusqlite::ffi::{SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE};
        match self {
            Self::Sql { source: rusqlite::Error::SqliteFailure(failure, _), .. } => {
                failure.code == rusqlite::ErrorCode::DiskFull
                    || [SQLITE_IOERR_WRITE, SQLITE_IOERR_SHMSIZE].contains(&failure.extended_code)
            }
            Self::Io { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
            _ => false,
        }
    }
}

/// Names what was tried when SQLite refuses.
pub(crate) trait Tried<T> {
    fn tried(self, what: &'static str) -> Result<T, CacheError>;
}

impl<T> Tried<T> for Result<T, rusqlite::Error> {
    fn tried(self, what: &'static str) -> Result<T, CacheError> {
        self.map_err(|source| CacheError::Sql { what, source })
    }
}

/// Why a batch was not taken. Its numbers stay unused: the next batch begins with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendRefused {
    /// The bound of what is not committed yet is reached: the disk is too slow.
    #[error("bound of uncommitted bytes reached")]
    Overload,
    /// The batch is not in the hub's normal form.
    #[error("batch not in normal form: {0}")]
    Form(&'static str),
    /// Numbers are dense.
    #[error("batch begins with number {got}, expected {expected}")]
    Number {
        /// The number after the last.
        expected: u64,
        /// What the batch begins with.
        got: u64,
    },
    /// A series that was never added.
    #[error("series {0:?} is not in the cache's table")]
    Series(SeriesId),
    /// The cache was closed.
    #[error("the cache is closed")]
    Closed,
}
