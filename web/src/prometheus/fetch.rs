//! What a query needs, from the farms: only series that its selectors may mean, only from the times it looks at.

use super::holes::Holes;
use super::mapping;
use super::told::Refused;
use hedgerow_client::Mesh;
use hedgerow_client::mesh::{Coverage, ListedSeries, MeshUpdate, SeriesList};
use hedgerow_client::sample::Samples;
use hedgerow_client::subscription::Update;
use hedgerow_model::predicate::{PathPattern, When};
use hedgerow_model::registration::Id;
use hedgerow_model::{Kind, Life, Predicate, SeriesDef, SeriesId, Value};
use hedgerow_promql::{Fetch, Labels, Matcher, Series, Values};
use std::collections::{BTreeMap, HashMap};

/// Most series of one query, over all its selectors; one with more is refused.
pub const MAX_SERIES: usize = 50_000;
/// Most samples of one query that are kept, over all its selectors; one with more is refused. Kept is what its steps see, and where
/// only the newest counts, only that. A sample takes some 32 bytes while it is gathered.
pub const MAX_SAMPLES: usize = 10_000_000;
/// Most farms that are named one by one as missing; of the others their number is said.
pub const MAX_NAMED: usize = 20;

/// What was fetched, and what is to be known of it.
#[derive(Default)]
pub struct Fetched {
    /// For each of a plan the series.
    pub data: Vec<Vec<Series>>,
    /// What is missing, for people; each once.
    pub warnings: Vec<String>,
    series: usize,
    samples: usize,
}

/// Fetches what a plan says.
///
/// # Errors
/// Where it is too much.
pub async fn fetch(mesh: &Mesh, plan: &[Fetch]) -> Result<Fetched, Refused> {
    let mut fetched = Fetched::default();
    for fetch in plan {
        let data = match mapping::pattern(&fetch.matchers) {
            Some(pattern) => fetched.one(mesh, fetch, pattern).await?,
            None => Vec::new(),
        };
        fetched.data.push(data);
    }
    fetched.warnings.sort();
    fetched.warnings.dedup();
    Ok(fetched)
}

impl Fetched {
    async fn one(
        &mut self,
        mesh: &Mesh,
        fetch: &Fetch,
        pattern: PathPattern,
    ) -> Result<Vec<Series>, Refused> {
        let mut predicate = Predicate::live(vec![pattern]);
        predicate.window.since = Some(When::At(fetch.from));
        predicate.window.until = Some(When::At(fetch.to + 1));
        let mut gathered = Gathered::new(fetch);
        let mut holes = Holes::new(fetch.from);
        let mut answer = mesh.query(&predicate);
        while let Some(update) = answer.next().await {
            let MeshUpdate::Farm { farm, id: farm_id, update } = update else { continue };
            match update {
                Update::Series { id, def } => {
                    self.series += usize::from(gathered.series((farm_id, id), &farm, &def))
                }
                Update::Samples(samples) => {
                    let times = &samples.numbered.batch.times;
                    holes.samples(&farm, (0..samples.len()).map(|at| times.at(at)));
                    self.samples += gathered.samples(farm_id, &samples);
                }
                Update::Gap { gap, .. } => holes.gap(&farm, &gap),
                Update::Life { id, life, time, .. } if life != Life::Live => {
                    gathered.stale((farm_id, id), time)
                }
                _ => {}
            }
            self.bounded()?;
        }
        let mut coverage = answer.coverage().cloned().unwrap_or_default();
        let meant = |farm: &str| fetch.matchers.iter().all(|one| one.key != mapping::FARM || one.takes(farm));
        coverage.missing.retain(|one| meant(&one.farm));
        self.warnings.extend(warnings(&coverage));
        self.warnings.extend(holes.warnings());
        Ok(gathered.end(&mut self.warnings))
    }

    fn bounded(&self) -> Result<(), Refused> {
        let (what, most) = match () {
            () if self.series > MAX_SERIES => ("series", MAX_SERIES),
            () if self.samples > MAX_SAMPLES => ("samples", MAX_SAMPLES),
            () => return Ok(()),
        };
        let what = format!("query processing would load too many {what} into memory, at most {most}");
        let instead = "ask for fewer series, a shorter time, larger steps, or ranges no longer than a step";
        Err(Refused::execution(format!("{what}; {instead}")))
    }
}

