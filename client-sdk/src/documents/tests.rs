//! Authors and readers with real lookups in this process.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::channel::Caller;
use crate::discovery::Lookups;
use crate::error::ClientError;
use crate::identity::Identity;
use bytes::Bytes;
use hedgerow_lookup::{Lookup, LookupOptions};
use hedgerow_model::UnixMillis;
use hedgerow_model::registration::{Id, Mesh};
use hedgerow_proto::lookup as wire;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;

/// For what must happen; a slow machine may take long.
const PATIENCE: Duration = Duration::from_secs(60);

fn mesh(n: u8) -> Mesh {
    Mesh { name: format!("mesh-{n}"), id: Id([n; 16]) }
}

#[expect(clippy::disallowed_methods, reason = "what the role passes in")]
fn now() -> UnixMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UnixMillis::try_from(since.as_millis()).unwrap()
}

struct Running {
    lookup: Lookup,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

/// A lookup that can be down.
struct Place {
    folder: tempfile::TempDir,
    mesh: Mesh,
    address: SocketAddr,
    running: Option<Running>,
}

impl Place {
    async fn new(mesh: Mesh) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut place = Self { folder: tempfile::tempdir().unwrap(), mesh, address, running: None };
        place.up().await;
        place
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn up(&mut self) {
        let options = LookupOptions {
            mesh: Some(self.mesh.clone()),
            ..LookupOptions::new(self.folder.path().to_owned(), Id([7; 16]))
        };
        let lookup = Lookup::open(options).unwrap();
        let listener = TcpListener::bind(self.address).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tonic::transport::Server::builder()
            .add_service(lookup.service())
            .add_service(lookup.documents_service())
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
                let _ = stopped.await;
            });
        let server = tokio::spawn(async move { served.await.unwrap() });
        self.running = Some(Running { lookup, stop, server });
    }

    async fn down(&mut self) {
        let Running { lookup, stop, server } = self.running.take().unwrap();
        lookup.close().await;
        let _ = stop.send(());
        server.await.unwrap();
    }

    fn documents(&self) -> usize {
        self.running.as_ref().unwrap().lookup.status().documents.documents
    }
}

fn lookups(places: &[Place]) -> Lookups {
    Lookups::fixed(places.iter().map(Place::url))
}

fn author(places: &[Place], folder: &tempfile::TempDir) -> DocumentAuthor {
    let identity = Identity::open(folder.path()).unwrap();
    DocumentAuthor::new(identity, Caller::new(None, Some(mesh(1))), lookups(places))
}

fn reader(places: &[Place], change: impl FnOnce(&mut DocumentReaderOptions)) -> DocumentReader {
    let caller = Caller::new(None, Some(mesh(1)));
    let mut options = DocumentReaderOptions::new(lookups(places), caller, now);
    options.spread = Duration::from_millis(50);
    change(&mut options);
    DocumentReader::start(options)
}

