//! Opening: lock the file, read what it knows, account for how the last run ended, begin a new epoch.
//!
//! A farm never refuses to start for its cache: what is broken is set aside under a new name.

use crate::batches::Recent;
use crate::blocks::{self, TIMES_COLUMNS, TimesRow};
use crate::checkpoint::{self, Checkpoints, Pending};
use crate::error::{CacheError, Tried};
use crate::groups::Groups;
use crate::head::{Head, Unsealed};
use crate::options::{CacheOptions, Clock};
use crate::rows::{self, EpochEnd, EpochInfo};
use crate::schema;
use crate::writer::JournalEntry;
use hedgerow_model::{
    Batch, Epoch, Gap, GapReason, GapScope, Life, Name, Numbered, Numbers, Position, SeriesDef, SeriesId,
    UnixMillis,
};
use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Highest series id that is believed: a damaged one must not ask for all memory.
const MAX_SERIES: u32 = 1 << 24;

/// What was found when the cache was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The file was broken and stands now under this name.
    pub set_aside: Option<PathBuf>,
    /// What was wrong with it.
    pub why: Option<String>,
    /// Epochs that had no clean end; each has its gap record now.
    pub crashed: Vec<EpochInfo>,
    /// Samples taken from the journal.
    pub replayed: u64,
    /// Samples of journal rows that could not be read: there is a gap record for them.
    pub damaged: u64,
    /// Deployments whose checkpoint could not be read: they begin anew.
    pub checkpoints: Vec<String>,
}

/// A series as the file knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSeries {
    /// Its id.
    pub id: SeriesId,
    /// What it is.
    pub def: SeriesDef,
    /// The time of its last sample.
    pub last_time: Option<UnixMillis>,
    /// What the last mark kept says of its life, and why.
    pub life: Option<(Life, Arc<str>)>,
    /// Behind which number it was first told not to live; `None`: it lives, or that is not known any more.
    pub silent_behind: Option<Position>,
}

/// Everything read from the file.
pub(crate) struct Loaded {
    pub db: Connection,
    pub head: Head,
    pub series: Vec<KnownSeries>,
    pub epochs: Vec<EpochInfo>,
    pub checkpoints: Checkpoints,
    pub journal: VecDeque<JournalEntry>,
    pub next_journal: i64,
    pub next_times: i64,
    pub usage: BTreeMap<u32, u64>,
    /// Sealed samples.
    pub samples: u64,
    pub recovered: Recovered,
}

/// The path with `suffix` added.
pub(crate) fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The path of a small file that belongs to the cache.
pub(crate) fn beside(path: &Path, what: &str) -> PathBuf {
    suffixed(path, &format!(".{what}"))
}

/// Opens the file, whatever state it is in; the lock is to be held as long as it is open.
pub(crate) fn open(
    path: &Path,
    options: &CacheOptions,
    clock: &dyn Clock,
) -> Result<(Loaded, File), CacheError> {
    let lock = take_lock(path)?;
    let mut recovered = Recovered::default();
    let marker = beside(path, "broken");
    if marker.exists() {
        recovered.set_aside = set_aside(path)?;
        recovered.why = Some("marked as broken while it was in use".to_owned());
        std::fs::remove_file(&marker).map_err(|source| CacheError::Io {
            what: "removing",
            path: marker,
            source,
        })?;
    }
    let min_start = options.min_start.max(read_start(path) + 1);
    let mut first = load(path, options, clock, min_start);
    if first.as_ref().is_err_and(CacheError::is_full) {
        // The ballast is for this; the writer takes it again when there is room.
        let _ = std::fs::remove_file(beside(path, "ballast"));
        first = load(path, options, clock, min_start);
    }
    let mut loaded = match first {
        Err(error) if error.is_unusable() => {
            recovered.why = Some(crate::writer::describe(&error));
            recovered.set_aside = set_aside(path)?;
            load(path, options, clock, min_start)?
        }
        other => other?,
    };
    write_start(path, loaded.head.epoch.start)?;
    if let Some(aside) = &recovered.set_aside {
        tracing::error!(event = "cache_set_aside", path = %aside.display(), why = recovered.why);
    }
    loaded.recovered.set_aside = recovered.set_aside;
    loaded.recovered.why = recovered.why;
    Ok((loaded, lock))
}

