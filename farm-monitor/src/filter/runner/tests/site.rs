//! A farm's hub, cache and deployments, without lookups; it can be killed.

use crate::api::Configured;
use crate::config::{FilterSettings, load};
use crate::filter::Deployments;
use crate::filter::actions::Actions;
use crate::filter::alarms::Alarms;
use crate::filter::feed::{Item, Walk};
use crate::filter::held::{HeldRuns, Order as HeldOrder};
use crate::filter::host::FilterHost;
use crate::filter::runner::{Runner, RunnerOptions};
use crate::filter::tests::{Author, Farm};
use crate::hub::{Bounds, Hub, HubOptions, LifeRules};
use crate::state_file::StateFile;
use hedgerow_cache::{Cache, CacheOptions, Checkpoint};
use hedgerow_collect::front_door::FrontDoor;
use hedgerow_collect::script::{Keeper, KeeperCommand};
use hedgerow_filter_host::compile::Compiler;
use hedgerow_filter_host::guest::Limits;
use hedgerow_filter_host::run::{self, Plan, Run};
use hedgerow_filter_host::{Engine, EngineOptions, Start};
use hedgerow_model::deployment::Deployment;
use hedgerow_model::document::Blob;
use hedgerow_model::predicate::PathPattern;
use hedgerow_model::{
    BatchBuilder, Kind, Labels, Name, Position, SeriesDef, SeriesId, SeriesKey, UnixMillis, Value,
};
use hedgerow_proto::convert::deployment::encode;
use hedgerow_proto::farm::item;
use hedgerow_proto::filter::run_response::Response;
use hedgerow_proto::filter::{AlarmLevel, DeploymentState, DeploymentStatus};
use hedgerow_proto::signed::{SignedDocument, hash};
use hedgerow_service::clock::unix_millis;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Some time in 2026.
const START: UnixMillis = 1_793_000_000_000;
/// For what is sure to come, however slow the machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// See the module.
pub struct Site {
    pub hub: Arc<Hub>,
    pub deployments: Deployments,
    /// What the cache knew when it was opened.
    pub checkpoints: BTreeMap<String, Checkpoint>,
    pub alarms: Alarms,
    runner: Option<Runner>,
    _tasks: JoinSet<()>,
    folder: tempfile::TempDir,
    clock: Arc<AtomicI64>,
    config: watch::Sender<Configured>,
    author: Author,
    farm: Farm,
    standing: BTreeMap<String, Arc<SignedDocument>>,
    components: BTreeMap<Vec<u8>, Blob>,
}

/// A shipped filter.
pub fn prebuilt(name: &str) -> Vec<u8> {
    std::fs::read(super::guests::fixtures().join(format!("../prebuilt/{name}.wasm"))).unwrap()
}

/// Waits until it holds.
pub async fn look(what: &str, holds: impl Fn() -> bool) {
    let all = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, all).await.is_ok(), "never: {what}");
}

impl Site {
    pub fn new() -> Self {
        Self::with(|_| ())
    }

    pub fn with(change: impl FnOnce(&mut FilterSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("farm.toml"), "[farm]\nname = \"oak\"\n").unwrap();
        let mut config = load(folder.path(), "oak").unwrap();
        // The machine is busy with other tests.
        config.filters.call_time = Duration::from_secs(5);
        change(&mut config.filters);
        let mut farm = Farm::new();
        farm.settings = config.filters.clone();
        let config = watch::channel(Configured { running: Arc::new(config), error: String::new() }).0;
        let clock = Arc::new(AtomicI64::new(START));
        Self::open(folder, clock, config, Author::new(), farm, BTreeMap::new(), BTreeMap::new())
    }

    fn open(
        folder: tempfile::TempDir,
        clock: Arc<AtomicI64>,
        config: watch::Sender<Configured>,
        author: Author,
        farm: Farm,
        standing: BTreeMap<String, Arc<SignedDocument>>,
        components: BTreeMap<Vec<u8>, Blob>,
    ) -> Self {
        let now = {
            let clock = Arc::clone(&clock);
            move || clock.load(Ordering::Relaxed)
        };
        let (hub, checkpoints) = hub(folder.path(), now);
        let state = Arc::new(StateFile::open(folder.path()).unwrap());
        let settings = farm.settings.clone();
        let alarms = Alarms::open(Arc::clone(&state), Arc::clone(&hub), unix_millis).unwrap();
        let deployments = Deployments::open(folder.path(), state, settings, unix_millis).unwrap();
        let mut tasks = JoinSet::new();
        let keeper = Keeper::start(KeeperCommand { program: "/no/such/program".into(), args: Vec::new() });
        let actions =
            Actions::start(config.subscribe(), deployments.clone(), keeper, unix_millis, &mut tasks);
        let runner = Runner::start(RunnerOptions {
            hub: Arc::clone(&hub),
            deployments: deployments.clone(),
            host: FilterHost::new(folder.path(), Compiler::InProcess),
            alarms: alarms.clone(),
            actions,
            config: config.subscribe(),
            checkpoints: checkpoints.clone(),
        });
        let site = Self {
            hub,
            deployments,
            checkpoints,
            alarms,
            runner: Some(runner),
            _tasks: tasks,
            folder,
            clock,
            config,
            author,
            farm,
            standing,
            components,
        };
        site.stand();
        site
    }

