//! Rows of times, blocks and the journal: written once, checked by their CRC at every reading.
//!
//! The CRC covers what tells the row from others too, so that a right blob in a wrong place is found.

use crate::bytes::Damaged;
use crate::codec::{self, Encoded, Values};
use crate::journal;
use crate::schema::RANK_BITS;
use crate::times::{self, Entry};
use hedgerow_model::{ColumnType, Epoch, Numbered, SeriesId, UnixMillis};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// The id of the block that the member of `rank` has beside the times with id `times`.
pub(crate) const fn block_id(times: i64, rank: u16) -> i64 {
    (times << RANK_BITS) | rank as i64
}

/// A row of `times` without its blob.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimesRow {
    pub id: i64,
    pub group: u32,
    /// How many members the group had.
    pub version: u32,
    /// The start counter of its epoch.
    pub epoch: u64,
    pub first: u64,
    pub last: u64,
    pub t_min: UnixMillis,
    pub t_max: UnixMillis,
    pub entries: u32,
    pub count: u64,
}

/// The columns that [`TimesRow::read`] takes.
pub(crate) const TIMES_COLUMNS: &str = "id, grp, version, epoch, first, last, t_min, t_max, entries, count";

impl TimesRow {
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            group: row.get(1)?,
            version: row.get(2)?,
            epoch: row.get(3)?,
            first: row.get(4)?,
            last: row.get(5)?,
            t_min: row.get(6)?,
            t_max: row.get(7)?,
            entries: row.get(8)?,
            count: row.get(9)?,
        })
    }

    fn crc(&self, codec: u8, blob: &[u8]) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.id.to_le_bytes());
        crc.update(&self.group.to_le_bytes());
        crc.update(&self.version.to_le_bytes());
        for number in [self.epoch, self.first, self.last] {
            crc.update(&number.to_le_bytes());
        }
        crc.update(&self.t_min.to_le_bytes());
        crc.update(&self.t_max.to_le_bytes());
        crc.update(&self.entries.to_le_bytes());
        crc.update(&self.count.to_le_bytes());
        crc.update(&[codec]);
        crc.update(blob);
        crc.finalize()
    }

    /// Writes the row; `bytes` is what the whole chunk takes, blocks included.
    pub(crate) fn write(&self, db: &Connection, blob: &[u8], bytes: u64) -> rusqlite::Result<()> {
        db.prepare_cached(
            "INSERT INTO times(id, grp, version, epoch, first, last, t_min, t_max, entries, count, bytes, codec, crc, blob)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            self.id,
            self.group,
            self.version,
            self.epoch,
            self.first,
            self.last,
            self.t_min,
            self.t_max,
            self.entries,
            self.count,
            bytes,
            times::CODEC,
            self.crc(times::CODEC, blob),
            blob
        ])?;
        Ok(())
    }

    /// Reads and checks the entries.
    pub(crate) fn entries(&self, db: &Connection) -> rusqlite::Result<Result<Vec<Entry>, Damaged>> {
        let mut query = db.prepare_cached("SELECT codec, crc, blob FROM times WHERE id = ?1")?;
        query.query_row([self.id], |row| {
            let (codec, crc, blob): (u8, u32, _) = (row.get(0)?, row.get(1)?, row.get_ref(2)?);
            let Ok(blob) = blob.as_blob() else { return Ok(Err(Damaged("times are not a blob"))) };
            if codec != times::CODEC || crc != self.crc(codec, blob) {
                return Ok(Err(Damaged("checksum of times")));
            }
            let entries = times::decode(blob, self.entries as usize, self.version as usize);
            Ok(entries.and_then(|entries| {
                let ends =
                    entries.first().zip(entries.last()).map(|(first, last)| (first.first, last.last()));
                if ends == Some((self.first, self.last)) {
                    Ok(entries)
                } else {
                    Err(Damaged("ends of times"))
                }
            }))
        })
    }
}

