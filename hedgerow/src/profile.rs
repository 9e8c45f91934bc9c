//! `profile`: the SNMP profiles there are, and what becomes of a site's own, or of another program's.

mod import;
mod show;

use crate::hosting;
use crate::near;
use crate::outcome::{CommandError, Outcome};
use crate::output::events::plural;
use crate::output::table::{Align, Table};
use crate::output::{Out, say};
use clap::Subcommand;
use hedgerow_farm_monitor::config;
use hedgerow_snmp_profile::Library;
use hedgerow_snmp_profile::profile::Profile;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const AFTER: &str = "\
Examples:
  hedgerow profile list                                  what comes with the program
  hedgerow profile list --config ./mesh                  and with a site's own, ./mesh/profiles/*.toml
  hedgerow profile show interfaces
  hedgerow profile check ./mesh/profiles/pdu.toml
  hedgerow profile import snmp.yml --only if_mib --into ./mesh/profiles";

/// SNMP profiles: what is asked of a device, and what it is called
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(List),
    Show(show::Args),
    Check(Check),
    Import(import::Args),
}

/// The profiles there are, and what calls for them
#[derive(Debug, clap::Args)]
pub struct List {
    #[command(flatten)]
    site: Site,
}

/// Check the file of a profile: every mistake with its line, key and what was expected
#[derive(Debug, clap::Args)]
pub struct Check {
    /// Files of profiles
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Whose profiles.
#[derive(Debug, clap::Args)]
pub struct Site {
    /// With the profiles of this farm's configuration: a farm.toml, or the folder it is in
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Does what was asked for.
///
/// # Errors
/// Where it cannot be done, and why.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    match &args.what {
        What::List(args) => list(args),
        What::Show(args) => show::run(args),
        What::Check(args) => check(args),
        What::Import(args) => import::run(args),
    }
}

impl Site {
    /// All profiles, and the names of the site's own.
    fn profiles(&self) -> Result<(Arc<Library>, BTreeSet<String>), CommandError> {
        let Some(path) = &self.config else { return Ok((Arc::new(Library::shipped()), BTreeSet::new())) };
        match config::load(path, &hosting::host_name()) {
            Ok(config) => Ok((config.profiles, config.own_profiles)),
            Err(errors) => {
                say(&errors.to_string());
                Err(CommandError::Silent)
            }
        }
    }
}

fn list(args: &List) -> Result<Outcome, CommandError> {
    let (library, own) = args.site.profiles()?;
    let mut table = Table::new(&[
        ("PROFILE", Align::Left),
        ("SERIES", Align::Right),
        ("TRAPS", Align::Right),
        ("FROM", Align::Left),
        ("DESCRIPTION", Align::Left),
    ]);
    for profile in library.iter() {
        let columns: usize = profile.tables.iter().map(|table| table.columns.len()).sum();
        let count = |count: usize| if count == 0 { String::new() } else { count.to_string() };
        let from = if own.contains(&profile.name) { "the site" } else { "" };
        table.row([
            profile.name.clone(),
            count(profile.scalars.len() + columns),
            count(profile.traps.len()),
            from.to_owned(),
            profile.description.lines().next().unwrap_or_default().to_owned(),
        ]);
    }
    let mut out = Out::new();
    out.lines(table.lines())?;
    out.flush()?;
    Ok(Outcome::Done)
}

fn check(args: &Check) -> Result<Outcome, CommandError> {
    let mut good = true;
    let mut out = Out::new();
    for path in &args.files {
        let text = read(path)?;
        match hedgerow_snmp_profile::read(&path.display().to_string(), &text) {
            Ok(profile) => {
                let traps = plural(profile.traps.len() as u64, "trap");
                out.line(format!("ok: {}: {}, {traps}", profile.name, measures(&profile)))?;
            }
            Err(errors) => {
                good = false;
                say(&errors.to_string());
            }
        }
    }
    out.flush()?;
    if good { Ok(Outcome::Done) } else { Err(CommandError::Silent) }
}

/// How much a profile measures.
fn measures(profile: &Profile) -> String {
    let columns: usize = profile.tables.iter().map(|table| table.columns.len()).sum();
    let count = |count: usize, noun| plural(count as u64, noun);
    let tables = count(profile.tables.len(), "table");
    format!("{}, {} of {tables}", count(profile.scalars.len(), "scalar"), count(columns, "column"))
}

/// The text of a file that the user named.
fn read(path: &Path) -> Result<String, CommandError> {
    std::fs::read_to_string(path)
        .map_err(|error| CommandError::Failed(format!("cannot read {}: {error}", path.display())))
}

/// The profile of this name is not there.
fn unknown(name: &str, library: &Library) -> CommandError {
    let known: Vec<&str> = library.iter().map(|profile| profile.name.as_str()).collect();
    CommandError::Misuse(format!("no profile {name}{}", near::said(name, &known)))
}
