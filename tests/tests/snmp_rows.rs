//! Promise: a value is of the row it is shown under, whatever a device does to its rows and counters; and what was seen of a
//! counter is in the data.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs, dead_code)]

#[path = "support/expected.rs"]
mod expected;
#[path = "support/simulated.rs"]
mod simulated;
#[path = "support/told.rs"]
mod told;

use hedgerow_sim::{AgentConfig, DeviceConfig, Motion, Oid, Place, Sim};
use serde_json::Value;
use simulated::{Farm, assert_true, assert_whole, wait_whole};
use std::collections::BTreeSet;
use std::time::Duration;
use told::wait_told;

const PROFILES: [&str; 2] = ["system", "interfaces"];
/// Long enough to change a device between two runs.
const CALM: [&str; 1] = ["period = \"2s\""];
const BRISK: [&str; 1] = ["period = \"500ms\""];
/// sysUpTime begins again after 2^32 hundredths of a second.
const UPTIME_WRAPS: Duration = Duration::from_millis(42_949_672_960);

fn agent(device: DeviceConfig) -> AgentConfig {
    AgentConfig { device, ..AgentConfig::default() }
}

fn start(agents: Vec<AgentConfig>) -> Sim {
    Sim::start(agents, Place::Ports(0), 1).unwrap()
}

#[test]
fn holes_twins_and_new_numbers_never_move_a_value_to_another_row() {
    let holes = DeviceConfig { rows: 60, one_hole_in: 3, ..DeviceConfig::default() };
    let plain = DeviceConfig { rows: 12, ..DeviceConfig::default() };
    let sim = start(vec![agent(holes), agent(plain.clone()), agent(plain)]);
    for row in [2, 7] {
        sim.with(2, |agent| agent.device.set_row_name(row, "twin")).unwrap();
    }
    let farm = Farm::start(sim, &["holes", "turned", "twins"], &PROFILES, &CALM);
    for (number, node) in ["holes", "turned", "twins"].into_iter().enumerate() {
        let truth = farm.truth(number, &PROFILES);
        wait_whole(&farm, node, &truth);
        assert_whole(node, &farm.samples(node), &truth);
    }
    let holes = farm.truth(0, &PROFILES).len();
    assert!((60 * 5..60 * 20).contains(&holes), "{holes} series of 60 rows with holes");
    let of_twins = farm.samples("twins");
    for item in ["twin#3", "twin#8"] {
        assert!(of_twins.iter().any(|sample| sample["labels"]["item"] == item), "no {item}");
    }

    // Every row has the number of another now, between two runs; its name stays with its values.
    for _ in 0..2 {
        farm.more_runs("turned", 1);
        farm.sim.with(1, |agent| agent.device.renumber()).unwrap();
        farm.more_runs("turned", 2);
    }
    let truth = farm.truth(1, &PROFILES);
    assert_whole("turned", &farm.samples("turned"), &truth);
    let lives: Vec<Value> = farm.series("turned");
    assert!(lives.iter().all(|series| series["life"] == "live"), "{lives:?}");
}

#[test]
fn a_row_that_vanished_ends_with_a_reason_and_a_new_one_appears() {
    let sim = start(vec![agent(DeviceConfig { rows: 8, ..DeviceConfig::default() })]);
    let farm = Farm::start(sim, &["sw"], &PROFILES, &BRISK);
    let truth = farm.truth(0, &PROFILES);
    wait_whole(&farm, "sw", &truth);
    farm.sim.with(0, |agent| agent.device.remove_row(4)).unwrap();
    let of_row = |item: &str| -> Vec<Value> {
        farm.series("sw").into_iter().filter(|series| series["labels"]["item"] == item).collect()
    };
    let all = |row: &[Value], life: &str| !row.is_empty() && row.iter().all(|series| series["life"] == life);
    let ended = wait_told("the end of the row's series", || {
        let row = of_row("Gi0/5");
        if all(&row, "ended") { Ok(row) } else { Err(format!("{row:?}")) }
    });
    let reason = ended[0]["life_reason"].as_str().unwrap().to_owned();
    println!("ended: {reason}");
    let has_reason = |series: &Value| series["life_reason"].as_str().is_some_and(|why| !why.is_empty());
    assert!(ended.iter().all(has_reason), "{ended:?}");
    let neighbour = of_row("Gi0/4");
    assert!(all(&neighbour, "live"), "{neighbour:?}");

    farm.sim.with(0, |agent| {
        agent.device.add_row(4);
        agent.device.add_row(9);
    });
    wait_told("both rows", || {
        let rows = ["Gi0/5", "Gi0/10"].map(of_row);
        if rows.iter().all(|row| all(row, "live")) { Ok(()) } else { Err(format!("{rows:?}")) }
    });
}