    fn stand(&self) {
        let standing: Vec<_> = self.standing.values().cloned().collect();
        self.deployments.stand(&standing, &self.farm.here());
        for (bytes, blob) in &self.components {
            self.deployments.have(*blob, bytes);
        }
        self.deployments.stand(&standing, &self.farm.here());
    }

    pub fn deploy(
        &mut self,
        name: &str,
        serial: u64,
        component: &[u8],
        parameters: &str,
        change: impl FnOnce(&mut Deployment),
    ) {
        let blob = Blob { hash: hash(component), size: component.len() as u64 };
        let document = self.author.deploys_with(name, serial, |document, deployment| {
            parameters.clone_into(&mut deployment.parameters);
            change(deployment);
            document.payload = encode(deployment);
            document.blobs = vec![blob];
        });
        self.components.insert(component.to_vec(), blob);
        self.standing.insert(name.to_owned(), document);
        self.stand();
    }

    pub fn remove(&mut self, name: &str) {
        self.standing.remove(name);
        self.stand();
    }

    /// Removed, and the farm hears of it only after its next start.
    pub fn stand_aside(&mut self, name: &str) {
        self.standing.remove(name);
    }

    pub fn configure(&mut self, change: impl FnOnce(&mut FilterSettings)) {
        change(&mut self.farm.settings);
        let filters = self.farm.settings.clone();
        self.config.send_modify(|configured| {
            let mut running = (*configured.running).clone();
            running.filters = filters;
            configured.running = Arc::new(running);
        });
        self.stand();
    }

    /// The disk as it is when the process is killed, begun anew. `meanwhile`: what comes when its filters run no more.
    pub async fn killed(mut self, meanwhile: impl FnOnce(&Self)) -> Self {
        self.runner = None;
        // Its tasks end when they are next looked at.
        tokio::task::yield_now().await;
        meanwhile(&self);
        self.hub.cache().flush().unwrap();
        let folder = tempfile::tempdir().unwrap();
        for file in ["cache.db", "cache.db-wal", "cache.db.start", "farm.toml", "state.db", "state.db-wal"] {
            std::fs::copy(self.folder.path().join(file), folder.path().join(file)).unwrap();
        }
        let Self { clock, config, author, farm, standing, components, .. } = self;
        Self::open(folder, clock, config, author, farm, standing, components)
    }

    /// Ended in good order, begun anew.
    pub async fn drained(mut self) -> Self {
        self.runner.take().unwrap().drained().await;
        self.hub.cache().close().unwrap();
        let Self { hub, deployments, folder, clock, config, author, farm, standing, components, .. } = self;
        drop((hub, deployments));
        let fresh = tempfile::tempdir().unwrap();
        for file in ["cache.db", "cache.db.start", "farm.toml"] {
            std::fs::copy(folder.path().join(file), fresh.path().join(file)).unwrap();
        }
        Self::open(fresh, clock, config, author, farm, standing, components)
    }

    pub fn pass(&self, time: Duration) {
        self.clock.fetch_add(time.as_millis() as i64, Ordering::Relaxed);
    }

    /// One batch of `count` gauges of cluster `c`, 300 ms later.
    pub fn give(&self, round: u64, count: usize) {
        self.give_to("c", round, count);
    }

    pub fn give_to(&self, cluster: &str, round: u64, count: usize) {
        self.pass(Duration::from_millis(300));
        let origin = self.hub.origin(cluster);
        let mut builder = BatchBuilder::new();
        for at in 0..count {
            let id = self.hub.declare(origin, &def(cluster, at)).unwrap();
            // Past 0.5 for some rounds, each series for others.
            let value = if (round / 3 + at as u64).is_multiple_of(3) { 0.9 } else { 0.0 };
            builder.push(
                id,
                self.hub.now(),
                Value::F64(if cluster.len() == 1 && cluster > "w" { 0.0 } else { value }),
                None,
            );
        }
        let accepted = self.hub.accept(origin, builder.build());
        assert_eq!(accepted.accepted, count as u64, "{:?}", accepted.refused);
    }

