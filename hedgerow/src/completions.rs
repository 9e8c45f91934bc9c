//! `completions`: what a shell needs to complete our words.

use crate::outcome::{CommandError, Outcome};
use crate::output::Out;
use clap::CommandFactory as _;

const AFTER: &str = "\
Examples:
  hedgerow completions bash > ~/.local/share/bash-completion/completions/hedgerow
  hedgerow completions zsh > \"${fpath[1]}/_hedgerow\"
  hedgerow completions fish > ~/.config/fish/completions/hedgerow.fish";

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Which shell
    shell: clap_complete::Shell,
}

/// Prints them.
///
/// # Errors
/// Where nobody reads.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::cli::Cli::command(), "hedgerow", &mut script);
    let mut out = Out::new();
    out.line(script.trim_ascii_end())?;
    out.flush()?;
    Ok(Outcome::Done)
}
