//! `alarm why`: an alarm, its steps, the filter behind it, and the samples that led to it.

use super::find::find;
use super::line;
use super::show;
use crate::client::{ClientOptions, as_known, say_coverage};
use crate::outcome::{CommandError, Outcome};
use crate::output::clock::Zone;
use crate::output::safe::clean;
use crate::output::{Out, amount, json};
use hedgerow_client::mesh::{FARM_PATIENCE, Mesh, MeshUpdate};
use hedgerow_client::sample::Sample;
use hedgerow_client::subscription::Update;
use hedgerow_client::{Predicate, alarms};
use hedgerow_model::SeriesPath;
use hedgerow_model::predicate::{PathPattern, When, Window};
use hedgerow_proto::convert::series::key_from_wire;
use hedgerow_proto::filter::{Alarm, ExplainAlarmResponse};
use hedgerow_shown::alarms::WhyLine;
use std::collections::{BTreeMap, VecDeque};

/// How long before an alarm was raised samples are looked for.
const BEFORE_MS: i64 = 600_000;
/// And after its last step.
const AFTER_MS: i64 = 10_000;
/// Samples shown of each series: the last ones.
const SHOWN: usize = 10;

/// Explain an alarm: its steps, the filter and its parameters, and the samples that led to it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its id, or the beginning of it
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    client: ClientOptions,
}

/// Explains it.
///
/// # Errors
/// Where no lookup answers, there is no such alarm, or its farm does not say.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    crate::runtime::client(async {
        let mesh = args.client.mesh(FARM_PATIENCE).await?;
        let found = find(&mesh, &args.client.lookups(), &args.id).await?;
        let name = found.service.registration.id.to_string();
        let farm = mesh.farm(&name).await?;
        let explained = alarms::explain(&farm, &found.alarm.id).await?;
        let alarm = explained.alarm.clone().unwrap_or(found.alarm);
        let (samples, outcome) = samples(&mesh, &found.farm, &alarm).await;
        let mut out = Out::new();
        let zone = args.client.zone();
        if args.client.json {
            out.line(json::line(&WhyLine::of(&found.farm, &alarm, &explained))?)?;
            for sample in samples.values().flatten() {
                out.line(json::sample(sample, false)?)?;
            }
        } else {
            show::tell(&mut out, &found.farm, &alarm, &zone)?;
            out.lines(lines(&explained, &zone))?;
            for (path, samples) in &samples {
                out.line(format!("\n{}, the last samples:", clean(path)))?;
                for sample in samples {
                    let value = amount::of_series(&sample.value, &sample.series);
                    out.line(format!("  {}  {}", zone.print(sample.time), clean(&value)))?;
                }
            }
        }
        out.flush()?;
        let in_part = [found.outcome, outcome].contains(&Outcome::InPart);
        Ok(as_known(&mesh, if in_part { Outcome::InPart } else { Outcome::Done }))
    })
}

fn lines(explained: &ExplainAlarmResponse, zone: &Zone) -> Vec<String> {
    let ExplainAlarmResponse { transitions, parameters, component_name, component_version, .. } = explained;
    let mut lines = Vec::new();
    if !component_name.is_empty() {
        lines.push(format!("  {:<13} {}", "filter", clean(&format!("{component_name} {component_version}"))));
    }
    if !parameters.is_empty() {
        lines.push(format!("  {:<13} {}", "parameters", clean(parameters)));
    }
    lines.push("\nSteps:".to_owned());
    for step in transitions {
        let value = step.value.map(|value| format!(" ({})", amount::number(value))).unwrap_or_default();
        let (from, to) = (line::level(step.from()), line::level(step.to()));
        let text = clean(&step.text).into_owned();
        lines.push(format!("  {}  {from} -> {to}: {text}{value}", zone.print(step.time_ms)));
    }
    lines
}

/// The last samples of each series that it is about, up to its last step.
async fn samples(mesh: &Mesh, farm: &str, alarm: &Alarm) -> (BTreeMap<String, VecDeque<Sample>>, Outcome) {
    let keys = alarm.paths.iter().filter_map(|series| key_from_wire(series).ok());
    let exact =
        |key| Some(PathPattern::exact(&SeriesPath { farm: hedgerow_model::Name::new(farm).ok()?, key }));
    let patterns: Vec<PathPattern> = keys.filter_map(exact).collect();
    let mut samples: BTreeMap<String, VecDeque<Sample>> = BTreeMap::new();
    if patterns.is_empty() {
        return (samples, Outcome::Done);
    }
    let (since, until) = (alarm.since_ms - BEFORE_MS, alarm.changed_ms + AFTER_MS);
    let window = Window { since: Some(When::At(since)), until: Some(When::At(until)), ..Window::default() };
    let predicate =
        Predicate { patterns, constraint: None, window, reading: hedgerow_model::predicate::Reading::Rate };
    let mut answer = mesh.query(&predicate);
    while let Some(update) = answer.next().await {
        let MeshUpdate::Farm { update: Update::Samples(batch), .. } = update else { continue };
        for sample in batch.iter() {
            let of_path =
                samples.entry(crate::output::lines::path(&sample.farm, &sample.series.key)).or_default();
            of_path.push_back(sample);
            if of_path.len() > SHOWN {
                of_path.pop_front();
            }
        }
    }
    let outcome = answer.coverage().map_or(Outcome::Done, say_coverage);
    (samples, outcome)
}
