#![allow(clippy::unwrap_used)]
#![allow(non_snake_case)]
use super::*;
use crate::lease_time::TICK;
use crate::leases::TooShort;
use crate::testing::{Author, template};
use crate::transitions::Seen;
use crate::watchers::{Event, Sight, Told};

const fn S(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
const NOW: Duration = S(1000);

fn directory() -> Directory {
    Directory::new(7, &Bounds::default(), NOW)
}

fn register(directory: &mut Directory, entry: Entry, fresh: u64) -> Result<Granted, Refusal> {
    directory.register(NOW, entry, S(60), LeaseId(fresh))
}

fn run(directory: &mut Directory, from: Duration, to: Duration) {
    let mut now = from;
    while now < to {
        now = (now + TICK).min(to);
        directory.tick(now);
    }
}

fn count(directory: &mut Directory, now: Duration) -> (usize, usize) {
    let census = directory.census(now);
    (census.leases, census.unconfirmed)
}

/// What a watcher was told, in short: `+` appeared, `~` changed, `-` disappeared.
fn told(events: &[Event]) -> Vec<String> {
    let word = |event: &Event| match &event.told {
        Told::Reset(_) => "reset".to_owned(),
        Told::Present(sight) => format!("present {}", sight.entry.registration.name),
        Told::SnapshotEnd => "end".to_owned(),
        Told::Idle => "idle".to_owned(),
        Told::Seen(seen, sight) => format!("{seen:?} {}", sight.entry.registration.name),
        Told::Suspicion(said) => format!("suspicion {} {}/{}", said.begun, said.overdue, said.leases),
    };
    events.iter().map(word).collect()
}

#[test]
fn a_higher_instance_or_serial_replaces_an_equal_one_changes_nothing_a_lower_one_is_refused() {
    let mut directory = directory();
    let author = Author::new(1);
    let first = register(&mut directory, author.entry(2, 5), 10).unwrap();
    assert_eq!(first, Granted { lease: LeaseId(10), term: S(10) });
    let (watcher, _) = directory.watch(NOW, template("kind=farm"), None);
    assert_eq!(register(&mut directory, author.entry(2, 5), 11).unwrap(), first, "the lease again");
    assert_eq!(directory.revision().number, 1, "a no-op is no transition");
    assert_eq!(register(&mut directory, author.entry(2, 6), 12).unwrap().lease, LeaseId(12), "new words");
    for older in [(2, 5), (1, 9)] {
        let refusal = register(&mut directory, author.entry(older.0, older.1), 13).unwrap_err();
        assert!(matches!(refusal, Refusal::Older { .. }), "{refusal}");
    }
    assert_eq!(register(&mut directory, author.entry(3, 0), 14).unwrap().lease, LeaseId(14), "a new run");
    assert_eq!(told(&directory.drain(NOW, watcher, 100)), ["Body farm-1", "Body farm-1"]);
    let renewed = directory.renew(NOW, &[LeaseId(10), LeaseId(12), LeaseId(14)]);
    assert_eq!(renewed, [Renewed::Unknown, Renewed::Replaced, Renewed::For(S(10))]);
    assert!(!directory.cancel(NOW, LeaseId(12)), "who was replaced cannot cancel his successor");
}

#[test]
fn who_renews_a_change_that_was_not_yet_on_disk_is_told_to_say_it_again() {
    let mut directory = directory();
    let author = Author::new(1);
    let lease = register(&mut directory, author.entry(1, 1), 10).unwrap().lease;
    let entry = Arc::new(author.entry(1, 1));
    let changed = register(&mut directory, author.entry(1, 2), 11).unwrap().lease;
    let mut killed = Directory::new(2, &Bounds::default(), NOW);
    killed.restore(Kept { entry: entry.into(), lease, asked: S(60), granted: S(10), former: None });
    assert_eq!(killed.renew(NOW, &[changed]), [Renewed::Unknown]);
    register(&mut killed, author.entry(1, 2), 12).unwrap();
    assert_eq!(directory.renew(NOW, &[changed]), [Renewed::For(S(10))], "where nothing was lost, it runs");
}

#[test]
fn another_key_is_refused_whatever_it_says() {
    let mut directory = directory();
    let author = Author::new(1);
    register(&mut directory, author.entry(1, 1), 10).unwrap();
    let mut thief = Author::new(2);
    thief.registration = author.registration.clone();
    assert_eq!(
        register(&mut directory, thief.entry(9, 9), 11),
        Err(Refusal::OtherKey(author.registration.id))
    );
}

#[test]
fn too_short_an_ask_and_a_full_directory_are_refused_and_nothing_changes() {
    let bounds = Bounds { renewals_per_second: 0.1, registrations: 2, ..Bounds::default() };
    let mut directory = Directory::new(7, &bounds, NOW);
    let mut ask =
        |n, start, asked| directory.register(NOW, Author::new(n).entry(start, 0), asked, LeaseId(n.into()));
    ask(1, 1, S(60)).unwrap();
    let short = Refusal::TooShort(TooShort { asked: S(50), needed: S(60) });
    assert_eq!(ask(2, 1, S(50)), Err(short.clone()));
    ask(2, 1, S(60)).unwrap();
    assert_eq!(ask(3, 1, S(600)), Err(Refusal::Full(2)));
    assert_eq!(ask(2, 2, S(50)), Err(short), "nor can a new run ask for less");
    assert_eq!(directory.renew(NOW, &[LeaseId(2)]), [Renewed::For(S(60))], "the old lease stands");
}

#[test]
fn watchers_see_transitions_through_their_template() {
    let mut directory = directory();
    let mut author = Author::new(1);
    let (watcher, snapshot) = directory.watch(NOW, template("country=CH"), None);
    assert_eq!(told(&snapshot), ["end"]);
    author.registration.attributes.insert("country".into(), "FR".into());
    register(&mut directory, author.entry(1, 0), 1).unwrap();
    author.registration.attributes.insert("country".into(), "CH".into());
    register(&mut directory, author.entry(1, 1), 2).unwrap();
    register(&mut directory, author.entry(1, 2), 3).unwrap();
    author.registration.attributes.clear();
    register(&mut directory, author.entry(1, 3), 4).unwrap();
    register(&mut directory, Author::new(2).entry(1, 0), 5).unwrap();
    assert!(directory.cancel(NOW, LeaseId(5)));
    let events = directory.drain(NOW, watcher, 100);
    let expected =
        ["Matched farm-1", "Body farm-1", "Unmatched farm-1", "Registered farm-2", "Cancelled farm-2"];
    assert_eq!(told(&events), expected);
    assert_eq!(events.iter().map(|event| event.number).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
}

#[test]
fn an_expired_lease_is_told_at_the_next_tick_and_only_then() {
    let mut directory = directory();
    register(&mut directory, Author::new(1).entry(1, 0), 1).unwrap();
    let (watcher, _) = directory.watch(NOW, template(""), None);
    directory.take_effects();
    run(&mut directory, NOW, NOW + S(10) - Duration::from_millis(1));
    assert!(directory.take_effects().woken.is_empty());
    directory.tick(NOW + S(10));
    let effects = directory.take_effects();
    assert_eq!(effects.woken, [watcher]);
    assert_eq!(effects.unwritten, [0]);
    assert!(matches!(directory.take_write(0), Write::Forget(0)));
    assert_eq!(told(&directory.drain(NOW + S(10), watcher, 100)), ["Expired farm-1"]);
    assert_eq!(directory.renew(NOW + S(10), &[LeaseId(1)]), [Renewed::Unknown]);
}

#[test]
fn what_was_kept_over_a_restart_is_unconfirmed_for_one_term_until_renewed() {
    let mut directory = directory();
    for n in [1, 2] {
        let entry = Arc::new(Author::new(n).entry(1, 0));
        directory.restore(Kept {
            entry: entry.into(),
            lease: LeaseId(n.into()),
            asked: S(60),
            granted: S(20),
            former: None,
        });
    }
    assert_eq!(count(&mut directory, NOW), (2, 2));
    let (watcher, snapshot) = directory.watch(NOW, template("name=farm-1"), None);
    let Told::Present(sight) = &snapshot[0].told else { panic!("{snapshot:?}") };
    assert_eq!((sight.state, sight.remaining), (LeaseState::Unconfirmed, S(20)));
    run(&mut directory, NOW, NOW + S(15));
    assert_eq!(directory.renew(NOW + S(15), &[LeaseId(1)]), [Renewed::For(S(10))]);
    let events = directory.drain(NOW + S(15), watcher, 100);
    assert_eq!(told(&events), ["State farm-1"]);
    let Told::Seen(Seen::State, sight) = &events[0].told else { panic!("{events:?}") };
    assert_eq!((sight.state, sight.remaining), (LeaseState::Live, S(10)));
    run(&mut directory, NOW + S(15), NOW + S(20));
    assert_eq!(count(&mut directory, NOW + S(20)), (1, 0), "farm-2 was not renewed");
}

#[test]
fn who_resumes_gets_what_he_missed_or_a_reset_that_says_why() {
    let bounds = Bounds { log: LogBounds { transitions: 3, ..LogBounds::default() }, ..Bounds::default() };
    let mut directory = Directory::new(7, &bounds, NOW);
    for n in 1..=5 {
        register(&mut directory, Author::new(n).entry(1, 0), n.into()).unwrap();
    }
    let mut resume = |epoch, number| {
        let events = directory.watch(NOW, template("name=farm-4"), Some(Revision { epoch, number })).1;
        let reason = if let Told::Reset(reason) = events[0].told { reason } else { "" };
        (told(&events).join(", "), reason)
    };
    assert_eq!(resume(7, 2), ("Registered farm-4".into(), ""));
    assert_eq!(resume(7, 4), ("idle".into(), ""));
    assert_eq!(resume(7, 5), ("idle".into(), ""));
    let snapshot = "reset, present farm-4, end";
    assert_eq!(resume(7, 1), (snapshot.into(), "what happened since is no longer in the log"));
    assert_eq!(resume(7, 6), (snapshot.into(), "what happened since is no longer in the log"));
    assert_eq!(resume(8, 5), (snapshot.into(), "the lookup has restarted"));
    assert_eq!(directory.counters.resets, 3);
}

#[test]
fn the_log_is_bounded_by_bytes_too() {
    let bounds = Bounds { log: LogBounds { bytes: 2000, ..LogBounds::default() }, ..Bounds::default() };
    let mut directory = Directory::new(7, &bounds, NOW);
    for n in 1..=50 {
        register(&mut directory, Author::new(n).entry(1, 0), n.into()).unwrap();
    }
    assert!(directory.log.after(49).is_some());
    assert!(directory.log.after(20).is_none());
}

#[test]
fn what_happened_long_ago_is_told_as_it_was_then() {
    let mut directory = Directory::new(7, &Bounds::default(), NOW);
    for n in 1..=50 {
        register(&mut directory, Author::new(n).entry(1, 0), n.into()).unwrap();
    }
    let mut other = Author::new(7);
    other.registration.name = "renamed".into();
    register(&mut directory, other.entry(1, 1), 99).unwrap();
    let after = Some(Revision { epoch: 7, number: 5 });
    let (_, events) = directory.watch(NOW, template(""), after);
    assert_eq!(events.len(), 46);
    assert_eq!(told(&events)[1], "Registered farm-7");
    assert_eq!(told(&events)[45], "Body renamed");
    let (_, events) = directory.watch(NOW, template("name=farm-7"), after);
    assert_eq!(told(&events), ["Registered farm-7", "Unmatched renamed"]);
}

#[test]
fn a_watcher_that_falls_behind_is_reset_and_the_others_are_not() {
    let mut directory = Directory::new(7, &Bounds { pending: 2, ..Bounds::default() }, NOW);
    let (slow, _) = directory.watch(NOW, template(""), None);
    let (other, _) = directory.watch(NOW, template("name=farm-3"), None);
    for n in 1..=3 {
        register(&mut directory, Author::new(n).entry(1, 0), n.into()).unwrap();
    }
    let events = directory.drain(NOW, slow, 100);
    assert_eq!(told(&events), ["reset", "present farm-1", "present farm-2", "present farm-3", "end"]);
    assert!(events[..4].iter().all(|event| event.number == 0), "nobody can resume within a snapshot");
    assert_eq!(told(&directory.drain(NOW, other, 100)), ["Registered farm-3"]);
    assert!(directory.cancel(NOW, LeaseId(1)));
    assert_eq!(told(&directory.drain(NOW, slow, 100)), ["Cancelled farm-1"]);
}

#[test]
fn pages_are_ordered_complete_and_bounded_by_bytes() {
    let mut directory = directory();
    for n in [3, 1, 2, 5, 4] {
        register(&mut directory, Author::new(n).entry(1, 0), n.into()).unwrap();
    }
    let all = template("");
    let mut page = |after: Option<u8>, limit, bytes| {
        let page = directory.find(NOW, &all, after.map(|n| Id([n; 16])), limit, bytes);
        let ids: Vec<u8> = page.sights.iter().map(|sight| sight.entry.registration.id.0[0]).collect();
        (ids, page.total, page.more)
    };
    assert_eq!(page(None, 2, 1 << 20), (vec![1, 2], 5, true));
    assert_eq!(page(Some(2), 3, 1 << 20), (vec![3, 4, 5], 5, false));
    assert_eq!(page(Some(2), 3, 1), (vec![3], 5, true), "at least one");
    assert_eq!(page(Some(5), 3, 1), (vec![], 5, false));
}

/// As many farms, of two bytes of id, under leases named from 1.
fn farms(directory: &mut Directory, count: u16) {
    for n in 1..=count {
        let mut author = Author::new(1);
        author.registration.id.0[..2].copy_from_slice(&n.to_be_bytes());
        author.registration.name = format!("farm-{n}");
        register(directory, author.entry(1, 0), n.into()).unwrap();
    }
}

/// Lets time pass, while those that live renew every three seconds. Gives when each went, in milliseconds.
fn live(
    directory: &mut Directory,
    watcher: crate::watchers::WatcherId,
    from: Duration,
    to: Duration,
    living: impl Fn(u64, Duration) -> bool,
) -> Vec<(String, u128)> {
    let mut said = Vec::new();
    let mut now = from;
    while now < to {
        now += TICK;
        directory.tick(now);
        if (now - NOW).as_millis().is_multiple_of(3000) {
            let living: Vec<LeaseId> = (1..=100).filter(|n| living(*n, now)).map(LeaseId).collect();
            directory.renew(now, &living);
        }
        let events = told(&directory.drain(now, watcher, 1000));
        said.extend(events.into_iter().map(|event| (event, (now - NOW).as_millis())));
    }
    said
}

#[test]
fn three_quarters_of_a_hundred_farms_silent_at_once_are_suspect_and_none_is_dropped_early() {
    let mut directory = directory();
    farms(&mut directory, 100);
    let (watcher, _) = directory.watch(NOW, template("name=farm-*"), None);
    let (elsewhere, _) = directory.watch(NOW, template("kind=lookup"), None);
    let said = live(&mut directory, watcher, NOW, NOW + S(49), |n, _| n <= 25);
    assert_eq!(said[0], ("suspicion true 75/100".into(), 10_000));
    assert_eq!(said.len(), 76, "one notice, and one for each: {said:?}");
    assert!(said[1..].iter().all(|(event, at)| event.starts_with("State farm-") && *at == 10_000));
    let census = directory.census(NOW + S(49));
    assert_eq!((census.leases, census.suspect, census.overdue, census.suspects), (100, 75, 75, true));
    assert_eq!(told(&directory.drain(NOW + S(49), elsewhere, 100)), ["suspicion true 75/100"]);
    let (late, first) = directory.watch(NOW + S(49), template("name=farm-30"), None);
    assert_eq!(told(&first), ["present farm-30", "suspicion true 75/100", "end"]);
    assert_eq!(directory.renew(NOW + S(49), &[LeaseId(30)]), [Renewed::For(S(10))]);
    assert_eq!(told(&directory.drain(NOW + S(49), late, 100)), ["State farm-30"], "live again");

    let said = live(&mut directory, watcher, NOW + S(49), NOW + S(70), |n, _| n <= 30);
    let gone: Vec<_> = said.iter().filter(|(event, _)| event.starts_with("Expired")).collect();
    assert_eq!(gone.len(), 74, "five terms are the end: {said:?}");
    assert!(gone.iter().all(|(_, at)| *at == 50_000), "{gone:?}");
    let over: Vec<_> = said.iter().filter(|(event, _)| event.starts_with("suspicion false")).collect();
    assert_eq!(over.len(), 1, "it ended once no more than half were overdue: {said:?}");
}

#[test]
fn farms_that_die_one_by_one_go_when_their_lease_runs_out_and_nothing_is_suspected() {
    let mut directory = directory();
    farms(&mut directory, 100);
    let (watcher, _) = directory.watch(NOW, template(""), None);
    // Farm n last renews at 3 n seconds.
    let said = live(&mut directory, watcher, NOW, NOW + S(120), |n, now| n > 25 || now <= NOW + S(3 * n));
    assert_eq!(said.len(), 25, "{said:?}");
    for (n, (event, at)) in (1..).zip(said) {
        assert_eq!(event, format!("Expired farm-{n}"));
        let ran_out = 3000 * n + 10_000;
        assert!((ran_out..=ran_out + 2000).contains(&at), "{event} at {at}, ran out at {ran_out}");
    }
}

#[test]
fn after_a_suspicion_who_is_still_suspect_has_one_more_term() {
    let mut directory = directory();
    farms(&mut directory, 100);
    let (watcher, _) = directory.watch(NOW, template(""), None);
    // Half of the silent ones come back after 20 s: at 21 s the suspicion is over.
    let back = |n, now| n <= 25 || n <= 60 && now >= NOW + S(20);
    let said = live(&mut directory, watcher, NOW, NOW + S(60), back);
    let at = |what: &str| -> Vec<u128> {
        said.iter().filter(|(event, _)| event.starts_with(what)).map(|(_, at)| *at).collect()
    };
    assert_eq!(at("suspicion true"), [10_000]);
    let [over] = at("suspicion false")[..] else { panic!("{said:?}") };
    assert!((20_000..22_000).contains(&over), "{over}");
    assert_eq!(at("Expired"), [over + 10_000; 40]);
}

#[test]
fn few_leases_are_never_suspected_and_cancels_are_never_held_back() {
    let mut directory = directory();
    farms(&mut directory, 20);
    assert!(directory.cancel(NOW, LeaseId(20)));
    let (watcher, _) = directory.watch(NOW, template(""), None);
    let said = live(&mut directory, watcher, NOW, NOW + S(11), |n, _| n == 1);
    assert_eq!(said.len(), 18, "{said:?}");
    assert!(said.iter().all(|(event, _)| event.starts_with("Expired")));

    let mut directory = self::directory();
    farms(&mut directory, 20);
    let (watcher, _) = directory.watch(NOW, template(""), None);
    assert_eq!(live(&mut directory, watcher, NOW, NOW + S(15), |n, _| n == 1).len(), 20);
    assert!(directory.cancel(NOW + S(15), LeaseId(7)));
    let said = told(&directory.drain(NOW + S(15), watcher, 9));
    assert_eq!(said, ["Cancelled farm-7", "suspicion false 18/19"], "fewer than 20 are left");
}

#[test]
fn what_is_unconfirmed_after_a_restart_becomes_suspect_like_others_and_a_stall_makes_nobody_so() {
    let mut directory = directory();
    for n in 1..=100 {
        let entry = Arc::new(Author::new(n).entry(1, 0));
        directory.restore(Kept {
            entry: entry.into(),
            lease: LeaseId(n.into()),
            asked: S(60),
            granted: S(20),
            former: None,
        });
    }
    let (watcher, _) = directory.watch(NOW, template(""), None);
    run(&mut directory, NOW, NOW + S(9));
    assert!(directory.tick(NOW + S(500)).is_some(), "stood still");
    assert_eq!(directory.census(NOW + S(500)).overdue, 0);
    assert!(directory.drain(NOW + S(500), watcher, 1000).is_empty());
    run(&mut directory, NOW + S(500), NOW + S(511));
    let said = told(&directory.drain(NOW + S(511), watcher, 1000));
    assert_eq!((said.len(), &*said[0]), (101, "suspicion true 100/100"));
    let census = directory.census(NOW + S(511));
    assert_eq!((census.unconfirmed, census.suspect), (0, 100));
}

#[test]
fn more_leases_than_can_be_marked_at_once_are_marked_the_next_times() {
    let mut directory = directory();
    let count = u64::try_from(crate::leases::MARKED_AT_ONCE).unwrap() + 10;
    for n in 1..=count {
        let mut author = Author::new(1);
        author.registration.id.0[..8].copy_from_slice(&n.to_be_bytes());
        let entry = Arc::new(author.entry(1, 0));
        directory.restore(Kept {
            entry: entry.into(),
            lease: LeaseId(n),
            asked: S(60),
            granted: S(if n <= 10 { 10 } else { 18 }),
            former: None,
        });
    }
    run(&mut directory, NOW, NOW + S(10));
    assert!(directory.census(NOW + S(10)).suspects);
    run(&mut directory, NOW + S(10), NOW + S(11));
    assert_eq!(directory.census(NOW + S(11)).suspect as u64, count);
}

/// So many leases of a farm each, of this term, kept over a restart; named from `first`.
fn kept(directory: &mut Directory, first: u64, count: usize, granted: Duration) {
    for n in first..first + count as u64 {
        let mut author = Author::new(1);
        author.registration.id.0[..8].copy_from_slice(&n.to_be_bytes());
        let entry = author.unsigned();
        directory.restore(Kept {
            entry: entry.into(),
            lease: LeaseId(n),
            asked: S(60),
            granted,
            former: None,
        });
    }
}

#[test]
fn a_suspicion_of_more_than_can_be_marked_at_once_resets_no_watcher_that_reads() {
    let mut directory = directory();
    let count = MAX_PENDING + crate::leases::MARKED_AT_ONCE + 10;
    kept(&mut directory, 1, 10, S(10));
    kept(&mut directory, 11, count - 10, S(19));
    let (watcher, _) = directory.watch(NOW, template("kind=farm"), None);
    let mut said = Vec::new();
    for tick in 1..=48 {
        // Everybody calls, and each call looks at the leases.
        for millisecond in 0..10 {
            directory.census(NOW + tick * TICK + Duration::from_millis(millisecond));
        }
        said.extend(told(&directory.drain(
            NOW + tick * TICK + Duration::from_millis(10),
            watcher,
            usize::MAX,
        )));
    }
    assert_eq!(said[0], format!("suspicion true {count}/{count}"));
    assert_eq!(said.len(), count + 1, "{:?}", said.iter().filter(|told| *told == "reset").count());
}

#[test]
fn of_many_leases_that_run_out_together_so_many_end_at_a_look_and_all_within_two_seconds() {
    let mut directory = directory();
    let count = crate::leases::ENDED_AT_ONCE + 500;
    kept(&mut directory, 1, count, S(10));
    kept(&mut directory, 100_000, count + 1, S(60));
    run(&mut directory, NOW, NOW + S(10) - Duration::from_millis(1));
    assert_eq!(directory.leases.count(), 2 * count + 1);
    directory.tick(NOW + S(10));
    assert_eq!(directory.leases.count(), count + 1 + 500, "others come to their turn meanwhile");
    run(&mut directory, NOW + S(10), NOW + S(12));
    assert_eq!(directory.leases.count(), count + 1);
    assert_eq!(directory.counters.expired, count as u64);
}

#[test]
fn what_waits_for_watchers_is_held_by_the_log_and_nowhere_else() {
    let bounds = Bounds { log: LogBounds { transitions: 3, ..LogBounds::default() }, ..Bounds::default() };
    let mut directory = Directory::new(7, &bounds, NOW);
    let (idle, _) = directory.watch(NOW, template("name=farm-1"), None);
    let weak = {
        register(&mut directory, Author::new(1).entry(1, 0), 1).unwrap();
        Arc::downgrade(&directory.log.after(0).unwrap().next().unwrap())
    };
    for n in 2..=5 {
        register(&mut directory, Author::new(n).entry(1, 0), n.into()).unwrap();
    }
    assert!(weak.upgrade().is_none(), "who does not read holds no bodies");
    assert_eq!(told(&directory.drain(NOW, idle, 100)), ["reset", "present farm-1", "end"]);
    register(&mut directory, Author::new(1).entry(1, 1), 9).unwrap();
    assert_eq!(told(&directory.drain(NOW, idle, 100)), ["Body farm-1"]);
}

#[test]
fn registrations_are_bounded_by_their_bytes_too_and_nobody_is_kept_from_shrinking() {
    let author = |n, length| {
        let mut author = Author::new(n);
        author.registration.description = "x".repeat(length);
        author
    };
    let body = author(1, 500).entry(1, 0).signed.body.len();
    let mut directory = Directory::new(7, &Bounds { bytes: 2 * body, ..Bounds::default() }, NOW);
    for n in [1, 2] {
        register(&mut directory, author(n, 500).entry(1, 0), n.into()).unwrap();
    }
    let full = Err(Refusal::FullBytes(2 * body));
    assert_eq!(register(&mut directory, author(3, 0).entry(1, 0), 3), full);
    assert_eq!(register(&mut directory, author(2, 501).entry(1, 1), 4), full);
    assert_eq!(register(&mut directory, author(2, 501).entry(2, 0), 5), full);
    register(&mut directory, author(2, 500).entry(2, 0), 6).unwrap();
    register(&mut directory, author(2, 0).entry(2, 1), 7).unwrap();
    register(&mut directory, author(1, 600).entry(1, 1), 8).unwrap();
    assert!(directory.cancel(NOW, LeaseId(7)) && directory.cancel(NOW, LeaseId(8)));
    assert_eq!(directory.registry.body_bytes(), 0);
}

/// The same service in two places.
fn copies() -> (Author, Author) {
    let (mut one, mut other) = (Author::new(1), Author::new(1));
    one.registration.endpoints[0].url = "http://127.0.0.1:1111".into();
    other.registration.endpoints[0].url = "http://127.0.0.1:2222".into();
    (one, other)
}

#[test]
fn of_two_live_holders_of_one_id_the_older_is_restored_and_the_newer_refused_naming_both() {
    let mut directory = directory();
    let (one, copy) = copies();
    register(&mut directory, one.entry(5, 3), 1).unwrap();
    let (watcher, _) = directory.watch(NOW, template(""), None);
    register(&mut directory, copy.entry(6, 0), 2).unwrap();
    let (old, new) = (LeaseId(1), LeaseId(2));
    run(&mut directory, NOW, NOW + S(3));
    assert_eq!(
        directory.renew(NOW + S(3), &[old, old, new]),
        [Renewed::Replaced, Renewed::Replaced, Renewed::For(S(10))]
    );
    let problem = directory.problem(old).unwrap();
    assert!(
        problem.contains("http://127.0.0.1:1111") && problem.contains("http://127.0.0.1:2222"),
        "{problem}"
    );
    run(&mut directory, NOW + S(3), NOW + S(6));
    assert_eq!(directory.renew(NOW + S(6), &[old, new]), [Renewed::For(S(10)), Renewed::Cloned], "proven");
    let events = directory.drain(NOW + S(6), watcher, 9);
    assert_eq!(told(&events), ["Body farm-1", "Body farm-1"]);
    let Told::Seen(Seen::Body, sight) = &events[1].told else { panic!("{events:?}") };
    assert_eq!(sight.entry.signed, one.signed(5, 3), "the older, as it was");
    let clone_of = |sight: &Sight| sight.clone.as_ref().map(|newer| newer.urls.clone());
    assert_eq!(clone_of(sight).unwrap(), ["http://127.0.0.1:2222"], "and who has its identity, too");
    let page = directory.find(NOW + S(6), &template(""), None, 9, usize::MAX);
    assert_eq!(clone_of(&page.sights[0]).unwrap(), ["http://127.0.0.1:2222"]);
    let problem = directory.problem(new).unwrap();
    for part in ["cloned_id", "http://127.0.0.1:1111", "http://127.0.0.1:2222", "`identity`"] {
        assert!(problem.contains(part), "{part} in {problem}");
    }
    let cloned = directory.cloned();
    assert_eq!(cloned.len(), 1, "shown with both addresses");
    assert_eq!(
        (cloned[0].2[0].as_str(), cloned[0].3[0].as_str()),
        ("http://127.0.0.1:1111", "http://127.0.0.1:2222")
    );
    assert_eq!(
        (directory.counters.cloned, directory.counters.refused),
        (1, 1),
        "one that is refused is counted so"
    );
    for start in [6, 7] {
        let refusal = directory.register(NOW + S(6), copy.entry(start, 1), S(60), LeaseId(9)).unwrap_err();
        let status = tonic::Status::from(refusal);
        assert_eq!(
            (status.code(), status.metadata().get("retry-after").unwrap().to_str().unwrap()),
            (tonic::Code::AlreadyExists, "10")
        );
        assert!(status.message().starts_with("cloned_id"), "{status}");
    }
    let changed = directory.register(NOW + S(6), one.entry(5, 4), S(60), LeaseId(9)).unwrap();
    assert_eq!(changed.lease, LeaseId(9), "the older may change what it says");
    assert_eq!(directory.counters.cloned, 1);
    // One that does not try any more is not shown.
    let mut now = NOW + S(6);
    while now < NOW + S(90) {
        run(&mut directory, now, now + S(3));
        now += S(3);
        directory.renew(now, &[changed.lease]);
    }
    let page = directory.find(now, &template(""), None, 9, usize::MAX);
    assert!(page.sights[0].clone.is_none() && directory.cloned().is_empty());
    assert!(directory.cancel(now, changed.lease));
    assert!(directory.cloned().is_empty(), "one of them went");
    assert_eq!(directory.renew(now, &[new]), [Renewed::Unknown], "the older went: register again");
    assert_eq!(directory.register(now, copy.entry(6, 1), S(60), LeaseId(9)).unwrap().lease, LeaseId(9));
}

/// A lookup that was killed comes back with what is in its file.
fn killed(directory: &mut Directory, epoch: u64) -> Directory {
    let mut again = Directory::new(epoch, &Bounds::default(), NOW);
    let written: Vec<_> = directory.registry.slots().collect();
    for slot in written {
        let Write::Keep(_, kept) = directory.take_write(slot) else { panic!("listed") };
        again.restore(kept);
    }
    again
}

#[test]
fn a_lookup_that_restarts_before_the_proof_restores_the_older_all_the_same_and_after_it_keeps_the_newer_out()
{
    let mut directory = directory();
    let (one, copy) = copies();
    register(&mut directory, one.entry(5, 3), 1).unwrap();
    register(&mut directory, copy.entry(6, 0), 2).unwrap();
    let (old, new) = (LeaseId(1), LeaseId(2));
    assert_eq!(directory.renew(NOW, &[old, new]), [Renewed::Replaced, Renewed::For(S(10))]);

    let mut directory = killed(&mut directory, 8);
    run(&mut directory, NOW, NOW + S(3));
    assert_eq!(
        directory.renew(NOW + S(3), &[old, new]),
        [Renewed::Replaced, Renewed::For(S(10))],
        "no proof yet"
    );
    run(&mut directory, NOW + S(3), NOW + S(6));
    assert_eq!(directory.renew(NOW + S(6), &[old, new]), [Renewed::For(S(10)), Renewed::Cloned], "proven");

    let mut directory = killed(&mut directory, 9);
    assert_eq!(directory.renew(NOW, &[new, old]), [Renewed::Cloned, Renewed::For(S(10))]);
    assert!(matches!(register(&mut directory, copy.entry(6, 1), 9), Err(Refusal::Cloned(_))));
    assert!(directory.cancel(NOW, old));
    register(&mut directory, copy.entry(6, 1), 9).unwrap();
}

#[test]
fn a_service_that_restarts_after_a_crash_is_refused_for_one_term_at_most_and_without_a_proof_never() {
    let mut directory = directory();
    let (one, copy) = copies();
    for start in 1..=20 {
        let lease = register(&mut directory, one.entry(start, 0), start).unwrap().lease;
        assert_eq!(lease, LeaseId(start), "a storm of restarts");
        // What was under way when it crashed.
        directory.renew(NOW, &[LeaseId(start - 1)]);
        directory.renew(NOW, &[LeaseId(start.saturating_sub(2))]);
    }
    register(&mut directory, copy.entry(30, 0), 30).unwrap();
    directory.renew(NOW, &[LeaseId(20)]);
    run(&mut directory, NOW, NOW + S(2));
    assert_eq!(directory.renew(NOW + S(2), &[LeaseId(20)]), [Renewed::For(S(10))]);
    // It crashes now, and comes back as another run.
    run(&mut directory, NOW + S(2), NOW + S(11));
    assert!(matches!(
        directory.register(NOW + S(11), one.entry(21, 0), S(60), LeaseId(21)),
        Err(Refusal::Cloned(_))
    ));
    run(&mut directory, NOW + S(11), NOW + S(12));
    directory.register(NOW + S(12), one.entry(21, 0), S(60), LeaseId(21)).unwrap();
}

#[test]
fn a_suspect_lease_keeps_no_newer_run_out() {
    let mut directory = directory();
    farms(&mut directory, 100);
    let mut again = Author::new(1);
    again.registration.id.0[..2].copy_from_slice(&[0, 1]);
    register(&mut directory, again.entry(2, 0), 200).unwrap();
    run(&mut directory, NOW, NOW + S(1));
    directory.renew(NOW + S(1), &[LeaseId(1)]);
    run(&mut directory, NOW + S(1), NOW + S(3));
    assert_eq!(directory.renew(NOW + S(3), &[LeaseId(1)]), [Renewed::For(S(10))]);
    assert!(matches!(
        directory.register(NOW + S(3), again.entry(3, 0), S(60), LeaseId(201)),
        Err(Refusal::Cloned(_))
    ));
    run(&mut directory, NOW + S(3), NOW + S(13));
    assert_eq!(directory.census(NOW + S(13)).suspect, 100);
    directory.register(NOW + S(13), again.entry(3, 0), S(60), LeaseId(201)).unwrap();
}

#[test]
fn what_dead_processes_left_in_the_sockets_of_a_lookup_that_stood_still_proves_nothing() {
    let mut directory = directory();
    let (one, _) = copies();
    register(&mut directory, one.entry(1, 0), 1).unwrap();
    register(&mut directory, one.entry(2, 0), 2).unwrap();
    assert_eq!(directory.renew(NOW, &[LeaseId(1)]), [Renewed::Replaced]);
    assert_eq!(directory.renew(NOW + S(600), &[LeaseId(1)]), [Renewed::Replaced]);
}

#[test]
fn another_key_that_took_a_free_id_cannot_be_displaced_by_its_former_holder() {
    let mut directory = directory();
    let one = Author::new(1);
    register(&mut directory, one.entry(1, 0), 1).unwrap();
    register(&mut directory, one.entry(2, 0), 2).unwrap();
    assert!(directory.cancel(NOW, LeaseId(2)));
    let mut other = Author::new(2);
    other.registration = one.registration;
    register(&mut directory, other.entry(9, 0), 9).unwrap();
    assert_eq!(directory.renew(NOW, &[LeaseId(1)]), [Renewed::Unknown]);
}

#[test]
fn the_version_of_the_known_lookups_changes_as_they_come_change_and_go_and_with_nothing_else() {
    let mut directory = directory();
    let mut lookup = Author::new(9);
    lookup.registration.kind = LOOKUP_KIND.into();
    let mut versions = vec![directory.lookups_version()];
    register(&mut directory, lookup.entry(1, 0), 1).unwrap();
    versions.push(directory.lookups_version());
    register(&mut directory, lookup.entry(1, 0), 1).unwrap();
    register(&mut directory, Author::new(1).entry(1, 0), 2).unwrap();
    directory.renew(NOW, &[LeaseId(1)]);
    assert_eq!(directory.lookups_version(), versions[1]);
    register(&mut directory, lookup.entry(1, 1), 1).unwrap();
    versions.push(directory.lookups_version());
    assert!(directory.cancel(NOW, LeaseId(1)));
    versions.push(directory.lookups_version());
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 4);
}
