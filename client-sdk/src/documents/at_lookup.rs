//! The calls, at one lookup.

use super::merge::MAX_DOCUMENTS;
use crate::channel::{Caller, Connection, in_time};
use crate::error::ClientError;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use hedgerow_model::document::Blob;
use hedgerow_proto::WireError;
use hedgerow_proto::convert::document::hash_to_wire;
use hedgerow_proto::lookup::{self as wire, Signed};
use hedgerow_proto::signed::{SignedDocument, hash, open_document, read_document};
use std::sync::Arc;
use std::time::Duration;
use tonic::Streaming;

/// How long a lookup may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How long a blob may take, either way.
pub const BYTES_PATIENCE: Duration = Duration::from_secs(90);
/// Bytes of a blob in one message.
const CHUNK_BYTES: usize = 64 * 1024;

/// What a lookup did with a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// It stands there now.
    New,
    /// It stood there already.
    Equal,
    /// A newer one stands there.
    Older(Arc<SignedDocument>),
}

/// Whether one gives what is one's own, or carries what is another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    Author,
    Carrier,
}

/// Gives a document.
pub async fn give(lookup: &Connection, as_whom: As, document: Signed) -> Result<Taken, ClientError> {
    const TRIED: &str = "give a document";
    let ours = document.clone();
    let mut client = lookup.documents();
    let document = Some(document);
    let (taken, newer) = match as_whom {
        As::Author => {
            let call = client.publish(wire::PublishRequest { document });
            let answer = in_time(TRIED, lookup.url(), PATIENCE, call).await?.into_inner();
            (answer.taken(), answer.newer)
        }
        As::Carrier => {
            let call = client.offer(wire::OfferRequest { document });
            let answer = in_time(TRIED, lookup.url(), PATIENCE, call).await?.into_inner();
            (answer.taken(), answer.newer)
        }
    };
    let wrong = |problem: String| ClientError::Wire {
        at: lookup.url().to_owned(),
        error: WireError::new("taken", problem),
    };
    match (taken, newer) {
        (wire::Taken::New, _) => Ok(Taken::New),
        (wire::Taken::Equal, _) => Ok(Taken::Equal),
        (wire::Taken::Older, Some(newer)) => {
            newer_of(&ours, &newer).map(|newer| Taken::Older(Arc::new(newer))).map_err(wrong)
        }
        _ => Err(wrong(format!("{taken:?}: not understood"))),
    }
}

/// What a lookup shows as newer than `ours`: verified, and of the same owner, kind and name. Another's would choose the serial
/// that comes after it.
pub(super) fn newer_of(ours: &Signed, newer: &Signed) -> Result<SignedDocument, String> {
    let ours = read_document(ours).map_err(|error| error.to_string())?;
    let newer = open_document(newer).map_err(|error| error.to_string())?;
    if newer.key() == ours.key() && newer.rank() > ours.rank() {
        return Ok(newer);
    }
    Err("it is said to be older than a document that is another one, or not newer".to_owned())
}

/// Gives bytes.
pub async fn give_bytes(
    lookup: &Connection,
    as_whom: As,
    blob: Blob,
    bytes: Bytes,
) -> Result<(), ClientError> {
    const TRIED: &str = "give the bytes of a document";
    let (sha256, size) = (hash_to_wire(blob.hash), blob.size);
    let chunks = (0..bytes.len())
        .step_by(CHUNK_BYTES)
        .map(move |at| bytes.slice(at..(at + CHUNK_BYTES).min(bytes.len())));
    let mut client = lookup.documents();
    match as_whom {
        As::Author => {
            let first = wire::PublishBytesRequest { sha256, size, chunk: Bytes::new() };
            let rest = chunks.map(|chunk| wire::PublishBytesRequest { chunk, ..Default::default() });
            let call = client.publish_bytes(stream::iter(std::iter::once(first).chain(rest)));
            in_time(TRIED, lookup.url(), BYTES_PATIENCE, call).await?;
        }
        As::Carrier => {
            let first = wire::OfferBytesRequest { sha256, size, chunk: Bytes::new() };
            let rest = chunks.map(|chunk| wire::OfferBytesRequest { chunk, ..Default::default() });
            let call = client.offer_bytes(stream::iter(std::iter::once(first).chain(rest)));
            in_time(TRIED, lookup.url(), BYTES_PATIENCE, call).await?;
        }
    }
    Ok(())
}

