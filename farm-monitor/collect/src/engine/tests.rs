//! The engine with made-up modules and a front door that writes everything down, in virtual time.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::front_door::{Accepted, OriginId};
use crate::module::{BoxFuture, Probe, Run};
use crate::spec::{HostSpec, ModuleSpec};
use hedgerow_model::{Batch, Kind, Labels, Life, Mark, Refusal, SeriesDef, SeriesId, SeriesKey, Value};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::{Instant, sleep};

const WALL_START: UnixMillis = 1_800_000_000_000;

type Sample = (SeriesId, UnixMillis, Value, Option<Mark>);

/// What came through the front door.
#[derive(Default)]
struct Door {
    series: Mutex<Vec<(OriginId, SeriesDef)>>,
    origins: Mutex<Vec<String>>,
    samples: Mutex<Vec<Sample>>,
    lives: Mutex<Vec<(SeriesId, Life, String)>>,
}

impl FrontDoor for Door {
    fn origin(&self, name: &str) -> OriginId {
        let mut origins = self.origins.lock().unwrap();
        let at = origins.iter().position(|known| known == name).unwrap_or_else(|| {
            origins.push(name.to_owned());
            origins.len() - 1
        });
        OriginId(u32::try_from(at).unwrap())
    }

    fn declare(&self, origin: OriginId, def: &SeriesDef) -> Result<SeriesId, Refusal> {
        if &*def.key.parameter == "refused" {
            assert_eq!(
                def.lifetime,
                Some(seconds(86_400)),
                "what the module left open comes from the collector"
            );
            return Err(Refusal::SeriesLimit);
        }
        let mut series = self.series.lock().unwrap();
        let at = series.iter().position(|(_, known)| known.key == def.key).unwrap_or(series.len());
        if at == series.len() {
            series.push((origin, def.clone()));
        }
        assert_eq!(series[at].0, origin, "a series has one origin");
        Ok(SeriesId(u32::try_from(at + 1).unwrap()))
    }

    fn accept(&self, _origin: OriginId, batch: Batch) -> Accepted {
        let marks: BTreeMap<u32, Mark> = batch.marks.iter().copied().collect();
        let mut samples = self.samples.lock().unwrap();
        for (at, (id, time, value)) in (0_u32..).zip(batch.iter()) {
            samples.push((id, time, value, marks.get(&at).copied()));
        }
        Accepted { accepted: batch.len() as u64, refused: Vec::new() }
    }

    fn set_life(&self, series: &[SeriesId], life: Life, reason: &str) {
        self.lives.lock().unwrap().extend(series.iter().map(|id| (*id, life, reason.to_owned())));
    }
}

impl Door {
    fn path(&self, id: SeriesId) -> String {
        let key = self.series.lock().unwrap()[id.0 as usize - 1].1.key.clone();
        let labels: Vec<String> = key.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("[{}]", labels.join(",")) };
        format!("{}/{}/{}{labels}", &*key.cluster, &*key.node, &*key.parameter)
    }

    /// The samples of one series, as (time since the start, value).
    fn of(&self, path: &str) -> Vec<(i64, Value)> {
        let declared = self.series.lock().unwrap().len();
        let mut ids = (1..=declared).map(|n| SeriesId(u32::try_from(n).unwrap()));
        let Some(wanted) = ids.find(|id| self.path(*id) == path) else { return Vec::new() };
        let samples = self.samples.lock().unwrap();
        let of_path = samples.iter().filter(|(id, ..)| *id == wanted);
        of_path.map(|(_, time, value, _)| (time - WALL_START, value.clone())).collect()
    }

    fn lives(&self) -> Vec<(String, Life, String)> {
        let lives = self.lives.lock().unwrap().clone();
        lives.into_iter().map(|(id, life, reason)| (self.path(id), life, reason)).collect()
    }
}

/// What a target does in its n-th run (from 0) of this probe.
type Script = Arc<dyn Fn(&str, u64) -> Step + Send + Sync>;

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Answer(Duration),
    Fail(CollectError),
    /// Gives one sample, then nothing.
    Hang,
    /// Gives one sample, then panics.
    Panic,
    Parts,
    Label(String, String),
}

