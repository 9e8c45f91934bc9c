//! Simulated agents beside a farm: what they truly say, and what the farm shows of them.

use crate::expected::{Key, Shown, expected, key, lies_between};
use crate::told::wait_told;
use hedgerow_e2e::{Access, Process, Said, Sandbox, SnmpCollector, Walk};
use hedgerow_model::Kind;
use hedgerow_sim::{Device, Sim, Value as Raw};
use hedgerow_snmp_profile::Library;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Series by what they are and what they show.
pub type Truth = BTreeMap<Key, (Kind, Shown)>;

/// The community that simulated agents take.
pub const ACCESS: Access = Access::V2c("public");

/// A farm that asks simulated agents.
pub struct Farm {
    pub sandbox: Sandbox,
    pub up: Process,
    pub sim: Sim,
}

impl Farm {
    /// One whose collector `net` asks the agents of `sim`, of these names, for these profiles; `lines` say more of it.
    pub fn start(sim: Sim, names: &[&str], profiles: &[&str], lines: &[&str]) -> Self {
        Self::start_as(&ACCESS, sim, names, profiles, lines)
    }

    /// The same, as somebody else.
    pub fn start_as(access: &Access, sim: Sim, names: &[&str], profiles: &[&str], lines: &[&str]) -> Self {
        let sandbox = Sandbox::new();
        let up = sandbox.up();
        let addresses: Vec<String> = sim.addresses().iter().map(ToString::to_string).collect();
        assert_eq!(addresses.len(), names.len());
        let targets: Vec<(&str, &str)> =
            names.iter().copied().zip(addresses.iter().map(String::as_str)).collect();
        let collector = SnmpCollector::new("net", access, &targets).profiles(profiles);
        let collector = lines.iter().fold(collector, |collector, line| collector.with(line));
        sandbox.configure_more(&format!("{}\n{}", access.credentials(&sandbox), collector.toml()));
        Self { sandbox, up, sim }
    }

    /// All samples of a node, in the order of their numbers.
    pub fn samples(&self, node: &str) -> Vec<Value> {
        self.query(&format!("*/net/{node}"), &["--since", "1h", "--numbers"])
    }

    /// What a question gives; nothing while the farm does not answer.
    pub fn query(&self, question: &str, words: &[&str]) -> Vec<Value> {
        let asked = self.sandbox.client(&[&["query", question, "--json"], words].concat());
        if asked.code() == 0 { hedgerow_e2e::json_lines(&asked.stdout) } else { Vec::new() }
    }

    /// The series of a node, with what they are now.
    pub fn series(&self, node: &str) -> Vec<Value> {
        self.sandbox.client(&["ls", &format!("*/net/{node}"), "--json"]).json()
    }

    /// What the farm's status says of the collector, once it has it.
    pub fn collector(&self) -> Value {
        wait_told("the collector in the farm's status", || {
            let mut status = self.sandbox.status();
            let collectors = status["collectors"].as_array_mut().unwrap();
            let net = collectors.iter().position(|collector| collector["name"] == "net");
            net.map(|at| collectors.swap_remove(at)).ok_or_else(|| status.to_string())
        })
    }

    /// Waits until so many runs of a node gave its `up`, and gives the time of the newest.
    pub fn runs(&self, node: &str, many: usize) -> i64 {
        wait_told(&format!("{many} runs of {node}"), || {
            let ups = self.query(&format!("*/net/{node}/up"), &["--since", "1h"]);
            let newest = ups.iter().filter_map(|sample| sample["time"].as_i64()).max();
            newest.filter(|_| ups.len() >= many).ok_or_else(|| format!("{} runs: {ups:?}", ups.len()))
        })
    }

    /// Waits for the next `many` whole runs of a node.
    pub fn more_runs(&self, node: &str, many: usize) {
        let before = self.query(&format!("*/net/{node}/up"), &["--since", "1h"]).len();
        self.runs(node, before + many);
    }

    /// What the agent of this place says by these profiles. No agent answers while one is looked at, and so it is for a moment.
    pub fn truth(&self, agent: usize, profiles: &[&str]) -> Truth {
        truth(&self.sim.with(agent, |agent| agent.device.clone()).unwrap(), profiles)
    }

