//! The module against agents in memory, in virtual time: what is handed in, and what never is.

mod agent;

use super::*;
use crate::module::CollectError;
use crate::spec::SnmpSpec;
use agent::{Memory, Notes, oid, text};
use hedgerow_model::{Life, Mark, Value as Shown};
use hedgerow_snmp::{Secret, Security, Value};
use hedgerow_snmp_profile::Library;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// A target, its probe, and what its runs gave.
struct Bench {
    agent: Memory,
    probe: Box<dyn Probe>,
    counts: Arc<Counts>,
    notes: Notes,
}

fn security(agent: &Memory) -> Security {
    let community = Secret::new("public");
    if agent.lock().v1 { Security::V1 { community } } else { Security::V2c { community } }
}

fn spec(agent: &Memory, library: Library, profiles: ProfileChoice) -> CollectorSpec {
    let access = SnmpAccess { port: 161, security: Arc::new(security(agent)), profiles };
    CollectorSpec {
        name: "net".to_owned(),
        cluster: "net".to_owned(),
        period: Duration::from_secs(60),
        deadline: Duration::from_secs(48),
        targets: Vec::new(),
        lifetime: None,
        module: ModuleSpec::Snmp(SnmpSpec {
            access,
            targets: BTreeMap::new(),
            library: Arc::new(library),
            timeout: Duration::from_secs(1),
            attempts: 3,
            window: 4,
            max_rows: 1000,
        }),
    }
}

fn target() -> Target {
    Target { node: "sw1".to_owned(), address: "192.0.2.1".to_owned(), labels: BTreeMap::new() }
}

impl Bench {
    fn with(agent: Memory, library: Library, profiles: ProfileChoice) -> Self {
        let counts = Arc::new(Counts::default());
        let module = SnmpModule::new(Arc::new(agent.clone()), counts.clone());
        let probe = module.probe(&spec(&agent, library, profiles), &target()).unwrap();
        Self { agent, probe, counts, notes: Notes::default() }
    }

    /// A switch with three interfaces, detected.
    fn switch() -> Self {
        let agent = Memory::new();
        agent.system();
        for (index, name) in [(1, "Gi0/1"), (2, "Gi0/2"), (3, "Gi0/3")] {
            agent.lock().interface(index, name, u64::from(index) * 1000);
        }
        Self::with(agent, Library::shipped(), ProfileChoice::Detect)
    }

    /// One run, a minute after the last.
    async fn run(&mut self) -> Result<(), CollectError> {
        self.run_within(Duration::from_secs(48)).await
    }

    async fn run_within(&mut self, deadline: Duration) -> Result<(), CollectError> {
        let begun = Instant::now();
        self.notes.time += 60_000;
        self.notes.parts.clear();
        self.notes.deadline = Some(begun + deadline);
        let done = self.probe.run(&mut self.notes).await;
        tokio::time::sleep_until(begun + Duration::from_secs(60)).await;
        done
    }

    fn octets(&self) -> BTreeMap<String, Shown> {
        self.notes.all("in")
    }
}

fn octets<const N: usize>(rows: [(&str, u64); N]) -> BTreeMap<String, Shown> {
    rows.into_iter().map(|(item, value)| (format!("in[{item}]"), Shown::counter(value))).collect()
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_has_is_found_and_read() {
    let mut bench = Bench::switch();
    bench.run().await.unwrap();
    assert_eq!(bench.notes.parts(), [""; 0]);
    assert_eq!(bench.octets(), octets([("Gi0/1", 1000), ("Gi0/2", 2000), ("Gi0/3", 3000)]));
    assert_eq!(bench.notes.last("system_name").unwrap().0, Shown::Text("sw1".into()));
    assert_eq!(bench.notes.last("link[Gi0/2]").unwrap().0, Shown::State(1, Some("up".into())));
    let Some((Shown::F64(up_time), _)) = bench.notes.last("agent_uptime") else { panic!() };
    assert!((100_000.0..100_001.0).contains(&up_time), "in seconds: {up_time}");
    let def = bench.notes.named("in[Gi0/1]").unwrap();
    assert_eq!((def.kind, def.unit.as_str(), def.source.as_str()), (hedgerow_model::Kind::Counter, "By", "snmp:net"));
    let first = bench.agent.lock().asked.len();
    bench.run().await.unwrap();
    bench.run().await.unwrap();
    let asked = bench.agent.lock().asked.len() - first;
    assert!(asked < 2 * first, "what is known is not found out again: {first}, then {asked} for two");
    assert_eq!(bench.octets().len(), 3);
}
