//! Alarms in `state.db`: each with its transitions and where it came from, silences, and up to where each deployment has spoken.
//! Whoever writes here gives all that changed at once: it is one transaction.

use super::wire;
use crate::state_file::{StateFile, checksum};
use hedgerow_filter_host::alarms::{Alarm, Silence, SilenceId, Transition, UnknownCause};
use hedgerow_filter_host::run::Place;
use hedgerow_model::registration::Id;
use hedgerow_model::{Epoch, Position};
use hedgerow_proto::filter::{self as proto};
use prost::Message as _;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use std::collections::BTreeMap;

/// Transitions that are kept of one alarm; the oldest go.
pub const MAX_TRANSITIONS: i64 = 100;

/// Out of what an alarm was raised.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The deployment's serial.
    pub serial: u64,
    /// Its parameters, as JSON.
    pub parameters: String,
    /// What the component calls itself.
    pub component: String,
    /// As `component`.
    pub component_version: String,
}

/// What is to be written.
#[derive(Debug, Default)]
pub struct Changes {
    /// As they are now.
    pub alarms: BTreeMap<Id, Alarm>,
    /// Of those that are new.
    pub origins: BTreeMap<Id, Origin>,
    /// By alarm and its version.
    pub transitions: BTreeMap<(Id, u64), Transition>,
    /// Forgotten.
    pub gone: Vec<Id>,
    /// `None`: ended.
    pub silences: BTreeMap<SilenceId, Option<Silence>>,
    /// By deployment; `None`: no more.
    pub through: BTreeMap<String, Option<Place>>,
}

impl Changes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        let Self { alarms, origins, transitions, gone, silences, through } = self;
        alarms.is_empty()
            && origins.is_empty()
            && transitions.is_empty()
            && gone.is_empty()
            && silences.is_empty()
            && through.is_empty()
    }

    /// Adds what could not be written before; what came since is newer.
    pub fn put_back(&mut self, older: Self) {
        for (id, alarm) in older.alarms {
            self.alarms.entry(id).or_insert(alarm);
        }
        for (id, silence) in older.silences {
            self.silences.entry(id).or_insert(silence);
        }
        for (deployment, place) in older.through {
            self.through.entry(deployment).or_insert(place);
        }
        self.origins.extend(older.origins);
        self.transitions.extend(older.transitions);
        self.gone.extend(older.gone);
    }
}

/// What was kept.
#[derive(Debug, Default)]
pub struct Kept {
    /// Open and cleared.
    pub alarms: Vec<Alarm>,
    /// Those not ended when the farm last ran.
    pub silences: Vec<Silence>,
    /// By deployment.
    pub through: BTreeMap<String, Place>,
    /// Rows that could not be read, and are gone.
    pub damaged: usize,
}

impl Kept {
    /// Reads it. Damaged rows are counted, and removed: nobody could do anything with them.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn load(file: &StateFile) -> rusqlite::Result<Self> {
        file.write(|transaction| {
            let mut kept = Self::default();
            let (alarms, damaged) =
                rows(transaction, "SELECT rowid, id, body, unknown, cause, crc FROM alarm", read_alarm)?;
            kept.damaged += remove(transaction, "alarm", &damaged)?;
            let (silences, damaged) =
                rows(transaction, "SELECT rowid, body, crc FROM silence", read_silence)?;
            kept.damaged += remove(transaction, "silence", &damaged)?;
            let (through, damaged) =
                rows(transaction, "SELECT rowid, deployment, cause, crc FROM alarm_through", read_through)?;
            kept.damaged += remove(transaction, "alarm_through", &damaged)?;
            (kept.alarms, kept.silences, kept.through) = (alarms, silences, through.into_iter().collect());
            Ok(kept)
        })
    }
}

/// Writes all of it, on the disk when this returns.
///
/// # Errors
/// What SQLite says; then nothing is written.
pub fn write(file: &StateFile, changes: &Changes) -> rusqlite::Result<()> {
    file.write(|transaction| {
        for (id, alarm) in &changes.alarms {
            put_alarm(transaction, *id, alarm)?;
        }
        for (id, origin) in &changes.origins {
            let Origin { serial, parameters, component, component_version } = origin;
            transaction.execute(
                "INSERT OR REPLACE INTO alarm_origin (alarm, serial, parameters, component, version, crc) \
                 VALUES (?, ?, ?, ?, ?, ?)",
                params![
                    id.0,
                    serial.cast_signed(),
                    parameters,
                    component,
                    component_version,
                    origin_checksum(*id, origin)
                ],
            )?;
        }
        for ((id, step), transition) in &changes.transitions {
            put_transition(transaction, *id, *step, transition)?;
        }
        for id in &changes.gone {
            for (table, column) in [("alarm", "id"), ("alarm_origin", "alarm"), ("alarm_transition", "alarm")]
            {
                transaction.execute(&format!("DELETE FROM {table} WHERE {column} = ?1"), [id.0])?;
            }
        }
        for (id, silence) in &changes.silences {
            put_silence(transaction, *id, silence.as_ref())?;
        }
        for (deployment, place) in &changes.through {
            put_through(transaction, deployment, *place)?;
        }
        Ok(())
    })
}

