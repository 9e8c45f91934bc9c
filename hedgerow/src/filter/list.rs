//! `filter list`: what is deployed in the mesh, and how many of the farms it means have taken it.

use super::shown::{self, Line};
use crate::client::{ClientOptions, as_known};
use crate::outcome::{CommandError, Outcome};
use crate::output::clock::{Zone, now};
use crate::output::table::{Align, Table};
use crate::output::{Out, json, say};
use hedgerow_client::filters::{AtFarm, Deployed};
use hedgerow_client::mesh::FARM_PATIENCE;

/// List what is deployed, and how many farms have taken it
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    client: ClientOptions,
}

/// Asks all lookups, and all farms that the deployments mean.
///
/// # Errors
/// Where no lookup answers.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    crate::runtime::client(async {
        let mesh = args.client.mesh(FARM_PATIENCE).await?;
        let deployed = mesh.deployed(&[], now()).await;
        let mut out = Out::new();
        if args.client.json {
            for one in &deployed.deployments {
                out.line(json::line(&Line::of(one))?)?;
            }
        } else if !deployed.deployments.is_empty() {
            out.lines(table(&deployed, &args.client.zone()).lines())?;
        }
        out.flush()?;
        let outcome = shown::coverage(&deployed, &args.client.lookups())?;
        if deployed.deployments.is_empty() {
            say("nothing is deployed");
        }
        Ok(as_known(&mesh, outcome))
    })
}

fn table(deployed: &Deployed, zone: &Zone) -> Table {
    let mut table = Table::new(&[
        ("NAME", Align::Left),
        ("FILTER", Align::Left),
        ("SERIAL", Align::Right),
        ("TAKEN", Align::Right),
        ("TO", Align::Left),
        ("UNTIL", Align::Left),
        ("OWNER", Align::Left),
    ]);
    for one in &deployed.deployments {
        let document = &one.document.document;
        let (filter, to) = match &one.deployment {
            Ok(deployment) => {
                let filter = format!("{} {}", deployment.component_name, deployment.component_version);
                (filter.trim_end().to_owned(), shown::to(&deployment.farms))
            }
            Err(error) => (format!("cannot be read: {error}"), String::new()),
        };
        let taken = one.farms.iter().filter(|at| AtFarm::has_taken(at)).count();
        let owner = one.document.owner.to_string();
        table.row([
            document.name.clone(),
            filter,
            document.serial.to_string(),
            format!("{taken}/{}", one.farms.len()),
            to,
            document.ends_ms.map(|end| zone.print(end)).unwrap_or_default(),
            owner.get(..8).unwrap_or_default().to_owned(),
        ]);
    }
    table
}
