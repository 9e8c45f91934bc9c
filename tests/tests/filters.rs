//! Promise: what is deployed computes beside the data, is seen by subscribers as everything else is, goes on after `kill -9` as if
//! nothing had happened, says what it costs, and ends when its owner takes it back.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use hedgerow_e2e::{PATIENCE, Sandbox, json_lines, wait_until};
use serde_json::Value;
use std::collections::BTreeSet;

/// A collector whose one value comes ten times a second.
const LOAD: &str = "[collector.load]\nmodule = \"script\"\ncommand = [\"echo\", \"value 5\"]\nformat = \"keyvalue\"\nperiod = \"100ms\"";

fn prebuilt(name: &str) -> String {
    hedgerow_e2e::root().join(format!("filters/prebuilt/{name}.wasm")).to_str().unwrap().to_owned()
}

/// The times of the samples that are stored.
fn times(sandbox: &Sandbox, predicate: &str) -> BTreeSet<i64> {
    let asked = sandbox.client(&["query", predicate, "--since", "1h", "--json"]);
    json_lines(&asked.stdout).iter().map(|sample| sample["time"].as_i64().unwrap()).collect()
}

fn at_the_farm(sandbox: &Sandbox, name: &str) -> Value {
    let asked = sandbox.client(&["filter", "status", name, "--json"]);
    json_lines(&asked.stdout).pop().unwrap_or_default()["farms"][0].clone()
}

#[test]
fn a_filter_computes_beside_the_data_over_kills_until_it_is_removed() {
    let sandbox = Sandbox::new();
    let mut up = sandbox.up();
    sandbox.configure_more(LOAD);
    let mut watch = sandbox.start_client("watch", &["watch", "*/past", "--json"]);
    let file = prebuilt("threshold");
    let words = ["filter", "deploy", &file, "--as", "past", "--set", "above=1", "--on", "*/load/*/value"];
    let deployed = sandbox.client(&words).ok();
    assert!(deployed.stdout.contains("running"), "{}", deployed.told());
    watch.prints("\"parameter\":\"value_state\"", PATIENCE);
    assert!(watch.stdout().contains("\"text\":\"past\""), "{}", watch.stdout());
    watch.kill();

    for _ in 0..3 {
        let before = times(&sandbox, "*/past");
        wait_until("more of it", PATIENCE, || times(&sandbox, "*/past").len() > before.len() + 20);
        up.kill();
        up = sandbox.up();
    }
    let before = times(&sandbox, "*/past");
    wait_until("more of it, after the last kill", PATIENCE, || {
        times(&sandbox, "*/past").len() > before.len() + 20
    });
    let status = at_the_farm(&sandbox, "past");
    assert_eq!(status["state"], "running", "{status}");
    assert!(status["cost"]["samples_out"].as_u64().unwrap() > 40, "over the kills: {status}");
    assert_eq!(status["cost"]["restarts"], 0, "{status}");
    let listed = sandbox.client(&["filter", "list"]).ok();
    assert!(listed.stdout.contains("past"), "{}", listed.told());
    let logged = sandbox.client(&["filter", "logs", "past"]).ok();
    assert!(logged.stdout.contains("serial 1 is running"), "{}", logged.told());
    wait_until("what it costs is a series", PATIENCE, || {
        let listed = sandbox.client(&["ls", "*/hedgerow/*/filter_{cpu,samples_out,state}[past]", "--json"]);
        json_lines(&listed.stdout).len() == 3
    });

    sandbox.client(&["filter", "remove", "past"]).ok();
    wait_until("its series have ended", PATIENCE, || {
        let listed = sandbox.client(&["ls", "*/past"]);
        listed.stdout.contains("ended: its deployment was removed")
    });
    let (made, given) = (times(&sandbox, "*/past"), times(&sandbox, "*/load/*/value"));
    let (first, last) = (*made.first().unwrap(), *made.last().unwrap());
    let given: BTreeSet<i64> = given.range(first..=last).copied().collect();
    assert_eq!(made, given, "a state for each sample, none missing");
}

#[test]
fn an_upgrade_that_the_farm_refuses_leaves_the_earlier_running() {
    let sandbox = Sandbox::new();
    let _up = sandbox.up();
    sandbox.configure_more(&format!("{LOAD}\n[filters]\nhidden = [\"secret*\"]"));
    let file = prebuilt("threshold");
    let deploy = |above: &str, on: &str| {
        sandbox.client(&["filter", "deploy", &file, "--as", "past", "--set", above, "--on", on])
    };
    deploy("above=1", "*/load/*/value").ok();
    wait_until("the first serial runs", PATIENCE, || !times(&sandbox, "*/past").is_empty());
    let wrong = deploy("above=1", "*/secrets/*/value");
    assert_eq!(wrong.code(), 3, "{}", wrong.told());
    assert!(wrong.stdout.contains("serial 1 runs on"), "{}", wrong.told());
    assert!(wrong.stdout.contains("reads the cluster `secrets`"), "{}", wrong.told());
    let before = times(&sandbox, "*/past");
    wait_until("the first serial still runs", PATIENCE, || times(&sandbox, "*/past").len() > before.len());
    deploy("above=9", "*/load/*/value").ok();
    wait_until("the third has its say", PATIENCE, || {
        let asked = sandbox.client(&["query", "*/past", "--since", "1h", "--json"]);
        asked.stdout.contains("\"text\":\"ok\"")
    });
}
