//! Promise: a client made from `proto/` alone finds the farm, subscribes with history, is cut wherever one can be cut, and
//! proves from progress and gap items that nothing is missing and nothing came twice.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_e2e::{ForeignRun, PATIENCE, Process, Sandbox, wait_for, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// All history that there is.
const EVER: &str = "3600000";
/// As in `hedgerow.common.v1.GapReason`.
const RETENTION: u64 = 1;
const CRASH: u64 = 5;

/// A collector that makes 10,000 samples a run, of times some way back.
fn load(sandbox: &Sandbox, age_s: u32, period: &str) -> String {
    let script = sandbox.script(
        "load",
        "#!/usr/bin/env python3\n\
         import sys, time\n\
         now = time.time_ns() // 1000000 - int(sys.argv[1]) * 1000\n\
         for at in range(100):\n\
         \x20   for item in range(100):\n\
         \x20       print(f'load,item={item} value={at * item / 7} {(now + at * 10) * 1000000}')\n",
    );
    format!(
        "[collector.load]\nmodule = \"script\"\ncommand = [\"{script}\", \"{age_s}\"]\nformat = \"influx\"\n\
         period = \"{period}\"\nmax_output = \"4MiB\"\n"
    )
}

/// Nothing missing, nothing double, every hole explained, every value as the farm keeps it.
fn is_proven(report: &Value) {
    for list in ["faults", "problems"] {
        assert_eq!(report[list], json!([]), "{list}: {report}");
    }
    let proof = &report["proof"];
    for list in ["faults", "differing", "unexplained", "holes"] {
        assert_eq!(proof[list], json!([]), "{list} of the proof: {report}");
    }
    assert_eq!(proof["dense"], true, "asked for everything: every number counts");
    assert!(report["confirmed"].as_u64().unwrap() > 0, "{report}");
}

fn gaps(report: &Value, reason: u64) -> usize {
    report["gaps"].as_array().unwrap().iter().filter(|gap| gap["reason"] == reason).count()
}

fn last_epoch(journal: &Path) -> u64 {
    let text = fs::read_to_string(journal).unwrap_or_default();
    let line = text.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok());
    line.and_then(|line| line[0].as_u64()).unwrap_or_default()
}

#[test]
fn cut_in_mid_history_it_goes_on_with_nothing_missing_and_nothing_double() {
    let sandbox = Sandbox::new();
    let _up = sandbox.up();
    sandbox.configure_more(&load(&sandbox, 20, "500ms"));
    // History comes in windows of some 20,000: each cut below lies in another one.
    wait_until("a long history", PATIENCE, || sandbox.number() > 90_000);
    let words = [
        "follow",
        "--since-ago-ms",
        EVER,
        "--cuts",
        "4",
        "--cut-after",
        "23000",
        "--until-live",
        "2000",
        "--prove",
    ];
    let report = sandbox.foreign().run("follow", &words);
    println!("{report}");
    assert_eq!((&report["cuts"], &report["enough"]), (&json!(4), &json!(true)), "{report}");
    is_proven(&report);
    assert_eq!(report["first_link"][2], 0, "from the first number on: {report}");
    assert!(
        report["again"].as_u64().unwrap() > 0,
        "cut between two tokens, what lay between came again: {report}"
    );
    assert!(report["confirmed"].as_u64().unwrap() > 90_000, "{report}");
    assert_eq!(gaps(&report, RETENTION) + gaps(&report, CRASH), 0, "{report}");
}

#[test]
fn cut_with_the_farm_restarted_and_crashed_it_goes_on_in_the_next_epoch() {
    let sandbox = Sandbox::new();
    let mut up = sandbox.up();
    sandbox.configure_more(&load(&sandbox, 5, "500ms"));
    let journal = sandbox.path("shown");
    let words = ["follow", "--since-ago-ms", EVER, "--journal", journal.to_str().unwrap(), "--prove"];
    let follower = sandbox.foreign().start("follow", &words);
    let shown = || ForeignRun::journal_lines(&journal);
    let restart = |up: &mut Process, end: &dyn Fn(&mut Process), epoch: u64| {
        let before = shown();
        wait_until("samples of this epoch", PATIENCE, || shown() > before + 10_000);
        end(up);
        *up = sandbox.up();
        wait_until("samples of the next epoch", PATIENCE, || last_epoch(&journal) >= epoch);
    };
    let drained = |up: &mut Process| assert!(up.stop(Signal::TERM).0.success(), "{}", up.stderr());
    restart(&mut up, &drained, 2);
    restart(&mut up, &Process::kill, 3);
    restart(&mut up, &drained, 4);
    let report = follower.stop();
    println!("{report}");
    is_proven(&report);
    assert!(report["epochs"].as_array().unwrap().len() >= 4, "{report}");
    assert_eq!(gaps(&report, CRASH), 1, "one crash, told once: {report}");
}

