//! `farm status`: collectors, targets, cache, leases and what is wrong, as the farms themselves say.

use crate::client::{ClientOptions, Patience, as_known, brief, some_lookup_answered};
use crate::outcome::{CommandError, Outcome};
use crate::output::amount::{age, bytes, number};
use crate::output::clock::{Zone, now};
use crate::output::events::plural;
use crate::output::table::{Align, Table};
use crate::output::{Out, json, safe::clean, say};
use hedgerow_client::directory::Service;
use hedgerow_client::error::ClientError;
use hedgerow_client::mesh::Mesh;
use hedgerow_model::Template;
use hedgerow_proto::convert::series::epoch_from_wire;
use hedgerow_proto::farm::StatusResponse;
use hedgerow_proto::farm::status_response::{Cache, Target};
use hedgerow_shown::farms::object;

const AFTER: &str = "\
Examples:
  hedgerow farm status
  hedgerow farm status cern-1 --json";

/// Ask farms how they are: collectors, targets with their last errors, cache, lookups, configuration
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// A farm, by its name, by name~id8, or by its id [default: all]
    name: Option<String>,
    #[command(flatten)]
    client: ClientOptions,
    #[command(flatten)]
    patience: Patience,
}

/// Asks.
///
/// # Errors
/// Where no lookup answers, or none of the farms.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    crate::runtime::client(async {
        let mesh = args.client.mesh(args.patience.timeout).await?;
        let names = match &args.name {
            Some(name) => vec![name.clone()],
            None => all(&mesh).await?,
        };
        let mut out = Out::new();
        let (mut told, mut silent) = (0_usize, 0_usize);
        for (name, answer) in ask(&mesh, names).await {
            match answer {
                Ok(status) if args.client.json => out.line(json::line(&object(&status))?)?,
                Ok(status) => {
                    if told > 0 {
                        out.line("")?;
                    }
                    out.lines(text(&status, &args.client.zone()))?;
                }
                Err(error) => {
                    silent += 1;
                    let why = if matches!(error, ClientError::NoFarm { .. }) {
                        error.to_string()
                    } else {
                        brief(&error)
                    };
                    say(&format!("{name}: {why}"));
                    continue;
                }
            }
            told += 1;
        }
        out.flush()?;
        match (told, silent) {
            (_, 0) => Ok(as_known(&mesh, Outcome::Done)),
            (0, _) => Err(CommandError::Silent),
            _ => Ok(Outcome::InPart),
        }
    })
}

async fn all(mesh: &Mesh) -> Result<Vec<String>, CommandError> {
    let found = mesh.farms(&Template::default()).await;
    some_lookup_answered(&found)?;
    if found.services.is_empty() {
        say("no farm is registered");
    }
    Ok(found.services.iter().map(|service: &Service| service.shown.to_string()).collect())
}

async fn ask(mesh: &Mesh, names: Vec<String>) -> Vec<(String, Result<StatusResponse, ClientError>)> {
    let asked = names.into_iter().map(|name| async move {
        let answer = mesh.farm_status(&name).await;
        (name, answer)
    });
    futures_util::future::join_all(asked).await
}

fn text(status: &StatusResponse, zone: &Zone) -> Vec<String> {
    let epoch = epoch_from_wire(status.epoch).map(|epoch| epoch.to_string()).unwrap_or_default();
    let mut lines = vec![
        format!(
            "farm {}, hedgerow {}, up for {}",
            clean(&status.farm),
            clean(&status.version),
            ms(status.uptime_ms)
        ),
        format!("  series    {}, {}", status.series, plural(status.subscribers, "subscriber")),
        format!(
            "  samples   number {} of epoch {epoch}, committed up to {}",
            status.number, status.committed
        ),
    ];
    lines.extend(status.cache.iter().flat_map(|cache| cache_lines(cache, zone)));
    for lookup in &status.lookups {
        let how = match (lookup.registered, lookup.last_error.is_empty()) {
            (true, true) => format!("registered, lease runs {}", ms(lookup.lease_remaining_ms)),
            (true, false) => {
                format!(
                    "registered, lease runs {}; {}",
                    ms(lookup.lease_remaining_ms),
                    clean(&lookup.last_error)
                )
            }
            (false, _) => format!("NOT registered: {}", clean(&lookup.last_error)),
        };
        lines.push(format!("  lookup    {}  {how}", clean(&lookup.url)));
    }
    if status.config_error.is_empty() {
        lines.push("  config    ok".to_owned());
    } else {
        lines.push("  config    NOT as the file says; the last good one runs:".to_owned());
        lines.extend(status.config_error.lines().map(|line| format!("            {}", clean(line))));
    }
    for table in [collectors(status), targets(status, zone), losses(status)] {
        if !table.is_empty() {
            lines.push(String::new());
            lines.extend(table.lines());
        }
    }
    lines
}

