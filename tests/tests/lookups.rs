//! Promise: lookups may die without a stream noticing, come back with their directory, and tell the death of a farm when its
//! lease has run out, neither before nor much after.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_e2e::{PATIENCE, Process, RawWatch, Sandbox, Stopwatch, pause, shows, wait_for, wait_until};
use hedgerow_model::registration::Id;
use hedgerow_proto::lookup::LeaseState;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// Two lookups and a farm, each a process of its own, with a collector that ticks twice a second.
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
        let script =
            sandbox.script("tick", "#!/bin/sh\nread up rest < /proc/uptime\necho \"uptime $up s\"\n");
        sandbox.configure_more(&format!(
            "[collector.tick]\nmodule = \"script\"\ncommand = [\"{script}\"]\nformat = \"keyvalue\"\nperiod = \"500ms\""
        ));
        assert!(up.stop(Signal::TERM).0.success(), "{}", up.stderr());
        let lookups = [sandbox.lookup("lookup-1", 1), sandbox.lookup("lookup-2", 2)];
        let farm = sandbox.farm_alone();
        let roles = Self { lookups, farm, sandbox };
        roles.wait_for_both();
        roles
    }

    /// Until both lookups have the farm, confirmed.
    fn wait_for_both(&self) {
        for above in [1, 2] {
            wait_until("the farm, live, at each lookup", PATIENCE, || {
                self.farm_at(above).is_some_and(|farm| {
                    farm["state"] == "live" && farm["lookups"].as_array().is_some_and(|held| held.len() == 2)
                })
            });
        }
    }

    /// The farm, by way of one lookup.
    fn farm_at(&self, above: u16) -> Option<Value> {
        let found = self.sandbox.run(&["find", "kind=farm", "--json", "--lookup", &self.sandbox.url(above)]);
        if found.code() == 0 { hedgerow_e2e::json_lines(&found.stdout).pop() } else { None }
    }
}

fn numbers(samples: &[Value]) -> Vec<u64> {
    samples.iter().filter_map(|sample| sample["number"].as_u64()).collect()
}

#[test]
fn both_lookups_die_under_a_watch_and_the_stream_goes_on() {
    let mut roles = Roles::start();
    let watch =
        roles.sandbox.start_client("watch", &["watch", "*/tick/*/uptime", "--json", "--numbers", "--events"]);
    let seen = || numbers(&watch.json());
    wait_until("a first value", PATIENCE, || !seen().is_empty());
    let remaining = roles.sandbox.farm()["lease_remaining_ms"].as_u64().unwrap();
    for lookup in &mut roles.lookups {
        lookup.kill();
    }
    let dead = Stopwatch::new();
    let nobody = roles.sandbox.client(&["find"]);
    assert_eq!(nobody.code(), 3, "{}", nobody.told());
    assert!(nobody.stderr.contains("no lookup answered"), "{}", nobody.told());
    assert!(nobody.stderr.contains("using the directory of"), "{}", nobody.told());

    // Longer than any lease that the dead lookups vouched for.
    let enough = Duration::from_millis(remaining) + Duration::from_secs(3);
    let mut last = seen().len();
    while dead.elapsed() < enough {
        wait_until("values without any lookup", PATIENCE, || seen().len() > last);
        last = seen().len();
    }
    roles.lookups = [roles.sandbox.lookup("lookup-1", 1), roles.sandbox.lookup("lookup-2", 2)];
    roles.wait_for_both();
    let back = seen().len();
    wait_until("values with the lookups back", PATIENCE, || seen().len() > back + 4);

    let seen = seen();
    let (first, last) = (*seen.first().unwrap(), *seen.last().unwrap());
    let distinct: BTreeSet<u64> = seen.iter().copied().collect();
    assert_eq!(distinct.len(), seen.len(), "none twice");
    let kept =
        roles.sandbox.client(&["query", "*/tick/*/uptime", "--since", "1h", "--json", "--numbers"]).json();
    let kept: BTreeSet<u64> =
        numbers(&kept).into_iter().filter(|number| (first..=last).contains(number)).collect();
    assert_eq!(distinct, kept, "none missing");
    for event in watch.json().iter().filter(|line| line.get("event").is_some()) {
        println!("{event}");
    }
}

#[test]
fn a_lookup_that_is_restarted_keeps_its_directory_unconfirmed_until_renewed() {
    let mut roles = Roles::start();
    let before = roles.farm_at(1).unwrap();
    // What is not yet written is told again by its services; here they cannot.
    let written = || std::fs::read(roles.sandbox.path("mesh/lookup-1/lookup.db-wal")).unwrap_or_default();
    let url = roles.sandbox.url(3);
    wait_until("the registration on disk", PATIENCE, || {
        written().windows(url.len()).any(|bytes| bytes == url.as_bytes())
    });
    // Nobody renews.
    roles.farm.signal(Signal::STOP);
    roles.lookups[0].kill();
    roles.lookups[0] = roles.sandbox.lookup("lookup-1", 1);
    let kept = roles.farm_at(1).unwrap();
    for key in ["id", "name", "endpoints", "version", "attributes", "groups"] {
        assert_eq!(kept[key], before[key], "{key}");
    }
    // By its own word: whoever asks both is told what the other is surer of.
    let id: Id = kept["id"].as_str().unwrap().parse().unwrap();
    let own = RawWatch::new(&roles.sandbox.url(1));
    own.hears("it, unconfirmed", PATIENCE, |heard| shows(heard, id, LeaseState::Unconfirmed).then_some(()));
    roles.farm.signal(Signal::CONT);
    own.hears("the renewal", PATIENCE, |heard| shows(heard, id, LeaseState::Live).then_some(()));
}

#[test]
fn a_killed_farm_is_gone_when_its_lease_has_run_out() {
    let mut roles = Roles::start();
    roles.farm.kill();
    let since_kill = Stopwatch::new();
    let ends = [1, 2].map(|above| {
        let farm = roles.farm_at(above).expect("it was killed, not cancelled");
        since_kill.elapsed() + Duration::from_millis(farm["lease_remaining_ms"].as_u64().unwrap())
    });
    let end = ends.into_iter().max().unwrap();
    // To find takes a while, too: the farm was there when this was asked, and not there when this was answered.
    let mut there = Duration::ZERO;
    let gone = wait_for("the end of the lease", PATIENCE, || {
        let asked = since_kill.elapsed();
        if roles.sandbox.client(&["find", "kind=farm", "--json"]).json().is_empty() {
            return Some(since_kill.elapsed());
        }
        there = asked;
        pause(Duration::from_millis(50));
        None
    });
    println!("leases end {ends:?} after the kill; there at {there:?}, gone at {gone:?}");
    assert!(
        gone > end.saturating_sub(Duration::from_millis(300)),
        "gone {gone:?}, before its lease ran out at {end:?}"
    );
    // The promise is 2 s; the rest is for a busy machine.
    assert!(there < end + Duration::from_secs(4), "still there {there:?}, its lease ran out at {end:?}");
    roles.farm = roles.sandbox.farm_alone();
    wait_until("the farm again", PATIENCE, || roles.sandbox.find("kind=farm").len() == 1);
}