/// Out of what an alarm was raised, and its transitions, the oldest first. What is damaged is left out.
///
/// # Errors
/// What SQLite says.
pub fn history(file: &StateFile, id: Id) -> rusqlite::Result<(Option<Origin>, Vec<proto::Transition>)> {
    file.read(|connection| {
        let origin = connection
            .query_row(
                "SELECT serial, parameters, component, version, crc FROM alarm_origin WHERE alarm = ?1",
                [id.0],
                |row| read_origin(id, row),
            )
            .optional()?;
        let mut all = connection
            .prepare("SELECT step, body, crc FROM alarm_transition WHERE alarm = ?1 ORDER BY step")?;
        let transitions = all.query_map([id.0], |row| read_transition(id, row))?;
        let transitions: Vec<Option<_>> = transitions.collect::<Result<_, _>>()?;
        Ok((origin.flatten(), transitions.into_iter().flatten().collect()))
    })
}

fn put_alarm(transaction: &Transaction<'_>, id: Id, alarm: &Alarm) -> rusqlite::Result<()> {
    let body = wire::alarm(alarm).encode_to_vec();
    let unknown = match &alarm.unknown {
        None => 0_u8,
        Some(unknown) => match unknown.cause {
            UnknownCause::Deployment => 1,
            UnknownCause::Source => 2,
        },
    };
    let cause = place_bytes(alarm.cause);
    let crc = checksum([&id.0[..], &body, &[unknown], &cause]);
    transaction.execute(
        "INSERT OR REPLACE INTO alarm (id, body, unknown, cause, crc) VALUES (?, ?, ?, ?, ?)",
        params![id.0, body, unknown, cause, crc],
    )?;
    Ok(())
}

fn put_transition(
    transaction: &Transaction<'_>,
    id: Id,
    step: u64,
    transition: &Transition,
) -> rusqlite::Result<()> {
    let body = wire::transition(transition).encode_to_vec();
    let crc = checksum([&id.0[..], &step.to_le_bytes(), &body]);
    transaction.execute(
        "INSERT OR REPLACE INTO alarm_transition (alarm, step, body, crc) VALUES (?, ?, ?, ?)",
        params![id.0, step.cast_signed(), body, crc],
    )?;
    transaction.execute(
        "DELETE FROM alarm_transition WHERE alarm = ?1 AND step <= \
         (SELECT step FROM alarm_transition WHERE alarm = ?1 ORDER BY step DESC LIMIT 1 OFFSET ?2)",
        params![id.0, MAX_TRANSITIONS],
    )?;
    Ok(())
}

fn put_silence(
    transaction: &Transaction<'_>,
    id: SilenceId,
    silence: Option<&Silence>,
) -> rusqlite::Result<()> {
    let id = id.cast_signed();
    let Some(silence) = silence else {
        transaction.execute("DELETE FROM silence WHERE id = ?1", [id])?;
        return Ok(());
    };
    let body = wire::silence(silence).encode_to_vec();
    let crc = checksum([&body[..]]);
    transaction
        .execute("INSERT OR REPLACE INTO silence (id, body, crc) VALUES (?, ?, ?)", params![id, body, crc])?;
    Ok(())
}

fn put_through(
    transaction: &Transaction<'_>,
    deployment: &str,
    place: Option<Place>,
) -> rusqlite::Result<()> {
    let Some(place) = place else {
        transaction.execute("DELETE FROM alarm_through WHERE deployment = ?1", [deployment])?;
        return Ok(());
    };
    let cause = place_bytes(place);
    let crc = checksum([deployment.as_bytes(), &cause]);
    transaction.execute(
        "INSERT OR REPLACE INTO alarm_through (deployment, cause, crc) VALUES (?, ?, ?)",
        params![deployment, cause, crc],
    )?;
    Ok(())
}

