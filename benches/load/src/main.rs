//! `cargo xtask bench NAME`: measurements of the whole, as tables.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool")]
#![expect(clippy::disallowed_methods, reason = "measuring is what the clock is read for here")]

mod filter;
mod latency;
mod lookup;
mod machine;
mod numbers;
mod snmp;
mod web;

use std::process::ExitCode;

fn main() -> ExitCode {
    // The farm under test may start its keeper from this binary.
    if std::env::args().nth(1).as_deref() == Some("__keeper") {
        return hedgerow_collect::script::keeper::main();
    }
    if std::env::args().nth(1).as_deref() == Some(filter::COMPILER_ARG) {
        return hedgerow_filter_host::compile::child_main();
    }
    // The measurements start simulated agents, and their own sides, as processes of this binary.
    if std::env::args().nth(1).as_deref() == Some("__sim") {
        return ended(hedgerow_sim::cli::run(std::env::args().skip(2)));
    }
    // A side of a comparison has one thread, as its peers have.
    let is_side = std::env::args().nth(1).as_deref() == Some("__snmp");
    let mut builder = match is_side {
        true => tokio::runtime::Builder::new_current_thread(),
        false => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match builder.worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("bench: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let args: Vec<String> = std::env::args().skip(2).collect();
    let result = match std::env::args().nth(1).as_deref() {
        Some("filter") => runtime.block_on(filter::run(&args)),
        Some("__filter") => filter::side(&args),
        Some("latency") => runtime.block_on(latency::run()),
        Some("lookup") => runtime.block_on(lookup::run(&args)),
        Some("snmp") => runtime.block_on(snmp::run(&args)),
        Some("web") => runtime.block_on(web::run(&args)),
        Some("__farm") => runtime.block_on(snmp::collection(&args)),
        Some("__snmp") => runtime.block_on(snmp::side(&args)),
        other => Err(format!(
            "no measurement `{}`: expected filter, latency, lookup, snmp or web",
            other.unwrap_or_default()
        )),
    };
    ended(result.map(|table| println!("{table}")))
}

fn ended(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
