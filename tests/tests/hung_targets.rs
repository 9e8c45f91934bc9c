//! Promise: hung targets cost their own samples and nobody else's, and stopping leaves no process of theirs.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_e2e::{PATIENCE, Sandbox, pause, wait_until};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// More than may run at once: the bound of 64 for scripts, and 20.
const HUNG: u64 = 84;
const HEALTHY: u64 = 50;
const PERIOD_MS: i64 = 2000;
/// So many ticks of each are looked at.
const TICKS: u32 = 8;

fn collector<'a>(status: &'a Value, name: &str) -> &'a Value {
    let mut collectors = status["collectors"].as_array().unwrap().iter();
    collectors.find(|collector| collector["name"] == name).unwrap()
}

#[test]
fn hung_scripts_cost_only_their_own_samples() {
    let sandbox = Sandbox::new();
    let mut up = sandbox.up();
    sandbox.configure_more(&format!(
        "[collector.healthy]\nmodule = \"script\"\ncommand = [\"echo\", \"value\", \"1\"]\nformat = \"keyvalue\"\n\
         period = \"{PERIOD_MS}ms\"\ntargets = [\"h[01-{HEALTHY}]\"]\n\
         [collector.hung]\nmodule = \"script\"\ncommand = [\"sleep\", \"86399\"]\nformat = \"keyvalue\"\n\
         period = \"{PERIOD_MS}ms\"\ntargets = [\"x[01-{HUNG}]\"]"
    ));
    let samples = || sandbox.client(&["query", "*/healthy/*/value", "--since", "1h", "--json"]).json();
    wait_until("values of all the healthy", PATIENCE, || {
        samples()
            .iter()
            .map(|sample| sample["node"].to_string())
            .collect::<std::collections::BTreeSet<_>>()
            .len()
            >= usize::try_from(HEALTHY).unwrap()
    });
    pause(Duration::from_millis(PERIOD_MS.unsigned_abs()) * TICKS);
    let status = sandbox.status();
    let (hung, healthy) = (collector(&status, "hung"), collector(&status, "healthy"));

    // By the farm's own counters …
    let count = |collector: &Value, key: &str| collector[key].as_u64().unwrap();
    let (runs, skipped) = (count(healthy, "runs"), count(healthy, "skipped"));
    println!(
        "healthy: {runs} runs, {skipped} skipped; hung: {} runs, {} timed out",
        count(hung, "runs"),
        count(hung, "timeouts")
    );
    assert!(runs >= HEALTHY * u64::from(TICKS - 1), "{healthy}");
    assert!(skipped * 100 <= runs + skipped, "99 of 100 ticks are kept: {runs} runs, {skipped} skipped");
    assert_eq!(count(healthy, "timeouts"), 0);

    // … and by what arrived: of each series' grid, which ticks are there.
    let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for sample in samples() {
        times.entry(sample["node"].to_string()).or_default().push(sample["time"].as_i64().unwrap());
    }
    let mut missed = 0;
    for times in times.values_mut() {
        times.sort_unstable();
        missed +=
            times.windows(2).map(|pair| (pair[1] - pair[0] + PERIOD_MS / 2) / PERIOD_MS - 1).sum::<i64>();
    }
    let kept: usize = times.values().map(Vec::len).sum();
    println!("{kept} values, {missed} ticks without one");
    assert!(
        missed * 100 <= missed + i64::try_from(kept).unwrap(),
        "{missed} ticks are missing beside {kept}"
    );

    // The offenders are named, each by itself.
    let targets = hung["targets"].as_array().unwrap();
    assert_eq!(targets.len() as u64, HUNG);
    let named = |target: &&Value| {
        target["up"] == false
            && target["last_error"].as_str().is_some_and(|error| error.contains("timed out"))
    };
    println!("{} of {HUNG} named", targets.iter().filter(named).count());
    assert!(targets.iter().filter(named).count() as u64 > HUNG / 2, "{hung}");
    assert!(healthy["targets"].as_array().unwrap().iter().all(|target| target["up"] == true), "{healthy}");

    let tree = up.tree();
    assert!(tree.left().iter().any(|line| line.contains("sleep 86399")), "{:?}", tree.left());
    let (ended, took) = up.stop(Signal::TERM);
    assert!(ended.success(), "{}", up.stderr());
    println!("stopped after {took:?}");
    wait_until("the end of everything that was started", PATIENCE, || tree.left().is_empty());
}
