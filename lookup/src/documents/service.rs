//! The gRPC service of documents. Streams are pulled by their reader: one who does not read costs a cursor, never a queue,
//! because what he has not seen yet is the set behind a number.

use super::Documents;
use super::bounds::{
    CHUNK_BYTES, CHUNK_PATIENCE, MAX_DOCUMENT_WATCHERS, MAX_MESSAGE_BYTES, MAX_MESSAGE_DOCUMENTS,
    UPLOAD_PATIENCE,
};
use super::refusal::Refusal;
use super::set::Taken;
use super::writer::Head;
use crate::lookup::Inner;
use crate::service::{Answer, admit, closing, named};
use bytes::Bytes;
use futures_util::{Stream, stream};
use hedgerow_model::document::MAX_BODY_BYTES;
use hedgerow_proto::convert::document::hash_from_wire;
use hedgerow_proto::convert::registration::id_to_wire;
use hedgerow_proto::lookup::{self as wire, Signed, documents_server};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;
use tonic::{Request, Status, Streaming};

/// Most bytes of a message that comes in: a body with its signature, or a chunk.
pub const MAX_REQUEST_BYTES: usize = 2 * MAX_BODY_BYTES;
/// Most kinds that one asks for.
const MAX_KINDS: usize = 64;

/// The service.
pub struct DocumentsService(pub(crate) Arc<Inner>);

type Told<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl documents_server::Documents for DocumentsService {
    type WatchDocumentsStream = Told<wire::WatchDocumentsResponse>;
    type ReadBytesStream = Told<wire::ReadBytesResponse>;

    async fn publish(&self, request: Request<wire::PublishRequest>) -> Answer<wire::PublishResponse> {
        let taken = self.taken(&request, |request| request.document.as_ref()).await;
        named(&self.0, taken.map(|(taken, newer)| wire::PublishResponse { taken: taken.into(), newer }))
    }

    async fn offer(&self, request: Request<wire::OfferRequest>) -> Answer<wire::OfferResponse> {
        let taken = self.taken(&request, |request| request.document.as_ref()).await;
        named(&self.0, taken.map(|(taken, newer)| wire::OfferResponse { taken: taken.into(), newer }))
    }

    async fn publish_bytes(
        &self,
        request: Request<Streaming<wire::PublishBytesRequest>>,
    ) -> Answer<wire::PublishBytesResponse> {
        let piece = |message: wire::PublishBytesRequest| (message.sha256, message.size, message.chunk);
        let known = self.received(request, piece).await;
        named(&self.0, known.map(|known| wire::PublishBytesResponse { known }))
    }

    async fn offer_bytes(
        &self,
        request: Request<Streaming<wire::OfferBytesRequest>>,
    ) -> Answer<wire::OfferBytesResponse> {
        let piece = |message: wire::OfferBytesRequest| (message.sha256, message.size, message.chunk);
        let known = self.received(request, piece).await;
        named(&self.0, known.map(|known| wire::OfferBytesResponse { known }))
    }

    async fn watch_documents(
        &self,
        request: Request<wire::WatchDocumentsRequest>,
    ) -> Answer<Self::WatchDocumentsStream> {
        let watching = admit(&self.0, request.metadata())
            .and_then(|()| Watching::begin(&self.0, request.into_inner().kinds))
            .map(|watching| -> Self::WatchDocumentsStream { Box::pin(watching.messages()) });
        named(&self.0, watching)
    }

    async fn read_bytes(&self, request: Request<wire::ReadBytesRequest>) -> Answer<Self::ReadBytesStream> {
        named(&self.0, self.read(request).await)
    }
}

impl DocumentsService {
    fn documents(&self) -> &Documents {
        &self.0.documents
    }

    async fn taken<Q>(
        &self,
        request: &Request<Q>,
        document: impl Fn(&Q) -> Option<&Signed>,
    ) -> Result<(wire::Taken, Option<Signed>), Status> {
        admit(&self.0, request.metadata())?;
        let document = document(request.get_ref());
        let document = document.ok_or_else(|| Status::invalid_argument("document: missing"))?;
        Ok(match self.documents().take(document).await? {
            Taken::New(_) => (wire::Taken::New, None),
            Taken::Equal => (wire::Taken::Equal, None),
            Taken::Older(newer) => (wire::Taken::Older, Some(newer.signed.clone())),
        })
    }

    /// Takes bytes in pieces; whether they were here already.
    async fn received<Q>(
        &self,
        request: Request<Streaming<Q>>,
        piece: impl Fn(Q) -> (Bytes, u64, Bytes),
    ) -> Result<bool, Status> {
        admit(&self.0, request.metadata())?;
        let mut requests = request.into_inner();
        let receiving = async {
            let missing = || Status::invalid_argument("bytes: the call ended before its first message");
            let (sha256, size, first) = piece(next(&mut requests).await?.ok_or_else(missing)?);
            let hash = hash_from_wire("sha256", &sha256)?;
            if !self.documents().wants(hash, size)? {
                return Ok(None);
            }
            let late = |what| Status::deadline_exceeded(format!("bytes: {what} within {UPLOAD_PATIENCE:?}"));
            let turn = timeout(UPLOAD_PATIENCE, self.documents().uploads.acquire()).await;
            let turn = turn.map_err(|_| late("others came in, and no turn"))?.map_err(|_| closing())?;
            let bytes = timeout(UPLOAD_PATIENCE, gathered(requests, piece, first, size)).await;
            Ok(Some((hash, bytes.map_err(|_| late("not all here"))??, turn)))
        };
        let received: Result<_, Status> = tokio::select! {
            () = self.0.closing.cancelled() => return Err(closing()),
            received = receiving => received,
        };
        match received? {
            None => Ok(true),
            Some((hash, bytes, _turn)) => Ok(self.documents().keep(hash, bytes).await?),
        }
    }

