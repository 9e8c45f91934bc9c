//! `check-config`: what a farm would say of a configuration, without a farm.

use crate::hosting;
use crate::outcome::{CommandError, Outcome};
use crate::output::events::plural;
use crate::output::{Out, say};
use hedgerow_farm_monitor::config;
use std::path::PathBuf;

const AFTER: &str = "\
Examples:
  hedgerow check-config ./mesh/farm.toml
  hedgerow check-config ./mesh && systemctl reload my-farm";

/// Check a farm's configuration: every mistake with its file, line, key and what was expected
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// A farm.toml, or the folder it is in; conf.d/*.toml beside it belong to it
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Checks.
///
/// # Errors
/// Where it could not be used.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let config = match config::load(&args.file, &hosting::host_name()) {
        Ok(config) => config,
        Err(errors) => {
            say(&errors.to_string());
            return Err(CommandError::Silent);
        }
    };
    for warning in &config.warnings {
        say(&format!("warning: {warning}"));
    }
    let targets: usize = config.collectors.iter().map(|collector| collector.targets.len()).sum();
    let count = |count: usize, noun| plural(count as u64, noun);
    let own = match config.own_profiles.len() {
        0 => String::new(),
        own => format!(", {} of its own", count(own, "profile")),
    };
    let mut out = Out::new();
    out.line(format!(
        "ok: {}, {}{own}",
        count(config.collectors.len(), "collector"),
        count(targets, "target")
    ))?;
    out.flush()?;
    Ok(Outcome::Done)
}
