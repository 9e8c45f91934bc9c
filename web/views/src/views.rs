//! All views of a mesh: each distinct one once, from its first reader until some time after its last.

use crate::alarms::{self, AlarmSource};
use crate::chart;
use crate::clock;
use crate::content::Content;
use crate::latest;
use crate::look::{Look, Shared};
use crate::lookups;
use crate::mesh;
use crate::spec::{Refused, ViewSpec};
use crate::spread;
use crate::top;
use crate::world::WorldSource;
use hedgerow_client::Mesh;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// Most different views that are open at a time; another is refused, and counted.
pub const MAX_VIEWS: usize = 2048;
/// What all views may hold together, in points of charts of about 100 bytes; the view that goes beyond ends, and says so.
pub const MAX_POINTS: usize = 6_000_000;
/// How long a view goes on after its last reader.
pub const LINGER: Duration = Duration::from_secs(15);
/// Frames of one view are at least so far apart …
pub const PACE: Duration = Duration::from_millis(250);
/// … and those of views that are made whole each time.
pub const SLOW_PACE: Duration = Duration::from_secs(1);

/// Bounds of views.
#[derive(Debug, Clone, Copy)]
pub struct ViewsOptions {
    /// Most different views that are open at a time.
    pub max_views: usize,
    /// What all views may hold together, in points of charts.
    pub max_points: usize,
    /// How long a view goes on after its last reader.
    pub linger: Duration,
}

impl Default for ViewsOptions {
    fn default() -> Self {
        Self { max_views: MAX_VIEWS, max_points: MAX_POINTS, linger: LINGER }
    }
}

/// What was counted, since the start or now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    /// Views that are open now.
    pub views: usize,
    /// Readers there are now.
    pub looks: u64,
    /// Views that were opened.
    pub opened: u64,
    /// Views that were refused.
    pub refused: u64,
    /// Merged subscriptions to farms, and watches of the directory, that are open now.
    pub upstream: u64,
    /// Of those that were opened.
    pub upstream_opened: u64,
    /// Frames that were written.
    pub frames: u64,
    /// Of these, full ones.
    pub full: u64,
    /// Bytes of frames that were written.
    pub frame_bytes: u64,
    /// Frames that readers took.
    pub given: u64,
    /// What views hold, in points of charts.
    pub points: usize,
}

/// The counters behind [`Counts`].
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub looks: AtomicU64,
    opened: AtomicU64,
    refused: AtomicU64,
    upstream: AtomicU64,
    upstream_opened: AtomicU64,
    frames: AtomicU64,
    pub full: AtomicU64,
    frame_bytes: AtomicU64,
    pub given: AtomicU64,
    points: AtomicUsize,
}

impl Tally {
    /// A frame was written.
    pub fn frame(&self, text: &str) {
        self.frames.fetch_add(1, Relaxed);
        self.frame_bytes.fetch_add(text.len() as u64, Relaxed);
    }

    /// Something upstream is open for as long as this is held.
    pub fn upstream(self: &Arc<Self>) -> Upstream {
        self.upstream.fetch_add(1, Relaxed);
        self.upstream_opened.fetch_add(1, Relaxed);
        Upstream(Arc::clone(self))
    }
}

/// A subscription or a watch that is open.
pub(crate) struct Upstream(Arc<Tally>);

impl Drop for Upstream {
    fn drop(&mut self) {
        self.0.upstream.fetch_sub(1, Relaxed);
    }
}

/// The views of a mesh. Cheap to clone; when the last copy is dropped, all views end.
#[derive(Clone)]
pub struct Views(Arc<Inner>);

struct Inner {
    mesh: Mesh,
    options: ViewsOptions,
    table: Arc<Mutex<Table>>,
    tally: Arc<Tally>,
    world: Arc<WorldSource>,
    /// Of open alarms only, and of cleared ones, too: each while somebody looks.
    alarms: Mutex<[Weak<AlarmSource>; 2]>,
}

type Table = HashMap<ViewSpec, Open>;

