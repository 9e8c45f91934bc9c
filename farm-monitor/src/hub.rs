//! The hub: the one front door for samples, and the place where each gets its number.
//!
//! It checks what comes in, numbers what it accepts, and gives it on to the cache and to those subscriptions that want it.
//! It never waits: neither for a disk nor for a subscriber. One direction, no way back except through the front door.

mod admit;
mod emit;
mod heartbeat;
mod ledger;
mod life;
mod live;
mod lives;
mod matching;
mod series_table;

pub use emit::NotEmitted;
pub use heartbeat::{HEARTBEAT, Heartbeat};
pub use hedgerow_model::predicate::holds;
pub use ledger::Edge;
pub use life::LifeRules;
pub use live::{LiveChannel, LiveCursor, LiveEntry, LiveItem, Overtaken, PIECE_BYTES, PIECE_SAMPLES, pieces};
pub use lives::{LifeCounts, Lives};
pub use series_table::{Bounds, Known, Latest};

use crate::config::View;
use crate::hub::admit::Admission;
use crate::hub::ledger::Ledger;
use crate::hub::live::LiveChannels;
use crate::hub::series_table::SeriesTable;
use hedgerow_cache::{Cache, Opened};
use hedgerow_collect::engine::WallClock;
use hedgerow_collect::front_door::{Accepted, FrontDoor, Kept, NotKept, OriginId};
use hedgerow_model::{
    Batch, Epoch, Life, LifeMark, Numbered, Position, Refusal, SeriesDef, SeriesId, UnixMillis,
};
use parking_lot::{Mutex, MutexGuard};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// What the hub decides by, fixed for the run but for the bounds.
#[derive(Debug, Clone)]
pub struct HubOptions {
    /// The farm's name: part of every path.
    pub farm: String,
    /// Bounds of series.
    pub bounds: Bounds,
    /// How old a sample may be when it comes.
    pub retention: Duration,
    /// When series are stale and ended.
    pub life: LifeRules,
    /// Named sets of nodes.
    pub views: Vec<View>,
}

/// A series and its declaration.
pub type Declared = (SeriesId, Arc<SeriesDef>);

/// How far ahead of the farm's clock a sample may be.
pub const MAX_AHEAD: Duration = Duration::from_secs(600);

/// How many series are looked at under one hold of the hub's lock: well under a millisecond's work.
const SLICE: usize = 4096;

/// The hub. Shared by all sources and all subscriptions.
pub struct Hub {
    farm: String,
    epoch: Epoch,
    clock: WallClock,
    cache: Cache,
    /// The cache was damaged: what it had stands under this name now, and is served no more.
    set_aside: Option<PathBuf>,
    /// When this run began, by its clock.
    opened: UnixMillis,
    /// How many ask for the heartbeat every second.
    heartbeats: Arc<AtomicUsize>,
    /// The last number that every subscription which wants it has been given; read without the lock.
    routed: AtomicU64,
    inner: Mutex<Inner>,
}

struct Inner {
    table: SeriesTable,
    ledger: Ledger,
    live: LiveChannels,
    admission: Admission,
    life: LifeRules,
    views: Arc<[View]>,
    /// The last number given.
    number: u64,
}

impl Hub {
    /// A hub over a cache just opened.
    pub fn new(options: HubOptions, opened: Opened, clock: WallClock) -> Self {
        let Opened { cache, epoch, series, recovered, .. } = opened;
        let now = clock();
        let table = SeriesTable::new(options.bounds, series, now);
        let inner = Inner {
            table,
            ledger: Ledger::default(),
            live: LiveChannels::default(),
            admission: Admission::new(options.retention),
            life: options.life,
            views: options.views.into(),
            number: 0,
        };
        let (set_aside, routed) = (recovered.set_aside, AtomicU64::new(0));
        Self {
            farm: options.farm,
            epoch,
            clock,
            cache,
            set_aside,
            opened: now,
            heartbeats: Arc::default(),
            routed,
            inner: Mutex::new(inner),
        }
    }

