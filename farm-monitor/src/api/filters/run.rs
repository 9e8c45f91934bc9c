//! `Filters.Run`: reads what a caller sends, and holds the run for as long as the caller listens.

use crate::filter::held::{Ended, Order};
use bytes::{Bytes, BytesMut};
use hedgerow_filter_host::guest::Fault;
use hedgerow_model::Name;
use hedgerow_model::document::MAX_BLOB_BYTES;
use hedgerow_proto::convert::document::hash_from_wire;
use hedgerow_proto::filter::RunRequest;
use hedgerow_proto::filter::run_request::Begin;
use hedgerow_proto::signed::hash;
use std::time::Duration;
use tonic::{Status, Streaming};

/// How long a caller may take to send a component.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(60);

/// Reads what is to run.
pub(super) async fn order(requests: Streaming<RunRequest>) -> Result<Order, Status> {
    let read = tokio::time::timeout(UPLOAD_PATIENCE, read(requests)).await;
    read.unwrap_or_else(|_| {
        Err(Status::deadline_exceeded(format!(
            "the component was not sent within {} s",
            UPLOAD_PATIENCE.as_secs()
        )))
    })
}

async fn read(mut requests: Streaming<RunRequest>) -> Result<Order, Status> {
    let first = requests.message().await?.unwrap_or_default();
    let begin =
        first.begin.ok_or_else(|| Status::invalid_argument("begin: expected it in the first message"))?;
    let size = begin.component_size;
    if size == 0 || size > MAX_BLOB_BYTES {
        return Err(Status::invalid_argument(format!(
            "begin.component_size: {size}, expected 1 to {MAX_BLOB_BYTES} bytes"
        )));
    }
    let mut component = BytesMut::new();
    let mut chunk = first.chunk;
    loop {
        component.extend_from_slice(&chunk);
        if component.len() as u64 > size {
            return Err(Status::invalid_argument(format!(
                "the component has more than the {size} bytes announced"
            )));
        }
        chunk = match requests.message().await? {
            Some(RunRequest { begin: Some(_), .. }) => {
                return Err(Status::invalid_argument("begin: expected it in the first message only"));
            }
            Some(message) if !message.chunk.is_empty() => message.chunk,
            _ => break,
        };
    }
    checked(begin, component.freeze())
}

fn checked(begin: Begin, component: Bytes) -> Result<Order, Status> {
    let announced = hash_from_wire("begin.component_sha256", &begin.component_sha256)?;
    if component.len() as u64 != begin.component_size || hash(&component) != announced {
        return Err(Status::invalid_argument("the component is not that which was announced: send it again"));
    }
    let name = (!begin.name.is_empty()).then(|| Name::new(&begin.name)).transpose();
    let name = name.map_err(|error| Status::invalid_argument(format!("begin.name: {error}")))?;
    let stored = match (begin.from_ms, begin.to_ms) {
        (0, 0) => None,
        (from, to) if from < to => Some(from..to),
        (from, to) => {
            return Err(Status::invalid_argument(format!(
                "begin.to_ms: {to}, expected a time after begin.from_ms, {from}"
            )));
        }
    };
    Ok(Order { name, parameters: begin.parameters, component, stored })
}

/// How the end of a run is told.
pub(super) fn status(ended: &Ended) -> Status {
    let text = ended.to_string();
    match ended {
        Ended::Refused(_) => Status::failed_precondition(text),
        Ended::Stopped(Fault::Host(_)) | Ended::Cache(_) => Status::unavailable(text),
        Ended::Stopped(_) => Status::aborted(text),
        Ended::Alone => Status::cancelled(text),
    }
}
