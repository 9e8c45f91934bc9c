#![allow(clippy::unwrap_used)]
use super::core::{ASK_AGAIN, ASK_EVERY, Answer, Core, MAX_PER_SOURCE};
use super::*;
use hedgerow_model::registration::Mesh;
use proptest::prelude::*;
use std::collections::BTreeSet;
use tokio::time::Instant;

fn url(n: usize) -> String {
    format!("http://10.0.0.{n}:1")
}

fn urls(all: impl IntoIterator<Item = usize>) -> Vec<String> {
    all.into_iter().map(url).collect()
}

fn id(n: usize) -> Id {
    Id([u8::try_from(n).unwrap(); 16])
}

fn answer(n: usize, peers: &[usize]) -> Answer {
    Answer { id: id(n), peers: peers.iter().map(|n| (id(*n), vec![url(*n)])).collect() }
}

fn silent(n: usize) -> ClientError {
    ClientError::TimedOut { tried: "ask", at: url(n), within: Duration::from_secs(3) }
}

fn of_other_mesh(n: usize) -> ClientError {
    let mesh = |name: &str, id| Box::new(Mesh { name: name.into(), id: Id([id; 16]) });
    ClientError::OtherMesh { at: url(n), theirs: mesh("theirs", 8), ours: mesh("ours", 9) }
}

fn known(core: &Core) -> Vec<String> {
    core.known().into_iter().map(|at| at.url).collect()
}

fn all_asked(core: &mut Core, now: Instant) -> BTreeSet<String> {
    std::iter::from_fn(|| core.ask(now, true)).collect()
}

const S: fn(u64) -> Duration = Duration::from_secs;

#[test]
fn who_knows_one_lookup_comes_to_know_all() {
    let start = Instant::now();
    let mut core = Core::new(&urls([1]), &[], true, start);
    assert_eq!(known(&core), urls([1]), "configured: known before it answered");
    assert_eq!(all_asked(&mut core, start), BTreeSet::from([url(1)]));
    core.answered(&url(1), start, answer(1, &[2]), 0);
    assert_eq!(known(&core), urls([1]), "learnt: known once it answers");
    assert_eq!(all_asked(&mut core, start), BTreeSet::from([url(2)]));
    core.answered(&url(2), start, answer(2, &[1, 3]), 0);
    assert_eq!(all_asked(&mut core, start), BTreeSet::from([url(3)]));
    core.answered(&url(3), start, answer(3, &[]), 0);
    assert_eq!(known(&core), urls([1, 2, 3]));
    assert_eq!(core.known()[2].source, Source::Peer);
    assert!(core.tried(true) && core.problems().is_empty());
}

#[test]
fn one_lookup_of_several_addresses_is_one_and_the_configured_address_is_used() {
    let start = Instant::now();
    let mut core = Core::new(&urls([1, 2]), &[], true, start);
    core.names(Source::Mdns, &urls([3]), start);
    all_asked(&mut core, start);
    for at in [3, 2, 1] {
        core.answered(&url(at), start, answer(7, &[]), 0);
    }
    assert_eq!(known(&core), urls([1]));
    // The address fails while another one of the same lookup answers.
    core.failed(&url(1), start + S(1), silent(1), 0);
    assert_eq!(known(&core), urls([1]), "the others may be silent, too");
    core.answered(&url(3), start + S(2), answer(7, &[]), 0);
    assert_eq!(known(&core), urls([2]), "configured, too, and it answered last time");
    core.failed(&url(2), start + S(2), silent(2), 0);
    core.answered(&url(3), start + S(3), answer(7, &[]), 0);
    assert_eq!(known(&core), urls([3]));
    core.failed(&url(3), start + S(4), silent(3), 0);
    assert_eq!(known(&core), urls([3]), "all are silent: nothing is gained by changing");
    core.answered(&url(1), start + S(5), answer(7, &[]), 0);
    assert_eq!(known(&core), urls([1]));
}

