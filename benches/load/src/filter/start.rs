//! From what was uploaded to the first result: compiled in a child, asked what it is, started, given a batch.

use super::{bytes, engine, folder};
use crate::numbers::{at_most, median, spread};
use hedgerow_filter_host::guest::{Column, Guest as _, GuestBatch, Input, Limits};
use hedgerow_filter_host::{Program, Start};
use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

const ROUNDS: usize = 5;
/// Milliseconds for a component of so many bytes.
const GOAL_MS: f64 = 50.0;
const GOAL_BYTES: usize = 200_000;

/// Measures, and writes the section of the page.
pub fn run() -> Result<String, String> {
    let mut all = vec![("ewma, for size".to_owned(), bytes("ewma-small")?)];
    all.push(("ewma, for speed".to_owned(), bytes("ewma-fast")?));
    all.extend(shipped()?);
    let mut page = format!(
        "## From upload to the first result\n\nCompiled in a child process with bounds, as at a farm, nothing kept from before; then described, started, told of ten \
         series and given a batch. Wall clock; {ROUNDS} rounds, medians. The goal is for {GOAL_BYTES} bytes: no filter here has as many.\n\n\
         | filter | bytes | ms to the first result | least–most | of that compiled and loaded | native code, bytes |\n|---|---|---|---|---|---|\n"
    );
    for (name, component) in all {
        let (mut whole, mut loaded, mut code) = (Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            // A new engine knows nothing.
            let engine = engine()?;
            let begun = Instant::now();
            let program = engine.load(&component).map_err(|error| format!("{name}: {error}"))?;
            loaded.push(begun.elapsed().as_secs_f64() * 1e3);
            first(&program, &name)?;
            whole.push(begun.elapsed().as_secs_f64() * 1e3);
            code = program.artefact_bytes();
        }
        let ms = median(whole.clone());
        let _ = writeln!(
            page,
            "| {name} | {} | {ms:.1} ({}) | {} | {:.1} | {code} |",
            component.len(),
            at_most(ms, GOAL_MS),
            spread(&whole, 1),
            median(loaded),
        );
    }
    page.push('\n');
    Ok(page)
}

fn first(program: &Program, name: &str) -> Result<(), String> {
    let parameters = if name.starts_with("threshold") { r#"{"above":0.9}"# } else { "{}" };
    let failed = |fault: hedgerow_filter_host::guest::Fault| format!("{name}: {fault}");
    let limits = Limits::default();
    let description = program.describe(parameters, &limits).map_err(failed)?;
    let start = Start { granted: &description.capabilities, ..Start::new(parameters, limits) };
    let (mut instance, _) = program.start(start).map_err(failed)?;
    let numbers = Column { series: (0..10).collect(), times: vec![1], values: vec![0.95; 10] };
    instance.call(&Input::Series((0..10).map(super::work::info).collect())).map_err(failed)?;
    let batch = GuestBatch { numbers, ..GuestBatch::default() };
    instance.call(&Input::Batch(batch)).map(drop).map_err(failed)
}

/// The shipped filters that need no parameters that this does not know.
fn shipped() -> Result<Vec<(String, Vec<u8>)>, String> {
    let folder = folder("HEDGEROW_BENCH_SHIPPED")?;
    let mut all = Vec::new();
    for name in ["load", "quantile", "rate", "threshold", "threshold-alarm"] {
        let path = folder.join(format!("{name}.wasm"));
        let bytes = fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        all.push((name.to_owned(), bytes));
    }
    Ok(all)
}
