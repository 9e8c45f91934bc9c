//! Samples as they come, as server-sent events: each named by what it is, with the object that `hedgerow watch --json --events`
//! prints as its data.
//!
//! Nothing queues here: a reader that is slow makes the farms wait, and then skip and say so.

use super::series_list::predicate;
use crate::app::{App, MAX_LIVE};
use crate::error::{ApiError, ErrorBody};
use crate::extract::Asked;
use axum::extract::State;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use futures_util::stream;
use hedgerow_client::mesh::MeshUpdate;
use hedgerow_client::subscription::{SubscribeOptions, Update};
use hedgerow_model::{GapScope, SeriesDef, SeriesId};
use hedgerow_shown::alarms::AlarmLine;
use hedgerow_shown::events::Event;
use hedgerow_shown::json;
use serde::Deserialize;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use utoipa::IntoParams;

/// Between two comments that show that the stream lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LiveAsked {
    /// As of a query. Without `until` it never ends; `since=5m` begins with history, `last` with the newest values.
    predicate: String,
    /// The alarms of the farms, too.
    #[serde(default)]
    alarms: bool,
    /// The epoch and number of each sample, too.
    #[serde(default)]
    numbers: bool,
}

/// Samples as they come
///
/// Server-sent events: `sample`, `bin`, `alarm`, and notices (`gap`, `lagged`, `stale`, `ended`, `joined`, `left`,
/// `disconnected`, …), each with an object as its data.
#[utoipa::path(get, path = "/api/v1/live", tag = "data", params(LiveAsked), responses(
    (status = 200, description = "Events", body = String, content_type = "text/event-stream"),
    (status = 400, description = "The predicate cannot be read", body = ErrorBody),
    (status = 429, description = "Too many streams are open", body = ErrorBody),
))]
pub async fn live(State(app): State<Arc<App>>, Asked(asked): Asked<LiveAsked>) -> Result<Response, ApiError> {
    let predicate = predicate(&asked.predicate)?;
    let mesh = app.mesh().await?;
    let place = Arc::clone(&app.live).try_acquire_owned().map_err(|_| {
        ApiError::too_much(format!("{MAX_LIVE} streams are open, the most there may be: close one first"))
    })?;
    let options = SubscribeOptions { alarms: asked.alarms, ..SubscribeOptions::default() };
    let updates = mesh.subscribe_with(&predicate, options).take_until(app.drain.clone().begun());
    let mut teller = Teller { numbers: asked.numbers, series: HashMap::new() };
    let events = updates
        .flat_map(move |update| {
            let _ = &place;
            stream::iter(teller.events(&update).unwrap_or_default())
        })
        .map(Ok::<_, io::Error>);
    let heartbeat = KeepAlive::new().interval(HEARTBEAT);
    Ok(Sse::new(events).keep_alive(heartbeat).into_response())
}

/// Makes events of updates.
struct Teller {
    numbers: bool,
    /// By farm: what ids mean, for gaps. Bounded as the client's own tables are.
    series: HashMap<Arc<str>, HashMap<SeriesId, Arc<SeriesDef>>>,
}

impl Teller {
    fn events(&mut self, update: &MeshUpdate) -> io::Result<Vec<SseEvent>> {
        let notice = match update {
            MeshUpdate::Farm { farm, update, .. } => return self.of_farm(farm, update),
            MeshUpdate::Joined(service) => Event::new("joined", Some(&service.shown), String::new()),
            MeshUpdate::Left(service, gone) => {
                Event::new("left", Some(&service.shown), String::new()).because(gone.as_str())
            }
            MeshUpdate::Unreachable(service, error) => {
                Event::new("unreachable", Some(&service.shown), String::new()).because(error.to_string())
            }
            MeshUpdate::Lookup { url, error: Some(error) } => {
                Event::new("lookup_lost", None, String::new()).of_lookup(url).because(error.brief())
            }
            MeshUpdate::Lookup { url, error: None } => {
                Event::new("lookup_reached", None, String::new()).of_lookup(url)
            }
            MeshUpdate::LookupSuspects { url, begun, .. } => {
                let name = if *begun { "lookup_suspects" } else { "lookup_trusts" };
                Event::new(name, None, String::new()).of_lookup(url)
            }
        };
        Ok(vec![of_notice(&notice)?])
    }

    fn of_farm(&mut self, farm: &Arc<str>, update: &Update) -> io::Result<Vec<SseEvent>> {
        match update {
            Update::Samples(samples) => {
                let lines = samples.iter().map(|sample| json::sample(&sample, self.numbers));
                lines.map(|line| Ok(event("sample", &line?))).collect()
            }
            Update::Bins(bins) => Ok(json::bins(bins)?.iter().map(|line| event("bin", line)).collect()),
            Update::Alarm(alarm) => Ok(vec![event("alarm", &AlarmLine::event(farm, alarm).json()?)]),
            Update::Series { id, def } => {
                self.series.entry(Arc::clone(farm)).or_default().insert(*id, Arc::clone(def));
                Ok(Vec::new())
            }
            other => {
                let series = match other {
                    Update::Gap { gap, .. } => match gap.scope {
                        GapScope::Series(id) => {
                            self.series.get(farm).and_then(|series| series.get(&id)).cloned()
                        }
                        _ => None,
                    },
                    _ => None,
                };
                let notice = Event::of(farm, other, series.as_deref(), &hedgerow_model::moment::print);
                notice.iter().map(of_notice).collect()
            }
        }
    }
}

fn of_notice(notice: &Event<'_>) -> io::Result<SseEvent> {
    Ok(event(notice.name(), &notice.json()?))
}

/// Lines of JSON hold no line ends, so they are one field of data.
fn event(name: &str, line: &[u8]) -> SseEvent {
    SseEvent::default().event(name).data(String::from_utf8_lossy(line))
}