#[test]
fn another_mesh_is_refused_naming_both_and_comes_back_when_it_is_put_right() {
    let start = Instant::now();
    let mut core = Core::new(&urls([1, 2]), &[], true, start);
    all_asked(&mut core, start);
    core.answered(&url(1), start, answer(1, &[]), 0);
    core.failed(&url(2), start, of_other_mesh(2), 0);
    assert_eq!(known(&core), urls([1]));
    let said = core.problems()[0].to_string();
    assert!(said.contains("theirs (08") && said.contains("ours (09"), "{said}");
    assert!(all_asked(&mut core, start + S(5)).is_empty(), "not asked again at once");
    core.answered(&url(2), start + S(60), answer(2, &[]), 0);
    assert_eq!((known(&core), core.problems().len()), (urls([1, 2]), 0));
}

#[test]
fn a_lookup_gone_for_good_is_left_and_a_configured_one_never() {
    let start = Instant::now();
    let mut core = Core::new(&urls([1, 4]), &[], true, start);
    all_asked(&mut core, start);
    core.answered(&url(1), start, answer(1, &[2, 3]), 0);
    core.answered(&url(2), start, answer(2, &[1]), 0);
    core.answered(&url(3), start, answer(3, &[1]), 0);
    core.failed(&url(4), start, silent(4), 0);
    assert_eq!(known(&core), urls([1, 4, 2, 3]), "in order of source");
    // 2 dies; as long as its registration is held it may come back.
    core.failed(&url(2), start + S(10), silent(2), 0);
    core.answered(&url(1), start + S(20), answer(1, &[2, 3]), 0);
    assert_eq!(known(&core), urls([1, 4, 2, 3]));
    // Its lease runs out.
    core.answered(&url(1), start + S(60), answer(1, &[3]), 0);
    assert_eq!(known(&core), urls([1, 4, 3]));
    // 3 cancels while it still answers; then it is silent, and 1 is asked whether it knows more.
    core.answered(&url(1), start + S(70), answer(1, &[]), 0);
    assert_eq!(known(&core), urls([1, 4, 3]), "it answers");
    assert!(all_asked(&mut core, start + S(70)).contains(&url(3)), "it is asked at once");
    core.failed(&url(3), start + S(71), silent(3), 0);
    assert!(all_asked(&mut core, start + S(72)).contains(&url(1)));
    assert_eq!(known(&core), urls([1, 4, 3]), "nobody has said since that it is gone");
    core.answered(&url(1), start + S(72), answer(1, &[]), 0);
    core.failed(&url(3), start + S(72), silent(3), 0);
    assert_eq!(known(&core), urls([1, 4]));
}

#[test]
fn two_that_died_together_do_not_keep_each_other() {
    let start = Instant::now();
    let mut core = Core::new(&urls([1]), &[], true, start);
    core.answered(&url(1), start, answer(1, &[2, 3]), 0);
    core.answered(&url(2), start, answer(2, &[3]), 0);
    core.answered(&url(3), start, answer(3, &[2]), 0);
    core.failed(&url(2), start + S(1), silent(2), 0);
    core.failed(&url(3), start + S(1), silent(3), 0);
    core.answered(&url(1), start + S(60), answer(1, &[]), 0);
    assert_eq!(known(&core), urls([1]));
}

#[test]
fn while_nobody_answers_nobody_is_left() {
    let start = Instant::now();
    let mut core = Core::new(&urls([1]), &urls([5]), true, start);
    core.answered(&url(1), start, answer(1, &[2]), 0);
    core.answered(&url(2), start, answer(2, &[1]), 0);
    for n in [1, 2, 5] {
        core.failed(&url(n), start + S(1), silent(n), 0);
        core.failed(&url(n), start + S(900), silent(n), 0);
    }
    assert_eq!(known(&core), urls([1, 2]));
    core.answered(&url(2), start + S(901), answer(2, &[1]), 0);
    assert_eq!(known(&core), urls([1, 2]));
    assert!(!all_asked(&mut core, start + S(2000)).contains(&url(5)), "of the last time, and unknown to all");
}

#[test]
fn what_is_remembered_is_a_way_back_while_the_configured_are_dead() {
    let start = Instant::now();
    let mut core = Core::new(&urls([1]), &urls([2]), true, start);
    assert_eq!(core.ask(start, false), Some(url(1)));
    assert_eq!(core.ask(start, false), None, "the mesh is taken from those who were named");
    assert_eq!(core.ask(start, true), Some(url(2)));
    core.failed(&url(1), start, silent(1), 0);
    core.answered(&url(2), start + S(1), answer(2, &[3]), 0);
    core.answered(&url(3), start + S(1), answer(3, &[]), 0);
    assert_eq!(known(&core), urls([1, 3, 2]));
    assert_eq!(core.problems().len(), 1, "{:?}", core.problems());
}

