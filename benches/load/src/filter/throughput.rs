//! What a sample costs through a filter, beside the same work as a plain loop.

use super::work::{Made, Side, Work};
use super::{Guests, cpu};
use crate::numbers::{median, ratio, spread};
use std::fmt::Write as _;

/// Samples at once, how often the work is done in a round, and of how many series one is past the bound at a time.
const SHAPES: [(usize, usize, usize); 6] = [
    (1, 5, RARELY),
    (100, 100, RARELY),
    (200, 100, RARELY),
    (1000, 100, RARELY),
    (200, 100, OFTEN),
    (1000, 100, OFTEN),
];
/// About one of 2,000 samples is a change, and is emitted.
const RARELY: usize = 512;
/// About one of 250.
const OFTEN: usize = 64;
/// Samples of the work: few, so that they come from the processor's caches, as what a hub has just accepted does.
const SAMPLES: usize = 64_000;
/// Times that each side is measured, one after the other.
const ROUNDS: usize = 9;
/// The shape that has a goal: so many times the native loop, and so many nanoseconds a call.
const GOAL_BATCH: usize = 200;
const GOAL_TIMES: f64 = 3.0;
const GOAL_CALL_NS: f64 = 1000.0;

/// Measures, and writes the section of the page.
pub fn run(guests: &Guests) -> Result<String, String> {
    let mut page = format!(
        "## Through a filter\n\nAn exponentially weighted average of each of {} series, and a state where it goes past a bound or \
         comes back: a filter in Rust, of the SDK, as an author writes it, and a plain loop in native Rust that keeps and \
         gives the same. \"Called\" is the instance alone; \"in a run\" is what a farm does around it, too: series to handles, \
         what is emitted to batches. One change in so many samples is emitted, which the native loop only notes. Built for size (`opt-level = \"z\"`, as `hedgerow filter new` sets it and the shipped filters are) and \
         for speed (`3`). CPU of the whole process. {ROUNDS} interleaved rounds, medians; all sides made the same changes (number and \
         checksum).\n\n\
         | samples a batch | one change in | side | ns CPU a sample | least–most | million samples/s | times native | µs a call |\n|---|---|---|---|---|---|---|---|\n",
        super::work::SERIES
    );
    for (batch, times, high) in SHAPES {
        let work = Work::new(SAMPLES, batch, high);
        let mut changes = 1;
        let mut sides = [
            ("native loop", Side::native()),
            ("filter built for size, called", Side::guest(&guests.small)?),
            ("filter built for speed, called", Side::guest(&guests.fast)?),
            ("filter built for size, in a run", Side::run(&guests.small)?),
            ("filter built for speed, in a run", Side::run(&guests.fast)?),
        ];
        let mut costs: Vec<Vec<f64>> = sides.iter().map(|_| Vec::new()).collect();
        for round in 0..ROUNDS {
            let mut first: Option<Made> = None;
            for ((words, side), costs) in sides.iter_mut().zip(&mut costs) {
                let begun = cpu();
                let mut made = Made::default();
                for _ in 0..times {
                    made = side.work(&work)?;
                }
                costs.push((cpu() - begun).as_secs_f64() * 1e9 / (work.samples() * times) as f64);
                changes = made.changes().max(1);
                if made.changes() == 0 || *first.get_or_insert(made) != made {
                    return Err(format!("{words}, round {round}: {made:?} changes, not {first:?}"));
                }
            }
        }
        let samples_a_change = work.samples() as u64 / changes;
        let native = costs.first().cloned().unwrap_or_default();
        for ((words, side), costs) in sides.iter().zip(&costs) {
            let ns = median(costs.clone());
            let call = ns * batch as f64;
            let allowed = GOAL_TIMES * median(native.clone()) * batch as f64 + GOAL_CALL_NS;
            let verdict = match side {
                Side::Native(_) => String::new(),
                _ if batch != GOAL_BATCH => String::new(),
                _ => format!(
                    " (goal ≤ 3 × native + 1 µs = {:.2}: {})",
                    allowed / 1e3,
                    if call <= allowed { "met" } else { "**missed**" }
                ),
            };
            let _ = writeln!(
                page,
                "| {batch} | {samples_a_change} | {words} | {ns:.2} | {} | {:.1} | {:.1} | {:.2}{verdict} |",
                spread(costs, 2),
                1e3 / ns,
                ratio(costs, &native),
                call / 1e3,
            );
        }
    }
    page.push('\n');
    Ok(page)
}
