#![allow(clippy::unwrap_used)]
use super::*;
use crate::lease_time::TICK;

const S: fn(u64) -> Duration = Duration::from_secs;

fn table(renewals_per_second: f64) -> LeaseTable {
    LeaseTable::new(renewals_per_second, S(100))
}

fn run(table: &mut LeaseTable, from: &mut Duration, to: Duration) -> Vec<LeaseId> {
    let mut gone = Vec::new();
    while *from < to {
        *from = (*from + TICK).min(to);
        assert_eq!(table.advance(*from), None);
        gone.extend(std::iter::from_fn(|| table.next_due()).map(|due| match due {
            Due::Expired(id, _) => id,
            other => panic!("{other:?}"),
        }));
    }
    gone
}

#[test]
fn leases_run_out_in_order_and_a_renewed_one_later() {
    let mut table = table(10_000.0);
    let mut now = S(100);
    for n in 1..=3 {
        assert_eq!(table.grant(LeaseId(n), 0, S(60)), Ok((LeaseId(n), S(10))));
        assert_eq!(run(&mut table, &mut now, S(100 + n)), []);
    }
    assert!(table.renew(LeaseId(1)).is_some(), "renewed at 103, runs until 113");
    assert_eq!(run(&mut table, &mut now, S(120)), [LeaseId(2), LeaseId(3), LeaseId(1)]);
    assert_eq!(table.renew(LeaseId(1)), None);
    assert_eq!((table.count(), table.queue.len()), (0, 0));
}

#[test]
fn terms_follow_the_number_of_leases_but_never_exceed_the_ask() {
    let mut table = table(1.0);
    for n in 1..=5 {
        table.grant(LeaseId(n), 0, S(15)).unwrap();
    }
    let asked_too_little = table.grant(LeaseId(6), 0, S(15));
    assert_eq!(asked_too_little, Err(TooShort { asked: S(15), needed: S(18) }));
    table.grant(LeaseId(6), 0, S(60)).unwrap();
    let first = table.renew(LeaseId(1)).unwrap();
    assert_eq!(first.granted, S(15), "18 s would be right, 15 s were asked");
    assert!(first.rewrite, "on disk stand 10 s");
    assert_eq!(table.keep(LeaseId(1)), Some((S(15), S(15))));
    assert!(!table.renew(LeaseId(1)).unwrap().rewrite);
    assert!(!table.renew(LeaseId(5)).unwrap().rewrite, "15 s stand there");
}

#[test]
fn a_shorter_term_after_a_renewal_runs_out_earlier_than_was_queued() {
    let mut table = table(1.0);
    for n in 1..=20 {
        table.grant(LeaseId(n), 0, S(600)).unwrap();
    }
    for n in 1..20 {
        table.remove(LeaseId(n)).unwrap();
    }
    assert_eq!(table.renew(LeaseId(20)).unwrap().granted, S(10));
    assert_eq!(run(&mut table, &mut S(100), S(110)), [LeaseId(20)]);
}

#[test]
fn a_stall_is_added_to_all_terms() {
    let mut table = table(10_000.0);
    table.grant(LeaseId(1), 0, S(60)).unwrap();
    assert!(table.advance(S(400)).is_some());
    assert!(table.next_due().is_none(), "the lookup stood still, nobody could renew");
    assert_eq!(run(&mut table, &mut S(400), S(409)), []);
    assert_eq!(run(&mut table, &mut S(409), S(411)), [LeaseId(1)]);
}

#[test]
fn names_are_never_zero_and_never_given_twice() {
    let mut table = table(10_000.0);
    assert_eq!(table.grant(LeaseId(0), 0, S(60)).unwrap().0, LeaseId(1));
    assert_eq!(table.grant(LeaseId(1), 0, S(60)).unwrap().0, LeaseId(2));
}

#[test]
fn all_of_a_window_run_out_in_time_though_they_are_put_in_order_bit_by_bit() {
    let mut table = table(10_000.0);
    let leases: u64 = 240_000;
    // The others last, so that nothing is suspected.
    let term = |n: u64| if n.is_multiple_of(3) { S(60) + Duration::from_millis(n % 100) } else { S(600) };
    (1..=leases).for_each(|n| table.restore(LeaseId(n), 0, S(600), term(n)));
    for n in (1..=leases).step_by(3) {
        assert!(table.remove(LeaseId(n)).is_some());
    }
    let now = S(156);
    assert_eq!(run(&mut table, &mut S(100), now), []);
    for n in (12..=leases).step_by(12) {
        assert!(table.remove(LeaseId(n)).is_some(), "in order or not yet");
    }
    assert_eq!(table.queue.len(), table.count());
    let gone = run(&mut table, &mut S(156), S(162));
    assert!(gone.iter().all(|id| id.0.is_multiple_of(3) && !id.0.is_multiple_of(12)));
    assert_eq!(gone.len() as u64, leases / 3 - leases / 12);
    assert_eq!((table.queue.len(), table.count()), (leases as usize / 3, leases as usize / 3));
}
