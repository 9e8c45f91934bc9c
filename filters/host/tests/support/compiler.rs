//! Plays the command's binary: all it can is what the command does for its hidden first argument.

use std::process::ExitCode;

fn main() -> ExitCode {
    hedgerow_filter_host::compile::child_main()
}
