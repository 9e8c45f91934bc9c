//! Promise: `hedgerow top` shows the mesh in a terminal, live: farms and what they measure, what is wrong, who does not answer; it leaves
//! the terminal as it found it; and where there is none it says what to do instead.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use hedgerow_e2e::{PATIENCE, Pty, Sandbox, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A lease runs out in its own time.
const LEASE_PATIENCE: std::time::Duration = PATIENCE.saturating_mul(3);

fn top(sandbox: &Sandbox, words: &str) -> String {
    let lookups = sandbox.lookups();
    // Behind it stands how it ended, and how the terminal is.
    format!(
        "hedgerow top {words} --lookup {} --lookup {}; echo \"ended $?\"; stty -a",
        lookups[0], lookups[1]
    )
}

#[test]
fn farms_nodes_and_values_are_looked_at_by_keys() {
    let sandbox = Sandbox::new();
    let _up = sandbox.up();
    let farm = sandbox.farm()["name"].as_str().unwrap().to_owned();
    let mut terminal = Pty::start(&sandbox, &top(&sandbox, ""), (30, 110));
    terminal.shows(&["1 live", "lookups ● 2 of 2", &farm, "● ok"], PATIENCE);
    assert!(terminal.is_taken() && terminal.has_no_cursor());
    // The nodes of the farm; those of the cluster `hosts`, its only one; what is measured there.
    terminal.press("\r");
    terminal.shows(&["CLUSTER", "hosts", "the farm answers"], PATIENCE);
    terminal.press("/hosts\r\r");
    terminal.shows(&["PARAMETER", "newest value"], PATIENCE);
    terminal.press("/load1\r");
    terminal.shows(&["load1 ", "only \"load1\""], PATIENCE);
    wait_until("a bar of the last minutes", PATIENCE, || {
        terminal.screen().chars().any(|c| ('▁'..='█').contains(&c))
    });
    // Compared over all farms.
    terminal.press("3");
    terminal.shows(&["busiest processors", "cpu_busy", " %", &format!("hosts/{farm}")], PATIENCE);
    terminal.press("e\u{15}*/*/*/load{1,5}\r");
    terminal.shows(&["*/*/*/load{1,5}", "load5"], PATIENCE);
    // A small terminal, and a smaller one.
    for size in [(10, 40), (5, 20), (30, 110)] {
        terminal.resize(terminal.program("hedgerow"), size);
        terminal.shows(&["Farms", "load"], PATIENCE);
    }
    terminal.press("?");
    terminal.shows(&["leave", "critical"], PATIENCE);
    terminal.press("q");
    terminal.shows(&["ended 0", " icanon", " echo "], PATIENCE);
    assert!(!terminal.is_taken() && !terminal.has_no_cursor());
    assert!(terminal.ended(PATIENCE).success());
}

#[test]
fn a_farm_that_is_killed_is_seen_to_be_missing_and_then_lost() {
    let sandbox = Sandbox::new();
    let _lookups = (sandbox.first_lookup(), sandbox.lookup("lookup-2", 2));
    let mut farm = sandbox.farm_alone();
    sandbox.farm();
    let mut terminal = Pty::start(&sandbox, &top(&sandbox, ""), (24, 120));
    terminal.shows(&["1 live", "● ok", "the farm answers"], PATIENCE);
    farm.kill();
    terminal.shows(&["0 of 1 farms answer; missing: ", "○ unknown"], PATIENCE);
    terminal.shows(&["✕ 1 lost", "◆ critical", "its lease ran out"], LEASE_PATIENCE);
    terminal.press("2");
    terminal.shows(&["◆ critical", "lease"], PATIENCE);
    terminal.press("4");
    terminal.shows(&["gone", "is lost"], PATIENCE);
    let _farm = sandbox.farm_alone();
    terminal.press("1");
    terminal.shows(&["1 live", "● ok", "the farm answers"], LEASE_PATIENCE);
}

#[test]
fn signals_leave_the_terminal_as_it_was() {
    let sandbox = Sandbox::new();
    let _lookup = sandbox.first_lookup();
    for signal in [Some(Signal::TERM), Some(Signal::INT), None] {
        let mut terminal = Pty::start(&sandbox, &top(&sandbox, ""), (24, 80));
        terminal.shows(&["Farms", "no farm is registered"], PATIENCE);
        assert!(terminal.is_taken());
        match signal {
            Some(signal) => {
                kill_process(Pid::from_raw(terminal.program("hedgerow")).unwrap(), signal).unwrap()
            }
            // Ctrl-C is a key here.
            None => terminal.press("\u{3}"),
        }
        terminal.shows(&["ended 0", " icanon", " echo "], PATIENCE);
        assert!(!terminal.is_taken() && !terminal.has_no_cursor());
    }
}

#[test]
fn without_a_terminal_it_is_told_once() {
    let sandbox = Sandbox::new();
    let mut up = sandbox.up();
    let farm = sandbox.farm()["name"].as_str().unwrap().to_owned();
    let refused = sandbox.client(&["top"]);
    assert_eq!(refused.code(), 2, "{}", refused.told());
    assert!(refused.stderr.contains("--once"), "{}", refused.told());
    let mut run = sandbox.client(&["top", "--once"]);
    wait_until("a value", PATIENCE, || {
        run = sandbox.client(&["top", "--once"]);
        run.stdout.contains(" %")
    });
    assert_eq!(run.code(), 0, "{}", run.told());
    for words in
        [&*format!("● ok   {farm}"), "no alarm is open", "*/*/*/cpu_busy[]", &format!("hosts/{farm}")]
    {
        assert!(run.stdout.contains(words), "{words}: {}", run.told());
    }
    let told: Value = sandbox.client(&["top", "*/hosts/*/load*", "-n", "2", "--json"]).json().pop().unwrap();
    assert_eq!(told["farms"][0]["name"], *farm, "{told}");
    assert_eq!(told["top"]["rows"].as_array().unwrap().len(), 2, "{told}");
    // Who does not answer is named, and that it is in part is said.
    up.signal(Signal::STOP);
    let lookups = sandbox.client(&["top", "--once", "--timeout", "1s"]);
    up.signal(Signal::CONT);
    assert_ne!(lookups.code(), 0, "{}", lookups.told());
    up.stop(Signal::TERM);
    let nobody = sandbox.client(&["top", "--once"]);
    assert_ne!(nobody.code(), 0, "{}", nobody.told());
}
