//! The writer: the one thread that writes the file, in group commits.
//!
//! A commit takes what has been appended since the one before, seals what is due, and only then tells that it is
//! committed. What fails stays in memory and is tried again; nothing here ends the process.

mod bad;
pub(crate) mod retain;

use crate::batches::Segment;
use crate::blocks;
use crate::checkpoint::Pending;
use crate::error::{CacheError, Tried};
use crate::head::{Bad, Head, first_number};
use crate::journal;
use crate::options::{Bounds, CacheOptions, Clock};
use crate::rows;
use crate::seal::{self, Sealing};
use crate::stats::CacheStats;
use hedgerow_model::{Epoch, Gap, LifeMark, Numbered, Position, SeriesDef, SeriesId, UnixMillis};
use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often room is made for one commit on a full disk.
const FULL_TRIES: usize = 4;

/// What appenders, readers and the writer share.
pub(crate) struct Shared {
    pub path: PathBuf,
    pub options: CacheOptions,
    pub bounds: Mutex<Bounds>,
    pub clock: Arc<dyn Clock>,
    pub head: Mutex<Head>,
    pub control: Mutex<Control>,
    /// Something for the writer to do, or done by it.
    pub changed: Condvar,
    pub committed: watch::Sender<Position>,
    /// What was shed before it was committed; with `committed` it tells what is safe.
    pub shed: Arc<Mutex<Shed>>,
    pub stats: Mutex<CacheStats>,
}

/// Numbers that were given up before they were committed: ranges, ascending, neighbours joined.
#[derive(Debug, Default)]
pub(crate) struct Shed(VecDeque<(u64, u64)>);

/// Most ranges remembered; who waits for a commit asks as soon as it is told, so that older ones are of no use.
const MAX_SHED: usize = 1024;

impl Shed {
    pub(crate) fn add(&mut self, from: u64, to: u64) {
        match self.0.back_mut().filter(|last| last.1 + 1 == from) {
            Some(last) => last.1 = to,
            None => self.0.push_back((from, to)),
        }
        if self.0.len() > MAX_SHED {
            self.0.pop_front();
        }
    }

    /// Whether any of these numbers was shed.
    pub(crate) fn any_of(&self, first: u64, last: u64) -> bool {
        self.0.iter().any(|(from, to)| *from <= last && first <= *to)
    }
}

/// What others want of the writer.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// How many flushes were asked for, and how many of them are answered.
    pub asked: u64,
    pub answered: u64,
    /// Seal everything with the next commit.
    pub seal_all: bool,
    /// Why the last commit failed.
    pub failure: Option<String>,
    pub stop: Option<Stop>,
    pub ended: bool,
}

/// How the writer shall end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Commit everything and close the epoch.
    Clean,
    /// At once, as a kill would (for tests).
    Crash,
}

/// A row of the journal that is still needed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JournalEntry {
    pub id: i64,
    pub epoch: u64,
    pub last: u64,
    pub bytes: u64,
}

pub(crate) struct Writer {
    pub db: Connection,
    pub shared: Arc<Shared>,
    /// Oldest first.
    pub journal: VecDeque<JournalEntry>,
    pub next_journal: i64,
    pub next_times: i64,
    /// Bytes of blocks by group.
    pub usage: BTreeMap<u32, u64>,
    /// Sealed samples in the file.
    pub samples: u64,
    pub ballast: retain::Ballast,
}

/// What one commit takes, as it stood when the commit began.
struct Work {
    epoch: Epoch,
    pending: Vec<Arc<Numbered>>,
    definitions: Vec<(SeriesId, SeriesDef)>,
    life: Vec<(i64, LifeMark)>,
    gaps: Vec<Gap>,
    bad: Vec<Bad>,
    checkpoints: Pending,
    /// Of the index of batches, what must be written now.
    segments: Vec<Segment>,
    sealing: Vec<Sealing>,
    /// For each epoch in the journal: the first number that stays unsealed.
    first_unsealed: BTreeMap<u64, Option<u64>>,
    last: u64,
}

/// What one commit wrote: bytes by sealed group, ids of journal rows deleted, its own row.
struct Written {
    chunks: Vec<(u32, u64)>,
    trimmed: Vec<i64>,
    journal: Option<JournalEntry>,
}

impl Work {
    fn is_empty(&self) -> bool {
        self.pending.is_empty()
            && self.definitions.is_empty()
            && self.life.is_empty()
            && self.gaps.is_empty()
            && self.bad.is_empty()
            && self.checkpoints.is_empty()
            && self.segments.is_empty()
            && self.sealing.is_empty()
    }
}

