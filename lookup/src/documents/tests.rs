//! The store as a client sees it, on a real disk, over restarts and damage.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::bounds::{CHUNK_BYTES, CHUNK_PATIENCE};
use super::*;
use crate::lookup::{Lookup, LookupOptions};
use crate::testing::mesh;
use ed25519_dalek::SigningKey;
use futures_util::{StreamExt as _, stream};
use hedgerow_model::document::{Blob, Document, MAX_BLOB_BYTES};
use hedgerow_model::registration::Id;
use hedgerow_proto::MESH_ID_METADATA;
use hedgerow_proto::convert::document::hash_to_wire;
use hedgerow_proto::lookup::documents_client::DocumentsClient;
use hedgerow_proto::lookup::documents_server::DocumentsServer;
use hedgerow_proto::lookup::{
    PublishBytesRequest, PublishRequest, ReadBytesRequest, Taken as WireTaken, WatchDocumentsRequest,
    WatchDocumentsResponse,
};
use hedgerow_proto::signed::sign_document;
use std::fs;
use std::path::PathBuf;
use tonic::{Code, Request, Status, Streaming};

struct Served {
    folder: tempfile::TempDir,
    lookup: Option<Lookup>,
    client: DocumentsClient<DocumentsServer<DocumentsService>>,
}

fn open(folder: &Path) -> Lookup {
    let options = LookupOptions { mesh: Some(mesh()), ..LookupOptions::new(folder.to_owned(), Id([7; 16])) };
    Lookup::open(options).unwrap()
}

impl Served {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lookup = open(folder.path());
        Self { client: DocumentsClient::new(lookup.documents_service()), folder, lookup: Some(lookup) }
    }

    /// Starts again; what is done to the folder in between is done to a lookup that did not close in good order.
    fn restart(&mut self, between: impl FnOnce(&Path)) {
        let folder = self.folder.path().to_owned();
        let nobody = tempfile::tempdir().unwrap();
        // The old one goes with its last client.
        self.client = DocumentsClient::new(open(nobody.path()).documents_service());
        self.lookup = None;
        between(&folder);
        let lookup = open(&folder);
        self.client = DocumentsClient::new(lookup.documents_service());
        self.lookup = Some(lookup);
    }

    fn status(&self) -> DocumentStatus {
        self.lookup.as_ref().unwrap().status().documents
    }

    async fn publish(&mut self, document: Signed) -> Result<WireTaken, Status> {
        let answer = self.client.publish(PublishRequest { document: Some(document) }).await?;
        Ok(answer.into_inner().taken())
    }

    async fn give(&mut self, hash: Hash, size: u64, bytes: &[u8]) -> Result<bool, Status> {
        let sha256 = hash_to_wire(hash);
        let chunks = bytes.chunks(CHUNK_BYTES).map(bytes::Bytes::copy_from_slice);
        let first = PublishBytesRequest { sha256, size, ..PublishBytesRequest::default() };
        let rest = chunks.map(|chunk| PublishBytesRequest { chunk, ..PublishBytesRequest::default() });
        let all: Vec<_> = std::iter::once(first).chain(rest).collect();
        Ok(self.client.publish_bytes(stream::iter(all)).await?.into_inner().known)
    }

    async fn give_whole(&mut self, bytes: &[u8]) -> bool {
        self.give(signed::hash(bytes), bytes.len() as u64, bytes).await.unwrap()
    }

    async fn bytes(&mut self, hash: Hash) -> Result<Vec<u8>, Status> {
        let request = ReadBytesRequest { sha256: hash_to_wire(hash) };
        let mut chunks = self.client.read_bytes(request).await?.into_inner();
        let mut bytes = Vec::new();
        while let Some(message) = chunks.message().await? {
            bytes.extend_from_slice(&message.chunk);
        }
        Ok(bytes)
    }

    async fn watch(&mut self, kinds: &[&str]) -> Streaming<WatchDocumentsResponse> {
        let kinds = kinds.iter().map(ToString::to_string).collect();
        self.client.watch_documents(WatchDocumentsRequest { kinds }).await.unwrap().into_inner()
    }

    /// All that stands.
    async fn standing(&mut self) -> Vec<String> {
        let mut watch = self.watch(&[]).await;
        let mut all = Vec::new();
        loop {
            let message = watch.message().await.unwrap().unwrap();
            all.extend(named(&message));
            if message.complete {
                all.sort();
                return all;
            }
        }
    }

    fn blob_file(&self, hash: Hash) -> PathBuf {
        self.folder.path().join(BLOBS).join(hash.to_string())
    }
}