fn draft(name: &str, blobs: &[&'static [u8]]) -> Draft {
    Draft {
        kind: "deployment".into(),
        name: name.into(),
        signed_ms: now(),
        payload: b"says".to_vec(),
        blobs: blobs.iter().copied().map(Bytes::from_static).collect(),
        ..Draft::default()
    }
}

async fn next(reader: &mut DocumentReader) -> String {
    let word = |document: &SignedDocument| format!("{} {}", document.document.name, document.document.serial);
    match tokio::time::timeout(PATIENCE, reader.next()).await.expect("something changes") {
        DocumentEvent::Changed(document) => word(&document),
        DocumentEvent::Withdrawn(document) => format!("{} gone", word(&document)),
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn what_one_lookup_missed_a_reader_carries_there_with_its_bytes() {
    let mut places = [Place::new(mesh(1)).await, Place::new(mesh(1)).await];
    let folder = tempfile::tempdir().unwrap();
    places[1].down().await;
    let published = author(&places, &folder).publish(&draft("a", &[b"one", b"two"])).await.unwrap();
    assert_eq!(published.missing().map(|(url, _)| url.to_owned()).collect::<Vec<_>>(), [places[1].url()]);
    let mut reader = reader(&places, |_| ());
    assert_eq!(next(&mut reader).await, "a 1");
    places[1].up().await;
    until("it is carried", || places[1].documents() == 1).await;
    until("and counted", || reader.counters().carried == 1).await;
    // The one that had it may go: bytes come from the other.
    places[0].down().await;
    for (blob, bytes) in published.document.document.blobs.iter().zip([&b"one"[..], b"two"]) {
        assert_eq!(reader.bytes(*blob).await.unwrap(), bytes);
    }

    // Taken back at the one; the other learns of it, though it was away.
    let gone = Draft { tombstone: true, ..draft("a", &[]) };
    let published = author(&places, &folder).publish(&gone).await.unwrap();
    assert_eq!((published.document.document.serial, published.missing().count()), (2, 1));
    assert_eq!(next(&mut reader).await, "a 2 gone");
    places[0].up().await;
    until("the tombstone is carried", || reader.counters().carried == 2).await;
    assert!(reader.standing().is_empty());
    let mut late = self::reader(&places[..1], |_| ());
    tokio::time::timeout(PATIENCE, late.complete()).await.unwrap();
    assert!(late.standing().is_empty());
    author(&places, &folder).publish(&draft("a", &[])).await.unwrap();
    assert_eq!(next(&mut late).await, "a 3", "a tombstone of what was never told is not told");
}

#[tokio::test]
async fn of_two_who_publish_under_one_key_at_once_each_has_its_serial() {
    let places = [Place::new(mesh(1)).await, Place::new(mesh(1)).await];
    let folder = tempfile::tempdir().unwrap();
    let author = author(&places, &folder);
    let drafts: Vec<_> = (0..4).map(|n| Draft { payload: vec![n], ..draft("a", &[]) }).collect();
    let published = futures_util::future::join_all(drafts.iter().map(|draft| author.publish(draft))).await;
    let highest = published.iter().map(|published| published.as_ref().unwrap().document.rank()).max();
    let reader = reader(&places, |_| ());
    until("the highest at both", || reader.standing().first().map(|document| document.rank()) == highest)
        .await;
    until("nothing is owed", || reader.owes_nothing()).await;
    let other = tempfile::tempdir().unwrap();
    self::author(&places, &other).publish(&draft("a", &[])).await.unwrap();
    until("another key, another document", || reader.standing().len() == 2).await;
}

#[tokio::test]
async fn altered_documents_and_bytes_are_not_believed() {
    let places = [Place::new(mesh(1)).await];
    let folder = tempfile::tempdir().unwrap();
    let published = author(&places, &folder).publish(&draft("a", &[b"bytes"])).await.unwrap();
    let blob = published.document.document.blobs[0];
    // Of the same length, so that only the hash tells.
    std::fs::write(places[0].folder.path().join("documents").join(blob.hash.to_string()), b"bytez").unwrap();
    let reader = reader(&places, |_| ());
    reader.complete().await;
    let refused = reader.bytes(blob).await.unwrap_err();
    assert!(matches!(refused, ClientError::Call { code: tonic::Code::NotFound, .. }), "{refused}");
    let mut altered = published.document.signed.clone();
    altered.signature = vec![1; 64].into();
    let request = wire::OfferRequest { document: Some(altered) };
    let refused =
        Caller::default().connect(&places[0].url()).unwrap().documents().offer(request).await.unwrap_err();
    assert!(refused.message().contains("does not fit"), "{refused}");
    // What was lost is whole again when it is published again.
    author(&places, &folder).publish(&draft("a", &[b"bytes"])).await.unwrap();
    assert_eq!(reader.bytes(blob).await.unwrap(), &b"bytes"[..]);
}

#[tokio::test]
async fn another_mesh_is_refused_naming_both() {
    let places = [Place::new(mesh(2)).await];
    let folder = tempfile::tempdir().unwrap();
    let refused = author(&places, &folder).publish(&draft("a", &[])).await.unwrap_err().to_string();
    let both = [mesh(1).id.to_string(), mesh(2).id.to_string()];
    assert!(both.iter().all(|id| refused.contains(id)), "{refused}");
}

#[tokio::test]
async fn what_no_lookup_takes_is_an_error_with_its_reason() {
    static LARGE: [u8; 20 << 20] = [0; 20 << 20];
    let places = [Place::new(mesh(1)).await];
    let folder = tempfile::tempdir().unwrap();
    let author = author(&places, &folder);
    let refused = author.publish(&draft("a", &[&LARGE])).await.unwrap_err().to_string();
    assert!(refused.contains("20971520 bytes: expected 1 to 16777216"), "{refused}");
    let large = Draft { payload: vec![0; 65 << 10], ..draft("a", &[]) };
    let refused = author.publish(&large).await.unwrap_err().to_string();
    assert!(refused.contains("put what is large into blobs"), "{refused}");
    let nobody = Lookups::fixed(["http://127.0.0.1:9"]);
    let identity = Identity::open(folder.path()).unwrap();
    let alone = DocumentAuthor::new(identity, Caller::default(), nobody);
    assert!(matches!(alone.publish(&draft("a", &[])).await, Err(ClientError::NoLookup(_))));
}

#[tokio::test]
async fn what_a_program_kept_is_known_without_lookups_and_given_to_those_that_lost_it() {
    let mut places = [Place::new(mesh(1)).await];
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), [Place::new(mesh(1)).await]);
    let published = author(&elsewhere, &folder).publish(&draft("a", &[b"bytes"])).await.unwrap();
    let kept = published.document.signed.clone();
    places[0].down().await;
    let reader = reader(&places, |options| {
        options.kept = vec![kept, wire::Signed::default()];
        options.at_hand = AtHand::new(|blob| (blob.size == 5).then(|| Bytes::from_static(b"bytes")));
    });
    assert_eq!(reader.standing(), [Arc::clone(&published.document)], "before any lookup answers");
    assert_eq!(reader.bytes(published.document.document.blobs[0]).await.unwrap(), &b"bytes"[..]);
    places[0].up().await;
    until("the lookup has it", || places[0].documents() == 1).await;
    assert_eq!(reader.counters().refused, 1, "what is not signed was not kept by us");
}

#[tokio::test]
async fn many_readers_carry_little_more_than_one_would() {
    const READERS: usize = 30;
    let mut places = [Place::new(mesh(1)).await, Place::new(mesh(1)).await];
    let folder = tempfile::tempdir().unwrap();
    places[1].down().await;
    for name in ["a", "b", "c"] {
        author(&places, &folder).publish(&draft(name, &[b"bytes"])).await.unwrap();
    }
    let readers: Vec<_> =
        (0..READERS).map(|_| reader(&places, |options| options.spread = Duration::from_secs(10))).collect();
    for reader in &readers {
        until("all read", || reader.standing().len() == 3).await;
    }
    places[1].up().await;
    until("all is carried", || places[1].documents() == 3).await;
    let status = places[1].running.as_ref().unwrap().lookup.status().documents.counters;
    // Each would have offered three. How many do depends on how slow this machine is.
    assert!(status.equal < (READERS * 3 / 2) as u64, "{status:?}");
}

#[test]
fn another_document_than_ours_is_never_taken_for_a_newer_one_of_ours() {
    let identity = |folder: &tempfile::TempDir| Identity::open(folder.path()).unwrap();
    let (ours, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ours, other) = (identity(&ours), identity(&other));
    let document = |serial, name: &str| Document {
        mesh: Id([1; 16]),
        kind: "deployment".into(),
        name: name.into(),
        serial,
        tombstone: false,
        signed_ms: now(),
        ends_ms: None,
        payload: b"x".to_vec(),
        blobs: Vec::new(),
    };
    let said = ours.sign_document(&document(2, "a"));
    let newer_of = |newer| at_lookup::newer_of(&said, &newer).map(|newer| newer.document.serial);
    assert_eq!(newer_of(ours.sign_document(&document(3, "a"))), Ok(3));
    // Whose serial would be the last that there is.
    assert!(newer_of(other.sign_document(&document(u64::MAX, "a"))).is_err());
    assert!(newer_of(ours.sign_document(&document(9, "b"))).is_err());
    assert!(newer_of(ours.sign_document(&document(1, "a"))).is_err());
}
