//! What is below a place: farms, clusters of a farm, nodes of a cluster, parameters of a node.

use super::CoverageLine;
use super::index::{Level, MAX_NAMES};
use crate::app::App;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Asked, json};
use axum::extract::State;
use axum::response::Response;
use futures_util::StreamExt as _;
use futures_util::stream;
use hedgerow_client::Template;
use hedgerow_client::mesh::{Coverage, Mesh, Missing};
use hedgerow_model::Glob;
use hedgerow_model::predicate::PathPattern;
use hedgerow_model::registration::Id;
use hedgerow_proto::farm::StatusResponse;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Farms that are asked at the same time.
const AT_ONCE: usize = 64;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct TreeAsked {
    /// The clusters of this farm, by its name, `name~id8`, or id; without it: farms.
    farm: Option<String>,
    /// The nodes of this cluster of the farm.
    cluster: Option<String>,
    /// The parameters of this node of the cluster.
    node: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct TreeAnswer<'a> {
    /// What the children are: `farm`, `cluster`, `node` or `parameter`.
    level: &'static str,
    children: Vec<Child<'a>>,
    /// Whether there are more than are given.
    more: bool,
    coverage: &'a CoverageLine,
}

#[derive(Serialize, ToSchema)]
struct Child<'a> {
    name: &'a str,
    /// Series below it.
    series: usize,
    /// Nodes below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<usize>,
    /// Series that are live. Of a farm that does not answer, or does not say, these three are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<usize>,
}

impl<'a> Child<'a> {
    /// A farm, by its own account.
    fn of_farm(name: &'a str, status: Option<&StatusResponse>) -> Self {
        let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let said = status.and_then(|status| Some((status.stale?, status.ended?)));
        let series = status.map_or(0, |status| status.series);
        Self {
            name,
            series: count(series),
            nodes: None,
            live: said.map(|(stale, ended)| count(series.saturating_sub(stale).saturating_sub(ended))),
            stale: said.map(|(stale, _)| count(stale)),
            ended: said.map(|(_, ended)| count(ended)),
        }
    }
}

/// What is below a place
///
/// Farms; the clusters of a farm; the nodes of a cluster; the parameters of a node. May be some seconds old.
#[utoipa::path(get, path = "/api/v1/tree", tag = "data", params(TreeAsked), responses(
    (status = 200, description = "What is below", body = TreeAnswer),
    (status = 400, description = "The place has a hole", body = ErrorBody),
))]
pub async fn tree(State(app): State<Arc<App>>, Asked(asked): Asked<TreeAsked>) -> Result<Response, ApiError> {
    let mesh = app.mesh().await?;
    let mut pattern = PathPattern::any();
    let level = match (&asked.farm, &asked.cluster, &asked.node) {
        (None, None, None) => return farms(&mesh).await,
        (Some(_), None, None) => Level::Cluster,
        (Some(_), Some(_), None) => Level::Node,
        (Some(_), Some(_), Some(_)) => Level::Parameter,
        _ => {
            return Err(ApiError::wrong(
                "a cluster is of a farm, a node of a cluster: expected farm, cluster and node",
            ));
        }
    };
    let farm = match &asked.farm {
        Some(farm) => Some(named(&mesh, farm).await),
        None => None,
    };
    for (part, name) in
        [(&mut pattern.farm, &farm), (&mut pattern.cluster, &asked.cluster), (&mut pattern.node, &asked.node)]
    {
        if let Some(name) = name {
            hedgerow_model::name::check(name).map_err(|error| ApiError::wrong(error.to_string()))?;
            *part = Glob::exact(name);
        }
    }
    let _place = app.queries.acquire().await.map_err(|_| ApiError::internal("closing"))?;
    let names = app.index.names(&mesh, &pattern, level).await?;
    json(&TreeAnswer {
        level: level.as_str(),
        children: names
            .names
            .iter()
            .map(|(name, below)| Child {
                name,
                series: below.series,
                nodes: (level == Level::Cluster).then_some(below.nodes),
                live: Some(below.live),
                stale: Some(below.stale),
                ended: Some(below.ended),
            })
            .collect(),
        more: names.more,
        coverage: &names.coverage,
    })
}

/// The name of the farm with this id; what is no id, or nobody's, is a name.
async fn named(mesh: &Mesh, farm: &str) -> String {
    let Ok(id) = farm.parse::<Id>() else { return farm.to_owned() };
    let found = mesh.farms(&Template::default()).await;
    let called = found.services.iter().find(|service| service.registration.id == id);
    called.map_or_else(|| farm.to_owned(), |service| service.shown.to_string())
}

/// The farms, with what each says of its series: to count them here would take them all.
async fn farms(mesh: &Mesh) -> Result<Response, ApiError> {
    let found = mesh.farms(&Template::default()).await;
    let mut coverage = Coverage { stale_since: found.stale_since, ..Coverage::default() };
    let more = found.services.len() > MAX_NAMES;
    let asking = found.services.iter().take(MAX_NAMES).map(|service| async move {
        let status = mesh.farm_status(&service.registration.id.to_string()).await;
        (Arc::clone(&service.shown), status)
    });
    let asking: Vec<_> = asking.collect();
    let answers: Vec<_> = stream::iter(asking).buffered(AT_ONCE).collect().await;
    let mut children = Vec::new();
    for (farm, status) in answers {
        coverage.asked += 1;
        match status {
            Ok(status) => {
                coverage.answered += 1;
                children.push((farm, Some(status)));
            }
            Err(why) => {
                coverage.missing.push(Missing { farm: Arc::clone(&farm), why });
                children.push((farm, None));
            }
        }
    }
    coverage.lookups_missing = found.missing;
    json(&TreeAnswer {
        level: Level::Farm.as_str(),
        children: children.iter().map(|(name, status)| Child::of_farm(name, status.as_ref())).collect(),
        more,
        coverage: &CoverageLine::of(&coverage),
    })
}