/// What was read, and the row ids of what is damaged.
fn rows<T>(
    connection: &Connection,
    select: &str,
    read: fn(&Row<'_>) -> rusqlite::Result<Option<T>>,
) -> rusqlite::Result<(Vec<T>, Vec<i64>)> {
    let mut all = connection.prepare(select)?;
    let mut rows = all.query([])?;
    let (mut good, mut damaged) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        match read(row)? {
            Some(read) => good.push(read),
            None => damaged.push(row.get(0)?),
        }
    }
    Ok((good, damaged))
}

fn remove(transaction: &Transaction<'_>, table: &str, damaged: &[i64]) -> rusqlite::Result<usize> {
    for row in damaged {
        transaction.execute(&format!("DELETE FROM {table} WHERE rowid = ?1"), [row])?;
    }
    Ok(damaged.len())
}

/// `None`, here and below: damaged.
fn read_alarm(row: &Row<'_>) -> rusqlite::Result<Option<Alarm>> {
    let [id, body, cause]: [Vec<u8>; 3] = [row.get(1)?, row.get(2)?, row.get(4)?];
    let (unknown, crc): (u8, u32) = (row.get(3)?, row.get(5)?);
    let place = place_of(&cause).filter(|_| checksum([&id[..], &body, &[unknown], &cause]) == crc);
    let unknown = match unknown {
        1 => Some(UnknownCause::Deployment),
        2 => Some(UnknownCause::Source),
        _ => None,
    };
    let read = |place| wire::alarm_kept(proto::Alarm::decode(&body[..]).ok()?, unknown, place).ok();
    Ok(place.and_then(read).filter(|alarm| alarm.id.0[..] == id[..]))
}

fn read_silence(row: &Row<'_>) -> rusqlite::Result<Option<Silence>> {
    let (body, crc): (Vec<u8>, u32) = (row.get(1)?, row.get(2)?);
    let whole = checksum([&body[..]]) == crc;
    let read = || wire::silence_from(proto::Silence::decode(&body[..]).ok()?).ok();
    Ok(whole.then(read).flatten())
}

fn read_through(row: &Row<'_>) -> rusqlite::Result<Option<(String, Place)>> {
    let (deployment, cause, crc): (String, Vec<u8>, u32) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let whole = checksum([deployment.as_bytes(), &cause]) == crc;
    Ok(place_of(&cause).filter(|_| whole).map(|place| (deployment, place)))
}

fn read_origin(id: Id, row: &Row<'_>) -> rusqlite::Result<Option<Origin>> {
    let origin = Origin {
        serial: row.get::<_, i64>(0)?.cast_unsigned(),
        parameters: row.get(1)?,
        component: row.get(2)?,
        component_version: row.get(3)?,
    };
    let whole = origin_checksum(id, &origin) == row.get::<_, u32>(4)?;
    Ok(whole.then_some(origin))
}

fn origin_checksum(id: Id, origin: &Origin) -> u32 {
    let Origin { serial, parameters, component, component_version } = origin;
    let texts = [parameters, component, component_version].map(String::as_bytes);
    checksum([&id.0[..], &serial.to_le_bytes()].into_iter().chain(texts))
}

fn read_transition(id: Id, row: &Row<'_>) -> rusqlite::Result<Option<proto::Transition>> {
    let (step, body, crc): (i64, Vec<u8>, u32) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let whole = checksum([&id.0[..], &step.to_le_bytes(), &body]) == crc;
    Ok(whole.then(|| proto::Transition::decode(&body[..]).ok()).flatten())
}

/// Epoch (start, random), number, and changes of life behind it; little-endian.
fn place_bytes(place: Place) -> Vec<u8> {
    let Place { position: Position { epoch, number }, lives } = place;
    let mut bytes = Vec::with_capacity(28);
    for part in [epoch.start, epoch.random, number] {
        bytes.extend_from_slice(&part.to_le_bytes());
    }
    bytes.extend_from_slice(&lives.to_le_bytes());
    bytes
}

fn place_of(bytes: &[u8]) -> Option<Place> {
    let (parts, lives) = bytes.split_at_checked(24)?;
    let mut parts = parts.chunks_exact(8).filter_map(|part| part.try_into().ok()).map(u64::from_le_bytes);
    let (start, random, number) = (parts.next()?, parts.next()?, parts.next()?);
    let lives = u32::from_le_bytes(lives.try_into().ok()?);
    Some(Place { position: Position { epoch: Epoch { start, random }, number }, lives })
}
