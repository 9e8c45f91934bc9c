//! `hedgerow-sim agents …`: simulated SNMP agents in a process of their own, until it is ended.
#![expect(clippy::print_stderr, reason = "a command line tool")]

use std::process::ExitCode;

fn main() -> ExitCode {
    match hedgerow_sim::cli::run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hedgerow-sim: {error}");
            ExitCode::FAILURE
        }
    }
}
