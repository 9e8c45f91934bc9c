//! A farm's collection of many agents, as a farm runs it: configuration read from files, the module `snmp`, the real schedule
//! and pool with their defaults. In place of the hub there is a front door that notes what comes, and when.

use super::COLUMNS;
use super::figures::check;
use hedgerow_collect::engine::{Engine, EngineConfig, EngineHandle, REPORT_EVERY};
use hedgerow_collect::front_door::{Accepted, FrontDoor, OriginId};
use hedgerow_collect::schedule::{Schedule, TargetKey, spread};
use hedgerow_farm_monitor::config;
use hedgerow_farm_monitor::snmp::Snmp;
use hedgerow_model::{Batch, Life, Name, Refusal, SeriesDef, SeriesId, SeriesKey, Value};
use hedgerow_service::clock::unix_millis;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Kinds of [`COLUMNS`], in their order.
const KINDS: [&str; 10] = [
    "counter", "counter", "counter", "counter", "gauge", "gauge", "counter", "counter", "counter", "counter",
];

/// How much later the engine may have taken its order.
const UNCERTAIN: Duration = Duration::from_millis(200);

/// What came of one agent at one time.
#[derive(Debug, Clone, Copy)]
pub struct Delivery {
    pub agent: usize,
    pub at: Instant,
    pub values: u64,
    pub checksum: u64,
}

/// A collection that runs.
pub struct Site {
    door: Arc<Door>,
    engine: EngineHandle,
    snmp: Snmp,
    began: Instant,
    schedule: Schedule,
    agents: usize,
    period: Duration,
    _folder: TempDir,
}

impl Site {
    /// Begins to collect from the agents in the file of targets.
    pub async fn start(targets: &str, period: Duration) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        write_configuration(folder.path(), targets, period).map_err(|error| error.to_string())?;
        let config = config::load(folder.path(), "bench").map_err(|error| error.to_string())?;
        let node = Name::new("bench").map_err(|error| error.to_string())?;
        let (door, snmp) = (Arc::new(Door::default()), Snmp::default());
        let began = Instant::now();
        let engine = Engine::start(
            door.clone(),
            vec![Box::new(snmp.clone())],
            EngineConfig { node, wall: Arc::new(unix_millis), report_every: REPORT_EVERY },
        );
        let [collector] = &config.collectors[..] else { return Err("expected one collector".to_owned()) };
        let mut schedule = Schedule::default();
        for (number, target) in collector.targets.iter().enumerate() {
            let hash = spread(&collector.name, &target.node, &target.address);
            schedule.add(TargetKey(number as u64), hash, period, began.elapsed());
        }
        let agents = collector.targets.len();
        engine.apply(config.pool, config.collectors).await.map_err(|error| error.to_string())?;
        Ok(Self { door, engine, snmp, began, schedule, agents, period, _folder: folder })
    }

    /// What has come so far.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.door.state().deliveries.clone()
    }

    /// How many values have come so far.
    pub fn values(&self) -> u64 {
        self.door.state().deliveries.iter().map(|delivery| delivery.values).sum()
    }

    /// Requests sent so far.
    pub fn sent(&self) -> u64 {
        self.snmp.counts().map_or(0, |counts| counts.sent.get())
    }

    /// Stops, and gives of each agent its ticks before `until`, each with what came between it and the next.
    pub async fn finish(mut self, until: Instant) -> Vec<Vec<Turn>> {
        self.engine.drain(Duration::ZERO).await;
        let mut turns: Vec<Vec<Turn>> = vec![Vec::new(); self.agents];
        while let Some(next) = self.schedule.next().filter(|next| self.began + *next < until) {
            for tick in self.schedule.due(next) {
                let agent = usize::try_from(tick.key.0).unwrap_or(usize::MAX);
                if let Some(turns) = turns.get_mut(agent) {
                    let is_first = turns.is_empty();
                    turns.push(Turn {
                        tick: self.began + tick.at,
                        is_first,
                        took: None,
                        values: 0,
                        checksum: 0,
                    });
                }
            }
        }
        for Delivery { agent, at, values, checksum } in self.deliveries() {
            let turns = turns.get_mut(agent).map(Vec::as_mut_slice).unwrap_or_default();
            if at < until
                && let Some(turn) = turns.iter_mut().rfind(|turn| turn.tick <= at)
            {
                turn.took = Some(at - turn.tick);
                turn.values += values;
                turn.checksum = turn.checksum.wrapping_add(checksum);
            }
        }
        turns.iter_mut().for_each(|turns| forget_uncertain(turns, self.period));
        turns
    }
}

