//! One merged answer from all farms that match, with what it covers.

use super::{Mesh, MeshUpdate, asked_of, farm_of};
use crate::channel::in_time;
use crate::directory::{Found, Service};
use crate::error::ClientError;
use crate::subscription::{Farm, Update, query};
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use hedgerow_model::predicate::{PathPattern, Predicate};
use hedgerow_model::registration::Id;
use hedgerow_model::{Life, SeriesDef, SeriesId, Template, UnixMillis, Value};
use hedgerow_proto::convert;
use hedgerow_proto::farm::{ListSeriesRequest, list_series_response};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Farms that are asked at the same time; the others wait for their turn.
const MAX_AT_ONCE: usize = 64;
/// Most series in one list; a farm that has more is named as missing.
pub const MAX_LISTED: usize = 1_000_000;

/// A farm that did not answer, or not completely.
#[derive(Debug, Clone)]
pub struct Missing {
    /// Its name, as shown.
    pub farm: Arc<str>,
    /// Why.
    pub why: ClientError,
}

/// What a merged answer covers.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// The answer is complete up to here: the earliest of the farms' own clocks when they were asked.
    pub as_of: Option<UnixMillis>,
    /// How many farms were asked.
    pub asked: usize,
    /// How many answered completely.
    pub answered: usize,
    /// The others.
    pub missing: Vec<Missing>,
    /// Lookups that did not answer: farms that only they know were not asked.
    pub lookups_missing: Vec<(String, ClientError)>,
    /// No lookup answered: the farms are those that were known so long ago.
    pub stale_since: Option<Duration>,
}

impl Coverage {
    /// Whether everyone answered.
    pub fn is_complete(&self) -> bool {
        self.answered == self.asked && self.lookups_missing.is_empty()
    }
}

/// The merged answer to a query: updates, as they come. [`Answer::next`] gives `None` at the end; then
/// [`Answer::coverage`] says what was covered.
pub struct Answer {
    updates: BoxStream<'static, Told>,
    coverage: Option<Coverage>,
}

#[expect(clippy::large_enum_variant, reason = "one at a time, never kept")]
enum Told {
    Update(MeshUpdate),
    End(Coverage),
}

impl Answer {
    pub(super) fn new(mesh: Mesh, predicate: Predicate) -> Self {
        Self { updates: answer(mesh, predicate).boxed(), coverage: None }
    }

    /// The next update; `None` at the end.
    pub async fn next(&mut self) -> Option<MeshUpdate> {
        futures_util::StreamExt::next(self).await
    }

    /// What was covered, once the answer has ended.
    pub fn coverage(&self) -> Option<&Coverage> {
        self.coverage.as_ref()
    }
}

