//! `alarm list`: the alarms of all farms, the worst first.

use super::find::{known, say_none};
use super::line::{self, AlarmLine};
use crate::client::{ClientOptions, as_known, say_coverage};
use crate::outcome::{CommandError, Outcome};
use crate::output::clock::{Zone, now};
use crate::output::table::{Align, Table};
use crate::output::{Out, amount};
use hedgerow_client::Template;
use hedgerow_client::mesh::FARM_PATIENCE;
use hedgerow_proto::filter::Alarm;
use std::cmp::Reverse;

/// List alarms, the worst first
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also those that were cleared, as far as farms keep them
    #[arg(long)]
    all: bool,
    /// Only of this deployment
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    deployment: String,
    /// Only of farms of this template
    #[arg(long, value_name = "TEMPLATE")]
    to: Option<Template>,
    #[command(flatten)]
    client: ClientOptions,
}

/// Asks all farms.
///
/// # Errors
/// Where no lookup answers.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    crate::runtime::client(async {
        let mesh = args.client.mesh(FARM_PATIENCE).await?;
        let farms = args.to.clone().unwrap_or_default();
        let told = mesh.alarms(&farms, args.all, &args.deployment).await;
        known(&told, &args.client.lookups())?;
        let mut rows: Vec<(&str, &Alarm)> = Vec::new();
        for at in &told.farms {
            rows.extend(at.alarms.iter().map(|alarm| (&*at.farm, alarm)));
        }
        // Open before cleared, unknown before critical, and what is newer first.
        rows.sort_by_key(|(_, alarm)| {
            (alarm.cleared_ms.is_some(), Reverse(alarm.level), Reverse(alarm.changed_ms))
        });
        let mut out = Out::new();
        if args.client.json {
            for (farm, alarm) in &rows {
                out.line(AlarmLine::of(farm, alarm).json()?)?;
            }
        } else if !rows.is_empty() {
            for (at, text) in table(&rows, &args.client.zone()).lines().into_iter().enumerate() {
                out.line(painted(
                    &text,
                    at.checked_sub(1).and_then(|at| rows.get(at)).map(|(_, alarm)| *alarm),
                ))?;
            }
        }
        out.flush()?;
        let outcome = say_coverage(&told.coverage);
        if rows.is_empty() {
            say_none(if args.all { "there was no alarm" } else { "no alarm is open" }, &told.coverage);
        }
        Ok(as_known(&mesh, outcome))
    })
}

/// A line of the table, its level in colour.
fn painted(text: &str, alarm: Option<&Alarm>) -> String {
    let word = alarm.map_or("", |alarm| line::level(alarm.level()));
    match text.strip_prefix(word).filter(|_| !word.is_empty()) {
        Some(rest) => format!("{}{rest}", line::coloured(word, word)),
        None => text.to_owned(),
    }
}

fn table(rows: &[(&str, &Alarm)], zone: &Zone) -> Table {
    let mut table = Table::new(&[
        ("LEVEL", Align::Left),
        ("ID", Align::Left),
        ("SINCE", Align::Right),
        ("FARM", Align::Left),
        ("DEPLOYMENT", Align::Left),
        ("TEXT", Align::Left),
        ("MARKS", Align::Left),
    ]);
    for (farm, alarm) in rows {
        table.row([
            line::level(alarm.level()).to_owned(),
            line::short(alarm),
            amount::age((now() - alarm.since_ms).max(0)),
            (*farm).to_owned(),
            alarm.deployment.clone(),
            alarm.text.clone(),
            line::marks(alarm, zone),
        ]);
    }
    table
}
