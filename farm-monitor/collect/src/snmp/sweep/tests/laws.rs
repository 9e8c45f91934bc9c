//! Laws, over agents of every sort.

use super::super::{Absent, Cell, Column, Known, Limits, Problem, RECHECK, Swept, Wanted};
use super::agent::{AROUND, Agent, Dice, sweep, sweep_with};
use hedgerow_snmp::{Oid, Value, VarBind};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is in a MIB, and what is asked of it, from a seed.
#[derive(Debug, Clone)]
struct World {
    mib: BTreeMap<Oid, Value>,
    wanted: Arc<Wanted>,
}

fn value(dice: &mut Dice, name: &Oid) -> Value {
    // Each value is of its own place: one that lands elsewhere is seen.
    let place = name.arcs().iter().fold(7u32, |sum, arc| sum.wrapping_mul(31).wrapping_add(*arc));
    match dice.roll(4) {
        0 => Value::OctetString(
            vec![b'x'; dice.roll(60) as usize].into_iter().chain(place.to_be_bytes()).collect(),
        ),
        1 => Value::Counter64(u64::from(place)),
        _ => Value::Counter32(place),
    }
}

fn small_or_large(dice: &mut Dice) -> u64 {
    let sides = if dice.roll(2) == 0 { 9 } else { 9000 };
    dice.roll(sides)
}

fn world(seed: u64, rows_most: u64) -> World {
    let mut dice = Dice(seed);
    let root = Oid::from_slice(&[1, 3, 6, 1, 2, 1]);
    let (mut names, mut wanted): (BTreeSet<Oid>, _) = (BTreeSet::new(), Wanted::default());
    for at in 0..dice.roll(7) as u32 {
        let instance = if dice.roll(3) == 0 { dice.roll(4) as u32 } else { 0 };
        let name = root.child(1).child(at / 2).child(instance);
        if dice.roll(4) > 0 {
            names.insert(name.clone());
        }
        if dice.roll(4) > 0 && !wanted.scalars.contains(&name) {
            wanted.scalars.push(name);
        }
    }
    for table in 0..dice.roll(4) as u32 {
        let entry = root.child(2 + table).child(1);
        let rows: BTreeSet<Vec<u32>> = (0..dice.roll(rows_most))
            .map(|_| (0..=dice.roll(3)).map(|_| 1 + small_or_large(&mut dice) as u32).collect())
            .collect();
        let mut columns = Vec::new();
        for column in 1..=1 + dice.roll(12) as u32 {
            let column = entry.child(column);
            let holes = [0, 0, 0, 3, 9, 10][dice.roll(6) as usize];
            for row in &rows {
                if dice.roll(10) >= holes {
                    names.insert(Oid::new(column.arcs().iter().chain(row).copied()));
                }
            }
            if dice.roll(4) > 0 {
                columns.push(column);
            }
        }
        if !columns.is_empty() {
            wanted.tables.push(columns);
        }
    }
    if dice.roll(2) == 0 {
        names.insert(root.child(99).child(0));
    }
    let mib = names.into_iter().map(|name| (name.clone(), value(&mut dice, &name))).collect();
    World { mib, wanted: Arc::new(wanted) }
}

fn limits(seed: u64, v1: bool) -> Limits {
    let mut dice = Dice(seed);
    Limits {
        window: 1 + dice.roll(4) as usize,
        max_names: [1, 2, 7, 60][dice.roll(4) as usize],
        max_rows: 100_000,
        reply_bytes: [484, 1472, 9000][dice.roll(3) as usize],
        bulk: !v1,
    }
}

/// A cap under which each single value still fits.
fn fitting(world: &World, dice: &mut Dice) -> usize {
    let most =
        world.mib.iter().map(|(n, v)| VarBind::new(n.clone(), v.clone()).encoded_size()).max().unwrap_or(40);
    [AROUND + most.max(60), 484, 1472, 1 << 20][dice.roll(4) as usize].max(AROUND + most)
}

fn rows_of(world: &World, columns: &[Oid]) -> BTreeMap<Vec<u32>, Vec<Option<Value>>> {
    let mut rows = BTreeMap::new();
    for (at, column) in columns.iter().enumerate() {
        for (name, value) in world.mib.iter().filter(|(name, _)| name.starts_with(column)) {
            let index = name.arcs()[column.len()..].to_vec();
            rows.entry(index).or_insert_with(|| vec![None; columns.len()])[at] = Some(value.clone());
        }
    }
    rows
}