/// Series that were listed.
#[derive(Debug, Default)]
pub struct Listed {
    /// Farm by farm.
    pub series: Vec<ListedSeries>,
    /// What is missing, for people.
    pub warnings: Vec<String>,
}

/// Series by farm and id.
struct Gathered<'a> {
    fetch: &'a Fetch,
    series: HashMap<(Id, SeriesId), Gathering>,
}

/// One series while its samples come. Those that are not wanted are kept with no samples, so that they are asked after once.
struct Gathering {
    wanted: bool,
    path: String,
    kind: Kind,
    labels: Labels,
    samples: Vec<(i64, Value)>,
    stale: Vec<i64>,
}

impl<'a> Gathered<'a> {
    fn new(fetch: &'a Fetch) -> Self {
        Self { fetch, series: HashMap::new() }
    }

    /// Whether it is a new one that is wanted.
    fn series(&mut self, id: (Id, SeriesId), farm: &str, def: &SeriesDef) -> bool {
        if self.series.contains_key(&id) {
            return false;
        }
        let labels = mapping::labels(farm, &def.key);
        let matched = self.fetch.matchers.iter().all(|matcher| matcher.matches(&labels));
        let wanted = matched && mapping::kind(def.kind).is_some();
        let path = format!("{farm}/{}", def.key);
        let gathering =
            Gathering { wanted, path, kind: def.kind, labels, samples: Vec::new(), stale: Vec::new() };
        self.series.insert(id, gathering);
        wanted
    }

    /// How many more there are to be kept.
    fn samples(&mut self, farm: Id, samples: &Samples) -> usize {
        let batch = &samples.numbered.batch;
        let mut taken = 0;
        for (at, (id, value)) in batch.series.iter().zip(batch.values.iter()).enumerate() {
            if let Some(series) = self.series.get_mut(&(farm, *id)).filter(|series| series.wanted) {
                taken += usize::from(self.fetch.looks.take(&mut series.samples, batch.times.at(at), value));
            }
        }
        taken
    }

    fn stale(&mut self, id: (Id, SeriesId), time: i64) {
        if let Some(series) = self.series.get_mut(&id).filter(|series| series.wanted) {
            series.stale.push(time);
        }
    }

    /// In the order of their labels, each once: of several that read alike, the first by its path.
    fn end(self, warnings: &mut Vec<String>) -> Vec<Series> {
        let mut all: BTreeMap<Labels, Gathering> = BTreeMap::new();
        for series in self.series.into_values().filter(|series| series.wanted) {
            match all.remove(&series.labels) {
                None => drop(all.insert(series.labels.clone(), series)),
                Some(other) => {
                    let (first, second) =
                        if other.path <= series.path { (other, series) } else { (series, other) };
                    warnings.push(format!(
                        "{} is left out: it reads as {} here, as does {}",
                        second.path, second.labels, first.path
                    ));
                    all.insert(first.labels.clone(), first);
                }
            }
        }
        all.into_values().map(Gathering::end).collect()
    }
}

impl Gathering {
    fn end(mut self) -> Series {
        // Stable, so that of two of one time the one that was accepted later is kept.
        self.samples.sort_by_key(|(time, _)| *time);
        self.samples.reverse();
        self.samples.dedup_by_key(|(time, _)| *time);
        self.samples.reverse();
        self.stale.sort_unstable();
        let whole = self.kind == Kind::Counter
            && self.samples.iter().all(|(_, value)| matches!(value, Value::I64(_)));
        let counter = |value: &Value| if let Value::I64(value) = value { value.cast_unsigned() } else { 0 };
        let values = match whole {
            true => Values::U64(self.samples.iter().map(|(_, value)| counter(value)).collect()),
            false => Values::F64(self.samples.iter().map(|(_, value)| number(self.kind, value)).collect()),
        };
        let times = self.samples.into_iter().map(|(time, _)| time).collect();
        Series { labels: self.labels, times, values, stale: self.stale }
    }
}

fn number(kind: Kind, value: &Value) -> f64 {
    match value {
        Value::F64(value) => *value,
        Value::I64(value) if kind == Kind::Counter => value.cast_unsigned() as f64,
        Value::I64(value) | Value::State(value, _) => *value as f64,
        Value::Text(_) => f64::NAN,
    }
}