    /// The farm's name.
    pub fn farm(&self) -> &str {
        &self.farm
    }

    /// The running epoch.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The farm's clock.
    pub fn now(&self) -> UnixMillis {
        (self.clock)()
    }

    /// Where the history of earlier epochs was set aside at the start, because it could not be read.
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// The cache behind the hub.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Everything up to here is in the live channels of those who want it.
    pub fn routed(&self) -> Position {
        Position { epoch: self.epoch, number: self.routed.load(Ordering::Acquire) }
    }

    /// What is known of some series, in one look.
    pub fn known(&self, ids: &[SeriesId]) -> Vec<Known> {
        let inner = self.inner.lock();
        ids.iter().filter_map(|id| inner.table.get(*id).cloned()).collect()
    }

    /// The declaration of a series.
    pub fn def(&self, id: SeriesId) -> Option<Arc<SeriesDef>> {
        self.inner.lock().table.get(id).map(|known| Arc::clone(&known.def))
    }

    /// The declarations of some series, and the views there are, in one look.
    pub fn declared(&self, ids: &[SeriesId]) -> (Vec<Declared>, Arc<[View]>) {
        let inner = self.inner.lock();
        let def = |id: &SeriesId| Some((*id, Arc::clone(&inner.table.get(*id)?.def)));
        (ids.iter().filter_map(def).collect(), Arc::clone(&inner.views))
    }

    /// Changes what the hub decides by.
    pub fn set_rules(&self, bounds: Bounds, retention: Duration, life: LifeRules, views: Vec<View>) {
        let mut inner = self.inner.lock();
        inner.table.set_bounds(bounds);
        inner.admission.set_retention(retention);
        (inner.life, inner.views) = (life, views.into());
    }

    /// How many series there are.
    pub fn series_count(&self) -> usize {
        self.inner.lock().table.len()
    }

    /// The ledger of every edge, as it stands.
    pub fn edges(&self) -> Vec<Edge> {
        let inner = self.inner.lock();
        let mut edges = inner.ledger.edges();
        edges.push(inner.live.edge());
        edges
    }

    /// How many texts were longer than a text may be, and were cut.
    pub fn texts_cut(&self) -> u64 {
        self.inner.lock().admission.texts_cut()
    }

    /// How many subscriptions are open.
    pub fn subscribers(&self) -> usize {
        self.inner.lock().live.cursors()
    }

    /// Looks for series that have gone stale or have ended, and forgets subscriptions that are gone; called once a second.
    /// Slice by slice, so that no source waits for the whole table.
    pub fn tick(&self) {
        let now = self.now();
        for from in (0..).step_by(SLICE) {
            let mut inner = self.inner.lock();
            let Inner { table, live, life, number, .. } = &mut *inner;
            if from >= table.slots() {
                break;
            }
            let due = |known: &Known| life.due(known, now).map(|(life, reason)| (known.id, life, reason));
            let due: Vec<_> = table.slice(from, SLICE).filter_map(due).collect();
            for (series, life, reason) in due {
                let behind = Position { epoch: self.epoch, number: *number };
                table.set_life(series, life, &reason, behind);
                self.mark(live, LifeMark { series, life, time: now, after: *number, reason });
            }
            self.wake(inner);
        }
        loop {
            let mut inner = self.inner.lock();
            let all = inner.live.forget_unread(SLICE);
            MutexGuard::unlock_fair(inner);
            if all {
                break;
            }
        }
    }

