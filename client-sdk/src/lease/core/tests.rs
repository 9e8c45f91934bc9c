#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

const S: fn(u64) -> Duration = Duration::from_secs;

fn all_to_register(leases: &mut Leases, now: Instant) -> Vec<usize> {
    std::iter::from_fn(|| leases.register(now)).collect()
}

#[test]
fn renewals_come_at_a_third_and_in_one_message() {
    let start = Instant::now();
    let mut leases = Leases::new(2, start);
    assert_eq!(all_to_register(&mut leases, start), [0, 1], "side by side");
    assert_eq!(leases.all_held_until(), None);
    leases.registered(0, 1, start, 7, S(60));
    leases.registered(1, 1, start + S(2), 8, S(60));
    assert_eq!(leases.all_held_until(), Some(start + S(60)));
    assert_eq!(leases.next(false), Some(start + S(20)));
    assert!(leases.renew(start + S(19)).is_empty());
    assert_eq!(leases.renew(start + S(20)), [(0, 7), (1, 8)]);
    leases.answered((0, 7), start + S(20), Answer::Renewed(S(30)));
    leases.answered((1, 8), start + S(20), Answer::Unknown);
    assert_eq!(all_to_register(&mut leases, start + S(20)), [1], "unknown: at once again");
    leases.registered(1, 1, start + S(20), 9, S(60));
    assert_eq!(leases.next(false), Some(start + S(30)));
    leases.changed(0, 2, start + S(21));
    assert_eq!(all_to_register(&mut leases, start + S(21)), [0], "a change is told at once");
    leases.registered(0, 2, start + S(21), 7, S(60));
    assert_eq!(leases.let_go(), [7, 9]);
    assert_eq!((leases.next(false), leases.all_held_until()), (None, None));
}

#[test]
fn a_lookup_that_grants_nothing_is_not_called_in_a_loop() {
    let start = Instant::now();
    let mut leases = Leases::new(1, start);
    leases.register(start);
    leases.registered(0, 1, start, 7, Duration::ZERO);
    assert_eq!((leases.register(start + S(4)), leases.all_held_until()), (None, None));
    assert_eq!((leases.next(false), leases.register(start + S(5))), (Some(start + S(5)), Some(0)));
    leases.registered(0, 1, start + S(5), 8, S(30));
    assert_eq!(leases.renew(start + S(15)), [(0, 8)]);
    leases.answered((0, 8), start + S(15), Answer::Renewed(Duration::ZERO));
    assert!(leases.renew(start + S(15)).is_empty());
    assert_eq!(leases.register(start + S(15)), Some(0), "what is not renewed is asked for again");
    leases.registered(0, 1, start + S(15), 9, Duration::ZERO);
    assert_eq!(leases.next(false), Some(start + S(20)));
}

#[test]
fn what_changes_while_it_is_on_its_way_is_told_again_and_an_old_answer_ends_nothing() {
    let start = Instant::now();
    let mut leases = Leases::new(1, start);
    assert_eq!(leases.register(start), Some(0));
    leases.changed(0, 2, start);
    assert_eq!(leases.register(start), None, "one at a time");
    leases.registered(0, 1, start, 7, S(60));
    assert_eq!(leases.register(start), Some(0));
    // Registering gave another lease; the renewal of the one before is told that it is replaced.
    leases.answered((0, 7), start, Answer::Replaced);
    leases.registered(0, 2, start, 8, S(60));
    leases.answered((0, 7), start, Answer::Unknown);
    assert_eq!(leases.all_held_until(), Some(start + S(60)));
}

#[test]
fn who_was_replaced_or_refused_as_a_clone_goes_on_asking_and_is_back_when_the_other_goes() {
    let start = Instant::now();
    for (answer, again) in [(Answer::Replaced, S(10)), (Answer::Cloned, DISPUTED_EVERY)] {
        let mut leases = Leases::new(1, start);
        leases.register(start);
        leases.registered(0, 1, start, 7, S(30));
        let mut now = start + S(10);
        for _ in 0..20 {
            assert_eq!(leases.renew(now), [(0, 7)]);
            leases.answered((0, 7), now, answer);
            assert_eq!(leases.all_held_until(), None, "that is not being registered");
            assert!(leases.renew(now + again / 2).is_empty(), "slowly");
            now += again;
            assert_eq!(leases.register(now), None, "long after it would have run out");
        }
        assert_eq!(leases.renew(now), [(0, 7)]);
        leases.answered((0, 7), now, Answer::Renewed(S(30)));
        assert_eq!(leases.all_held_until(), Some(now + S(30)));
        leases.answered((0, 7), now, answer);
        leases.answered((0, 7), now, Answer::Unknown);
        assert_eq!(leases.register(now), Some(0));
    }
}