fn named(message: &WatchDocumentsResponse) -> Vec<String> {
    let read = message.documents.iter().map(|signed| signed::open_document(signed).unwrap().document);
    read.map(|d| format!("{} {} {}{}", d.kind, d.name, d.serial, if d.tombstone { " gone" } else { "" }))
        .collect()
}

fn document(name: &str, serial: u64, blobs: &[&[u8]]) -> Document {
    let blob = |bytes: &&[u8]| Blob { hash: signed::hash(bytes), size: bytes.len() as u64 };
    Document {
        mesh: mesh().id,
        kind: "deployment".into(),
        name: name.into(),
        serial,
        tombstone: false,
        signed_ms: crate::clock::RuntimeClock::default().unix_millis(),
        ends_ms: None,
        payload: b"what it says".to_vec(),
        blobs: blobs.iter().map(blob).collect(),
    }
}

fn sign(document: &Document) -> Signed {
    sign_document(document, &SigningKey::from_bytes(&[1; 32]))
}

#[tokio::test]
async fn what_is_acknowledged_is_there_after_a_restart_with_its_bytes() {
    let mut served = Served::new();
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let missing = served.publish(sign(&document("a", 1, &[&bytes]))).await.unwrap_err();
    assert_eq!(missing.code(), Code::FailedPrecondition);
    assert!(missing.message().contains(&signed::hash(&bytes).to_string()), "{missing}");
    assert!(!served.give_whole(&bytes).await);
    assert!(served.give_whole(&bytes).await, "known by now");
    let published = sign(&document("a", 1, &[&bytes]));
    assert_eq!(served.publish(published.clone()).await.unwrap(), WireTaken::New);
    assert_eq!(served.publish(published).await.unwrap(), WireTaken::Equal);
    served.publish(sign(&document("b", 3, &[]))).await.unwrap();
    assert_eq!(served.publish(sign(&document("b", 2, &[]))).await.unwrap(), WireTaken::Older);
    let gone = Document { tombstone: true, payload: Vec::new(), ..document("c", 2, &[]) };
    served.publish(sign(&gone)).await.unwrap();
    let before = served.status();
    served.restart(|folder| {
        fs::write(folder.join(BLOBS).join("new-7"), b"half a blob").unwrap();
    });
    assert_eq!(served.standing().await, ["deployment a 1", "deployment b 3", "deployment c 2 gone"]);
    assert_eq!(served.bytes(signed::hash(&bytes)).await.unwrap(), bytes);
    assert_eq!((served.status().documents, served.status().bytes), (before.documents, before.bytes));
    let files: Vec<_> = fs::read_dir(served.folder.path().join(BLOBS)).unwrap().collect();
    assert_eq!(files.len(), 1, "what was not finished is gone");
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing() {
    let mut served = Served::new();
    served.publish(sign(&document("a", 1, &[]))).await.unwrap();
    let fill = |full| Change::FillTheDisk(full);
    served.lookup.as_ref().unwrap().documents().changes.send(fill(true)).await.unwrap();
    let large = Document { payload: vec![7; 60_000], ..document("a", 2, &[]) };
    let refused = served.publish(sign(&large)).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("cannot write to its disk"), "{refused}");
    assert!(refused.metadata().contains_key("retry-after"));
    assert_eq!(served.standing().await, ["deployment a 1"], "what stood stands");
    served.lookup.as_ref().unwrap().documents().changes.send(fill(false)).await.unwrap();
    assert_eq!(served.publish(sign(&large)).await.unwrap(), WireTaken::New);
    assert_eq!(served.status().counters.write_failures, 1);
    // Bytes that cannot be written, either.
    let blobs = served.folder.path().join(BLOBS);
    fs::rename(&blobs, served.folder.path().join("away")).unwrap();
    let refused = served.give(signed::hash(b"some"), 4, b"some").await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    fs::rename(served.folder.path().join("away"), &blobs).unwrap();
    assert!(!served.give_whole(b"some").await);
}

