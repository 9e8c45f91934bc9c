//! Promise: a filter is deployed once, by a template, and in the end runs at exactly the farms that match: those that were there,
//! those that were away, and those that came later. While one is away it is named. Taken back, it ends everywhere.
#![allow(clippy::unwrap_used, missing_docs)]

use hedgerow_e2e::{Finished, PATIENCE, Process, Sandbox, json_lines, wait_for, wait_until};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;

/// All farms, by number: those there all the time, those away at the time of the deploy, those that come only later.
const THERE: Range<usize> = 0..12;
const AWAY: Range<usize> = 12..15;
const LATER: Range<usize> = 15..20;
/// Twenty farms on a small machine that has other tests to run.
const LONG: std::time::Duration = PATIENCE.saturating_mul(4);

fn name(number: usize) -> String {
    format!("farm-{number:02}")
}

/// Whether the template means it: every fourth is of another group.
fn is_meant(number: &usize) -> bool {
    number % 4 != 3
}

fn meant(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
    numbers.into_iter().filter(is_meant).map(name).collect()
}

/// Farms that measure one value, and their only lookup.
struct Mesh {
    running: BTreeMap<usize, Process>,
    _lookup: Process,
    sandbox: Sandbox,
}

impl Mesh {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let lookup = sandbox.first_lookup();
        Self { running: BTreeMap::new(), _lookup: lookup, sandbox }
    }

    /// Starts these, all at once, and waits until they serve.
    fn start(&mut self, numbers: impl IntoIterator<Item = usize>) {
        let numbers: Vec<usize> = numbers.into_iter().collect();
        for number in &numbers {
            let (farm, group) = (name(*number), if is_meant(number) { "alice" } else { "bob" });
            let folder = self.sandbox.path(&farm);
            fs::create_dir_all(&folder).unwrap();
            // One that is killed stays in the directory for as long as this test may take.
            let text = format!(
                "[farm]\nname = \"{farm}\"\ngroups = [\"{group}\"]\n[lookup]\nlease = \"1h\"\nmdns = false\n\
                 [collector.load]\nmodule = \"script\"\ncommand = [\"echo\", \"value 5\"]\nformat = \"keyvalue\"\n\
                 period = \"1s\"\n"
            );
            fs::write(folder.join("farm.toml"), text).unwrap();
            let (folder, lookup) = (folder.to_str().unwrap(), self.sandbox.url(1));
            let words = ["farm", "--data", folder, "--listen", "127.0.0.1:0", "--lookup", &lookup];
            self.running.insert(*number, self.sandbox.start(&self.sandbox.unique(&farm), &words));
        }
        for number in &numbers {
            self.running.get_mut(number).unwrap().prints("Ctrl-C stops", LONG);
        }
    }

    fn kill(&mut self, number: usize) {
        self.running.remove(&number).unwrap().kill();
    }

    fn ask(&self, words: &[&str]) -> Finished {
        self.sandbox.run(&[words, &["--lookup", &self.sandbox.url(1)]].concat())
    }

    fn farms(&self) -> BTreeSet<String> {
        let asked = self.ask(&["find", "kind=farm", "--json"]);
        json_lines(&asked.stdout).iter().map(|farm| text(&farm["name"])).collect()
    }

    /// The farms that the deployment's status tells of, by the state there.
    fn by_state(&self) -> BTreeMap<String, BTreeSet<String>> {
        let asked = self.ask(&["filter", "status", "past", "--json"]);
        let told = json_lines(&asked.stdout).pop().unwrap_or_default();
        let mut by_state = BTreeMap::<_, BTreeSet<_>>::new();
        for at in told["farms"].as_array().into_iter().flatten() {
            by_state.entry(text(&at["state"])).or_default().insert(text(&at["farm"]));
        }
        by_state
    }

    /// Waits until the states are these.
    fn comes_to(&self, expected: &[(&str, BTreeSet<String>)]) {
        let expected = expected.iter().map(|(state, farms)| ((*state).to_owned(), farms.clone())).collect();
        let mut last = BTreeMap::new();
        wait_until(&format!("{expected:?}"), LONG, || {
            last = self.by_state();
            last == expected
        });
    }

    /// The farms where it has emitted.
    fn emitting(&self) -> BTreeSet<String> {
        let asked = self.ask(&["query", "*/past", "--json"]);
        json_lines(&asked.stdout).iter().map(|sample| text(&sample["farm"])).collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
fn it_runs_at_all_farms_that_match_whenever_they_come_and_ends_at_all_of_them() {
    let mut mesh = Mesh::new();
    mesh.start(THERE.chain(AWAY));
    wait_until("all that are there", LONG, || mesh.farms().len() == 15);
    AWAY.for_each(|number| mesh.kill(number));

    let file = hedgerow_e2e::root().join("filters/prebuilt/threshold.wasm");
    let words = ["filter", "deploy", file.to_str().unwrap(), "--as", "past", "--to", "group=alice"];
    let deployed =
        mesh.ask(&[&words[..], &["--set", "above=1", "--on", "*/load/*/value", "--wait", "1s"]].concat());
    assert_eq!(deployed.code(), 3, "{}", deployed.told());
    for farm in meant(AWAY) {
        assert!(deployed.stderr.contains(&format!("{farm} (absent)")), "{}", deployed.told());
    }
    mesh.comes_to(&[("running", meant(THERE)), ("absent", meant(AWAY))]);
    wait_until("it emits where it runs", LONG, || mesh.emitting() == meant(THERE));

    mesh.start(AWAY.chain(LATER));
    let all = meant(THERE.chain(AWAY).chain(LATER));
    assert_eq!(all.len(), 15);
    mesh.comes_to(&[("running", all.clone())]);
    wait_until("it emits everywhere", LONG, || mesh.emitting() == all);
    assert_eq!(mesh.farms().len(), 20, "the others are there, too");

    // Taken back while one is away.
    mesh.kill(0);
    mesh.ask(&["filter", "remove", "past"]).ok();
    mesh.start([0]);
    let ended = wait_for("its series have ended everywhere", LONG, || {
        let listed = mesh.ask(&["ls", "*/past"]);
        let ended = listed.stdout.lines().filter(|line| line.contains("ended: its deployment was removed"));
        Some(ended.count()).filter(|ended| *ended >= all.len())
    });
    assert_eq!(ended, all.len());
    assert!(mesh.running.values_mut().all(Process::is_running));
}
