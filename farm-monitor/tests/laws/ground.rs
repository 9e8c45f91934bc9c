//! A hub on a cache in a temporary folder, and what a subscriber was told of it.

use hedgerow_cache::{Cache, CacheOptions, Checkpoint};
use hedgerow_collect::front_door::{FrontDoor, OriginId};
use hedgerow_farm_monitor::hub::{Bounds, Hub, HubOptions, LifeRules};
use hedgerow_farm_monitor::subscribe::{Feed, Plan, StreamOutput};
use hedgerow_model::registration::Id;
use hedgerow_model::{
    BatchBuilder, Epoch, Kind, Labels, Name, NumberRange, Numbered, Position, Predicate, SeriesDef, SeriesId,
    SeriesKey, UnixMillis, Value,
};
use hedgerow_proto::convert::{batch, series};
use hedgerow_proto::farm::{Item, Lagged, item};
use hedgerow_proto::token::Token;
use hedgerow_service::drain::{Drain, DrainStart, drain};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

/// Some time in 2026.
const START: UnixMillis = 1_793_000_000_000;
static FARMS: AtomicU8 = AtomicU8::new(1);

pub struct Ground {
    pub hub: Arc<Hub>,
    id: Id,
    clock: Arc<AtomicI64>,
    origin: OriginId,
    folder: tempfile::TempDir,
    drain: (DrainStart, Drain),
}