#[test]
fn cut_past_retention_a_gap_says_what_is_gone() {
    let sandbox = Sandbox::new();
    let _up = sandbox.up();
    // Kept for a minute, and made some fifty seconds old.
    let keep = "[cache]\nmax_age = \"60s\"\n";
    let without_load = fs::read_to_string(sandbox.farm_toml()).unwrap() + keep;
    sandbox.configure(&format!("{without_load}{}", load(&sandbox, 52, "500ms")));
    let hold = sandbox.path("go-on");
    let journal = sandbox.path("shown");
    let words = [
        "follow",
        "--since-ago-ms",
        EVER,
        "--cuts",
        "1",
        "--cut-after",
        "25000",
        "--hold",
        hold.to_str().unwrap(),
        "--journal",
        journal.to_str().unwrap(),
        "--until-shown",
        "70000",
        "--patience",
        "100",
        "--prove",
    ];
    let follower = sandbox.foreign().start("follow", &words);
    wait_until("the cut", PATIENCE, || ForeignRun::journal_lines(&journal) >= 25_000);
    let cut = sandbox.number();
    wait_until("more behind the cut", PATIENCE, || sandbox.number() > cut + 30_000);
    let kept = wait_for("all that to be older than what is kept", PATIENCE, || {
        let memory = sandbox.foreign().run("history", &["history", "--since-ago-ms", EVER]);
        let gaps = memory["gaps"].as_array().unwrap().clone();
        gaps.into_iter().find(|gap| gap["reason"] == RETENTION && gap["to"].as_u64().unwrap() > cut + 10_000)
    });
    println!("cut at about {cut}, gone: {kept}");
    fs::write(&hold, "").unwrap();
    let report = follower.report();
    println!("{report}");
    assert_eq!(report["cuts"], 1, "{report}");
    is_proven(&report);
    assert!(gaps(&report, RETENTION) >= 1, "{report}");
}

#[test]
fn a_token_of_another_question_or_another_farm_is_refused() {
    let (sandbox, other) = (Sandbox::new(), Sandbox::new());
    let (_up, _other_up) = (sandbox.up(), other.up());
    let token = |sandbox: &Sandbox| {
        let words = ["follow", "--since-ago-ms", EVER, "--pattern", "*/hosts", "--until-shown", "1"];
        sandbox.foreign().run("follow", &words)["token"].as_str().unwrap().to_owned()
    };
    let (own, foreign) = (token(&sandbox), token(&other));
    let words = [
        "tokens",
        "--since-ago-ms",
        EVER,
        "--pattern",
        "*/hosts",
        "--token",
        &own,
        "--foreign-token",
        &foreign,
    ];
    let answers = sandbox.foreign().run("tokens", &words);
    println!("{answers}");
    for (name, answer) in answers.as_object().unwrap() {
        let expected = if name == "own" { "OK" } else { "INVALID_ARGUMENT" };
        assert_eq!(answer["code"], expected, "{name}: {answer}");
    }
    let says = |name: &str, words: &str| {
        assert!(answers[name]["details"].as_str().unwrap().contains(words), "{answers}")
    };
    says("other_predicate", "predicate");
    says("other_farm", "farm");
    says("text", "token");
}

#[test]
fn every_role_tells_its_health_and_describes_itself() {
    let sandbox = Sandbox::new();
    let _up = sandbox.up();
    let urls = [sandbox.url(1), sandbox.url(2), sandbox.url(3)];
    let words: Vec<&str> =
        std::iter::once("roles").chain(urls.iter().flat_map(|url| ["--url", url])).collect();
    let report = sandbox.foreign().run("roles", &words);
    println!("{report}");
    for (url, service) in urls.iter().zip(["lookup.v1.Lookup", "lookup.v1.Lookup", "farm.v1.Farm"]) {
        let role = &report[url];
        let service = format!("hedgerow.{service}");
        assert!(role["services"].as_array().unwrap().contains(&json!(service)), "{url}: {role}");
        assert_eq!(
            (&role["health"][""], &role["health"][&service]),
            (&json!("SERVING"), &json!("SERVING")),
            "{url}"
        );
        assert!(role["files"].as_u64().unwrap() >= 1, "{url}: {role}");
    }
}

#[test]
fn the_strangers_account_finds_what_is_wrong_with_a_stream() {
    let sandbox = Sandbox::new();
    let found = sandbox.foreign().run("teeth", &["teeth"]);
    for (wrong, found) in found.as_object().unwrap() {
        let found = found.as_array().unwrap();
        assert_eq!(wrong.starts_with("nothing"), found.is_empty(), "{wrong}: {found:?}");
    }
}
