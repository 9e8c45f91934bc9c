//! `hedgerow`: one binary with a subcommand per role and per client. Here it only reads the arguments and hands over.

mod alarm;
mod check_config;
mod cli;
mod client;
mod collect;
mod completions;
mod farm;
mod filter;
mod find;
mod hosting;
mod lookup;
mod ls;
mod near;
mod outcome;
mod output;
mod profile;
mod query;
mod question;
mod runtime;
mod snmp;
mod top;
mod up;
mod watch;
mod web;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: the keeper of scripts wants a process with one thread and nothing open.
    if std::env::args_os().nth(1).is_some_and(|arg| arg == hosting::KEEPER_ARG) {
        return hedgerow_collect::script::keeper::main();
    }
    if std::env::args_os().nth(1).is_some_and(|arg| arg == hosting::FILTER_COMPILER_ARG) {
        return hedgerow_filter_host::compile::child_main();
    }
    outcome::exit(cli::Cli::parse().run())
}