impl Ground {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let id = Id([FARMS.fetch_add(1, Ordering::Relaxed); 16]);
        Self::open(folder, id, Arc::new(AtomicI64::new(START)), Bounds::default())
    }

    /// With such bounds of series.
    pub fn bounded(per_origin: usize, per_farm: usize) -> Self {
        let clock = Arc::new(AtomicI64::new(START));
        Self::open(tempfile::tempdir().unwrap(), Id([0; 16]), clock, Bounds { per_origin, per_farm })
    }

    fn open(folder: tempfile::TempDir, id: Id, clock: Arc<AtomicI64>, bounds: Bounds) -> Self {
        Self::open_all(folder, id, clock, bounds).0
    }

    fn open_all(
        folder: tempfile::TempDir,
        id: Id,
        clock: Arc<AtomicI64>,
        bounds: Bounds,
    ) -> (Self, BTreeMap<String, Checkpoint>) {
        let now = {
            let clock = Arc::clone(&clock);
            move || clock.load(Ordering::Relaxed)
        };
        let options = CacheOptions {
            commit_interval: Duration::from_millis(20),
            ballast_bytes: 0,
            ..CacheOptions::default()
        };
        let opened = Cache::open(&folder.path().join("cache.db"), options, Arc::new(now.clone())).unwrap();
        let checkpoints = opened.checkpoints.clone();
        let options = HubOptions {
            farm: "test".into(),
            bounds,
            retention: Duration::from_secs(86_400),
            life: LifeRules::default(),
            views: Vec::new(),
        };
        let hub = Arc::new(Hub::new(options, opened, Arc::new(now)));
        let origin = hub.origin("test");
        (Self { hub, id, clock, origin, folder, drain: drain() }, checkpoints)
    }

    /// Restarts on a copy of the files as they are on the disk, as if the process had been killed.
    pub async fn restart_killed(self) -> Self {
        self.hub.cache().flush().unwrap();
        let folder = tempfile::tempdir().unwrap();
        for file in ["cache.db", "cache.db-wal", "cache.db.start"] {
            std::fs::copy(self.folder.path().join(file), folder.path().join(file)).unwrap();
        }
        Self::open(folder, self.id, Arc::clone(&self.clock), Bounds::default())
    }

    /// As `restart`, and what was known of deployments.
    pub async fn restart_with_checkpoints(self) -> (Self, BTreeMap<String, Checkpoint>) {
        let Self { hub, id, clock, folder, .. } = self;
        hub.cache().close().unwrap();
        drop(hub);
        Self::open_all(folder, id, clock, Bounds::default())
    }

    /// Ends the hub in good order and begins anew on the same folder.
    pub async fn restart(self) -> Self {
        self.restart_bounded(Bounds::default()).await
    }

    pub async fn restart_bounded(self, bounds: Bounds) -> Self {
        let Self { hub, id, clock, folder, drain, .. } = self;
        drain.0.begin();
        hub.cache().close().unwrap();
        // Feeds that have not noticed yet still hold the old hub, and with it the lock of its file.
        while Arc::strong_count(&hub) > 1 {
            tokio::task::yield_now().await;
        }
        drop(hub);
        Self::open(folder, id, clock, bounds)
    }

    /// Restarts with a cache that cannot be read any more.
    pub async fn restart_damaged(self) -> Self {
        let Self { hub, id, clock, folder, drain, .. } = self;
        drain.0.begin();
        hub.cache().close().unwrap();
        drop(hub);
        for file in ["cache.db-wal", "cache.db-shm"] {
            let _ = std::fs::remove_file(folder.path().join(file));
        }
        std::fs::write(folder.path().join("cache.db"), "no database".repeat(1000)).unwrap();
        Self::open(folder, id, clock, Bounds::default())
    }

    pub fn now(&self) -> UnixMillis {
        self.clock.load(Ordering::Relaxed)
    }

    pub fn last(&self) -> u64 {
        self.hub.routed().number
    }

    /// Whether a feed is still at work.
    pub fn is_read(&self) -> bool {
        Arc::strong_count(&self.hub) > 1
    }

    pub fn drain(&self) {
        self.drain.0.begin();
    }

    pub fn pass(&self, time: Duration) {
        self.clock.fetch_add(time.as_millis() as i64, Ordering::Relaxed);
    }

    /// One sample of a series of this kind, now; a millisecond passes.
    pub fn give_one(&self, parameter: &str, kind: Kind, value: Value) -> SeriesId {
        let time = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
        let id = self.series(parameter, kind, "");
        let mut builder = BatchBuilder::new();
        builder.push(id, time, value, None);
        assert_eq!(self.hub.accept(self.origin, builder.build()).accepted, 1);
        id
    }

    /// Lets time pass without samples.
    pub fn forget_for(&self, time: Duration) {
        self.clock.fetch_add(time.as_millis() as i64, Ordering::Relaxed);
        self.hub.tick();
    }

    pub fn series(&self, parameter: &str, kind: Kind, unit: &str) -> SeriesId {
        let name = |text: &str| Name::new(text).unwrap();
        let key = SeriesKey {
            cluster: name("c"),
            node: name("n"),
            parameter: name(parameter),
            labels: Labels::none(),
        };
        let def = SeriesDef {
            key,
            kind,
            unit: unit.into(),
            source: "test".into(),
            interval: Some(Duration::from_secs(10)),
            lifetime: None,
            description: String::new(),
        };
        self.hub.declare(self.origin, &def).unwrap()
    }

    /// One batch of `count` gauges with the value `round`, now; a millisecond passes.
    pub fn give(&self, round: u64, count: usize) {
        let time = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
        self.give_at(time, round, count);
    }

    pub fn give_at(&self, time: UnixMillis, round: u64, count: usize) {
        let mut builder = BatchBuilder::new();
        for at in 0..count {
            builder.push(
                self.series(&format!("p{at}"), Kind::Gauge, "1"),
                time,
                Value::F64(round as f64),
                None,
            );
        }
        let accepted = self.hub.accept(self.origin, builder.build());
        assert_eq!(accepted.accepted, count as u64, "{:?}", accepted.refused);
    }

    pub fn count_at(&self, time: UnixMillis, value: u64) {
        let mut builder = BatchBuilder::new();
        builder.push(self.series("requests", Kind::Counter, "1"), time, Value::counter(value), None);
        assert_eq!(self.hub.accept(self.origin, builder.build()).accepted, 1);
    }

    pub fn refusal(&self, predicate: &str, token: &[u8]) -> String {
        Plan::subscribe(&self.hub, self.id, Predicate::parse(predicate).unwrap(), token)
            .unwrap_err()
            .message()
            .to_owned()
    }

    pub fn query_refusal(&self, predicate: &str) -> String {
        let predicate = Predicate::parse(predicate).unwrap();
        Plan::query(&self.hub, self.id, predicate, Vec::new()).unwrap_err().message().to_owned()
    }
}

