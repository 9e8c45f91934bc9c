//! Logs: an event's name and structured fields, on standard error. INFO is for operators, and rare.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging; `HEDGEROW_LOG` (as `info,hedgerow_lookup=debug`) says how much. Called once, by main.
pub fn start() {
    let filter =
        EnvFilter::try_from_env("HEDGEROW_LOG").unwrap_or_else(|_| EnvFilter::new("warn,hedgerow=info"));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .with_target(false)
        .try_init();
}
