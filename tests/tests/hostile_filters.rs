//! Promise: filters that loop, bomb, flood or fall over harm nobody: each is stopped, with a reason that says what it did; the one
//! beside them emits all along, the farm measures at its own cadence, and a farm that is killed among them comes back.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../../filters/host/tests/support/guests.rs"]
mod guests;

use hedgerow_e2e::{PATIENCE, Sandbox, json_lines, wait_until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// A collector of one value. Slow enough that a busy machine runs it at each tick.
const LOAD: &str = "[collector.load]\nmodule = \"script\"\ncommand = [\"echo\", \"value 5\"]\nformat = \"keyvalue\"\nperiod = \"2s\"";

/// Guests, and words of the reason for which each is stopped: one of them has to be there.
const HOSTILE: [(&str, &[&str]); 9] = [
    ("loop-in-start", &["`start` took", "processor time"]),
    ("loop-in-describe", &["describe"]),
    ("unreachable-in-configure", &["configure"]),
    ("loop-in-batch", &["processor time"]),
    ("memory-bomb", &["memory"]),
    ("deep-recursion", &["stack"]),
    ("emission-flood", &["emit", "processor time"]),
    ("log-flood", &["processor time"]),
    ("division-by-zero", &["divide by zero"]),
];

/// Eight that compile and fail, on a machine that has other tests to run.
const LONG: Duration = PATIENCE.saturating_mul(3);

/// The deployment's farm, as its status tells of it.
fn at_the_farm(sandbox: &Sandbox, name: &str) -> Value {
    let asked = sandbox.client(&["filter", "status", name, "--json"]);
    json_lines(&asked.stdout).pop().unwrap_or_default()["farms"][0].clone()
}

fn is_stopped(told: &Value, words: &[&str]) -> bool {
    let reason = told["reason"].as_str().unwrap_or_default();
    (told["state"] == "quarantined" || told["state"] == "refused")
        && words.iter().any(|word| reason.contains(word))
}

fn all_are_stopped(sandbox: &Sandbox) {
    for (name, words) in HOSTILE {
        let mut last = Value::Null;
        wait_until(&format!("{name} is stopped for {words:?}"), LONG, || {
            last = at_the_farm(sandbox, name);
            is_stopped(&last, words)
        });
    }
}

/// The times of the samples that are stored.
fn times(sandbox: &Sandbox, predicate: &str) -> BTreeSet<i64> {
    let asked = sandbox.client(&["query", predicate, "--since", "1h", "--json"]);
    json_lines(&asked.stdout).iter().map(|sample| sample["time"].as_i64().unwrap()).collect()
}

/// Runs and skipped ticks of the collector, by the farm's own account; nothing of it was lost.
fn cadence(sandbox: &Sandbox) -> (u64, u64) {
    let status = sandbox.status();
    let named = |list: &Value, name: &str| {
        let found = list.as_array().unwrap().iter().find(|one| one["name"] == name);
        found.cloned().unwrap_or_default()
    };
    let edge = named(&status["edges"], "source:collector load");
    let lost = edge["lost"].as_object().unwrap();
    assert!(lost.values().all(|lost| lost == 0), "{edge}");
    let collector = named(&status["collectors"], "load");
    (collector["runs"].as_u64().unwrap(), collector["skipped"].as_u64().unwrap())
}

#[test]
fn each_is_stopped_for_what_it_did_and_neither_the_one_beside_them_nor_the_farm_notices() {
    let sandbox = Sandbox::new();
    let mut up = sandbox.up();
    sandbox.configure_more(LOAD);
    let good = hedgerow_e2e::root().join("filters/prebuilt/threshold.wasm");
    let good = ["filter", "deploy", good.to_str().unwrap(), "--as", "past", "--set", "above=1"];
    sandbox.client(&[&good[..], &["--on", "*/load/*/value"]].concat());
    wait_until("the good one emits", LONG, || !times(&sandbox, "*/past").is_empty());

    let before = cadence(&sandbox);
    for (name, _) in HOSTILE {
        let path = sandbox.path("scripts").join(format!("{name}.wasm"));
        fs::write(&path, guests::guest(name)).unwrap();
        let file = path.to_str().unwrap();
        // Unchecked here: it is the farm that has to bear them.
        let words = ["filter", "deploy", file, "--as", name, "--no-check", "--wait", "0s"];
        let deployed = sandbox.client(&words);
        assert!(deployed.stdout.contains("serial 1"), "{}", deployed.told());
    }
    all_are_stopped(&sandbox);
    // Three calls, each of which was stopped past 200 ms.
    let cost = at_the_farm(&sandbox, "loop-in-batch")["cost"].clone();
    assert!(cost["cpu_us"].as_u64().unwrap() >= 600_000 && cost["memory_bytes"] == 0, "{cost}");
    let after = cadence(&sandbox);
    assert_eq!(after.1, before.1, "no tick was skipped");
    assert!(after.0 > before.0);
    let runs = usize::try_from(after.0).unwrap();
    wait_until("the samples of all runs", PATIENCE, || times(&sandbox, "*/load/*/value").len() >= runs);
    let told = at_the_farm(&sandbox, "past");
    assert!(told["state"] == "running" && told["cost"]["restarts"] == 0, "{told}");

    up.kill();
    let mut up = sandbox.up();
    all_are_stopped(&sandbox);
    let emitted = times(&sandbox, "*/past").len();
    wait_until("the good one goes on", LONG, || times(&sandbox, "*/past").len() > emitted + 2);
    assert!(up.is_running());

    // Taken back, so that all that it was given is there.
    sandbox.client(&["filter", "remove", "past"]).ok();
    wait_until("its series have ended", PATIENCE, || {
        sandbox.client(&["ls", "*/past"]).stdout.contains("ended: its deployment was removed")
    });
    let (made, given) = (times(&sandbox, "*/past"), times(&sandbox, "*/load/*/value"));
    let given: BTreeSet<i64> = given.range(made.first().unwrap()..=made.last().unwrap()).copied().collect();
    assert_eq!(made, given, "a state for each sample, all along");
    let told = at_the_farm(&sandbox, "loop-in-batch");
    assert!(is_stopped(&told, &["processor time"]), "{told}");
}
