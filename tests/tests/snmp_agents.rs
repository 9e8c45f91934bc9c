//! Promise: agents as they are found. Small replies, old versions, long tables beside short ones, networks that lose, devices
//! that answer late or refuse a part: what they have is collected, and nobody waits for ever. Dead agents cost the living
//! nothing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs, dead_code)]

#[path = "support/expected.rs"]
mod expected;
#[path = "support/simulated.rs"]
mod simulated;
#[path = "support/told.rs"]
mod told;

use hedgerow_e2e::{Access, Sandbox, SnmpCollector, Snmpsim};
use hedgerow_sim::{AgentConfig, DeviceConfig, Fault, Misbehaviour, Place, Sim, Versions};
use serde_json::Value;
use simulated::{Farm, assert_whole, wait_whole};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use told::wait_told;

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
        // A run ends when it has all, and not for the time: many small requests, each of which may be lost.
        &["period = \"15s\"", "deadline = \"15s\"", "timeout = \"150ms\"", "attempts = 7"],
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
            "{node}: {} each in {runs:?}; {:?}",
            truth.len(),
            farm.last_error(node)
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
    let farm = Farm::start_as(&access, start(vec![old]), &["old"], &PROFILES, &["period = \"5s\""]);
    // There is no GETBULK and no Counter64; what there is has 32 bits.
    let truth = farm.sim.with(0, |agent| simulated::truth_v1(&agent.device, &PROFILES)).unwrap();
    wait_whole(&farm, "old", &truth);
    assert_whole("old", &farm.samples("old"), &truth);
    let counts = farm.sim.with(0, |agent| agent.counts()).unwrap();
    assert_eq!((counts.get_bulks, counts.refused), (0, 0), "{counts:?}");
}

/// Neighbours that were asked and answered while a long table was read.
struct Beside {
    /// Those that began behind the long run and ended before it, with what they asked for.
    overtook: usize,
    /// Of those that began in its first half, so many.
    early: usize,
    /// Those of them that did not: they ended behind it, or without an answer.
    held_up: Vec<Value>,
}

impl Beside {
    /// Judges by the `up` of all runs, which say when they began. A run hands in its values when it ends, so that of two runs
    /// the one that ended first has the lower numbers.
    fn of(ups: &[Value], long: &str) -> Self {
        let time = |up: &Value| up["time"].as_i64().unwrap();
        let number = |up: &Value| up["number"].as_u64().unwrap();
        let (long, small): (Vec<&Value>, Vec<&Value>) = ups.iter().partition(|up| up["node"] == long);
        let mut found = Self { overtook: 0, early: 0, held_up: Vec::new() };
        for run in long {
            let behind: Vec<&Value> = small.iter().copied().filter(|up| time(up) > time(run)).collect();
            let overtakes = |up: &Value| number(up) < number(run) && is_up(up);
            let overtook: Vec<&Value> = behind.iter().copied().filter(|up| overtakes(up)).collect();
            let Some(last) = overtook.iter().map(|up| time(up)).max() else { continue };
            let half = i64::midpoint(time(run), last);
            let early: Vec<&Value> = behind.into_iter().filter(|up| time(up) <= half).collect();
            found.overtook += overtook.len();
            found.early += early.len();
            found.held_up.extend(early.into_iter().filter(|up| !overtakes(up)).cloned());
        }
        found
    }
}

fn is_up(up: &Value) -> bool {
    up["value"].as_f64() == Some(1.0)
}

