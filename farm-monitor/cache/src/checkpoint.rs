//! Checkpoints of deployments: what a filter has consumed, and the state it goes on from.
//!
//! Opaque bytes here. They are in one commit with the samples that were appended with them or before.

use crate::error::{CacheError, Tried};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is kept of a deployment, in two parts, so that the small one can be written with every batch that it emits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// Small: what has been consumed.
    pub consumed: Arc<[u8]>,
    /// Rare, and maybe large: what it goes on from. Where it is written, `None` leaves the one before.
    pub state: Option<Arc<[u8]>>,
}

/// Checkpoints by deployment.
pub(crate) type Checkpoints = BTreeMap<String, Checkpoint>;

/// What is to be written of one deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    /// What the file has goes first.
    anew: bool,
    checkpoint: Option<Checkpoint>,
}

/// What is to be written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pending(BTreeMap<String, Change>);

const CONSUMED: u8 = 1;
const STATE: u8 = 2;

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn put(&mut self, deployment: &str, checkpoint: &Checkpoint) {
        let change = self.0.entry(deployment.to_owned()).or_insert(Change { anew: false, checkpoint: None });
        let before = change.checkpoint.take().and_then(|before| before.state);
        let state = checkpoint.state.clone().or(before);
        change.checkpoint = Some(Checkpoint { consumed: Arc::clone(&checkpoint.consumed), state });
    }

    pub(crate) fn forget(&mut self, deployment: &str) {
        self.0.insert(deployment.to_owned(), Change { anew: true, checkpoint: None });
    }

    /// Takes away what was `written`, unless it has changed since.
    pub(crate) fn drop_written(&mut self, written: &Self) {
        self.0.retain(|deployment, now| written.0.get(deployment) != Some(now));
    }

    pub(crate) fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        for (deployment, change) in &self.0 {
            if change.anew {
                db.prepare_cached("DELETE FROM checkpoint WHERE deployment = ?1")?.execute([deployment])?;
            }
            if let Some(checkpoint) = &change.checkpoint {
                put(db, deployment, CONSUMED, &checkpoint.consumed)?;
                if let Some(state) = &checkpoint.state {
                    put(db, deployment, STATE, state)?;
                }
            }
        }
        Ok(())
    }
}

fn crc(deployment: &str, part: u8, blob: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(deployment.as_bytes());
    crc.update(&[part]);
    crc.update(blob);
    crc.finalize()
}

fn put(db: &Connection, deployment: &str, part: u8, blob: &[u8]) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO checkpoint(deployment, part, crc, blob) VALUES(?1, ?2, ?3, ?4)",
    )?
    .execute(params![deployment, part, crc(deployment, part, blob), blob])?;
    Ok(())
}

/// All checkpoints; and the deployments whose checkpoint is damaged, which have none.
pub(crate) fn read(db: &Connection) -> Result<(Checkpoints, Vec<String>), CacheError> {
    read_of(db, None)
}

/// The checkpoint of one deployment, if it has a whole one.
pub(crate) fn read_one(db: &Connection, deployment: &str) -> Result<Option<Checkpoint>, CacheError> {
    Ok(read_of(db, Some(deployment))?.0.remove(deployment))
}

fn read_of(db: &Connection, one: Option<&str>) -> Result<(Checkpoints, Vec<String>), CacheError> {
    let mut found = Checkpoints::new();
    let mut damaged = Vec::new();
    let all = "SELECT deployment, part, crc, blob FROM checkpoint WHERE ?1 IS NULL OR deployment = ?1 \
               ORDER BY deployment, part";
    let mut query = db.prepare(all).tried("reading checkpoints")?;
    let mut rows = query.query([one]).tried("reading checkpoints")?;
    while let Some(row) = rows.next().tried("reading checkpoints")? {
        let mut read = || -> rusqlite::Result<()> {
            let (deployment, part): (String, u8) = (row.get(0)?, row.get(1)?);
            let (stored, blob) = (row.get::<_, u32>(2)?, row.get_ref(3)?.as_blob().unwrap_or_default());
            let whole = stored == crc(&deployment, part, blob);
            match part {
                CONSUMED if whole => found.entry(deployment).or_default().consumed = blob.into(),
                // Without what was consumed it is of no use.
                STATE if whole => {
                    if let Some(checkpoint) = found.get_mut(&deployment) {
                        checkpoint.state = Some(blob.into());
                    }
                }
                _ => damaged.push(deployment),
            }
            Ok(())
        };
        read().tried("reading checkpoints")?;
    }
    found.retain(|deployment, _| !damaged.contains(deployment));
    Ok((found, damaged))
}
