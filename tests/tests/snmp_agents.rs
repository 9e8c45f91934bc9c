//! Promise: agents as they are found. Small replies, old versions, long tables beside short ones, networks that lose, devices
//! that answer late or refuse a part: what they have is collected, and nobody waits for ever. Dead agents cost the living
//! nothing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs, dead_code)]

#[path = "support/expected.rs"]
mod expected;
#[path = "support/simulated.rs"]
mod simulated;

use hedgerow_e2e::{Access, PATIENCE, Sandbox, SnmpCollector, Snmpsim, wait_until};
use hedgerow_sim::{AgentConfig, DeviceConfig, Fault, Misbehaviour, Place, Sim, Versions};
use serde_json::Value;
use simulated::{Farm, assert_whole, wait_whole};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::Ipv4Addr;

const PROFILES: [&str; 2] = ["system", "interfaces"];
/// What the standard lets an agent stop at.
const LEAST_REPLY: usize = 484;

fn agent(rows: u32) -> AgentConfig {
    AgentConfig { device: DeviceConfig { rows, ..DeviceConfig::default() }, ..AgentConfig::default() }
}

fn start(agents: Vec<AgentConfig>) -> Sim {
    Sim::start(agents, Place::Ports(0), 3).unwrap()
}

/// The first of a thousand loopback addresses that no other test uses now.
fn own_addresses() -> Ipv4Addr {
    let block = std::process::id() % 4096;
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + block * 1024)
}

#[test]
fn small_replies_and_lossy_networks_give_all_values() {
    let small = AgentConfig { max_reply: LEAST_REPLY, ..agent(30) };
    let lossy = AgentConfig { faults: vec![Fault::sometimes(Misbehaviour::Silent, 0.05)], ..agent(60) };
    let both = AgentConfig { max_reply: LEAST_REPLY, ..lossy.clone() };
    let one_by_one = AgentConfig { one_at_a_time: true, ..agent(30) };
    let nodes = ["small", "lossy", "both", "one-by-one"];
    let farm = Farm::start(
        start(vec![small, lossy, both, one_by_one]),
        &nodes,
        &PROFILES,
        &["period = \"4s\"", "deadline = \"4s\"", "timeout = \"150ms\"", "attempts = 5"],
    );
    let mut lost = 0;
    for (number, node) in nodes.into_iter().enumerate() {
        farm.runs(node, 2);
        let truth = farm.truth(number, &PROFILES);
        let samples = farm.samples(node);
        assert_whole(node, &samples, &truth);
        // Not in the end, but in each run that ended.
        let mut runs: BTreeMap<i64, (usize, bool)> = BTreeMap::new();
        for sample in &samples {
            let run = runs.entry(sample["time"].as_i64().unwrap()).or_default();
            if sample["parameter"] == "up" { run.1 = true } else { run.0 += 1 }
        }
        runs.retain(|_, (_, ended)| *ended);
        assert!(
            runs.values().all(|(many, _)| *many == truth.len()),
            "{node}: {} each in {runs:?}",
            truth.len()
        );
        let counts = farm.sim.with(number, |agent| agent.counts()).unwrap();
        println!("{node}: {counts:?}");
        assert!(number % 2 == 1 || counts.longest_reply <= LEAST_REPLY, "{counts:?}");
        lost += counts.misbehaved;
    }
    assert!(lost > 0, "nothing was lost");
}

#[test]
fn an_agent_of_version_1_is_read_without_what_it_does_not_know() {
    let old = AgentConfig { versions: Versions::V1, max_reply: LEAST_REPLY, ..agent(10) };
    let access = Access::V1("public");
    let farm = Farm::start_as(&access, start(vec![old]), &["old"], &PROFILES, &["period = \"1s\""]);
    // There is no GETBULK and no Counter64; what there is has 32 bits.
    let truth = farm.sim.with(0, |agent| simulated::truth_v1(&agent.device, &PROFILES)).unwrap();
    wait_whole(&farm, "old", &truth);
    assert_whole("old", &farm.samples("old"), &truth);
    let counts = farm.sim.with(0, |agent| agent.counts()).unwrap();
    assert_eq!((counts.get_bulks, counts.refused), (0, 0), "{counts:?}");
}