/// What an honest agent that stands still must give.
fn assert_complete(world: &World, swept: &Swept) -> Result<(), TestCaseError> {
    prop_assert_eq!(&swept.problems, &[]);
    for (name, cell) in world.wanted.scalars.iter().zip(&swept.scalars) {
        match world.mib.get(name) {
            Some(value) => prop_assert_eq!(cell, &Cell::Is(value.clone())),
            None => prop_assert!(matches!(cell, Cell::Absent(_)), "{name}: {cell:?}"),
        }
    }
    for (columns, table) in world.wanted.tables.iter().zip(&swept.tables) {
        let rows = rows_of(world, columns);
        prop_assert_eq!(&table.rows, &rows);
        for (at, state) in table.columns.iter().enumerate() {
            let any = rows.values().any(|row| row[at].is_some());
            prop_assert_eq!(*state, if any { Column::Whole } else { Column::Absent(Absent::End) });
        }
    }
    Ok(())
}

/// Every value is one that the agent had under that very name.
fn assert_true(agent: &Agent, wanted: &Wanted, swept: &Swept) -> Result<(), TestCaseError> {
    let was = |name: &Oid, value: &Value| {
        let made_up = agent.endless.as_ref().is_some_and(|column| name.starts_with(column));
        agent.history.get(name).is_some_and(|had| had.contains(value))
            || (made_up && *value == Value::Integer(1))
    };
    for (name, cell) in wanted.scalars.iter().zip(&swept.scalars) {
        if let Cell::Is(value) = cell {
            prop_assert!(was(name, value), "{name} never was {value:?}");
        }
    }
    for (columns, table) in wanted.tables.iter().zip(&swept.tables) {
        for (index, row) in &table.rows {
            for (column, value) in columns.iter().zip(row) {
                let name = Oid::new(column.arcs().iter().chain(index).copied());
                prop_assert!(value.as_ref().is_none_or(|value| was(&name, value)), "{name}: {value:?}");
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// An honest agent is read whole, however it answers, and whatever is known of it or of another.
    #[test]
    fn an_honest_agent_is_read_whole(seed in any::<u64>(), other in any::<u64>(), v1 in any::<bool>()) {
        let (world, mut dice) = (world(seed, 40), Dice(seed ^ 1));
        let limits = limits(seed ^ 2, v1);
        let mut agent = Agent::new(world.mib.clone());
        agent.v1 = v1;
        agent.cap = fitting(&world, &mut dice);
        agent.strict = dice.roll(3) == 0;
        agent.unnamed = dice.roll(4) == 0;
        agent.repetitions = [None, None, Some(1), Some(5)][dice.roll(4) as usize];
        let mut known = Known::default();
        for _ in 0..3 {
            let (swept, learned) = sweep(&mut agent, &world.wanted, known, &limits);
            assert_complete(&world, &swept)?;
            let values: usize = swept.tables.iter().map(|t| t.rows.len() * t.columns.len()).sum();
            prop_assert!(agent.asked <= 200 + 20 * values, "{} requests", agent.asked);
            known = learned;
        }
        // Another agent with the same columns, and other rows.
        let mut mib = super::laws::world(other, 40).mib;
        mib.retain(|_, _| dice.roll(2) == 0);
        let swapped = World { mib, wanted: world.wanted.clone() };
        let mut agent = Agent { mib: swapped.mib.clone(), ..agent };
        agent.cap = agent.cap.max(fitting(&swapped, &mut Dice(2)));
        known.doubt();
        let (swept, _) = sweep(&mut agent, &world.wanted, known, &limits);
        assert_complete(&swapped, &swept)?;
    }

    /// What another agent had not got is found out by itself, in so many sweeps.
    #[test]
    fn what_was_absent_is_asked_for_again(seed in any::<u64>()) {
        let (world, limits) = (world(seed, 10), limits(seed ^ 2, false));
        let (_, mut known) = sweep(&mut Agent::new(BTreeMap::new()), &world.wanted, Known::default(), &limits);
        let mut agent = Agent::new(world.mib.clone());
        for _ in 0..=RECHECK {
            known = sweep(&mut agent, &world.wanted, known, &limits).1;
        }
        assert_complete(&world, &sweep(&mut agent, &world.wanted, known, &limits).0)?;
    }

    /// No misbehaviour makes a value that was not there, or a sweep without an end.
    #[test]
    fn no_agent_makes_up_a_value_or_a_sweep_without_an_end(seed in any::<u64>(), faults in 0..512u32, v1 in any::<bool>()) {
        let (world, mut dice) = (world(seed, 25), Dice(seed ^ 3));
        let limits = Limits { max_rows: 200, ..limits(seed ^ 2, v1) };
        let mut agent = Agent::new(world.mib.clone());
        agent.v1 = v1;
        let names: Vec<Oid> = world.mib.keys().cloned().collect();
        let any = |dice: &mut Dice| names.get(dice.roll(names.len() as u64) as usize).cloned();
        let has = |bit: u32| faults & (1 << bit) != 0;
        if has(0) { agent.cap = 40 + dice.roll(600) as usize; }
        agent.strict = has(1);
        if has(2) { agent.loss = Some(2 + dice.roll(30)); }
        if has(3) { agent.path = 100 + dice.roll(1400) as usize; }
        if has(4) {
            for _ in 0..=dice.roll(3) {
                if let (Some(from), Some(to)) = (any(&mut dice), any(&mut dice)) {
                    agent.history.entry(to.clone()).or_default().push(Value::Integer(-1));
                    agent.jumps.insert(from, to);
                }
            }
        }
        if has(5) && let Some(column) = world.wanted.tables.first().and_then(|columns| columns.first()) {
            agent.endless = Some(column.clone());
        }
        if has(6) { agent.broken.extend((0..=dice.roll(4)).filter_map(|_| any(&mut dice))); }
        agent.unnamed = has(7);
        agent.odd = has(8);
        let mut known = Known::default();
        for _ in 0..3 {
            let changing = dice.roll(2) == 0;
            let mut more = Dice(seed ^ 9);
            let (swept, learned) = sweep_with(&mut agent, &world.wanted, known, &limits, |agent| {
                // Somewhere a row gets another index, and its old one perhaps another value.
                let at = more.roll(agent.mib.len() as u64) as usize;
                if changing && let Some(name) = agent.mib.keys().nth(at).cloned() {
                    let was = agent.mib.remove(&name).unwrap();
                    let renumbered = name.parent().unwrap().child(name.arcs()[name.len() - 1] + 1);
                    agent.change(renumbered, was);
                    if more.roll(2) == 0 {
                        agent.change(name, Value::Counter64(more.roll(1 << 30)));
                    }
                }
            });
            assert_true(&agent, &world.wanted, &swept)?;
            let cells: usize = world.wanted.tables.iter().map(|columns| columns.len() * 200).sum();
            prop_assert!(agent.asked <= 500 + 2 * cells, "{} requests", agent.asked);
            known = learned;
        }
    }

    /// One instance that the agent cannot read costs that instance; all else is read.
    #[test]
    fn a_broken_instance_costs_itself(seed in any::<u64>(), unnamed in any::<bool>(), v1 in any::<bool>()) {
        let world = world(seed, 20);
        let limits = limits(seed ^ 2, v1);
        let mut agent = Agent::new(world.mib.clone());
        let broken = |name: &Oid| world.wanted.tables.iter().flatten().any(|column| name.starts_with(column));
        let candidates: Vec<&Oid> = world.mib.keys().filter(|name| broken(name)).collect();
        prop_assume!(!candidates.is_empty());
        let culprit = candidates[Dice(seed ^ 4).roll(candidates.len() as u64) as usize].clone();
        agent.broken.insert(culprit.clone());
        (agent.unnamed, agent.v1) = (unnamed, v1);
        let (swept, _) = sweep(&mut agent, &world.wanted, Known::default(), &limits);
        let fair = swept.problems.iter().all(|problem| matches!(problem, Problem::Asking { .. }));
        prop_assert!(!swept.problems.is_empty() && fair, "{:?}", swept.problems);
        assert_true(&agent, &world.wanted, &swept)?;
        for (columns, table) in world.wanted.tables.iter().zip(&swept.tables) {
            let rows = rows_of(&world, columns);
            for (at, column) in columns.iter().enumerate() {
                let hit = culprit.starts_with(column);
                prop_assert!(!hit || table.columns[at] != Column::Whole);
                // Where no other column has its row, nobody knows where to go on.
                let stepped = rows.get(&culprit.arcs()[column.len().min(culprit.len())..])
                    .is_some_and(|row| row.iter().flatten().count() > 1);
                if hit && !stepped { continue; }
                for (index, row) in &rows {
                    let name = Oid::new(column.arcs().iter().chain(index).copied());
                    if name != culprit {
                        let got = table.rows.get(index).and_then(|row| row[at].as_ref());
                        prop_assert_eq!(got, row[at].as_ref(), "{}", name);
                    }
                }
            }
        }
    }
}
