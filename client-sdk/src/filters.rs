//! Filters in a mesh: deployed to all lookups that are reached, and asked after at all farms that they mean.
//!
//! A deployment is a signed document ([`crate::documents`]): no farm has to be reachable when it is made. What became of it
//! [`Mesh::deployed`] asks of every farm that its template matches, and names those that cannot say. [`hold`] runs one only for as
//! long as somebody reads what it makes.

mod deployed;
mod held;

pub use deployed::{Absent, AtFarm, Deployed, DeployedAt};
pub use held::{Heard, Held, Hold, hold};

use crate::channel::in_time;
use crate::directory::FIND_PATIENCE;
use crate::documents::{Blob, DocumentAuthor, Draft, Published, fetch};
use crate::error::ClientError;
use crate::identity::Identity;
use crate::mesh::Mesh;
use crate::subscription::Farm;
use bytes::Bytes;
use hedgerow_model::UnixMillis;
use hedgerow_model::deployment::{Deployment, KIND};
use hedgerow_proto::convert::deployment::encode;
use hedgerow_proto::filter as wire;
use std::time::Duration;
use tonic::Streaming;

/// How long a farm may take to answer.
const FARM_PATIENCE: Duration = Duration::from_secs(10);

/// What is to run, under which name.
#[derive(Debug, Clone)]
pub struct Deploy {
    /// The name of the deployment: the cluster of what it emits.
    pub name: String,
    /// The component.
    pub component: Bytes,
    /// How it is to run, and where.
    pub deployment: Deployment,
    /// Now.
    pub signed_ms: UnixMillis,
    /// After this it is removed; `None`: by hand only.
    pub ends_ms: Option<UnixMillis>,
}

impl Mesh {
    /// One who publishes in this mesh under an identity's key.
    pub fn author(&self, identity: Identity) -> DocumentAuthor {
        let directory = self.directory();
        DocumentAuthor::new(identity, directory.caller().clone(), directory.followed().clone())
    }

    /// Deploys a filter, or replaces what the author deployed under this name. It is done when one lookup has it: readers
    /// carry it to the others, and farms take it when they come.
    ///
    /// # Errors
    /// Where no lookup takes it, or it is not of its form.
    pub async fn deploy(&self, author: &DocumentAuthor, deploy: &Deploy) -> Result<Published, ClientError> {
        let draft = Draft {
            kind: KIND.to_owned(),
            name: deploy.name.clone(),
            signed_ms: deploy.signed_ms,
            ends_ms: deploy.ends_ms,
            payload: encode(&deploy.deployment),
            blobs: vec![deploy.component.clone()],
            tombstone: false,
        };
        self.all_lookups_known().await;
        author.publish(&draft).await
    }

    /// Waits until those that are reached have told of the others: what is published reaches all that are there.
    async fn all_lookups_known(&self) {
        let _ = tokio::time::timeout(FIND_PATIENCE, self.directory().found_all()).await;
    }

    /// The bytes of a component that is deployed, from the first lookup that has them.
    ///
    /// # Errors
    /// Where none gives them: what the last one said.
    pub async fn component(&self, component: Blob) -> Result<Bytes, ClientError> {
        let mut refused = ClientError::NoLookup(Vec::new());
        for url in self.directory().urls() {
            let lookup = self.directory().caller().without_token().connect(&url)?;
            match fetch(&lookup, component).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// Takes back what the author deployed under this name.
    ///
    /// # Errors
    /// Where no lookup takes that.
    pub async fn remove_deployment(
        &self,
        author: &DocumentAuthor,
        name: &str,
        signed_ms: UnixMillis,
    ) -> Result<Published, ClientError> {
        let (kind, name) = (KIND.to_owned(), name.to_owned());
        self.all_lookups_known().await;
        author.publish(&Draft { kind, name, signed_ms, tombstone: true, ..Draft::default() }).await
    }
}

/// What a deployment logged at a farm: the `last` lines that are kept (0: all), then, where `follow` says so, each that comes.
///
/// # Errors
/// Where the farm does not answer, or knows no such deployment.
pub async fn logs(
    farm: &Farm,
    name: &str,
    last: u32,
    follow: bool,
) -> Result<Streaming<wire::ReadLogsResponse>, ClientError> {
    let mut client = farm.connection.filters();
    let call = client.read_logs(wire::ReadLogsRequest { name: name.to_owned(), last, follow });
    Ok(in_time("read the log of a filter", farm.connection.url(), FARM_PATIENCE, call).await?.into_inner())
}

/// What runs at a farm, and how, as it says.
///
/// # Errors
/// Where the farm does not answer.
pub async fn statuses(farm: &Farm) -> Result<Vec<wire::DeploymentStatus>, ClientError> {
    let mut client = farm.connection.filters();
    let call = client.list_deployments(wire::ListDeploymentsRequest::default());
    let tried = "ask the farm for its filters";
    Ok(in_time(tried, farm.connection.url(), FARM_PATIENCE, call).await?.into_inner().deployments)
}

/// Tries a quarantined deployment again at a farm.
///
/// # Errors
/// Where the farm does not answer, or there is nothing to try again.
pub async fn retry(farm: &Farm, name: &str) -> Result<wire::DeploymentStatus, ClientError> {
    let mut client = farm.connection.filters();
    let call = client.retry_deployment(wire::RetryDeploymentRequest { name: name.to_owned() });
    let answer = in_time("try a filter again", farm.connection.url(), FARM_PATIENCE, call).await?;
    Ok(answer.into_inner().deployment.unwrap_or_default())
}
