//! The file of the documents: SQLite, read whole at the start, written before anything is acknowledged.

use hedgerow_model::registration::Id;
use hedgerow_proto::lookup::Signed;
use hedgerow_proto::signed::{SignedDocument, read_document};
use hedgerow_service::sqlite_file::{self, Unusable, set_aside};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FILE: &str = "documents.db";
/// Bytes 68..72 of the file: `HdgD`.
const APPLICATION: i32 = i32::from_be_bytes(*b"HdgD");
const VERSION: i32 = 1;
/// The checksum is over all other columns, in their order: SQLite itself would not notice a flipped bit.
const SCHEMA: &str = "
    CREATE TABLE document (
        kind TEXT NOT NULL,
        owner BLOB NOT NULL,
        name TEXT NOT NULL,
        signature BLOB NOT NULL,
        body BLOB NOT NULL,
        crc INTEGER NOT NULL,
        PRIMARY KEY (kind, owner, name)
    ) STRICT;";

/// Why documents cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum DocumentsError {
    /// Another process has it.
    #[error("{0} is in use by another process: stop that one, or choose another folder")]
    InUse(PathBuf),
    /// It can neither be used nor replaced.
    #[error("cannot open {path}: {problem}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        problem: Problem,
    },
    /// A file or folder that cannot be used.
    #[error("cannot use {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No thread to write it.
    #[error("cannot start the thread that writes documents")]
    Thread(#[source] io::Error),
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// SQLite says so.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// Of a later release.
    #[error(
        "it was written by a later release, in format {0}, and this one reads up to {VERSION}: start the release that \
         wrote it, or a later one; nothing was changed"
    )]
    Later(i32),
    /// Somebody else's.
    #[error(
        "it holds no documents of this release: expected application {APPLICATION:#x} version {VERSION}, it says {0:#x} version {1}"
    )]
    Foreign(i32, i32),
    /// SQLite's own check found something.
    #[error("its check says: {0}")]
    Check(String),
}

/// What was found at the start.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Documents.
    pub documents: Vec<Arc<SignedDocument>>,
    /// Rows that were damaged, or of another mesh, and thrown away.
    pub spoiled: usize,
    /// Where a broken file was put, and what was wrong with it.
    pub set_aside: Option<(PathBuf, String)>,
}

/// A change.
#[derive(Debug, Clone)]
pub enum Write {
    /// It stands.
    Put(Arc<SignedDocument>),
    /// It is dropped.
    Drop(Arc<SignedDocument>),
}

/// The open file.
#[derive(Debug)]
pub struct DocumentFile(Connection);

impl DocumentFile {
    /// Opens it and reads it whole; sets it aside and begins an empty one where it is broken.
    ///
    /// # Errors
    /// Where there can be no file, or another process has it.
    pub fn open(folder: &Path, mesh: Id) -> Result<(Self, Loaded), DocumentsError> {
        let path = folder.join(FILE);
        let problem = match Self::open_and_load(&path, mesh) {
            Ok(opened) => return Ok(opened),
            Err(problem) => problem,
        };
        match problem.unusable() {
            Some(Unusable::InUse) => return Err(DocumentsError::InUse(path)),
            Some(Unusable::Refused) => return Err(DocumentsError::Open { path, problem }),
            None => {}
        }
        let aside = set_aside(&path).map_err(|source| DocumentsError::Io { path: path.clone(), source })?;
        match Self::open_and_load(&path, mesh) {
            Ok((file, loaded)) => {
                Ok((file, Loaded { set_aside: Some((aside, problem.to_string())), ..loaded }))
            }
            Err(problem) => Err(DocumentsError::Open { path, problem }),
        }
    }

