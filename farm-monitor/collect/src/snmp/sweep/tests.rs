//! Behaviours one by one; `laws` are properties over all of them.

mod agent;
mod laws;

use super::{Absent, Cell, Column, Known, Limits, Problem, RECHECK, Wanted};
use agent::{Agent, sweep};
use hedgerow_snmp::{Oid, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

fn oid(text: &str) -> Oid {
    Oid::parse(text).unwrap()
}

const UPTIME: &str = "1.3.6.1.2.1.1.3.0";

fn column(at: u32) -> Oid {
    oid("1.3.6.1.2.1.2.2.1").child(at)
}

/// sysUpTime and a table with these columns and rows.
fn interfaces(columns: std::ops::RangeInclusive<u32>, rows: u32) -> (Agent, Arc<Wanted>) {
    let mut mib =
        BTreeMap::from([(oid(UPTIME), Value::TimeTicks(4711)), (oid("1.3.6.1.2.1.99.1.0"), Value::Null)]);
    for at in columns.clone() {
        for row in 1..=rows {
            mib.insert(column(at).child(row), Value::Counter32(at * 100_000_000 + row));
        }
    }
    let wanted = Wanted { scalars: vec![oid(UPTIME)], tables: vec![columns.map(column).collect()] };
    (Agent::new(mib), Arc::new(wanted))
}

#[test]
fn two_hundred_values_take_three_or_four_requests() {
    let (mut agent, wanted) = interfaces(10..=19, 20);
    let limits = Limits::default();
    let mut known = Known::default();
    for _ in 0..4 {
        let (swept, now) = sweep(&mut agent, &wanted, known, &limits);
        assert_eq!(swept.problems, []);
        assert_eq!(swept.scalars, [Cell::Is(Value::TimeTicks(4711))]);
        assert_eq!(swept.tables[0].columns, [Column::Whole; 10]);
        assert_eq!(swept.tables[0].rows.len(), 20);
        println!("10 columns x 20 rows and sysUpTime: {} requests", agent.asked);
        known = now;
    }
    assert!(agent.asked <= 4, "{}", agent.asked);
}

#[test]
fn a_dead_agent_costs_one_request() {
    let (mut agent, wanted) = interfaces(1..=3, 2);
    agent.dead = true;
    let (swept, known) = sweep(&mut agent, &wanted, Known::default(), &Limits::default());
    assert_eq!(agent.asked, 1);
    assert!(matches!(swept.problems[..], [Problem::Asking { .. }]), "{:?}", swept.problems);
    assert_eq!(swept.scalars, [Cell::Unread]);
    assert_eq!(swept.tables[0].columns, [Column::Part; 3]);
    agent.dead = false;
    let (swept, _) = sweep(&mut agent, &wanted, known, &Limits::default());
    assert_eq!((swept.tables[0].rows.len(), swept.problems.len()), (2, 0), "it is back");
}

/// Sweeps so often, and gives the last one's results; each must be without problems.
fn settled(
    agent: &mut Agent,
    wanted: &Arc<Wanted>,
    limits: &Limits,
    times: usize,
) -> (Vec<usize>, super::Swept) {
    let (mut known, mut asked, mut last) = (Known::default(), Vec::new(), None);
    for _ in 0..times {
        let (swept, now) = sweep(agent, wanted, known, limits);
        assert_eq!(swept.problems, []);
        asked.push(agent.asked);
        (known, last) = (now, Some(swept));
    }
    (asked, last.unwrap())
}

#[test]
fn packed_columns_take_fewer_requests_than_one_by_one() {
    let (mut agent, wanted) = interfaces(10..=19, 20);
    let (packed, _) = settled(&mut agent, &wanted, &Limits::default(), 4);
    let single = Limits { max_names: 1, ..Limits::default() };
    let (one, _) = settled(&mut agent, &wanted, &single, 4);
    agent.cap = 484;
    let (small, _) = settled(&mut agent, &wanted, &Limits::default(), 4);
    agent.cap = 1 << 16;
    let (never_cuts, _) = settled(&mut agent, &wanted, &Limits::default(), 4);
    (agent.v1, agent.cap) = (true, 1472);
    let (v1, _) = settled(&mut agent, &wanted, &Limits { bulk: false, ..Limits::default() }, 4);
    println!(
        "packed {packed:?}, one column a request {one:?}, v1 {v1:?}, 484 bytes {small:?}, uncut {never_cuts:?}"
    );
    assert!(packed[3] <= 4 && never_cuts[3] <= 4 && v1[3] <= 22 && small[3] <= 13);
    assert_eq!(one[3], 11, "the end of a column shows in the reply that brings it");
}

#[test]
fn small_tables_and_scalars_share_a_request() {
    let entry = |table: u32| oid("1.3.6.1.4.1").child(table).child(1);
    let (mut mib, mut wanted) = (BTreeMap::new(), Wanted::default());
    for (table, (columns, rows)) in [(3, 4), (5, 3), (2, 5), (4, 1)].into_iter().enumerate() {
        let columns: Vec<Oid> = (1..=columns).map(|at| entry(table as u32).child(at)).collect();
        for column in &columns {
            mib.extend((1..=rows).map(|row| (column.child(row), Value::Gauge32(row))));
        }
        wanted.tables.push(columns);
    }
    for at in 1..=9 {
        let name = oid("1.3.6.1.2.1.1").child(at).child(0);
        mib.insert(name.clone(), Value::Integer(9));
        wanted.scalars.push(name);
    }
    let (asked, _) = settled(&mut Agent::new(mib), &Arc::new(wanted), &Limits::default(), 3);
    println!("4 small tables and 9 scalars: {asked:?}");
    assert!(asked[2] <= 2, "{asked:?}");
}

#[test]
fn a_large_table_is_read_by_several_requests_at_once() {
    let (mut agent, wanted) = interfaces(10..=13, 5000);
    let limits = Limits { window: 4, ..Limits::default() };
    let (asked, swept) = settled(&mut agent, &wanted, &limits, 2);
    println!("4 columns x 5000 rows: {asked:?}");
    assert_eq!(swept.tables[0].rows.len(), 5000);
    assert!(asked[1] <= 320, "{asked:?}");
    // In how many turns, if replies come together?
    let (_, known) = sweep(&mut agent, &wanted, Known::default(), &limits);
    let mut under_way = super::Sweep::new(Arc::clone(&wanted), known, limits.clone());
    let mut turns = 0;
    while !under_way.is_done() {
        let requests: Vec<_> = std::iter::from_fn(|| under_way.next_request()).collect();
        assert!(requests.len() <= limits.window);
        for (ticket, request) in requests {
            under_way.answered(ticket, agent.answer(&request));
        }
        turns += 1;
    }
    println!("in {turns} turns of {} requests", limits.window);
    assert!(turns * 3 < asked[1], "{turns} turns");
}

#[test]
fn a_table_that_shrank_or_moved_is_read_whole_all_the_same() {
    let (mut agent, wanted) = interfaces(10..=13, 2000);
    let limits = Limits { window: 4, ..Limits::default() };
    let (_, known) = sweep(&mut agent, &wanted, Known::default(), &limits);
    for (rows, shift) in [(30, 0), (2500, 100_000), (0, 0)] {
        agent.mib.retain(|name, _| !name.starts_with(&oid("1.3.6.1.2.1.2")));
        for column in 10..=13 {
            agent
                .mib
                .extend((1..=rows).map(|row| (self::column(column).child(row + shift), Value::Integer(1))));
        }
        let (swept, _) = sweep(&mut agent, &wanted, known.clone(), &limits);
        assert_eq!((swept.tables[0].rows.len(), swept.problems.len()), (rows as usize, 0));
        println!("{rows} rows instead of 2000: {} requests", agent.asked);
    }
}

#[test]
fn replies_that_get_lost_when_they_are_long_are_asked_for_in_small_ones() {
    let (mut agent, wanted) = interfaces(10..=19, 20);
    agent.path = 700;
    let (asked, _) = settled(&mut agent, &wanted, &Limits::default(), 3);
    println!("replies of more than 700 bytes get lost: {asked:?}");
    assert_eq!(asked[1], asked[2], "what was learned is kept");
    // A way that was wide before: the first sweep is lost, the next finds out.
    agent.path = usize::MAX;
    let (_, known) = sweep(&mut agent, &wanted, Known::default(), &Limits::default());
    agent.path = 700;
    let (first, known) = sweep(&mut agent, &wanted, known, &Limits::default());
    assert_eq!((first.problems.len(), agent.asked <= 2), (1, true));
    let (second, _) = sweep(&mut agent, &wanted, known, &Limits::default());
    assert_eq!((second.tables[0].rows.len(), second.problems.len()), (20, 0));
}

#[test]
fn an_agent_that_falls_silent_is_left_alone_soon() {
    let (mut agent, wanted) = interfaces(10..=19, 200);
    let limits = Limits::default();
    let (_, known) = sweep(&mut agent, &wanted, Known::default(), &limits);
    let mut count = 0;
    let (swept, _) = agent::sweep_with(&mut agent, &wanted, known, &limits, |agent| {
        count += 1;
        agent.dead = count > 5;
    });
    // What was in flight already may still bring answers in between.
    assert!(agent.asked <= 6 + 3 + 2 * limits.window, "{}", agent.asked);
    assert!(!swept.problems.is_empty() && !swept.tables[0].rows.is_empty());
    assert!(swept.tables[0].columns.contains(&Column::Part));
}

#[test]
fn names_that_run_in_a_circle_stop_their_column_only() {
    let (mut agent, wanted) = interfaces(1..=3, 9);
    agent.jumps.insert(column(2).child(5), column(2).child(3));
    let (swept, _) = sweep(&mut agent, &wanted, Known::default(), &Limits::default());
    assert_eq!(swept.tables[0].columns, [Column::Whole, Column::Part, Column::Whole]);
    let (after, came) = (column(2).child(5), column(2).child(3));
    assert_eq!(swept.problems, [Problem::NotIncreasing { column: column(2), after, came }]);
    assert!(swept.tables[0].rows[&vec![5]][1].is_some() && swept.tables[0].rows[&vec![6]][1].is_none());
}

#[test]
fn a_table_without_an_end_is_cut_off() {
    let (mut agent, wanted) = interfaces(1..=2, 9);
    agent.endless = Some(column(1));
    let limits = Limits { max_rows: 1000, ..Limits::default() };
    let (swept, _) = sweep(&mut agent, &wanted, Known::default(), &limits);
    assert_eq!(swept.tables[0].rows.len(), 1000);
    assert_eq!(swept.problems, [Problem::Endless { column: column(1), rows: 1000 }]);
    assert_eq!(swept.scalars, [Cell::Is(Value::TimeTicks(4711))]);
}

#[test]
fn what_is_absent_is_told_apart_and_not_asked_for_each_time() {
    let mib = BTreeMap::from([
        (oid("1.3.6.1.2.1.1.1.1"), Value::Integer(1)),
        (oid("1.3.6.1.2.1.9.0"), Value::Integer(1)),
    ]);
    let scalars = vec![oid("1.3.6.1.2.1.1.1.0"), oid("1.3.6.1.2.1.7.0"), oid("1.3.6.1.2.1.9.0")];
    let wanted = Arc::new(Wanted { scalars, tables: vec![vec![column(1), column(2)]] });
    let mut agent = Agent::new(mib);
    let (asked, swept) = settled(&mut agent, &wanted, &Limits::default(), 3);
    let absent = |why| Cell::Absent(why);
    assert_eq!(swept.scalars[..2], [absent(Absent::Instance), absent(Absent::Object)]);
    assert_eq!(swept.tables[0].columns, [Column::Absent(Absent::End); 2]);
    assert_eq!(asked[1..], [1, 1]);
    // It appears, and is found: a row of an empty table soon, a scalar within so many sweeps.
    agent.mib.insert(column(2).child(4), Value::Integer(4));
    agent.mib.insert(oid("1.3.6.1.2.1.7.0"), Value::Integer(7));
    let (_, mut known) =
        sweep(&mut Agent::new(BTreeMap::new()), &wanted, Known::default(), &Limits::default());
    let mut seen = (None, None);
    for turn in 0..=RECHECK {
        let (swept, now) = sweep(&mut agent, &wanted, known, &Limits::default());
        seen.0 = seen.0.or(swept.tables[0].rows.contains_key(&vec![4]).then_some(turn));
        seen.1 = seen.1.or((swept.scalars[1] == Cell::Is(Value::Integer(7))).then_some(turn));
        known = now;
    }
    assert!(seen.0.is_some_and(|turn| turn <= 2) && seen.1.is_some(), "{seen:?}");
}

#[test]
fn a_value_that_fits_no_reply_costs_itself() {
    let (mut agent, wanted) = interfaces(1..=4, 6);
    agent.mib.insert(column(2).child(3), Value::OctetString(vec![b'x'; 3000].into()));
    agent.strict = true;
    let (swept, _) = sweep(&mut agent, &wanted, Known::default(), &Limits::default());
    let missing: Vec<_> =
        swept.tables[0].rows.iter().filter(|(_, row)| row.iter().any(Option::is_none)).collect();
    assert_eq!((missing.len(), missing[0].0), (1, &vec![3]));
    assert_eq!(swept.tables[0].columns, [Column::Whole, Column::Part, Column::Whole, Column::Whole]);
    assert_eq!(swept.problems.len(), 1);
}

#[test]
fn refused_credentials_end_the_sweep_at_once() {
    let (_, wanted) = interfaces(1..=3, 2);
    let mut under_way = super::Sweep::new(wanted, Known::default(), Limits::default());
    let (ticket, _) = under_way.next_request().unwrap();
    assert!(under_way.next_request().is_none(), "one alone until it answers");
    let error = hedgerow_snmp::AskError::Refused("unknownUserNames".into());
    under_way.answered(ticket, Err(error.clone()));
    assert!(under_way.is_done() && under_way.next_request().is_none());
    assert_eq!(under_way.finish().0.problems, [Problem::Asking { at: oid("1.3.6.1.2.1.1.3"), error }]);
}
