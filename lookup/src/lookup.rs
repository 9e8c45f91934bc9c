//! The lookup as its role holds it: opened on a folder, serving, asked how it is, closed. The thin shell around the
//! directory: it reads the clock, hands changes to the file's writer, wakes watchers.

use crate::admission::Rules;
use crate::clock::{Clock, RuntimeClock};
use crate::directory::{Bounds, Census, Counters, Directory, Effects, LOOKUP_KIND, Revision};
use crate::documents::{DocumentBounds, DocumentStatus, Documents, DocumentsError, DocumentsService};
use crate::lease_time::TICK;
use crate::mesh_file::{self, MeshError};
use crate::service::{LookupService, MAX_PAGE_BYTES, mesh_named};
use crate::snapshots::Snapshots;
use crate::store::{Loaded, Store, StoreCounters, StoreError};
use crate::watchers::{Event, MAX_WATCHERS, Sight, WatcherId};
use hashbrown::HashMap;
use hedgerow_model::registration::{Id, Mesh};
use hedgerow_model::template::{Matcher, Operation, Template, Term};
use hedgerow_proto::lookup::documents_server::DocumentsServer;
use hedgerow_proto::lookup::lookup_server::LookupServer;
use parking_lot::Mutex;
use std::borrow::Borrow;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataValue};

/// Most other lookups that the status names; a mesh has a few.
const MAX_PEERS: usize = 100;

/// What a lookup is opened with.
pub struct LookupOptions {
    /// Where it keeps its files; it is the only one to use this folder.
    pub folder: PathBuf,
    /// The lookup's own id.
    pub id: Id,
    /// The mesh it serves; `None`: what the folder says.
    pub mesh: Option<Mesh>,
    /// Where neither names one, a new mesh of this name is made.
    pub make_mesh: Option<String>,
    /// Whether it is bound to loopback only; otherwise loopback endpoints are refused.
    pub loopback_only: bool,
    /// Bounds of the directory.
    pub bounds: Bounds,
    /// Bounds of the store of documents.
    pub document_bounds: DocumentBounds,
    /// By which leases run.
    pub clock: Arc<dyn Clock>,
}

impl LookupOptions {
    /// A lookup on loopback, with the mesh that its folder names.
    pub fn new(folder: PathBuf, id: Id) -> Self {
        let clock = Arc::new(RuntimeClock::default());
        Self {
            folder,
            id,
            mesh: None,
            make_mesh: None,
            loopback_only: true,
            bounds: Bounds::default(),
            document_bounds: DocumentBounds::default(),
            clock,
        }
    }
}

/// Why a lookup cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// Which mesh?
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// Nowhere to keep the directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nowhere to keep documents.
    #[error(transparent)]
    Documents(#[from] DocumentsError),
    /// The system gives no random bits.
    #[error("the system gives no random bits")]
    Random(#[source] getrandom::Error),
}

/// How a lookup is.
#[derive(Debug, Clone, PartialEq)]
pub struct LookupStatus {
    /// Where its log stands.
    pub revision: Revision,
    /// How its leases are.
    pub leases: Census,
    /// How many watch.
    pub watchers: usize,
    /// What happened since the start.
    pub counters: Counters,
    /// Ids that two live services claim, each with the name of the older, its addresses and those of the newer.
    pub cloned: Vec<(Id, String, Vec<String>, Vec<String>)>,
    /// What its file's writer did.
    pub store: StoreCounters,
    /// How the store of documents is.
    pub documents: DocumentStatus,
    /// Since the start.
    pub uptime: Duration,
}

/// A running lookup. Dropped without [`Lookup::close`] it writes what waits, blocking, and ends no stream.
pub struct Lookup(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) id: Id,
    /// Random, new at each start.
    pub(crate) epoch: u64,
    pub(crate) rules: Rules,
    /// Its mesh, as each answer names it.
    pub(crate) mesh_named: [MetadataValue<Ascii>; 2],
    /// Cancelled when the lookup closes or breaks: streams end, calls are refused.
    pub(crate) closing: CancellationToken,
    broken: CancellationToken,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) documents: Documents,
    /// Whether the file that was there could not be read, or not all of it.
    pub(crate) began_anew: bool,
    core: Arc<Mutex<Core>>,
    store: Store,
    started: Duration,
}

