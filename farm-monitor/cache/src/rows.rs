//! Rows of the small tables: series, groups, epochs, gaps, marks of life, checkpoints.

use crate::bytes::{Damaged, Source, put_varint};
use crate::error::{CacheError, Tried};
use crate::times::MAX_MEMBERS;
use hedgerow_model::{
    Epoch, Gap, GapReason, GapScope, Kind, Labels, Life, LifeMark, Name, SeriesDef, SeriesId, SeriesKey,
    UnixMillis,
};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How an epoch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochEnd {
    /// It has not: the current one.
    Running,
    /// All its numbers were committed.
    Clean,
    /// A gap record with reason crash begins after its last number.
    Crashed,
}

/// What the file knows of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochInfo {
    /// Which.
    pub epoch: Epoch,
    /// When it began.
    pub opened: UnixMillis,
    /// The last number: committed, of the current epoch appended.
    pub last: u64,
    /// How it ended.
    pub end: EpochEnd,
}

impl EpochEnd {
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Running => 0,
            Self::Clean => 1,
            Self::Crashed => 2,
        }
    }
}

fn wrong(column: usize, kind: Type, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, what.into())
}

/// Epochs, oldest first.
pub(crate) fn epochs(db: &Connection) -> Result<Vec<EpochInfo>, CacheError> {
    let mut rows = db
        .prepare_cached("SELECT start, random, opened, last, finish FROM epoch ORDER BY start")
        .tried("reading epochs")?;
    let read = |row: &Row<'_>| {
        Ok(EpochInfo {
            epoch: Epoch { start: row.get(0)?, random: row.get::<_, i64>(1)?.cast_unsigned() },
            opened: row.get(2)?,
            last: row.get(3)?,
            end: match row.get::<_, i64>(4)? {
                0 => EpochEnd::Running,
                1 => EpochEnd::Clean,
                _ => EpochEnd::Crashed,
            },
        })
    };
    rows.query_map([], read).and_then(Iterator::collect).tried("reading epochs")
}

/// Writes a series' definition; what is known of its last sample stays.
pub(crate) fn put_series(db: &Connection, id: SeriesId, def: &SeriesDef) -> rusqlite::Result<()> {
    let millis =
        |duration: Option<Duration>| duration.map(|d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
    let labels: BTreeMap<&str, &str> = def.key.labels.iter().collect();
    let labels =
        serde_json::to_string(&labels).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
    db.prepare_cached(
        "INSERT INTO series(id, cluster, node, parameter, labels, kind, unit, source, interval, lifetime, description)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT(id) DO UPDATE SET
         kind = ?6, unit = ?7, source = ?8, interval = ?9, lifetime = ?10, description = ?11",
    )?
    .execute(params![
        id.0,
        def.key.cluster.as_str(),
        def.key.node.as_str(),
        def.key.parameter.as_str(),
        labels,
        def.kind as u8,
        def.unit,
        def.source,
        millis(def.interval),
        millis(def.lifetime),
        def.description
    ])?;
    Ok(())
}

/// All series with the time of their last sealed sample, by ascending id.
pub(crate) fn series(db: &Connection) -> Result<Vec<(SeriesId, SeriesDef, Option<UnixMillis>)>, CacheError> {
    let name = |row: &Row<'_>, at: usize| {
        Name::new(row.get_ref(at)?.as_str()?).map_err(|_| wrong(at, Type::Text, "not a name"))
    };
    let read = |row: &Row<'_>| {
        let pairs: BTreeMap<String, String> = serde_json::from_str(row.get_ref(4)?.as_str()?)
            .map_err(|_| wrong(4, Type::Text, "not labels"))?;
        let key = SeriesKey {
            cluster: name(row, 1)?,
            node: name(row, 2)?,
            parameter: name(row, 3)?,
            labels: Labels::new(pairs).map_err(|_| wrong(4, Type::Text, "not labels"))?,
        };
        let duration = |at| row.get::<_, Option<u64>>(at).map(|millis| millis.map(Duration::from_millis));
        let def = SeriesDef {
            key,
            kind: Kind::from_number(row.get(5)?).ok_or_else(|| wrong(5, Type::Integer, "not a kind"))?,
            unit: row.get(6)?,
            source: row.get(7)?,
            interval: duration(8)?,
            lifetime: duration(9)?,
            description: row.get(10)?,
        };
        Ok((SeriesId(row.get(0)?), def, row.get(11)?))
    };
    db.prepare(
        "SELECT id, cluster, node, parameter, labels, kind, unit, source, interval, lifetime, description, last_time
         FROM series ORDER BY id",
    )
    .and_then(|mut rows| rows.query_map([], read)?.collect())
    .tried("reading series")
}

/// Members as a blob: distances of the ascending ids (from 0) as varints.
pub(crate) fn encode_members(members: &[SeriesId]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut last = 0;
    for member in members {
        put_varint(&mut out, u64::from(member.0 - last));
        last = member.0;
    }
    out
}

pub(crate) fn decode_members(blob: &[u8], count: usize) -> Result<Vec<SeriesId>, Damaged> {
    if count > MAX_MEMBERS {
        return Err(Damaged("group with too many members"));
    }
    let mut source = Source::new(blob);
    let mut last = 0_u32;
    let members = (0..count).map(|_| {
        last = last.checked_add(source.u32()?).ok_or(Damaged("series id beyond 32 bits"))?;
        Ok(SeriesId(last))
    });
    members.collect()
}

