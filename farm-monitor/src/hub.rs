//! The hub: the one front door for samples, and the place where each gets its number.
//!
//! It checks what comes in, numbers what it accepts, and gives it on to the cache and to those subscriptions that want it.
//! It never waits: neither for a disk nor for a subscriber. One direction, no way back except through the front door.

mod admit;
mod constraint;
mod ledger;
mod life;
mod live;
mod series_table;

pub use constraint::holds;
pub use ledger::Edge;
pub use life::LifeRules;
pub use live::{LiveChannel, LiveCursor, LiveEntry, LiveItem, Overtaken};
pub use series_table::{Bounds, Known, Latest};

use crate::config::View;
use crate::hub::admit::Admission;
use crate::hub::ledger::Ledger;
use crate::hub::live::LiveChannels;
use crate::hub::series_table::SeriesTable;
use hedgerow_cache::{Cache, Opened};
use hedgerow_collect::engine::WallClock;
use hedgerow_collect::front_door::{Accepted, FrontDoor, OriginId};
use hedgerow_model::predicate::{Constraint, PathPattern};
use hedgerow_model::{Batch, Epoch, Life, LifeMark, Position, Refusal, SeriesDef, SeriesId, UnixMillis};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// How far ahead of the farm's clock a sample may be.
pub const MAX_AHEAD: Duration = Duration::from_secs(600);

/// The hub. Shared by all sources and all subscriptions.
pub struct Hub {
    farm: String,
    epoch: Epoch,
    clock: WallClock,
    cache: Cache,
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
    views: Vec<View>,
    /// The last number given.
    number: u64,
}

impl Hub {
    /// A hub over a cache just opened.
    pub fn new(options: HubOptions, opened: Opened, clock: WallClock) -> Self {
        let Opened { cache, epoch, series, .. } = opened;
        let now = clock();
        let table = SeriesTable::new(options.bounds, series, now);
        let inner = Inner {
            table,
            ledger: Ledger::default(),
            live: LiveChannels::default(),
            admission: Admission::new(options.retention),
            life: options.life,
            views: options.views,
            number: 0,
        };
        Self { farm: options.farm, epoch, clock, cache, routed: AtomicU64::new(0), inner: Mutex::new(inner) }
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

    /// The cache behind the hub.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Everything up to here is in the live channels of those who want it.
    pub fn routed(&self) -> Position {
        Position { epoch: self.epoch, number: self.routed.load(Ordering::Acquire) }
    }

    /// Admits a subscription: the watermark, and a cursor on the live channel of this condition, at one instant. What is
    /// accepted up to the watermark is history; what comes after stands in the channel.
    pub fn admit(&self, patterns: &[PathPattern], constraint: Option<&Constraint>) -> (u64, LiveCursor) {
        let mut inner = self.inner.lock();
        let Inner { table, live, number, .. } = &mut *inner;
        let cursor = live.attach(&self.farm, patterns, constraint, table);
        (*number, cursor)
    }

    /// The series that match, ascending by id.
    pub fn matching(&self, patterns: &[PathPattern]) -> Vec<SeriesId> {
        let inner = self.inner.lock();
        inner
            .table
            .iter()
            .filter(|known| patterns.iter().any(|pattern| pattern.matches(&self.farm, &known.def.key)))
            .map(|known| known.id)
            .collect()
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

    /// The views that a node of a cluster is in.
    pub fn views(&self, cluster: &str, node: &str) -> Vec<String> {
        let inner = self.inner.lock();
        inner.views.iter().filter(|view| view.holds(cluster, node)).map(|view| view.name.clone()).collect()
    }

    /// Changes what the hub decides by.
    pub fn set_rules(&self, bounds: Bounds, retention: Duration, life: LifeRules, views: Vec<View>) {
        let mut inner = self.inner.lock();
        inner.table.set_bounds(bounds);
        inner.admission.set_retention(retention);
        (inner.life, inner.views) = (life, views);
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

    /// How many subscriptions are open.
    pub fn subscribers(&self) -> usize {
        self.inner.lock().live.cursors()
    }

    /// Looks for series that have gone stale or have ended; called once a second.
    pub fn tick(&self) {
        let now = self.now();
        let mut inner = self.inner.lock();
        let Inner { table, live, life, number, .. } = &mut *inner;
        for mark in life.due(table, now, *number) {
            live.life(&mark, self.epoch);
            self.cache.mark_life(mark);
        }
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
        let now = self.now();
        let mut inner = self.inner.lock();
        let Inner { table, ledger, live, admission, number, .. } = &mut *inner;
        let made = batch.len() as u64;
        let mut refused = admit::Refused::default();
        for normal in admission.normal_forms(batch, table, now, &mut refused) {
            let count = normal.len() as u64;
            let numbered = Arc::new(admit::number(self.epoch, *number + 1, normal));
            if self.cache.append(&numbered).is_err() {
                refused.add(Refusal::Overload, count);
                continue;
            }
            *number += count;
            table.heard(&numbered, now, |mark_of| {
                let mark = LifeMark { after: *number, ..mark_of };
                live.life(&mark, self.epoch);
                self.cache.mark_life(mark);
            });
            live.route(&numbered, table);
        }
        self.routed.store(*number, Ordering::Release);
        let refused: Vec<_> = refused.list().collect();
        let accepted = made - refused.iter().map(|(_, count)| count).sum::<u64>();
        ledger.accepted(origin, made, accepted, &refused);
        live.wake();
        Accepted { accepted, refused }
    }

    fn set_life(&self, series: &[SeriesId], life: Life, reason: &str) {
        let now = self.now();
        let mut inner = self.inner.lock();
        let Inner { table, live, number, .. } = &mut *inner;
        let reason: Arc<str> = reason.into();
        for id in series {
            if table.set_life(*id, life, &reason) {
                let mark =
                    LifeMark { series: *id, life, time: now, after: *number, reason: Arc::clone(&reason) };
                live.life(&mark, self.epoch);
                self.cache.mark_life(mark);
            }
        }
        live.wake();
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("farm", &self.farm).field("epoch", &self.epoch).finish_non_exhaustive()
    }
}
