//! Promise: a subscriber that stops reading slows nobody; it is told exactly what it skipped, and can fetch just that.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_e2e::{PATIENCE, Sandbox, wait_until};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;

/// A collector that makes so many samples ten times a second.
fn load(sandbox: &Sandbox, samples: u32) -> String {
    let mut lines = String::new();
    for item in 0..samples {
        writeln!(lines, "value[{item}] {item}.5").unwrap();
    }
    let path = sandbox.path("scripts/lines");
    fs::write(&path, lines).unwrap();
    format!(
        "[collector.load]\nmodule = \"script\"\ncommand = [\"cat\", \"{}\"]\nformat = \"keyvalue\"\nperiod = \"100ms\"",
        path.display()
    )
}

fn is_sound(report: &Value) {
    assert_eq!(report["faults"], json!([]), "{report}");
}

#[test]
fn who_stops_reading_is_told_what_it_skipped_and_the_others_miss_nothing() {
    let sandbox = Sandbox::new();
    let _up = sandbox.up();
    sandbox.configure_more(&load(&sandbox, 1000));
    let foreign = sandbox.foreign();
    let words = [
        "follow",
        "--queue-bytes",
        "65536",
        "--pause-after",
        "5000",
        "--pause-s",
        "6",
        "--until-live",
        "120000",
        "--prove",
    ];
    let mut slow = foreign.start("slow", &words);
    slow.process().prints("paused", PATIENCE);

    // While it stands still, others subscribe, read and are done.
    let others = foreign.run("others", &["many", "--readers", "3", "--until-shown", "20000"]);
    assert!(slow.process().is_running());
    for other in others.as_array().unwrap() {
        is_sound(other);
        assert_eq!(other["lagged"], json!([]), "{other}");
        assert!(other["confirmed"].as_u64().unwrap() >= 20_000, "{other}");
    }

    let report = slow.report();
    println!("{report}");
    is_sound(&report);
    let lagged = report["lagged"].as_array().unwrap();
    assert!(!lagged.is_empty(), "it stood still for six seconds: {report}");
    let told: u64 = lagged.iter().map(|lag| lag["count"].as_u64().unwrap()).sum();
    let proof = &report["proof"];
    for list in ["faults", "differing", "unexplained", "holes"] {
        assert_eq!(proof[list], json!([]), "{list}: {report}");
    }
    assert_eq!(proof["not_shown"], told, "told exactly: {report}");

    let file = sandbox.path("report");
    fs::write(&file, report.to_string()).unwrap();
    let words = ["backfill", "--report", file.to_str().unwrap()];
    let filled = foreign.run("backfill", &words);
    println!("{filled}");
    assert_eq!((&filled["fetched"], &filled["faults"]), (&json!(told), &json!([])), "{filled}");
}

#[test]
fn the_command_fetches_by_itself_what_it_skipped() {
    let sandbox = Sandbox::new();
    let _up = sandbox.up();
    sandbox.configure_more(&load(&sandbox, 2500));
    wait_until("the load", PATIENCE, || sandbox.number() > 5_000);
    let watch = sandbox.start_client("watch", &["watch", "*/load", "--json", "--numbers", "--events"]);
    let numbers = || -> Vec<u64> { watch.json().iter().filter_map(|line| line["number"].as_u64()).collect() };
    wait_until("a first value", PATIENCE, || !numbers().is_empty());
    watch.signal(rustix::process::Signal::STOP);
    let stopped = sandbox.number();
    wait_until("much more than any queue holds", 2 * PATIENCE, || sandbox.number() > stopped + 150_000);
    watch.signal(rustix::process::Signal::CONT);
    let after = sandbox.number();
    wait_until("all of that", 2 * PATIENCE, || numbers().iter().any(|number| *number > after));
    // Others than the load take numbers, too; the farm says how many of these there are.
    let all = sandbox.client(&["query", "*/load", "--since", "1h", "--json", "--numbers"]).json();
    let all: Vec<u64> = all.iter().filter_map(|line| line["number"].as_u64()).collect();
    wait_until("what was skipped", 2 * PATIENCE, || {
        let mut seen = numbers();
        seen.sort_unstable();
        let (first, count) = (seen[0], seen.len());
        seen.dedup();
        assert_eq!(seen.len(), count, "none twice");
        let shown = seen.iter().filter(|number| **number <= after).count();
        shown == all.iter().filter(|number| (first..=after).contains(*number)).count()
    });
    for event in watch.json().iter().filter(|line| line.get("event").is_some()) {
        println!("{event}");
    }
}
