//! Memory: many instances of one component, and many components. Each in a process of its own, so that nothing that was freed before
//! counts.

use super::work::{info, start};
use super::{bytes, distinct, engine};
use crate::numbers::at_most;
use hedgerow_filter_host::guest::{Column, Guest as _, GuestBatch, Input};
use hedgerow_filter_host::{Instance, Program};
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

const INSTANCES: usize = 1000;
const COMPONENTS: usize = 100;
/// MiB that the instances may take beside what their guests touch.
const GOAL_MIB: f64 = 16.0;
/// A mapping of so many bytes in a row is the pool of linear memories.
const POOL_BYTES: u64 = 1 << 40;
const MIB: f64 = 1_048_576.0;

/// What this process has resident, in bytes, without pages of files.
#[derive(Debug, Clone, Copy, Default)]
struct Resident {
    all: u64,
    /// Linear memories of guests: what they touched.
    guests: u64,
}

/// Measures, and writes the section of the page.
pub fn run() -> Result<String, String> {
    let [all, guests, _] = measured(&["instances".to_owned(), INSTANCES.to_string()])?;
    let beside = (all - guests) / MIB;
    let mut page = format!(
        "## Memory\n\nResident memory without pages of files, in a process of its own, what it had before taken off. Each instance knows ten \
         series and was given a batch.\n\n| what | MiB | each |\n|---|---|---|\n\
         | {INSTANCES} instances of one component, all told | {:.1} | {:.1} KiB |\n\
         | of that what guests touched: their linear memories | {:.1} | {:.1} KiB |\n\
         | the rest | {beside:.1} ({}) | {:.1} KiB |\n",
        all / MIB,
        all / 1024.0 / INSTANCES as f64,
        guests / MIB,
        guests / 1024.0 / INSTANCES as f64,
        at_most(beside, GOAL_MIB),
        (all - guests) / 1024.0 / INSTANCES as f64,
    );
    let [loaded, code, running] = measured(&["components".to_owned(), COMPONENTS.to_string()])?;
    for (words, bytes) in [
        ("components, distinct, loaded", loaded),
        ("of their native code and what belongs to it", code),
        ("components, distinct, an instance of each", running),
    ] {
        let each = bytes / 1024.0 / COMPONENTS as f64;
        let _ = writeln!(page, "| {COMPONENTS} {words} | {:.1} | {each:.1} KiB |", bytes / MIB);
    }
    page.push('\n');
    Ok(page)
}

/// The numbers that a process of this binary gives.
fn measured(args: &[String]) -> Result<[f64; 3], String> {
    let output = Command::new("/proc/self/exe").arg("__filter").args(args).output();
    let output = output.map_err(|error| format!("cannot start a side: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let said =
        || format!("{}: `{}` {}", args.join(" "), text.trim(), String::from_utf8_lossy(&output.stderr));
    numbers.try_into().map_err(|_| said())
}

/// The process of one of them.
pub fn side(args: &[String]) -> Result<String, String> {
    let [what, count] = args else { return Err("expected WHAT COUNT".to_owned()) };
    let count = count.parse::<usize>().map_err(|error| error.to_string())?;
    let numbers = match what.as_str() {
        "instances" => instances(count)?,
        _ => components(count)?,
    };
    Ok(numbers.map(|number| number.to_string()).join(" "))
}

fn instances(count: usize) -> Result<[u64; 3], String> {
    let engine = engine()?;
    let program = engine.load(&bytes("ewma-small")?).map_err(|error| error.to_string())?;
    // What the first one brings in is the engine's.
    let first = busy(&program)?;
    let before = resident()?;
    let all = (0..count).map(|_| busy(&program)).collect::<Result<Vec<_>, _>>()?;
    let after = resident()?;
    drop((first, all));
    Ok([after.all.saturating_sub(before.all), after.guests.saturating_sub(before.guests), 0])
}

fn components(count: usize) -> Result<[u64; 3], String> {
    let engine = engine()?;
    let component = bytes("ewma-small")?;
    // As `instances`.
    let first = busy(&engine.load(&component).map_err(|error| error.to_string())?)?;
    let before = resident()?;
    let loaded = |number| engine.load(&distinct(&component, number)).map_err(|error| error.to_string());
    let programs = (0..count).map(loaded).collect::<Result<Vec<_>, _>>()?;
    let after = resident()?;
    let all = programs.iter().map(busy).collect::<Result<Vec<_>, _>>()?;
    let running = resident()?;
    drop((first, all));
    let code: usize = programs.iter().map(Program::artefact_bytes).sum();
    Ok([after.all.saturating_sub(before.all), code as u64, running.all.saturating_sub(before.all)])
}

/// An instance that has begun.
fn busy(program: &Program) -> Result<Instance, String> {
    let (mut instance, _) = start(program, None)?;
    let numbers = Column { series: (0..10).collect(), times: vec![1], values: vec![0.5; 10] };
    for input in [
        Input::Series((0..10).map(info).collect()),
        Input::Batch(GuestBatch { numbers, ..GuestBatch::default() }),
    ] {
        instance.call(&input).map_err(|fault| fault.to_string())?;
    }
    Ok(instance)
}

/// Anonymous pages, by where they are.
fn resident() -> Result<Resident, String> {
    let text = fs::read_to_string("/proc/self/smaps").map_err(|error| error.to_string())?;
    // Neighbouring mappings are one span.
    let mut spans: Vec<(u64, u64, u64)> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        let bounds = first.split_once('-').and_then(|(from, to)| {
            Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?))
        });
        match (bounds, spans.last_mut()) {
            (Some((from, to)), Some(last)) if last.1 == from => last.1 = to,
            (Some((from, to)), _) => spans.push((from, to, 0)),
            (None, Some(last)) if first == "Anonymous:" => {
                last.2 += words.next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() * 1024;
            }
            _ => {}
        }
    }
    let all = spans.iter().map(|(.., bytes)| bytes).sum();
    let pool = |span: &&(u64, u64, u64)| span.1 - span.0 >= POOL_BYTES;
    Ok(Resident { all, guests: spans.iter().filter(pool).map(|(.., bytes)| bytes).sum() })
}
