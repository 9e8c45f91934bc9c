//! Promise: a trap or an inform of any version becomes an event, and a state where it tells one; an inform is acknowledged
//! when its event is safe, and not before; a flood is cut, and said.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

#[path = "support/told.rs"]
mod told;

use hedgerow_e2e::{Access, Finished, Process, Sandbox, Stopwatch, USERS, net_snmp};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use told::wait_told;

const LINK_DOWN: &str = "1.3.6.1.6.3.1.1.5.3";
/// Crashes right behind an acknowledgement.
const KILLS: usize = 5;

struct Door {
    sandbox: Sandbox,
    address: String,
    up: Option<Process>,
}

impl Door {
    /// A farm with a door for traps; `more` is added to its configuration before it starts.
    fn open(more: &str) -> Self {
        let sandbox = Sandbox::new();
        let address = format!("127.0.0.1:{}", sandbox.port());
        let ways = Access::all();
        let credentials: String = ways.iter().map(|access| access.credentials(&sandbox)).collect();
        let names: Vec<&str> = ways.iter().map(Access::name).collect();
        fs::create_dir(sandbox.path("mesh")).unwrap();
        let text = format!(
            "{credentials}\n[door.traps]\nlisten = [\"{address}\"]\nallow = [\"127.0.0.0/8\"]\ncredentials = {names:?}\n{more}\n"
        );
        fs::write(sandbox.farm_toml(), text).unwrap();
        let up = Some(sandbox.up());
        Self { sandbox, address, up }
    }

    /// linkDown of a row, with this name.
    fn send(&self, program: &str, access: &Access, name: &str, more: &[&str]) -> Finished {
        // Who sends a trap of version 3 is its own engine; for an inform, who gets it.
        let engine = ["-e", "0x80001f8804746573742d31"];
        let engine: &[&str] =
            if program == "snmptrap" && matches!(access, Access::V3(_)) { &engine } else { &[] };
        let mut words = access.net_snmp();
        words.extend(engine);
        words.extend(more);
        words.push(&self.address);
        if matches!(access, Access::V1(_)) {
            words.extend(["1.3.6.1.6.3.1.1.5", "127.0.0.1", "2", "0", "4711"]);
        } else {
            words.extend(["4711", LINK_DOWN]);
        }
        words.extend(["1.3.6.1.2.1.2.2.1.1.3", "i", "3", "1.3.6.1.2.1.31.1.1.1.1.3", "s", name]);
        words.extend(["1.3.6.1.2.1.2.2.1.8.3", "i", "2"]);
        net_snmp(&self.sandbox, program, &words)
    }

    fn query(&self, question: &str, words: &[&str]) -> Vec<Value> {
        let asked = self.sandbox.client(&[&["query", question, "--json"], words].concat());
        if asked.code() == 0 { hedgerow_e2e::json_lines(&asked.stdout) } else { Vec::new() }
    }

    /// Lines of events so far.
    fn events(&self) -> Vec<String> {
        let events = self.query("*/traps/*/trap", &["--since", "1h"]);
        events.iter().map(|sample| sample["value"].as_str().unwrap().to_owned()).collect()
    }

