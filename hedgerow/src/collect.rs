//! `collect`: runs collectors once, here, without a mesh: to see what a configuration gives before a farm runs it.

use crate::hosting;
use crate::near;
use crate::outcome::{CommandError, Outcome};
use crate::output::amount::{amount, of_series};
use crate::output::events::plural;
use crate::output::safe::clean;
use crate::output::table::{Align, Table};
use crate::output::{Out, json, say};
use futures_util::StreamExt as _;
use hedgerow_client::sample::Sample;
use hedgerow_collect::engine::{OneRun, WallClock, run_once};
use hedgerow_collect::host::HostModule;
use hedgerow_collect::module::Module;
use hedgerow_collect::script::{Keeper, ScriptModule};
use hedgerow_collect::spec::{CollectorSpec, Target};
use hedgerow_farm_monitor::config::{self, FarmConfig};
use hedgerow_farm_monitor::snmp::Snmp;
use hedgerow_model::Epoch;
use std::path::PathBuf;
use std::sync::Arc;

/// Targets that are asked at the same time.
const AT_ONCE: usize = 16;

const AFTER: &str = "\
Counters are shown raw: a rate takes two runs. Exit status 1 where a target gave
nothing, 3 where parts of one failed.

Examples:
  hedgerow collect --config ./mesh/farm.toml
  hedgerow collect --config ./mesh --only host
  hedgerow collect --config ./mesh --only ping --target node007 --json";

/// Run collectors once, here and without a mesh: prints samples, the time taken, and exact errors
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// A farm.toml, or the folder it is in
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only this collector
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Only this target, by its node
    #[arg(long, value_name = "NODE")]
    target: Option<String>,
    /// Print JSON, one sample a line, instead of text for people
    #[arg(long)]
    json: bool,
}

/// Runs what was asked for.
///
/// # Errors
/// Where the configuration cannot be used, nothing is meant, or a target gave nothing.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let config = config::load(&args.config, &hosting::host_name()).map_err(|errors| {
        say(&errors.to_string());
        CommandError::Silent
    })?;
    let chosen = choose(args, &config)?;
    crate::runtime::client(async {
        let modules: Vec<Box<dyn Module>> = vec![
            Box::new(HostModule::default()),
            Box::new(ScriptModule::new(Keeper::start(hosting::keeper()))),
            Box::new(Snmp::default()),
        ];
        let wall: WallClock = Arc::new(hedgerow_service::clock::unix_millis);
        let (modules, wall) = (&modules, &wall);
        let mut runs = futures_util::stream::iter(chosen)
            .map(|(spec, target)| async move { (spec, target, run_once(modules, spec, target, wall).await) })
            .buffered(AT_ONCE);
        let mut out = Out::new();
        let (mut gave_nothing, mut in_part, mut first) = (Vec::new(), false, true);
        while let Some((spec, target, run)) = runs.next().await {
            let run = run.map_err(|error| CommandError::failed(&error))?;
            if args.json {
                for sample in samples(&config.farm.name, &run) {
                    out.line(json::sample(&sample, false)?)?;
                }
            } else {
                if !std::mem::take(&mut first) {
                    out.line("")?;
                }
                out.lines(text(spec, target, &run))?;
            }
            out.flush()?;
            for (part, error) in &run.errors {
                let part = part.as_ref().map(|part| format!(", {part}")).unwrap_or_default();
                say(&format!("{}, {}{part}: {error}", spec.name, target.node));
            }
            let made = run.samples.iter().filter(|sample| &*sample.series.key.parameter != "up").count();
            if made == 0 && !run.errors.is_empty() {
                gave_nothing.push(format!("{} of {}", target.node, spec.name));
            }
            in_part |= !run.errors.is_empty();
        }
        match (gave_nothing.is_empty(), in_part) {
            (true, false) => Ok(Outcome::Done),
            (true, true) => Ok(Outcome::InPart),
            (false, _) => Err(CommandError::Failed(format!("gave nothing: {}", gave_nothing.join(", ")))),
        }
    })
}

/// The collectors and targets that are meant.
fn choose<'a>(
    args: &Args,
    config: &'a FarmConfig,
) -> Result<Vec<(&'a CollectorSpec, &'a Target)>, CommandError> {
    let of_name = |spec: &&CollectorSpec| args.only.as_ref().is_none_or(|only| spec.name == *only);
    let collectors: Vec<&CollectorSpec> = config.collectors.iter().filter(of_name).collect();
    if let (Some(only), true) = (&args.only, collectors.is_empty()) {
        let known: Vec<&str> = config.collectors.iter().map(|spec| spec.name.as_str()).collect();
        return Err(near::none("--only", only, "no such collector", &known));
    }
    let chosen: Vec<_> = collectors
        .iter()
        .flat_map(|spec| spec.targets.iter().map(move |target| (*spec, target)))
        .filter(|(_, target)| args.target.as_ref().is_none_or(|node| target.node == *node))
        .collect();
    match (&args.target, chosen.is_empty()) {
        (Some(node), true) => {
            let targets = collectors.iter().flat_map(|spec| &spec.targets);
            let known: Vec<&str> = targets.map(|target| target.node.as_str()).collect();
            Err(near::none("--target", node, "no collector that is meant has this target", &known))
        }
        (None, true) => Err(CommandError::Failed("nothing to collect: no collector has a target".to_owned())),
        _ => Ok(chosen),
    }
}

fn samples<'a>(farm: &'a str, run: &'a OneRun) -> impl Iterator<Item = Sample> + 'a {
    run.samples.iter().map(move |sample| Sample {
        farm: farm.into(),
        series: Arc::new(sample.series.clone()),
        time: sample.time,
        value: sample.value.clone(),
        number: None,
        epoch: Epoch { start: 0, random: 0 },
        // What a first run sees of a counter says nothing: nobody has seen it before.
        mark: None,
        late: false,
    })
}

fn text(spec: &CollectorSpec, target: &Target, run: &OneRun) -> Vec<String> {
    let took = amount(&hedgerow_model::Value::F64(run.took.as_secs_f64()), hedgerow_model::Kind::Gauge, "s");
    let many = plural(run.samples.len() as u64, "sample");
    let mut lines =
        vec![format!("{} ({}), {}: {many} in {took}", spec.name, spec.module.name(), clean(&target.node))];
    let mut table = Table::new(&[("  SERIES", Align::Left), ("KIND", Align::Left), ("VALUE", Align::Left)]);
    for sample in &run.samples {
        let value = of_series(&sample.value, &sample.series);
        table.row([format!("  {}", sample.series.key), sample.series.kind.as_str().to_owned(), value]);
    }
    if !table.is_empty() {
        lines.extend(table.lines());
    }
    lines
}