#[test]
fn a_goodbye_on_the_local_network_drops_nobody_who_answers() {
    let start = Instant::now();
    let mut core = Core::new(&[], &[], false, start);
    core.names(Source::Mdns, &urls([1, 2]), start);
    assert_eq!(
        core.ask(start, false),
        Some(url(1)),
        "where nobody is named, the first found says whose mesh it is"
    );
    core.answered(&url(1), start, answer(1, &[]), 0);
    core.names(Source::Mdns, &[], start + S(1));
    assert_eq!(known(&core), urls([1]));
    assert!(!all_asked(&mut core, start + S(100)).contains(&url(2)), "never answered, and named no more");
}

#[test]
fn news_is_asked_for_at_once_and_never_in_a_loop() {
    let start = Instant::now();
    let mut core = Core::new(&urls([1, 2]), &[], true, start);
    all_asked(&mut core, start);
    core.answered(&url(1), start, answer(1, &[]), 0);
    core.answered(&url(2), start, answer(2, &[]), 0);
    assert!(core.next(true).unwrap() >= start + ASK_EVERY / 2);
    core.version(&url(1), 7, start + S(10));
    assert_eq!(all_asked(&mut core, start + S(10)), BTreeSet::from([url(1)]));
    // It changes again while the answer is on its way.
    core.version(&url(1), 8, start + S(10));
    core.answered(&url(1), start + S(10), answer(1, &[]), 0);
    assert_eq!(core.ask(start + S(10), true), None);
    assert_eq!(core.ask(start + S(10) + ASK_AGAIN, true), Some(url(1)));
    core.answered(&url(1), start + S(11), answer(1, &[]), 0);
    core.version(&url(1), 8, start + S(20));
    assert_eq!(core.ask(start + S(20), true), None, "the same version is no news");
    core.lost(&url(2), start + S(20));
    assert_eq!(all_asked(&mut core, start + S(20)), BTreeSet::from([url(1), url(2)]));
    core.failed(&url(2), start + S(20), silent(2), u64::MAX / 2);
    core.lost(&url(2), start + S(20));
    assert_eq!(core.ask(start + S(20), true), None, "one that fails is asked again when its wait is over");
}

#[test]
fn after_a_power_cut_nobody_off_loopback_is_asked_before_the_delay() {
    let start = Instant::now();
    let here = "http://127.0.0.1:1".to_owned();
    let mut core = Core::new(&[url(1), here.clone()], &[], true, start);
    core.hold_back(start + S(4));
    core.names(Source::Domain, &urls([2]), start + S(1));
    assert_eq!(all_asked(&mut core, start + S(3)), BTreeSet::from([here]));
    assert_eq!(all_asked(&mut core, start + S(4)), BTreeSet::from([url(1), url(2)]));
}

#[test]
fn loopback_is_believed_only_of_loopback() {
    let start = Instant::now();
    let local = ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9", "http://[::ffff:127.0.0.1]:9"];
    let told = |n: usize| Answer {
        id: id(n),
        peers: vec![(id(9), local.iter().map(|url| (*url).to_owned()).collect())],
    };
    let mut core = Core::new(&urls([1]), &[], true, start);
    all_asked(&mut core, start);
    core.answered(&url(1), start, told(1), 0);
    assert_eq!(core.ask(start, true), None, "it would be given the token");
    let here = vec!["http://127.0.0.1:1".to_owned()];
    let mut core = Core::new(&here, &[], true, start);
    all_asked(&mut core, start);
    core.answered(&here[0], start, told(1), 0);
    assert_eq!(all_asked(&mut core, start).len(), local.len());
}

#[test]
fn more_than_are_taken_are_left_out_and_that_is_said() {
    let start = Instant::now();
    let mut core = Core::new(&urls([1]), &[], true, start);
    core.names(Source::Mdns, &urls(2..=200), start);
    let asked = all_asked(&mut core, start);
    assert_eq!(asked.len(), 1 + MAX_PER_SOURCE);
    for n in 1..=200 {
        core.answered(&url(n), start, answer(n, &[]), 0);
    }
    assert_eq!(core.known().len(), MAX_LOOKUPS);
    assert_eq!(core.known()[0].url, url(1), "the configured one is not pushed out");
    let said: Vec<_> = core.problems().iter().map(ToString::to_string).collect();
    assert!(said[0].contains("lookups at the local network: more than 64"), "{said:?}");
    assert!(said[1].contains("lookups at this mesh: more than 64"), "{said:?}");
}