fn cache_lines(cache: &Cache, zone: &Zone) -> Vec<String> {
    let mut text = format!("  cache     {} of {}", bytes(cache.bytes), bytes(cache.max_bytes));
    if cache.oldest_ms != 0 {
        text.push_str(&format!(", oldest {}", zone.print(cache.oldest_ms)));
    }
    let max_days = hedgerow_model::duration::print(std::time::Duration::from_millis(cache.max_age_ms));
    if cache.days > 0.0 {
        text.push_str(&format!(
            "; room for {} days at this rate, kept for {max_days} at most",
            number(cache.days)
        ));
    } else {
        text.push_str(&format!("; kept for {max_days} at most"));
    }
    let mut lines = vec![text];
    if !cache.problem.is_empty() {
        lines.push(format!("            PROBLEM: {}", clean(&cache.problem)));
    }
    lines
}

fn collectors(status: &StatusResponse) -> Table {
    let mut table = Table::new(&[
        ("COLLECTOR", Align::Left),
        ("MODULE", Align::Left),
        ("CLUSTER", Align::Left),
        ("PERIOD", Align::Right),
        ("TARGETS", Align::Right),
        ("UP", Align::Right),
        ("RUNS", Align::Right),
        ("SKIPPED", Align::Right),
        ("TIMEOUTS", Align::Right),
    ]);
    for collector in &status.collectors {
        let up = collector.targets.iter().filter(|target| target.up == Some(true)).count();
        table.row([
            collector.name.clone(),
            collector.module.clone(),
            collector.cluster.clone(),
            hedgerow_model::duration::print(std::time::Duration::from_millis(collector.period_ms)),
            collector.targets.len().to_string(),
            up.to_string(),
            collector.runs.to_string(),
            collector.skipped.to_string(),
            collector.timeouts.to_string(),
        ]);
    }
    table
}

fn targets(status: &StatusResponse, zone: &Zone) -> Table {
    let mut table = Table::new(&[
        ("COLLECTOR", Align::Left),
        ("TARGET", Align::Left),
        ("ADDRESS", Align::Left),
        ("UP", Align::Left),
        ("TOOK", Align::Right),
        ("LATE", Align::Right),
        ("SAMPLES", Align::Right),
        ("ANSWERED", Align::Right),
        ("LAST ERROR", Align::Left),
    ]);
    for (collector, target) in status.collectors.iter().flat_map(|c| c.targets.iter().map(move |t| (c, t))) {
        let address = if target.address == target.node { "" } else { &target.address };
        table.row([
            collector.name.clone(),
            target.node.clone(),
            address.to_owned(),
            up_word(target).to_owned(),
            format!("{} ms", target.duration_ms),
            format!("{} ms", target.lateness_ms),
            target.samples.to_string(),
            ago(target.last_success_ms),
            last_error(target, zone),
        ]);
    }
    table
}

fn up_word(target: &Target) -> &'static str {
    match (target.up, target.probation) {
        (None, _) => "not asked",
        (Some(true), _) => "up",
        (Some(false), false) => "DOWN",
        (Some(false), true) => "DOWN, rests",
    }
}

fn last_error(target: &Target, zone: &Zone) -> String {
    if target.last_error.is_empty() {
        return String::new();
    }
    format!("{} ({})", target.last_error, zone.print(target.last_error_ms))
}

/// Where the ledger shows losses.
fn losses(status: &StatusResponse) -> Table {
    let mut table =
        Table::new(&[("LOST AT", Align::Left), ("REASON", Align::Left), ("SAMPLES", Align::Right)]);
    for edge in &status.edges {
        let mut lost: Vec<_> = edge.lost.iter().filter(|(_, count)| **count > 0).collect();
        lost.sort();
        for (reason, count) in lost {
            table.row([edge.name.clone(), reason.clone(), count.to_string()]);
        }
    }
    table
}

fn ms(milliseconds: u64) -> String {
    age(i64::try_from(milliseconds).unwrap_or(i64::MAX))
}

fn ago(at: i64) -> String {
    if at == 0 { "never".to_owned() } else { format!("{} ago", age((now() - at).max(0))) }
}