struct Core {
    directory: Directory,
    bells: HashMap<WatcherId, Arc<Notify>>,
}

impl Lookup {
    /// Opens the folder's directory, whose leases run one full term each, and starts. Blocks on the disk; needs a tokio
    /// runtime around it.
    ///
    /// # Errors
    /// Where it is not known which mesh to serve, or there can be no file. A broken one is set aside, and said so.
    pub fn open(options: LookupOptions) -> Result<Self, LookupError> {
        let LookupOptions { folder, id, mesh, make_mesh, loopback_only, bounds, document_bounds, clock } =
            options;
        let mesh = mesh_file::settle(&folder, mesh.as_ref(), make_mesh.as_deref())?;
        let broken = CancellationToken::new();
        let breaks = BreaksOnPanic(broken.clone());
        let documents = Documents::open(&folder, &mesh, document_bounds, Arc::clone(&clock), breaks)?;
        let epoch = getrandom::u64().map_err(LookupError::Random)?;
        let started = clock.now();
        let mut directory = Directory::new(epoch, &bounds, started);
        let (store, loaded) = Store::open(&folder, mesh.id, |kept| directory.restore(kept))?;
        report(&loaded);
        let began_anew = loaded.set_aside.is_some() || loaded.spoiled > 0;
        if loaded.set_aside.is_some() {
            // What could be read of it before it broke.
            directory.write_all();
        }
        let core = Arc::new(Mutex::new(Core { directory, bells: HashMap::new() }));
        let (source, breaks) = (Arc::clone(&core), BreaksOnPanic(broken.clone()));
        store.begin(move |slots| {
            let _in_this_thread = &breaks;
            let directory = &mut source.lock().directory;
            slots.iter().map(|slot| directory.take_write(*slot)).collect()
        })?;
        let inner = Arc::new(Inner {
            id,
            epoch,
            mesh_named: mesh_named(&mesh),
            rules: Rules { mesh, loopback_only },
            closing: broken.child_token(),
            broken,
            snapshots: Arc::new(Snapshots::new(bounds.snapshots)),
            clock,
            documents,
            began_anew,
            core,
            store,
            started,
        });
        tokio::spawn(keep_time(Arc::downgrade(&inner), inner.closing.clone()));
        Ok(Self(inner))
    }

    /// The mesh it serves.
    pub fn mesh(&self) -> &Mesh {
        &self.0.rules.mesh
    }

    /// Its own id.
    pub fn id(&self) -> Id {
        self.0.id
    }

    /// Waits until something in it has panicked. What was half done then cannot be trusted: streams have ended, calls are
    /// refused, and all that is left is to start anew.
    pub fn broken(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.broken.clone().cancelled_owned()
    }

    /// The gRPC service, without limits and without the check of roles: these are the port's.
    pub fn service(&self) -> LookupServer<LookupService> {
        LookupServer::new(LookupService(Arc::clone(&self.0)))
    }

    #[cfg(test)]
    pub(crate) fn documents(&self) -> &Documents {
        &self.0.documents
    }

    /// The gRPC service of signed documents, for the same port.
    pub fn documents_service(&self) -> DocumentsServer<DocumentsService> {
        DocumentsServer::new(DocumentsService(Arc::clone(&self.0)))
            .max_decoding_message_size(crate::documents::MAX_REQUEST_BYTES)
    }

    /// How it is.
    pub fn status(&self) -> LookupStatus {
        self.0.status()
    }

    /// Ends all streams, refuses further calls, and writes what waits. For the end of the process, once the services
    /// that live in it have cancelled.
    pub async fn close(&self) {
        self.0.closing.cancel();
        let inner = Arc::clone(&self.0);
        if tokio::task::spawn_blocking(move || {
            inner.documents.close();
            inner.store.close();
        })
        .await
        .is_err()
        {
            tracing::error!(event = "lookup_close_failed");
        }
    }
}