    /// Takes a batch; with the first and the last number that it was given, where it was given any.
    fn take(&self, origin: OriginId, batch: Batch) -> (Accepted, Option<(u64, u64)>) {
        let now = self.now();
        let mut inner = self.inner.lock();
        let Inner { table, ledger, live, admission, number, .. } = &mut *inner;
        let (made, before) = (batch.len() as u64, *number);
        let mut refused = admit::Refused::default();
        for normal in admission.normal_forms(batch, table, now, &mut refused) {
            let count = normal.len() as u64;
            let numbered = Arc::new(admit::number(self.epoch, *number + 1, normal));
            if self.cache.append(&numbered).is_err() {
                refused.add(Refusal::Overload, count);
                continue;
            }
            *number += count;
            self.give_on(&numbered, table, live, *number, now);
        }
        self.routed.store(*number, Ordering::Release);
        let numbers = (*number > before).then_some((before + 1, *number));
        let refused: Vec<_> = refused.list().collect();
        let accepted = made - refused.iter().map(|(_, count)| count).sum::<u64>();
        ledger.accepted(origin, made, accepted, &refused);
        self.wake(inner);
        (Accepted { accepted, refused }, numbers)
    }

    /// Gives on a batch that the cache has taken; `number` is its last.
    fn give_on(
        &self,
        numbered: &Arc<Numbered>,
        table: &mut SeriesTable,
        live: &mut LiveChannels,
        number: u64,
        now: UnixMillis,
    ) {
        let revived = table.heard(numbered, now);
        live.route(numbered, table);
        // Behind the samples: in the order of the numbers that they stand after.
        for mark in revived {
            self.mark(live, LifeMark { after: number, ..mark });
        }
    }

    /// Keeps a mark of life and gives it on, under the hub's lock: marks are everywhere in one order.
    fn mark(&self, live: &mut LiveChannels, mark: LifeMark) {
        let id = self.cache.mark_life(mark.clone());
        live.life(mark, self.epoch, id);
    }

    /// Frees the lock, then wakes those who wait for what was given under it: a thousand of them are no burden to sources.
    fn wake(&self, mut inner: MutexGuard<'_, Inner>) {
        let touched = inner.live.take_touched();
        MutexGuard::unlock_fair(inner);
        touched.iter().for_each(|channel| channel.wake());
    }
}

impl FrontDoor for Hub {
    fn origin(&self, name: &str) -> OriginId {
        self.inner.lock().ledger.origin(name)
    }

    fn declare(&self, origin: OriginId, def: &SeriesDef) -> Result<SeriesId, Refusal> {
        let mut inner = self.inner.lock();
        let Inner { table, ledger, live, .. } = &mut *inner;
        let declared = table.declare(origin, def, self.now());
        match declared {
            Err(refusal) => {
                ledger.series_refused(origin, refusal);
                Err(refusal)
            }
            Ok((known, change)) => {
                match change {
                    series_table::Change::New => {
                        self.cache.add_series(known.id, &known.def);
                        live.series_added(&self.farm, known);
                    }
                    series_table::Change::Redeclared => {
                        self.cache.update_series(known.id, &known.def);
                        live.redeclared(known.id);
                    }
                    series_table::Change::None => {}
                }
                Ok(known.id)
            }
        }
    }

    fn accept(&self, origin: OriginId, batch: Batch) -> Accepted {
        self.take(origin, batch).0
    }

    fn accept_durably(&self, origin: OriginId, batch: Batch) -> (Accepted, Kept) {
        let (accepted, numbers) = self.take(origin, batch);
        let Some((first, last)) = numbers else { return (accepted, Box::pin(std::future::ready(Ok(())))) };
        let kept = self.cache.kept(first, last);
        (accepted, Box::pin(async move { kept.await.then_some(()).ok_or(NotKept) }))
    }

    fn set_life(&self, series: &[SeriesId], life: Life, reason: &str) {
        let now = self.now();
        let mut inner = self.inner.lock();
        let Inner { table, live, number, .. } = &mut *inner;
        let reason: Arc<str> = reason.into();
        for id in series {
            let behind = Position { epoch: self.epoch, number: *number };
            if table.set_life(*id, life, &reason, behind) {
                let reason = Arc::clone(&reason);
                self.mark(live, LifeMark { series: *id, life, time: now, after: *number, reason });
            }
        }
        self.wake(inner);
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("farm", &self.farm).field("epoch", &self.epoch).finish_non_exhaustive()
    }
}
