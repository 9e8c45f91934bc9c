//! Promise: what was shown more than one commit interval before a `kill -9` is there after the restart, and what is missing
//! lies in a gap with reason crash.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_e2e::{ForeignRun, PATIENCE, Sandbox, Witness, monotonic_seconds, pause, wait_until};
use serde_json::json;
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

const KILLS: u64 = 20;
/// What the farm makes in two commit intervals: one, and time for the commit. It makes a sample each millisecond, or less where
/// it is starved, and then it commits less, too.
const SLACK: u128 = 2000;
/// Where this machine's disk is slow, it is so for the farm, too; and a commit syncs several times.
const ROUNDS: u32 = 3;

/// A collector that makes 100 samples ten times a second, of which one is never the same.
fn load(sandbox: &Sandbox) -> String {
    let mut constant = String::new();
    for item in 0..99 {
        writeln!(constant, "value[{item}] {item}.5").unwrap();
    }
    let path = sandbox.path("scripts/constant");
    fs::write(&path, constant).unwrap();
    let text = format!(
        "#!/bin/sh\nread up rest < /proc/uptime\necho \"uptime $up s\"\nexec cat {}\n",
        path.display()
    );
    let script = sandbox.script("load", &text);
    format!(
        "[collector.load]\nmodule = \"script\"\ncommand = [\"{script}\"]\nformat = \"keyvalue\"\nperiod = \"100ms\"\n"
    )
}

#[test]
fn killed_twenty_times_it_loses_only_what_was_not_yet_committed_and_says_so() {
    let sandbox = Sandbox::new();
    let mut up = sandbox.up();
    sandbox.configure_more(&load(&sandbox).replace("period = \"100ms\"\n", "period = \"100ms\""));
    let journal = sandbox.path("shown");
    let words = ["follow", "--journal", journal.to_str().unwrap(), "--patience", "200"];
    let foreign = sandbox.foreign();
    let follower = foreign.start("follow", &words);
    let shown = || ForeignRun::journal_lines(&journal);
    let witness = Witness::new(&sandbox.path("logs"));
    let mut kills = Vec::new();
    for kill in 0..KILLS {
        let before = shown();
        wait_until("samples of this run", PATIENCE, || shown() > before + 300);
        // Killed at another phase of the commit interval each time, in steps of 65 ms.
        pause(Duration::from_millis(kill * 455 % 1300));
        let committed = sandbox.status()["committed"].clone();
        let slack = SLACK + (ROUNDS * witness.stood_still()).as_millis();
        kills.push(json!({ "at": monotonic_seconds(), "committed": committed, "slack": slack }));
        up.kill();
        up = sandbox.up();
    }
    let before = shown();
    wait_until("samples of the last run", PATIENCE, || shown() > before + 300);
    let report = follower.stop();
    // What the last run has shown is safe one commit later.
    pause(Duration::from_millis(1500));
    let kills_file = sandbox.path("kills");
    fs::write(&kills_file, json!(kills).to_string()).unwrap();
    let words = [
        "crashes",
        "--since-ago-ms",
        "3600000",
        "--journal",
        journal.to_str().unwrap(),
        "--kills",
        kills_file.to_str().unwrap(),
    ];
    let found = foreign.run("crashes", &words);
    println!("{found}, of kills {}", json!(kills));
    assert_eq!((&report["faults"], &report["problems"]), (&json!([]), &json!([])), "{report}");
    assert_eq!(found["faults"], json!([]), "{found}");
    assert_eq!((&found["epochs"], &found["crash_gaps"]), (&json!(KILLS + 1), &json!(KILLS)), "{found}");
    assert!(found["shown"].as_u64().unwrap() > KILLS * 300, "{found}");
    // Else the test would say nothing of the gap.
    assert!(found["lost"].as_u64().unwrap() > 0, "{found}");
}
