//! `filter test`: a filter run here, over recorded or stored samples, before any farm sees it: what it emits, and what it cost.

mod desk;
mod report;
mod samples;

use super::component::Component;
use super::local;
use super::parameters::ParameterArgs;
use crate::client::{ClientOptions, Patience, as_known, say_coverage};
use crate::outcome::{CommandError, Outcome};
use crate::output::events::plural;
use crate::output::safe::in_a_line;
use crate::output::say;
use desk::Desk;
use hedgerow_client::mesh::MeshUpdate;
use hedgerow_client::sample::Sample;
use hedgerow_client::subscription::Update;
use hedgerow_filter_host::guest::{ActionJudge, Description, Fault, Limits};
use hedgerow_filter_host::run::{Item, Plan, Run, Saved, Step};
use hedgerow_filter_host::{Program, Start};
use hedgerow_model::predicate::{PathPattern, Reading};
use hedgerow_model::{Name, Predicate};
use report::Report;
use std::path::PathBuf;

const AFTER: &str = "\
What a farm would give it is given to it here: batches of samples with the same
time, in the order of time, however they stand in the file, and ticks as the
samples' times go by. All that it asks for is granted; alarms and actions are
only shown.

Examples:
  hedgerow query 'cern/hosts' --since 1h --json > samples.jsonl
  hedgerow filter test ./mine.wasm --set above=0.9 --samples samples.jsonl
  hedgerow filter test ./mine.wasm --on '*/hosts/*/load1' --from 'cern/hosts since=1h'";

/// Run a filter here, on recorded or stored samples: what it emits, logs and raises, and what it cost
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// A filter that is shipped, by its name, or a file of yours, as ./mine.wasm
    #[arg(value_name = "NAME|FILE.wasm")]
    filter: String,
    #[command(flatten)]
    parameters: ParameterArgs,
    /// The cluster of what it emits [default: that of the filter]
    #[arg(long = "as", value_name = "NAME")]
    deployment: Option<String>,
    /// Recorded samples: lines of JSON, as `hedgerow query --json` gives them
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    samples: Option<PathBuf>,
    /// Stored samples of one farm, asked of the mesh: a predicate, as 'cern/hosts since=1h'
    #[arg(long, value_name = "PREDICATE")]
    from: Option<String>,
    /// Logs, alarms, actions and the cost as JSON objects, too, in their place; implies --json
    #[arg(long, help_heading = "Client options")]
    events: bool,
    #[command(flatten)]
    client: ClientOptions,
    #[command(flatten)]
    patience: Patience,
}

/// Tries it.
///
/// # Errors
/// Where it is no filter, there are no samples, or it failed.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let component = Component::read(&args.filter)?;
    let limits = Limits::default();
    let local::Taken { program, description, parameters } =
        local::taken(&component, args.parameters.given()?)?;
    let name = args.deployment.as_deref().unwrap_or(&description.name);
    let deployment =
        Name::new(name).map_err(|error| CommandError::Misuse(format!("--as {name}: {error}")))?;
    let (samples, outcome) = match (&args.samples, &args.from) {
        (Some(file), _) => (samples::read(file)?, Outcome::Done),
        (None, Some(predicate)) => stored(args, predicate)?,
        (None, None) => {
            let expected = "over which samples? Add --samples FILE, or --from PREDICATE";
            return Err(CommandError::Misuse(expected.to_owned()));
        }
    };
    let wanted = wanted(samples, &description)?;
    let mut report = Report::new(&args.client, args.events, &wanted);
    let plan = Plan::new(deployment, &description, limits.output_series, u64::MAX);
    let done =
        rehearse(&program, local::or_none(&parameters), limits, &description, plan, wanted, &mut report);
    report.end()?;
    done.map(|()| outcome)
}

