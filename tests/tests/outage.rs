//! Promise: with both lookups down farms collect on, and clients go on with the directory as it was known, and say so; when the
//! lookups return, so does everybody, soon.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_client::directory::ServiceState;
use hedgerow_e2e::{Observer, PATIENCE, Sandbox, SimFarms, Stopwatch, pause, wait_until};
use rustix::process::Signal;
use std::time::Duration;

const FARMS: usize = 40;
/// Two and a half terms: what happens later, happens now. Minutes would show nothing else.
const OUTAGE: Duration = Duration::from_secs(25);
/// Of a client command that answers from the directory as it was known.
const IN_PART: i32 = 3;

#[test]
fn both_lookups_are_down_for_longer_than_any_lease_and_everybody_returns() {
    let sandbox = Sandbox::new();
    let mut up = sandbox.up();
    let script = sandbox.script("tick", "#!/bin/sh\nread up rest < /proc/uptime\necho \"uptime $up s\"\n");
    sandbox.configure_more(&format!(
        "[collector.tick]\nmodule = \"script\"\ncommand = [\"{script}\"]\nformat = \"keyvalue\"\nperiod = \"1s\""
    ));
    assert!(up.stop(Signal::TERM).0.success(), "{}", up.stderr());
    let start = || [sandbox.lookup("lookup-1", 1), sandbox.lookup("lookup-2", 2)];
    let mut lookups = start();
    let _farm = sandbox.farm_alone();
    let farms = SimFarms::new(&sandbox, sandbox.lookups());
    farms.start_all((0..FARMS).map(|number| format!("farm-{number}")));
    let observer = Observer::new(&sandbox.lookups(), "kind=farm");
    wait_until("all farms at both lookups", PATIENCE, || farms.all_registered());
    let all = FARMS + 1;
    let count = |state: ServiceState| observer.states().values().filter(|has| **has == state).count();
    wait_until("all farms told", PATIENCE, || count(ServiceState::Live) == all);
    let real = || sandbox.client(&["find", "kind=farm group!=simulated", "--json"]);
    wait_until("the farm", PATIENCE, || real().json().len() == 1);
    // Kept for when it is needed.
    sandbox.client(&["find"]).ok();

    lookups.iter_mut().for_each(hedgerow_e2e::Process::kill);
    let down = Stopwatch::new();
    wait_until("all stale", OUTAGE + PATIENCE, || count(ServiceState::Stale) == all);
    while down.elapsed() < OUTAGE {
        pause(Duration::from_millis(200));
        assert_eq!(observer.present().len(), all, "stale, not gone");
    }
    let found = sandbox.client(&["find", "--json"]);
    assert_eq!(found.code(), IN_PART, "{}", found.told());
    let farms_found =
        |text: &str| hedgerow_e2e::json_lines(text).iter().filter(|line| line["kind"] == "farm").count();
    assert_eq!(farms_found(&found.stdout), all, "{}", found.told());
    assert!(found.stdout.contains("\"stale\""), "{}", found.told());
    println!("{}", found.stderr);
    // The farm that is real is found and asked by what is known of it; it has collected on.
    let samples = |since: &str| {
        let asked = sandbox.client(&["query", "*/tick/*/uptime", "--since", since, "--json"]);
        assert_eq!(asked.code(), IN_PART, "{}", asked.told());
        hedgerow_e2e::json_lines(&asked.stdout).len()
    };
    let collected = samples("20s");
    assert!(collected >= 10, "{collected} samples in 20 s of one each second");

    lookups = start();
    let back = Stopwatch::new();
    wait_until("all farms live", 2 * PATIENCE, || count(ServiceState::Live) == all);
    let told = back.elapsed();
    println!("{all} farms are live {told:?} after both lookups were back from {OUTAGE:?} of outage");
    // The promise; a machine that does much else beside may take longer to start so many calls.
    assert!(told < Duration::from_secs(20) + PATIENCE / 2, "{told:?}");
    let found = sandbox.client(&["find", "kind=farm", "--json"]).json();
    assert_eq!(found.len(), all);
    let gone = |noted: &hedgerow_e2e::Noted| {
        matches!(noted.transition, hedgerow_client::Transition::Disappeared(..))
    };
    assert!(!observer.noted().iter().any(gone), "nobody was ever gone");
    assert!(lookups.iter_mut().all(hedgerow_e2e::Process::is_running));
}
