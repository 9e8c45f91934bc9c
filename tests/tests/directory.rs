//! Promise: whoever watches the directory is told who comes and goes; and when no lookup answers, what was known last is used,
//! and said to be old.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use hedgerow_e2e::{PATIENCE, Process, Sandbox, json_lines, wait_until};
use rustix::process::Signal;
use serde_json::Value;

/// Two lookups and a farm, each a process of its own.
struct Roles {
    lookups: [Process; 2],
    farm: Process,
    // Last: the logs of the others lie in it.
    sandbox: Sandbox,
}

impl Roles {
    fn start() -> Self {
        let sandbox = Sandbox::new();
        let mut up = sandbox.up();
        assert!(up.stop(Signal::TERM).0.success(), "{}", up.stderr());
        let lookups = [sandbox.lookup("lookup-1", 1), sandbox.lookup("lookup-2", 2)];
        let farm = sandbox.farm_alone();
        let roles = Self { lookups, farm, sandbox };
        wait_until("the farm, live, at both lookups", PATIENCE, || {
            let farms = roles.sandbox.find("kind=farm");
            farms.len() == 1
                && farms[0]["state"] == "live"
                && farms[0]["lookups"].as_array().unwrap().len() == 2
        });
        roles
    }
}

/// What a watch has told of farms, but for changes of state.
fn changes(watch: &Process) -> Vec<String> {
    let word = |line: &Value| line["change"].as_str().filter(|change| *change != "state").map(str::to_owned);
    watch.json().iter().filter_map(word).collect()
}

#[test]
fn a_watch_tells_who_comes_and_goes_over_the_death_of_lookups() {
    let mut roles = Roles::start();
    let mut watch = roles.sandbox.start_client("watch", &["find", "--watch", "kind=farm", "--json"]);
    wait_until("what is there", PATIENCE, || changes(&watch) == ["present"]);
    assert!(roles.farm.stop(Signal::TERM).0.success());
    wait_until("that it is gone", PATIENCE, || changes(&watch) == ["present", "disappeared"]);
    assert_eq!(watch.json().last().unwrap()["reason"], "cancelled");
    roles.farm = roles.sandbox.farm_alone();
    wait_until("that it is back", PATIENCE, || changes(&watch) == ["present", "disappeared", "appeared"]);

    // One lookup after the other is killed and comes back: nothing happened to the farm.
    for (which, name) in ["lookup-1", "lookup-2"].into_iter().enumerate() {
        let above = u16::try_from(which).unwrap() + 1;
        let url = roles.sandbox.url(above);
        roles.lookups[which].kill();
        watch.prints(&format!("lookup {url} does not answer"), PATIENCE);
        roles.lookups[which] = roles.sandbox.lookup(name, above);
        watch.prints(&format!("lookup {url} answers again"), PATIENCE);
    }
    roles.farm.stop(Signal::TERM);
    wait_until("that it is gone again", PATIENCE, || changes(&watch).len() > 3);
    assert_eq!(changes(&watch), ["present", "disappeared", "appeared", "disappeared"]);
    assert!(watch.stop(Signal::INT).0.success(), "Ctrl-C is its good end: {}", watch.stderr());
}

#[test]
fn without_any_lookup_the_last_known_directory_is_used_and_said_to_be_old() {
    let mut roles = Roles::start();
    let sandbox = &roles.sandbox;
    let before = sandbox.client(&["find", "--json"]);
    assert_eq!(before.code(), 0, "{}", before.told());
    wait_until("samples of the farm", PATIENCE, || !sandbox.client(&["query", "*/hosts"]).stdout.is_empty());
    roles.lookups.iter_mut().for_each(Process::kill);

    for words in [&["find", "--json"][..], &["ls"], &["query", "*/hosts"], &["farm", "status"]] {
        let old = roles.sandbox.client(words);
        assert_eq!(old.code(), 3, "{}", old.told());
        assert!(!old.stdout.is_empty(), "{}", old.told());
        let said = old.stderr.lines().filter(|line| line.contains("using the directory of")).count();
        assert_eq!(said, 1, "{}", old.told());
    }
    let stale = roles.sandbox.client(&["find", "--json"]);
    let stale: Vec<Value> =
        stale.stdout.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    let before = before.json();
    assert_eq!(stale.len(), before.len());
    let before_count = before.len();
    for (stale, before) in stale.iter().zip(before) {
        assert_eq!(stale["state"], "stale");
        for key in ["id", "name", "endpoints", "version"] {
            assert_eq!(stale[key], before[key], "{key}");
        }
    }
    // Those who ask others know nothing of it.
    let elsewhere = format!("http://127.0.0.1:{}", roles.sandbox.port());
    let other = roles.sandbox.run(&["find", "--lookup", &elsewhere]);
    assert_eq!((other.code(), other.stdout.as_str()), (1, ""), "{}", other.told());
    // A watch begins with it, and goes on when a lookup is back.
    let mut text = roles.sandbox.start_client("text", &["find", "--watch"]);
    wait_until("how many there are", PATIENCE, || text.stderr().contains("waiting for changes"));
    assert!(text.stderr().contains(&format!("{} services", before_count)), "{}", text.stderr());
    assert!(!text.stdout().contains("appeared") && text.stdout().contains("stale"), "{}", text.stdout());
    text.kill();
    let mut watch = roles.sandbox.start_client("watch", &["find", "--watch", "kind=farm", "--json"]);
    wait_until("what was known", PATIENCE, || watch.json().iter().any(|line| line["state"] == "stale"));
    assert_eq!(changes(&watch), ["present"]);
    roles.lookups[0] = roles.sandbox.lookup("lookup-1", 1);
    wait_until("what is true", PATIENCE, || watch.json().last().is_some_and(|line| line["state"] == "live"));
    assert!(!changes(&watch).contains(&"disappeared".to_owned()));
    // A file that is damaged is said and not used.
    watch.kill();
    roles.lookups[0].kill();
    for file in std::fs::read_dir(roles.sandbox.path("home/.cache/hedgerow")).unwrap() {
        std::fs::write(file.unwrap().path(), "nothing of ours").unwrap();
    }
    let damaged = roles.sandbox.client(&["find"]);
    assert_eq!((damaged.code(), damaged.stdout.as_str()), (1, ""), "{}", damaged.told());
}

