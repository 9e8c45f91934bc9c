//! `alarm silence`: what is known and being dealt with is marked so, for a time; nothing is hidden.

use super::find::{known, say_none};
use crate::client::{ClientOptions, as_known, brief, say_coverage};
use crate::filter::until;
use crate::outcome::{CommandError, Outcome};
use crate::output::clock::{Zone, now};
use crate::output::json::line;
use crate::output::table::{Align, Table};
use crate::output::{Out, say};
use hedgerow_client::Template;
use hedgerow_client::alarms::{self, FarmAlarms, MeshAlarms};
use hedgerow_client::mesh::{FARM_PATIENCE, Mesh};
use hedgerow_model::Glob;
use hedgerow_model::predicate::PathPattern;
use hedgerow_proto::convert::predicate::pattern_to_wire;
use hedgerow_proto::filter::Silence;
use hedgerow_shown::alarms::{SilenceLine, path_of};

/// Silence alarms for a time: they are kept and shown, and marked
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Of deployments whose name matches
    #[arg(long, value_name = "GLOB", default_value = "", hide_default_value = true)]
    deployment: String,
    /// Whose key matches
    #[arg(long, value_name = "GLOB", default_value = "", hide_default_value = true)]
    key: String,
    /// About series of this pattern; only at farms that it matches
    #[arg(long, value_name = "PATTERN")]
    path: Option<PathPattern>,
    /// Until when: 2h (from now), 2026-12-24, "2026-12-24 14:00"
    #[arg(long, value_name = "TIME", required_unless_present = "end")]
    until: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    comment: String,
    /// Who says so [default: you]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// End the silence with this number, as `hedgerow alarm silence list` shows it
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["until", "deployment", "key", "path", "comment"])]
    end: Option<u64>,
    /// Only at this farm [default: all]
    #[arg(long, value_name = "FARM")]
    at: Option<String>,
    #[command(flatten)]
    client: ClientOptions,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(ListArgs),
}

/// List the silences of all farms
#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    client: ClientOptions,
}

/// Does it at each farm.
///
/// # Errors
/// Where no lookup answers, or no farm did it.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    if let Some(Command::List(args)) = &args.command {
        return list(args);
    }
    let (now, zone) = (now(), args.client.zone());
    let until = args.until.as_deref().map(|text| until(text, now, &zone)).transpose()?;
    let says_which = args.path.is_some() || !args.deployment.is_empty() || !args.key.is_empty();
    if args.end.is_none() && !says_which {
        let expected = "which alarms? Add --deployment, --key or --path; all that there are: --path '*'";
        return Err(CommandError::Misuse(expected.to_owned()));
    }
    for (option, text) in [("deployment", &args.deployment), ("key", &args.key)] {
        if !text.is_empty() {
            Glob::new(text).map_err(|error| CommandError::Misuse(format!("--{option} {text}: {error}")))?;
        }
    }
    crate::runtime::client(async {
        let mesh = args.client.mesh_to_change(FARM_PATIENCE).await?;
        let told = mesh.alarms(&Template::default(), false, "").await;
        known(&told, &args.client.lookups())?;
        let mut outcome = say_coverage(&told.coverage);
        let farms = chosen(args, &told)?;
        let mut out = Out::new();
        let mut done = Vec::new();
        for at in farms {
            match at_one(args, &mesh, at, until).await {
                Ok(told) => done.push((at, told)),
                Err(why) => {
                    say(&format!("{}: {why}", at.farm));
                    outcome = Outcome::InPart;
                }
            }
        }
        if done.is_empty() {
            return Err(CommandError::Failed("no farm did it".to_owned()));
        }
        if args.client.json {
            for (at, (silence, _)) in &done {
                out.line(line(&SilenceLine::of(&at.farm, silence))?)?;
            }
        } else {
            let now = mesh.alarms(&Template::default(), false, "").await;
            for (at, (silence, covered)) in &done {
                let after = now
                    .farms
                    .iter()
                    .find(|after| after.service.registration.id == at.service.registration.id);
                out.text(&told_of(args, at, silence, *covered, after))?;
            }
        }
        out.flush()?;
        Ok(as_known(&mesh, outcome))
    })
}