    /// The last words of `target_last_error` of a node, while there are any.
    pub fn last_error(&self, node: &str) -> Option<String> {
        let net = self.collector();
        let mut targets = net["targets"].as_array()?.iter();
        targets.find(|target| target["node"] == node)?["last_error"].as_str().map(str::to_owned)
    }

    /// Waits until the farm's own counter of this name is at least `least`, and gives it.
    pub fn counted(&self, name: &str, least: u64) -> u64 {
        wait_told(&format!("{name} to be {least}"), || {
            let counted = self.query(&format!("*/hedgerow/*/snmp[{name}]"), &["--last"]);
            let most = counted.iter().filter_map(|sample| sample["value"].as_u64()).max();
            most.filter(|value| *value >= least).ok_or_else(|| format!("{counted:?}"))
        })
    }
}

/// What a device says by these profiles.
pub fn truth(device: &Device, profiles: &[&str]) -> Truth {
    truth_of(&walk_of(device, false), profiles)
}

/// The same to who asks in version 1, which has no counters of 64 bits.
pub fn truth_v1(device: &Device, profiles: &[&str]) -> Truth {
    truth_of(&walk_of(device, true), profiles)
}

fn truth_of(said: &Walk, profiles: &[&str]) -> Truth {
    let library = Library::shipped();
    profiles.iter().flat_map(|name| expected(library.get(name).unwrap(), said)).collect()
}

/// Each of these samples is true. What is never missing: `up`.
pub fn assert_true(node: &str, samples: &[Value], truth: &Truth) {
    for sample in samples.iter().filter(|sample| sample["parameter"] != "up") {
        let Some((kind, shown)) = truth.get(&key(sample)) else {
            panic!("{node}: nothing of this: {sample}")
        };
        assert!(lies_between(sample, *kind, shown, shown), "{node}: {sample} where the agent says {shown:?}");
    }
}

/// They are all there, too.
pub fn assert_whole(node: &str, samples: &[Value], truth: &Truth) {
    assert_true(node, samples, truth);
    let seen: BTreeSet<Key> = samples.iter().map(key).collect();
    let missing: Vec<&Key> = truth.keys().filter(|key| !seen.contains(*key)).collect();
    assert!(missing.is_empty(), "{node}: {} of {} are missing: {missing:?}", missing.len(), truth.len());
}

/// Waits until a node has a sample of each series.
pub fn wait_whole(farm: &Farm, node: &str, truth: &Truth) {
    wait_told(&format!("each of the {} series of {node}", truth.len()), || {
        let seen: BTreeSet<Key> = farm.samples(node).iter().map(key).collect();
        let missing: Vec<&Key> = truth.keys().filter(|key| !seen.contains(*key)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(format!("{} are missing, {:?}: {missing:?}", missing.len(), farm.last_error(node)))
    });
}

fn walk_of(device: &Device, v1: bool) -> Walk {
    let mut walk = Walk::new();
    let mut at = hedgerow_sim::Oid::from(vec![1, 3]);
    while let Some((name, value)) = device.next(&at, v1) {
        walk.insert(name.to_vec(), said(value));
        at = name;
    }
    walk
}

fn said(value: Raw) -> Said {
    match value {
        Raw::Integer(number) => Said::Integer(number.into()),
        Raw::Octets(bytes) | Raw::Opaque(bytes) => Said::Bytes(bytes),
        Raw::ObjectId(oid) => Said::Oid(oid.to_vec()),
        Raw::IpAddress([a, b, c, d]) => Said::Address(format!("{a}.{b}.{c}.{d}")),
        Raw::Counter32(number) => Said::Counter32(number.into()),
        Raw::Gauge32(number) => Said::Gauge(number.into()),
        Raw::TimeTicks(number) => Said::TimeTicks(number.into()),
        Raw::Counter64(number) => Said::Counter64(number),
        Raw::Null | Raw::NoSuchObject | Raw::NoSuchInstance | Raw::EndOfMibView => {
            Said::Missing("nothing".to_owned())
        }
    }
}
