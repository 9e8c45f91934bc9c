//! What is deployed in a mesh, and what became of it at each farm that it means.

use super::FARM_PATIENCE;
use crate::channel::in_time;
use crate::directory::Service;
use crate::documents::{SignedDocument, standing_at};
use crate::error::ClientError;
use crate::mesh::{Mesh, farm_of};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use hedgerow_model::deployment::{Deployment, KIND};
use hedgerow_model::document::{DocumentKey, Owner};
use hedgerow_model::registration::Id;
use hedgerow_model::{Template, UnixMillis};
use hedgerow_proto::convert::WireError;
use hedgerow_proto::convert::deployment::decode;
use hedgerow_proto::filter::{DeploymentState, DeploymentStatus, ListDeploymentsRequest};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Farms that are asked at the same time; the others wait for their turn.
const MAX_AT_ONCE: usize = 64;

/// What is deployed.
#[derive(Debug, Clone, Default)]
pub struct Deployed {
    /// By name, then owner.
    pub deployments: Vec<DeployedAt>,
    /// Lookups that did not answer: what only they know is missing.
    pub lookups_missing: Vec<(String, ClientError)>,
    /// Whether some lookup said what is deployed.
    pub is_known: bool,
    /// No lookup knows which farms there are now: they are those of so long ago.
    pub stale_since: Option<Duration>,
}

/// A deployment, and the farms that it means.
#[derive(Debug, Clone)]
pub struct DeployedAt {
    /// Its document.
    pub document: Arc<SignedDocument>,
    /// What it says; or why this release cannot read it.
    pub deployment: Result<Deployment, WireError>,
    /// By name.
    pub farms: Vec<AtFarm>,
}

/// What became of a deployment at a farm.
#[derive(Debug, Clone)]
pub struct AtFarm {
    /// The farm's name, as shown.
    pub farm: Arc<str>,
    /// Its id.
    pub id: Id,
    /// What it says of the serial that stands; or why it says nothing.
    pub status: Result<DeploymentStatus, Absent>,
}

impl AtFarm {
    /// Whether the farm has taken the serial that stands, and nothing is wrong with it.
    pub fn has_taken(&self) -> bool {
        let state = self.status.as_ref().map(DeploymentStatus::state);
        matches!(state, Ok(DeploymentState::Admitted | DeploymentState::Running))
    }

    /// Whether more may come of it by waiting a little.
    pub fn is_on_its_way(&self) -> bool {
        match &self.status {
            Ok(status) => {
                matches!(status.state(), DeploymentState::Preparing | DeploymentState::Admitted)
            }
            Err(absent) => !matches!(absent, Absent::Unreachable(_)),
        }
    }
}

/// Why a farm that a deployment means says nothing of it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Absent {
    /// It does not answer.
    #[error("{0}")]
    Unreachable(ClientError),
    /// It has not heard of it.
    #[error("it has not heard of it yet")]
    NotYet,
    /// It knows an earlier one.
    #[error("it has serial {0} so far")]
    Earlier(u64),
}

impl Mesh {
    /// The deployments with these names (none: all) that stand at the time `now`, and what became of each at every farm that
    /// its template matches.
    pub async fn deployed(&self, names: &[String], now: UnixMillis) -> Deployed {
        let all = Template::default();
        let (documents, found) = tokio::join!(self.standing_deployments(names, now), self.farms(&all));
        let (documents, asked, mut lookups_missing) = documents;
        let deployments: Vec<_> =
            documents.into_iter().map(|document| (decode(&document.document.payload), document)).collect();
        let means = |service: &Service, deployment: &Result<Deployment, WireError>| {
            deployment.as_ref().is_ok_and(|deployment| deployment.farms.matches(&service.registration))
        };
        let meant: Vec<&Service> =
            found.services.iter().filter(|s| deployments.iter().any(|(d, _)| means(s, d))).collect();
        let asking: Vec<_> = meant.iter().map(|service| self.statuses_at(service, names)).collect();
        let answers: HashMap<Id, _> = stream::iter(asking).buffer_unordered(MAX_AT_ONCE).collect().await;
        let at = |service: &Service, document: &SignedDocument| AtFarm {
            farm: Arc::clone(&service.shown),
            id: service.registration.id,
            status: match answers.get(&service.registration.id) {
                Some(Ok(statuses)) => status_of(statuses, document),
                Some(Err(error)) => Err(Absent::Unreachable(error.clone())),
                None => Err(Absent::NotYet),
            },
        };
        let deployments: Vec<DeployedAt> = deployments
            .into_iter()
            .map(|(deployment, document)| {
                let farms = found.services.iter().filter(|service| means(service, &deployment));
                let farms = farms.map(|service| at(service, &document)).collect();
                DeployedAt { document, deployment, farms }
            })
            .collect();
        for (url, error) in found.missing {
            if lookups_missing.iter().all(|(missing, _)| *missing != url) {
                lookups_missing.push((url, error));
            }
        }
        let is_known = asked > lookups_missing.len();
        Deployed { deployments, lookups_missing, is_known, stale_since: found.stale_since }
    }

    /// What stands, how many lookups were asked, and which did not answer.
    async fn standing_deployments(
        &self,
        names: &[String],
        now: UnixMillis,
    ) -> (Vec<Arc<SignedDocument>>, usize, Vec<(String, ClientError)>) {
        let urls = self.directory().urls();
        let caller = self.directory().caller();
        let answers = join_all(urls.iter().map(|url| standing_at(caller, url, KIND))).await;
        let mut highest: BTreeMap<DocumentKey, Arc<SignedDocument>> = BTreeMap::new();
        let mut missing = Vec::new();
        for (url, answer) in urls.iter().zip(answers) {
            match answer {
                Err(error) => missing.push((url.clone(), error)),
                Ok(documents) => {
                    for document in documents {
                        let held = highest.entry(document.key()).or_insert_with(|| Arc::clone(&document));
                        if held.rank() < document.rank() {
                            *held = document;
                        }
                    }
                }
            }
        }
        let named =
            |document: &Arc<SignedDocument>| names.is_empty() || names.contains(&document.document.name);
        let standing =
            highest.into_values().filter(|document| document.document.stands(now) && named(document));
        let mut standing: Vec<_> = standing.collect();
        standing.sort_by(|a, b| (&a.document.name, a.owner).cmp(&(&b.document.name, b.owner)));
        (standing, urls.len(), missing)
    }

    async fn statuses_at(
        &self,
        service: &Service,
        names: &[String],
    ) -> (Id, Result<Vec<DeploymentStatus>, ClientError>) {
        let ask = async {
            let farm = farm_of(self.directory().caller(), service)?;
            let mut client = farm.connection.filters();
            let call = client.list_deployments(ListDeploymentsRequest { names: names.to_vec() });
            let tried = "ask the farm for its filters";
            Ok(in_time(tried, farm.connection.url(), FARM_PATIENCE, call).await?.into_inner().deployments)
        };
        (service.registration.id, ask.await)
    }
}

fn status_of(statuses: &[DeploymentStatus], document: &SignedDocument) -> Result<DeploymentStatus, Absent> {
    let ours = |status: &&DeploymentStatus| {
        let owner = status.owner[..].try_into().ok().map(Owner);
        status.name == document.document.name && owner == Some(document.owner)
    };
    match statuses.iter().find(ours) {
        None => Err(Absent::NotYet),
        Some(status) if status.serial < document.document.serial => Err(Absent::Earlier(status.serial)),
        Some(status) => Ok(status.clone()),
    }
}
