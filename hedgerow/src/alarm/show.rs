//! `alarm show`: one alarm, all that is known of it.

use super::find::find;
use super::line::{self, AlarmLine};
use crate::client::{ClientOptions, as_known};
use crate::outcome::{CommandError, Outcome};
use crate::output::Out;
use crate::output::amount;
use crate::output::clock::Zone;
use crate::output::safe::clean;
use hedgerow_client::mesh::FARM_PATIENCE;
use hedgerow_proto::filter::{Alarm, AlarmLevel};
use std::io;

/// Show one alarm
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its id, or the beginning of it
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    client: ClientOptions,
}

/// Shows it.
///
/// # Errors
/// Where no lookup answers, or there is no such alarm.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    crate::runtime::client(async {
        let mesh = args.client.mesh(FARM_PATIENCE).await?;
        let found = find(&mesh, &args.client.lookups(), &args.id).await?;
        let mut out = Out::new();
        if args.client.json {
            out.line(AlarmLine::of(&found.farm, &found.alarm).json()?)?;
        } else {
            tell(&mut out, &found.farm, &found.alarm, &args.client.zone())?;
        }
        out.flush()?;
        Ok(as_known(&mesh, found.outcome))
    })
}

/// The alarm, a line for each thing that is known.
///
/// # Errors
/// Where nobody reads.
pub fn tell(out: &mut Out, farm: &str, alarm: &Alarm, zone: &Zone) -> io::Result<()> {
    let word = line::level(alarm.level());
    out.line(format!("{}  {}", line::coloured(word, word), clean(&alarm.text)))?;
    let mut fact = |name: &str, value: String| {
        if value.is_empty() { Ok(()) } else { out.line(format!("  {name:<13} {}", clean(&value))) }
    };
    fact("id", line::id(alarm))?;
    fact("farm", farm.to_owned())?;
    fact("deployment", alarm.deployment.clone())?;
    fact("key", alarm.key.clone())?;
    for path in line::paths(farm, alarm) {
        fact("about", path)?;
    }
    fact("value", alarm.value.map(amount::number).unwrap_or_default())?;
    fact("runbook", alarm.runbook.clone())?;
    fact("since", zone.print(alarm.since_ms))?;
    fact("changed", zone.print(alarm.changed_ms))?;
    fact("confirmed", zone.print(alarm.confirmed_ms))?;
    fact("cleared", alarm.cleared_ms.map(|at| zone.print(at)).unwrap_or_default())?;
    if alarm.level() == AlarmLevel::Unknown {
        fact("unknown", alarm.unknown_reason.clone())?;
        fact("level before", line::level(alarm.level_before()).to_owned())?;
    }
    if let Some(said) = &alarm.acknowledged {
        let until =
            if said.until_ms == 0 { String::new() } else { format!(", until {}", zone.print(said.until_ms)) };
        let colon = if said.comment.is_empty() { "" } else { ": " };
        let text = format!("by {} at {}{until}{colon}{}", said.by, zone.print(said.at_ms), said.comment);
        fact("acknowledged", text)?;
    }
    fact("silence", if alarm.silence == 0 { String::new() } else { alarm.silence.to_string() })
}
