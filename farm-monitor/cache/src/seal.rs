//! Sealing: the unsealed pieces of a group become one row of times and one block for each of its series.

use crate::blocks::{self, TimesRow, block_id};
use crate::codec::Values;
use crate::head::{Head, Piece};
use crate::options::CacheOptions;
use crate::rows;
use crate::times::{self, Entry, Presence};
use hedgerow_model::{ColumnType, Epoch, Mark, Name, SeriesId, UnixMillis, Value};
use rusqlite::{Connection, params};

/// Most pieces sealed into one chunk; the rest waits for the next commit.
const MAX_PIECES: usize = 4096;
/// Most samples sealed in one commit (beside the last chunk's), so that no commit takes long.
const MAX_SAMPLES: usize = 2_000_000;

/// A chunk to be sealed, as it stood when the commit began.
#[derive(Debug)]
pub(crate) struct Sealing {
    pub epoch: Epoch,
    pub group: u32,
    cluster: Name,
    members: Vec<SeriesId>,
    stored: usize,
    pub pieces: Vec<Piece>,
}

/// Chooses what to seal now: everything of older epochs, what is full or old, and more where a bound is passed.
/// `journal_through`: chunks that begin at or before this number keep too much of the journal alive.
pub(crate) fn choose(
    head: &Head,
    options: &CacheOptions,
    now: UnixMillis,
    journal_through: Option<u64>,
) -> Vec<Sealing> {
    let age = i64::try_from(options.chunk_age.as_millis()).unwrap_or(i64::MAX);
    let mut excess = head.bytes.saturating_sub(options.head_bytes);
    if excess > 0 {
        // A quarter more, so that this does not come with every commit.
        excess += options.head_bytes / 4;
    }
    let mut candidates: Vec<(bool, usize, usize, u32)> = Vec::new();
    for (part, unsealed) in head.unsealed.iter().enumerate() {
        for (group, chunk) in &unsealed.chunks {
            // The first chunks after a start are cut at different lengths, so that groups don't all seal at once.
            let stagger = if head.groups.get(*group).sealed { 0 } else { *group as usize * 7 % 120 };
            let due = unsealed.epoch != head.epoch
                || chunk.pieces.len() + stagger >= options.chunk_entries
                || now.saturating_sub(chunk.opened) >= age
                || chunk
                    .pieces
                    .first()
                    .zip(journal_through)
                    .is_some_and(|(piece, bound)| piece.first() <= bound);
            candidates.push((!due, usize::MAX - chunk.bytes, part, *group));
        }
    }
    candidates.sort_unstable();
    let mut chosen = Vec::new();
    let mut samples = 0;
    for (optional, _, part, group) in candidates {
        if samples >= MAX_SAMPLES || (optional && excess == 0) {
            break;
        }
        let Some(chunk) = head.unsealed[part].chunks.get(&group) else { continue };
        excess = excess.saturating_sub(chunk.bytes);
        let of = head.groups.get(group);
        let pieces: Vec<Piece> = chunk.pieces.iter().take(MAX_PIECES).cloned().collect();
        samples += pieces.iter().map(|piece| piece.len as usize).sum::<usize>();
        chosen.push(Sealing {
            epoch: head.unsealed[part].epoch,
            group,
            cluster: of.cluster.clone(),
            members: of.members.clone(),
            stored: of.stored,
            pieces,
        });
    }
    chosen
}

impl Sealing {
    /// How many members the file knows after it.
    pub(crate) fn version(&self) -> usize {
        self.members.len()
    }

    /// The number of the last sample in it.
    pub(crate) fn last(&self) -> u64 {
        self.pieces.last().map_or(0, Piece::last)
    }

