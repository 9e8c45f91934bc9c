//! What the SQLite files of roles share: how they are opened, when one counts as broken, and where it is put then. What
//! stands in them it does not know.

use rusqlite::{Connection, ErrorCode};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a file is not to be set aside, though it cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// Another process has it.
    InUse,
    /// There can be no other in its place: the system refuses, or somebody else needs this one.
    Refused,
}

impl Unusable {
    /// What SQLite's answer says of that; `None`: the file is broken.
    pub const fn of(code: Option<ErrorCode>) -> Option<Self> {
        match code {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Some(Self::InUse),
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::DiskFull
                | ErrorCode::OutOfMemory,
            ) => Some(Self::Refused),
            _ => None,
        }
    }
}

/// Opens a file for this process alone, synced with each commit.
///
/// # Errors
/// What SQLite says.
pub fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::ZERO)?;
    // Exclusive: two processes on one file would undo each other. FULL: with less, a power cut takes back commits.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Renames the file and what SQLite keeps beside it to the first free `FILE.broken-N`, and says to what.
///
/// # Errors
/// What the system says.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let named = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = (1..).map(|n: u32| format!(".broken-{n}")).find(|suffix| !named(suffix).exists());
    let aside = aside.unwrap_or_else(|| ".broken".to_owned());
    for beside in ["-wal", "-shm"] {
        if named(beside).exists() {
            std::fs::rename(named(beside), named(&format!("{aside}{beside}")))?;
        }
    }
    std::fs::rename(path, named(&aside))?;
    Ok(named(&aside))
}