    /// Keys and levels of the alarms that are open.
    pub fn open_alarms(&self) -> Vec<(String, AlarmLevel)> {
        let (alarms, _) = self.alarms.list(false, "");
        alarms.iter().map(|alarm| (alarm.key.clone(), alarm.level())).collect()
    }

    pub fn status(&self, name: &str) -> Option<DeploymentStatus> {
        self.deployments.statuses(&[name.to_owned()]).pop()
    }

    pub fn log(&self, name: &str) -> String {
        let from = self.deployments.log_begin(name, 0).unwrap();
        let read = self.deployments.log_read(name, from, 1000).unwrap();
        read.lines.iter().map(|line| format!("{}\n", line.text)).collect()
    }

    /// Waits until the serial that stands is in this state, with such a reason.
    pub async fn comes_to(&self, name: &str, state: DeploymentState, reason: &str) {
        let serial = self.standing[name].document.serial;
        let is = |status: &DeploymentStatus| {
            status.serial == serial && status.state() == state && status.reason.contains(reason)
        };
        let all = async {
            while !self.status(name).is_some_and(|status| is(&status)) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, all).await;
        assert!(
            came.is_ok(),
            "{name} never came to {state:?} ({reason}): {:?}\n{}",
            self.status(name),
            self.log(name)
        );
    }

