//! Making instances, giving them their state back, and what idle ones cost.

use super::work::{SERIES, Side, Work, info, start};
use super::{Guests, cpu};
use crate::numbers::{median, spread};
use hedgerow_filter_host::guest::{Guest as _, Input, Limits};
use std::fmt::Write as _;

/// Times that each is measured, one after the other.
const ROUNDS: usize = 9;
/// How often in a round.
const TIMES: usize = 500;
/// Filters that have nothing to do but to be told the time.
const IDLE: [usize; 3] = [1, 10, 100];
/// How often each of them is told in a round.
const TICKS: usize = 2_000;

/// Measures, and writes the section of the page.
pub fn run(guests: &Guests) -> Result<String, String> {
    let program = &guests.small;
    let state = state(guests)?;
    let text = |fault: hedgerow_filter_host::guest::Fault| fault.to_string();
    let mut seen: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        let limits = Limits::default();
        seen[0].push(each(TIMES, || {
            program.describe(super::work::PARAMETERS, &limits).map(drop).map_err(text)
        })?);
        seen[1].push(each(TIMES, || start(program, None).map(drop))?);
        seen[2].push(each(TIMES, || start(program, Some(&state)).map(drop))?);
        let (mut instance, _) = start(program, Some(&state))?;
        seen[3].push(each(TIMES, || instance.save().map(drop).map_err(text))?);
    }
    let mut page = format!(
        "## Instances\n\nInstances come from a pool; each round makes and drops {TIMES}, one after the other; a state of {SERIES} series has {} \
         bytes. {ROUNDS} rounds, medians of CPU.\n\n| what | µs CPU | least–most |\n|---|---|---|\n",
        state.len()
    );
    let words = [
        "describe, in an instance of its own",
        "start and configure, from nothing",
        "start and configure, from a state: restored",
        "save",
    ];
    for (words, seen) in words.iter().zip(seen) {
        let _ = writeln!(page, "| {words} | {:.1} | {} |", median(seen.clone()), spread(&seen, 1));
    }
    page.push_str(&idle(guests)?);
    Ok(page)
}

/// What a filter keeps that was given some batches of all series.
fn state(guests: &Guests) -> Result<Vec<u8>, String> {
    let mut side = Side::guest(&guests.small)?;
    side.work(&Work::new(10 * SERIES, SERIES, 64))?;
    let Side::Guest(mut instance) = side else { return Err("another side".to_owned()) };
    instance.save().map_err(|fault| fault.to_string())
}

/// Microseconds of CPU of each of so many times.
fn each(times: usize, mut what: impl FnMut() -> Result<(), String>) -> Result<f64, String> {
    let begun = cpu();
    for _ in 0..times {
        what()?;
    }
    Ok((cpu() - begun).as_secs_f64() * 1e6 / times as f64)
}

fn idle(guests: &Guests) -> Result<String, String> {
    let mut all = Vec::new();
    for _ in 0..IDLE[IDLE.len() - 1] {
        let (mut instance, _) = start(&guests.small, None)?;
        let told = instance.call(&Input::Series((0..10).map(info).collect()));
        told.map_err(|fault| fault.to_string())?;
        all.push(instance);
    }
    let mut page = String::from(
        "\n## Idle filters\n\nNothing that they read comes; with a tick a second each is called once a second. CPU of one second of so many \
         filters, in a share of a processor. Without ticks an idle filter is not called at all.\n\n\
         | filters | µs CPU a second | least–most | of a processor |\n|---|---|---|---|\n",
    );
    for filters in IDLE {
        let mut seen = Vec::new();
        for round in 0..ROUNDS {
            let mut second = (round * TICKS) as i64;
            let tick = || {
                second += 1;
                for instance in &mut all[..filters] {
                    instance.call(&Input::Tick(second * 1000)).map_err(|fault| fault.to_string())?;
                }
                Ok(())
            };
            seen.push(each(TICKS, tick)?);
        }
        let us = median(seen.clone());
        let _ = writeln!(page, "| {filters} | {us:.2} | {} | {:.5} % |", spread(&seen, 2), us / 1e4);
    }
    page.push('\n');
    Ok(page)
}