#[test]
fn lookups_say_how_they_are_and_one_that_does_not_answer_is_named() {
    let mut roles = Roles::start();
    let one = roles.sandbox.url(1);
    // Who registers with whom comes about by and by: the three services with both, and each lookup knowing the other.
    wait_until("both lookups to hold all three and to know each other", PATIENCE, || {
        let status = roles.sandbox.run(&["lookup", "status", "--json", "--lookup", &one]);
        let lookups = if status.code() == 0 { status.json() } else { Vec::new() };
        let names: Vec<&str> = lookups.iter().filter_map(|lookup| lookup["name"].as_str()).collect();
        names == ["lookup-1", "lookup-2"]
            && lookups
                .iter()
                .all(|lookup| lookup["leases"] == 3 && lookup["peers"].as_array().unwrap().len() == 1)
    });
    let shown = roles.sandbox.client(&["lookup", "status"]);
    assert!(shown.stdout.starts_with("NAME") && shown.stdout.contains("RENEWALS/S"), "{}", shown.told());

    roles.lookups[1].kill();
    let part = roles.sandbox.run(&["lookup", "status", "--lookup", &one]);
    assert_eq!(part.code(), 3, "{}", part.told());
    assert!(part.stderr.contains(&roles.sandbox.url(2)), "{}", part.told());
    let farm = roles.sandbox.run(&["lookup", "status", "--lookup", &roles.sandbox.url(3)]);
    assert_eq!(farm.code(), 1, "{}", farm.told());
    assert!(farm.stderr.contains("is not a lookup"), "{}", farm.told());
    let facets = roles.sandbox.run(&["find", "--facets=kind", "--json", "--lookup", &one]);
    assert_eq!(facets.code(), 0, "{}", facets.told());
}

#[test]
fn where_the_lookup_that_is_named_is_dead_those_that_it_told_of_are_asked_and_then_what_was_known() {
    let mut roles = Roles::start();
    let named = ["find", "--json", "kind=farm", "--lookup", &roles.sandbox.url(1)];
    wait_until("the other lookup, by the first one's word", PATIENCE, || {
        let found = roles.sandbox.run(&["find", "--json", "kind=lookup", "--lookup", &roles.sandbox.url(1)]);
        found.code() == 0 && found.json().len() == 2
    });
    // One question is enough: those that they know are asked, too, and kept for when these are dead.
    let found = roles.sandbox.run(&named);
    assert_eq!(found.code(), 0, "{}", found.told());
    assert_eq!(json_lines(&found.stdout)[0]["lookups"].as_array().unwrap().len(), 2, "{}", found.told());
    roles.lookups[0].kill();
    let found = roles.sandbox.run(&named);
    assert_eq!(found.code(), 0, "{}", found.told());
    let line = json_lines(&found.stdout);
    assert!(line.len() == 1 && line[0]["state"] != "stale", "{}", found.told());
    let said = &found.stderr;
    assert!(
        said.contains("no lookup answered at") && said.contains(&roles.sandbox.url(2)),
        "{}",
        found.told()
    );

    roles.lookups[1].kill();
    let stale = roles.sandbox.run(&named);
    assert_eq!(stale.code(), 3, "{}", stale.told());
    assert_eq!(json_lines(&stale.stdout)[0]["state"], "stale");
    assert!(stale.stderr.contains("using the directory of"), "{}", stale.told());
}
