//! What there is: series, labels, their values, and what metrics are.

use super::asked::Asked;
use super::told::{Metric, Refused, told};
use super::{fetch, mapping};
use axum::response::Response;
use hedgerow_client::Mesh;
use hedgerow_client::mesh::ListedSeries;
use hedgerow_promql::{Labels, Matcher, is_key};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Most series, labels or values in one answer; what is more is left out, with a warning.
pub const MAX_ANSWERED: usize = 100_000;

/// The labels of the series that are asked for, each once.
async fn found(
    mesh: &Mesh,
    asked: &Asked,
    selectors: &[Vec<Matcher>],
) -> Result<(BTreeSet<Labels>, Vec<String>), Refused> {
    let (start, end) = (asked.time("start")?, asked.time("end")?);
    let (list, warnings) = fetch::list(mesh, selectors).await;
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
    Ok((labels.filter(any).collect(), warnings))
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

/// `/series`.
pub async fn series(mesh: &Mesh, asked: &Asked) -> Result<Response, Refused> {
    let selectors = asked.selectors()?;
    if selectors.is_empty() {
        return Err(Refused::wrong("no match[] parameter provided"));
    }
    let (found, mut warnings) = found(mesh, asked, &selectors).await?;
    let metrics = cut(found.into_iter().map(Metric), asked, &mut warnings)?;
    told(metrics, warnings)
}

/// `/labels`: the names of labels.
pub async fn labels(mesh: &Mesh, asked: &Asked) -> Result<Response, Refused> {
    let (found, mut warnings) = found(mesh, asked, &asked.selectors()?).await?;
    let keys: BTreeSet<&str> = found.iter().flat_map(|labels| labels.iter().map(|(key, _)| key)).collect();
    let keys = cut(keys.into_iter(), asked, &mut warnings)?;
    told(keys, warnings)
}

/// `/label/NAME/values`.
pub async fn values(mesh: &Mesh, asked: &Asked, key: &str) -> Result<Response, Refused> {
    if !is_key(key) {
        return Err(Refused::wrong(format!("invalid label name: {key:?}")));
    }
    let (found, mut warnings) = found(mesh, asked, &asked.selectors()?).await?;
    let values: BTreeSet<&str> =
        found.iter().map(|labels| labels.get(key)).filter(|value| !value.is_empty()).collect();
    let values = cut(values.into_iter(), asked, &mut warnings)?;
    told(values, warnings)
}

/// What a metric is.
#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct Meaning {
    r#type: &'static str,
    help: String,
    unit: String,
}

/// `/metadata`: kind, description and unit of each metric.
pub async fn metadata(mesh: &Mesh, asked: &Asked) -> Result<Response, Refused> {
    let wanted = asked.get("metric");
    let selector = wanted.map(|name| hedgerow_promql::Query::selector(&format!("{{__name__={name:?}}}")));
    let selectors: Vec<_> = selector.transpose().map_err(Refused::wrong)?.into_iter().collect();
    let (list, mut warnings) = fetch::list(mesh, &selectors).await;
    let mut metrics: BTreeMap<String, BTreeSet<Meaning>> = BTreeMap::new();
    for series in &list.series {
        let name = mapping::metric_name(&series.def.key.parameter);
        let Some(kind) = mapping::kind(series.def.kind) else { continue };
        if wanted.is_none_or(|wanted| wanted == name) {
            let (help, unit) = (series.def.description.clone(), series.def.unit.clone());
            metrics.entry(name).or_default().insert(Meaning { r#type: kind, help, unit });
        }
    }
    let metrics: BTreeMap<_, _> = cut(metrics.into_iter(), asked, &mut warnings)?.into_iter().collect();
    told(metrics, warnings)
}
