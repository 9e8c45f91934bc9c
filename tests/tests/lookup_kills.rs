//! Promise: whatever dies and comes back among the lookups, who watches the directory is told of each real change once, and
//! of nothing else.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_client::Transition;
use hedgerow_e2e::{Observer, PATIENCE, Process, Sandbox, SimFarms, Stopwatch, pause, wait_until};
use std::collections::BTreeMap;
use std::time::Duration;

const FARMS: usize = 200;
const KILLS: usize = 20;
/// What a lookup was told is on its disk by then.
const WRITTEN: Duration = Duration::from_millis(800);

/// Each farm's story as it really was.
#[derive(Default)]
struct Truth(BTreeMap<String, Vec<&'static str>>);

impl Truth {
    fn is(&mut self, name: &str, happened: &'static str) {
        self.0.entry(name.to_owned()).or_default().push(happened);
    }

    /// Sooner or later each story is told as it was.
    fn comes_out(&self, observer: &Observer) {
        let told = Stopwatch::new();
        wait_until("the truth", 2 * PATIENCE, || {
            self.wrong(observer).is_empty() || told.elapsed() > PATIENCE
        });
        assert_eq!(self.wrong(observer), [""; 0]);
    }

    /// The stories that are told otherwise so far.
    fn wrong(&self, observer: &Observer) -> Vec<String> {
        let wrong = |(name, story): (&String, &Vec<&str>)| {
            let told = observer.story(name);
            (told != *story).then(|| format!("{name}: {story:?}, told {told:?}"))
        };
        self.0.iter().filter_map(wrong).collect()
    }
}

#[test]
fn one_of_two_lookups_is_killed_twenty_times_and_no_farm_is_missed_or_falsely_gone() {
    let sandbox = Sandbox::new();
    let start = |which: usize| sandbox.lookup(["lookup-1", "lookup-2"][which], [1, 2][which]);
    let mut lookups: [Process; 2] = [sandbox.first_lookup(), start(1)];
    let observer = Observer::new(&sandbox.lookups(), "kind=farm");
    let farms = SimFarms::new(&sandbox, sandbox.lookups());
    let mut truth = Truth::default();
    let name = |number: usize| format!("farm-{number:03}");
    for farm in (0..FARMS).map(name) {
        farms.start(&farm);
        truth.is(&farm, "appeared");
    }
    wait_until("all farms at both lookups", 2 * PATIENCE, || farms.all_registered());
    wait_until("all farms told", PATIENCE, || observer.present().len() == FARMS);

    let killing = Stopwatch::new();
    for kill in 0..KILLS {
        let which = kill % 2;
        let reached = |observer: &Observer| {
            let reached = |noted: &hedgerow_e2e::Noted| matches!(&noted.transition, Transition::LookupReached { url } if *url == sandbox.lookups()[which]);
            observer.noted().iter().filter(|noted| reached(noted)).count()
        };
        let before = reached(&observer);
        lookups[which].kill();
        // While it is dead one comes, one goes in good order, one dies, one says something else of itself.
        let (comes, goes, dies, changes) =
            (name(FARMS + kill), name(4 * kill), name(4 * kill + 1), name(4 * kill + 2));
        farms.start(&comes);
        truth.is(&comes, "appeared");
        farms.change(&changes, "changed");
        truth.is(&changes, "changed");
        farms.silence(&dies);
        truth.is(&dies, "disappeared expired");
        farms.cancel(&goes);
        truth.is(&goes, "disappeared cancelled");
        lookups[which] = start(which);
        wait_until("the lookup is reached again", PATIENCE, || reached(&observer) > before);
        // What was told meanwhile to one of them only must be with both before the other dies.
        wait_until("the one that came at both lookups", PATIENCE, || farms.is_registered(&comes));
        pause(Duration::from_millis(kill as u64 * 130 % 700));
    }
    let killed = killing.elapsed();
    truth.comes_out(&observer);
    println!("{KILLS} kills in {killed:?}; {} farms at the end", observer.present().len());
    assert_eq!(observer.refused(), 0);
}

#[test]
fn a_watch_goes_on_over_the_restart_of_the_only_lookup_with_each_change_told_once() {
    let sandbox = Sandbox::new();
    let mut lookup = sandbox.first_lookup();
    let url = vec![sandbox.url(1)];
    let observer = Observer::new(&url, "kind=farm");
    let farms = SimFarms::new(&sandbox, url);
    let mut truth = Truth::default();
    for farm in ["stays", "changes", "goes", "dies", "moves"] {
        farms.start(farm);
        truth.is(farm, "appeared");
    }
    wait_until("all farms", PATIENCE, || truth.wrong(&observer).is_empty() && farms.all_registered());
    pause(WRITTEN);
    lookup.kill();
    farms.change("changes", "another");
    truth.is("changes", "changed");
    farms.silence("dies");
    truth.is("dies", "disappeared expired");
    // Nobody can be told that it goes: it expires.
    farms.cancel("goes");
    truth.is("goes", "disappeared expired");
    // Started again meanwhile: another instance, which says the same of itself but for that.
    farms.silence("moves");
    farms.start("moves");
    truth.is("moves", "changed");
    farms.start("comes");
    truth.is("comes", "appeared");
    lookup = sandbox.lookup("lookup-1", 1);
    truth.comes_out(&observer);
    // And again, with nothing that changes: nothing is told.
    pause(WRITTEN);
    lookup.kill();
    lookup = sandbox.lookup("lookup-1", 1);
    wait_until("all farms again", PATIENCE, || farms.all_registered());
    farms.start("last");
    truth.is("last", "appeared");
    wait_until("the last", PATIENCE, || observer.story("last") == ["appeared"]);
    assert_eq!(truth.wrong(&observer), [""; 0]);
    assert!(lookup.is_running());
}