fn take_lock(path: &Path) -> Result<File, CacheError> {
    let lock_path = beside(path, "lock");
    let io = |what| {
        let path = lock_path.clone();
        move |source| CacheError::Io { what, path, source }
    };
    let lock = File::create(&lock_path).map_err(io("creating"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(CacheError::InUse(path.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(io("locking")(source)),
    }
}

/// Renames the file and what SQLite keeps beside it to the first free `.broken-N`.
fn set_aside(path: &Path) -> Result<Option<PathBuf>, CacheError> {
    let target = (1..u32::MAX).map(|n| beside(path, &format!("broken-{n}"))).find(|target| !target.exists());
    let target = target.unwrap_or_else(|| beside(path, "broken-0"));
    for suffix in ["", "-wal", "-shm"] {
        let from = suffixed(path, suffix);
        match std::fs::rename(&from, suffixed(&target, suffix)) {
            Ok(()) => {}
            Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(CacheError::Io { what: "setting aside", path: from, source }),
        }
    }
    Ok(Some(target))
}

/// The start counter kept beside the file, so that it rises even when the file is set aside.
fn read_start(path: &Path) -> u64 {
    std::fs::read_to_string(beside(path, "start")).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn write_start(path: &Path, start: u64) -> Result<(), CacheError> {
    let (temporary, target) = (beside(path, "start.new"), beside(path, "start"));
    let write = || {
        let mut file = File::create(&temporary)?;
        writeln!(file, "{start}")?;
        file.sync_all()?;
        std::fs::rename(&temporary, &target)
    };
    match write() {
        // The counter in the file itself is enough while that is whole.
        Err(full) if full.kind() == std::io::ErrorKind::StorageFull => Ok(()),
        other => other.map_err(|source| CacheError::Io { what: "writing", path: target.clone(), source }),
    }
}

fn load(
    path: &Path,
    options: &CacheOptions,
    clock: &dyn Clock,
    min_start: u64,
) -> Result<Loaded, CacheError> {
    let mut db = schema::open_writer(path)?;
    let mut epochs = rows::epochs(&db)?;
    let random: i64 = db.query_row("SELECT random()", [], |row| row.get(0)).tried("making random bits")?;
    let start = epochs.last().map_or(1, |last| last.epoch.start + 1).max(min_start);
    let epoch = Epoch { start, random: random.cast_unsigned() };
    let listed = rows::series(&db)?;
    let mut groups = Groups::default();
    for (id, def, _) in &listed {
        if id.0 == 0 || id.0 > MAX_SERIES {
            return Err(damaged("series id out of range"));
        }
        groups.add_series(*id, &def.key.cluster);
    }
    load_groups(&db, &mut groups)?;
    let next_life = number(&db, "SELECT coalesce(max(id), 0) + 1 FROM life")?;
    let mut head = Head {
        epoch,
        last: 0,
        groups,
        unsealed: vec![Unsealed { epoch, chunks: BTreeMap::new() }],
        bytes: 0,
        pending: Vec::new(),
        pending_bytes: 0,
        pending_bound: options.pending_bytes,
        batches: Recent::new(number(&db, "SELECT coalesce(max(id), 0) + 1 FROM batches")?),
        checkpoints: Pending::default(),
        definitions: Vec::new(),
        life: Vec::new(),
        next_life,
        gaps: Vec::new(),
        bad: Vec::new(),
        overloads: 0,
        closed: false,
    };
    let now = clock.now();
    let known: Vec<Epoch> = epochs.iter().map(|info| info.epoch).collect();
    let mut recovered = Recovered::default();
    let checkpoints;
    (checkpoints, recovered.checkpoints) = checkpoint::read(&db)?;
    let (journal, broken_rows) = replay(&db, &mut head, &known, now, &mut recovered)?;
    let mut lives = rows::last_lives(&db)?;
    let silences = rows::silences(&db)?;
    let silent_behind = |id| {
        let (start, number) = *silences.get(&id)?;
        let epoch = *known.iter().find(|epoch| epoch.start == start)?;
        Some(Position { epoch, number })
    };
    let known_series = |(id, def, last_time)| {
        let silent_behind = silent_behind(id);
        KnownSeries { id, def, last_time, life: lives.remove(&id), silent_behind }
    };
    let mut series: Vec<KnownSeries> = listed.into_iter().map(known_series).collect();
    note_last_times(&head, &mut series);
    begin(&mut db, options, &mut epochs, epoch, now, &broken_rows, &mut recovered)?;
    if let Some(pages) = options.max_pages {
        db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).tried("bounding the file")?;
    }
    let usage = db
        .prepare("SELECT grp, sum(bytes) FROM times GROUP BY grp")
        .and_then(|mut query| query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .tried("reading what groups take")?;
    let next_journal = number(&db, "SELECT coalesce(max(id), 0) + 1 FROM journal")?;
    let next_times = number(&db, "SELECT coalesce(max(id), 0) + 1 FROM times")?;
    let samples = number(&db, "SELECT coalesce(sum(count), 0) FROM times")?.cast_unsigned();
    Ok(Loaded {
        samples,
        db,
        head,
        series,
        epochs,
        checkpoints,
        journal,
        next_journal,
        next_times,
        usage,
        recovered,
    })
}

fn damaged(what: &'static str) -> CacheError {
    CacheError::Damaged { what: "reading the cache", source: crate::bytes::Damaged(what) }
}

fn number(db: &Connection, sql: &'static str) -> Result<i64, CacheError> {
    db.query_row(sql, [], |row| row.get(0)).tried("reading the cache")
}

fn load_groups(db: &Connection, groups: &mut Groups) -> Result<(), CacheError> {
    let mut query =
        db.prepare("SELECT id, cluster, version, members FROM grp ORDER BY id").tried("reading groups")?;
    let mut rows = query.query([]).tried("reading groups")?;
    while let Some(row) = rows.next().tried("reading groups")? {
        let (id, version): (u32, u32) =
            row.get(0).and_then(|id| Ok((id, row.get(2)?))).tried("reading groups")?;
        let cluster: String = row.get(1).tried("reading groups")?;
        let blob: Vec<u8> = row.get(3).tried("reading groups")?;
        let cluster = Name::new(&cluster).map_err(|_| damaged("cluster of a group"))?;
        let members =
            rows::decode_members(&blob, version as usize).map_err(|_| damaged("members of a group"))?;
        let rising =
            members.is_sorted_by(|a, b| a < b) && members.last().is_some_and(|last| last.0 <= MAX_SERIES);
        if id == 0 || id > MAX_SERIES || !rising || !members.iter().all(|series| groups.knows(*series)) {
            return Err(damaged("group with unknown members"));
        }
        groups.load(id, &cluster, members);
    }
    Ok(())
}

/// A journal row that could not be read.
struct BrokenRow {
    id: i64,
    epoch: u64,
    first: u64,
    last: u64,
}

/// Puts what the journal has and blocks have not into the head.
fn replay(
    db: &Connection,
    head: &mut Head,
    epochs: &[Epoch],
    now: UnixMillis,
    recovered: &mut Recovered,
) -> Result<(VecDeque<JournalEntry>, Vec<BrokenRow>), CacheError> {
    let sealed: HashMap<(u32, u64), u64> = db
        .prepare("SELECT grp, epoch, last FROM sealed")
        .and_then(|mut query| {
            query.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?.collect()
        })
        .tried("reading what is sealed")?;
    let indexed: HashMap<u64, u64> = db
        .prepare("SELECT epoch, max(last) FROM batches GROUP BY epoch")
        .and_then(|mut query| query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .tried("reading how far batches are known")?;
    let mut journal = VecDeque::new();
    let mut broken = Vec::new();
    head.groups.settle(true);
    blocks::read_journal(db, epochs, |row| {
        let (id, epoch, first, last) = (row.id, row.epoch, row.first, row.last);
        let batches = row.batches.ok().filter(|batches| is_whole(head, batches, first, last));
        let Some(batches) = batches else {
            broken.push(BrokenRow { id, epoch, first, last });
            return;
        };
        journal.push_back(JournalEntry { id, epoch, last, bytes: row.bytes as u64 });
        for batch in batches {
            let number = batch.numbers.at(0).unwrap_or_default();
            if number > indexed.get(&epoch).copied().unwrap_or(0) && !batch.batch.is_empty() {
                head.batches.push(epoch, number, batch.batch.len(), batch.batch.generation);
            }
            for part in unsealed_parts(&head.groups, batch, &sealed) {
                recovered.replayed += part.batch.len() as u64;
                head.place(&Arc::new(part), now, |_, _| true);
            }
        }
    })
    .tried("reading the journal")?;
    head.groups.settle(false);
    Ok((journal, broken))
}

fn is_whole(head: &Head, batches: &[Numbered], first: u64, last: u64) -> bool {
    let count: u64 = batches.iter().map(|batch| batch.batch.len() as u64).sum();
    let known = |batch: &Batch| batch.series.iter().all(|series| head.groups.knows(*series));
    last.checked_sub(first).is_some_and(|more| more + 1 == count)
        && batches.iter().all(|batch| known(&batch.batch) && batch.batch.series.is_sorted_by(|a, b| a < b))
}

/// The parts of a batch that are not in blocks, each with consecutive numbers.
fn unsealed_parts(groups: &Groups, batch: Numbered, sealed: &HashMap<(u32, u64), u64>) -> Vec<Numbered> {
    let Numbers::From(first) = batch.numbers else { return Vec::new() };
    let wanted = |position: usize| {
        let series = batch.batch.series[position];
        let group = groups.place_of(series).filter(|_| groups.is_stored(series)).map(|(group, _)| group);
        let through = group.and_then(|group| sealed.get(&(group, batch.epoch.start))).copied().unwrap_or(0);
        first + position as u64 > through
    };
    let flags: Vec<bool> = (0..batch.batch.len()).map(wanted).collect();
    if flags.iter().all(|wanted| *wanted) {
        return vec![batch];
    }
    let mut parts = Vec::new();
    let mut at = 0;
    for run in flags.chunk_by(|a, b| a == b) {
        if run.first() == Some(&true) {
            let positions: Vec<u32> = (at as u32..(at + run.len()) as u32).collect();
            let numbers = Numbers::From(first + at as u64);
            parts.push(Numbered { epoch: batch.epoch, numbers, batch: batch.batch.select(&positions) });
        }
        at += run.len();
    }
    parts
}

fn note_last_times(head: &Head, series: &mut [KnownSeries]) {
    for piece in head.unsealed.iter().flat_map(|part| part.chunks.values()).flat_map(|chunk| &chunk.pieces) {
        for id in piece.series() {
            if let Ok(at) = series.binary_search_by_key(id, |known| known.id) {
                series[at].last_time = series[at].last_time.max(Some(piece.time()));
            }
        }
    }
}

/// Ends the epochs that have no end, accounts for broken journal rows, and begins the new epoch: one transaction.
fn begin(
    db: &mut Connection,
    options: &CacheOptions,
    epochs: &mut Vec<EpochInfo>,
    epoch: Epoch,
    now: UnixMillis,
    broken: &[BrokenRow],
    recovered: &mut Recovered,
) -> Result<(), CacheError> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).tried("beginning an epoch")?;
    let mut write = || -> rusqlite::Result<()> {
        for info in epochs.iter_mut().filter(|info| info.end == EpochEnd::Running) {
            info.end = EpochEnd::Crashed;
            let (finish, start) = (info.end.number(), info.epoch.start);
            tx.execute(
                "UPDATE epoch SET finish = ?2, closed = ?3 WHERE start = ?1",
                params![start, finish, now],
            )?;
            let (from, reason) = (info.last + 1, GapReason::Crash);
            let gap = Gap { epoch: info.epoch, scope: GapScope::Farm, from, to: None, count: None, reason };
            rows::put_gap(&tx, &gap, false)?;
            recovered.crashed.push(*info);
        }
        for row in broken {
            let lost = (row.last + 1).saturating_sub(row.first).saturating_sub(sealed_between(&tx, row)?);
            let of = epochs.iter().find(|info| info.epoch.start == row.epoch).map(|info| info.epoch);
            if let Some(epoch) = of.filter(|_| lost > 0) {
                let (scope, reason) = (GapScope::Farm, GapReason::Corruption);
                let gap =
                    Gap { epoch, scope, from: row.first, to: Some(row.last), count: Some(lost), reason };
                rows::put_gap(&tx, &gap, false)?;
                recovered.damaged += lost;
            }
            tx.execute("DELETE FROM journal WHERE id = ?1", [row.id])?;
        }
        tx.execute(
            "INSERT INTO epoch(start, random, opened, last, finish) VALUES(?1, ?2, ?3, 0, 0)",
            params![epoch.start, epoch.random.cast_signed(), now],
        )?;
        tx.execute("INSERT OR REPLACE INTO meta(key, value) VALUES('farm', ?1)", [&options.farm])?;
        forget_epochs(&tx, options, now)?;
        // What is sealed of an epoch matters only while the journal has rows of it.
        tx.execute("DELETE FROM sealed WHERE epoch NOT IN (SELECT epoch FROM journal)", [])?;
        Ok(())
    };
    write().tried("beginning an epoch")?;
    tx.commit().tried("beginning an epoch")?;
    *epochs = rows::epochs(db)?;
    Ok(())
}

/// Forgets epochs that ended before the bound of age and of which nothing is left, with their gap records.
fn forget_epochs(db: &Connection, options: &CacheOptions, now: UnixMillis) -> rusqlite::Result<()> {
    let age = i64::try_from(options.bounds.max_age.as_millis()).unwrap_or(i64::MAX);
    db.execute(
        "DELETE FROM epoch WHERE closed < ?1 AND start NOT IN (SELECT epoch FROM times)
         AND start NOT IN (SELECT epoch FROM journal)",
        [now.saturating_sub(age)],
    )?;
    for rows_of in ["gap", "life", "batches"] {
        db.execute(&format!("DELETE FROM {rows_of} WHERE epoch NOT IN (SELECT start FROM epoch)"), [])?;
    }
    Ok(())
}

/// How many numbers of a journal row are in blocks (or were, before they were deleted and counted).
fn sealed_between(db: &Connection, row: &BrokenRow) -> rusqlite::Result<u64> {
    let sql = format!("SELECT {TIMES_COLUMNS} FROM times WHERE epoch = ?1 AND last >= ?2 AND first <= ?3");
    let mut query = db.prepare(&sql)?;
    let chunks: Vec<TimesRow> = query
        .query_map(params![row.epoch, row.first, row.last], TimesRow::read)?
        .collect::<Result<_, _>>()?;
    let mut found = 0;
    for chunk in chunks {
        for entry in chunk.entries(db)?.unwrap_or_default() {
            let (from, to) = (entry.first.max(row.first), entry.last().min(row.last));
            found += (to + 1).saturating_sub(from);
        }
    }
    Ok(found)
}