/// What a subscriber was told.
pub struct Story {
    output: StreamOutput,
    current: Epoch,
    id: Id,
    hash: u64,
    pub samples: BTreeMap<(Epoch, u64), Value>,
    pub doubles: usize,
    /// (series, time, value) of whole numbers.
    pub shown: Vec<(u32, i64, u8)>,
    pub progress: Vec<(Epoch, u64, u64)>,
    pub first_after: Option<u64>,
    pub tokens: Vec<(Position, Vec<u8>)>,
    pub ended_epochs: Vec<(Epoch, u64)>,
    pub lagged: Vec<Lagged>,
    pub stale: Vec<u32>,
    /// What was told last of each series' life.
    pub lives: HashMap<u32, i32>,
    /// How often each series was told.
    pub told: HashMap<u32, usize>,
    /// (series, text) of states and texts, in order.
    pub texts: Vec<(u32, String)>,
    /// The largest message, encoded.
    pub largest: usize,
    pub late: u64,
    pub end: i32,
    pub units: HashMap<String, String>,
    pub bins: BTreeMap<(i64, u32), BTreeMap<&'static str, f64>>,
    pub gaps: Vec<hedgerow_proto::common::Gap>,
    pub resumed: bool,
    pub over: bool,
    epochs: HashMap<u64, Epoch>,
}

impl Story {
    pub fn of(ground: &Ground, predicate: &str, token: &[u8]) -> Self {
        let predicate = Predicate::parse(predicate).unwrap();
        let (plan, cursor) = Plan::subscribe(&ground.hub, ground.id, predicate, token).unwrap();
        Self::start(ground, plan, cursor)
    }

    pub fn with_queue(ground: &Ground, predicate: &str, queue_bytes: usize) -> Self {
        let predicate = Predicate::parse(predicate).unwrap();
        let (plan, mut cursor) = Plan::subscribe(&ground.hub, ground.id, predicate, &[]).unwrap();
        cursor.bound(queue_bytes);
        Self::start(ground, plan, cursor)
    }

    pub fn query(ground: &Ground, predicate: &str, ranges: &[(u64, u64)]) -> Self {
        let predicate = Predicate::parse(predicate).unwrap();
        let epoch = ground.hub.epoch();
        let ranges =
            ranges.iter().map(|(after, through)| NumberRange { epoch, after: *after, through: *through });
        let (plan, cursor) = Plan::query(&ground.hub, ground.id, predicate, ranges.collect()).unwrap();
        Self::start(ground, plan, cursor)
    }

    fn start(ground: &Ground, plan: Plan, cursor: hedgerow_farm_monitor::hub::LiveCursor) -> Self {
        let hash = plan.hash;
        let output = Feed::start(Arc::clone(&ground.hub), plan, cursor, ground.drain.1.clone());
        let current = ground.hub.epoch();
        Self {
            output,
            current,
            id: ground.id,
            hash,
            samples: BTreeMap::new(),
            doubles: 0,
            shown: Vec::new(),
            progress: Vec::new(),
            first_after: None,
            tokens: Vec::new(),
            ended_epochs: Vec::new(),
            lagged: Vec::new(),
            stale: Vec::new(),
            lives: HashMap::new(),
            told: HashMap::new(),
            texts: Vec::new(),
            largest: 0,
            late: 0,
            end: 0,
            units: HashMap::new(),
            bins: BTreeMap::new(),
            gaps: Vec::new(),
            resumed: false,
            over: false,
            epochs: [(current.start, current)].into(),
        }
    }

    /// Reads until `enough` is.
    pub async fn until(mut self, enough: impl Fn(&Self) -> bool) -> Self {
        while !enough(&self) {
            self.message().await;
        }
        self
    }

    /// Reads until something is proven.
    pub async fn first_progress(&mut self) {
        while self.tokens.is_empty() {
            self.message().await;
        }
    }

    /// Up to which number of the running epoch all is said.
    pub fn proven(&self) -> u64 {
        let here = self.tokens.iter().filter(|(position, _)| position.epoch == self.current);
        here.map(|(position, _)| position.number).max().unwrap_or_default()
    }

    pub async fn first_message(&mut self) {
        self.message().await;
    }

    /// Reads until everything up to `number` of the running epoch is said.
    pub async fn until_number(mut self, number: u64) -> Self {
        while !self.progress.iter().any(|(epoch, _, through)| *epoch == self.current && *through >= number) {
            self.message().await;
        }
        self
    }

    pub async fn ended(mut self) -> Self {
        while !self.over {
            self.message().await;
        }
        self
    }

    async fn message(&mut self) {
        let message = tokio::time::timeout(Duration::from_secs(30), self.output.recv()).await;
        let message = message.expect("something within half a minute").expect("the stream goes on").unwrap();
        self.largest = self.largest.max(message.items.iter().map(|item| item.len()).sum());
        for item in message.decode_items().collect::<Vec<_>>() {
            self.item(item.unwrap());
        }
    }

