//! What filters cost: a sample through one beside the same work in native Rust, starting and restoring them, many of them in memory,
//! compiling what was uploaded, and what they do to the farm around them.

mod farm;
mod instances;
mod memory;
mod start;
mod throughput;
mod work;

use crate::machine::{load_average, machine};
use hedgerow_filter_host::compile::Compiler;
use hedgerow_filter_host::{Engine, EngineOptions, Program};
use rustix::time::{ClockId, clock_gettime};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

pub use memory::side;

/// The argument with which this binary becomes the compiler of one filter.
pub const COMPILER_ARG: &str = "__filter-compiler";

const PARTS: [&str; 5] = ["throughput", "instances", "memory", "start", "farm"];

/// The filter that is measured, built twice.
pub struct Guests {
    small: Program,
    fast: Program,
}

/// Runs the parts named; all without names.
pub async fn run(parts: &[String]) -> Result<String, String> {
    if let Some(other) = parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
        return Err(format!("no part `{other}`: expected {}", PARTS.join(", ")));
    }
    let engine = engine()?;
    let guests = Guests { small: load(&engine, "ewma-small")?, fast: load(&engine, "ewma-fast")? };
    let mut page = format!("# Filters: `cargo xtask bench filter`\n\n{}", machine());
    let _ = writeln!(page, "Load average when it began: {:.1}.\n", load_average());
    for part in PARTS.into_iter().filter(|part| parts.is_empty() || parts.iter().any(|named| named == part)) {
        page.push_str(&match part {
            "throughput" => throughput::run(&guests)?,
            "instances" => instances::run(&guests)?,
            "memory" => memory::run()?,
            "start" => start::run()?,
            _ => farm::run().await?,
        });
    }
    Ok(page)
}

/// An engine as a farm has it, but without a folder for what was compiled.
fn engine() -> Result<Engine, String> {
    let compiler = Compiler::Child { program: "/proc/self/exe".into(), args: vec![COMPILER_ARG.into()] };
    Engine::new(EngineOptions::new(compiler)).map_err(|error| error.to_string())
}

fn load(engine: &Engine, name: &str) -> Result<Program, String> {
    engine.load(&bytes(name)?).map_err(|error| format!("{name}: {error}"))
}

/// The filter of a name, as `cargo xtask bench filter` built it.
fn bytes(name: &str) -> Result<Vec<u8>, String> {
    let path = folder("HEDGEROW_BENCH_GUESTS")?.join(format!("{name}.wasm"));
    std::fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn folder(variable: &str) -> Result<PathBuf, String> {
    let folder = std::env::var_os(variable);
    folder.map(PathBuf::from).ok_or_else(|| format!("{variable} is not set: run `cargo xtask bench filter`"))
}

/// The same with another custom section: another component to whoever compiles and keeps it.
fn distinct(component: &[u8], number: usize) -> Vec<u8> {
    let mut bytes = component.to_vec();
    let name = format!("distinct{number:08}");
    bytes.extend([0, name.len() as u8 + 1, name.len() as u8]);
    bytes.extend(name.as_bytes());
    bytes
}

/// The processor time of this process with all its threads.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
