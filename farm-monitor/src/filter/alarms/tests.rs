//! Alarms over restarts, and what they follow: deployments, sources, people, subscribers.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::hub::{HubOptions, LifeRules};
use crate::subscribe::{AlarmFeed, Feed, Plan, StreamOutput};
use hedgerow_cache::{Cache, CacheOptions};
use hedgerow_client::identity::Identity;
use hedgerow_collect::front_door::FrontDoor;
use hedgerow_model::deployment::Deployment;
use hedgerow_model::document::{Blob, Document, Hash};
use hedgerow_model::{BatchBuilder, Kind, Labels, Name, Predicate, SeriesId, Status, Value};
use hedgerow_proto::convert::deployment::encode;
use hedgerow_proto::farm::item;
use hedgerow_proto::filter as proto;
use hedgerow_proto::filter::AlarmLevel;
use hedgerow_proto::signed::open_document;
use hedgerow_proto::stream::StreamMessage;
use hedgerow_service::drain::drain;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

static CLOCK: AtomicI64 = AtomicI64::new(1_793_000_000_000);

fn now() -> UnixMillis {
    CLOCK.load(Ordering::Relaxed)
}

fn later(ms: i64) {
    CLOCK.fetch_add(ms, Ordering::Relaxed);
}

/// A farm's alarms, with a hub behind them.
struct Rig {
    _folder: tempfile::TempDir,
    state: Arc<StateFile>,
    hub: Arc<Hub>,
    alarms: Alarms,
    run: Ready,
}

fn hub(folder: &Path) -> Arc<Hub> {
    let options = CacheOptions { ballast_bytes: 0, ..CacheOptions::default() };
    let opened = Cache::open(&folder.join("cache.db"), options, Arc::new(now)).unwrap();
    let options = HubOptions {
        farm: "site".into(),
        bounds: crate::hub::Bounds::default(),
        retention: Duration::from_secs(86_400),
        life: LifeRules::default(),
        views: Vec::new(),
    };
    Arc::new(Hub::new(options, opened, Arc::new(now)))
}

/// A deployment, signed.
fn run(name: &str) -> Ready {
    let folder = tempfile::tempdir().unwrap();
    let deployment = Deployment { parameters: r#"{"above":0.9}"#.into(), ..Deployment::default() };
    let component = Blob { hash: Hash([7; 32]), size: 9 };
    let document = Document {
        mesh: Id([2; 16]),
        kind: "deployment".into(),
        name: name.into(),
        serial: 3,
        tombstone: false,
        signed_ms: 1,
        ends_ms: None,
        payload: encode(&deployment),
        blobs: vec![component],
    };
    let signed = Identity::open(folder.path()).unwrap().sign_document(&document);
    let document = Arc::new(open_document(&signed).unwrap());
    Ready { document, deployment: Arc::new(deployment), component }
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(StateFile::open(folder.path()).unwrap());
        let hub = hub(folder.path());
        let alarms = Alarms::open(Arc::clone(&state), Arc::clone(&hub), now).unwrap();
        Self { _folder: folder, state, hub, alarms, run: run("full") }
    }

    /// The alarms as another process finds them: nothing but what is on the disk.
    fn again(&mut self) {
        self.alarms = Alarms::open(Arc::clone(&self.state), Arc::clone(&self.hub), now).unwrap();
    }

    /// The farm, ended in good order and begun anew.
    fn restarted(&mut self) {
        self.hub.cache().close().unwrap();
        let (before, folder) = (self._folder.path(), self._folder.path().join("again"));
        std::fs::create_dir(&folder).unwrap();
        for file in ["cache.db", "cache.db.start"] {
            std::fs::copy(before.join(file), folder.join(file)).unwrap();
        }
        self.hub = hub(&folder);
        self.again();
    }

    fn cause(&self, number: u64, lives: u32) -> Place {
        Place { position: Position { epoch: self.hub.epoch(), number }, lives }
    }

    fn def(&self) -> Arc<SeriesDef> {
        let name = |text| Name::new(text).unwrap();
        Arc::new(SeriesDef {
            key: SeriesKey {
                cluster: name("hosts"),
                node: name("n1"),
                parameter: name("disk_used"),
                labels: Labels::none(),
            },
            kind: Kind::Gauge,
            unit: "1".into(),
            source: "host".into(),
            interval: Some(Duration::from_secs(10)),
            lifetime: None,
            description: String::new(),
        })
    }

    async fn says(&self, cause: Place, calls: Vec<AlarmCall>) {
        let def = self.def();
        let series = move |handle: u32| (handle == 0).then(|| Arc::clone(&def));
        self.alarms.said(&self.run, ("threshold", "1.2.3"), cause, calls, series).await;
    }

    fn all(&self) -> (Vec<proto::Alarm>, Vec<proto::Silence>) {
        self.alarms.list(true, "")
    }

    fn only(&self) -> proto::Alarm {
        let (mut open, _) = self.alarms.list(false, "");
        assert_eq!(open.len(), 1);
        open.remove(0)
    }

    fn sample(&self) -> SeriesId {
        let origin = self.hub.origin("test");
        let id = self.hub.declare(origin, &self.def()).unwrap();
        let mut batch = BatchBuilder::new();
        batch.push(id, now(), Value::F64(0.97), None);
        assert_eq!(self.hub.accept(origin, batch.build()).accepted, 1);
        id
    }
}

