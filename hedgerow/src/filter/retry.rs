//! `filter retry`: what is quarantined begins anew, from its last state.

use super::{shown, status};
use crate::client::{ClientOptions, as_known, brief};
use crate::outcome::{CommandError, Outcome};
use crate::output::clock::now;
use crate::output::{Out, say};
use hedgerow_client::filters;
use hedgerow_client::mesh::FARM_PATIENCE;
use hedgerow_proto::filter::DeploymentState;

/// Try a quarantined deployment again
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment
    #[arg(value_name = "NAME")]
    name: String,
    /// At this farm only [default: wherever it is quarantined, waits to be tried again, or is being prepared]
    #[arg(long, value_name = "FARM")]
    farm: Option<String>,
    #[command(flatten)]
    client: ClientOptions,
}

/// Asks the farms to.
///
/// # Errors
/// Where no lookup answers, or there is nothing to try again.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let name = &args.name;
    crate::runtime::client(async {
        let mesh = args.client.mesh_to_change(FARM_PATIENCE).await?;
        let (ids, mut outcome) = match &args.farm {
            Some(farm) => (vec![farm.clone()], Outcome::Done),
            None => {
                let deployed = mesh.deployed(std::slice::from_ref(name), now()).await;
                let outcome = shown::coverage(&deployed, &args.client.lookups())?;
                status::known(&mesh, &deployed, name).await?;
                let failed = |state| {
                    matches!(
                        state,
                        DeploymentState::Quarantined
                            | DeploymentState::BackingOff
                            | DeploymentState::Preparing
                    )
                };
                let at = deployed.deployments.iter().flat_map(|one| &one.farms);
                let at = at.filter(|at| at.status.as_ref().is_ok_and(|status| failed(status.state())));
                (at.map(|at| at.id.to_string()).collect(), outcome)
            }
        };
        if ids.is_empty() {
            return Err(CommandError::Failed(format!(
                "{name} is quarantined at no farm that answers: there is nothing to try again"
            )));
        }
        let mut out = Out::new();
        for id in ids {
            let farm = mesh.farm_to_change(&id).await?;
            match filters::retry(&farm, name).await {
                Ok(status) => out.text(&format!(
                    "{}: {name} was {}, and is tried again",
                    farm.name,
                    shown::word(status.state())
                ))?,
                Err(error) => {
                    say(&format!("{}: {}", farm.name, brief(&error)));
                    outcome = Outcome::InPart;
                }
            }
        }
        out.flush()?;
        Ok(as_known(&mesh, outcome))
    })
}
