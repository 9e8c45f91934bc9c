//! Promise: where the network is cut, or loses packets, no farm is falsely gone while any lookup still hears it; with everything
//! cut what was known is stale, not gone; and when it heals, all know the truth.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_client::Transition;
use hedgerow_client::directory::ServiceState;
use hedgerow_e2e::{
    Loss, Net, Noted, Observer, PATIENCE, Process, RawWatch, Sandbox, SimFarms, Stopwatch, pause, wait_until,
};
use hedgerow_model::registration::Id;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

// Nodes.
const LOOKUPS: [usize; 2] = [0, 1];
const FARMS: usize = 2;
const CLIENT: usize = 3;

/// What a lookup grants while it holds few leases.
const LEASE: Duration = Duration::from_secs(10);
const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// Two lookups, the farms, and a client, each at a node of its own; and at each lookup one who hears it.
struct Rig {
    farms: SimFarms,
    observer: Observer,
    heard: [RawWatch; 2],
    ids: BTreeMap<&'static str, Id>,
    _lookups: [Process; 2],
    net: Net,
    // Last: the others' files lie in it.
    sandbox: Sandbox,
}

impl Rig {
    fn start() -> Option<Self> {
        let net = Net::new(4)?;
        let sandbox = Sandbox::new();
        let urls = LOOKUPS.map(|which| net.node(which).url(7401));
        let lookups = LOOKUPS.map(|which| {
            let (name, address) = (format!("lookup-{which}"), net.node(which).address());
            let (data, listen) = (sandbox.path(&name), format!("{address}:7401"));
            let mut words = vec!["lookup", "--data", data.to_str().unwrap(), "--listen", &listen];
            if which > 0 {
                words.extend(["--peer", &urls[0]]);
            }
            let command = net.node(which).command(&sandbox, &words);
            let mut lookup = Process::start(command, &sandbox.path("logs"), &name);
            lookup.prints("Ctrl-C stops", PATIENCE);
            lookup
        });
        let heard = LOOKUPS.map(|which| RawWatch::within(net.node(which), &urls[which]));
        let farms = SimFarms::within(net.node(FARMS), &sandbox, urls.to_vec());
        let ids = NAMES.into_iter().map(|name| (name, farms.start(name))).collect();
        let observer = Observer::within(net.node(CLIENT), &urls, "kind=farm");
        wait_until("all farms at both lookups", PATIENCE, || farms.all_registered());
        let rig = Self { farms, observer, heard, ids, _lookups: lookups, net, sandbox };
        wait_until("all farms told", PATIENCE, || rig.observer.present().len() == NAMES.len());
        wait_until("both lookups reached", PATIENCE, || LOOKUPS.map(|which| rig.reaches(which)) == [true; 2]);
        Some(rig)
    }

    /// Whether the client says that it reaches a lookup.
    fn reaches(&self, which: usize) -> bool {
        let url = self.net.node(which).url(7401);
        let change = |noted: &Noted| match &noted.transition {
            Transition::LookupReached { url: which } if *which == url => Some(true),
            Transition::LookupLost { url: which, .. } if *which == url => Some(false),
            _ => None,
        };
        self.observer.noted().iter().filter_map(change).next_back().unwrap_or(false)
    }

    /// Whether a lookup has forgotten all these farms.
    fn forgot(&self, which: usize, names: &[&str]) -> bool {
        names.iter().all(|name| self.heard[which].last_of(self.ids[name]).is_none())
    }

