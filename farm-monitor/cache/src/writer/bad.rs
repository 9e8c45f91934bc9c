//! What readers found unreadable becomes a gap record; the rest stays.

use crate::blocks::{TIMES_COLUMNS, TimesRow};
use crate::error::{CacheError, Tried};
use crate::head::Bad;
use crate::rows;
use crate::schema::RANK_BITS;
use hedgerow_model::{Epoch, Gap, GapReason, GapScope, Name, SeriesId};
use rusqlite::{Connection, OptionalExtension, params};

/// Deletes what `bad` names and writes the gap records for it; returns how many samples are lost.
pub(super) fn replace(db: &Connection, bad: &[Bad]) -> Result<u64, CacheError> {
    let mut lost = 0;
    for bad in bad {
        lost += match bad {
            Bad::Times(id) => times(db, *id),
            Bad::Block(id) => block(db, *id),
        }
        .tried("replacing what is damaged by a gap record")?;
    }
    Ok(lost)
}

fn row(db: &Connection, id: i64) -> rusqlite::Result<Option<(TimesRow, Epoch)>> {
    let sql = format!("SELECT {TIMES_COLUMNS} FROM times WHERE id = ?1");
    let Some(row) = db.query_row(&sql, [id], TimesRow::read).optional()? else { return Ok(None) };
    let random: Option<i64> =
        db.query_row("SELECT random FROM epoch WHERE start = ?1", [row.epoch], |r| r.get(0)).optional()?;
    let epoch = Epoch { start: row.epoch, random: random.unwrap_or(0).cast_unsigned() };
    Ok(Some((row, epoch)))
}

/// All samples beside these times: nobody can say any more which is which.
fn times(db: &Connection, id: i64) -> rusqlite::Result<u64> {
    let Some((row, epoch)) = row(db, id)? else { return Ok(0) };
    let cluster: String = db.query_row("SELECT cluster FROM grp WHERE id = ?1", [row.group], |r| r.get(0))?;
    let scope = Name::new(&cluster).map_or(GapScope::Farm, GapScope::Cluster);
    let range = params![id << RANK_BITS, (id + 1) << RANK_BITS];
    let count: u64 =
        db.query_row("SELECT coalesce(sum(count), 0) FROM block WHERE id >= ?1 AND id < ?2", range, |r| {
            r.get(0)
        })?;
    db.execute(
        "DELETE FROM block WHERE id >= ?1 AND id < ?2",
        params![id << RANK_BITS, (id + 1) << RANK_BITS],
    )?;
    db.execute("DELETE FROM times WHERE id = ?1", [id])?;
    let (from, to) = (row.first, Some(row.last));
    rows::put_gap(
        db,
        &Gap { epoch, scope, from, to, count: Some(count), reason: GapReason::Corruption },
        false,
    )?;
    Ok(count)
}

/// The samples of one series beside readable times.
fn block(db: &Connection, id: i64) -> rusqlite::Result<u64> {
    let rank = (id & ((1 << RANK_BITS) - 1)) as u16;
    let Some((row, epoch)) = row(db, id >> RANK_BITS)? else { return Ok(0) };
    if db.query_row("SELECT 1 FROM block WHERE id = ?1", [id], |_| Ok(())).optional()?.is_none() {
        return Ok(0);
    }
    let members: Vec<u8> =
        db.query_row("SELECT members FROM grp WHERE id = ?1", [row.group], |r| r.get(0))?;
    let members = rows::decode_members(&members, row.version as usize).unwrap_or_default();
    let (Some(series), Ok(entries)) = (members.get(usize::from(rank)), row.entries(db)?) else {
        return times(db, row.id);
    };
    let numbers: Vec<u64> = entries
        .iter()
        .filter_map(|entry| entry.present.place(rank).map(|place| entry.first + place))
        .collect();
    db.execute("DELETE FROM block WHERE id = ?1", [id])?;
    let (Some(from), Some(to)) = (numbers.first(), numbers.last()) else { return Ok(0) };
    let count = numbers.len() as u64;
    let scope = GapScope::Series(SeriesId(series.0));
    let gap =
        Gap { epoch, scope, from: *from, to: Some(*to), count: Some(count), reason: GapReason::Corruption };
    rows::put_gap(db, &gap, false)?;
    Ok(count)
}
