//! `filter status`: one deployment, at every farm that it means.

use super::shown::{self, Line};
use crate::client::{ClientOptions, as_known};
use crate::near;
use crate::outcome::{CommandError, Outcome};
use crate::output::clock::now;
use crate::output::{Out, json};
use hedgerow_client::filters::Deployed;
use hedgerow_client::mesh::{FARM_PATIENCE, Mesh};

/// Show how a deployment fares at each farm that it means
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    client: ClientOptions,
}

/// Asks all lookups, and all farms that it means.
///
/// # Errors
/// Where no lookup answers, or there is no such deployment.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    crate::runtime::client(async {
        let mesh = args.client.mesh(FARM_PATIENCE).await?;
        let deployed = mesh.deployed(std::slice::from_ref(&args.name), now()).await;
        let mut out = Out::new();
        for one in &deployed.deployments {
            if args.client.json {
                out.line(json::line(&Line::of(one))?)?;
                continue;
            }
            let document = &one.document.document;
            let to = one.deployment.as_ref().map(|deployment| shown::to(&deployment.farms));
            out.text(&format!(
                "{}, serial {}, of {}, to {}",
                document.name,
                document.serial,
                one.document.owner,
                to.unwrap_or_default()
            ))?;
            if let Ok(parameters) = one.deployment.as_ref().map(|deployment| &deployment.parameters)
                && !parameters.is_empty()
            {
                out.text(&format!("  with {parameters}"))?;
            }
            out.lines(if one.farms.is_empty() {
                vec!["  no farm matches now".to_owned()]
            } else {
                shown::farms(&one.farms).lines()
            })?;
        }
        out.flush()?;
        let outcome = shown::coverage(&deployed, &args.client.lookups())?;
        known(&mesh, &deployed, &args.name).await?;
        Ok(as_known(&mesh, outcome))
    })
}

/// Whether there is such a deployment at all.
///
/// # Errors
/// Where there is none: what may have been meant.
pub async fn known(mesh: &Mesh, deployed: &Deployed, name: &str) -> Result<(), CommandError> {
    if !deployed.deployments.is_empty() {
        return Ok(());
    }
    let all = mesh.deployed(&[], now()).await;
    let mut names: Vec<&str> =
        all.deployments.iter().map(|one| one.document.document.name.as_str()).collect();
    names.dedup();
    Err(CommandError::Failed(format!("no deployment is called {name}{}", near::said(name, &names))))
}