/// Rates of `in` in row `n` (from 0) of a device: (n + 1) × 100 × its factor.
fn assert_rates(farm: &Farm, node: &str, factor: f64) {
    let rates = farm.query(&format!("*/net/{node}/in"), &["--since", "1h", "--as", "rate"]);
    assert!(rates.len() > 10, "{node}: {rates:?}");
    for sample in &rates {
        let Some(rate) = sample["value"].as_f64() else { continue };
        let item = sample["labels"]["item"].as_str().unwrap();
        let row: f64 = item.trim_start_matches("Gi0/").parse().unwrap();
        let right = row * 100.0 * factor;
        // A busy machine reads late; a spike would be off by thousands.
        assert!((right / 10.0..right * 10.0).contains(&rate), "{node}: {right} a second, not {sample}");
    }
}

/// The marks of a node's counters, but for that of each counter's first reading: nobody knows what was before it.
fn marks(farm: &Farm, node: &str) -> Vec<(String, Value)> {
    let mut samples = farm.samples(node);
    samples.sort_by_key(|sample| sample["number"].as_u64());
    let mut begun = BTreeSet::new();
    let marked = samples.into_iter().filter_map(|sample| {
        let mark = sample["mark"].as_str().map(str::to_owned);
        let series = format!("{}{}", sample["parameter"], sample["labels"]);
        if begun.insert(series) {
            assert!(mark.is_none_or(|mark| mark == "discontinuity"), "the first reading: {sample}");
            return None;
        }
        Some((mark?, sample))
    });
    marked.collect()
}

#[test]
fn resets_and_wraps_are_marked_and_never_become_a_spike() {
    let moving = |device| AgentConfig { motion: Motion::Clock, ..agent(device) };
    let device = DeviceConfig { rows: 4, rate: 1000, ..DeviceConfig::default() };
    let reboots = moving(DeviceConfig { counters_from: 1 << 40, ..device.clone() });
    // The columns of 64 bits are missing, and those of 32 are about to begin again.
    let high = (6..=13).map(|column| Oid::from(vec![1, 3, 6, 1, 2, 1, 31, 1, 1, 1, column])).collect();
    let wraps = moving(DeviceConfig { counters_from: (1 << 32) - 1_200_000, absent: high, ..device.clone() });
    let old = moving(DeviceConfig { uptime: UPTIME_WRAPS - Duration::from_secs(6), ..device });
    let farm = Farm::start(start(vec![reboots, wraps, old]), &["reboots", "wraps", "old"], &PROFILES, &BRISK);

    farm.runs("reboots", 3);
    assert_eq!(marks(&farm, "reboots"), [], "before anything happened");
    farm.sim.with(0, |agent| agent.device.reboot()).unwrap();
    wait_told("marks of the reset", || {
        let samples = || format!("{:?}; {:?}", farm.samples("reboots"), farm.last_error("reboots"));
        if marks(&farm, "reboots").is_empty() { Err(samples()) } else { Ok(()) }
    });
    farm.more_runs("reboots", 3);
    let of_in: Vec<_> =
        marks(&farm, "reboots").into_iter().filter(|(_, sample)| sample["parameter"] == "in").collect();
    assert_eq!(of_in.len(), 4, "each counter once: {of_in:?}");
    assert!(of_in.iter().all(|(mark, _)| mark == "reset"), "{of_in:?}");

    wait_told("all rows to wrap", || {
        let marks = marks(&farm, "wraps");
        let many = marks.iter().filter(|(_, sample)| sample["parameter"] == "in").count();
        if many >= 4 { Ok(()) } else { Err(format!("{marks:?}; {:?}", farm.last_error("wraps"))) }
    });
    let of_wraps = marks(&farm, "wraps");
    assert!(of_wraps.iter().all(|(mark, _)| mark == "wrap32"), "{of_wraps:?}");

    wait_told("sysUpTime to begin again", || {
        let uptime = farm.sim.with(2, |agent| agent.device.get(&[1, 3, 6, 1, 2, 1, 1, 3, 0])).flatten();
        match uptime {
            Some(hedgerow_sim::Value::TimeTicks(ticks)) if ticks > 200 && ticks < 1_000_000 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    farm.more_runs("old", 2);
    assert_eq!(marks(&farm, "old"), [], "the agent did not start anew");

    for node in ["reboots", "wraps", "old"] {
        assert_rates(&farm, node, 1000.0);
    }
}

#[test]
fn samples_of_a_still_device_never_change() {
    let sim = start(vec![agent(DeviceConfig::default())]);
    let farm = Farm::start(sim, &["sw"], &PROFILES, &BRISK);
    farm.runs("sw", 4);
    assert_true("sw", &farm.samples("sw"), &farm.truth(0, &PROFILES));
}