impl Writer {
    /// Runs until it is stopped.
    pub(crate) fn run(mut self) {
        let _end = End(Arc::clone(&self.shared));
        let mut begun = self.shared.clock.now();
        loop {
            let (stop, asked, seal_all) = self.wait(begun);
            begun = self.shared.clock.now();
            if stop == Some(Stop::Crash) {
                break;
            }
            let mut result = self.commit(seal_all);
            for _ in 0..FULL_TRIES {
                if !result.as_ref().is_err_and(CacheError::is_full) {
                    break;
                }
                // What is sealed takes less than the journal of it.
                let more = self.make_room();
                result = self.commit(true);
                if !more {
                    break;
                }
            }
            self.note(result.as_ref().err());
            if let Err(error) = self.retain() {
                self.note(Some(&error));
            }
            self.publish();
            let mut control = self.shared.control.lock();
            control.answered = asked;
            control.failure = result.as_ref().err().map(describe);
            drop(control);
            self.shared.changed.notify_all();
            if stop == Some(Stop::Clean) {
                self.finish(result.is_ok());
                break;
            }
        }
    }

    /// Waits until a commit interval has passed since the last commit was `begun` (what came while it was written waits no
    /// longer than what came after), or until somebody asks for something.
    fn wait(&self, begun: UnixMillis) -> (Option<Stop>, u64, bool) {
        let spent = u64::try_from(self.shared.clock.now().saturating_sub(begun)).unwrap_or_default();
        let left = self.shared.options.commit_interval.saturating_sub(Duration::from_millis(spent));
        let mut control = self.shared.control.lock();
        // A chunk of work left over (a bound still passed) does not wait.
        let patience = if self.hurried() { Duration::ZERO } else { left };
        if control.stop.is_none() && control.asked == control.answered {
            self.shared.changed.wait_while_for(
                &mut control,
                |control| control.stop.is_none() && control.asked == control.answered,
                patience,
            );
        }
        (control.stop, control.asked, std::mem::take(&mut control.seal_all))
    }

    fn hurried(&self) -> bool {
        let calm = self.shared.stats.lock().trouble.is_none();
        let head = self.shared.head.lock();
        calm && (head.bytes > 2 * self.shared.options.head_bytes || head.unsealed.len() > 1)
    }

    fn gather(&self, seal_all: bool) -> Work {
        let now = self.shared.clock.now();
        let options = &self.shared.options;
        let journal_through = self.journal_excess();
        let head = self.shared.head.lock();
        let sealing = if seal_all {
            let all = CacheOptions { chunk_entries: 0, ..options.clone() };
            seal::choose(&head, &all, now, journal_through)
        } else {
            seal::choose(&head, options, now, journal_through)
        };
        let epochs: BTreeSet<u64> =
            self.journal.iter().map(|row| row.epoch).chain([head.epoch.start]).collect();
        let sealed = |epoch: u64, group: u32| {
            let chunk = sealing.iter().find(|chunk| chunk.group == group && chunk.epoch.start == epoch);
            chunk.map_or(0, |chunk| chunk.pieces.len())
        };
        let first_unsealed: BTreeMap<u64, Option<u64>> = epochs
            .into_iter()
            .map(|epoch| (epoch, head.first_unsealed(epoch, |group| sealed(epoch, group))))
            .collect();
        Work {
            epoch: head.epoch,
            pending: head.pending.clone(),
            definitions: head.definitions.clone(),
            life: head.life.clone(),
            gaps: head.gaps.clone(),
            bad: head.bad.clone(),
            checkpoints: head.checkpoints.clone(),
            segments: head.batches.due(|epoch| first_unsealed.get(&epoch).copied().flatten()),
            sealing,
            first_unsealed,
            last: head.last,
        }
    }

    /// The last number of the rows that the journal has too many of.
    fn journal_excess(&self) -> Option<u64> {
        let total: u64 = self.journal.iter().map(|row| row.bytes).sum();
        let mut excess =
            total.checked_sub(self.shared.options.journal_bytes)? + self.shared.options.journal_bytes / 4;
        let row = self.journal.iter().find(|row| {
            excess = excess.saturating_sub(row.bytes);
            excess == 0
        });
        row.or(self.journal.back()).map(|row| row.last)
    }

    /// One commit. Nothing in memory changes unless it succeeds.
    fn commit(&mut self, seal_all: bool) -> Result<(), CacheError> {
        let work = self.gather(seal_all);
        if work.is_empty() {
            return Ok(());
        }
        if self.shared.stats.lock().broken {
            return Err(CacheError::NotCommitted("the file is broken".to_owned()));
        }
        let started = monotonic();
        let Written { chunks, trimmed, journal } = self.write(&work)?;
        let now = self.shared.clock.now();
        let mut head = self.shared.head.lock();
        head.drop_committed(work.pending.len());
        head.definitions.drain(..work.definitions.len());
        head.life.drain(..work.life.len());
        head.gaps.drain(..work.gaps.len());
        head.bad.drain(..work.bad.len());
        head.checkpoints.drop_written(&work.checkpoints);
        head.batches.written(&work.segments);
        for sealing in &work.sealing {
            self.samples += sealing.pieces.iter().map(|piece| u64::from(piece.len)).sum::<u64>();
            head.drop_sealed(sealing.epoch, sealing.group, sealing.pieces.len(), now);
            let group = head.groups.get_mut(sealing.group);
            group.stored = sealing.version();
            group.sealed = true;
        }
        drop(head);
        self.journal.retain(|row| !trimmed.contains(&row.id));
        for (group, bytes) in &chunks {
            *self.usage.entry(*group).or_default() += bytes;
        }
        self.next_times += work.sealing.len() as i64;
        self.next_journal += i64::from(!work.pending.is_empty());
        self.journal.extend(journal);
        let mut stats = self.shared.stats.lock();
        stats.commits += 1;
        stats.sealed_chunks += work.sealing.len() as u64;
        stats.commit_max = stats.commit_max.max(started.elapsed());
        drop(stats);
        let position = Position { epoch: work.epoch, number: work.last };
        self.shared.committed.send_if_modified(|old| std::mem::replace(old, position) != position);
        Ok(())
    }

