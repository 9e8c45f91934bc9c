//! A filter that a farm runs for as long as it is read from: live, or over what the farm has stored.

use super::FARM_PATIENCE;
use crate::channel::in_time;
use crate::error::ClientError;
use crate::sample::Samples;
use crate::series_table::SeriesTable;
use crate::subscription::Farm;
use bytes::Bytes;
use futures_util::stream;
use hedgerow_model::{Gap, SeriesId, UnixMillis};
use hedgerow_proto::convert::{WireError, batch, document, series};
use hedgerow_proto::farm::item::Item as Told;
use hedgerow_proto::filter as wire;
use hedgerow_proto::filter::run_response::Response;
use hedgerow_proto::signed::hash;
use hedgerow_proto::stream::StreamMessage;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tonic::Streaming;

/// Bytes of the component in one message.
const CHUNK_BYTES: usize = 64 * 1024;
/// How long a farm may take to read the component and to say what it is: it may have to compile it, after others.
const ADMISSION_PATIENCE: Duration = Duration::from_secs(200);
const TRIED: &str = "run a filter";

/// What is to run.
#[derive(Debug, Clone)]
pub struct Hold {
    /// The component.
    pub component: Bytes,
    /// A JSON object; empty: none.
    pub parameters: String,
    /// The cluster of what it emits, in the answers only; empty: the component's own name. Over what is stored, the gaps that the
    /// deployment of this name was told are told at the same places.
    pub name: String,
    /// Over what the farm accepted in this time; `None`: live, until it is dropped.
    pub stored: Option<Range<UnixMillis>>,
}

/// What a run tells.
#[derive(Debug, Clone)]
pub enum Heard {
    /// What the component says of itself: once, first.
    Described(wire::Described),
    /// What it emitted.
    Samples(Samples),
    /// What it logged.
    Log(wire::LogLine),
    /// An alarm that it raised or cleared, as JSON.
    Alarm(String),
    /// An action that it asked for, as JSON: it is not run.
    Action(String),
    /// Samples that matched and are missing in its input.
    Gap(Gap),
    /// What it has cost so far; over what is stored once, at the end.
    Cost(wire::Cost),
}

/// A run. It ends at the farm when this is dropped.
pub struct Held {
    farm: Farm,
    answers: Streaming<wire::RunResponse>,
    table: SeriesTable,
    waiting: VecDeque<Heard>,
    described: bool,
}

/// Runs a filter at a farm, which takes the token: see [`Mesh::to_change`](crate::Mesh::to_change).
///
/// # Errors
/// Where the farm does not answer, or does not take it.
pub async fn hold(farm: &Farm, hold: &Hold) -> Result<Held, ClientError> {
    let Hold { component, parameters, name, stored } = hold;
    let begin = wire::run_request::Begin {
        name: name.clone(),
        parameters: parameters.clone(),
        component_sha256: document::hash_to_wire(hash(component)),
        component_size: component.len() as u64,
        from_ms: stored.as_ref().map_or(0, |times| times.start),
        to_ms: stored.as_ref().map_or(0, |times| times.end),
    };
    let component = component.clone();
    let chunks = (0..component.len())
        .step_by(CHUNK_BYTES)
        .map(move |at| component.slice(at..(at + CHUNK_BYTES).min(component.len())));
    let first = wire::RunRequest { begin: Some(begin), chunk: Bytes::new() };
    let rest = chunks.chain([Bytes::new()]).map(|chunk| wire::RunRequest { begin: None, chunk });
    let mut client = farm.connection.filters();
    let call = client.run(stream::iter([first].into_iter().chain(rest)));
    let answers = in_time(TRIED, farm.connection.url(), FARM_PATIENCE.max(ADMISSION_PATIENCE), call).await?;
    Ok(Held {
        farm: farm.clone(),
        answers: answers.into_inner(),
        table: SeriesTable::default(),
        waiting: VecDeque::new(),
        described: false,
    })
}

impl Held {
    /// What comes next; `None` at the end of a run over what is stored.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn next(&mut self) -> Result<Option<Heard>, ClientError> {
        let at = self.farm.connection.url().to_owned();
        loop {
            if let Some(heard) = self.waiting.pop_front() {
                return Ok(Some(heard));
            }
            let message = if self.described {
                self.answers.message().await.map_err(|status| ClientError::of_status(TRIED, &at, &status))?
            } else {
                in_time(TRIED, &at, ADMISSION_PATIENCE, self.answers.message()).await?
            };
            let Some(message) = message else { return Ok(None) };
            self.take(message).map_err(|error| ClientError::Wire { at: at.clone(), error })?;
        }
    }

    fn take(&mut self, message: wire::RunResponse) -> Result<(), WireError> {
        let heard = match message.response {
            Some(Response::Described(described)) => {
                self.described = true;
                Heard::Described(described)
            }
            Some(Response::Message(message)) => return self.samples(&message),
            Some(Response::Log(line)) => Heard::Log(line),
            Some(Response::Alarm(alarm)) => Heard::Alarm(alarm),
            Some(Response::Action(action)) => Heard::Action(action),
            Some(Response::Cost(cost)) => Heard::Cost(cost),
            Some(Response::Gap(gap)) => Heard::Gap(series::gap_from_wire(gap)?),
            // Of a later release.
            None => return Ok(()),
        };
        self.waiting.push_back(heard);
        Ok(())
    }

    fn samples(&mut self, message: &StreamMessage) -> Result<(), WireError> {
        for item in message.decode_items() {
            let item = item.map_err(|error| WireError::new("items", error.to_string()))?;
            match item.item {
                Some(Told::Series(told)) => {
                    let (id, def) = series::from_wire(told)?;
                    let next = self.table.add(Arc::new(def));
                    if next != Some(id) {
                        return Err(WireError::new("series", format!("id {}: expected {next:?}", id.0)));
                    }
                }
                Some(Told::Batch(told)) => {
                    let numbered = batch::from_wire(told, |_| None)?;
                    let unknown = |id: &&SeriesId| self.table.get(**id).is_none();
                    if let Some(id) = numbered.batch.series.iter().find(unknown) {
                        return Err(WireError::new(
                            "series",
                            format!("id {}: not named by this stream", id.0),
                        ));
                    }
                    let (farm, series) = (Arc::clone(&self.farm.name), self.table.clone());
                    self.waiting.push_back(Heard::Samples(Samples { farm, numbered, series, late: false }));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("farm", &self.farm.name).finish_non_exhaustive()
    }
}
