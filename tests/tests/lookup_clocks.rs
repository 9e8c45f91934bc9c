//! Promise: leases run on a clock of their own. A farm is gone not before its lease ran out, and soon after; whatever the time
//! of day does, and when the lookup itself stands still, nobody is.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_client::Transition;
use hedgerow_e2e::{Observer, PATIENCE, Process, RawWatch, Sandbox, SimFarms, Stopwatch, pause, wait_until};
use rustix::process::Signal;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const FARMS: usize = 30;
/// What a lookup grants while it holds few leases.
const LEASE: Duration = Duration::from_secs(10);

/// The only lookup, with simulated farms, and one who listens.
struct Rig {
    farms: SimFarms,
    observer: Observer,
    heard: RawWatch,
    lookup: Process,
    // Last: the others' files lie in it.
    sandbox: Sandbox,
}

impl Rig {
    fn start(environment: &[(&str, String)]) -> Self {
        let sandbox = Sandbox::new();
        let (data, address) = (sandbox.path("mesh"), format!("127.0.0.1:{}", sandbox.base_port() + 1));
        let mut command =
            sandbox.command(&["lookup", "--data", data.to_str().unwrap(), "--listen", &address]);
        command.envs(environment.iter().map(|(key, value)| (key, value)));
        let mut lookup = Process::start(command, &sandbox.path("logs"), "lookup");
        lookup.prints("Ctrl-C stops", PATIENCE);
        let urls = vec![sandbox.url(1)];
        let farms = SimFarms::new(&sandbox, urls.clone());
        farms.start_all((0..FARMS).map(|number| format!("farm-{number}")));
        wait_until("all farms", PATIENCE, || farms.all_registered());
        let (observer, heard) = (Observer::new(&urls, "kind=farm"), RawWatch::new(&urls[0]));
        wait_until("all farms told", PATIENCE, || observer.present().len() == FARMS);
        Self { farms, observer, heard, lookup, sandbox }
    }

    /// No farm was lost, nor is any suspected; and the lookup still does what it should.
    fn nobody_was_lost(&self) {
        assert_eq!(self.heard.disappeared(), [], "at the lookup");
        assert_eq!(self.observer.present().len(), FARMS);
        let gone = |noted: &hedgerow_e2e::Noted| matches!(noted.transition, Transition::Disappeared(..));
        assert!(!self.observer.noted().iter().any(gone), "{:?}", self.observer.noted());
        self.farms.start("late");
        wait_until("one that comes", PATIENCE, || self.observer.story("late") == ["appeared"]);
        self.farms.cancel("late");
        let story = ["appeared", "disappeared cancelled"];
        wait_until("one that goes", PATIENCE, || self.observer.story("late") == story);
    }
}

#[test]
fn a_dead_farm_is_gone_not_before_its_lease_ran_out_and_at_most_two_seconds_after() {
    let rig = Rig::start(&[]);
    let name = "farm-7";
    let id = rig.farms.id(name);
    // Its lease was renewed while it lived. It counts from before it asked, the lookup from when it heard: never earlier.
    let renewed = || rig.farms.leases(name)[0].remaining;
    let before = renewed();
    wait_until("a renewal", PATIENCE, || renewed() > before);
    let lease = renewed();
    let dies = rig.heard.elapsed();
    rig.farms.silence(name);
    let silent = rig.heard.elapsed();
    wait_until("its end", PATIENCE, || !rig.heard.disappeared().is_empty());
    let [(gone, at, cause)] = &rig.heard.disappeared()[..] else { panic!("one") };
    println!("its lease ran {lease:?} from {dies:?}, it was silent at {silent:?}, gone at {at:?}");
    assert_eq!((*gone, cause.as_str()), (id, "Expired"));
    // Between the look at its lease and its death it may have renewed once more: then it is gone later.
    assert!(*at >= dies + lease.saturating_sub(Duration::from_millis(1)), "before its lease ran out");
    // The promise is two seconds; the rest is for a busy machine.
    assert!(*at <= silent + LEASE + Duration::from_secs(4), "too late");
    wait_until("the client's word", PATIENCE, || {
        rig.observer.story(name).last().is_some_and(|last| last == "disappeared expired")
    });
}

#[test]
fn the_time_of_day_jumps_by_an_hour_and_back_by_a_day_and_no_lease_runs_out() {
    let Some(library) = libfaketime() else { panic!("faketime is missing: `cargo xtask setup` installs it") };
    let folder = tempfile::tempdir().unwrap();
    let offset = folder.path().join("offset");
    fs::write(&offset, "+0").unwrap();
    let rig = Rig::start(&[
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", offset.display().to_string()),
        // Nobody sets the monotonic clock, not even an administrator.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
    ]);
    for jump in ["+1h", "-1d", "+0"] {
        fs::write(&offset, jump).unwrap();
        let jumped = Stopwatch::new();
        // A term and a half: long enough for each lease to be renewed, and for one that is not to run out.
        while jumped.elapsed() < LEASE + LEASE / 2 {
            pause(Duration::from_millis(200));
            assert_eq!(rig.heard.disappeared(), [], "after {jump}");
        }
    }
    let maps = fs::read_to_string(format!("/proc/{}/maps", rig.lookup.pid())).unwrap();
    assert!(maps.contains("libfaketime"), "the lookup ran on the real clock");
    rig.nobody_was_lost();
}

fn libfaketime() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
    let library = |folder: fs::DirEntry| folder.path().join("faketime/libfaketimeMT.so.1");
    folders.map(library).find(|path| path.exists())
}

#[test]
fn a_lookup_that_stood_still_for_two_terms_loses_nobody_when_it_wakes() {
    let rig = Rig::start(&[]);
    rig.lookup.signal(Signal::STOP);
    let stopped = Stopwatch::new();
    while stopped.elapsed() < 2 * LEASE {
        pause(Duration::from_millis(200));
    }
    rig.lookup.signal(Signal::CONT);
    wait_until("all farms registered", PATIENCE, || rig.farms.all_registered());
    // Who is not renewed after this is lost.
    let awake = Stopwatch::new();
    while awake.elapsed() < LEASE + LEASE / 2 {
        pause(Duration::from_millis(200));
        assert_eq!(rig.heard.disappeared(), []);
    }
    rig.nobody_was_lost();
    assert!(rig.sandbox.find("kind=farm").len() >= FARMS);
}