/// The series that any of these selectors means, or all; of all farms, with what is to be known of the list.
pub async fn list(mesh: &Mesh, selectors: &[Vec<Matcher>]) -> Listed {
    let patterns = match selectors {
        [] => mapping::pattern(&[]).into_iter().collect(),
        _ => selectors.iter().filter_map(|matchers| mapping::pattern(matchers)).collect::<Vec<_>>(),
    };
    if patterns.is_empty() {
        return Listed::default();
    }
    let SeriesList { series, coverage } = mesh.list_series(&patterns).await;
    Listed { series, warnings: warnings(&coverage) }
}

/// What is missing, for people.
fn warnings(coverage: &Coverage) -> Vec<String> {
    let missing = coverage.missing.iter().map(|one| format!("farm {} did not answer: {}", one.farm, one.why));
    let mut warnings: Vec<String> = missing.take(MAX_NAMED).collect();
    if coverage.missing.len() > MAX_NAMED {
        warnings.push(format!("{} more farms did not answer", coverage.missing.len() - MAX_NAMED));
    }
    let unknown = "farms that only it knows were not asked";
    let lookups = coverage.lookups_missing.iter();
    warnings.extend(lookups.map(|(url, why)| format!("lookup {url} did not answer ({why}): {unknown}")));
    if let Some(age) = coverage.stale_since {
        let known = format!("the farms are those that were known {} s ago", age.as_secs());
        warnings.push(format!("no lookup answered: {known}"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_model::{Name, SeriesKey};
    use hedgerow_promql::Query;

    fn fetch(query: &str) -> Fetch {
        Query::parse(query).unwrap().plan(&hedgerow_promql::Times::at(60_000), 60_000).remove(0)
    }

    fn def(parameter: &str, kind: Kind) -> SeriesDef {
        let name = |text: &str| Name::new(text).unwrap();
        let key = SeriesKey {
            cluster: name("hosts"),
            node: name("n1"),
            parameter: name(parameter),
            labels: hedgerow_model::Labels::none(),
        };
        let (unit, source, description) = (String::new(), String::new(), String::new());
        SeriesDef { key, kind, unit, source, interval: None, lifetime: None, description }
    }

    #[test]
    fn of_series_that_read_alike_one_is_given_and_the_other_named() {
        let fetch = fetch("cpu_user");
        let mut gathered = Gathered::new(&fetch);
        let farm = Id([1; 16]);
        assert!(gathered.series((farm, SeriesId(1)), "cern", &def("cpu_user", Kind::Gauge)));
        assert!(
            !gathered.series((farm, SeriesId(1)), "cern", &def("cpu_user", Kind::Gauge)),
            "the same again"
        );
        assert!(gathered.series((farm, SeriesId(2)), "cern", &def("cpu.user", Kind::Gauge)));
        assert!(!gathered.series((farm, SeriesId(3)), "cern", &def("cpu.user", Kind::Text)), "no metric");
        assert!(!gathered.series((farm, SeriesId(4)), "cern", &def("cpu-idle", Kind::Gauge)), "another");
        let mut warnings = Vec::new();
        assert_eq!(gathered.end(&mut warnings).len(), 1);
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].starts_with("cern/hosts/n1/cpu_user is left out: it reads as cpu_user{"),
            "{warnings:?}"
        );
    }

    #[test]
    fn samples_are_brought_in_order_and_of_one_time_the_later_counts() {
        let fetch = fetch("sent[1m]");
        let (farm, id) = (Id([1; 16]), SeriesId(1));
        let of = |samples: Vec<(i64, Value)>| {
            let mut gathered = Gathered::new(&fetch);
            gathered.series((farm, id), "cern", &def("sent", Kind::Counter));
            gathered.series.get_mut(&(farm, id)).unwrap().samples = samples;
            gathered.stale((farm, id), 9);
            gathered.stale((farm, id), 4);
            gathered.end(&mut Vec::new()).remove(0)
        };
        let series = of(vec![(5, Value::counter(u64::MAX)), (1, Value::counter(2)), (5, Value::counter(7))]);
        assert_eq!(
            (series.times, series.values, series.stale),
            (vec![1, 5], Values::U64(vec![2, 7]), vec![4, 9])
        );
        let mixed = of(vec![(1, Value::counter(u64::MAX)), (2, Value::F64(0.5))]);
        assert_eq!(mixed.values, Values::F64(vec![u64::MAX as f64, 0.5]));
    }
}
