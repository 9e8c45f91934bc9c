//! `filter logs`: what a deployment logged, at one farm or at all that have it.

use super::{shown, status};
use crate::client::{ClientOptions, as_known, brief};
use crate::outcome::{CommandError, Outcome};
use crate::output::clock::{Zone, now};
use crate::output::safe::clean;
use crate::output::{Out, json, say};
use futures_util::stream::{self, StreamExt as _};
use hedgerow_client::filters;
use hedgerow_client::mesh::{FARM_PATIENCE, Mesh};
use hedgerow_client::subscription::Farm;
use hedgerow_proto::filter::LogLine;
use hedgerow_shown::deployments::{LoggedLine, log_level};

/// Show what a deployment logged
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment
    #[arg(value_name = "NAME")]
    name: String,
    /// At this farm only
    #[arg(long, value_name = "FARM")]
    farm: Option<String>,
    /// At most the last lines of each farm; 0: all that are kept
    #[arg(long, value_name = "LINES", default_value_t = 100)]
    last: u32,
    /// Then each line that comes, until Ctrl-C
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    client: ClientOptions,
}

/// Asks the farm, or all that have it.
///
/// # Errors
/// Where no lookup answers, or there is no such deployment.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    crate::runtime::client(async {
        let mesh = args.client.mesh(FARM_PATIENCE).await?;
        let (farms, mut outcome) = farms(&mesh, args).await?;
        let mut streams = Vec::new();
        for farm in farms {
            match filters::logs(&farm, &args.name, args.last, args.follow).await {
                Ok(lines) => {
                    let name = farm.name.clone();
                    streams.push(lines.map(move |told| (name.clone(), told)));
                }
                Err(error) => {
                    say(&format!("{}: {}", farm.name, brief(&error)));
                    outcome = Outcome::InPart;
                }
            }
        }
        let mut told = stream::select_all(streams);
        let (mut out, zone) = (Out::new(), args.client.zone());
        while let Some((farm, told)) = told.next().await {
            match told {
                Ok(told) => {
                    if told.dropped > 0 {
                        say(&format!("{farm}: {} lines were left out", told.dropped));
                    }
                    for line in &told.lines {
                        if args.client.json {
                            out.line(json::line(&LoggedLine::of(&farm, line))?)?;
                        } else {
                            out.line(text(&farm, line, &zone))?;
                        }
                    }
                    out.flush()?;
                }
                Err(status) => {
                    say(&format!("{farm}: {}", status.message()));
                    outcome = Outcome::InPart;
                }
            }
        }
        Ok(as_known(&mesh, outcome))
    })
}

/// The farm that was named, or all that know it.
async fn farms(mesh: &Mesh, args: &Args) -> Result<(Vec<Farm>, Outcome), CommandError> {
    if let Some(farm) = &args.farm {
        return Ok((vec![mesh.farm(farm).await?], Outcome::Done));
    }
    let deployed = mesh.deployed(std::slice::from_ref(&args.name), now()).await;
    let outcome = shown::coverage(&deployed, &args.client.lookups())?;
    status::known(mesh, &deployed, &args.name).await?;
    let at = deployed.deployments.iter().flat_map(|one| &one.farms).filter(|at| at.status.is_ok());
    let mut ids: Vec<String> = at.map(|at| at.id.to_string()).collect();
    ids.sort();
    ids.dedup();
    let mut farms = Vec::new();
    for id in ids {
        farms.push(mesh.farm(&id).await?);
    }
    Ok((farms, outcome))
}

fn text(farm: &str, line: &LogLine, zone: &Zone) -> String {
    let of_farm = if line.of_farm { "farm: " } else { "" };
    let time = zone.print(line.time);
    format!("{time}  {}  {}  {of_farm}{}", clean(farm), log_level(line.level()), clean(&line.text))
}
