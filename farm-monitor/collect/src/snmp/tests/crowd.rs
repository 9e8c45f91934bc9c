//! Five hundred agents in the engine, a third of them dead, in virtual time: the others miss no tick.

use super::agent::{Memory, oid};
use super::spec;
use crate::engine::{Engine, EngineConfig, REPORT_EVERY};
use crate::front_door::{Accepted, FrontDoor, OriginId};
use crate::snmp::SnmpModule;
use crate::spec::{PoolSpec, ProfileChoice, Target};
use hedgerow_model::{Batch, Life, Name, Refusal, SeriesDef, SeriesId, SeriesKey, Value as Shown};
use hedgerow_snmp::{Agent, Ask, AskError, BoxFuture, Reply, Request};
use hedgerow_snmp_profile::Library;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

const AGENTS: usize = 500;
const PERIODS: i64 = 20;

/// Keeps when each target's `up` came, in milliseconds, and what it was.
struct Door {
    series: Mutex<(Vec<SeriesKey>, HashMap<SeriesKey, SeriesId>)>,
    ups: Mutex<BTreeMap<String, Vec<(u128, bool)>>>,
    begun: Instant,
}

impl FrontDoor for Door {
    fn origin(&self, _: &str) -> OriginId {
        OriginId(0)
    }

    fn declare(&self, _: OriginId, def: &SeriesDef) -> Result<SeriesId, Refusal> {
        let (keys, ids) = &mut *self.series.lock().unwrap();
        Ok(*ids.entry(def.key.clone()).or_insert_with(|| {
            keys.push(def.key.clone());
            SeriesId(u32::try_from(keys.len()).unwrap())
        }))
    }

    fn accept(&self, _: OriginId, batch: Batch) -> Accepted {
        let (keys, _) = &*self.series.lock().unwrap();
        for (id, _, value) in batch.iter() {
            let key = &keys[id.0 as usize - 1];
            if &*key.parameter == "up" {
                let up = (self.begun.elapsed().as_millis(), value == Shown::I64(1));
                self.ups.lock().unwrap().entry(key.node.to_string()).or_default().push(up);
            }
        }
        Accepted { accepted: batch.len() as u64, refused: Vec::new() }
    }

    fn set_life(&self, _: &[SeriesId], _: Life, _: &str) {}
}

/// All agents are the same one; those with an odd third byte are dead.
struct Crowd(Memory, Duration);

impl Ask for Crowd {
    fn ask<'a>(
        &'a self,
        agent: &'a Agent,
        request: Request,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Reply, AskError>> {
        let std::net::IpAddr::V4(address) = agent.address.ip() else { panic!() };
        if address.octets()[2] == 1 {
            return Box::pin(async move {
                tokio::time::sleep_until(deadline.min(Instant::now() + self.1)).await;
                let (address, waited, seen) = (agent.address, self.1, String::new());
                Err(AskError::TimedOut { address, attempts: 3, waited, seen })
            });
        }
        self.0.lock().asked.clear();
        self.0.ask(agent, request, deadline)
    }
}

/// When each healthy target had its first and its worst later run, and how many runs it had at least.
struct Outcome {
    first: u128,
    longest_gap: u128,
    fewest: usize,
}

async fn crowd(pool: PoolSpec, dead: usize) -> Outcome {
    let memory = Memory::new();
    memory.system();
    memory.lock().mib.retain(|name, _| name.starts_with(&oid("1.3.6.1.2.1.1")));
    let begun = Instant::now();
    let door = Arc::new(Door { series: Mutex::default(), ups: Mutex::default(), begun });
    let spec = {
        let mut spec = spec(&memory, Library::shipped(), ProfileChoice::Named(vec!["system".to_owned()]));
        spec.targets = (0..AGENTS)
            .map(|n| Target {
                node: format!("{}{n}", if n % AGENTS < dead { "dead" } else { "live" }),
                address: format!(
                    "10.0.{}.{}",
                    u8::from(n < dead) + 2 * u8::from(n >= dead && n >= 250),
                    n % 250
                ),
                labels: BTreeMap::new(),
            })
            .collect();
        spec
    };
    let ask = Arc::new(Crowd(memory, Duration::from_secs(7)));
    let module = SnmpModule::new(ask, Arc::default());
    let wall = Arc::new(move || 1_800_000_000_000 + i64::try_from(begun.elapsed().as_millis()).unwrap());
    let config = EngineConfig { node: Name::new("farm").unwrap(), wall, report_every: REPORT_EVERY };
    let engine = Engine::start(door.clone(), vec![Box::new(module)], config);
    engine.apply(pool, vec![spec]).await.unwrap();
    tokio::time::sleep_until(begun + Duration::from_secs(60) * u32::try_from(PERIODS).unwrap()).await;
    let ups = door.ups.lock().unwrap();
    let live: Vec<&Vec<(u128, bool)>> =
        ups.iter().filter(|(node, _)| node.starts_with("live")).map(|(_, ups)| ups).collect();
    assert_eq!(live.len(), AGENTS - dead);
    assert!(live.iter().all(|ups| ups.iter().all(|(_, up)| *up)));
    let gap =
        |ups: &&Vec<(u128, bool)>| ups.windows(2).skip(1).map(|pair| pair[1].0 - pair[0].0).max().unwrap();
    Outcome {
        first: live.iter().map(|ups| ups[0].0).max().unwrap(),
        longest_gap: live.iter().map(gap).max().unwrap(),
        fewest: live.iter().map(|ups| ups.len()).min().unwrap(),
    }
}

#[tokio::test(start_paused = true)]
async fn dead_agents_cost_the_others_nothing() {
    let healthy = crowd(PoolSpec::default(), 0).await;
    for dead in [50, 150] {
        let with = crowd(PoolSpec::default(), dead).await;
        println!(
            "{dead} dead: first {} ms (healthy {}), longest gap {}",
            with.first, healthy.first, with.longest_gap
        );
        assert!(
            with.first * 10 <= healthy.first * 11,
            "{dead} dead: {} and {} ms",
            with.first,
            healthy.first
        );
        assert!(with.longest_gap <= 60_100, "{dead} dead: no tick is missed: {} ms", with.longest_gap);
        assert!(with.fewest >= 20, "{dead} dead: {} runs", with.fewest);
    }
}

#[tokio::test(start_paused = true)]
async fn a_small_pool_makes_them_late_once_and_loses_nothing() {
    let with = crowd(PoolSpec { global: 64, ..PoolSpec::default() }, 150).await;
    println!("of 64 slots: first {} ms, longest gap {} ms", with.first, with.longest_gap);
    assert!(with.first < 10_000 && with.longest_gap <= 60_100 && with.fewest >= 20);
}
