//! What a farm keeps of deployments, so that it goes on with them while no lookup answers: documents that stand here,
//! who holds which name, and which have failed. In `state.db`; the bytes of components are files beside it.

use super::Faults;
use super::plan::Holders;
use crate::state_file::{StateFile, checksum};
use hedgerow_model::UnixMillis;
use hedgerow_model::document::{KEPT_MS, Owner};
use hedgerow_proto::lookup::Signed;
use hedgerow_proto::signed::{SignedDocument, open_document};
use rusqlite::{OptionalExtension, Row, params};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// When a lookup last said all that stands.
const HEARD: &str = "deployments_heard_ms";

/// A document, and as what it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptRow {
    /// The document.
    pub document: Arc<SignedDocument>,
    /// It stood when it was last heard of.
    pub standing: bool,
    /// It was taken here, with its component; what runs, or ran last.
    pub accepted: bool,
}

/// Owner, name and serial.
pub type RowKey = (Owner, String, u64);

/// What is kept.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Kept {
    /// Documents.
    pub rows: BTreeMap<RowKey, KeptRow>,
    /// Of those that failed.
    pub faults: BTreeMap<RowKey, Faults>,
    /// By name.
    pub holders: Holders,
}

impl Kept {
    /// Reads what is kept. Damaged rows are left out, and all of it where no lookup was heard for as long as tombstones are
    /// kept: what was taken back meanwhile nobody knows any more.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn load(file: &StateFile, now: UnixMillis) -> rusqlite::Result<Self> {
        let (rows, faults, holders, heard) = file.read(|connection| {
            let mut all = connection.prepare(
                "SELECT owner, name, serial, standing, accepted, signature, body, crc FROM deployment",
            )?;
            let rows: Vec<Option<KeptRow>> = all.query_map([], read_row)?.collect::<Result<_, _>>()?;
            let mut all =
                connection.prepare("SELECT owner, name, serial, body, crc FROM deployment_faults")?;
            let faults: Vec<Option<(RowKey, Faults)>> =
                all.query_map([], read_faults)?.collect::<Result<_, _>>()?;
            let mut all = connection.prepare("SELECT name, owner, crc FROM holder")?;
            let holders: Vec<Option<(String, Owner)>> =
                all.query_map([], read_holder)?.collect::<Result<_, _>>()?;
            let heard: Option<i64> = connection
                .query_row("SELECT value FROM fact WHERE name = ?1", [HEARD], |row| row.get(0))
                .optional()?;
            Ok((rows, faults, holders, heard))
        })?;
        if heard.is_some_and(|heard| now.saturating_sub(heard) > KEPT_MS) {
            tracing::warn!(
                event = "deployments_too_old",
                "no lookup was heard for 90 days: what was kept is not used"
            );
            return Ok(Self::default());
        }
        let damaged = rows.iter().filter(|row| row.is_none()).count()
            + faults.iter().filter(|row| row.is_none()).count();
        if damaged > 0 {
            tracing::warn!(event = "deployments_damaged", rows = damaged);
        }
        let key = |row: KeptRow| {
            let document = &row.document;
            ((document.owner, document.document.name.clone(), document.document.serial), row)
        };
        Ok(Self {
            rows: rows.into_iter().flatten().map(key).collect(),
            faults: faults.into_iter().flatten().collect(),
            holders: holders.into_iter().flatten().collect(),
        })
    }

    /// Writes what differs from `before`, on the disk when this returns.
    ///
    /// # Errors
    /// What SQLite says; then nothing is written.
    pub fn write(&self, before: &Self, file: &StateFile) -> rusqlite::Result<()> {
        if self == before {
            return Ok(());
        }
        file.write(|transaction| {
            let mut drop_row = transaction
                .prepare("DELETE FROM deployment WHERE owner = ?1 AND name = ?2 AND serial = ?3")?;
            for (owner, name, serial) in before.rows.keys().filter(|key| !self.rows.contains_key(*key)) {
                drop_row.execute(params![owner.0, name, serial.cast_signed()])?;
            }
            let mut put = transaction.prepare(
                "INSERT OR REPLACE INTO deployment (owner, name, serial, standing, accepted, signature, body, crc) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )?;
            for (key, row) in self.rows.iter().filter(|(key, row)| before.rows.get(*key) != Some(*row)) {
                let (owner, name, serial) = key;
                let Signed { signature, body, .. } = &row.document.signed;
                put.execute(params![
                    owner.0,
                    name,
                    serial.cast_signed(),
                    row.standing,
                    row.accepted,
                    &signature[..],
                    &body[..],
                    row_checksum(&owner.0, name, *serial, [row.standing, row.accepted], signature, body),
                ])?;
            }
            let mut drop_faults = transaction
                .prepare("DELETE FROM deployment_faults WHERE owner = ?1 AND name = ?2 AND serial = ?3")?;
            for (owner, name, serial) in before.faults.keys().filter(|key| !self.faults.contains_key(*key)) {
                drop_faults.execute(params![owner.0, name, serial.cast_signed()])?;
            }
            let mut put_faults = transaction.prepare(
                "INSERT OR REPLACE INTO deployment_faults (owner, name, serial, body, crc) VALUES (?, ?, ?, ?, ?)",
            )?;
            for (key, faults) in self.faults.iter().filter(|(key, f)| before.faults.get(*key) != Some(*f)) {
                let (owner, name, serial) = key;
                let body = faults_to_text(faults);
                let crc = faults_checksum(&owner.0, name, *serial, &body);
                put_faults.execute(params![owner.0, name, serial.cast_signed(), body, crc])?;
            }
            let mut drop_holder = transaction.prepare("DELETE FROM holder WHERE name = ?1")?;
            for name in before.holders.keys().filter(|name| !self.holders.contains_key(*name)) {
                drop_holder.execute([name])?;
            }
            let mut hold =
                transaction.prepare("INSERT OR REPLACE INTO holder (name, owner, crc) VALUES (?, ?, ?)")?;
            for (name, owner) in self.holders.iter().filter(|(name, o)| before.holders.get(*name) != Some(*o)) {
                hold.execute(params![name, owner.0, checksum([name.as_bytes(), &owner.0])])?;
            }
            Ok(())
        })
    }
}