fn raise(key: &str, severity: Status) -> AlarmCall {
    let text = format!("{key} is {severity}");
    let runbook = "https://runbook.example".to_owned();
    AlarmCall::Raise { key: key.into(), severity, text, series: vec![0, 99], value: Some(0.97), runbook }
}

fn clear(key: &str) -> AlarmCall {
    AlarmCall::Clear { key: key.into(), text: "all well".into() }
}

fn id(alarm: &proto::Alarm) -> Id {
    Id::from_slice(&alarm.id).unwrap()
}

#[tokio::test]
async fn what_was_said_is_there_after_a_crash_and_a_replay_says_nothing_new() {
    let mut rig = Rig::new();
    rig.says(rig.cause(5, 0), vec![raise("a", Status::Warning), raise("b", Status::Info)]).await;
    let a = rig.all().0.into_iter().find(|alarm| alarm.key == "a").unwrap();
    let until = now() + 60_000;
    rig.alarms.acknowledge(id(&a), Some(("ann".into(), "on it".into(), Some(until)))).await.unwrap();
    rig.says(rig.cause(6, 0), vec![clear("b")]).await;
    let asked = proto::Silence { deployment: "fu*".into(), until_ms: until, ..proto::Silence::default() };
    let (silence, covered) = rig.alarms.silence(asked).await.unwrap();
    assert_eq!((silence.id, covered), (1, 1));
    let before = rig.all();
    rig.again();
    assert_eq!(rig.all(), before);
    assert_eq!(before.0.len(), 2);

    rig.alarms.runs("full", true);
    rig.says(rig.cause(6, 0), vec![raise("b", Status::Critical), clear("a")]).await;
    assert_eq!(rig.all(), before, "it was said before");
    rig.says(rig.cause(7, 0), vec![raise("a", Status::Critical)]).await;
    let a = rig.only();
    assert_eq!((a.level(), a.acknowledged), (AlarmLevel::Critical, None), "worse than what ann has seen");
    let why = rig.alarms.explain(Id::from_slice(&a.id).unwrap()).unwrap();
    let steps: Vec<_> = why.transitions.iter().map(|step| (step.from(), step.to())).collect();
    assert_eq!(steps, [(AlarmLevel::Ok, AlarmLevel::Warning), (AlarmLevel::Warning, AlarmLevel::Critical)]);
    assert_eq!((why.component_name.as_str(), why.component_version.as_str()), ("threshold", "1.2.3"));
    assert_eq!(why.parameters, r#"{"above":0.9}"#);
    assert_eq!(a.paths.len(), 1, "a handle that is none is left out");

    later(61_000);
    rig.alarms.tick();
    rig.alarms.flush().await;
    rig.again();
    assert_eq!((rig.all().1.len(), rig.only().silence), (0, 0), "the silence has ended");
}

#[tokio::test]
async fn a_deployment_that_begins_anew_speaks_again_from_the_beginning_over_a_crash_too() {
    let mut rig = Rig::new();
    rig.says(rig.cause(500, 0), vec![raise("a", Status::Warning)]).await;
    rig.alarms.runs("full", false);
    assert_eq!(rig.only().level(), AlarmLevel::Unknown);
    rig.says(rig.cause(10, 0), vec![raise("b", Status::Info)]).await;
    rig.again();
    rig.says(rig.cause(11, 0), vec![clear("b"), clear("a")]).await;
    assert_eq!(rig.alarms.list(false, "").0.len(), 0, "what an earlier run consumed does not matter");
}

#[tokio::test]
async fn a_deployment_that_stops_leaves_its_alarms_unknown_until_it_runs_again() {
    let mut rig = Rig::new();
    rig.says(rig.cause(5, 0), vec![raise("a", Status::Critical)]).await;
    rig.alarms.stopped("full", "its deployment was removed");
    rig.alarms.flush().await;
    rig.again();
    let alarm = rig.only();
    assert_eq!((alarm.level(), alarm.level_before()), (AlarmLevel::Unknown, AlarmLevel::Critical));
    assert_eq!(alarm.unknown_reason, "its deployment was removed");
    rig.alarms.runs("full", true);
    rig.alarms.flush().await;
    assert_eq!(rig.only().level(), AlarmLevel::Critical);
    rig.again();
    assert_eq!(rig.only().level(), AlarmLevel::Critical);
}

#[tokio::test]
async fn an_alarm_is_unknown_while_its_source_is_silent_unless_that_is_what_it_says() {
    let rig = Rig::new();
    let series = rig.sample();
    rig.says(rig.cause(1, 0), vec![raise("full", Status::Warning)]).await;
    rig.alarms.tick();
    assert_eq!(rig.only().level(), AlarmLevel::Warning);
    rig.hub.set_life(&[series], Life::Stale, "missed 3 intervals of 10s");
    rig.says(rig.cause(1, 1), vec![raise("silent", Status::Critical)]).await;
    rig.alarms.tick();
    let levels = |rig: &Rig| -> Vec<_> {
        rig.alarms.list(false, "").0.iter().map(|a| (a.key.clone(), a.level())).collect()
    };
    let (full, silent) = ("full".to_owned(), "silent".to_owned());
    let expected = [(full.clone(), AlarmLevel::Unknown), (silent.clone(), AlarmLevel::Critical)];
    assert_eq!(levels(&rig), expected);
    let reason = &rig.alarms.list(false, "").0[0].unknown_reason;
    assert_eq!(reason, "its source is silent: missed 3 intervals of 10s");
    later(1000);
    rig.sample();
    rig.alarms.tick();
    assert_eq!(levels(&rig), [(full, AlarmLevel::Warning), (silent, AlarmLevel::Critical)]);
}

#[tokio::test]
async fn what_a_filter_said_of_a_silence_that_it_knew_of_stands_after_a_restart() {
    let mut rig = Rig::new();
    let series = rig.sample();
    rig.says(rig.cause(1, 0), vec![raise("full", Status::Warning)]).await;
    rig.hub.set_life(&[series], Life::Stale, "missed 3 intervals of 10s");
    rig.says(rig.cause(1, 1), vec![raise("silent", Status::Critical)]).await;
    let before = rig.cause(1, 1);
    for life in [Life::Stale, Life::Ended] {
        rig.hub.set_life(&[series], life, "no sample for its life time of 1m");
        rig.alarms.tick();
        rig.alarms.flush().await;
        let levels: Vec<_> = rig.alarms.list(false, "").0.iter().map(|alarm| alarm.level()).collect();
        assert_eq!(levels, [AlarmLevel::Unknown, AlarmLevel::Critical], "{life:?}");
        if life == Life::Stale {
            rig.restarted();
            rig.alarms.runs("full", true);
            assert!(
                rig.hub.lives(&[rig.def().key.clone()])[0].behind <= before.position,
                "in the run before"
            );
        }
    }
    later(1000);
    rig.sample();
    rig.hub.set_life(&[series], Life::Stale, "missed 3 intervals of 10s");
    rig.alarms.tick();
    let levels: Vec<_> = rig.alarms.list(false, "").0.iter().map(|alarm| alarm.level()).collect();
    assert_eq!(levels, [AlarmLevel::Unknown, AlarmLevel::Unknown], "of this silence it has said nothing");
}

#[tokio::test]
async fn a_damaged_row_costs_its_own_alarm_only() {
    let mut rig = Rig::new();
    rig.says(rig.cause(5, 0), vec![raise("a", Status::Info), raise("b", Status::Info)]).await;
    let broken = rig.state.write(|transaction| {
        transaction
            .execute("UPDATE alarm SET body = zeroblob(20) WHERE rowid = (SELECT min(rowid) FROM alarm)", [])
    });
    assert_eq!(broken.unwrap(), 1);
    rig.again();
    assert_eq!(rig.all().0.len(), 1);
    let rows = rig.state.read(|c| c.query_row("SELECT count(*) FROM alarm", [], |row| row.get::<_, i64>(0)));
    assert_eq!(rows.unwrap(), 1, "nobody could do anything with it");
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_told_and_tried_again() {
    let mut rig = Rig::new();
    rig.state.write(|t| t.execute_batch("ALTER TABLE alarm RENAME TO hidden")).unwrap();
    rig.says(rig.cause(5, 0), vec![raise("a", Status::Info)]).await;
    assert_eq!((rig.only().level(), rig.alarms.counts().not_kept), (AlarmLevel::Info, 1));
    assert_eq!(rig.alarms.open_now().0.len(), 1, "told all the same");
    rig.state.write(|t| t.execute_batch("ALTER TABLE hidden RENAME TO alarm")).unwrap();
    rig.alarms.flush().await;
    rig.again();
    assert_eq!(rig.all().0.len(), 1);
}

#[tokio::test]
async fn subscriptions_get_what_is_open_and_then_what_changes_of_what_they_match() {
    let rig = Rig::new();
    rig.says(rig.cause(5, 0), vec![raise("a", Status::Info), raise("over", Status::Info), clear("over")])
        .await;
    let (_begin, drain) = drain();
    let subscribe = |predicate: &str| {
        let predicate = Predicate::parse(predicate).unwrap();
        let (plan, cursor) = Plan::subscribe(&rig.hub, Id([1; 16]), predicate, &[]).unwrap();
        let alarms = Some(AlarmFeed::new(rig.alarms.clone()));
        Subscriber {
            output: Feed::start_with(Arc::clone(&rig.hub), plan, cursor, drain.clone(), alarms),
            waiting: VecDeque::new(),
        }
    };
    // By a path, and by the deployment as a cluster.
    let mut wanting = [subscribe("*/hosts/n1"), subscribe("*/full")];
    let mut others = [subscribe("*/full/x"), subscribe("*/net")];
    for subscriber in &mut wanting {
        assert_eq!(subscriber.next().await, ("a".to_owned(), AlarmLevel::Info));
    }
    rig.says(rig.cause(6, 0), vec![raise("a", Status::Warning)]).await;
    rig.says(rig.cause(7, 0), vec![clear("a"), raise("last", Status::Info)]).await;
    for subscriber in &mut wanting {
        // How it was meanwhile may be left out, how it is may not; which of two is told first nobody says.
        let mut told = Vec::new();
        let now = [("a".to_owned(), AlarmLevel::Ok), ("last".to_owned(), AlarmLevel::Info)];
        while !now.iter().all(|alarm| told.contains(alarm)) {
            told.push(subscriber.next().await);
        }
        assert!(told.len() <= 3, "{told:?}");
    }
    for subscriber in &mut others {
        subscriber.take_what_is_there();
        assert!(subscriber.waiting.is_empty());
    }
}

/// A subscriber, and the alarms that it was told and has not looked at.
struct Subscriber {
    output: StreamOutput,
    waiting: VecDeque<proto::Alarm>,
}

impl Subscriber {
    async fn next(&mut self) -> (String, AlarmLevel) {
        loop {
            if let Some(alarm) = self.waiting.pop_front() {
                return (alarm.key.clone(), alarm.level());
            }
            let message = self.output.recv().await.unwrap().unwrap();
            self.take(&message);
        }
    }

    fn take_what_is_there(&mut self) {
        while let Ok(message) = self.output.try_recv() {
            self.take(&message.unwrap());
        }
    }

    fn take(&mut self, message: &StreamMessage) {
        for item in message.decode_items() {
            if let Some(item::Item::Alarm(alarm)) = item.unwrap().item {
                self.waiting.push_back(alarm);
            }
        }
    }
}