struct Open {
    shared: Arc<Shared>,
    task: tokio::task::AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for (_, open) in lock(&self.table).drain() {
            open.task.abort();
            open.shared.end("the server is stopping");
        }
    }
}

impl Views {
    /// The views of `mesh`. From here on the directory is watched, so that those who look later see who went before.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(mesh: Mesh, options: ViewsOptions) -> Self {
        let tally = Arc::<Tally>::default();
        let world = Arc::new(WorldSource::start(&mesh, &tally));
        Self(Arc::new(Inner {
            mesh,
            options,
            table: Arc::default(),
            tally,
            world,
            alarms: Mutex::new([Weak::new(), Weak::new()]),
        }))
    }

    /// The mesh.
    pub fn mesh(&self) -> &Mesh {
        &self.0.mesh
    }

    /// Looks at something; with others, where they look at the same.
    ///
    /// # Errors
    /// Where the view is none, or there are too many.
    pub fn open(&self, spec: ViewSpec) -> Result<Look, Refused> {
        let spec = spec.checked().inspect_err(|_| self.refused())?;
        let mut table = lock(&self.0.table);
        if let Some(open) = table.get(&spec) {
            return Ok(open.shared.look());
        }
        if table.len() >= self.0.options.max_views {
            self.refused();
            return Err(Refused::TooMany(self.0.options.max_views));
        }
        let (shared, feeding, pace) = self.made(&spec)?;
        let shared = Arc::new(shared);
        let look = shared.look();
        let keeping = Keeping {
            shared: Arc::clone(&shared),
            table: Arc::clone(&self.0.table),
            spec: spec.clone(),
            tally: Arc::clone(&self.0.tally),
            options: self.0.options,
        };
        let task = tokio::spawn(keeping.run(feeding, pace)).abort_handle();
        self.0.tally.opened.fetch_add(1, Relaxed);
        table.insert(spec, Open { shared, task });
        Ok(look)
    }

    fn refused(&self) {
        self.0.tally.refused.fetch_add(1, Relaxed);
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        let tally = &self.0.tally;
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        Counts {
            views: lock(&self.0.table).len(),
            looks: read(&tally.looks),
            opened: read(&tally.opened),
            refused: read(&tally.refused),
            upstream: read(&tally.upstream),
            upstream_opened: read(&tally.upstream_opened),
            frames: read(&tally.frames),
            full: read(&tally.full),
            frame_bytes: read(&tally.frame_bytes),
            given: read(&tally.given),
            points: tally.points.load(Relaxed),
        }
    }

    /// The core of a view, what feeds it, and how often it is asked.
    fn made(&self, spec: &ViewSpec) -> Result<(Shared, Feeding, Duration), Refused> {
        let (mesh, tally) = (self.0.mesh.clone(), Arc::clone(&self.0.tally));
        Ok(match spec {
            ViewSpec::Chart(spec) => {
                let core = Arc::new(Mutex::new(chart::Chart::new(spec, clock::now())?));
                let feeding = Box::pin(chart::feed(mesh, tally, Arc::clone(&core)));
                (self.shared(core), feeding, PACE)
            }
            ViewSpec::Latest(spec) => {
                let core = Arc::new(Mutex::new(latest::Latest::new(spec)?));
                let feeding = Box::pin(crate::newest::feed(mesh, tally, Arc::clone(&core)));
                (self.shared(core), feeding, PACE)
            }
            ViewSpec::Top(spec) => {
                let core = Arc::new(Mutex::new(top::Top::new(spec)?));
                let feeding = Box::pin(crate::newest::feed(mesh, tally, Arc::clone(&core)));
                (self.shared(core), feeding, SLOW_PACE)
            }
            ViewSpec::Spread(spec) => {
                let core = Arc::new(Mutex::new(spread::Spread::new(spec)?));
                let feeding = Box::pin(crate::newest::feed(mesh, tally, Arc::clone(&core)));
                (self.shared(core), feeding, SLOW_PACE)
            }
            ViewSpec::Mesh(spec) => {
                let core =
                    mesh::MeshView::new(spec, mesh.identity(), self.0.world.core(), self.alarms(false))?;
                (self.shared(Arc::new(Mutex::new(core))), Box::pin(std::future::pending()), PACE)
            }
            ViewSpec::Alarms(spec) => {
                let core = alarms::AlarmsView::new(self.0.world.core(), self.alarms(spec.cleared));
                (self.shared(Arc::new(Mutex::new(core))), Box::pin(std::future::pending()), PACE)
            }
            ViewSpec::Lookups(_) => {
                let core = Arc::new(Mutex::new(lookups::LookupsView::new(self.0.world.core())));
                let feeding = Box::pin(lookups::feed(mesh, Arc::clone(&core)));
                (self.shared(core), feeding, PACE)
            }
        })
    }

    fn shared<C: Content>(&self, core: Arc<Mutex<C>>) -> Shared {
        Shared::new(core, Arc::clone(&self.0.tally))
    }

    /// The alarms of all farms, which several views have in common.
    fn alarms(&self, cleared: bool) -> Arc<AlarmSource> {
        let mut known = lock(&self.0.alarms);
        let known = &mut known[usize::from(cleared)];
        known.upgrade().unwrap_or_else(|| {
            let source = Arc::new(AlarmSource::start(&self.0.mesh, &self.0.tally, cleared));
            *known = Arc::downgrade(&source);
            source
        })
    }
}

