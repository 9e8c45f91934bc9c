//! The file itself: its schema, how it is read whole at the start, and what is done when it is broken.

use crate::admission::{Entry, MAX_BODY_BYTES};
use crate::directory::{Kept, KeptFormer, Write};
use crate::leases::LeaseId;
use crate::registry;
use bytes::Bytes;
use hedgerow_model::registration::Id;
use hedgerow_proto::lookup::Signed;
use hedgerow_service::sqlite_file::{self, Unusable, set_aside};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const FILE: &str = "lookup.db";
/// Bytes 68..72 of the file: `HdgL`.
const APPLICATION: i32 = i32::from_be_bytes(*b"HdgL");
const VERSION: i32 = 3;
/// After how many pages (of 4 KiB) the log beside the file is worked in: what changes several times until then is written
/// to the file once. With SQLite's thousand each second's changes are a log of their own.
const CHECKPOINT_PAGES: u32 = 8192;
/// Makes a file of a version one of the next: the first lacks a column; the second has its rows in the order of their ids.
const UPGRADES: [&str; 2] = [
    "ALTER TABLE registration ADD COLUMN former BLOB;",
    "ALTER TABLE registration RENAME TO before;
     {SCHEMA}
     INSERT INTO registration (id, lease, asked_ms, granted_ms, public_key, signature, body, crc, former)
     SELECT id, lease, asked_ms, granted_ms, public_key, signature, body, crc, former FROM before;
     DROP TABLE before;",
];
/// What [`KeptFormer`] is as a column: lease, asked term in milliseconds, signature, body. Its key is that of the row.
const FORMER_HEAD: usize = 8 + 8 + 64;
/// A row for each slot of the registry, so that those who register one after the other stand side by side: by the order of
/// their ids, which are random, each would cost a page of its own. The checksum is over all other columns but the slot, in
/// their order: SQLite itself would not notice a flipped bit.
const SCHEMA: &str = "
    CREATE TABLE registration (
        slot INTEGER PRIMARY KEY,
        id BLOB NOT NULL,
        lease INTEGER NOT NULL,
        asked_ms INTEGER NOT NULL,
        granted_ms INTEGER NOT NULL,
        public_key BLOB NOT NULL,
        signature BLOB NOT NULL,
        body BLOB NOT NULL,
        crc INTEGER NOT NULL,
        former BLOB
    ) STRICT;";

/// Why there is no file to work with.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
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
    /// It is broken, and stays where it is.
    #[error("{path} is broken, and cannot be set aside under another name")]
    SetAside {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No thread to write it.
    #[error("cannot start the thread that writes the directory")]
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
        "it is no directory of this release: expected application {APPLICATION:#x} version {VERSION}, it says {0:#x} version {1}"
    )]
    Foreign(i32, i32),
    /// SQLite's own check found something.
    #[error("its check says: {0}")]
    Check(String),
}

/// What was found at the start.
#[derive(Debug, Default)]
pub struct Loaded {
    /// How many registrations.
    pub kept: usize,
    /// Rows that were damaged, or of another mesh, and thrown away.
    pub spoiled: usize,
    /// Where a broken file was put, and what was wrong with it.
    pub set_aside: Option<(PathBuf, String)>,
}

/// The open file.
#[derive(Debug)]
pub struct StoreFile(Connection);

impl StoreFile {
    /// Opens it and reads it whole, row by row; sets it aside and begins an empty one where it is broken.
    ///
    /// # Errors
    /// Where there can be no file, or another process has it.
    pub fn open(
        folder: &Path,
        mesh: Id,
        mut restore: impl FnMut(Kept) -> Option<u32>,
    ) -> Result<(Self, Loaded), StoreError> {
        let path = folder.join(FILE);
        let problem = match Self::open_and_load(&path, mesh, &mut restore) {
            Ok(opened) => return Ok(opened),
            Err(problem) => problem,
        };
        match problem.unusable() {
            Some(Unusable::InUse) => return Err(StoreError::InUse(path)),
            Some(Unusable::Refused) => return Err(StoreError::Open { path, problem }),
            None => {}
        }
        let aside = set_aside(&path).map_err(|source| StoreError::SetAside { path: path.clone(), source })?;
        match Self::open_and_load(&path, mesh, &mut restore) {
            Ok((file, loaded)) => {
                Ok((file, Loaded { set_aside: Some((aside, problem.to_string())), ..loaded }))
            }
            Err(problem) => Err(StoreError::Open { path, problem }),
        }
    }

    fn open_and_load(
        path: &Path,
        mesh: Id,
        restore: &mut impl FnMut(Kept) -> Option<u32>,
    ) -> Result<(Self, Loaded), Problem> {
        let connection = sqlite_file::open(path)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        prepare(&connection)?;
        let mut loaded = Loaded::default();
        let (mut moved, mut surplus) = (Vec::new(), Vec::new());
        {
            let mut all = connection.prepare(
                "SELECT id, lease, asked_ms, granted_ms, public_key, signature, body, crc, former, slot
                 FROM registration ORDER BY slot",
            )?;
            let mut rows = all.query([])?;
            while let Some(row) = rows.next()? {
                let at: i64 = row.get(9)?;
                let kept = read(row)?.filter(|kept| kept.entry.registration.mesh.id == mesh);
                loaded.spoiled += usize::from(kept.is_none());
                match kept.and_then(&mut *restore).map(i64::from) {
                    Some(slot) if slot == at => loaded.kept += 1,
                    Some(slot) => moved.push((slot, at)),
                    None => surplus.push(at),
                }
            }
        }
        loaded.kept += moved.len();
        let transaction = connection.unchecked_transaction()?;
        for slot in &surplus {
            transaction.execute("DELETE FROM registration WHERE slot = ?1", [slot])?;
        }
        // Slots are given out in order: each row moves down, to where none is.
        let mut update = transaction.prepare("UPDATE registration SET slot = ?1 WHERE slot = ?2")?;
        for slots in moved {
            update.execute(slots)?;
        }
        drop(update);
        transaction.commit()?;
        Ok((Self(connection), loaded))
    }

