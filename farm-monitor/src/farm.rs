//! A farm, put together: its parts are made in the order of the way of a sample, and ended in the other.

mod lookups;
mod reload;

use crate::api::{AlarmsApi, CacheFile, Configured, FarmApi, FiltersApi};
use crate::config::{CacheSettings, ConfigWatch, FarmConfig, Refused};
use crate::door::TrapDoor;
use crate::filter::Deployments;
use crate::filter::actions::Actions;
use crate::filter::alarms::Alarms;
use crate::filter::deployments::Follow;
use crate::filter::held::HeldRuns;
use crate::filter::host::FilterHost;
use crate::filter::runner::{Runner, RunnerOptions};
use crate::hub::{Bounds, Hub, HubOptions, LifeRules};
use crate::metrics;
use crate::register;
use crate::self_measure::{OfFilters, PERIOD, SelfMeasure};
use crate::snmp::Snmp;
use crate::state_file::{StateError, StateFile};
use hedgerow_cache::{Bounds as CacheBounds, Cache, CacheError, CacheOptions, Checkpoint};
use hedgerow_client::channel::Caller;
use hedgerow_client::discovery::Lookups;
use hedgerow_client::error::ClientError;
use hedgerow_client::identity::{Identity, IdentityError};
use hedgerow_client::lease::{LeaseKeeper, LeaseKeeperOptions};
use hedgerow_client::token::UserToken;
use hedgerow_collect::engine::{Engine, EngineConfig, REPORT_EVERY, WallClock};
use hedgerow_collect::front_door::FrontDoor;
use hedgerow_collect::host::HostModule;
use hedgerow_collect::module::Module;
use hedgerow_collect::script::{Keeper, KeeperCommand, ScriptModule};
use hedgerow_filter_host::compile::Compiler;
use hedgerow_model::name::{Name, NameError};
use hedgerow_model::registration::{Id, Mesh};
use hedgerow_service::access::Access;
use hedgerow_service::clock::unix_millis;
use hedgerow_service::drain::Drain;
use hedgerow_service::listener::serve;
use parking_lot::Mutex;
use reload::Reload;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::service::Routes;

/// The cache, in the role's folder.
const CACHE_FILE: &str = "cache.db";
/// How long runs may go on once the farm is stopping.
const COLLECT_GRACE: Duration = Duration::from_millis(300);
/// How long lookups may take to answer a cancel when the farm is stopping.
const CANCEL_PATIENCE: Duration = Duration::from_millis(800);

/// What a farm is started with.
pub struct FarmOptions {
    /// The folder of `farm.toml` and `conf.d`.
    pub config: PathBuf,
    /// The role's own state: identity, cache.
    pub folder: PathBuf,
    /// The name of this host: the default name of the farm, and of its target.
    pub host: String,
    /// Where it is reached; already bound.
    pub listener: TcpListener,
    /// Who may call.
    pub access: Access,
    /// For calls of lookups that change something.
    pub token: Option<UserToken>,
    /// The mesh, where it is known; else the one of the last time, else that of the first lookup reached.
    pub mesh: Option<Mesh>,
    /// Lookups, where the configuration names none.
    pub lookups: Vec<String>,
    /// How the process that runs scripts is started.
    pub keeper: KeeperCommand,
    /// Who compiles filters.
    pub compiler: Compiler,
    /// Tells when to end.
    pub drain: Drain,
}