/// The first tick is counted from the moment at which the engine took its order, which is not known here but nearly. Where
/// it depends on that moment whether the grid's next point is left out, nothing is said of both.
fn forget_uncertain(turns: &mut Vec<Turn>, period: Duration) {
    if let [first, second, ..] = turns[..] {
        let gap = second.tick - first.tick;
        if gap < period / 2 + UNCERTAIN || gap > period * 3 / 2 - UNCERTAIN {
            turns.drain(..2);
        }
    }
}

/// One turn of an agent.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    pub tick: Instant,
    /// It is the first of all.
    pub is_first: bool,
    /// From the tick to the last value.
    pub took: Option<Duration>,
    pub values: u64,
    pub checksum: u64,
}

fn write_configuration(folder: &std::path::Path, targets: &str, period: Duration) -> std::io::Result<()> {
    let farm = format!(
        "[farm]\nname = \"bench\"\n\n[collector.bench]\nmodule = \"snmp\"\nprofiles = [\"bench\"]\nperiod = \"{}ms\"\ntargets_from = \"{targets}\"\n",
        period.as_millis()
    );
    fs::write(folder.join("farm.toml"), farm)?;
    let mut profile = "[table.bench]\nindex = \"row\"\nitem = \"{row}\"\n".to_owned();
    for (number, (column, kind)) in COLUMNS.iter().zip(KINDS).enumerate() {
        let oid = column.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
        let _ = write!(
            profile,
            "\n[table.bench.column.c{number}]\noid = \"{oid}\"\nparameter = \"c{number}\"\nkind = \"{kind}\"\n"
        );
    }
    fs::create_dir(folder.join("profiles"))?;
    fs::write(folder.join("profiles/bench.toml"), profile)
}

/// Notes what comes in.
#[derive(Default)]
struct Door(Mutex<State>);

#[derive(Default)]
struct State {
    known: HashMap<SeriesKey, SeriesId>,
    /// Agent, column and row of each series; `None`: no value of an agent.
    series: Vec<Option<(usize, usize, u32)>>,
    deliveries: Vec<Delivery>,
}

impl Door {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `agent00012`, `c3`, the label `item` `7`.
fn whose(key: &SeriesKey) -> Option<(usize, usize, u32)> {
    let agent = key.node.strip_prefix("agent")?.parse().ok()?;
    let column = key.parameter.strip_prefix('c')?.parse().ok()?;
    let row = key.labels.iter().find(|(label, _)| *label == "item")?.1.parse().ok()?;
    Some((agent, column, row))
}

impl FrontDoor for Door {
    fn origin(&self, _name: &str) -> OriginId {
        OriginId(0)
    }

    fn declare(&self, _origin: OriginId, def: &SeriesDef) -> Result<SeriesId, Refusal> {
        let mut state = self.state();
        if let Some(id) = state.known.get(&def.key) {
            return Ok(*id);
        }
        let id = SeriesId(u32::try_from(state.series.len()).unwrap_or(u32::MAX));
        state.series.push(whose(&def.key));
        state.known.insert(def.key.clone(), id);
        Ok(id)
    }

    fn accept(&self, _origin: OriginId, batch: Batch) -> Accepted {
        let at = Instant::now();
        let mut state = self.state();
        let mut delivery: Option<Delivery> = None;
        for (id, _, value) in batch.iter() {
            let series = state.series.get(id.0 as usize).copied().flatten();
            let (Some((agent, column, row)), Some(value)) = (series, whole(&value)) else { continue };
            let delivery = delivery.get_or_insert(Delivery { agent, at, values: 0, checksum: 0 });
            delivery.values += 1;
            delivery.checksum = delivery.checksum.wrapping_add(check(agent, column, row, value));
        }
        state.deliveries.extend(delivery);
        Accepted { accepted: batch.len() as u64, refused: Vec::new() }
    }

    fn set_life(&self, _series: &[SeriesId], _life: Life, _reason: &str) {}
}

fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::I64(number) | Value::State(number, _) => Some(number.cast_unsigned()),
        Value::F64(number) => Some(*number as u64),
        Value::Text(_) => None,
    }
}