#[test]
fn a_lookup_that_names_others_and_others_again_fills_no_memory_and_pushes_nobody_out() {
    let mut now = Instant::now();
    let mut core = Core::new(&urls([1, 2]), &[], true, now);
    for n in [1, 2] {
        core.answered(&url(n), now, answer(n, &[254]), 0);
    }
    core.answered(&url(254), now, answer(254, &[]), 0);
    for round in 0..50_usize {
        now += ASK_EVERY;
        let named = |n: usize| (Id([9; 16]), vec![format!("http://10.0.0.0:{}", round * 100 + n + 1)]);
        // Each twice: a lookup counts once.
        let mut peers: Vec<_> = (0..100).chain(0..100).map(named).collect();
        peers.push((id(254), vec![url(254)]));
        core.answered(&url(1), now, Answer { id: id(1), peers }, 0);
        core.answered(&url(2), now, answer(2, &[254]), 0);
        assert!(core.is_named(&url(254)), "two name it");
        for (n, asked) in all_asked(&mut core, now).into_iter().enumerate() {
            let mut id = [200; 16];
            id[..2].copy_from_slice(&u16::try_from(round * 100 + n).unwrap().to_be_bytes());
            if asked.starts_with("http://10.0.0.0:") {
                core.answered(&asked, now, Answer { id: Id(id), peers: vec![] }, 0);
            } else {
                core.failed(&asked, now, silent(1), 0);
            }
        }
        core.answered(&url(254), now, answer(254, &[]), 0);
    }
    assert!(core.candidates() <= 4 * MAX_PER_SOURCE, "{}", core.candidates());
}

#[derive(Debug, Clone)]
enum Event {
    Names(Source, Vec<usize>),
    Answers(usize),
}

proptest! {
    /// Whatever the order in which sources name lookups and lookups answer, the same set comes out in the same order.
    #[test]
    fn sightings_in_any_order_give_the_same_set(
        configured in proptest::collection::vec(1_usize..9, 0..3),
        domain in proptest::collection::vec(1_usize..9, 0..4),
        mdns in proptest::collection::vec(1_usize..9, 0..4),
        knows in proptest::collection::vec(proptest::collection::vec(1_usize..9, 0..4), 9),
        // Some addresses lead to one lookup.
        lookup_at in proptest::collection::vec(1_usize..6, 9),
        order in Just((0..24).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let start = Instant::now();
        let mut events: Vec<Event> =
            vec![Event::Names(Source::Domain, domain), Event::Names(Source::Mdns, mdns)];
        events.extend((1..9).map(Event::Answers));
        let run = |events: &[Event]| {
            let mut core = Core::new(&urls(configured.clone()), &[], true, start);
            // Twice, as everything is asked again: what is heard too early counts later.
            for round in 0..3 {
                let now = start + S(round * 60);
                for event in events {
                    match event {
                        Event::Names(source, all) => core.names(*source, &urls(all.clone()), now),
                        Event::Answers(n) => {
                            let peers = knows[*n].iter().map(|n| (id(lookup_at[*n]), vec![url(*n)])).collect();
                            core.answered(&url(*n), now, Answer { id: id(lookup_at[*n]), peers }, 0);
                        }
                    }
                }
            }
            core
        };
        let mut shuffled = events.clone();
        shuffled.sort_by_key(|event| match event {
            Event::Names(source, _) => order[*source as usize],
            Event::Answers(n) => order[8 + n],
        });
        // Peers of peers take a round each.
        let settle = |events: &[Event]| {
            let mut all = events.to_vec();
            for _ in 0..9 { all.extend(events.iter().cloned()); }
            run(&all).known()
        };
        let (one, other) = (settle(&events), settle(&shuffled));
        let ids: BTreeSet<_> = one.iter().map(|at| at.id).collect();
        prop_assert_eq!(ids.len(), one.len(), "one entry a lookup");
        prop_assert_eq!(one, other);
    }
}