    fn item(&mut self, item: Item) {
        match item.item.unwrap() {
            item::Item::Opened(opened) => self.resumed = opened.resumed,
            item::Item::Series(wire) => {
                *self.told.entry(wire.id).or_default() += 1;
                self.units.insert(wire.parameter, wire.unit);
            }
            item::Item::Batch(wire) => {
                let epochs = self.epochs.clone();
                let fallback = Epoch { start: wire.epoch_start, random: 0 };
                let numbered =
                    batch::from_wire(wire, |start| Some(epochs.get(&start).copied().unwrap_or(fallback)));
                self.batch(&numbered.unwrap());
            }
            item::Item::Progress(progress) => {
                let epoch = series::epoch_from_wire(progress.epoch).unwrap();
                self.rename(epoch);
                self.first_after.get_or_insert(progress.after);
                self.progress.push((epoch, progress.after, progress.through));
                let token = Token::decode(&progress.token, self.id, self.hash).unwrap();
                self.tokens.push((token.position, progress.token.to_vec()));
                if progress.epoch_ended {
                    self.ended_epochs.push((epoch, progress.through));
                }
            }
            item::Item::Gap(gap) => self.gaps.push(gap),
            item::Item::Lagged(lagged) => self.lagged.push(lagged),
            item::Item::Life(change) => {
                self.lives.insert(change.series, change.life);
                if change.life == 2 {
                    self.stale.push(change.series);
                }
            }
            item::Item::Bins(bins) => {
                self.late += bins.late;
                for column in bins.columns {
                    let name = ["?", "last", "mean", "min", "max", "count"][column.aggregate as usize];
                    let values = batch::columns_from_wire(column.values.unwrap()).unwrap();
                    for (series, value) in bins.series.iter().zip(values.iter()) {
                        let value = match value {
                            Value::I64(value) => value as f64,
                            Value::F64(value) => value,
                            _ => 0.0,
                        };
                        let before = self.bins.entry((bins.start, *series)).or_default().insert(name, value);
                        assert!(before.is_none(), "a bin is given once");
                    }
                }
            }
            item::Item::End(end) => (self.over, self.end) = (true, end.reason),
            _ => {}
        }
    }

    /// Samples of an epoch whose random part was told only behind them.
    fn rename(&mut self, epoch: Epoch) {
        self.epochs.insert(epoch.start, epoch);
        let unnamed = Epoch { start: epoch.start, random: 0 };
        let keys: Vec<_> = self.samples.keys().filter(|(of, _)| *of == unnamed).copied().collect();
        for key in keys {
            let value = self.samples.remove(&key).unwrap();
            self.samples.insert((epoch, key.1), value);
        }
    }

    fn batch(&mut self, numbered: &Numbered) {
        for (at, (series, time, value)) in numbered.batch.iter().enumerate() {
            match &value {
                Value::State(_, Some(text)) | Value::Text(text) => {
                    self.texts.push((series.0, text.chars().take(20).collect()));
                }
                Value::State(_, None) | Value::I64(_) => self.texts.push((series.0, String::new())),
                Value::F64(_) => {}
            }
            if let Value::F64(value) = value {
                self.shown.push((series.0, time, value as u8));
            }
            let before = self.samples.insert((numbered.epoch, numbered.numbers.at(at).unwrap()), value);
            self.doubles += usize::from(before.is_some());
        }
    }

    /// Every number from `first` to `last` of the running epoch, once.
    pub fn assert_complete(&self, first: u64, last: u64) {
        self.assert_complete_in(self.current, first, last);
        self.assert_chain();
    }

    pub fn assert_complete_in(&self, epoch: Epoch, first: u64, last: u64) {
        assert_eq!(self.doubles, 0);
        let numbers: Vec<u64> = self.samples.keys().filter(|(of, _)| *of == epoch).map(|(_, n)| *n).collect();
        assert_eq!(numbers, (first..=last).collect::<Vec<_>>(), "in {epoch}");
    }

    /// Each progress item begins where the one before ended.
    pub fn assert_chain(&self) {
        for pair in self.progress.windows(2) {
            let ((before, _, through), (epoch, after, _)) = (pair[0], pair[1]);
            if before == epoch {
                assert_eq!(after, through, "the chain of progress");
            } else {
                assert_eq!(after, 0, "an epoch is told from its beginning");
            }
        }
    }
}

/// A value as text, for comparing.
pub fn text(value: &Value) -> String {
    match value {
        Value::F64(value) => value.to_string(),
        Value::I64(value) | Value::State(value, _) => value.to_string(),
        Value::Text(text) => text.to_string(),
    }
}
