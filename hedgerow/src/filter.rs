//! `filter`: code that goes to the data: written, built, tried, deployed, asked after, taken back.

mod backtest;
mod build;
mod component;
mod deploy;
mod describe;
mod held;
mod list;
mod local;
mod logs;
mod new;
mod owner;
mod parameters;
mod remove;
mod retry;
mod run;
mod shown;
mod status;
mod test;

pub use deploy::until;
pub use owner::identity;

use crate::outcome::{CommandError, Outcome};

const AFTER: &str = "\
Examples:
  hedgerow filter new my-filter            a folder with an example, tests and the SDK
  hedgerow filter build my-filter
  hedgerow filter run my-filter/my-filter.wasm --on '*/hosts/*/load1'
  hedgerow filter describe                 what is shipped
  hedgerow filter describe threshold       what it takes
  hedgerow filter deploy threshold --as disk-full --set above=0.9 --on '*/hosts/*/disk_used'
  hedgerow filter list
  hedgerow filter status disk-full
  hedgerow filter remove disk-full";

/// Write, build and deploy filters, code that runs at the farms beside the data; see how they fare
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    New(new::Args),
    Build(build::Args),
    Describe(describe::Args),
    Deploy(deploy::Args),
    List(list::Args),
    Status(status::Args),
    Remove(remove::Args),
    Logs(logs::Args),
    Retry(retry::Args),
    Test(test::Args),
    Run(run::Args),
    Backtest(backtest::Args),
}

/// Does what was asked for.
///
/// # Errors
/// Why it could not be done.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    match &args.command {
        Command::New(args) => new::run(args),
        Command::Build(args) => build::run(args),
        Command::Describe(args) => describe::run(args),
        Command::Deploy(args) => deploy::run(args),
        Command::List(args) => list::run(args),
        Command::Status(args) => status::run(args),
        Command::Remove(args) => remove::run(args),
        Command::Logs(args) => logs::run(args),
        Command::Retry(args) => retry::run(args),
        Command::Test(args) => test::run(args),
        Command::Run(args) => run::run(args),
        Command::Backtest(args) => backtest::run(args),
    }
}