/// Fetches bytes, and believes them only if they are what was asked for.
pub async fn fetch(lookup: &Connection, blob: Blob) -> Result<Bytes, ClientError> {
    const TRIED: &str = "fetch the bytes of a document";
    let fetching = async {
        let mut client = lookup.documents();
        let request = wire::ReadBytesRequest { sha256: hash_to_wire(blob.hash) };
        let mut chunks = client.read_bytes(request).await?.into_inner();
        let mut bytes = BytesMut::new();
        while let Some(message) = chunks.message().await? {
            bytes.extend_from_slice(&message.chunk);
            if bytes.len() as u64 > blob.size {
                break;
            }
        }
        Ok(bytes.freeze())
    };
    let bytes = in_time(TRIED, lookup.url(), BYTES_PATIENCE, fetching).await?;
    if bytes.len() as u64 == blob.size && hash(&bytes) == blob.hash {
        return Ok(bytes);
    }
    let problem = format!("not those that hash to {}", blob.hash);
    Err(ClientError::Wire { at: lookup.url().to_owned(), error: WireError::new("bytes", problem) })
}

/// Begins to watch the documents of these kinds; none: all.
pub async fn watch(
    lookup: &Connection,
    kinds: &[String],
) -> Result<Streaming<wire::WatchDocumentsResponse>, ClientError> {
    const TRIED: &str = "watch documents";
    let mut client = lookup.documents();
    let call = client.watch_documents(wire::WatchDocumentsRequest { kinds: kinds.to_vec() });
    Ok(in_time(TRIED, lookup.url(), PATIENCE, call).await?.into_inner())
}

/// All documents of a kind that a lookup of the caller's mesh has now, tombstones included; those that are not signed, or of
/// another mesh, are left out.
///
/// # Errors
/// Where it does not answer, is of another mesh, or has more than is held.
pub async fn standing_at(
    caller: &Caller,
    url: &str,
    kind: &str,
) -> Result<Vec<Arc<SignedDocument>>, ClientError> {
    let lookup = caller.connect(url)?;
    lookup.greet(caller, PATIENCE).await?;
    let mesh = caller.mesh().map(|mesh| mesh.id);
    let mut all = Vec::new();
    tell_all(&lookup, kind, |signed| {
        let opened = open_document(signed).ok();
        all.extend(opened.filter(|d| mesh == Some(d.document.mesh) && d.document.kind == kind).map(Arc::new));
    })
    .await?;
    Ok(all)
}

/// The greatest serial of those documents of a kind that are `ours`.
pub async fn greatest_serial(
    lookup: &Connection,
    kind: &str,
    ours: impl Fn(&SignedDocument) -> bool,
) -> Result<u64, ClientError> {
    let mut greatest = 0;
    tell_all(lookup, kind, |signed| {
        let serial = open_document(signed).ok().filter(&ours).map_or(0, |document| document.document.serial);
        greatest = greatest.max(serial);
    })
    .await?;
    Ok(greatest)
}

/// Gives each document of a kind that stands at a lookup, to the end.
async fn tell_all(lookup: &Connection, kind: &str, mut each: impl FnMut(&Signed)) -> Result<(), ClientError> {
    const TRIED: &str = "read what stands";
    let mut messages = watch(lookup, &[kind.to_owned()]).await?;
    let reading = async {
        let mut count = 0;
        while let Some(message) = messages.next().await {
            let message = message?;
            count += message.documents.len();
            if count > MAX_DOCUMENTS {
                return Err(tonic::Status::resource_exhausted(format!(
                    "more than {MAX_DOCUMENTS} documents"
                )));
            }
            message.documents.iter().for_each(&mut each);
            if message.complete {
                return Ok(());
            }
        }
        Err(tonic::Status::unavailable("the lookup ended the stream"))
    };
    in_time(TRIED, lookup.url(), PATIENCE, reading).await
}