#[tokio::test]
async fn altered_bytes_and_documents_and_what_is_too_large_are_refused() {
    let mut served = Served::new();
    let (hash, size) = (signed::hash(b"bytes"), 5);
    for bytes in [&b"bytez"[..], b"byte", b"bytes and more", b""] {
        let refused = served.give(hash, size, bytes).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    let refused = served.give(hash, 20 << 20, b"").await.unwrap_err();
    assert!(refused.message().contains(&format!("expected 1 to {MAX_BLOB_BYTES}")), "{refused}");
    let short = PublishBytesRequest { sha256: b"short".as_slice().into(), size, ..Default::default() };
    assert!(served.client.publish_bytes(stream::iter([short])).await.is_err());
    assert_eq!(fs::read_dir(served.folder.path().join(BLOBS)).unwrap().count(), 0);
    assert_eq!(served.bytes(hash).await.unwrap_err().code(), Code::NotFound);

    let mut altered = sign(&document("a", 1, &[]));
    altered.body = sign(&document("b", 1, &[])).body;
    assert_eq!(served.publish(altered).await.unwrap_err().code(), Code::InvalidArgument);
    let large = Document { payload: vec![0; 65 << 10], ..document("a", 1, &[]) };
    let refused = served.publish(sign(&large)).await.unwrap_err();
    assert!(refused.message().contains("put what is large into blobs"), "{refused}");
    assert_eq!(served.status().documents, 0);
    assert!(served.status().counters.refused >= 6, "{:?}", served.status());
}

#[tokio::test]
async fn another_mesh_is_refused_naming_both() {
    let mut served = Served::new();
    let theirs = Id([0xbb; 16]);
    let document = Some(sign(&Document { mesh: theirs, ..document("a", 1, &[]) }));
    let refused = served.client.publish(PublishRequest { document }).await.unwrap_err();
    let mut request = Request::new(WatchDocumentsRequest::default());
    request.metadata_mut().insert(MESH_ID_METADATA, theirs.to_string().parse().unwrap());
    let stranger = served.client.watch_documents(request).await.unwrap_err();
    for refused in [refused, stranger] {
        assert_eq!(refused.code(), Code::FailedPrecondition);
        let both = [mesh().id.to_string(), theirs.to_string()];
        assert!(both.iter().all(|id| refused.message().contains(id)), "{refused}");
        assert_eq!(*refused.metadata().get(MESH_ID_METADATA).unwrap(), *mesh().id.to_string());
    }
}

#[tokio::test]
async fn who_watches_sees_all_and_then_each_change_and_who_is_slow_sees_the_last() {
    let mut served = Served::new();
    let other = Document { kind: "rollout".into(), ..document("r", 1, &[]) };
    for standing in [document("a", 1, &[]), document("b", 1, &[]), other] {
        served.publish(sign(&standing)).await.unwrap();
    }
    let mut watch = served.watch(&["deployment"]).await;
    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(
        (named(&first), first.complete),
        (vec!["deployment a 1".into(), "deployment b 1".into()], true)
    );
    assert_eq!(first.lookup_id, [7; 16].as_slice());
    for serial in 2..40 {
        served.publish(sign(&document("a", serial, &[]))).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "deployment a 39") {
        seen.extend(named(&watch.message().await.unwrap().unwrap()));
    }
    assert!(seen.len() <= 2, "what was replaced before it was read is not sent: {seen:?}");
    // More than a message holds comes in several.
    for name in 0..30 {
        let large = Document { payload: vec![0; 60_000], ..document(&format!("large-{name}"), 1, &[]) };
        served.publish(sign(&large)).await.unwrap();
    }
    let mut watch = served.watch(&[]).await;
    let first = watch.message().await.unwrap().unwrap();
    assert!(!first.complete && first.documents.len() < 25);
    assert_eq!(served.standing().await.len(), 33);
    served.lookup.as_ref().unwrap().close().await;
    let ended = loop {
        match watch.message().await {
            Ok(message) => assert!(message.is_some(), "ends with a reason"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::Unavailable);
}

#[tokio::test]
async fn bytes_that_went_bad_are_never_given_out_and_their_document_hides_until_they_come_again() {
    let mut served = Served::new();
    served.give_whole(b"good bytes").await;
    let hash = signed::hash(b"good bytes");
    served.publish(sign(&document("a", 1, &[b"good bytes"]))).await.unwrap();
    served.publish(sign(&document("b", 1, &[]))).await.unwrap();
    fs::write(served.blob_file(hash), b"bad. bytes").unwrap();
    let mut watch = served.watch(&[]).await;
    watch.message().await.unwrap();
    assert_eq!(served.bytes(hash).await.unwrap_err().code(), Code::NotFound);
    let ended = watch.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::Aborted, "who watches begins again: {ended}");
    assert_eq!(served.standing().await, ["deployment b 1"]);
    assert_eq!(served.status().counters.blobs_broken, 1);
    served.restart(|_| ());
    assert_eq!(served.standing().await, ["deployment b 1"]);
    assert!(!served.give_whole(b"good bytes").await);
    assert_eq!(served.standing().await, ["deployment a 1", "deployment b 1"]);
    assert_eq!(served.bytes(hash).await.unwrap(), b"good bytes");
    // Another who found the old ones broken says so only now.
    served.lookup.as_ref().unwrap().documents().changes.send(Change::Lose(hash)).await.unwrap();
    served.publish(sign(&document("c", 1, &[]))).await.unwrap();
    assert_eq!(served.standing().await.len(), 3);
    assert_eq!(served.bytes(hash).await.unwrap(), b"good bytes");
}

#[tokio::test]
async fn damaged_rows_are_dropped_and_a_broken_file_is_set_aside() {
    let mut served = Served::new();
    for name in ["a", "b"] {
        served.publish(sign(&document(name, 1, &[]))).await.unwrap();
    }
    served.restart(|folder| {
        let file = rusqlite::Connection::open(folder.join("documents.db")).unwrap();
        let altered = "UPDATE document SET signature = zeroblob(64) WHERE name = 'a'";
        assert_eq!(file.execute(altered, []).unwrap(), 1);
    });
    assert_eq!(served.standing().await, ["deployment b 1"]);
    served.restart(|folder| fs::write(folder.join("documents.db"), b"nothing that SQLite knows").unwrap());
    assert!(served.standing().await.is_empty());
    assert!(served.folder.path().join("documents.db.broken-1").exists());
    assert_eq!(served.publish(sign(&document("a", 1, &[]))).await.unwrap(), WireTaken::New);
}

#[tokio::test]
async fn a_file_of_a_later_release_is_refused_and_stays_as_it_is() {
    let mut served = Served::new();
    served.publish(sign(&document("a", 1, &[]))).await.unwrap();
    served.restart(|folder| {
        let path = folder.join("documents.db");
        let is_of = |version: i32| {
            rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", version).unwrap();
        };
        is_of(2);
        let refused = DocumentFile::open(folder, mesh().id).unwrap_err().to_string();
        assert!(
            refused.contains("documents.db") && refused.contains("a later release, in format 2"),
            "{refused}"
        );
        is_of(1);
    });
    assert_eq!(served.standing().await, ["deployment a 1"], "nothing was lost");
}

#[tokio::test(start_paused = true)]
async fn uploads_that_stall_make_room_for_one_that_waits() {
    let mut served = Served::new();
    let stalls = |number: usize| {
        let mut client = served.client.clone();
        let sha256 = hash_to_wire(signed::hash(&[u8::try_from(number).unwrap()]));
        let first = PublishBytesRequest { sha256, size: 2, ..PublishBytesRequest::default() };
        tokio::spawn(
            async move { client.publish_bytes(stream::iter([first]).chain(stream::pending())).await },
        )
    };
    let stalled: Vec<_> = (0..MAX_UPLOADS).map(stalls).collect();
    let uploads = &served.lookup.as_ref().unwrap().documents().uploads;
    while uploads.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let begun = tokio::time::Instant::now();
    drop(uploads.acquire().await.unwrap());
    assert!(begun.elapsed() < CHUNK_PATIENCE * 2, "{:?}", begun.elapsed());
    for one in stalled {
        assert_eq!(one.await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
    }
    assert!(!served.give_whole(b"waits").await);
}