/// What feeds a view; it ends only where the view does, with the reason.
pub(crate) type Feeding = std::pin::Pin<Box<dyn Future<Output = String> + Send>>;

/// One open view.
struct Keeping {
    shared: Arc<Shared>,
    table: Arc<Mutex<Table>>,
    spec: ViewSpec,
    tally: Arc<Tally>,
    options: ViewsOptions,
}

impl Keeping {
    async fn run(self, feeding: Feeding, pace: Duration) {
        let held = Held { tally: Arc::clone(&self.tally), points: 0 };
        let why = tokio::select! {
            why = feeding => Some(why),
            why = self.publish(pace, held) => Some(why),
            () = self.nobody_looks() => None,
        };
        if let Some(why) = why {
            lock(&self.table).remove(&self.spec);
            self.shared.end(&why);
        }
    }

    /// Writes frames, as long as the view keeps within its bounds.
    async fn publish(&self, pace: Duration, mut held: Held) -> String {
        let mut tick = tokio::time::interval(pace);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if held.now(self.shared.weight()) > self.options.max_points {
                return format!(
                    "all views together hold more than {} points, the most there is room for: close some, or ask for fewer \
                     series or a shorter time",
                    self.options.max_points
                );
            }
            self.shared.publish();
        }
    }

    /// Ends when nobody has looked for a while, and the view is not in the table any more.
    async fn nobody_looks(&self) {
        let mut looks = self.shared.looks();
        loop {
            let none = async { looks.wait_for(|looks| *looks == 0).await.is_ok() };
            if !none.await {
                return;
            }
            let again = looks.wait_for(|looks| *looks > 0);
            if tokio::time::timeout(self.options.linger, again).await.is_ok() {
                continue;
            }
            let mut table = lock(&self.table);
            if *self.shared.looks().borrow() == 0 {
                table.remove(&self.spec);
                return;
            }
        }
    }
}

/// What one view holds of what all may hold.
struct Held {
    tally: Arc<Tally>,
    points: usize,
}

impl Held {
    /// It holds so much now; how much all do.
    fn now(&mut self, points: usize) -> usize {
        let before = std::mem::replace(&mut self.points, points);
        self.tally.points.fetch_add(points, Relaxed);
        self.tally.points.fetch_sub(before, Relaxed) - before
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.tally.points.fetch_sub(self.points, Relaxed);
    }
}

/// A task that ends with what holds this.
pub(crate) struct Task(tokio::task::AbortHandle);

impl Task {
    /// Runs `work` until this is dropped.
    pub fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work).abort_handle())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is behind a lock; a panic elsewhere leaves it as it was.
pub(crate) fn lock<T: ?Sized>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
