//! The newest sample of series: from the head, or from the newest chunk that has them.

use super::{Reader, view};
use crate::blocks::{self, TIMES_COLUMNS, TimesRow};
use crate::error::{CacheError, Tried};
use crate::head::{Bad, Piece};
use crate::schema::RANK_BITS;
use hedgerow_model::{Columns, Epoch, Position, SeriesId, UnixMillis, Value};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;

/// The newest sample of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct LastSample {
    /// Of which series.
    pub series: SeriesId,
    /// Its number.
    pub position: Position,
    /// When.
    pub time: UnixMillis,
    /// Its value; of a state with the newest text that stands in the same chunk.
    pub value: Value,
}

impl Reader {
    /// The newest sample of each series that has one: the one with the greatest time of the newest chunk that has any.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn last(&self, series: &[SeriesId]) -> Result<Vec<LastSample>, CacheError> {
        let views: Vec<_> = {
            let head = self.shared.head.lock();
            let newest = head.unsealed.iter().rev();
            newest.map(|part| (part.epoch, view(&head, part.epoch, series, 0, u64::MAX).0)).collect()
        };
        let mut found: HashMap<SeriesId, LastSample> = HashMap::new();
        let mut missing = HashMap::new();
        for (epoch, groups) in &views {
            for group in groups {
                for (rank, series) in &group.wanted {
                    if !found.contains_key(series) {
                        match newest(&group.pieces, *epoch, *series) {
                            Some(sample) => drop(found.insert(*series, sample)),
                            None => drop(missing.insert(*series, (group.group, *rank))),
                        }
                    }
                }
            }
        }
        missing.retain(|series, _| !found.contains_key(series));
        if !missing.is_empty() {
            let mut db = self.pool.get(&self.shared.path)?;
            let tx = db.transaction().tried("beginning to read")?;
            let epochs: HashMap<u64, Epoch> =
                crate::rows::epochs(&tx)?.into_iter().map(|info| (info.epoch.start, info.epoch)).collect();
            for (series, (group, rank)) in missing {
                let sample =
                    self.sealed(&tx, &epochs, series, group, rank).tried("reading the newest sample")?;
                found.extend(sample.map(|sample| (series, sample)));
            }
        }
        let mut found: Vec<LastSample> = found.into_values().collect();
        found.sort_unstable_by_key(|sample| sample.series);
        Ok(found)
    }

    fn sealed(
        &self,
        db: &Connection,
        epochs: &HashMap<u64, Epoch>,
        series: SeriesId,
        group: u32,
        rank: u16,
    ) -> rusqlite::Result<Option<LastSample>> {
        let sql = format!(
            "SELECT {TIMES_COLUMNS} FROM times WHERE grp = ?1
             AND EXISTS(SELECT 1 FROM block WHERE block.id = (times.id << {RANK_BITS}) | ?2)
             ORDER BY epoch DESC, last DESC LIMIT 1"
        );
        let row = db.prepare_cached(&sql)?.query_row(params![group, rank], TimesRow::read).optional()?;
        let Some((row, epoch)) = row.and_then(|row| epochs.get(&row.epoch).map(|epoch| (row, *epoch))) else {
            return Ok(None);
        };
        let Ok(entries) = row.entries(db)? else {
            self.report([Bad::Times(row.id)].into_iter());
            return Ok(None);
        };
        let samples: Vec<(u64, UnixMillis)> = entries
            .iter()
            .filter_map(|entry| entry.present.place(rank).map(|at| (entry.first + at, entry.time)))
            .collect();
        let id = blocks::block_id(row.id, rank);
        match blocks::read_block(db, id, series, samples.len())? {
            Some(Ok(values)) => Ok(of_block(&samples, &values.columns, epoch, series)),
            Some(Err(_)) => {
                self.report([Bad::Block(id)].into_iter());
                Ok(None)
            }
            None => Ok(None),
        }
    }
}

fn of_block(
    samples: &[(u64, UnixMillis)],
    columns: &Columns,
    epoch: Epoch,
    series: SeriesId,
) -> Option<LastSample> {
    let (at, (number, time)) =
        samples.iter().enumerate().max_by_key(|(_, (number, time))| (*time, *number))?;
    let mut value = columns.get(at);
    if let Value::I64(code) = value {
        let text = columns.iter().take(at).filter_map(|value| match value {
            Value::State(_, text) => text,
            _ => None,
        });
        if let Some(text) = text.last() {
            value = Value::State(code, Some(text));
        }
    }
    Some(LastSample { series, position: Position { epoch, number: *number }, time: *time, value })
}

fn newest(pieces: &[Piece], epoch: Epoch, series: SeriesId) -> Option<LastSample> {
    let mut samples = Vec::new();
    let mut columns = Columns::default();
    for piece in pieces {
        if let Ok(at) = piece.series().binary_search(&series) {
            samples.push((piece.first() + at as u64, piece.time()));
            columns.push(piece.batch.batch.values.get(piece.from as usize + at));
        }
    }
    of_block(&samples, &columns, epoch, series)
}