/// A module whose targets do what the script says; the node's name is its argument.
struct Fake {
    script: Script,
    counts: Arc<FakeCounts>,
}

#[derive(Default)]
struct FakeCounts {
    running: AtomicUsize,
    most: AtomicUsize,
    probes: AtomicUsize,
    /// Node and moment of each start.
    starts: Mutex<Vec<(String, Instant)>>,
}

struct FakeProbe {
    script: Script,
    counts: Arc<FakeCounts>,
    cluster: String,
    node: String,
    runs: u64,
}

impl Module for Fake {
    fn name(&self) -> &'static str {
        "host"
    }

    fn probe(&self, spec: &CollectorSpec, target: &Target) -> Result<Box<dyn Probe>, String> {
        if target.node == "impossible" {
            return Err("no such thing".to_owned());
        }
        self.counts.probes.fetch_add(1, Ordering::Relaxed);
        let (script, counts) = (self.script.clone(), self.counts.clone());
        let (cluster, node) = (spec.cluster.clone(), target.node.clone());
        Ok(Box::new(FakeProbe { script, counts, cluster, node, runs: 0 }))
    }
}

/// Counts down however a run ends.
struct InFlight(Arc<FakeCounts>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Probe for FakeProbe {
    fn run<'a>(&'a mut self, run: &'a mut dyn Run) -> BoxFuture<'a, Result<(), CollectError>> {
        let running = self.counts.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.counts.most.fetch_max(running, Ordering::Relaxed);
        let in_flight = InFlight(self.counts.clone());
        self.counts.starts.lock().unwrap().push((self.node.clone(), Instant::now()));
        let step = (self.script)(&self.node, self.runs);
        self.runs += 1;
        Box::pin(async move {
            let _in_flight = in_flight;
            let def = |parameter: &str| SeriesDef {
                key: SeriesKey {
                    cluster: Name::new(&self.cluster).unwrap(),
                    node: Name::new(&self.node).unwrap(),
                    parameter: Name::new(parameter).unwrap(),
                    labels: Labels::none(),
                },
                kind: Kind::Gauge,
                unit: String::new(),
                source: "fake".to_owned(),
                interval: None,
                lifetime: None,
                description: String::new(),
            };
            let time = run.started();
            let first = run.series(&def("first")).unwrap();
            run.push(first, time, Value::I64(self.runs.cast_signed()), None);
            if self.node.starts_with("refused")
                && let Some(never) = run.series(&def("refused"))
            {
                run.push(never, time, Value::I64(0), None);
            }
            match step {
                Step::Answer(after) => {
                    sleep(after).await;
                    let second = run.series(&def("second")).unwrap();
                    run.push(second, time, Value::F64(0.5), Some(Mark::Reset));
                    Ok(())
                }
                Step::Fail(error) => Err(error),
                Step::Hang => std::future::pending().await,
                Step::Panic => panic!("as the script says"),
                Step::Parts => {
                    run.part_failed("/mnt/a", CollectError::TimedOut("no answer".to_owned()));
                    run.part_failed("/mnt/b", CollectError::Failed("broken".to_owned()));
                    Ok(())
                }
                Step::Label(key, value) => {
                    let mut def = def("third");
                    def.key.labels = Labels::new([(key, value)]).unwrap();
                    let third = run.series(&def).unwrap();
                    run.push(third, time, Value::I64(3), None);
                    Ok(())
                }
            }
        })
    }
}

struct Bench {
    door: Arc<Door>,
    counts: Arc<FakeCounts>,
    engine: EngineHandle,
    begun: Instant,
}

fn wall() -> WallClock {
    let begun = Instant::now();
    Arc::new(move || WALL_START + i64::try_from(begun.elapsed().as_millis()).unwrap())
}

fn config() -> EngineConfig {
    EngineConfig { node: Name::new("farmhost").unwrap(), wall: wall(), report_every: REPORT_EVERY }
}

fn bench(script: impl Fn(&str, u64) -> Step + Send + Sync + 'static) -> Bench {
    let (door, counts) = (Arc::new(Door::default()), Arc::new(FakeCounts::default()));
    let fake = Fake { script: Arc::new(script), counts: counts.clone() };
    let engine = Engine::start(door.clone(), vec![Box::new(fake)], config());
    Bench { door, counts, engine, begun: Instant::now() }
}

fn target(node: &str) -> Target {
    Target { node: node.to_owned(), address: node.to_owned(), labels: BTreeMap::new() }
}

fn collector<S: AsRef<str>>(name: &str, period: Duration, nodes: &[S]) -> CollectorSpec {
    CollectorSpec {
        name: name.to_owned(),
        cluster: name.to_owned(),
        period,
        deadline: period * 4 / 5,
        targets: nodes.iter().map(|node| target(node.as_ref())).collect(),
        lifetime: Some(Duration::from_secs(86_400)),
        module: ModuleSpec::Host(HostSpec::default()),
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn answer() -> Step {
    Step::Answer(Duration::from_millis(20))
}

impl Bench {
    async fn apply(&self, collectors: Vec<CollectorSpec>) -> Applied {
        self.engine.apply(PoolSpec::default(), collectors).await.unwrap()
    }

    async fn until(&self, after: Duration) {
        tokio::time::sleep_until(self.begun + after).await;
    }

    fn starts_of(&self, node: &str) -> Vec<Duration> {
        let starts = self.counts.starts.lock().unwrap();
        starts.iter().filter(|(of, _)| of == node).map(|(_, at)| *at - self.begun).collect()
    }

    async fn collector(&self, name: &str) -> CollectorStatus {
        let status = self.engine.status().await;
        status.collectors.into_iter().find(|collector| collector.name == name).unwrap()
    }
}

/// Whether these starts stand on one grid, within the millisecond of tokio's timer, without drifting.
fn on_one_grid(starts: &[Duration], period: Duration) -> bool {
    let phases: Vec<u128> = starts.iter().map(|at| at.as_millis() % period.as_millis()).collect();
    phases.iter().all(|phase| phase.abs_diff(phases[0]) <= 1)
}

#[tokio::test(start_paused = true)]
async fn ticks_never_drift_however_long_runs_take() {
    let bench = bench(|_, n| Step::Answer(Duration::from_millis(n * 137 % 700)));
    bench.apply(vec![collector("c", seconds(1), &["a", "b"])]).await;
    bench.until(seconds(1000)).await;
    let starts = bench.starts_of("a");
    assert!(starts.len() >= 999, "{}", starts.len());
    assert!(on_one_grid(&starts[1..], seconds(1)), "{starts:?}");
    assert!(starts[0] <= seconds(1), "first data comes soon");
    assert_ne!(starts[5].as_millis() % 1000, bench.starts_of("b")[5].as_millis() % 1000, "phases are spread");
    assert_eq!(bench.collector("c").await.counts.skipped, 0);
}

#[tokio::test(start_paused = true)]
async fn ticks_that_find_no_slot_are_skipped_and_counted_and_never_pile_up() {
    let bench = bench(|_, _| Step::Answer(Duration::from_millis(600)));
    let pool = PoolSpec { global: 1, ..PoolSpec::default() };
    let spec = collector("c", seconds(1), &["a", "b", "c", "d"]);
    bench.engine.apply(pool, vec![spec]).await.unwrap();
    bench.until(seconds(600)).await;
    let counts = bench.collector("c").await.counts;
    assert_eq!(bench.counts.most.load(Ordering::Relaxed), 1);
    assert!(bench.engine.status().await.pool.queued <= 3, "a target waits once");
    let ticks = counts.runs + counts.skipped;
    assert!((4 * 600 - 8..=4 * 600 + 8).contains(&ticks), "every tick is a run or is counted: {counts:?}");
    let runs: Vec<usize> = ["a", "b", "c", "d"].map(|node| bench.starts_of(node).len()).to_vec();
    assert!(runs.iter().all(|n| *n >= 200), "all get their turn: {runs:?}");
}

#[tokio::test(start_paused = true)]
async fn hung_targets_beyond_the_bound_leave_the_healthy_their_ticks() {
    let bench = bench(|node, _| if node.starts_with("hung") { Step::Hang } else { answer() });
    let hung: Vec<String> = (0..84).map(|n| format!("hung{n}")).collect();
    let healthy: Vec<String> = (0..50).map(|n| format!("good{n}")).collect();
    let all = [hung.clone(), healthy.clone()].concat();
    bench.apply(vec![collector("c", seconds(10), &hung)]).await;
    // All hung ones start first; then the healthy ones come, in the same collector.
    bench.until(seconds(3)).await;
    bench.apply(vec![collector("c", seconds(10), &all)]).await;
    let periods = 110;
    bench.until(seconds(3 + periods * 10)).await;
    assert!(bench.counts.most.load(Ordering::Relaxed) <= 64, "the global bound holds");
    for node in &healthy {
        let up = bench.door.of(&format!("c/{node}/up"));
        let ups = up.iter().filter(|(_, value)| *value == Value::I64(1)).count() as u64;
        assert!(ups * 100 >= periods * 99, "{node} kept {ups} of {periods} ticks");
        assert!(up[0].0 <= 3000 + 5000, "{node}: the first tick is kept, too: {}", up[0].0);
    }
    let status = bench.engine.status().await;
    assert_eq!(status.pool.probation, 84);
    for target in &status.collectors[0].targets {
        assert_eq!(target.up, Some(!target.node.starts_with("hung")), "{}", target.node);
        assert_eq!(target.probation, target.node.starts_with("hung"));
    }
    assert!(status.collectors[0].counts.held_back > 0);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_answers_again_leaves_probation_and_its_series_live_on() {
    let bench = bench(|_, n| if (2..6).contains(&n) { Step::Hang } else { answer() });
    bench.apply(vec![collector("c", seconds(10), &["a"])]).await;
    bench.until(seconds(45)).await;
    let status = bench.collector("c").await.targets.remove(0);
    assert!(status.probation && status.up == Some(false));
    let error = status.last_error.unwrap();
    assert_eq!((error.word, error.text.as_str()), ("timed_out", "timed out: no answer within 8s"));
    let stale = ("c/a/second".to_owned(), Life::Stale, "target timed out: no answer within 8s".to_owned());
    assert_eq!(bench.door.lives(), [stale], "said once, and not of what the cut run gave");
    bench.until(seconds(400)).await;
    let status = bench.collector("c").await.targets.remove(0);
    assert!(!status.probation && status.up == Some(true) && status.last_success.is_some());
    assert!(status.last_error.is_some(), "the last error stays readable");
    let up = bench.door.of("c/a/up");
    assert!(up.windows(2).all(|pair| pair[1].0 - pair[0].0 <= 20_000), "`up` goes on through rests: {up:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_run_gave_before_its_deadline_or_its_panic_is_kept() {
    let bench = bench(|node, _| if node == "hangs" { Step::Hang } else { Step::Panic });
    bench.apply(vec![collector("c", seconds(10), &["hangs", "panics"])]).await;
    bench.until(seconds(11)).await;
    for node in ["hangs", "panics"] {
        let first = bench.door.of(&format!("c/{node}/first"));
        let up = bench.door.of(&format!("c/{node}/up"));
        assert_eq!(first[0].1, Value::I64(1));
        assert_eq!(up[0], (first[0].0, Value::I64(0)), "stamped with the start of the run");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_is_replaced_and_harms_nobody() {
    let bench = bench(|node, n| if node == "bad" && n == 2 { Step::Panic } else { answer() });
    bench.apply(vec![collector("c", seconds(1), &["bad", "good"])]).await;
    bench.until(seconds(60)).await;
    let status = bench.collector("c").await;
    assert!(status.counts.panics >= 18, "every third run: {:?}", status.counts);
    assert_eq!(status.counts.failures, status.counts.panics);
    let probes = bench.counts.probes.load(Ordering::Relaxed) as u64;
    assert!(probes - status.counts.panics <= 2 && probes > status.counts.panics, "{probes} probes made");
    let bad = &status.targets[0];
    assert_eq!(bad.last_error.as_ref().unwrap().text, "the probe panicked: as the script says");
    assert!(bench.starts_of("good").len() >= 59 && status.targets[1].last_error.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reload_leaves_what_did_not_change_alone() {
    let bench = bench(|_, _| answer());
    let keep = collector("keep", seconds(7), &["a"]);
    let mut change = collector("change", seconds(5), &["b", "c"]);
    bench.apply(vec![keep.clone(), change.clone()]).await;
    bench.until(seconds(100)).await;
    let probes = bench.counts.probes.load(Ordering::Relaxed);
    change.period = seconds(4);
    let grows = collector("grows", seconds(5), &["d"]);
    let applied = bench.apply(vec![keep.clone(), change.clone(), grows.clone()]).await;
    assert_eq!(
        (applied.kept, applied.changed, applied.added),
        (vec!["keep".to_owned()], vec!["change".to_owned()], vec!["grows".to_owned()])
    );
    assert_eq!(bench.counts.probes.load(Ordering::Relaxed), probes + 3);
    bench.until(seconds(200)).await;
    let grown = collector("grows", seconds(5), &["e", "d"]);
    let applied = bench.apply(vec![keep, change, grown]).await;
    assert_eq!(applied.retargeted, ["grows"]);
    assert_eq!(bench.counts.probes.load(Ordering::Relaxed), probes + 4, "only the new target is new");
    bench.until(seconds(300)).await;
    let starts = bench.starts_of("a");
    assert!(on_one_grid(&starts[1..], seconds(7)) && starts.len() >= 42, "{starts:?}");
    let runs = bench.door.of("keep/a/first");
    let expected: Vec<Value> = (1..=runs.len()).map(|n| Value::I64(n.try_into().unwrap())).collect();
    assert_eq!(
        runs.into_iter().map(|(_, value)| value).collect::<Vec<_>>(),
        expected,
        "the probe kept its state"
    );
    assert!(on_one_grid(&bench.starts_of("d")[1..], seconds(5)));
    assert!(bench.door.lives().is_empty(), "nothing ended");
}

#[tokio::test(start_paused = true)]
async fn the_series_of_what_is_removed_end_even_while_it_runs() {
    let bench = bench(|node, _| if node == "hangs" { Step::Hang } else { answer() });
    let both = collector("c", seconds(10), &["a", "hangs"]);
    bench.apply(vec![both, collector("other", seconds(10), &["x"])]).await;
    bench.until(seconds(5)).await;
    assert_eq!(bench.counts.running.load(Ordering::Relaxed), 1, "one hangs");
    let applied = bench.apply(vec![collector("c", seconds(10), &["a"])]).await;
    assert_eq!((applied.retargeted, applied.removed), (vec!["c".to_owned()], vec!["other".to_owned()]));
    bench.until(seconds(6)).await;
    assert_eq!(bench.counts.running.load(Ordering::Relaxed), 0, "the run was cut");
    let ended: Vec<(String, String)> = bench
        .door
        .lives()
        .into_iter()
        .inspect(|(_, life, _)| assert_eq!(*life, Life::Ended))
        .map(|(path, _, reason)| (path, reason))
        .collect();
    let because = |path: &str, reason: &str| (path.to_owned(), reason.to_owned());
    for expected in [
        because("other/x/first", "collector removed"),
        because("other/x/second", "collector removed"),
        because("other/x/up", "collector removed"),
        because("c/hangs/first", "target removed"),
    ] {
        assert!(ended.contains(&expected), "{expected:?} in {ended:?}");
    }
    assert_eq!(ended.len(), 4, "what was handed in by the cut run ended, too; nothing else did: {ended:?}");
    bench.until(seconds(100)).await;
    assert!(bench.starts_of("x").iter().all(|at| *at <= seconds(5)), "no run after the removal");
}

#[tokio::test(start_paused = true)]
async fn a_configuration_is_applied_whole_or_not_at_all() {
    let bench = bench(|_, _| answer());
    bench.apply(vec![collector("c", seconds(10), &["a"])]).await;
    let refused = |collectors| async {
        bench.engine.apply(PoolSpec::default(), collectors).await.unwrap_err().to_string()
    };
    assert_eq!(
        refused(vec![collector("new", seconds(1), &["b"]), collector("bad", seconds(1), &["impossible"])])
            .await,
        "collector `bad`, target `impossible`: no such thing"
    );
    assert_eq!(
        refused(vec![collector("c", seconds(1), &["a", "a"])]).await,
        "collector `c`: target `a` is given twice"
    );
    let twice = vec![collector("c", seconds(1), &["a"]), collector("c", seconds(2), &["a"])];
    assert_eq!(refused(twice).await, "collector `c` is configured twice");
    let mut script = collector("s", seconds(1), &["a"]);
    script.module = ModuleSpec::Script(crate::spec::ScriptSpec {
        command: vec!["x".to_owned()],
        format: crate::spec::ScriptFormat::Json,
        environment: BTreeMap::new(),
        directory: "/".into(),
        max_output: 1,
        max_memory: None,
    });
    assert_eq!(refused(vec![script]).await, "collector `s`: no module `script`: expected one of host");
    let names: Vec<String> = bench.engine.status().await.collectors.into_iter().map(|c| c.name).collect();
    assert_eq!(names, ["c"]);
    bench.until(seconds(100)).await;
    assert!(on_one_grid(&bench.starts_of("a")[1..], seconds(10)));
}

#[tokio::test(start_paused = true)]
async fn different_failures_are_different_words() {
    let bench = bench(|node, _| match node {
        "refuses" => Step::Fail(CollectError::RefusedCredentials("bad password".to_owned())),
        "nothing" => Step::Fail(CollectError::NoSuchObject("1.3.6".to_owned())),
        "slow" => Step::Fail(CollectError::TimedOut("3 tries".to_owned())),
        "refused series" => answer(),
        _ => Step::Parts,
    });
    let nodes = ["refuses", "nothing", "slow", "parts", "refused series"];
    bench.apply(vec![collector("c", seconds(10), &nodes)]).await;
    bench.until(seconds(5)).await;
    let status = bench.collector("c").await;
    let errors: Vec<(&str, String, Option<bool>, bool)> = status
        .targets
        .into_iter()
        .map(|target| {
            let error = target.last_error.unwrap();
            (error.word, error.text, target.up, target.probation)
        })
        .collect();
    let text = |text: &str| text.to_owned();
    assert_eq!(
        errors,
        [
            ("refused_credentials", text("refused credentials: bad password"), Some(false), false),
            ("no_such_object", text("no such object: 1.3.6"), Some(false), false),
            ("timed_out", text("timed out: 3 tries"), Some(false), true),
            ("timed_out", text("/mnt/a: timed out: no answer (and 1 more parts)"), Some(true), false),
            ("failed", text("series: failed: 1 series was refused: series_limit"), Some(true), false),
        ]
    );
    assert_eq!((status.counts.timeouts, status.counts.failures, status.counts.part_failures), (1, 2, 3));
}

#[tokio::test(start_paused = true)]
async fn it_reports_of_itself_in_the_cluster_hedgerow() {
    let bench = bench(|node, n| if node == "bad" && n < 5 { Step::Hang } else { answer() });
    bench.apply(vec![collector("c", seconds(5), &["bad", "good"])]).await;
    bench.until(seconds(31)).await;
    let declared = bench.door.series.lock().unwrap().len();
    let own: Vec<String> = (1..=declared)
        .map(|n| bench.door.path(SeriesId(u32::try_from(n).unwrap())))
        .filter(|path| path.starts_with("hedgerow/"))
        .collect();
    for parameter in report::parameters() {
        let found = own.iter().any(|path| path.split(['/', '[']).nth(2) == Some(parameter));
        assert!(
            found && own.iter().all(|path| path.starts_with("hedgerow/farmhost/")),
            "{parameter} in {own:?}"
        );
    }
    let runs = bench.door.of("hedgerow/farmhost/collector_runs[collector=c]");
    assert_eq!(runs.iter().map(|(time, _)| *time / 1000).collect::<Vec<_>>(), [10, 20, 30]);
    let status = bench.collector("c").await;
    assert!(matches!(runs[2].1, Value::I64(n) if n <= status.counts.runs.cast_signed() && n > 5));
    let error = bench.door.of("hedgerow/farmhost/target_last_error[collector=c,item=bad]");
    assert_eq!(error[0].1, Value::Text("timed out: no answer within 4s".into()));
    assert!(bench.door.of("hedgerow/farmhost/target_last_error[collector=c,item=good]").is_empty());
    bench.until(seconds(600)).await;
    let stale = bench.door.lives().into_iter().find(|(path, ..)| path.contains("target_last_error")).unwrap();
    assert_eq!((stale.1, stale.2.as_str()), (Life::Stale, "the target answers again"));
    let marks = bench.door.samples.lock().unwrap().clone();
    let reset = marks
        .iter()
        .filter(|(id, _, _, mark)| bench.door.path(*id).contains("collector_runs") && mark.is_some());
    assert_eq!(reset.count(), 1, "the counters began again when the process did");
}

#[tokio::test(start_paused = true)]
async fn draining_hands_in_what_there_is_and_stops() {
    let bench = bench(|node, _| if node == "hangs" { Step::Hang } else { Step::Answer(seconds(1)) });
    bench.apply(vec![collector("c", seconds(20), &["hangs", "slow"])]).await;
    bench.until(seconds(2)).await;
    let before = Instant::now();
    bench.engine.drain(seconds(2)).await;
    assert!(before.elapsed() < seconds(3));
    assert_eq!(bench.door.of("c/hangs/first").len(), 1, "the cut run's samples are in");
    assert_eq!(bench.door.of("c/slow/second").len(), 1, "the one that could end did");
    assert_eq!(bench.door.of("hedgerow/farmhost/collector_runs[collector=c]").len(), 1);
    assert_eq!(bench.engine.apply(PoolSpec::default(), Vec::new()).await, Err(ApplyError::Stopped));
    assert_eq!(bench.engine.status().await, EngineStatus::default());
    let starts = bench.counts.starts.lock().unwrap().len();
    bench.until(seconds(100)).await;
    assert_eq!(bench.counts.starts.lock().unwrap().len(), starts);
}

#[tokio::test(start_paused = true)]
async fn one_run_gives_samples_errors_and_time() {
    let script: Script = Arc::new(|node, _| match node {
        "refused-hangs" => Step::Hang,
        "refused-labels" => Step::Label("item".to_owned(), "x".to_owned()),
        _ => Step::Parts,
    });
    let modules: Vec<Box<dyn Module>> = vec![Box::new(Fake { script, counts: Arc::default() })];
    let spec = collector("c", seconds(10), &["parts"]);
    let wall = wall();
    let one = run_once(&modules, &spec, &target("refused-parts"), &wall).await.unwrap();
    assert_eq!(
        one.samples.iter().map(|s| &*s.series.key.parameter).collect::<Vec<_>>(),
        ["first", "refused", "up"]
    );
    assert_eq!(one.samples[2].value, Value::I64(1));
    assert_eq!(
        one.errors.iter().map(|(part, _)| part.as_deref()).collect::<Vec<_>>(),
        [Some("/mnt/a"), Some("/mnt/b")]
    );
    let one = run_once(&modules, &spec, &target("refused-hangs"), &wall).await.unwrap();
    assert_eq!(one.errors, [(None, CollectError::TimedOut("no answer within 8s".to_owned()))]);
    assert_eq!((one.took, one.samples.len()), (seconds(8), 3));
    let mut labelled = target("refused-labels");
    labelled.labels =
        BTreeMap::from([("rack".to_owned(), "r1".to_owned()), ("item".to_owned(), "own".to_owned())]);
    let one = run_once(&modules, &spec, &labelled, &wall).await.unwrap();
    let third = &one.samples[2].series;
    assert_eq!(
        third.key.labels,
        Labels::new([("item", "x"), ("rack", "r1")]).unwrap(),
        "the row's own label stands"
    );
    assert_eq!((third.interval, third.lifetime), (Some(seconds(10)), Some(seconds(86_400))));
    assert!(run_once(&modules, &spec, &target("impossible"), &wall).await.is_err());
}
