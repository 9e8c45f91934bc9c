//! `find`: which services there are, as all lookups together know them.

use crate::client::{ClientOptions, brief, some_lookup_answered};
use crate::outcome::{CommandError, Outcome};
use crate::output::table::{Align, Table};
use crate::output::{Out, amount, json, say};
use crate::question::wrong;
use hedgerow_client::directory::{Found, Service};
use hedgerow_client::error::ClientError;
use hedgerow_model::Template;
use serde::Serialize;
use std::collections::BTreeMap;

const AFTER: &str = "\
Examples:
  hedgerow find
  hedgerow find kind=farm 'name=cern-*'
  hedgerow find group=alice 'country!=CH' cores=64.. has:gpu
  hedgerow find kind=lookup --json";

/// Find services: farms, lookups and whatever else is registered
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Terms that must all hold: kind=farm, group=alice, 'name=cern-*', 'country!=CH', cores=64.., has:gpu; a bare word
    /// is a name
    #[arg(value_name = "TEMPLATE")]
    template: Vec<String>,
    #[command(flatten)]
    client: ClientOptions,
}

/// Asks all lookups.
///
/// # Errors
/// Where none answers.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let text = args.template.join(" ");
    let template = Template::parse(&text).map_err(|error| wrong("template", &text, &error))?;
    template.compile().map_err(|fault| CommandError::Misuse(format!("template: {fault}")))?;
    let (found, strangers) = crate::runtime::client(async {
        let mut directory = args.client.directory()?;
        // Those that do not answer are named below.
        let mut strangers = directory.join_mesh().await.map(|(_, problems)| problems).unwrap_or_default();
        strangers.retain(|error| matches!(error, ClientError::OtherMesh { .. }));
        Ok((directory.find(&template).await, strangers))
    })?;
    some_lookup_answered(&found)?;
    let mut out = Out::new();
    if args.client.json {
        for service in &found.services {
            out.line(json::line(&Line::of(service))?)?;
        }
    } else if found.services.is_empty() {
        say("no service matches");
    } else {
        out.lines(table(&found).lines())?;
    }
    out.flush()?;
    let mut twins: Vec<&str> = found
        .services
        .iter()
        .filter(|service| *service.shown != *service.registration.name)
        .map(|service| service.registration.name.as_str())
        .collect();
    twins.dedup();
    for name in twins {
        say(&format!(
            "warning: several services are called {name}: shown as {name}~ and the start of their ids"
        ));
    }
    strangers.iter().for_each(|error| say(&error.to_string()));
    // What another lookup knew, too, is not missing; whether there was more, nobody can say.
    for (url, error) in &found.missing {
        say(&format!("lookup {url} did not answer: {}", brief(error)));
    }
    if found.refused > 0 {
        say(&format!("{} registrations were altered or of another mesh, and left out", found.refused));
    }
    Ok(Outcome::Done)
}

fn table(found: &Found) -> Table {
    let mut table = Table::new(&[
        ("NAME", Align::Left),
        ("KIND", Align::Left),
        ("ENDPOINT", Align::Left),
        ("GROUPS", Align::Left),
        ("VERSION", Align::Left),
        ("STATE", Align::Left),
        ("LEASE", Align::Right),
        ("LOOKUPS", Align::Right),
        ("ATTRIBUTES", Align::Left),
    ]);
    for service in &found.services {
        let said = &service.registration;
        let endpoints: Vec<&str> = said.endpoints.iter().map(|endpoint| endpoint.url.as_str()).collect();
        let attributes: Vec<String> =
            said.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
        table.row([
            service.shown.to_string(),
            said.kind.clone(),
            endpoints.join(" "),
            said.groups.join(" "),
            said.version.clone(),
            service.state.as_str().to_owned(),
            amount::age(i64::try_from(service.remaining.as_millis()).unwrap_or(i64::MAX)),
            service.lookups.len().to_string(),
            attributes.join(" "),
        ]);
    }
    table
}

#[derive(Serialize)]
struct Line<'a> {
    id: String,
    kind: &'a str,
    name: &'a str,
    groups: &'a [String],
    attributes: &'a BTreeMap<String, String>,
    endpoints: Vec<&'a str>,
    version: &'a str,
    lease_remaining_ms: u64,
    state: &'static str,
    lookups: Vec<String>,
}

impl<'a> Line<'a> {
    fn of(service: &'a Service) -> Self {
        let said = &*service.registration;
        Self {
            id: said.id.to_string(),
            kind: &said.kind,
            name: &service.shown,
            groups: &said.groups,
            attributes: &said.attributes,
            endpoints: said.endpoints.iter().map(|endpoint| endpoint.url.as_str()).collect(),
            version: &said.version,
            lease_remaining_ms: u64::try_from(service.remaining.as_millis()).unwrap_or(u64::MAX),
            state: service.state.as_str(),
            lookups: service.lookups.iter().map(ToString::to_string).collect(),
        }
    }
}