/// Minimum, maximum and sum of a block of numbers: all three, or NULL where it holds texts, mixed types or a NaN (then it has
/// to be decoded). Of i64 columns minimum and maximum are integers and signed; the sum is always floating point.
pub(crate) fn summary(values: &Values) -> [Sql; 3] {
    const NONE: [Sql; 3] = [Sql::Null, Sql::Null, Sql::Null];
    match values.columns.runs() {
        [(ColumnType::F64, _)] => {
            let numbers = values.columns.f64s();
            let min = numbers.iter().copied().reduce(f64::min).unwrap_or(f64::NAN);
            let max = numbers.iter().copied().reduce(f64::max).unwrap_or(f64::NAN);
            // NaN as soon as one value is, or where both infinities are there.
            let sum: f64 = numbers.iter().sum();
            // −0.0 would not come back from SQLite as it was.
            if sum.is_nan() { NONE } else { [min, max, sum].map(|number| Sql::Real(number + 0.0)) }
        }
        [(ColumnType::I64, _)] => {
            let numbers = values.columns.i64s();
            #[expect(clippy::cast_precision_loss, reason = "a sum is floating point")]
            let sum = numbers.iter().map(|v| *v as f64).sum::<f64>();
            match (numbers.iter().min(), numbers.iter().max()) {
                (Some(min), Some(max)) => [Sql::Integer(*min), Sql::Integer(*max), Sql::Real(sum + 0.0)],
                _ => NONE,
            }
        }
        _ => NONE,
    }
}

fn block_crc(id: i64, series: SeriesId, count: u32, codec: u8, summary: &[Sql; 3], blob: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&id.to_le_bytes());
    crc.update(&series.0.to_le_bytes());
    crc.update(&count.to_le_bytes());
    crc.update(&[codec]);
    for value in summary {
        match value {
            Sql::Integer(number) => {
                crc.update(b"i");
                crc.update(&number.to_le_bytes());
            }
            Sql::Real(number) => {
                crc.update(b"r");
                crc.update(&number.to_bits().to_le_bytes());
            }
            _ => crc.update(b"n"),
        }
    }
    crc.update(blob);
    crc.finalize()
}

