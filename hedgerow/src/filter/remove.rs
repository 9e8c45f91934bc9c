//! `filter remove`: takes back what this user deployed.

use super::{owner, status};
use crate::client::{ClientOptions, unanswered};
use crate::outcome::{CommandError, Outcome};
use crate::output::clock::now;
use crate::output::{Out, say};
use hedgerow_client::mesh::FARM_PATIENCE;

/// Remove a deployment of yours from all farms, those that are away included
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    client: ClientOptions,
}

/// Takes it back.
///
/// # Errors
/// Where there is no such deployment of this user's, or no lookup takes that.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let name = &args.name;
    crate::runtime::client(async {
        let mesh = args.client.mesh_to_change(FARM_PATIENCE).await?;
        let author = mesh.author(owner::identity()?);
        let deployed = mesh.deployed(std::slice::from_ref(name), now()).await;
        super::shown::coverage(&deployed, &args.client.lookups())?;
        status::known(&mesh, &deployed, name).await?;
        let ours = author.owner();
        if !deployed.deployments.iter().any(|one| one.document.owner == ours) {
            let owners: Vec<String> =
                deployed.deployments.iter().map(|one| one.document.owner.to_string()).collect();
            return Err(CommandError::Failed(format!(
                "{name} was deployed by {}, and you are {ours}: only its owner can remove it; a farm can refuse it \
                 (filters.owners in its configuration)",
                owners.join(" and ")
            )));
        }
        let removed = mesh.remove_deployment(&author, name, now()).await?;
        for (url, error) in removed.missing() {
            say(&format!("{}; it is carried there later", unanswered(url, error)));
        }
        let mut out = Out::new();
        let at = removed.at.iter().filter(|(_, taken)| taken.is_ok()).count();
        out.text(&format!(
            "{name} is removed; {at} of {} lookups know it, farms stop it as they hear",
            removed.at.len()
        ))?;
        out.flush()?;
        Ok(Outcome::Done)
    })
}
