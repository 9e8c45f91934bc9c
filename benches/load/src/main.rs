//! `cargo xtask bench NAME`: measurements of the whole, as tables.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool")]
#![expect(clippy::disallowed_methods, reason = "measuring is what the clock is read for here")]

mod latency;

use std::process::ExitCode;

fn main() -> ExitCode {
    // The farm under test may start its keeper from this binary.
    if std::env::args().nth(1).as_deref() == Some("__keeper") {
        return hedgerow_collect::script::keeper::main();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("bench: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = match std::env::args().nth(1).as_deref() {
        Some("latency") => runtime.block_on(latency::run()),
        other => Err(format!("no measurement `{}`: expected latency", other.unwrap_or_default())),
    };
    match result {
        Ok(table) => {
            println!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