    /// Writes times and blocks; returns the bytes they take.
    pub(crate) fn write(&self, db: &Connection, id: i64) -> rusqlite::Result<u64> {
        let (entries, lanes) = self.transpose();
        if self.members.len() > self.stored {
            db.prepare_cached(
                "INSERT INTO grp(id, cluster, version, members) VALUES(?1, ?2, ?3, ?4)
                 ON CONFLICT(id) DO UPDATE SET version = ?3, members = ?4",
            )?
            .execute(params![
                self.group,
                self.cluster.as_str(),
                self.members.len(),
                rows::encode_members(&self.members)
            ])?;
        }
        let blob = times::encode(&entries, self.members.len());
        let mut bytes = blob.len() as u64 + 80;
        let mut count = 0;
        let mut last_time = db.prepare_cached("UPDATE series SET last_time = ?2 WHERE id = ?1")?;
        for (rank, lane) in lanes.iter().enumerate().filter(|(_, lane)| lane.last_time.is_some()) {
            let series = self.members[rank];
            bytes += blocks::write_block(db, block_id(id, rank as u16), series, &lane.values)?;
            count += lane.values.columns.len() as u64;
            last_time.execute(params![series.0, lane.last_time])?;
        }
        let times = || entries.iter().map(|entry| entry.time);
        let row = TimesRow {
            id,
            group: self.group,
            version: self.members.len() as u32,
            epoch: self.epoch.start,
            first: entries.first().map_or(0, |entry| entry.first),
            last: self.last(),
            t_min: times().min().unwrap_or(0),
            t_max: times().max().unwrap_or(0),
            entries: entries.len() as u32,
            count,
        };
        row.write(db, &blob, bytes)?;
        db.prepare_cached(
            "INSERT INTO sealed(grp, epoch, last) VALUES(?1, ?2, ?3) ON CONFLICT(grp, epoch) DO UPDATE SET last = ?3",
        )?
        .execute(params![self.group, self.epoch.start, self.last()])?;
        Ok(bytes)
    }

    /// From pieces (many series, one time) to lanes (one series, many times).
    fn transpose(&self) -> (Vec<Entry>, Vec<Lane>) {
        let mut lanes: Vec<Lane> = Vec::new();
        lanes.resize_with(self.members.len(), Lane::default);
        let mut ranks: Vec<u16> = Vec::new();
        let mut entries: Vec<Entry> = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            ranks.clear();
            let mut members = (0_u16..).zip(&self.members);
            for series in piece.series() {
                // Both are ascending, and every series of a piece is a member.
                ranks.extend(members.find(|(_, member)| *member == series).map(|(rank, _)| rank));
            }
            let same = entries.last().filter(|before| match &before.present {
                Presence::All(members) => usize::from(*members) == ranks.len(),
                Presence::Some(present) => present[..] == ranks[..],
            });
            let present = same
                .map_or_else(|| Presence::of(&ranks, self.members.len()), |before| before.present.clone());
            entries.push(Entry { first: piece.first(), time: piece.time(), present });
            fill(&mut lanes, &ranks, piece);
        }
        (entries, lanes)
    }
}

/// The samples of one series on their way into a block.
#[derive(Debug, Default)]
struct Lane {
    values: Values,
    last_time: Option<UnixMillis>,
}

impl Lane {
    fn push(&mut self, value: Value, time: UnixMillis) {
        self.values.columns.push(value);
        self.last_time = self.last_time.max(Some(time));
    }

    fn mark(&mut self, mark: Mark) {
        let at = (self.values.columns.len() as u32).saturating_sub(1);
        self.values.marks.push((at, mark));
    }
}

fn fill(lanes: &mut [Lane], ranks: &[u16], piece: &Piece) {
    let time = piece.time();
    let batch = &piece.batch.batch;
    let (from, len) = (piece.from as usize, piece.len as usize);
    let of = |position: usize| usize::from(ranks[position]);
    match batch.values.runs() {
        [(ColumnType::F64, _)] => {
            for (position, value) in batch.values.f64s()[from..from + len].iter().enumerate() {
                lanes[of(position)].push(Value::F64(*value), time);
            }
        }
        [(ColumnType::I64, _)] if batch.values.state_texts().is_empty() => {
            for (position, value) in batch.values.i64s()[from..from + len].iter().enumerate() {
                lanes[of(position)].push(Value::I64(*value), time);
            }
        }
        _ => {
            for (position, value) in batch.values.iter().skip(from).take(len).enumerate() {
                lanes[of(position)].push(value, time);
            }
        }
    }
    let first_mark = batch.marks.partition_point(|(at, _)| *at < piece.from);
    for (at, mark) in batch.marks[first_mark..].iter().take_while(|(at, _)| (*at as usize) < from + len) {
        lanes[of((at - piece.from) as usize)].mark(*mark);
    }
}