    async fn read(
        &self,
        request: Request<wire::ReadBytesRequest>,
    ) -> Result<<Self as documents_server::Documents>::ReadBytesStream, Status> {
        admit(&self.0, request.metadata())?;
        let hash = hash_from_wire("sha256", &request.get_ref().sha256)?;
        if !self.documents().check(hash).await {
            return Err(Status::not_found(format!("bytes {hash}: not here, ask another lookup")));
        }
        let lookup = Arc::clone(&self.0);
        Ok(Box::pin(stream::try_unfold((lookup, 0), move |(lookup, offset)| async move {
            if lookup.closing.is_cancelled() {
                return Err(closing());
            }
            let blobs = Arc::clone(&lookup.documents.blobs);
            let chunk = tokio::task::spawn_blocking(move || blobs.read(hash, offset)).await;
            let chunk = chunk
                .map_err(|_| closing())?
                .map_err(|error| Status::data_loss(format!("bytes {hash}: {error}")))?;
            let next = offset + chunk.len() as u64;
            let message = wire::ReadBytesResponse { chunk: chunk.into() };
            Ok((!message.chunk.is_empty()).then_some((message, (lookup, next))))
        })))
    }
}

/// The next message, unless none comes for [`CHUNK_PATIENCE`].
async fn next<Q>(requests: &mut Streaming<Q>) -> Result<Option<Q>, Status> {
    let stalled = |_| Status::deadline_exceeded(format!("bytes: nothing came for {CHUNK_PATIENCE:?}"));
    timeout(CHUNK_PATIENCE, requests.message()).await.map_err(stalled)?
}

/// The pieces together, from the first on.
async fn gathered<Q>(
    mut requests: Streaming<Q>,
    piece: impl Fn(Q) -> (Bytes, u64, Bytes),
    first: Bytes,
    size: u64,
) -> Result<Vec<u8>, Status> {
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    let mut chunk = first;
    loop {
        if chunk.len() > CHUNK_BYTES || (bytes.len() + chunk.len()) as u64 > size {
            let got = format!("{} bytes or more", bytes.len() + chunk.len());
            return Err(Refusal::Altered { expected: format!("{size} bytes"), got }.into());
        }
        bytes.extend_from_slice(&chunk);
        match next(&mut requests).await? {
            Some(message) => chunk = piece(message).2,
            None => return Ok(bytes),
        }
    }
}

/// One who watches: how far he has seen.
struct Watching {
    lookup: Arc<Inner>,
    kinds: Vec<String>,
    head: watch::Receiver<Head>,
    began: Head,
    seen: u64,
    complete: bool,
    _place: OwnedSemaphorePermit,
}

impl Watching {
    fn begin(lookup: &Arc<Inner>, kinds: Vec<String>) -> Result<Self, Status> {
        if kinds.len() > MAX_KINDS {
            return Err(Status::invalid_argument(format!("kinds: {}, at most {MAX_KINDS}", kinds.len())));
        }
        let too_many =
            |_| Refusal::Full { what: "watchers of documents", most: MAX_DOCUMENT_WATCHERS as u64 };
        let place = Arc::clone(&lookup.documents.watchers).try_acquire_owned().map_err(too_many)?;
        let head = lookup.documents.head.clone();
        let began = *head.borrow();
        Ok(Self { lookup: Arc::clone(lookup), kinds, head, began, seen: 0, complete: false, _place: place })
    }

    fn messages(self) -> impl Stream<Item = Result<wire::WatchDocumentsResponse, Status>> + Send {
        stream::try_unfold(self, |mut watching| async {
            let message = watching.next().await?;
            Ok(Some((message, watching)))
        })
    }

    async fn next(&mut self) -> Result<wire::WatchDocumentsResponse, Status> {
        loop {
            let head = *self.head.borrow_and_update();
            if self.lookup.closing.is_cancelled() {
                return Err(closing());
            }
            if head.hidden != self.began.hidden {
                return Err(Status::aborted(
                    "bytes of a document were lost here: watch again to learn of which",
                ));
            }
            let (documents, all) = self.fetch();
            if !documents.is_empty() || (all && !self.complete) {
                self.complete |= all;
                let lookup_id = id_to_wire(self.lookup.id);
                return Ok(wire::WatchDocumentsResponse { documents, complete: self.complete, lookup_id });
            }
            tokio::select! {
                () = self.lookup.closing.cancelled() => {}
                changed = self.head.changed() => changed.map_err(|_| closing())?,
            }
        }
    }

    /// What was not seen yet, as much as a message holds; whether that is all.
    fn fetch(&mut self) -> (Vec<Signed>, bool) {
        let set = self.lookup.documents.set.lock();
        let (mut documents, mut bytes) = (Vec::new(), 0);
        for (number, document) in set.after(self.seen) {
            let size = document.signed.body.len();
            if documents.len() >= MAX_MESSAGE_DOCUMENTS || (bytes > 0 && bytes + size > MAX_MESSAGE_BYTES) {
                return (documents, false);
            }
            self.seen = number;
            if self.kinds.is_empty() || self.kinds.contains(&document.document.kind) {
                bytes += size;
                documents.push(document.signed.clone());
            }
        }
        (documents, true)
    }
}