    /// Waits until so many samples of a cluster are stored.
    pub async fn emits(&self, cluster: &str, samples: usize) {
        let all = async {
            while self.stored(cluster).len() < samples {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, all).await;
        let status = || self.status(cluster);
        assert!(
            came.is_ok(),
            "{samples} of {cluster} never came: {}, {:?}",
            self.stored(cluster).len(),
            status()
        );
    }

    /// Waits until the count that `echo` tells at ticks is this.
    pub async fn ticks(&self, cluster: &str, count: i64) {
        let all = async {
            loop {
                self.pass(Duration::from_secs(1));
                self.hub.beat();
                tokio::time::sleep(Duration::from_millis(10)).await;
                let stored = self.stored(cluster);
                let told = stored.iter().rfind(|(path, ..)| path.contains("echo/seen"));
                if told.is_some_and(|(.., value)| *value == Value::I64(count)) {
                    break;
                }
            }
        };
        let came = tokio::time::timeout(PATIENCE, all).await;
        assert!(came.is_ok(), "never {count}: {:?}", self.stored(cluster));
    }

    /// The series of a cluster.
    pub fn series(&self, cluster: &str) -> Vec<SeriesId> {
        self.hub.matching(&[PathPattern::parse(&format!("*/{cluster}")).unwrap()])
    }

    fn items(&self, series: &[SeriesId]) -> Vec<Item> {
        let (reader, end) = (self.hub.cache().reader(), self.hub.routed());
        let first = reader.epochs().unwrap()[0].epoch;
        let mut walk = Walk::new(Position { epoch: first, number: 0 }, None);
        let mut items = Vec::new();
        while !walk.step(&reader, series, None, end, &mut items).unwrap() {}
        items
    }

    /// All samples of a cluster, in their order.
    pub fn stored(&self, cluster: &str) -> Vec<(String, UnixMillis, Value)> {
        let mut samples = Vec::new();
        for item in self.items(&self.series(cluster)) {
            if let Item::Accepted { batch: Some(batch), .. } = item {
                let path = |id| self.hub.def(id).unwrap().key.to_string();
                samples.extend(batch.batch.iter().map(|(id, time, value)| (path(id), time, plain(value))));
            }
        }
        samples
    }

    pub fn values(&self, cluster: &str) -> Vec<f64> {
        let value = |(_, _, value)| match value {
            Value::F64(value) => Some(value),
            _ => None,
        };
        self.stored(cluster).into_iter().filter_map(value).collect()
    }

    /// What a caller is told that holds it over what was accepted in this time.
    pub async fn held(
        &self,
        name: &str,
        component: Vec<u8>,
        times: Range<UnixMillis>,
    ) -> Vec<(String, UnixMillis, Value)> {
        let host = FilterHost::new(self.folder.path(), Compiler::InProcess);
        let runs = HeldRuns::new(Arc::clone(&self.hub), host);
        let name = Some(Name::new(name).unwrap());
        let order =
            HeldOrder { name, parameters: String::new(), component: component.into(), stored: Some(times) };
        let (out, mut answers) = mpsc::channel(4);
        let run = async {
            let ended = runs.run(order, &self.farm.settings, &out).await;
            drop(out);
            ended.unwrap();
        };
        let read = async {
            let mut told = Vec::new();
            while let Some(answer) = answers.recv().await {
                told.extend(answer.unwrap().response);
            }
            told
        };
        emitted(tokio::time::timeout(PATIENCE, async { tokio::join!(run, read).1 }).await.unwrap())
    }

    /// What the filter makes of what is stored of cluster `c`, without interruption.
    pub fn backtest(
        &self,
        name: &str,
        component: &[u8],
        parameters: &str,
    ) -> Vec<(String, UnixMillis, Value)> {
        let engine = Engine::new(EngineOptions::new(Compiler::InProcess)).unwrap();
        let program = engine.load(component).unwrap();
        let limits = Limits { call_cpu: Duration::from_secs(5), ..Limits::default() };
        let description = program.describe(parameters, &limits).unwrap();
        let plan = Plan::new(Name::new(name).unwrap(), &description, 1000, u64::MAX);
        let (guest, configured) = program.start(Start::new(parameters, limits)).unwrap();
        let first = self.hub.cache().reader().epochs().unwrap()[0].epoch;
        let from = Position { epoch: first, number: 0 };
        let mut run = Run::backtest(Box::new(guest), configured, plan, from, None, &[]).unwrap();
        let mut made = Vec::new();
        for item in self.items(&self.series("c")) {
            let step = match &item {
                Item::Accepted { through, batch, heartbeat } => {
                    let (through, batch, heartbeat) = (*through, batch.as_deref(), *heartbeat);
                    run.give(run::Item::Accepted { through, batch, heartbeat }, &|id| self.hub.def(id))
                }
                Item::Life(epoch, mark) => run.give(run::Item::Life(*epoch, mark), &|id| self.hub.def(id)),
                Item::Gap { through, count, .. } => {
                    let reason = hedgerow_filter_host::guest::GapReason::Lost;
                    run.give(run::Item::Gap { through: *through, reason, count: *count }, &|id| {
                        self.hub.def(id)
                    })
                }
                Item::Redeclared(_) => continue,
            };
            for batch in step.unwrap().batches {
                let path = |id: SeriesId| run.outputs()[id.0 as usize - 1].key.to_string();
                made.extend(batch.iter().map(|(id, time, value)| (path(id), time, plain(value))));
            }
        }
        made
    }
}

/// Series, times and values of what a held run told.
fn emitted(told: Vec<Response>) -> Vec<(String, UnixMillis, Value)> {
    let (mut names, mut all) = (BTreeMap::new(), Vec::new());
    for told in told {
        let Response::Message(message) = told else { continue };
        for item in message.decode_items() {
            match item.unwrap().item.unwrap() {
                item::Item::Series(series) => {
                    names.insert(
                        series.id,
                        format!("{}/{}/{}", series.cluster, series.node, series.parameter),
                    );
                }
                item::Item::Batch(batch) => {
                    let batch = hedgerow_proto::convert::batch::from_wire(batch, |_| None).unwrap().batch;
                    let named =
                        |(id, time, value): (SeriesId, _, _)| (names[&id.0].clone(), time, plain(value));
                    all.extend(batch.iter().map(named));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    all
}

/// The text of a state stands in the cache where it changed.
fn plain(value: Value) -> Value {
    match value {
        Value::State(code, _) => Value::I64(code),
        value => value,
    }
}

fn def(cluster: &str, at: usize) -> SeriesDef {
    let name = |text: &str| Name::new(text).unwrap();
    SeriesDef {
        key: SeriesKey {
            cluster: name(cluster),
            node: name("n"),
            parameter: name(&format!("p{at}")),
            labels: Labels::none(),
        },
        kind: Kind::Gauge,
        unit: "1".into(),
        source: "test".into(),
        interval: Some(Duration::from_secs(10)),
        lifetime: None,
        description: String::new(),
    }
}

fn hub(
    folder: &Path,
    now: impl Fn() -> UnixMillis + Clone + Send + Sync + 'static,
) -> (Arc<Hub>, BTreeMap<String, Checkpoint>) {
    let options = CacheOptions {
        commit_interval: Duration::from_millis(20),
        ballast_bytes: 0,
        ..CacheOptions::default()
    };
    let mut opened = Cache::open(&folder.join("cache.db"), options, Arc::new(now.clone())).unwrap();
    let checkpoints = std::mem::take(&mut opened.checkpoints);
    let options = HubOptions {
        farm: "oak".into(),
        bounds: Bounds::default(),
        retention: Duration::from_secs(86_400),
        life: LifeRules::default(),
        views: Vec::new(),
    };
    (Arc::new(Hub::new(options, opened, Arc::new(now))), checkpoints)
}