/// Why a farm does not start.
#[derive(Debug, thiserror::Error)]
pub enum FarmError {
    /// The configuration.
    #[error("{0}")]
    Config(Refused),
    /// Its own key and id.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its cache: only where it is in use by another process, or its folder cannot be written.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// What it keeps beside samples.
    #[error(transparent)]
    State(#[from] StateError),
    /// Opening the cache ended without an answer.
    #[error("opening the cache was given up: {0}")]
    GivenUp(String),
    /// An address of a lookup.
    #[error(transparent)]
    Lookup(#[from] ClientError),
    /// The mesh it kept.
    #[error("reading the mesh the farm belongs to: {0}")]
    Mesh(std::io::Error),
    /// The name.
    #[error("the farm's name {0}")]
    Name(NameError),
    /// The port.
    #[error("the farm's port: {0}")]
    Port(std::io::Error),
    /// Where it is reached.
    #[error("{0}")]
    Address(String),
    /// What the configuration asks of collection cannot be.
    #[error("{0}")]
    Collect(String),
}

/// A running farm.
pub struct Farm {
    api: FarmApi,
    name: String,
    address: SocketAddr,
    folder: PathBuf,
    leases: Arc<Mutex<Option<LeaseKeeper>>>,
    runner: Runner,
    tasks: JoinSet<()>,
    server: JoinSet<()>,
}

impl Farm {
    /// Starts a farm. Blocks for as long as its cache takes to open.
    ///
    /// # Errors
    /// What keeps it from starting. Lookups that do not answer do not.
    pub async fn start(options: FarmOptions) -> Result<Self, FarmError> {
        let (config, watch) = ConfigWatch::open(&options.config, &options.host).map_err(FarmError::Config)?;
        warn_of(&config);
        let name = config.farm.name.clone();
        let address = options.listener.local_addr().map_err(FarmError::Port)?;
        let body = register::body(&config, &name, address).map_err(FarmError::Address)?;
        let node = Name::new(&name).map_err(FarmError::Name)?;
        let identity = Identity::open(&options.folder)?;
        let id = identity.id();
        let clock: WallClock = Arc::new(unix_millis);
        let (folder, settings, start) = (options.folder.clone(), config.clone(), identity.instance().start);
        // Beside the async threads: a slow disk must not silence the other roles of this process.
        let opening = tokio::task::spawn_blocking(move || open_hub(&folder, &settings, id, start));
        let opened = opening.await.map_err(|error| FarmError::GivenUp(error.to_string()))??;
        let (hub, checkpoints) = (Arc::new(opened.0), opened.1);
        let (deployments, alarms) = open_deployments(&options.folder, &config, &hub).await?;

        let door: Arc<dyn FrontDoor> = hub.clone();
        let keeper = Keeper::start(options.keeper);
        let snmp = Snmp::default();
        let modules: Vec<Box<dyn Module>> = vec![
            Box::new(HostModule::default()),
            Box::new(ScriptModule::new(keeper.clone())),
            Box::new(snmp.clone()),
        ];
        let host = Name::new(&options.host).map_err(FarmError::Name)?;
        let engine = Engine::start(
            door,
            modules,
            EngineConfig { node: host, wall: Arc::clone(&clock), report_every: REPORT_EVERY },
        );
        let applied = engine.apply(config.pool.clone(), config.collectors.clone()).await;
        applied.map_err(|error| FarmError::Collect(error.to_string()))?;

        let mut tasks = JoinSet::new();
        let traps = TrapDoor::start(hub.clone(), options.folder.clone(), clock, &mut tasks);
        // A door that stays shut keeps no farm from running: it is told of in its status.
        let shut = traps.apply(config.traps.clone()).await.err().unwrap_or_default();
        if !shut.is_empty() {
            tracing::warn!(event = "door_shut", error = shut);
        }

        let (body, bodies) = watch::channel(body);
        let mesh = match options.mesh {
            Some(mesh) => Some(mesh),
            None => register::kept_mesh(&options.folder).map_err(FarmError::Mesh)?,
        };
        let instance = identity.instance();
        let sources = lookups::sources(&config, options.lookups, &options.folder, address);
        let caller = Caller::new(options.token, mesh);

        let (lease, start_delay) = (config.lookup.lease, config.lookup.start_delay);
        let (told, configured) = watch::channel(Configured { running: Arc::new(config), error: shut });
        let leases = Arc::new(Mutex::new(None));
        let actions =
            Actions::start(configured.clone(), deployments.clone(), keeper, unix_millis, &mut tasks);
        tasks.spawn(alarms.clone().keep(deployments.clone()));
        let api = FarmApi {
            id,
            hub: Arc::clone(&hub),
            engine: engine.clone(),
            config: configured,
            leases: Arc::clone(&leases),
            traps: traps.clone(),
            alarms: alarms.clone(),
            cache_file: CacheFile::at(options.folder.join(CACHE_FILE)),
            drain: options.drain.clone(),
            started: Instant::now(),
        };
        let mut server = JoinSet::new();
        let host = FilterHost::new(&options.folder, options.compiler);
        let held = HeldRuns::new(Arc::clone(&hub), host.clone());
        let filters = FiltersApi::new(api.clone(), deployments.clone(), held);
        let kept_alarms = AlarmsApi::new(api.clone());
        let routes = Routes::new(api.clone().into_server())
            .add_service(filters.into_server())
            .add_service(kept_alarms.into_server());
        let (listener, access, drain) = (options.listener, options.access, options.drain.clone());
        let pages = metrics::pages(&name, Arc::clone(&hub));
        server.spawn(async move {
            let names = [
                hedgerow_proto::FARM_SERVICE,
                hedgerow_proto::FILTERS_SERVICE,
                hedgerow_proto::ALARMS_SERVICE,
            ];
            if let Err(error) = serve(listener, routes, &names, pages, access, drain).await {
                tracing::error!(event = "port_lost", %error);
            }
        });
        // Registered only now: who finds the farm can call it.
        let lookups = Lookups::start(sources, caller.clone())?;
        let follow = Follow {
            lookups: lookups.clone(),
            caller: caller.clone(),
            config: api.config.clone(),
            body: bodies.clone(),
            id,
            instance,
        };
        tasks.spawn(deployments.clone().follow(follow));
        let runner = Runner::start(RunnerOptions {
            hub: Arc::clone(&hub),
            deployments: deployments.clone(),
            host,
            alarms: alarms.clone(),
            actions: actions.clone(),
            config: api.config.clone(),
            checkpoints,
        });
        *leases.lock() = Some(LeaseKeeper::start(LeaseKeeperOptions {
            asked: lease,
            start_delay,
            ..LeaseKeeperOptions::new(lookups.clone(), caller, identity, bodies)
        })?);

        let reload = Reload {
            watch,
            told,
            body,
            name: name.clone(),
            address,
            engine,
            hub: Arc::clone(&hub),
            traps: traps.clone(),
        };
        tasks.spawn(reload.run());
        tasks.spawn(keep_mesh(options.folder.clone(), Arc::clone(&leases)));
        tasks.spawn(lookups::keep(options.folder.clone(), lookups.clone()));
        tasks.spawn(lookups::tell(Arc::clone(&leases), lookups));
        tasks.spawn(tick(Arc::clone(&hub)));
        let leases_told = Arc::clone(&leases);
        let filters = OfFilters { deployments, alarms, actions };
        tasks.spawn(measure(SelfMeasure::new(hub, node, snmp, traps, filters, leases_told)));
        Ok(Self { api, name, address, folder: options.folder, leases, runner, tasks, server })
    }

    /// The farm's id.
    pub fn id(&self) -> Id {
        self.api.id
    }

    /// The farm's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is reached.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The hub's front door, for sources in this process.
    pub fn front_door(&self) -> Arc<dyn FrontDoor> {
        self.api.hub.clone()
    }

    /// How many subscriptions are open.
    pub fn subscribers(&self) -> usize {
        self.api.hub.subscribers()
    }

    /// Waits for the drain, then ends in good order: leases cancelled, runs ended, streams ended, cache committed.
    pub async fn drained(mut self) {
        self.api.drain.clone().begun().await;
        let leases = self.leases.lock().take();
        // A farm that is stopped in its first moment has joined its mesh all the same.
        if let Some(mesh) = leases.as_ref().and_then(LeaseKeeper::mesh) {
            write_mesh(&self.folder, mesh);
        }
        let cancel = async {
            if let Some(leases) = leases {
                for error in leases.cancel_all(Instant::now() + CANCEL_PATIENCE).await {
                    tracing::warn!(event = "lease_not_cancelled", %error);
                }
            }
        };
        // Informs that were taken wait for a commit no longer than they must.
        let (door, hub) = (self.api.traps.clone(), Arc::clone(&self.api.hub));
        let flush = tokio::task::spawn_blocking(move || hub.cache().flush());
        // What the flush could not do the end of the cache says.
        let runner = self.runner.drained();
        let (..) = tokio::join!(cancel, self.api.engine.drain(COLLECT_GRACE), door.close(), runner, flush);
        self.tasks.shutdown().await;
        while self.server.join_next().await.is_some() {}
        let hub = Arc::clone(&self.api.hub);
        let closed = tokio::task::spawn_blocking(move || hub.cache().close()).await;
        if let Ok(Err(error)) = closed {
            tracing::error!(event = "cache_not_committed", %error);
        }
    }
}

/// Keeps the mesh for the next start, once it is known.
async fn keep_mesh(folder: PathBuf, leases: Arc<Mutex<Option<LeaseKeeper>>>) {
    let mut looks = tokio::time::interval(Duration::from_millis(200));
    let mesh = loop {
        looks.tick().await;
        let known = leases.lock().as_ref().and_then(|leases| leases.mesh().cloned());
        if let Some(mesh) = known {
            break mesh;
        }
    };
    let _ = tokio::task::spawn_blocking(move || write_mesh(&folder, &mesh)).await;
}

/// Writes the mesh down, unless it stands there already.
fn write_mesh(folder: &Path, mesh: &Mesh) {
    if matches!(register::kept_mesh(folder), Ok(Some(kept)) if kept == *mesh) {
        return;
    }
    if let Err(error) = register::keep_mesh(folder, mesh) {
        tracing::warn!(event = "mesh_not_kept", %error);
    }
}

/// Says what looks wrong in a configuration but may be right.
fn warn_of(config: &FarmConfig) {
    for warning in &config.warnings {
        tracing::warn!(event = "config_warning", %warning);
    }
}

/// The hub, and what the cache knows of deployments.
fn open_hub(
    folder: &Path,
    config: &FarmConfig,
    id: Id,
    start: u64,
) -> Result<(Hub, BTreeMap<String, Checkpoint>), FarmError> {
    let cache_options = CacheOptions {
        farm: id.to_string(),
        min_start: start,
        commit_interval: config.cache.commit,
        bounds: cache_bounds(&config.cache),
        ..CacheOptions::default()
    };
    let mut opened = Cache::open(&folder.join(CACHE_FILE), cache_options, Arc::new(unix_millis))?;
    let checkpoints = std::mem::take(&mut opened.checkpoints);
    let hub_options = HubOptions {
        farm: config.farm.name.clone(),
        bounds: series_bounds(config),
        retention: config.cache.max_age,
        life: LifeRules { lifetime: config.series.lifetime },
        views: config.views.clone(),
    };
    Ok((Hub::new(hub_options, opened, Arc::new(unix_millis)), checkpoints))
}

async fn open_deployments(
    folder: &Path,
    config: &FarmConfig,
    hub: &Arc<Hub>,
) -> Result<(Deployments, Alarms), FarmError> {
    let (folder, settings, hub) = (folder.to_owned(), config.filters.clone(), Arc::clone(hub));
    let opening = tokio::task::spawn_blocking(move || {
        let state = Arc::new(StateFile::open(&folder)?);
        let alarms = Alarms::open(Arc::clone(&state), hub, unix_millis)?;
        Deployments::open(&folder, state, settings, unix_millis).map(|deployments| (deployments, alarms))
    });
    Ok(opening.await.map_err(|error| FarmError::GivenUp(error.to_string()))??)
}

fn series_bounds(config: &FarmConfig) -> Bounds {
    Bounds { per_origin: config.series.per_origin, per_farm: config.series.per_farm }
}

fn cache_bounds(settings: &CacheSettings) -> CacheBounds {
    let quota = |(name, bounds): (&String, &crate::config::ClusterBounds)| {
        Some((Name::new(name).ok()?, bounds.max_bytes?))
    };
    CacheBounds {
        max_age: settings.max_age,
        max_bytes: settings.max_bytes,
        cluster_bytes: settings.clusters.iter().filter_map(quota).collect(),
    }
}

async fn tick(hub: Arc<Hub>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Beside the async threads: a million series take some milliseconds. Awaited, so that there are never two.
        let hub = Arc::clone(&hub);
        let tick = move || {
            if hub.is_heartbeat_asked() {
                hub.beat();
            }
            hub.tick();
        };
        if tokio::task::spawn_blocking(tick).await.is_err() {
            tracing::error!(event = "tick_failed");
        }
    }
}

async fn measure(mut measure: SelfMeasure) {
    // Not with the first tick: figures of the first second say little, and the next come in ten.
    let mut ticks = tokio::time::interval_at(Instant::now() + Duration::from_secs(2), PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        measure.measure();
    }
}