impl Inner {
    /// Does something with the directory, now, and what it makes necessary outside.
    pub(crate) fn act<R>(&self, act: impl FnOnce(&mut Directory, Duration) -> R) -> R {
        self.core.lock().act(self, act)
    }

    /// Adds a watcher with the bell that rings when something waits for it; `None`: [`MAX_WATCHERS`] watch.
    pub(crate) fn watch(
        &self,
        template: Matcher,
        after: Option<Revision>,
    ) -> Option<(WatcherId, Arc<Notify>, Vec<Event>)> {
        let mut core = self.core.lock();
        if core.bells.len() >= MAX_WATCHERS {
            return None;
        }
        let (watcher, events) = core.act(self, |directory, now| directory.watch(now, template, after));
        let bell = Arc::new(Notify::new());
        core.bells.insert(watcher, Arc::clone(&bell));
        Some((watcher, bell, events))
    }

    pub(crate) fn unwatch(&self, watcher: WatcherId) {
        let mut core = self.core.lock();
        core.directory.unwatch(watcher);
        core.bells.remove(&watcher);
    }

    pub(crate) fn status(&self) -> LookupStatus {
        let documents = self.documents.status();
        self.act(|directory, now| LookupStatus {
            revision: directory.revision(),
            leases: directory.census(now),
            watchers: directory.watching(),
            counters: directory.counters,
            cloned: directory.cloned(),
            store: self.store.counters(),
            documents,
            uptime: now.saturating_sub(self.started),
        })
    }

    /// The other lookups that are registered here, at most [`MAX_PEERS`].
    pub(crate) fn peers(&self) -> Vec<Sight> {
        let kind = Term { key: "kind".into(), operation: Operation::Is(vec![LOOKUP_KIND.into()]) };
        let me = Term { key: "id".into(), operation: Operation::IsNot(vec![self.id.to_string()]) };
        let others = Template { terms: vec![kind, me] }.compile();
        let others = others.expect("invariant: a kind and an id are plain words");
        self.act(|directory, now| directory.find(now, &others, None, MAX_PEERS, MAX_PAGE_BYTES).sights)
    }
}

impl Core {
    fn act<R>(&mut self, inner: &Inner, act: impl FnOnce(&mut Directory, Duration) -> R) -> R {
        let _whole = BreaksOnPanic(&inner.broken);
        let result = act(&mut self.directory, inner.clock.now());
        let Effects { unwritten, woken } = self.directory.take_effects();
        if !unwritten.is_empty() {
            inner.store.put(unwritten);
        }
        woken.iter().filter_map(|watcher| self.bells.get(watcher)).for_each(|bell| bell.notify_one());
        result
    }
}

/// Held over what must be done whole or not at all; a panic that drops it breaks the lookup.
pub(crate) struct BreaksOnPanic<T: Borrow<CancellationToken>>(pub(crate) T);

impl<T: Borrow<CancellationToken>> Drop for BreaksOnPanic<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.borrow().cancel();
        }
    }
}

/// Lets leases run out though nobody calls.
async fn keep_time(inner: Weak<Inner>, closing: CancellationToken) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = closing.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let Some(inner) = inner.upgrade() else { return };
        if let Some(stall) = inner.act(|directory, now| directory.tick(now)) {
            let stall_ms = u64::try_from(stall.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(event = "lookup_stood_still", stall_ms, "added to all leases");
        }
    }
}

fn report(loaded: &Loaded) {
    if let Some((aside, problem)) = &loaded.set_aside {
        let aside = aside.display();
        tracing::warn!(event = "lookup_file_set_aside", %aside, %problem, "begun empty; services register again");
    }
    if loaded.spoiled > 0 {
        tracing::warn!(event = "lookup_rows_dropped", rows = loaded.spoiled, "damaged, or of another mesh");
    }
}