impl Stream for Answer {
    type Item = MeshUpdate;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<MeshUpdate>> {
        if self.coverage.is_some() {
            return Poll::Ready(None);
        }
        match self.updates.poll_next_unpin(cx) {
            Poll::Ready(Some(Told::Update(update))) => Poll::Ready(Some(update)),
            Poll::Ready(Some(Told::End(coverage))) => {
                self.coverage = Some(coverage);
                Poll::Ready(None)
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Whom to ask what, and the coverage so far.
fn asked(mesh: &Mesh, found: Found, predicate: &Predicate) -> (Vec<(Service, Farm, Predicate)>, Coverage) {
    let mut coverage =
        Coverage { lookups_missing: found.missing, stale_since: found.stale_since, ..Coverage::default() };
    let mut farms = Vec::new();
    for service in found.services {
        let Some(predicate) = asked_of(predicate, &service) else { continue };
        coverage.asked += 1;
        match farm_of(mesh.directory.caller(), &service) {
            Ok(farm) => farms.push((service, farm, predicate)),
            Err(why) => coverage.missing.push(Missing { farm: service.shown, why }),
        }
    }
    (farms, coverage)
}

fn answer(mesh: Mesh, predicate: Predicate) -> impl Stream<Item = Told> + Send {
    async_stream::stream! {
        let found = mesh.farms(&Template::default()).await;
        let (farms, mut coverage) = asked(&mesh, found, &predicate);
        let patience = mesh.patience;
        let mut updates = stream::iter(farms)
            .map(move |(service, farm, predicate)| {
                let name = Arc::clone(&farm.name);
                let id = service.registration.id;
                query(&farm, &predicate, &[], patience).map(move |update| (Arc::clone(&name), id, update)).boxed()
            })
            .flatten_unordered(MAX_AT_ONCE);
        while let Some((farm, id, update)) = updates.next().await {
            match &update {
                Update::Opened { now, .. } => {
                    coverage.as_of = Some(coverage.as_of.map_or(*now, |before| before.min(*now)));
                }
                Update::End { .. } => coverage.answered += 1,
                Update::Failed(why) => {
                    coverage.missing.push(Missing { farm: Arc::clone(&farm), why: why.clone() });
                }
                _ => {}
            }
            yield Told::Update(MeshUpdate::Farm { farm, id, update });
        }
        yield Told::End(coverage);
    }
}

/// A series of a farm, with its last sample.
#[derive(Debug, Clone)]
pub struct ListedSeries {
    /// The farm's name, as shown.
    pub farm: Arc<str>,
    /// The farm's id.
    pub farm_id: Id,
    /// The series.
    pub def: SeriesDef,
    /// The views it is in, as `CLUSTER/NODE`.
    pub views: Vec<String>,
    /// Whether its last value still speaks for now; `None`: the farm does not know.
    pub life: Option<Life>,
    /// Why it is stale or ended.
    pub life_reason: String,
    /// Its last sample, where one is known.
    pub last: Option<(UnixMillis, Value)>,
}

/// The series of all farms that match.
#[derive(Debug, Clone, Default)]
pub struct SeriesList {
    /// The series, farm by farm.
    pub series: Vec<ListedSeries>,
    /// What the list covers.
    pub coverage: Coverage,
}

pub(super) async fn list_series(mesh: &Mesh, patterns: &[PathPattern]) -> SeriesList {
    let predicate = Predicate::live(patterns.to_vec());
    let found = mesh.farms(&Template::default()).await;
    let (farms, coverage) = asked(mesh, found, &predicate);
    let mut list = SeriesList { series: Vec::new(), coverage };
    let mut answers = stream::iter(farms)
        .map(|(_, farm, predicate)| async move {
            let listed = list_of(mesh, &farm, &predicate).await;
            (farm.name, listed)
        })
        .buffer_unordered(MAX_AT_ONCE);
    while let Some((farm, listed)) = answers.next().await {
        match listed {
            Ok(listed) if list.series.len() + listed.len() <= MAX_LISTED => {
                list.coverage.answered += 1;
                list.series.extend(listed);
            }
            Ok(_) => list.coverage.missing.push(Missing { why: too_many(&farm), farm }),
            Err(why) => list.coverage.missing.push(Missing { farm, why }),
        }
    }
    list.series.sort_by(|a, b| (&a.farm, &a.def.key).cmp(&(&b.farm, &b.def.key)));
    list
}

fn too_many(at: &str) -> ClientError {
    ClientError::TooMuch { what: "series", at: at.to_owned(), most: MAX_LISTED }
}

const LIST: &str = "list the series";

async fn list_of(mesh: &Mesh, farm: &Farm, predicate: &Predicate) -> Result<Vec<ListedSeries>, ClientError> {
    let at = farm.connection.url();
    let mut client = farm.connection.farm();
    let patterns = convert::predicate::to_wire(predicate).patterns;
    let call = client.list_series(ListSeriesRequest { patterns });
    let mut answers = in_time(LIST, at, mesh.patience, call).await?.into_inner();
    let mut list = Vec::new();
    while let Some(answer) = in_time(LIST, at, mesh.patience, answers.message()).await? {
        if list.len() + answer.series.len() > MAX_LISTED {
            return Err(too_many(at));
        }
        for listed in answer.series {
            let listed = listed_from_wire(farm, listed);
            list.push(listed.map_err(|error| ClientError::Wire { at: at.to_owned(), error })?);
        }
    }
    Ok(list)
}

fn listed_from_wire(
    farm: &Farm,
    listed: list_series_response::Listed,
) -> Result<ListedSeries, hedgerow_proto::WireError> {
    let series = listed.series.unwrap_or_default();
    let views = series.views.clone();
    let (_, def): (SeriesId, SeriesDef) = convert::series::from_wire(series)?;
    let last = match (listed.last_ms, listed.last) {
        (Some(time), Some(value)) => {
            convert::batch::columns_from_wire(value)?.iter().next().map(|value| (time, value))
        }
        _ => None,
    };
    Ok(ListedSeries {
        farm: Arc::clone(&farm.name),
        farm_id: farm.id.unwrap_or(Id([0; 16])),
        def,
        views,
        life: (listed.life != 0).then(|| convert::series::life_from_wire(listed.life)),
        life_reason: listed.life_reason,
        last,
    })
}
