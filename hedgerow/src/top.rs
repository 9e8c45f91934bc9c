//! `top`: the mesh in a terminal, live: farms, their nodes and values, alarms, the highest of anything; or once, as text or JSON.
//!
//! `app` holds what is looked at, `keys` what keys do, `data` what was told, `sheet` and `draw` make the picture: all of that is
//! pure. `shell` carries frames, keys and pictures between it, the views and the terminal.

mod app;
mod data;
mod draw;
mod grid;
mod keys;
mod marks;
mod once;
mod sheet;
mod shell;
mod trend;

use crate::client::{ClientOptions, Patience};
use crate::outcome::{CommandError, Outcome};
use app::App;
use hedgerow_client::directory::FIND_PATIENCE;
use hedgerow_views::{ViewSpec, Views, ViewsOptions};
use marks::Looks;
use std::borrow::Cow;
use std::io::{self, IsTerminal as _};

const AFTER: &str = "\
Keys: arrows or j k move, Enter opens, Esc goes back, Tab to the next screen,
/ shows only some rows, s another order, p pauses, ? tells all, q leaves.

Examples:
  hedgerow top                                   farms, alarms, the busiest processors
  hedgerow top '*/hosts/*/disk_used'             the fullest disks of all farms
  hedgerow top '*/net/*/in_errors' --by lowest
  hedgerow top --once                            one picture, as text
  hedgerow top '*/*/*/load1' --json | jq '.top.rows[].path'";

/// Look at the mesh in this terminal, live
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Compare what matches: patterns FARM/CLUSTER/NODE/PARAMETER[LABELS], and perhaps `where value > 0.9`
    /// [default: */*/*/cpu_busy[]]
    #[arg(value_name = "PREDICATE")]
    words: Vec<String>,
    /// Which values stand first
    #[arg(long, value_enum, default_value = "highest", help_heading = "Question")]
    by: By,
    /// How many values are compared, at most 1000 [default: 100, with --once 10]
    #[arg(long, short = 'n', value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Question")]
    rows: Option<u32>,
    /// Print one picture, and end; of a predicate, what it compares
    #[arg(long)]
    once: bool,
    /// Letters only, for terminals without the shapes
    #[arg(long)]
    ascii: bool,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    client: ClientOptions,
}

/// In which order values stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum By {
    /// The greatest first
    Highest,
    /// The least first
    Lowest,
}

/// Something to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preset {
    title: &'static str,
    predicate: Cow<'static, str>,
}

/// The title of a predicate of one's own.
const OWN: &str = "";

/// What can be compared without typing: names of the module `host`, and of SNMP.
const PRESETS: &[Preset] = &[
    preset("busiest processors", "*/*/*/cpu_busy[]"),
    preset("highest load", "*/*/*/load1"),
    preset("fullest memory", "*/*/*/memory_used"),
    preset("fullest file systems", "*/*/*/disk_used"),
    preset("busiest block devices", "*/*/*/io_busy_time"),
    preset("most received", "*/*/*/in"),
    preset("most sent", "*/*/*/out"),
    preset("waiting for a disk", "*/*/*/pressure_io_waiting"),
];

const fn preset(title: &'static str, predicate: &'static str) -> Preset {
    Preset { title, predicate: Cow::Borrowed(predicate) }
}

/// Rows that are compared where nothing else is said: live, and once.
const ROWS: (u32, u32) = (100, 10);

/// Looks until the user leaves; or once.
///
/// # Errors
/// Where no lookup answers at the start, the predicate cannot be read, or there is no terminal.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let is_once = args.once || args.client.json;
    let is_dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    if !is_once && (is_dumb || !io::stdout().is_terminal()) {
        let what = if is_dumb {
            "this terminal (TERM=dumb) cannot be drawn on"
        } else {
            "standard output is no terminal"
        };
        let text = format!("{what}: `hedgerow top --once` prints one picture, with --json for programs");
        return Err(CommandError::Misuse(text));
    }
    let zone = args.client.zone();
    let text = args.words.join(" ");
    let question = if text.is_empty() {
        PRESETS[0].clone()
    } else {
        crate::question::read(&text, &zone)?;
        Preset { title: OWN, predicate: Cow::Owned(text) }
    };
    let colour = std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let rows = args.rows.unwrap_or(if is_once { ROWS.1 } else { ROWS.0 });
    let mut app = App::new(Looks { plain: args.ascii, colour }, zone, question, rows);
    app.tabs[app::TOP].order = usize::from(args.by == By::Lowest);
    if is_once || !args.words.is_empty() {
        app.tab = app::TOP;
    }
    ViewSpec::Top(app.top_spec()).checked().map_err(|refused| CommandError::Misuse(refused.to_string()))?;
    crate::runtime::client(async {
        let mesh = args.client.mesh(FIND_PATIENCE).await?;
        let views = Views::new(mesh.clone(), ViewsOptions::default());
        if is_once {
            let is_all = args.words.is_empty();
            let outcome = once::run(app, views, args.patience.timeout, args.client.json, is_all).await?;
            return Ok(crate::client::as_known(&mesh, outcome));
        }
        shell::run(app, views).await
    })
}

#[cfg(test)]
mod tests;