/// The farms that are meant, of those that answered.
fn chosen<'a>(args: &Args, told: &'a MeshAlarms) -> Result<Vec<&'a FarmAlarms>, CommandError> {
    let meant = |at: &&FarmAlarms| {
        let registration = &at.service.registration;
        let names = [&*at.farm, registration.name.as_str()];
        let here = args
            .at
            .as_deref()
            .is_none_or(|name| names.contains(&name) || registration.id.to_string() == name);
        let by_path =
            || args.path.as_ref().is_none_or(|path| names.iter().any(|name| path.farm.matches(name)));
        let has = || args.end.is_none_or(|id| at.silences.iter().any(|silence| silence.id == id));
        here && by_path() && has()
    };
    let farms: Vec<&FarmAlarms> = told.farms.iter().filter(meant).collect();
    match (farms.len(), args.end) {
        (0, Some(id)) => Err(CommandError::Failed(format!(
            "no farm that answers has a silence {id}: `hedgerow alarm silence list` shows them"
        ))),
        (0, None) => {
            Err(CommandError::Failed("no farm that answers is meant: `hedgerow find` lists them".to_owned()))
        }
        (2.., Some(id)) => {
            let names: Vec<&str> = farms.iter().map(|at| &*at.farm).collect();
            let text =
                format!("several farms have a silence {id}: say which with --at: {}", names.join(", "));
            Err(CommandError::Misuse(text))
        }
        _ => Ok(farms),
    }
}

/// The silence as the farm has it, and how many open alarms it covers there.
async fn at_one(
    args: &Args,
    mesh: &Mesh,
    at: &FarmAlarms,
    until: Option<i64>,
) -> Result<(Silence, u64), String> {
    let asked = match args.end {
        Some(id) => {
            let silence = at.silences.iter().find(|silence| silence.id == id).cloned().unwrap_or_default();
            Silence { until_ms: silence.from_ms, ..silence }
        }
        None => Silence {
            deployment: args.deployment.clone(),
            key: args.key.clone(),
            // The farm knows itself by its own name, whatever it is shown as.
            path: args
                .path
                .as_ref()
                .map(|path| pattern_to_wire(&PathPattern { farm: Glob::any(), ..path.clone() })),
            by: args.by.clone().unwrap_or_else(super::user),
            comment: args.comment.clone(),
            until_ms: until.unwrap_or_default(),
            ..Silence::default()
        },
    };
    let farm = mesh.to_change(&at.service).map_err(|error| error.to_string())?;
    alarms::silence(&farm, asked).await.map_err(|error| brief(&error))
}

/// What was done at a farm, whose alarms are these now.
fn told_of(
    args: &Args,
    at: &FarmAlarms,
    silence: &Silence,
    covered: u64,
    now: Option<&FarmAlarms>,
) -> String {
    let Silence { id, until_ms, .. } = silence;
    if args.end.is_some() {
        return format!("{}: silence {id} has ended", at.farm);
    }
    let until = args.client.zone().print(*until_ms);
    let marked = now.map(|now| now.alarms.iter().filter(|alarm| alarm.silence == *id).count() as u64);
    let s = if covered == 1 { "" } else { "s" };
    // The others were silenced before, and keep that mark.
    let newly = match marked {
        Some(marked) if marked < covered => format!(", {marked} of them newly"),
        _ => String::new(),
    };
    format!("{}: silence {id} until {until}; it covers {covered} open alarm{s} now{newly}", at.farm)
}

fn list(args: &ListArgs) -> Result<Outcome, CommandError> {
    crate::runtime::client(async {
        let mesh = args.client.mesh(FARM_PATIENCE).await?;
        let told = mesh.alarms(&Template::default(), false, "").await;
        known(&told, &args.client.lookups())?;
        let mut out = Out::new();
        let zone = args.client.zone();
        let rows: Vec<(&str, &Silence)> =
            told.farms.iter().flat_map(|at| at.silences.iter().map(|silence| (&*at.farm, silence))).collect();
        if args.client.json {
            for (farm, silence) in &rows {
                out.line(line(&SilenceLine::of(farm, silence))?)?;
            }
        } else if !rows.is_empty() {
            out.lines(table(&rows, &zone).lines())?;
        }
        out.flush()?;
        let outcome = say_coverage(&told.coverage);
        if rows.is_empty() {
            say_none("nothing is silenced", &told.coverage);
        }
        Ok(as_known(&mesh, outcome))
    })
}

fn table(rows: &[(&str, &Silence)], zone: &Zone) -> Table {
    let mut table = Table::new(&[
        ("FARM", Align::Left),
        ("NUMBER", Align::Right),
        ("DEPLOYMENT", Align::Left),
        ("KEY", Align::Left),
        ("PATH", Align::Left),
        ("UNTIL", Align::Left),
        ("BY", Align::Left),
        ("COMMENT", Align::Left),
    ]);
    for (farm, silence) in rows {
        table.row([
            (*farm).to_owned(),
            silence.id.to_string(),
            silence.deployment.clone(),
            silence.key.clone(),
            path_of(silence).unwrap_or_default(),
            zone.print(silence.until_ms),
            silence.by.clone(),
            silence.comment.clone(),
        ]);
    }
    table
}