    fn open_and_load(path: &Path, mesh: Id) -> Result<(Self, Loaded), Problem> {
        let connection = sqlite_file::open(path)?;
        prepare(&connection)?;
        let mut loaded = Loaded::default();
        let mut spoiled = Vec::new();
        {
            let mut all =
                connection.prepare("SELECT rowid, kind, owner, name, signature, body, crc FROM document")?;
            let mut rows = all.query([])?;
            while let Some(row) = rows.next()? {
                match read(row)?.filter(|document| document.document.mesh == mesh) {
                    Some(document) => loaded.documents.push(Arc::new(document)),
                    None => spoiled.push(row.get::<_, i64>(0)?),
                }
            }
        }
        for row in &spoiled {
            connection.execute("DELETE FROM document WHERE rowid = ?1", [row])?;
        }
        loaded.spoiled = spoiled.len();
        Ok((Self(connection), loaded))
    }

    /// Writes these changes, all or none, to the disk.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn commit(&mut self, writes: &[Write]) -> rusqlite::Result<()> {
        let transaction = self.0.transaction()?;
        {
            let mut put = transaction.prepare(
                "INSERT OR REPLACE INTO document (kind, owner, name, signature, body, crc) VALUES (?, ?, ?, ?, ?, ?)",
            )?;
            let mut drop_one =
                transaction.prepare("DELETE FROM document WHERE kind = ?1 AND owner = ?2 AND name = ?3")?;
            for write in writes {
                match write {
                    Write::Drop(document) => {
                        let SignedDocument { document, owner, .. } = &**document;
                        drop_one.execute(params![document.kind, owner.0, document.name])?;
                    }
                    Write::Put(document) => {
                        let SignedDocument { signed, document, owner, .. } = &**document;
                        let columns: [&[u8]; 5] = [
                            document.kind.as_bytes(),
                            &owner.0,
                            document.name.as_bytes(),
                            &signed.signature,
                            &signed.body,
                        ];
                        let (signature, body) = (&*signed.signature, &*signed.body);
                        let crc = checksum(columns);
                        put.execute(params![document.kind, owner.0, document.name, signature, body, crc])?;
                    }
                }
            }
        }
        transaction.commit()
    }

    /// The file may not grow, as if the disk were full.
    #[cfg(test)]
    pub fn fill_the_disk(&self, full: bool) -> rusqlite::Result<()> {
        let pages: i64 = self.0.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let most = if full { pages } else { i64::from(u32::MAX) - 2 };
        self.0.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))
    }
}

impl Problem {
    /// Whether the file is not to be set aside for it.
    fn unusable(&self) -> Option<Unusable> {
        match self {
            Self::Sqlite(error) => Unusable::of(error.sqlite_error_code()),
            Self::Later(_) => Some(Unusable::Refused),
            Self::Foreign(..) | Self::Check(_) => None,
        }
    }
}

/// Makes the schema in an empty file; refuses what is not ours, or broken.
fn prepare(connection: &Connection) -> Result<(), Problem> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (application, version, tables) {
        (APPLICATION, VERSION, _) => {
            let check: Option<String> =
                connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).optional()?;
            check.filter(|said| said != "ok").map_or(Ok(()), |said| Err(Problem::Check(said)))
        }
        (0, 0, 0) => {
            connection.execute_batch(&format!(
                "BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
            ))?;
            Ok(())
        }
        (APPLICATION, VERSION.., _) => Err(Problem::Later(version)),
        _ => Err(Problem::Foreign(application, version)),
    }
}

/// Reads a row; `None` where it is damaged. The signature was checked when the document came, and the checksum says that
/// these are the bytes of then.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<SignedDocument>> {
    let (kind, name): (String, String) = (row.get(1)?, row.get(3)?);
    let [owner, signature, body]: [Vec<u8>; 3] = [row.get(2)?, row.get(4)?, row.get(5)?];
    if checksum([kind.as_bytes(), &owner, name.as_bytes(), &signature, &body]) != row.get::<_, u32>(6)? {
        return Ok(None);
    }
    let signed = Signed { body: body.into(), public_key: owner.into(), signature: signature.into() };
    let document = read_document(&signed).ok();
    Ok(document.filter(|read| read.document.kind == kind && read.document.name == name))
}

fn checksum(columns: [&[u8]; 5]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    for column in columns {
        crc.update(&(column.len() as u64).to_le_bytes());
        crc.update(column);
    }
    crc.finalize()
}