/// Notes that a lookup has said all that stands.
///
/// # Errors
/// What SQLite says.
pub fn heard(file: &StateFile, now: UnixMillis) -> rusqlite::Result<()> {
    file.write(|transaction| {
        transaction
            .execute("INSERT OR REPLACE INTO fact (name, value) VALUES (?, ?)", params![HEARD, now])?;
        Ok(())
    })
}

/// `None`: damaged. The signature is verified again: what runs here is signed, whoever could write this file.
fn read_row(row: &Row<'_>) -> rusqlite::Result<Option<KeptRow>> {
    let [owner, signature, body]: [Vec<u8>; 3] = [row.get(0)?, row.get(5)?, row.get(6)?];
    let (name, serial): (String, i64) = (row.get(1)?, row.get(2)?);
    let (standing, accepted): (bool, bool) = (row.get(3)?, row.get(4)?);
    let serial = serial.cast_unsigned();
    if row_checksum(&owner, &name, serial, [standing, accepted], &signature, &body) != row.get::<_, u32>(7)? {
        return Ok(None);
    }
    let signed = Signed { body: body.into(), public_key: owner.into(), signature: signature.into() };
    let opened = open_document(&signed).ok();
    let opened = opened.filter(|read| read.document.name == name && read.document.serial == serial);
    Ok(opened.map(|document| KeptRow { document: Arc::new(document), standing, accepted }))
}

fn read_holder(row: &Row<'_>) -> rusqlite::Result<Option<(String, Owner)>> {
    let (name, owner): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
    let whole = checksum([name.as_bytes(), &owner]) == row.get::<_, u32>(2)?;
    Ok(owner.try_into().ok().filter(|_| whole).map(|owner| (name, Owner(owner))))
}

/// `None`: damaged, and tried as anew.
fn read_faults(row: &Row<'_>) -> rusqlite::Result<Option<(RowKey, Faults)>> {
    let (owner, name, serial): (Vec<u8>, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let (serial, body): (u64, String) = (serial.cast_unsigned(), row.get(3)?);
    let whole = faults_checksum(&owner, &name, serial, &body) == row.get::<_, u32>(4)?;
    let (owner, faults) = (owner.try_into().ok(), faults_of_text(&body));
    let read = owner.zip(faults).filter(|_| whole);
    Ok(read.map(|(owner, faults)| ((Owner(owner), name, serial), faults)))
}

/// A JSON array: since when and why it is quarantined, when it failed, restarts, processor time lost.
fn faults_to_text(faults: &Faults) -> String {
    let Faults { quarantined, failed_ms, restarts, lost_us } = faults;
    json!([quarantined, failed_ms, restarts, lost_us]).to_string()
}

fn faults_of_text(text: &str) -> Option<Faults> {
    let (quarantined, failed_ms, restarts, lost_us) = serde_json::from_str(text).ok()?;
    Some(Faults { quarantined, failed_ms, restarts, lost_us })
}

fn faults_checksum(owner: &[u8], name: &str, serial: u64, body: &str) -> u32 {
    checksum([owner, name.as_bytes(), &serial.to_le_bytes(), body.as_bytes()])
}

fn row_checksum(
    owner: &[u8],
    name: &str,
    serial: u64,
    flags: [bool; 2],
    signature: &[u8],
    body: &[u8],
) -> u32 {
    let flags = flags.map(u8::from);
    checksum([owner, name.as_bytes(), &serial.to_le_bytes(), &flags, signature, body])
}