/// Gap records of an epoch that touch `after < number <= through`, of any scope, in number order.
pub(crate) fn gaps(db: &Connection, epoch: Epoch, after: u64, through: u64) -> Result<Vec<Gap>, CacheError> {
    let read = |row: &Row<'_>| {
        let scope = match row.get::<_, i64>(0)? {
            0 => GapScope::Farm,
            1 => GapScope::Cluster(
                Name::new(row.get_ref(1)?.as_str()?).map_err(|_| wrong(1, Type::Text, "not a name"))?,
            ),
            _ => GapScope::Series(SeriesId(row.get(2)?)),
        };
        let reason =
            GapReason::from_number(row.get(6)?).ok_or_else(|| wrong(6, Type::Integer, "not a reason"))?;
        Ok(Gap { epoch, scope, from: row.get(3)?, to: row.get(4)?, count: row.get(5)?, reason })
    };
    let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX - 1);
    db.prepare_cached(
        "SELECT scope, cluster, series, from_number, to_number, count, reason FROM gap WHERE epoch = ?1
         AND (to_number IS NULL OR to_number > ?2) AND from_number <= ?3 + (to_number IS NULL) ORDER BY from_number, id",
    )
    .and_then(|mut rows| {
        rows.query_map(params![epoch.start, bound(after), bound(through)], read)?.collect()
    })
    .tried("reading gap records")
}

/// Writes a gap record. Of retention, quota, and whole chunks shed for a full disk there is one low-water mark a scope.
pub(crate) fn put_gap(db: &Connection, gap: &Gap, low_water: bool) -> rusqlite::Result<()> {
    let (scope, cluster, series) = match &gap.scope {
        GapScope::Farm => (0, None, None),
        GapScope::Cluster(name) => (1, Some(name.as_str()), None),
        GapScope::Series(series) => (2, None, Some(series.0)),
    };
    let reason = gap.reason as u8;
    // A low-water mark begins with number 1 and moves up; another gap grows where the new one follows it.
    let joined = db
        .prepare_cached(
            "UPDATE gap SET to_number = max(to_number, ?6), count = count + ?7 WHERE epoch = ?1 AND scope = ?2
             AND cluster IS ?3 AND series IS ?4 AND reason = ?8 AND to_number NOT NULL AND count NOT NULL
             AND CASE WHEN ?9 THEN from_number = 1 ELSE to_number = ?5 - 1 AND from_number > 1 END",
        )?
        .execute(params![gap.epoch.start, scope, cluster, series, gap.from, gap.to, gap.count, reason, low_water])?;
    if joined == 0 {
        db.prepare_cached(
            "INSERT INTO gap(epoch, scope, cluster, series, from_number, to_number, count, reason)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            gap.epoch.start,
            scope,
            cluster,
            series,
            if low_water { 1 } else { gap.from },
            gap.to,
            gap.count,
            reason
        ])?;
    }
    Ok(())
}

/// What the last mark of each series says.
pub(crate) fn last_lives(db: &Connection) -> Result<HashMap<SeriesId, (Life, Arc<str>)>, CacheError> {
    db.prepare("SELECT series, life, reason, max(id) FROM life GROUP BY series")
        .and_then(|mut query| {
            let read = |row: &Row<'_>| {
                let life = Life::from_number(row.get(1)?);
                let reason: Arc<str> = row.get::<_, String>(2)?.into();
                Ok((SeriesId(row.get(0)?), life.map(|life| (life, reason))))
            };
            let rows = query.query_map([], read)?;
            rows.filter_map(|row| row.map(|(id, life)| Some((id, life?))).transpose()).collect()
        })
        .tried("reading the last marks of life")
}

/// Of each series that does not live, the start of the epoch and the number behind which its silence was told first.
pub(crate) fn silences(db: &Connection) -> Result<HashMap<SeriesId, (u64, u64)>, CacheError> {
    let mut silences = HashMap::new();
    let mut read = |row: &Row<'_>| {
        let series = SeriesId(row.get(0)?);
        if Life::from_number(row.get(1)?) == Some(Life::Live) {
            silences.remove(&series);
        } else {
            let behind = (row.get(2)?, row.get(3)?);
            silences.entry(series).or_insert(behind);
        }
        Ok(())
    };
    db.prepare("SELECT series, life, epoch, after FROM life ORDER BY id")
        .and_then(|mut query| query.query_map([], &mut read)?.collect::<rusqlite::Result<()>>())
        .tried("reading since when series are silent")?;
    Ok(silences)
}

/// Writes a mark of life.
pub(crate) fn put_life(db: &Connection, id: i64, epoch: Epoch, mark: &LifeMark) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO life(id, epoch, after, series, life, time, reason) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![id, epoch.start, mark.after, mark.series.0, mark.life as u8, mark.time, &*mark.reason])?;
    Ok(())
}

/// Marks that stand after a number `after <= n <= through`, with the ids of their rows.
pub(crate) fn life(
    db: &Connection,
    epoch: Epoch,
    after: u64,
    through: u64,
) -> Result<Vec<(i64, LifeMark)>, CacheError> {
    let read = |row: &Row<'_>| {
        let mark = LifeMark {
            series: SeriesId(row.get(1)?),
            life: Life::from_number(row.get(2)?).ok_or_else(|| wrong(2, Type::Integer, "not a life"))?,
            time: row.get(3)?,
            after: row.get(4)?,
            reason: row.get_ref(5)?.as_str()?.into(),
        };
        Ok((row.get(0)?, mark))
    };
    let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX - 1);
    db.prepare_cached(
        "SELECT id, series, life, time, after, reason FROM life WHERE epoch = ?1 AND after >= ?2 AND after <= ?3 ORDER BY id",
    )
    .and_then(|mut rows| {
        rows.query_map(params![epoch.start, bound(after), bound(through)], read)?.collect()
    })
    .tried("reading marks of life")
}