#[test]
fn five_thousand_rows_of_one_agent_cost_its_500_small_neighbours_nothing() {
    const SMALL: usize = 500;
    const ROWS: usize = 5000;
    const WITNESSES: usize = 10;
    let agents: Vec<AgentConfig> =
        [agent(ROWS as u32)].into_iter().chain((0..SMALL).map(|_| agent(3))).collect();
    let names: Vec<String> = (0..=SMALL).map(|number| format!("sw{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let sim = start(agents);
    let device = sim.with(0, |agent| agent.device.clone()).unwrap();
    let truth = simulated::truth(&device, &["interfaces"]);
    // Nobody is given up where processors are scarce: what is judged is who ended before whom.
    let lines = ["period = \"30s\"", "deadline = \"30s\"", "attempts = 5"];
    let farm = Farm::start(sim, &names, &["interfaces"], &lines);
    wait_told("all values of the long table in one run", || {
        let target = farm.collector()["targets"][0].clone();
        let many = target["samples"].as_u64().unwrap_or_default();
        if many >= truth.len() as u64 { Ok(()) } else { Err(format!("of {}: {target}", truth.len())) }
    });
    let ups = || farm.query("*/net/*/up", &["--since", "1h", "--numbers"]);
    wait_told("neighbours that are asked and answer while the long table is read", || {
        let (ups, told) = (ups(), || farm.collector()["targets"][0].to_string());
        let Beside { overtook, held_up, .. } = Beside::of(&ups, "sw000");
        if overtook >= WITNESSES {
            return Ok(());
        }
        Err(format!("{overtook} of {} runs, {} held up; the long one: {}", ups.len(), held_up.len(), told()))
    });
    wait_told("all to be up and whole", || {
        let ups = farm.query("*/net/*/up", &["--last"]);
        let down: Vec<&Value> = ups.iter().filter(|up| !is_up(up)).collect();
        let mut rows: BTreeMap<String, usize> = BTreeMap::new();
        for sample in farm.query("*/net/sw*/in", &["--last"]) {
            *rows.entry(sample["node"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let lacks = |node: &&&str| rows.get(**node) != Some(&if **node == "sw000" { ROWS } else { 3 });
        let lacking: Vec<&&str> = names.iter().filter(lacks).collect();
        if ups.len() == SMALL + 1 && down.is_empty() && lacking.is_empty() {
            return Ok(());
        }
        let net = farm.collector();
        let errors: BTreeSet<String> = net["targets"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|target| Some(format!("{}: {}", target["node"], target["last_error"].as_str()?)))
            .collect();
        let counted = ["late", "timed_out", "repeated", "buffer_dropped"]
            .map(|name| format!("{name} {}", farm.counted(name, 0)));
        Err(format!("{} `up`, down {down:?}, not whole {lacking:?}; {errors:?}; {counted:?}", ups.len()))
    });
    let Beside { overtook, early, held_up } = Beside::of(&ups(), "sw000");
    println!(
        "{overtook} overtook the long table; of {early} in its first half {} were held up",
        held_up.len()
    );
    assert!(held_up.len() * 10 <= early, "{} of {early} were held up: {held_up:?}", held_up.len());
    let long = farm.query("*/net/sw000/in", &["--since", "1h"]);
    let of_in: simulated::Truth = truth.into_iter().filter(|((parameter, _), _)| parameter == "in").collect();
    assert_eq!(of_in.len(), ROWS);
    assert_whole("the long one", &long, &of_in);
}

#[test]
fn live_agents_miss_no_value_for_150_dead_ones_of_500() {
    const ALL: usize = 500;
    const RUNS: usize = 3;
    const PERIOD_MS: i64 = 10_000;
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
    // A dead one is waited for as long as a run may take: also a living one that has to wait for a processor has that time.
    let period = format!("period = \"{PERIOD_MS}ms\"");
    let lines = [&period[..], "deadline = \"4s\"", "timeout = \"1s\"", "attempts = 4"];
    // Nobody else ever has the port of a closed one.
    let sim = Sim::start(agents, Place::Addresses(own_addresses(), 0), 3).unwrap();
    let farm = Farm::start(sim, &names, &["interfaces"], &lines);
    farm.runs("sw499", RUNS + 1);
    let truth = farm.truth(499, &["interfaces"]).len();
    let collector = farm.collector();
    println!(
        "runs {}, skipped {}, timeouts {}",
        collector["runs"], collector["skipped"], collector["timeouts"]
    );
    let targets = collector["targets"].as_array().unwrap();
    let told: BTreeMap<&str, &Value> =
        targets.iter().map(|target| (target["node"].as_str().unwrap(), target)).collect();
    let ins = farm.query("*/net/*/in", &["--since", "1h"]);
    let mut ticks: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
    for sample in &ins {
        ticks.entry(sample["node"].as_str().unwrap()).or_default().insert(sample["time"].as_i64().unwrap());
    }
    let live: Vec<&str> = (0..ALL).filter(|number| !is_dead(*number)).map(|number| names[number]).collect();
    for node in &live {
        let ticks: Vec<i64> = ticks.get(node).into_iter().flatten().copied().collect();
        assert!(ticks.len() >= RUNS, "{node} has {} runs: {}", ticks.len(), told[node]);
        // The first stands off the grid. One that is missed leaves two periods between its neighbours, less what one of
        // them began late.
        let missed = ticks.windows(2).skip(1).any(|pair| pair[1] - pair[0] >= PERIOD_MS * 7 / 4);
        assert!(!missed, "{node} missed a tick: {ticks:?}; {}", told[node]);
        assert_eq!(told[node]["samples"], truth, "values of its last run: {}", told[node]);
    }
    let of_dead: Vec<&&str> = ticks.keys().filter(|node| !live.contains(*node)).collect();
    assert!(of_dead.is_empty(), "values of dead ones: {of_dead:?}");
    let ups = farm.query("*/net/*/up", &["--last"]);
    let down: BTreeSet<&str> =
        ups.iter().filter(|up| !is_up(up)).map(|up| up["node"].as_str().unwrap()).collect();
    let dead: BTreeSet<&str> =
        (0..ALL).filter(|number| is_dead(*number)).map(|number| names[number]).collect();
    assert_eq!(ups.len(), ALL, "each has its `up`");
    assert_eq!(down, dead, "each dead one is named, and no other");
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
            .with("period = \"60s\"\ntimeout = \"3s\"")
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
