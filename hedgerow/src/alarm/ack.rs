//! `alarm ack`: somebody has seen an alarm and says so, or takes it back.

use super::find::find;
use super::line::{self, AlarmLine};
use crate::client::{ClientOptions, as_known};
use crate::filter::until;
use crate::outcome::{CommandError, Outcome};
use crate::output::Out;
use crate::output::clock::now;
use hedgerow_client::alarms;
use hedgerow_client::mesh::FARM_PATIENCE;

/// Acknowledge an alarm: void when it gets worse or clears
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its id, or the beginning of it
    #[arg(value_name = "ID")]
    id: String,
    /// What you know of it, or do about it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    comment: String,
    /// Until when it counts: 2d (from now), 2026-12-24, "2026-12-24 14:00" [default: until the alarm clears or gets worse]
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Who says so [default: you]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Take an acknowledgement back
    #[arg(long, conflicts_with_all = ["comment", "until"])]
    withdraw: bool,
    #[command(flatten)]
    client: ClientOptions,
}

/// Says it at the farm.
///
/// # Errors
/// Where no lookup answers, there is no such alarm, or the farm says no.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let (now, zone) = (now(), args.client.zone());
    let until = args.until.as_deref().map(|text| until(text, now, &zone)).transpose()?;
    let by = args.by.clone().unwrap_or_else(super::user);
    crate::runtime::client(async {
        let mesh = args.client.mesh_to_change(FARM_PATIENCE).await?;
        let found = find(&mesh, &args.client.lookups(), &args.id).await?;
        let farm = mesh.to_change(&found.service)?;
        let alarm = if args.withdraw {
            alarms::withdraw(&farm, &found.alarm.id, &by).await?
        } else {
            alarms::acknowledge(&farm, &found.alarm.id, &by, &args.comment, until).await?
        };
        let mut out = Out::new();
        if args.client.json {
            out.line(AlarmLine::of(&found.farm, &alarm).json()?)?;
        } else if args.withdraw {
            out.text(&format!("{}: {} is not acknowledged any more", found.farm, line::short(&alarm)))?;
        } else {
            let end = match until {
                Some(until) => format!("until {}", zone.print(until)),
                None => "until it clears or gets worse".to_owned(),
            };
            out.text(&format!("{}: {} is acknowledged by {by}, {end}", found.farm, line::short(&alarm)))?;
        }
        out.flush()?;
        Ok(as_known(&mesh, found.outcome))
    })
}