/// What the caches of the farms that a predicate names have; of one farm, as a filter sees one.
fn stored(args: &Args, predicate: &str) -> Result<(Vec<Sample>, Outcome), CommandError> {
    let predicate = history(predicate, &args.client)?;
    crate::runtime::client(async {
        let mesh = args.client.mesh(args.patience.timeout).await?;
        let mut answer = mesh.query(&predicate);
        let mut samples = Vec::new();
        while let Some(update) = answer.next().await {
            if let MeshUpdate::Farm { update: Update::Samples(given), .. } = update {
                samples.extend(given.iter());
            }
        }
        let coverage = answer.coverage().cloned().unwrap_or_default();
        let outcome = say_coverage(&coverage);
        if coverage.answered == 0 {
            return Err(CommandError::Failed("no farm gave samples".to_owned()));
        }
        // In the order in which the farm accepted them.
        samples.sort_by_key(|sample| (sample.epoch, sample.number));
        Ok((samples, as_known(&mesh, outcome)))
    })
}

/// The predicate of `--from`: stored samples, as they are.
fn history(text: &str, client: &ClientOptions) -> Result<Predicate, CommandError> {
    let mut predicate = crate::question::read(text, &client.zone())?;
    if predicate.window.every.is_some() {
        return Err(CommandError::Misuse(
            "--from: a filter reads samples, not bins: leave `every=` out".into(),
        ));
    }
    if predicate.window.since.is_none() {
        return Err(CommandError::Misuse(
            "--from: from when? Add since=, as in 'cern/hosts since=1h'".into(),
        ));
    }
    predicate.reading = Reading::Raw;
    Ok(predicate)
}

/// The samples that the filter's own patterns match.
fn wanted(samples: Vec<Sample>, description: &Description) -> Result<Vec<Sample>, CommandError> {
    let parse = |text: &String| {
        PathPattern::parse(text).map_err(|error| CommandError::Failed(format!("its pattern {text}: {error}")))
    };
    let patterns = description.predicates.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let all = samples.len();
    let matches =
        |sample: &Sample| patterns.iter().any(|pattern| pattern.matches(&sample.farm, &sample.series.key));
    let wanted: Vec<Sample> = samples.into_iter().filter(matches).collect();
    let mut farms: Vec<&str> = wanted.iter().map(|sample| &*sample.farm).collect();
    farms.sort_unstable();
    farms.dedup();
    if farms.len() > 1 {
        return Err(CommandError::Misuse(format!(
            "samples of {} ({}): a filter runs at one; name it in the patterns",
            plural(farms.len() as u64, "farm"),
            farms.join(", ")
        )));
    }
    if wanted.is_empty() {
        let patterns = description.predicates.join(" ");
        say(&format!("none of {} matches what it reads: {patterns}", plural(all as u64, "sample")));
    }
    Ok(wanted)
}

/// Grants every action.
struct Granted;

impl ActionJudge for Granted {
    fn judge(&mut self, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
}

fn rehearse(
    program: &Program,
    parameters: &str,
    limits: Limits,
    description: &Description,
    plan: Plan,
    samples: Vec<Sample>,
    report: &mut Report,
) -> Result<(), CommandError> {
    let start = Start {
        granted: &description.capabilities,
        actions: Some(Box::new(Granted)),
        ..Start::new(parameters, limits)
    };
    let failed = |fault: Fault| CommandError::Failed(in_a_line(&format!("{}: {fault}", description.name)));
    let (instance, mut configured) = program.start(start).map_err(failed)?;
    report.step(None, &Step { logs: std::mem::take(&mut configured.logs), ..Step::default() })?;
    let mut desk = Desk::new(&samples, plan.tick_ms);
    let saved = Saved::fresh(desk.position(), None);
    let mut run = Run::resume(Box::new(instance), configured, plan, &saved, None).map_err(failed)?;
    while let Some(piece) = desk.next_piece() {
        report.at(desk.clock());
        let (through, heartbeat) = (piece.through, piece.heartbeat);
        let item = Item::Accepted { through, batch: piece.batch.as_ref(), heartbeat };
        let step = run.give(item, &|id| desk.def(id)).map_err(|fault| {
            let at = report.zone().print(desk.clock().unwrap_or_default());
            CommandError::Failed(in_a_line(&format!(
                "{}: when its clock was {at}: {fault}",
                description.name
            )))
        })?;
        report.count(&piece, run.cost());
        report.step(Some((&run, &desk)), &step)?;
    }
    let memory = run.memory_bytes();
    let state = run.save().map_err(failed)?.state.map_or(0, |state| state.len() as u64);
    report.cost(&run, description, memory, state);
    Ok(())
}
