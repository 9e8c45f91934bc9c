//! Bounds: what is too old, too much, or in the way of new samples on a full disk is deleted, oldest chunk first, in small
//! steps. Pages that become free are used again; when a lot of them are free, the file is cut.

use super::Writer;
use crate::batches;
use crate::error::{CacheError, Tried};
use crate::rows;
use crate::schema::{PAGE_BYTES, RANK_BITS, pragma};
use hedgerow_model::{Epoch, Gap, GapReason, GapScope, Name, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Most chunks deleted in one transaction.
const STEP: usize = 16;
/// Most transactions of deleting between two commits.
const STEPS: usize = 8;
/// Most marks of life deleted in one transaction.
const LIFE_STEP: i64 = 10_000;
/// Pages given back to the file system at a time, where more than an eighth of the file is free.
const VACUUM_STEP: u32 = 4096;
/// The same on a full disk, where the log has little room.
const FULL_VACUUM: u32 = 256;
/// Chunks shed at a time when the disk is full.
const FULL_STEP: usize = 64;

/// Less ballast than this is of no use.
const MIN_BALLAST: u64 = 1 << 20;

/// When the write-ahead log is longer, the writer insists on emptying it.
const MAX_LOG_BYTES: u64 = 64 << 20;

/// A file that keeps some disk for the moment when there is none.
#[derive(Debug)]
pub(crate) struct Ballast {
    pub path: PathBuf,
    pub bytes: u64,
    pub held: bool,
}

impl Ballast {
    /// Takes the space again: as much as is wanted, but not more than a quarter of what is free.
    pub(crate) fn take(&mut self) {
        if self.held || self.bytes == 0 {
            return;
        }
        let room = self.path.parent().and_then(|folder| rustix::fs::statvfs(folder).ok());
        let bytes = room.map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize) / 4).min(self.bytes);
        if bytes < MIN_BALLAST {
            return;
        }
        let Ok(file) = std::fs::File::create(&self.path) else { return };
        self.held = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes).is_ok();
    }

    fn release(&mut self) {
        self.held = false;
        // Best effort: if it cannot be removed, there is no room to be had from it.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A chunk that may be deleted.
struct Old {
    id: i64,
    group: u32,
    epoch: u64,
    last: u64,
    t_max: UnixMillis,
    bytes: u64,
}

fn old(row: &Row<'_>) -> rusqlite::Result<Old> {
    Ok(Old {
        id: row.get(0)?,
        group: row.get(1)?,
        epoch: row.get(2)?,
        last: row.get(3)?,
        t_max: row.get(4)?,
        bytes: row.get(5)?,
    })
}

impl Writer {
    /// Deletes what the bounds don't allow, a few steps at a time.
    pub(super) fn retain(&mut self) -> Result<(), CacheError> {
        if self.shared.stats.lock().broken {
            return Ok(());
        }
        for _ in 0..STEPS {
            let bounds = self.shared.bounds.lock().clone();
            let age = i64::try_from(bounds.max_age.as_millis()).unwrap_or(i64::MAX);
            let cutoff = self.shared.clock.now().saturating_sub(age);
            let (used, _) = used_bytes(&self.db)?;
            let mut excess = used.saturating_sub(bounds.bytes_at(&self.shared.path));
            let mut victims = self.oldest(STEP)?;
            victims.retain(|chunk| {
                let goes = chunk.t_max < cutoff || excess > 0;
                excess = excess.saturating_sub(chunk.bytes);
                goes
            });
            if excess > 0 && victims.is_empty() && self.shared.head.lock().bytes > 0 {
                // All that is there is the journal: blocks take less, and can be deleted.
                self.shared.control.lock().seal_all = true;
            }
            let aged = self.delete(&victims, GapReason::Retention, None)?;
            let quota = self.enforce_quotas(&bounds.cluster_bytes)?;
            self.forget_life(cutoff)?;
            let mut stats = self.shared.stats.lock();
            stats.retained_away += aged;
            stats.quota_away += quota;
            if victims.len() < STEP && quota == 0 {
                break;
            }
        }
        self.shrink()?;
        if self.shared.stats.lock().trouble.is_none() {
            self.ballast.take();
        }
        Ok(())
    }

    fn oldest(&self, count: usize) -> Result<Vec<Old>, CacheError> {
        self.db
            .prepare_cached("SELECT id, grp, epoch, last, t_max, bytes FROM times ORDER BY id LIMIT ?1")
            .and_then(|mut query| query.query_map([count as i64], old)?.collect())
            .tried("looking for the oldest samples")
    }

    fn enforce_quotas(&mut self, bounds: &[(Name, u64)]) -> Result<u64, CacheError> {
        let mut gone = 0;
        for (cluster, bound) in bounds {
            let groups: Vec<u32> = {
                let head = self.shared.head.lock();
                self.usage
                    .keys()
                    .copied()
                    .filter(|group| head.groups.get(*group).cluster == *cluster)
                    .collect()
            };
            let mut used: u64 = groups.iter().filter_map(|group| self.usage.get(group)).sum();
            let mut victims = Vec::new();
            for group in &groups {
                let found: Vec<Old> = self
                    .db
                    .prepare_cached(
                        "SELECT id, grp, epoch, last, t_max, bytes FROM times WHERE grp = ?1 ORDER BY epoch, last LIMIT ?2",
                    )
                    .and_then(|mut query| query.query_map(params![group, STEP as i64], old)?.collect())
                    .tried("looking for the oldest samples of a cluster")?;
                victims.extend(found);
            }
            victims.sort_unstable_by_key(|chunk| chunk.id);
            victims.truncate(STEP);
            victims.retain(|chunk| {
                let goes = used > *bound;
                used = used.saturating_sub(chunk.bytes);
                goes
            });
            gone += self.delete(&victims, GapReason::Quota, Some(cluster))?;
        }
        Ok(gone)
    }

    /// Deletes chunks and moves the low-water mark up; returns how many samples are gone.
    fn delete(
        &mut self,
        chunks: &[Old],
        reason: GapReason,
        cluster: Option<&Name>,
    ) -> Result<u64, CacheError> {
        if chunks.is_empty() {
            return Ok(0);
        }
        let tx =
            self.db.transaction_with_behavior(TransactionBehavior::Immediate).tried("beginning to delete")?;
        let gone = chunks
            .iter()
            .map(|chunk| delete_chunk(&tx, chunk, reason, cluster))
            .sum::<rusqlite::Result<u64>>()
            .tried("deleting the oldest samples")?;
        let epochs: BTreeSet<u64> = chunks.iter().map(|chunk| chunk.epoch).collect();
        for epoch in epochs {
            let unsealed = self.shared.head.lock().first_unsealed(epoch, |_| 0);
            batches::forget(&tx, epoch, unsealed).tried("forgetting batches")?;
        }
        tx.commit().tried("deleting the oldest samples")?;
        self.samples = self.samples.saturating_sub(gone);
        for chunk in chunks {
            if let Some(used) = self.usage.get_mut(&chunk.group) {
                *used = used.saturating_sub(chunk.bytes);
            }
        }
        Ok(gone)
    }

    fn forget_life(&self, cutoff: UnixMillis) -> Result<(), CacheError> {
        let oldest: Option<UnixMillis> = self
            .db
            .query_row("SELECT time FROM life ORDER BY id LIMIT 1", [], |row| row.get(0))
            .optional()
            .tried("looking for old marks of life")?;
        if oldest.is_some_and(|time| time < cutoff) {
            self.db
                .execute(
                    "DELETE FROM life WHERE time < ?1 AND id < (SELECT min(id) FROM life) + ?2",
                    params![cutoff, LIFE_STEP],
                )
                .tried("deleting old marks of life")?;
        }
        Ok(())
    }

    /// Gives pages back when much of the file is free: the bound was lowered.
    fn shrink(&self) -> Result<(), CacheError> {
        let free: i64 = pragma(&self.db, "freelist_count")?;
        let pages: i64 = pragma(&self.db, "page_count")?;
        if free > i64::from(VACUUM_STEP).max(pages / 8) {
            self.vacuum(VACUUM_STEP)?;
        }
        Ok(())
    }

    /// Makes room on a full disk: in the room of the ballast the write-ahead log goes into the file, the oldest chunks are
    /// deleted, and their pages given back; then the ballast is taken again. Returns whether there may be room now.
    pub(super) fn make_room(&mut self) -> bool {
        self.ballast.release();
        let log = self.log_bytes();
        self.empty_log();
        let mut made = self.log_bytes() < log;
        let mut freed = 0;
        while let Ok(victims) = self.oldest(FULL_STEP) {
            match self.delete(&victims, GapReason::DiskFull, None) {
                Ok(gone) => self.shared.stats.lock().disk_full_away += gone,
                Err(_) => break,
            }
            freed += victims.iter().map(|chunk| chunk.bytes).sum::<u64>();
            made |= !victims.is_empty();
            // Twice the ballast: it is taken again, and as much is left for new samples.
            if victims.is_empty() || freed >= 2 * self.ballast.bytes {
                break;
            }
        }
        for _ in 0..freed / u64::from(FULL_VACUUM * PAGE_BYTES) {
            if self.vacuum(FULL_VACUUM).is_err() {
                break;
            }
            self.empty_log();
        }
        self.ballast.take();
        made
    }

    /// Copies the write-ahead log into the file and cuts it. Best effort: what cannot be done now is tried again.
    fn empty_log(&self) {
        let _ = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }

    fn vacuum(&self, pages: u32) -> Result<(), CacheError> {
        let mut vacuum =
            self.db.prepare(&format!("PRAGMA incremental_vacuum({pages})")).tried("shrinking the file")?;
        let mut rows = vacuum.query([]).tried("shrinking the file")?;
        while rows.next().tried("shrinking the file")?.is_some() {}
        Ok(())
    }

    /// While nothing can be committed: keeps the newer half of what waits, with a gap record for the rest.
    pub(super) fn shed_pending(&mut self) {
        let mut head = self.shared.head.lock();
        let bound = head.pending_bound / 2;
        let Some((from, to)) = head.shed_pending(bound) else { return };
        let epoch = head.epoch;
        let count = to - from + 1;
        let reason =
            if self.shared.stats.lock().broken { GapReason::Corruption } else { GapReason::DiskFull };
        match head.gaps.last_mut() {
            Some(last) if last.to == Some(from - 1) && last.reason == reason => {
                last.to = Some(to);
                last.count = last.count.map(|before| before + count);
            }
            _ => {
                let scope = GapScope::Farm;
                head.gaps.push(Gap { epoch, scope, from, to: Some(to), count: Some(count), reason });
            }
        }
        // Under the head's lock: no commit can tell of numbers behind these before it is known that these are gone.
        self.shared.shed.lock().add(from, to);
        drop(head);
        self.shared.stats.lock().disk_full_away += count;
        // Who waits for these to be committed waits no longer.
        self.shared.committed.send_modify(|_| {});
    }

    fn log_bytes(&self) -> u64 {
        std::fs::metadata(crate::open::suffixed(&self.shared.path, "-wal")).map_or(0, |file| file.len())
    }

    /// Puts figures where `Cache::stats` finds them.
    pub(super) fn publish(&self) {
        let time = |sql| -> Option<i64> {
            self.db.query_row(sql, [], |row| row.get(0)).optional().ok().flatten().flatten()
        };
        let oldest = time("SELECT t_min FROM times ORDER BY id LIMIT 1");
        let newest = time("SELECT t_max FROM times ORDER BY id DESC LIMIT 1");
        let (used, total) = used_bytes(&self.db).unwrap_or_default();
        let log = self.log_bytes();
        if log > MAX_LOG_BYTES {
            // Overlapping readers kept the log from being begun anew: this waits for those that are reading now.
            let _ = self.db.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
        }
        let bound = self.shared.bounds.lock().bytes_at(&self.shared.path);
        let mut stats = self.shared.stats.lock();
        stats.used_bytes = used;
        stats.disk_bytes = total + log;
        stats.max_bytes = bound;
        (stats.oldest, stats.newest) = (oldest, newest);
        stats.sealed_samples = self.samples;
        stats.journal_bytes = self.journal.iter().map(|row| row.bytes).sum();
    }
}

fn delete_chunk(
    db: &Connection,
    chunk: &Old,
    reason: GapReason,
    cluster: Option<&Name>,
) -> rusqlite::Result<u64> {
    let (from, to) = (chunk.id << RANK_BITS, (chunk.id + 1) << RANK_BITS);
    let count: u64 = db
        .prepare_cached("SELECT coalesce(sum(count), 0) FROM block WHERE id >= ?1 AND id < ?2")?
        .query_row([from, to], |row| row.get(0))?;
    db.prepare_cached("DELETE FROM block WHERE id >= ?1 AND id < ?2")?.execute([from, to])?;
    db.prepare_cached("DELETE FROM times WHERE id = ?1")?.execute([chunk.id])?;
    let epoch = Epoch { start: chunk.epoch, random: 0 };
    let scope = cluster.map_or(GapScope::Farm, |name| GapScope::Cluster(name.clone()));
    let gap = Gap { epoch, scope, from: 1, to: Some(chunk.last), count: Some(count), reason };
    rows::put_gap(db, &gap, true)?;
    Ok(count)
}

/// Bytes of pages in use, and of all pages.
fn used_bytes(db: &Connection) -> Result<(u64, u64), CacheError> {
    let page: u64 = pragma(db, "page_size")?;
    let pages: u64 = pragma(db, "page_count")?;
    let free: u64 = pragma(db, "freelist_count")?;
    Ok((pages.saturating_sub(free) * page, pages * page))
}