#[test]
fn five_thousand_rows_of_one_agent_cost_its_500_small_neighbours_nothing() {
    const SMALL: usize = 500;
    let agents: Vec<AgentConfig> = [agent(5000)].into_iter().chain((0..SMALL).map(|_| agent(3))).collect();
    let names: Vec<String> = (0..=SMALL).map(|number| format!("sw{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let farm = Farm::start(start(agents), &names, &["interfaces"], &["period = \"20s\""]);
    let truth = farm.truth(0, &["interfaces"]);
    wait_until("all rows of the long table", 2 * PATIENCE, || {
        let collector = farm.collector();
        let target = collector["targets"].as_array().unwrap()[0].clone();
        target["samples"].as_u64().is_some_and(|samples| samples >= truth.len() as u64)
    });
    wait_until("a run of each", PATIENCE, || farm.query("*/net/*/up", &["--last"]).len() == SMALL + 1);
    let long = farm.query("*/net/sw000/in", &["--since", "1h"]);
    let of_in: simulated::Truth = truth.into_iter().filter(|((parameter, _), _)| parameter == "in").collect();
    assert_eq!(of_in.len(), 5000);
    assert_whole("the long one", &long, &of_in);
    let ups = farm.query("*/net/*/up", &["--last"]);
    let down = ups.iter().filter(|up| up["value"].as_f64() != Some(1.0)).count();
    let collector = farm.collector();
    let mut errors =
        collector["targets"].as_array().unwrap().iter().filter_map(|target| target["last_error"].as_str());
    let counted = |name| farm.counted(name, 0);
    let counted = ["late", "timed_out", "repeated", "buffer_dropped"].map(|name| (name, counted(name)));
    assert_eq!(down, 0, "{:?}; {counted:?}", errors.next());
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let small = farm.query("*/net/sw*/in", &["--last"]);
    for sample in &small {
        *seen.entry(sample["node"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(seen.len(), SMALL + 1);
    assert!(seen.iter().all(|(node, many)| node == "sw000" || *many == 3), "{seen:?}");
}

#[test]
fn live_agents_miss_no_value_for_150_dead_ones_of_500() {
    const ALL: usize = 500;
    const RUNS: usize = 4;
    let is_dead = |number: usize| number % 10 < 3;
    let dead = |number: usize| AgentConfig {
        // Some hosts are gone, of some only the agent is.
        is_closed: number.is_multiple_of(20),
        faults: vec![Fault::always(Misbehaviour::Silent)],
        ..agent(2)
    };
    let agents = (0..ALL).map(|number| if is_dead(number) { dead(number) } else { agent(2) }).collect();
    let names: Vec<String> = (0..ALL).map(|number| format!("sw{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let lines = ["period = \"5s\"", "timeout = \"500ms\"", "attempts = 2"];
    // Nobody else ever has the port of a closed one.
    let sim = Sim::start(agents, Place::Addresses(own_addresses(), 0), 3).unwrap();
    let farm = Farm::start(sim, &names, &["interfaces"], &lines);
    farm.runs("sw499", RUNS + 1);
    let truth = farm.truth(499, &["interfaces"]).len();
    let made: BTreeMap<String, u64> = {
        let collector = farm.collector();
        let number = |target: &Value, key: &str| target[key].as_u64().unwrap_or_default();
        let targets = collector["targets"].as_array().unwrap();
        println!(
            "runs {}, skipped {}, timeouts {}",
            collector["runs"], collector["skipped"], collector["timeouts"]
        );
        assert_eq!(collector["skipped"], 0, "a tick was missed");
        targets
            .iter()
            .map(|target| (target["node"].as_str().unwrap().to_owned(), number(target, "samples")))
            .collect()
    };
    let ins = farm.query("*/net/*/in", &["--since", "1h"]);
    let mut ticks: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
    for sample in &ins {
        ticks.entry(sample["node"].as_str().unwrap()).or_default().insert(sample["time"].as_i64().unwrap());
    }
    let live: Vec<&str> = (0..ALL).filter(|number| !is_dead(*number)).map(|number| names[number]).collect();
    for node in &live {
        let ticks: Vec<i64> = ticks.get(node).into_iter().flatten().copied().collect();
        assert!(ticks.len() >= RUNS, "{node} has {} runs", ticks.len());
        assert!(ticks.windows(2).all(|pair| pair[1] - pair[0] < 7500), "{node} missed a tick: {ticks:?}");
        assert_eq!(made[*node], truth as u64, "{node}: values of its last run");
    }
    assert_eq!(ticks.len(), live.len(), "no value of a dead one");
    let ups = farm.query("*/net/*/up", &["--last"]);
    let down = ups.iter().filter(|up| up["value"] == 0.0).count();
    assert_eq!((ups.len(), down), (ALL, ALL - live.len()), "each dead one is named");
}

/// What a small switch says of itself; rows of `in` are their number times 1000.
fn recording(more: &str) -> String {
    let mut lines = "1.3.6.1.2.1.1.1.0|4|Recorded switch\n1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.32473.1\n\
                     1.3.6.1.2.1.1.3.0|67|12345\n1.3.6.1.2.1.1.5.0|4|recorded\n"
        .to_owned();
    lines += more;
    for row in 1..=4 {
        writeln!(lines, "1.3.6.1.2.1.2.2.1.2.{row}|4|port{row}").unwrap();
    }
    for row in 1..=4 {
        writeln!(lines, "1.3.6.1.2.1.2.2.1.10.{row}|65|{row}000").unwrap();
    }
    lines
}

#[test]
fn recorded_devices_that_are_late_refuse_or_are_out_of_order_end_and_give_what_they_have() {
    let sandbox = Sandbox::new();
    let plain = recording("");
    let late = plain
        .replace("1.3.6.1.2.1.2.2.1.10.3|65|3000", "1.3.6.1.2.1.2.2.1.10.3|65:delay|value=3000,wait=400");
    let refuses = plain.replace(
        "1.3.6.1.2.1.2.2.1.10.3|65|3000",
        "1.3.6.1.2.1.2.2.1.10.3|65:error|value=3000,status=genError",
    );
    let mut lines: Vec<&str> = plain.lines().collect();
    // The column of `in` runs backwards, and begins again.
    let from = lines.len() - 4;
    lines[from..].reverse();
    let unsorted = lines.join("\n") + "\n";
    assert!(late != plain && refuses != plain && unsorted != plain);
    let names = ["plain", "late", "refuses", "unsorted"];
    let agent = Snmpsim::start(
        &sandbox,
        &names.into_iter().zip([&plain[..], &late, &refuses, &unsorted]).collect::<Vec<_>>(),
    );
    let mut config = String::new();
    for name in names {
        let access = Access::V2c(name);
        config +=
            &access.credentials(&sandbox).replace("[credentials.v2c]", &format!("[credentials.{name}]"));
        let collector = SnmpCollector::new(name, &access, &[(name, agent.address())]).profiles(&PROFILES);
        config += &collector
            .with("period = \"20s\"\ntimeout = \"1s\"")
            .toml()
            .replace("\"v2c\"", &format!("\"{name}\""));
    }
    let file = sandbox.path("recorded.toml");
    std::fs::write(&file, config).unwrap();
    for name in names {
        // It ends: that is the promise for the unsorted one.
        let run = sandbox.run(&["collect", "--config", file.to_str().unwrap(), "--only", name, "--json"]);
        println!("{name}: {}", run.stderr.trim_end());
        let samples = hedgerow_e2e::json_lines(&run.stdout);
        let of = |parameter: &str| -> BTreeMap<String, u64> {
            let samples = samples.iter().filter(|sample| sample["parameter"] == parameter);
            let shown = samples.map(|sample| {
                let item = sample["labels"]["item"].as_str().unwrap_or_default().to_owned();
                (item, sample["value"].as_u64().unwrap())
            });
            shown.collect()
        };
        let ins = of("in");
        assert!(
            ins.iter().all(|(item, value)| *item == format!("port{}", value / 1000)),
            "{name}: a value in a wrong row: {ins:?}"
        );
        assert!(samples.iter().any(|sample| sample["value"] == "recorded"), "{name}: {}", run.told());
        match name {
            // It has no more of the profiles than a few of their objects, which is said.
            "plain" | "late" => {
                assert!(
                    ins.len() == 4 && !run.stderr.contains("bad answer") && !run.stderr.contains("timed out"),
                    "{}",
                    run.told()
                );
            }
            "refuses" => assert!(run.code() == 3 && run.stderr.contains("genErr"), "{}", run.told()),
            _ => assert!(run.code() == 3 && run.stderr.contains("is not in order"), "{}", run.told()),
        }
    }
}
