//! What there is: series, labels, their values, and what metrics are.

use super::asked::Asked;
use super::fetch::{self, Listed};
use super::kept::Kept;
use super::mapping;
use super::told::{Metric, Refused, told};
use axum::response::Response;
use hedgerow_client::Mesh;
use hedgerow_client::mesh::ListedSeries;
use hedgerow_promql::{Labels, Matcher, is_key};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most series, labels or values in one answer; what is more is left out, with a warning.
pub const MAX_ANSWERED: usize = 100_000;

/// What is asked for lists, and of whom.
pub struct Lists<'a> {
    /// Of whom.
    pub mesh: &'a Mesh,
    /// All series, where they are remembered.
    pub kept: &'a Kept,
    /// What is asked.
    pub asked: &'a Asked,
}

impl Lists<'_> {
    /// The series that any of these selectors may mean.
    async fn listed(&self, selectors: &[Vec<Matcher>]) -> Arc<Listed> {
        let list = fetch::list(self.mesh, selectors);
        if selectors.is_empty() { self.kept.or(list).await } else { Arc::new(list.await) }
    }

    /// The labels of the series that are asked for, each once.
    async fn found(&self, selectors: &[Vec<Matcher>]) -> Result<(BTreeSet<Labels>, Vec<String>), Refused> {
        let (start, end) = (self.asked.time("start")?, self.asked.time("end")?);
        let list = self.listed(selectors).await;
        // When a series began, nobody knows; one that ended before isn't meant.
        let meant = |series: &&ListedSeries| {
            let seen = series.last.as_ref().map(|(time, _)| *time);
            mapping::kind(series.def.kind).is_some()
                && start.is_none_or(|start| seen.is_some_and(|seen| seen >= start))
                && end.is_none_or(|end| start.is_none_or(|start| start <= end))
        };
        let labels =
            list.series.iter().filter(meant).map(|series| mapping::labels(&series.farm, &series.def.key));
        let any = |labels: &Labels| {
            let all = |matchers: &Vec<Matcher>| matchers.iter().all(|matcher| matcher.matches(labels));
            selectors.is_empty() || selectors.iter().any(all)
        };
        Ok((labels.filter(any).collect(), list.warnings.clone()))
    }

    /// `/series`.
    pub async fn series(&self) -> Result<Response, Refused> {
        let selectors = self.asked.selectors()?;
        if selectors.is_empty() {
            return Err(Refused::wrong("no match[] parameter provided"));
        }
        let (found, mut warnings) = self.found(&selectors).await?;
        let metrics = cut(found.into_iter().map(Metric), self.asked, &mut warnings)?;
        told(metrics, warnings)
    }

    /// `/labels`: the names of labels.
    pub async fn labels(&self) -> Result<Response, Refused> {
        let (found, mut warnings) = self.found(&self.asked.selectors()?).await?;
        let keys: BTreeSet<&str> =
            found.iter().flat_map(|labels| labels.iter().map(|(key, _)| key)).collect();
        let keys = cut(keys.into_iter(), self.asked, &mut warnings)?;
        told(keys, warnings)
    }

    /// `/label/NAME/values`.
    pub async fn values(&self, key: &str) -> Result<Response, Refused> {
        if !is_key(key) {
            return Err(Refused::wrong(format!("invalid label name: {key:?}")));
        }
        let (found, mut warnings) = self.found(&self.asked.selectors()?).await?;
        let values: BTreeSet<&str> =
            found.iter().map(|labels| labels.get(key)).filter(|value| !value.is_empty()).collect();
        let values = cut(values.into_iter(), self.asked, &mut warnings)?;
        told(values, warnings)
    }

    /// `/metadata`: kind, description and unit of each metric.
    pub async fn metadata(&self) -> Result<Response, Refused> {
        let wanted = self.asked.get("metric");
        let selector = wanted.map(|name| hedgerow_promql::Query::selector(&format!("{{__name__={name:?}}}")));
        let selectors: Vec<_> = selector.transpose().map_err(Refused::wrong)?.into_iter().collect();
        let list = self.listed(&selectors).await;
        let mut warnings = list.warnings.clone();
        let mut metrics: BTreeMap<String, BTreeSet<Meaning>> = BTreeMap::new();
        for series in &list.series {
            let name = mapping::metric_name(&series.def.key.parameter);
            let Some(kind) = mapping::kind(series.def.kind) else { continue };
            if wanted.is_none_or(|wanted| wanted == name) {
                let (help, unit) = (series.def.description.clone(), series.def.unit.clone());
                metrics.entry(name).or_default().insert(Meaning { r#type: kind, help, unit });
            }
        }
        let metrics: BTreeMap<_, _> =
            cut(metrics.into_iter(), self.asked, &mut warnings)?.into_iter().collect();
        told(metrics, warnings)
    }
}

/// Not more than are wanted, and not more than one answer may have.
fn cut<T>(
    all: impl Iterator<Item = T>,
    asked: &Asked,
    warnings: &mut Vec<String>,
) -> Result<Vec<T>, Refused> {
    let most = asked.limit()?.map_or(MAX_ANSWERED, |limit| limit.min(MAX_ANSWERED));
    let mut all = all;
    let kept: Vec<T> = all.by_ref().take(most).collect();
    if all.next().is_some() {
        warnings.push(format!("results truncated due to limit: the first {most} are given"));
    }
    Ok(kept)
}

/// What a metric is.
#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct Meaning {
    r#type: &'static str,
    help: String,
    unit: String,
}
