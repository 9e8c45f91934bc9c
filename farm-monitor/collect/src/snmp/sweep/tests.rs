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
    let _ = (known, Absent::End, RECHECK);
}
