//! The words of the command line. What each subcommand takes and does stands in its own file.

use crate::outcome::{CommandError, Outcome};
use crate::{
    alarm, check_config, collect, completions, farm, filter, find, lookup, ls, profile, query, snmp, top, up,
    watch, web,
};
use clap::{Parser, Subcommand};

const AFTER: &str = "\
Start with:
  hedgerow up                                a whole mesh on this machine, watching it
  hedgerow ls                                what there is to see
  hedgerow watch '*/hosts/*/cpu_busy'        live values
  hedgerow top                               all of it in this terminal, live

Exit status: 0 done, 1 failed, 2 misused, 3 done in part (who did not answer is named).";

/// A monitoring mesh that you can program.
#[derive(Debug, Parser)]
#[command(name = "hedgerow", version, after_help = AFTER, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Args),
    Lookup(lookup::Args),
    Farm(farm::Args),
    Web(web::Args),
    Find(find::Args),
    Ls(ls::Args),
    Watch(watch::Args),
    Top(top::Args),
    Query(query::Args),
    Filter(filter::Args),
    Alarm(alarm::Args),
    Collect(collect::Args),
    Snmp(snmp::Args),
    Profile(profile::Args),
    CheckConfig(check_config::Args),
    Completions(completions::Args),
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    /// Why it could not be done.
    pub fn run(self) -> Result<Outcome, CommandError> {
        match self.command {
            Command::Up(args) => up::run(args),
            Command::Lookup(args) => lookup::run(args),
            Command::Farm(args) => farm::run(args),
            Command::Web(args) => web::run(args),
            Command::Find(args) => find::run(&args),
            Command::Ls(args) => ls::run(&args),
            Command::Watch(args) => watch::run(&args),
            Command::Top(args) => top::run(&args),
            Command::Query(args) => query::run(&args),
            Command::Filter(args) => filter::run(&args),
            Command::Alarm(args) => alarm::run(&args),
            Command::Collect(args) => collect::run(&args),
            Command::Snmp(args) => snmp::run(&args),
            Command::Profile(args) => profile::run(&args),
            Command::CheckConfig(args) => check_config::run(&args),
            Command::Completions(args) => completions::run(&args),
        }
    }
}

#[cfg(test)]
mod tests;
