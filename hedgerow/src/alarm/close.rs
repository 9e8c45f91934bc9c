//! `alarm close`: a person says that alarms are over of which no filter speaks any more.

use super::find::{find, known};
use super::line::{self, AlarmLine};
use crate::client::{ClientOptions, as_known, brief, say_coverage};
use crate::outcome::{CommandError, Outcome};
use crate::output::safe::clean;
use crate::output::{Out, say};
use hedgerow_client::Template;
use hedgerow_client::alarms::{self, FarmAlarms, MeshAlarms};
use hedgerow_client::directory::Service;
use hedgerow_client::mesh::{FARM_PATIENCE, Mesh};
use hedgerow_model::Glob;
use hedgerow_proto::filter::{Alarm, AlarmLevel};

/// Close an alarm that is unknown because its deployment does not run
///
/// Of one whose filter runs, the filter says when it is over. One that is raised again is another alarm.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its id, or the beginning of it
    #[arg(value_name = "ID", required_unless_present = "deployment", conflicts_with = "deployment")]
    id: Option<String>,
    /// All that are unknown of these deployments, at all farms
    #[arg(long, value_name = "GLOB")]
    deployment: Option<String>,
    /// Why it is over
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    comment: String,
    /// Who says so [default: you]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    client: ClientOptions,
}

/// Says it at the farms.
///
/// # Errors
/// Where no lookup answers, there is no such alarm, or nothing was closed.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let glob = args.deployment.as_deref().map(|text| {
        Glob::new(text).map_err(|error| CommandError::Misuse(format!("--deployment {text}: {error}")))
    });
    let glob = glob.transpose()?;
    crate::runtime::client(async {
        let mesh = args.client.mesh_to_change(FARM_PATIENCE).await?;
        let mut out = Out::new();
        let outcome = if let Some(glob) = &glob {
            all(args, &mesh, glob, &mut out).await?
        } else {
            let id = args.id.as_deref().unwrap_or_default();
            let found = find(&mesh, &args.client.lookups(), id).await?;
            let closed = one(args, &mesh, &found.service, &found.farm, &found.alarm).await;
            out.line(closed.map_err(CommandError::Failed)?)?;
            found.outcome
        };
        out.flush()?;
        Ok(as_known(&mesh, outcome))
    })
}

/// Those that are unknown of the deployments of a glob. What a farm does not close is said, and the others go on.
async fn all(args: &Args, mesh: &Mesh, glob: &Glob, out: &mut Out) -> Result<Outcome, CommandError> {
    let told: MeshAlarms = mesh.alarms(&Template::default(), false, "").await;
    known(&told, &args.client.lookups())?;
    let mut outcome = say_coverage(&told.coverage);
    let (mut meant, mut done) = (0, 0);
    for FarmAlarms { farm, service, alarms, .. } in &told.farms {
        let unknown =
            |alarm: &&Alarm| alarm.level() == AlarmLevel::Unknown && glob.matches(&alarm.deployment);
        for alarm in alarms.iter().filter(unknown) {
            meant += 1;
            match one(args, mesh, service, farm, alarm).await {
                Ok(text) => {
                    done += 1;
                    out.line(text)?;
                }
                Err(why) => {
                    say(&format!("{farm}: {why}"));
                    outcome = Outcome::InPart;
                }
            }
        }
    }
    match (meant, done) {
        (0, _) => Err(CommandError::Failed(format!(
            "no alarm of a deployment {} is unknown: `hedgerow alarm list` shows those that are open",
            glob.as_str()
        ))),
        (_, 0) => Err(CommandError::Failed("nothing was closed".to_owned())),
        _ => Ok(outcome),
    }
}

/// Closes one, and gives what is to be said of it.
async fn one(
    args: &Args,
    mesh: &Mesh,
    service: &Service,
    farm: &str,
    alarm: &Alarm,
) -> Result<String, String> {
    let by = args.by.clone().unwrap_or_else(super::user);
    let at = mesh.to_change(service).map_err(|error| error.to_string())?;
    let closed = alarms::close(&at, &alarm.id, &by, &args.comment).await.map_err(|error| brief(&error))?;
    if args.client.json {
        let line = AlarmLine::of(farm, &closed).json().map_err(|error| error.to_string())?;
        return Ok(String::from_utf8_lossy(&line).into_owned());
    }
    Ok(format!("{farm}: {} is {}", line::short(&closed), clean(&closed.text)))
}