    /// Writes these changes, all or none; each is asked for when the one before is written.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn commit(&mut self, writes: impl Iterator<Item = Write>) -> rusqlite::Result<()> {
        let transaction = self.0.transaction()?;
        {
            let mut keep = transaction.prepare(
                "INSERT OR REPLACE INTO registration
                 (slot, id, lease, asked_ms, granted_ms, public_key, signature, body, crc, former)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?;
            let mut forget = transaction.prepare("DELETE FROM registration WHERE slot = ?1")?;
            for write in writes {
                match write {
                    Write::Forget(slot) => drop(forget.execute([slot])?),
                    Write::Keep(slot, kept) => {
                        let id = kept.entry.id().0;
                        let lease = kept.lease.0.cast_signed();
                        let (asked, granted) = (millis(kept.asked), millis(kept.granted));
                        let Signed { body, public_key, signature } = kept.entry.signed();
                        let former = kept.former.as_ref().and_then(former_to_column);
                        let former = former.as_deref();
                        let parts = [&*public_key, &signature, &body, former.unwrap_or_default()];
                        let crc = checksum(&id, [lease, asked, granted], parts);
                        keep.execute(params![
                            slot,
                            id,
                            lease,
                            asked,
                            granted,
                            &*public_key,
                            &*signature,
                            &*body,
                            crc,
                            former
                        ])?;
                    }
                }
            }
        }
        transaction.commit()
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
        (APPLICATION, 1..=VERSION, _) => {
            let check: Option<String> =
                connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).optional()?;
            check.filter(|said| said != "ok").map_or(Ok(()), |said| Err(Problem::Check(said)))?;
            for (from, upgrade) in (1..).zip(UPGRADES).filter(|(from, _)| *from >= version) {
                let upgrade = upgrade.replace("{SCHEMA}", SCHEMA);
                connection.execute_batch(&format!(
                    "BEGIN; {upgrade} PRAGMA user_version = {}; COMMIT;",
                    from + 1
                ))?;
            }
            Ok(())
        }
        (0, 0, 0) => {
            connection.execute_batch(&format!(
                "BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
            ))?;
            Ok(())
        }
        (APPLICATION, later, _) if later > VERSION => Err(Problem::Later(later)),
        _ => Err(Problem::Foreign(application, version)),
    }
}

/// Reads a row; `None` where it is damaged.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<Kept>> {
    let id: Vec<u8> = row.get(0)?;
    let numbers: [i64; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
    let [public_key, signature, body]: [Vec<u8>; 3] = [row.get(4)?, row.get(5)?, row.get(6)?];
    let former: Option<Vec<u8>> = row.get(8)?;
    let former = former.unwrap_or_default();
    if body.len() > MAX_BODY_BYTES
        || checksum(&id, numbers, [&public_key, &signature, &body, &former]) != row.get::<_, u32>(7)?
    {
        return Ok(None);
    }
    let signed = Signed { body: body.into(), public_key: public_key.into(), signature: signature.into() };
    let [lease, asked, granted] = numbers.map(i64::cast_unsigned);
    // The signature was checked when it came, and the checksum says that these are the bytes of then.
    Ok(entry(&signed, &id).map(|entry| Kept {
        entry: entry.into(),
        lease: LeaseId(lease),
        asked: Duration::from_millis(asked),
        granted: Duration::from_millis(granted),
        former: former_from_column(&former, &signed.public_key, &id),
    }))
}

fn entry(signed: &Signed, id: &[u8]) -> Option<Arc<Entry>> {
    let registration = registry::parse(&signed.body).filter(|registration| registration.id.0 == *id)?;
    Some(Arc::new(Entry::new(signed, registration)))
}

fn former_to_column(former: &KeptFormer) -> Option<Vec<u8>> {
    let Signed { body, signature, .. } = &former.entry.signed;
    let (lease, asked) = (former.lease.0.to_le_bytes(), millis(former.asked).to_le_bytes());
    let column = [&lease, &asked, &**signature, &**body].concat();
    (signature.len() == FORMER_HEAD - 16).then_some(column)
}

fn former_from_column(column: &[u8], public_key: &Bytes, id: &[u8]) -> Option<KeptFormer> {
    let (head, body) = column.split_at_checked(FORMER_HEAD)?;
    let (lease, head) = head.split_first_chunk()?;
    let (asked, signature) = head.split_first_chunk()?;
    let public_key = public_key.clone();
    let (body, signature) = (Bytes::copy_from_slice(body), Bytes::copy_from_slice(signature));
    Some(KeptFormer {
        entry: entry(&Signed { body, public_key, signature }, id)
            .filter(|_| column.len() <= FORMER_HEAD + MAX_BODY_BYTES)?,
        lease: LeaseId(u64::from_le_bytes(*lease)),
        asked: Duration::from_millis(u64::from_le_bytes(*asked)),
    })
}

fn checksum(id: &[u8], numbers: [i64; 3], bytes: [&[u8]; 4]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(id);
    numbers.iter().for_each(|number| crc.update(&number.to_le_bytes()));
    bytes.iter().for_each(|bytes| crc.update(bytes));
    crc.finalize()
}

fn millis(term: Duration) -> i64 {
    i64::try_from(term.as_millis()).unwrap_or(i64::MAX)
}