/// Writes a block; returns about how many bytes its row takes.
pub(crate) fn write_block(
    db: &Connection,
    id: i64,
    series: SeriesId,
    values: &Values,
) -> rusqlite::Result<u64> {
    let Encoded { codec, blob } = codec::encode(values);
    let count = values.columns.len() as u32;
    let summary = summary(values);
    let crc = block_crc(id, series, count, codec, &summary, &blob);
    let [min, max, sum] = &summary;
    db.prepare_cached(
        "INSERT INTO block(id, series, count, codec, min, max, sum, crc, blob) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![id, series.0, count, codec, min, max, sum, crc, blob])?;
    Ok(blob.len() as u64 + 45)
}

/// A block's row that was checked: what it says in short, codec and blob.
struct Checked {
    summary: [Sql; 3],
    values: Option<Result<Values, Damaged>>,
}

/// Reads and checks the block `id` of `series`; `count` samples are expected. `None`: there is no such row.
pub(crate) fn read_block(
    db: &Connection,
    id: i64,
    series: SeriesId,
    count: usize,
) -> rusqlite::Result<Option<Result<Values, Damaged>>> {
    let row = checked(db, id, series, count, true)?;
    Ok(row.map(|row| row.and_then(|row| row.values.unwrap_or(Err(Damaged("not decoded"))))))
}

/// As [`read_block`], but without decoding: minimum, maximum and sum, where the block has them.
pub(crate) fn read_summary(
    db: &Connection,
    id: i64,
    series: SeriesId,
    count: usize,
) -> rusqlite::Result<Option<[f64; 3]>> {
    #[expect(clippy::cast_precision_loss, reason = "a summary is floating point")]
    let number = |value: Sql| match value {
        Sql::Integer(number) => Some(number as f64),
        Sql::Real(number) => Some(number),
        _ => None,
    };
    let Some(Ok(row)) = checked(db, id, series, count, false)? else { return Ok(None) };
    let [min, max, sum] = row.summary.map(number);
    Ok(min.zip(max).zip(sum).map(|((min, max), sum)| [min, max, sum]))
}

fn checked(
    db: &Connection,
    id: i64,
    series: SeriesId,
    count: usize,
    decode: bool,
) -> rusqlite::Result<Option<Result<Checked, Damaged>>> {
    let mut query =
        db.prepare_cached("SELECT series, count, codec, min, max, sum, crc, blob FROM block WHERE id = ?1")?;
    query
        .query_row([id], |row| {
            let summary: [Sql; 3] = [row.get(3)?, row.get(4)?, row.get(5)?];
            let (owner, stored): (i64, i64) = (row.get(0)?, row.get(1)?);
            let (codec, crc): (i64, i64) = (row.get(2)?, row.get(6)?);
            let blob = row.get_ref(7)?;
            let (Ok(blob), Ok(codec)) = (blob.as_blob(), u8::try_from(codec)) else {
                return Ok(Err(Damaged("block is not a blob")));
            };
            if owner != i64::from(series.0)
                || usize::try_from(stored) != Ok(count)
                || crc != i64::from(block_crc(id, series, count as u32, codec, &summary, blob))
            {
                return Ok(Err(Damaged("checksum of a block")));
            }
            let values = decode.then(|| codec::decode(codec, blob, count));
            Ok(Ok(Checked { summary, values }))
        })
        .optional()
}

fn journal_crc(id: i64, epoch: u64, first: u64, last: u64, codec: u8, blob: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&id.to_le_bytes());
    for number in [epoch, first, last] {
        crc.update(&number.to_le_bytes());
    }
    crc.update(&[codec]);
    crc.update(blob);
    crc.finalize()
}

/// Writes a commit's batches as one row of the journal.
pub(crate) fn write_journal(
    db: &Connection,
    id: i64,
    epoch: Epoch,
    numbers: (u64, u64),
    blob: &[u8],
) -> rusqlite::Result<()> {
    let (first, last) = numbers;
    let crc = journal_crc(id, epoch.start, first, last, journal::CODEC, blob);
    db.prepare_cached(
        "INSERT INTO journal(id, epoch, first, last, codec, crc, blob) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![id, epoch.start, first, last, journal::CODEC, crc, blob])?;
    Ok(())
}

/// A row of the journal: id, epoch's start, first and last number, and its batches if they can be read.
pub(crate) struct JournalRow {
    pub id: i64,
    pub epoch: u64,
    pub first: u64,
    pub last: u64,
    pub bytes: usize,
    pub batches: Result<Vec<Numbered>, Damaged>,
}

/// Calls `each` with the rows of the journal in order.
pub(crate) fn read_journal(
    db: &Connection,
    epochs: &[Epoch],
    mut each: impl FnMut(JournalRow),
) -> rusqlite::Result<()> {
    let mut query = db.prepare("SELECT id, epoch, first, last, codec, crc, blob FROM journal ORDER BY id")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (id, start, first, last): (i64, u64, u64, u64) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let (codec, crc): (u8, u32) = (row.get(4)?, row.get(5)?);
        let blob = row.get_ref(6)?.as_blob().unwrap_or_default();
        let known = epochs.iter().find(|epoch| epoch.start == start);
        let batches = match known {
            Some(epoch) if crc == journal_crc(id, start, first, last, codec, blob) => {
                journal::decode(codec, blob, *epoch, first)
            }
            _ => Err(Damaged("checksum of a journal row")),
        };
        each(JournalRow { id, epoch: start, first, last, bytes: blob.len(), batches });
    }
    Ok(())
}