    /// Everything told of farms, but that they appeared.
    fn told(&self, names: &[&'static str]) -> Vec<(&'static str, Vec<String>)> {
        let rest = |name: &&'static str| (*name, self.observer.story(name).split_off(1));
        names.iter().map(rest).filter(|(_, rest)| !rest.is_empty()).collect()
    }
}

#[test]
fn a_client_cut_off_from_a_lookup_and_a_lookup_that_hears_no_farms_change_nothing() {
    let Some(rig) = Rig::start() else { return };
    let (one, stay) = (LOOKUPS[0], &NAMES[2..]);

    // Neither hears the other; the farms reach both.
    rig.net.lose(&Loss::between(CLIENT, one, 100));
    wait_until("that a lookup is lost", PATIENCE, || !rig.reaches(one));
    rig.farms.start("comes");
    rig.farms.cancel("a");
    wait_until("one that comes", PATIENCE, || rig.observer.story("comes") == ["appeared"]);
    wait_until("one that goes", PATIENCE, || {
        rig.told(&["a"]) == [("a", vec!["disappeared cancelled".to_owned()])]
    });
    rig.net.lose(&[]);
    wait_until("that the lookup is reached", PATIENCE, || rig.reaches(one));
    assert_eq!(rig.told(&NAMES[1..]), []);

    // The lookup does not hear the farms, and everybody hears the lookup.
    rig.net.lose(&[Loss { from: FARMS, to: one, percent: 100 }]);
    wait_until("that the lookup forgets them all", PATIENCE, || rig.forgot(one, &NAMES[1..]));
    rig.farms.cancel("b");
    wait_until("one that goes", PATIENCE, || {
        rig.told(&["b"]) == [("b", vec!["disappeared cancelled".to_owned()])]
    });
    assert_eq!(rig.told(stay), [], "the other lookup hears them");
    rig.net.lose(&[]);
    wait_until("that the lookup knows them again", PATIENCE, || {
        stay.iter().all(|name| rig.heard[0].last_of(rig.ids[name]).is_some())
    });
    assert_eq!(rig.told(stay), []);
    assert_eq!(rig.observer.present().len(), stay.len() + 1);
}

#[test]
fn a_network_that_loses_a_third_tells_nothing_false_and_with_everything_cut_all_is_stale_not_gone() {
    let Some(rig) = Rig::start() else { return };

    // Both ways, between all.
    let all: Vec<Loss> = (0..4).flat_map(|a| (0..a).flat_map(move |b| Loss::between(a, b, 30))).collect();
    rig.net.lose(&all);
    let lossy = Stopwatch::new();
    while lossy.elapsed() < 2 * LEASE {
        pause(Duration::from_millis(200));
        for noted in rig.observer.noted() {
            let Transition::Disappeared(service, gone) = &noted.transition else { continue };
            // Where no renewal came through to either, its lease ran out indeed.
            let id = service.registration.id;
            let lost = |heard: &RawWatch| heard.disappeared().iter().any(|(lost, ..)| *lost == id);
            assert!(rig.heard.iter().all(lost), "{gone:?}, and a lookup heard it: {noted:?}");
        }
    }
    let lost = rig.net.lost();
    assert!(lost > 30, "{lost} packets were lost");
    rig.net.lose(&[]);
    wait_until("all farms", PATIENCE, || rig.observer.present().len() == NAMES.len());
    wait_until("both lookups", PATIENCE, || LOOKUPS.map(|which| rig.reaches(which)) == [true; 2]);
    let before: BTreeMap<&str, usize> = NAMES.map(|name| (name, rig.observer.story(name).len())).into();
    println!("{lost} packets lost; told by then: {before:?}");

    // The client hears nobody.
    rig.net.lose(&LOOKUPS.map(|which| Loss::between(CLIENT, which, 100)).concat());
    wait_until("that both are lost", PATIENCE, || LOOKUPS.map(|which| rig.reaches(which)) == [false; 2]);
    rig.farms.silence("a");
    rig.farms.start("comes");
    // Longer than any lease of which it knows.
    let cut = Stopwatch::new();
    while cut.elapsed() < LEASE + LEASE / 5 {
        pause(Duration::from_millis(200));
        assert_eq!(rig.observer.present(), rig.ids.values().copied().collect::<BTreeSet<_>>());
    }
    let stale: BTreeMap<Id, ServiceState> = rig.observer.states();
    assert!(stale.values().all(|state| *state == ServiceState::Stale), "{stale:?}");
    wait_until("that the lookups forget one", PATIENCE, || rig.forgot(0, &["a"]) && rig.forgot(1, &["a"]));
    rig.net.lose(&[]);
    wait_until("one that died", 2 * PATIENCE, || {
        rig.observer.story("a").last().unwrap() == "disappeared expired"
    });
    wait_until("one that came", PATIENCE, || rig.observer.story("comes") == ["appeared"]);
    for name in &NAMES[1..] {
        assert_eq!(rig.observer.story(name).len(), before[name], "{name}: {:?}", rig.observer.story(name));
    }
    wait_until("that all are live", PATIENCE, || {
        rig.observer.states().values().all(|state| *state == ServiceState::Live)
    });
}

#[test]
fn a_connection_that_dies_without_a_word_is_noticed_at_both_ends_and_the_watch_goes_on() {
    let Some(rig) = Rig::start() else { return };
    let watchers = |which: usize| {
        let node = rig.net.node(which);
        let words = ["lookup", "status", "--json", "--lookup", &node.url(7401)];
        let asked = Process::start(node.command(&rig.sandbox, &words), &rig.sandbox.path("logs"), "status");
        asked.finished(PATIENCE).ok().json()[0]["watchers"].as_u64().unwrap()
    };
    // One hears each lookup, and the client watches both.
    wait_until("all who watch", PATIENCE, || LOOKUPS.map(watchers) == [2, 2]);

    // What either end sends is dropped: nobody refuses, nobody resets.
    rig.net.lose(&LOOKUPS.map(|which| Loss::between(CLIENT, which, 100)).concat());
    rig.farms.cancel("a");
    rig.farms.change("b", "another");
    rig.farms.start("comes");
    wait_until("that the client has lost both", PATIENCE, || {
        LOOKUPS.map(|which| rig.reaches(which)) == [false; 2]
    });
    wait_until("that the lookups let the client go", 2 * PATIENCE, || LOOKUPS.map(watchers) == [1, 1]);
    assert_eq!(rig.told(&NAMES), [], "nobody could tell it anything");

    rig.net.lose(&[]);
    wait_until("what it missed", PATIENCE, || rig.told(&NAMES).len() == 2);
    wait_until("one that came", PATIENCE, || rig.observer.story("comes") == ["appeared"]);
    wait_until("both lookups", PATIENCE, || LOOKUPS.map(|which| rig.reaches(which)) == [true; 2]);
    wait_until("that all are live", PATIENCE, || {
        rig.observer.states().values().all(|state| *state == ServiceState::Live)
    });
    // All it knew had run out meanwhile: it compares what there is with what there was, and why one went nobody tells.
    let [("a", gone), ("b", changed)] = &rig.told(&NAMES)[..] else { panic!("{:?}", rig.told(&NAMES)) };
    assert!(gone.len() == 1 && gone[0].starts_with("disappeared"), "{gone:?}");
    assert_eq!(changed[..], ["changed"]);
    assert_eq!(rig.observer.story("comes"), ["appeared"]);
}