#[test]
fn a_lookup_that_does_not_answer_is_asked_by_one_call_at_a_time_however_many_wait() {
    let start = Instant::now();
    let mut leases = Leases::new(10_000, start);
    assert_eq!(all_to_register(&mut leases, start).len(), MAX_REGISTERING);
    for which in 0..MAX_REGISTERING {
        assert_eq!(leases.unanswered(which, start, u64::MAX / 2), which == 0, "lost once");
    }
    let (mut now, mut calls) = (start, 0);
    while now < start + S(60) {
        now = leases.next(false).unwrap();
        for which in all_to_register(&mut leases, now) {
            calls += 1;
            leases.unanswered(which, now, u64::MAX / 2 + calls);
        }
    }
    assert!((10..200).contains(&calls), "{calls} calls in a minute");
    // It is back.
    now = leases.next(false).unwrap();
    let which = leases.register(now).unwrap();
    assert_eq!(leases.register(now), None);
    leases.registered(which, 1, now, 1, S(60));
    assert_eq!(all_to_register(&mut leases, now).len(), MAX_REGISTERING, "and all go on");
}

#[test]
fn a_lookup_that_asks_for_time_gets_it_and_renewals_go_on() {
    let start = Instant::now();
    let mut leases = Leases::new(3, start);
    all_to_register(&mut leases, start);
    leases.registered(0, 1, start, 7, S(30));
    leases.refused(1, start + S(60), true, 0);
    leases.refused(2, start, false, 0);
    assert_eq!(leases.renew(start + S(10)), [(0, 7)]);
    leases.answered((0, 7), start + S(10), Answer::Renewed(S(300)));
    assert_eq!(leases.register(start + S(59)), None);
    assert_eq!(all_to_register(&mut leases, start + S(61)), [2, 1]);
}

#[test]
fn ten_thousand_are_kept_in_batches() {
    const MANY: usize = 10_000;
    let start = Instant::now();
    let mut leases = Leases::new(MANY, start);
    let mut registered = 0;
    while let Some(which) = leases.register(start) {
        leases.registered(which, 1, start, which as u64, S(60));
        registered += 1;
    }
    assert_eq!((registered, leases.all_held_until()), (MANY, Some(start + S(60))));
    let (mut messages, mut renewed) = (0, 0);
    loop {
        let due = leases.renew(start + S(20));
        if due.is_empty() {
            break;
        }
        assert_eq!(due.len(), MAX_BATCH);
        messages += 1;
        for (which, lease) in due {
            leases.answered((which, lease), start + S(20), Answer::Renewed(S(60)));
            renewed += 1;
        }
    }
    assert_eq!((messages, renewed), (MANY / MAX_BATCH, MANY));
}

proptest! {
    /// While the lookup answers every call but at most one in a row, no lease ever runs out.
    #[test]
    fn a_lease_survives_single_failures(
        terms in proptest::collection::vec(10_u64..=60, 1..5),
        luck in proptest::collection::vec(any::<(bool, u64)>(), 400),
    ) {
        let start = Instant::now();
        let mut now = start;
        let mut leases = Leases::new(terms.len(), now);
        let mut until: Vec<Option<Instant>> = vec![None; terms.len()];
        let mut failed_before = false;
        for (fails, random) in luck {
            let fails = fails && !failed_before;
            if let Some(which) = leases.register(now) {
                prop_assert!(until[which].is_none(), "registered once, then only renewed");
                if fails {
                    leases.unanswered(which, now, random);
                } else {
                    leases.registered(which, 1, now, which as u64, S(terms[which]));
                    until[which] = Some(now + S(terms[which]));
                }
                failed_before = fails;
                continue;
            }
            let due = leases.renew(now);
            if due.is_empty() {
                let at = leases.next(false).unwrap();
                prop_assert!(at > now, "never a loop without progress");
                now = at;
                continue;
            }
            failed_before = fails;
            if fails {
                leases.silent(now, random);
                continue;
            }
            for (which, lease) in &due {
                prop_assert_eq!(*lease, *which as u64);
                prop_assert!(until[*which].unwrap() > now, "renewed before it runs out");
                leases.answered((*which, *lease), now, Answer::Renewed(S(terms[*which])));
                until[*which] = Some(now + S(terms[*which]));
            }
        }
    }
}