    /// Writes everything in one transaction.
    fn write(&mut self, work: &Work) -> Result<Written, CacheError> {
        let tx =
            self.db.transaction_with_behavior(TransactionBehavior::Immediate).tried("beginning a commit")?;
        for (id, def) in &work.definitions {
            rows::put_series(&tx, *id, def).tried("writing a series")?;
        }
        for (id, mark) in &work.life {
            rows::put_life(&tx, *id, work.epoch, mark).tried("writing a mark of life")?;
        }
        for gap in &work.gaps {
            rows::put_gap(&tx, gap, false).tried("writing a gap record")?;
        }
        let corrupt = bad::replace(&tx, &work.bad)?;
        let sealed = |epoch: u64, last: u64| {
            work.first_unsealed.get(&epoch).is_some_and(|first| first.is_none_or(|first| last < first))
        };
        for segment in &work.segments {
            segment.write(&tx).tried("writing the index of batches")?;
        }
        work.checkpoints.write(&tx).tried("writing checkpoints")?;
        // First what frees pages, so that a nearly full disk takes it.
        let trimmed: Vec<i64> =
            self.journal.iter().filter(|row| sealed(row.epoch, row.last)).map(|row| row.id).collect();
        for id in &trimmed {
            tx.prepare_cached("DELETE FROM journal WHERE id = ?1")
                .and_then(|mut delete| delete.execute([id]))
                .tried("trimming the journal")?;
        }
        let mut entry = None;
        if let Some(first) = work.pending.first().filter(|_| !sealed(work.epoch.start, work.last)) {
            let (blob, id) = (journal::encode(&work.pending), self.next_journal);
            blocks::write_journal(&tx, id, work.epoch, (first_number(first), work.last), &blob)
                .tried("writing the journal")?;
            let (epoch, bytes) = (work.epoch.start, blob.len() as u64);
            entry = Some(JournalEntry { id, epoch, last: work.last, bytes });
        }
        let mut chunks = Vec::new();
        for (id, sealing) in (self.next_times..).zip(&work.sealing) {
            chunks.push((sealing.group, sealing.write(&tx, id).tried("sealing blocks")?));
        }
        tx.prepare_cached("UPDATE epoch SET last = ?2 WHERE start = ?1")
            .and_then(|mut update| update.execute(params![work.epoch.start, work.last]))
            .tried("writing the epoch")?;
        tx.commit().tried("committing")?;
        self.shared.stats.lock().corrupt += corrupt;
        Ok(Written { chunks, trimmed, journal: entry })
    }

    /// Remembers how the last commit went; a broken file is marked so that the next open sets it aside.
    fn note(&mut self, error: Option<&CacheError>) {
        let mut stats = self.shared.stats.lock();
        match error {
            None => {
                if stats.trouble.take().is_some() {
                    tracing::info!(event = "cache_recovered", path = %self.shared.path.display());
                }
            }
            Some(error) => {
                if stats.trouble.is_none() {
                    tracing::error!(event = "cache_trouble", path = %self.shared.path.display(), error = describe(error));
                }
                stats.failed_commits += 1;
                stats.trouble = Some(describe(error));
                if error.is_broken() && !stats.broken {
                    stats.broken = true;
                    // Best effort: without the marker the next open finds out by itself, or its first commit does.
                    let _ = std::fs::write(crate::open::beside(&self.shared.path, "broken"), b"");
                }
            }
        }
        drop(stats);
        if error.is_some() {
            self.shed_pending();
        }
    }

    /// Ends the epoch.
    fn finish(&mut self, all_committed: bool) {
        let last = self.shared.committed.borrow().number;
        if all_committed && self.shared.head.lock().last == last {
            let epoch = self.shared.committed.borrow().epoch;
            let ended = self.db.execute(
                "UPDATE epoch SET finish = 1, closed = ?2, last = ?3 WHERE start = ?1",
                params![epoch.start, self.shared.clock.now(), last],
            );
            if let Err(error) = ended {
                tracing::warn!(event = "cache_epoch_not_closed", %error);
            }
        }
        // The log goes into the file; if that fails, the next open does it.
        let _ = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
}

/// Tells all who wait that the writer has ended, even where it panicked.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.head.lock().closed = true;
        self.0.control.lock().ended = true;
        self.0.changed.notify_all();
    }
}

/// An error with all its sources, in one line.
pub(crate) fn describe(error: &CacheError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The only monotonic clock here: it measures how long commits take, and decides nothing.
#[expect(clippy::disallowed_methods, reason = "a stopwatch: no decision hangs on it")]
fn monotonic() -> Instant {
    Instant::now()
}
