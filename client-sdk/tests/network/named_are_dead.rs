//! None of the lookups that somebody named answers: who is asked then, and whose mesh it is.

use crate::fakes::{FakeLookup, Server, anywhere, mesh as ours, registration, soon};
use hedgerow_client::discovery::{Lookups, Source, Sources};
use hedgerow_client::model::registration::{Id, Mesh as Identity, Registration};
use hedgerow_client::{Caller, ClientError, Mesh, MeshOptions, Template};
use std::path::Path;
use std::time::Duration;

/// One lookup that is named, which knows another, and a farm at each of them.
struct Two {
    other: FakeLookup,
    named_at: Option<Server>,
    other_at: Server,
    /// Of the one that is named, also when it is dead.
    named_url: String,
    kept: tempfile::TempDir,
}

impl Two {
    /// The named one is dead, and what a client learnt from it is kept.
    async fn once_asked() -> Self {
        let (named, other) = (FakeLookup::new(1), FakeLookup::new(2));
        let (named_at, other_at) = (named.serve(anywhere()), other.serve(anywhere()));
        let peer = registration(2, "lookup", &other_at.url(), 1);
        named.hold(&Registration { kind: "lookup".into(), ..peer });
        for lookup in [&named, &other] {
            lookup.hold(&registration(3, "farm", "http://127.0.0.1:1", 1));
        }
        let kept = tempfile::tempdir().unwrap();
        other.inner().greeting = Duration::from_millis(200);
        let mut two = Self { other, named_url: named_at.url(), named_at: Some(named_at), other_at, kept };
        let mesh = two.connect().await.unwrap();
        // One question is enough, however slow the other is to say who it is.
        assert_eq!(soon(mesh.directory().find(&Template::default())).await.answered, 2);
        mesh.directory().kept().write().await;
        two.named_at = None;
        two
    }

    async fn connect(&self) -> Result<Mesh, ClientError> {
        soon(Mesh::connect(self.options(self.kept.path()))).await
    }

    fn options(&self, folder: &Path) -> MeshOptions {
        MeshOptions::at([self.named_url.clone()]).keep_in(folder)
    }
}

fn other_mesh() -> Identity {
    Identity { name: "other".into(), id: Id([8; 16]) }
}

#[tokio::test]
async fn those_that_they_once_told_of_are_asked_and_the_answer_is_not_stale() {
    let two = Two::once_asked().await;
    let mesh = two.connect().await.unwrap();
    assert_eq!((mesh.identity(), mesh.stale_since()), (&ours(), None));
    let found = soon(mesh.directory().find(&Template::parse("kind=farm").unwrap())).await;
    assert_eq!((found.answered, found.services.len(), found.stale_since), (1, 1, None));
    assert_eq!(found.missing.len(), 1, "{:?}", found.missing);
    assert_eq!(found.missing[0].0, two.named_url);

    // Whoever never asked them knows nothing of it, and asks nobody else.
    let elsewhere = tempfile::tempdir().unwrap();
    let error = soon(Mesh::connect(two.options(elsewhere.path()))).await.unwrap_err();
    assert!(matches!(&error, ClientError::NoLookup(why) if why.len() == 1), "{error}");
}

#[tokio::test]
async fn those_are_believed_for_the_mesh_of_that_time_only_else_the_last_known_directory_is_used() {
    let two = Two::once_asked().await;
    // Its address has gone to a lookup of another mesh.
    two.other.inner().mesh = other_mesh();
    let mesh = two.connect().await.unwrap();
    assert_eq!(mesh.identity(), &ours());
    let found = soon(mesh.directory().find(&Template::parse("kind=farm").unwrap())).await;
    assert_eq!((found.answered, found.services.len()), (0, 1));
    assert!(mesh.stale_since().is_some() && found.stale_since.is_some());

    let Two { named_url, kept, other_at, .. } = two;
    drop(other_at);
    let mesh = soon(Mesh::connect(MeshOptions::at([named_url]).keep_in(kept.path()))).await.unwrap();
    assert!(mesh.stale_since().is_some(), "nobody at all answers");
}

#[tokio::test]
async fn where_nobody_said_which_mesh_any_lookup_that_is_found_may_say() {
    let lookup = FakeLookup::new(1);
    let (server, dead) = (lookup.serve(anywhere()), lookup.serve(anywhere()).url());
    let sources = |any_mesh| Sources {
        configured: vec![dead.clone()],
        remembered: vec![server.url()],
        any_mesh,
        ..Sources::default()
    };
    let named = Lookups::start(sources(false), Caller::default()).unwrap();
    soon(named.settled()).await;
    assert!(named.known().iter().all(|at| at.id.is_none()), "only the named ones may say");

    let caller = Caller::default();
    let lookups = Lookups::start(sources(true), caller.clone()).unwrap();
    soon(lookups.settled()).await;
    assert!(lookups.known().iter().any(|at| at.source == Source::Remembered && at.id.is_some()));
    assert_eq!(caller.mesh(), Some(&ours()));
}
