#![allow(clippy::unwrap_used)]
#![allow(non_snake_case)]
use super::*;
use crate::lease_time::TICK;
use crate::leases::TooShort;
use crate::testing::{Author, template};
use crate::transitions::Seen;
use crate::watchers::{Event, Told};

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

/// What a watcher was told, in short: `+` appeared, `~` changed, `-` disappeared.
fn told(events: &[Event]) -> Vec<String> {
    let word = |event: &Event| match &event.told {
        Told::Reset(_) => "reset".to_owned(),
        Told::Present(sight) => format!("present {}", sight.entry.registration.name),
        Told::SnapshotEnd => "end".to_owned(),
        Told::Idle => "idle".to_owned(),
        Told::Seen(seen, sight) => format!("{seen:?} {}", sight.entry.registration.name),
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
    assert_eq!(register(&mut directory, author.entry(2, 6), 12).unwrap().lease, LeaseId(10), "the same run");
    for older in [(2, 5), (1, 9)] {
        let refusal = register(&mut directory, author.entry(older.0, older.1), 13).unwrap_err();
        assert!(matches!(refusal, Refusal::Older { .. }), "{refusal}");
    }
    assert_eq!(register(&mut directory, author.entry(3, 0), 14).unwrap().lease, LeaseId(14), "a new run");
    assert_eq!(told(&directory.drain(NOW, watcher, 100)), ["Body farm-1", "Body farm-1"]);
    assert_eq!(directory.renew(NOW, &[LeaseId(10), LeaseId(14)]), [Renewed::Replaced, Renewed::For(S(10))]);
    assert!(!directory.cancel(NOW, LeaseId(10)), "who was replaced cannot cancel his successor");
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
    assert_eq!(effects.unwritten, [Id([1; 16])]);
    assert!(matches!(directory.take_write(Id([1; 16])), Write::Forget(_)));
    assert_eq!(told(&directory.drain(NOW + S(10), watcher, 100)), ["Expired farm-1"]);
    assert_eq!(directory.renew(NOW + S(10), &[LeaseId(1)]), [Renewed::Unknown]);
}

#[test]
fn what_was_kept_over_a_restart_is_unconfirmed_for_one_term_until_renewed() {
    let mut directory = directory();
    for n in [1, 2] {
        let entry = Arc::new(Author::new(n).entry(1, 0));
        directory.restore(Kept { entry, lease: LeaseId(n.into()), asked: S(60), granted: S(20) });
    }
    assert_eq!(directory.count(), (2, 2));
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
    assert_eq!(directory.count(), (1, 0), "farm-2 was not renewed");
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