    /// Items of which the last state is this.
    fn states(&self, text: &str) -> BTreeSet<String> {
        let states = self.query("*/traps/*/link", &["--last"]);
        let of_text = states.iter().filter(|sample| sample["text"] == text);
        of_text.map(|sample| sample["labels"]["item"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until something was counted under this name.
    fn counts(&self, name: &str) {
        wait_told(&format!("{name} to be counted"), || {
            let counted = self.query("*/hedgerow/*/traps", &["--last"]);
            let of_name = counted.iter().filter(|sample| sample["labels"]["item"] == name);
            let most = of_name.filter_map(|sample| sample["value"].as_u64()).max();
            if most > Some(0) { Ok(()) } else { Err(format!("{counted:?}, events {:?}", self.events())) }
        });
    }
}

#[test]
fn traps_and_informs_of_every_version_become_events_and_states() {
    let door = Door::open("");
    let mut names = BTreeSet::new();
    for access in Access::all() {
        let name = format!("{}-trap", access.name());
        door.send("snmptrap", &access, &name, &[]).ok();
        names.insert(name);
        // Version 1 has no informs.
        if !matches!(access, Access::V1(_)) {
            let name = format!("{}-inform", access.name());
            door.send("snmpinform", &access, &name, &["-t", "5"]).ok();
            let down = door.states("down");
            assert!(down.contains(&name), "acknowledged, and there: {name} in {down:?}");
            names.insert(name);
        }
    }
    wait_told("the state of each row", || {
        let down = door.states("down");
        if down == names { Ok(()) } else { Err(format!("{down:?} of {names:?}")) }
    });
    let events = door.events();
    for name in &names {
        let of_name: Vec<&String> =
            events.iter().filter(|event| event.contains(&format!("ifName={name}"))).collect();
        assert_eq!(of_name.len(), 1, "{name}: {events:?}");
        assert!(
            of_name[0].starts_with("linkDown ") && of_name[0].contains("ifOperStatus=down(2)"),
            "{of_name:?}"
        );
    }
    let stranger = Access::V2c("another");
    door.send("snmptrap", &stranger, "stranger", &[]).ok();
    door.counts("wrong_community");
    let events = door.events();
    assert!(!events.iter().any(|event| event.contains("stranger")), "{events:?}");
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash() {
    let mut door = Door::open("[cache]\ncommit = \"300ms\"\n");
    let ways: Vec<Access> = [Access::V2c("public")].into_iter().chain(USERS.map(Access::V3)).collect();
    for kill in 0..KILLS {
        let name = format!("port-{kill}");
        // The first copy may come before the farm listens again.
        door.send("snmpinform", &ways[kill % ways.len()], &name, &["-t", "2", "-r", "10"]).ok();
        door.up.take().unwrap().kill();
        door.up = Some(door.sandbox.up());
        let sent: BTreeSet<String> = (0..=kill).map(|kill| format!("port-{kill}")).collect();
        let seen = wait_told("events after the restart", || {
            let events = door.events();
            if events.is_empty() { Err(door.sandbox.status().to_string()) } else { Ok(events) }
        });
        for name in sent {
            assert_eq!(
                seen.iter().filter(|event| event.contains(&format!("ifName={name} "))).count(),
                1,
                "{name} after {} kills: {seen:?}",
                kill + 1
            );
        }
    }
}

#[test]
fn an_inform_is_not_acknowledged_before_its_commit() {
    let door = Door::open("[cache]\ncommit = \"1m\"\n");
    let mut early = 0;
    for try_ in 0..4 {
        let sent =
            door.send("snmpinform", &Access::V2c("public"), &format!("try-{try_}"), &["-t", "1", "-r", "0"]);
        early += u32::from(sent.code() == 0);
    }
    // One of them may have met a commit.
    assert!(early <= 1, "{early} of 4 were acknowledged within a second, of a commit every minute");
    // Shown all the same: who looks sees it at once.
    wait_told("the events", || {
        let down = door.states("down");
        if down.len() == 4 { Ok(()) } else { Err(format!("{down:?}")) }
    });
}

#[test]
fn a_storm_is_cut_and_said_and_a_repetition_is_no_second_event() {
    let door = Door::open("rate = 1\nburst = 5\n");
    let watch = Stopwatch::new();
    for number in 0..40 {
        door.send("snmptrap", &Access::V2c("public"), &format!("port-{number}"), &[]).ok();
    }
    wait_told("a line about the storm", || {
        let storms = door.query("*/traps/*/storm", &["--since", "1h"]);
        if storms.is_empty() { Err(format!("{} events", door.events().len())) } else { Ok(()) }
    });
    door.counts("storm");
    let events = door.events();
    // The burst, and one a second.
    let most = 6 + usize::try_from(watch.elapsed().as_secs()).unwrap();
    assert!((5..=most.min(39)).contains(&events.len()), "{} of at most {most}: {events:?}", events.len());
}
