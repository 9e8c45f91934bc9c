//! Promise: a copied identity is proven, the older holder keeps it, and both are named; and two services of one name are told
//! apart.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_e2e::{
    Observer, PATIENCE, Process, Sandbox, SimFarms, Stopwatch, json_lines, pause, wait_until,
};
use rustix::process::Signal;
use std::process::Command;
use std::time::Duration;

/// What a lookup grants while it holds few leases.
const LEASE: Duration = Duration::from_secs(10);

/// Where farms are, as `find` has it.
fn endpoints(sandbox: &Sandbox) -> Vec<String> {
    let farms = sandbox.find("kind=farm");
    farms.iter().map(|farm| farm["endpoints"][0].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_copied_farm_is_refused_the_older_one_stays_and_both_are_named() {
    let sandbox = Sandbox::new();
    let mut up = sandbox.up();
    assert!(up.stop(Signal::TERM).0.success(), "{}", up.stderr());
    let _lookups = [sandbox.lookup("lookup-1", 1), sandbox.lookup("lookup-2", 2)];
    let _original = sandbox.farm_alone();
    wait_until("the original", PATIENCE, || endpoints(&sandbox) == [sandbox.url(3)]);

    // As a virtual machine is cloned. It starts once more than the original did: to a lookup it is the newer one.
    let copied = Command::new("cp").arg("-r").args([sandbox.path("mesh"), sandbox.path("copy")]).status();
    assert!(copied.unwrap().success());
    let port = sandbox.port();
    let address = format!("127.0.0.1:{port}");
    let (data, lookups) = (sandbox.path("copy"), sandbox.lookups());
    let words = ["farm", "--data", data.to_str().unwrap(), "--listen", &address];
    let words = [&words[..], &["--lookup", &lookups[0], "--lookup", &lookups[1]]].concat();
    let mut copy: Process = sandbox.start("copy", &words);
    copy.prints("Ctrl-C stops", PATIENCE);
    let watch = Stopwatch::new();
    let copy_url = format!("http://{address}");
    wait_until("the copy is told that it is one", PATIENCE, || {
        let said = copy.stderr();
        ["cloned_id", &copy_url, &sandbox.url(3)].iter().all(|word| said.contains(word))
    });
    wait_until("the original is restored", PATIENCE, || endpoints(&sandbox) == [sandbox.url(3)]);
    println!("restored after {:?}; the copy said:\n{}", watch.elapsed(), copy.stderr());
    let status = sandbox.client(&["lookup", "status"]);
    assert_eq!(status.code(), 0, "{}", status.told());
    for word in ["two services run with the identity", &copy_url, &sandbox.url(3)] {
        assert!(status.stderr.contains(word), "{word} in {}", status.told());
    }
    // So does find, at each of the lookups, once both have proof.
    for url in &lookups {
        let found = || sandbox.run(&["find", "kind=farm", "--json", "--lookup", url]);
        wait_until("the copy is shown", PATIENCE, || {
            let farms = json_lines(&found().stdout);
            farms.len() == 1 && farms[0]["copy"]["endpoints"][0] == copy_url.as_str()
        });
        let found = found();
        assert_eq!(found.code(), 0, "{}", found.told());
        assert_eq!(json_lines(&found.stdout)[0]["endpoints"][0], sandbox.url(3).as_str());
        for word in ["two processes run with the identity", &copy_url, &sandbox.url(3)] {
            assert!(found.stderr.contains(word), "{word} in {}", found.told());
        }
    }
    let table = sandbox.client(&["find", "kind=farm"]);
    assert!(table.stdout.contains("live, copied"), "{}", table.told());
    // For good: both go on trying.
    let restored = Stopwatch::new();
    while restored.elapsed() < LEASE {
        assert_eq!(endpoints(&sandbox), [sandbox.url(3)], "after {:?}", restored.elapsed());
        pause(Duration::from_millis(500));
    }
    assert!(copy.is_running());
}

#[test]
fn two_services_of_one_name_are_told_apart_while_there_are_two() {
    let sandbox = Sandbox::new();
    let _lookup = sandbox.first_lookup();
    let urls = vec![sandbox.url(1)];
    let observer = Observer::new(&urls, "kind=farm");
    let (here, there) = (SimFarms::new(&sandbox, urls.clone()), SimFarms::new(&sandbox, urls.clone()));
    let first = here.start("twin").to_string();
    wait_until("one", PATIENCE, || observer.story("twin") == ["appeared"]);
    let second = there.start("twin").to_string();
    wait_until("the other, and the first under another name", PATIENCE, || observer.story("twin").len() == 3);

    let find = || sandbox.run(&["find", "kind=farm", "--json", "--lookup", &urls[0]]);
    let names = || {
        let found = find().json();
        let name =
            |farm: &serde_json::Value| farm["shown"].as_str().or(farm["name"].as_str()).unwrap().to_owned();
        found.iter().map(name).collect::<Vec<_>>()
    };
    let mut expected = [&first, &second].map(|id| format!("twin~{}", &id[..8]));
    expected.sort();
    assert_eq!(names(), expected);
    let found = find();
    assert!(found.stderr.contains("several services are called twin"), "{}", found.told());

    there.cancel("twin");
    wait_until("that one is gone", PATIENCE, || names() == ["twin"]);
    wait_until("all told", PATIENCE, || observer.story("twin").len() == 5);
    let mut told = observer.story("twin");
    told[1..3].sort();
    told[3..].sort();
    assert_eq!(told, ["appeared", "appeared", "renamed", "disappeared cancelled", "renamed"]);
}
