//! A service kept at several lookups.

use crate::fakes::{FakeLookup, anywhere, mesh, soon, until};
use hedgerow_client::lease::{Body, LeaseKeeper, LeaseKeeperOptions};
use hedgerow_client::model::registration::{Endpoint, Id, Mesh};
use hedgerow_client::proto::lookup::RenewState;
use hedgerow_client::{Caller, Identity};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

fn body(name: &str) -> Body {
    let endpoint = Endpoint { url: "http://127.0.0.1:7403".into(), via_relay: None };
    Body { name: name.into(), kind: "farm".into(), endpoints: vec![endpoint], ..Body::default() }
}

fn identity() -> (tempfile::TempDir, Identity) {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::open(folder.path()).unwrap();
    (folder, identity)
}

#[tokio::test]
async fn a_service_is_kept_at_every_lookup_changed_found_again_and_cancelled() {
    let lookups = [FakeLookup::new(1), FakeLookup::new(2)];
    lookups.iter().for_each(|lookup| lookup.inner().granted = Duration::from_millis(300));
    let servers = lookups.each_ref().map(|lookup| lookup.serve(anywhere()));
    let urls = servers.each_ref().map(|server| server.url()).to_vec();
    let (_folder, identity) = identity();
    let (say, said) = watch::channel(body("one"));
    let options = LeaseKeeperOptions::new(urls, Caller::default(), identity.clone(), said);
    let keeper = LeaseKeeper::start(options).unwrap();
    soon(keeper.registered()).await;

    for lookup in &lookups {
        until(|| lookup.inner().renewed >= 3).await;
        let inner = lookup.inner();
        assert_eq!(inner.registered.len(), 1, "registered once, then renewed");
        assert_eq!(inner.streams, 1, "all renewals on one stream");
        let registration = &inner.registered[0];
        assert_eq!((registration.id, registration.instance), (identity.id(), identity.instance()));
        assert_eq!((registration.serial, &registration.mesh), (1, &mesh()), "the mesh is learned");
    }
    say.send_replace(body("one"));
    say.send_replace(body("two"));
    for lookup in &lookups {
        until(|| lookup.inner().registered.len() == 2).await;
        assert_eq!(lookup.inner().registered[1].serial, 2, "saying the same again is no change");
        assert_eq!(lookup.inner().registered[1].name, "two");
    }
    // One lookup forgets.
    lookups[0].inner().held.clear();
    until(|| lookups[0].inner().registered.len() == 3).await;
    assert_eq!(lookups[0].inner().registered[2].serial, 2);
    until(|| keeper.state().iter().all(|state| state.registered && state.last_error.is_none())).await;
    assert_eq!(keeper.state()[1].id, Some(Id([2; 16])));

    let errors = keeper.cancel_all(Instant::now() + Duration::from_secs(10)).await;
    assert!(errors.is_empty(), "{errors:?}");
    for lookup in &lookups {
        assert!(lookup.inner().held.is_empty() && lookup.inner().cancelled == 1);
    }
}

#[tokio::test]
async fn a_lookup_that_comes_back_is_registered_with_again() {
    let lookup = FakeLookup::new(1);
    lookup.inner().granted = Duration::from_millis(200);
    let server = lookup.serve(anywhere());
    let address = server.address;
    let (_folder, identity) = identity();
    let (_say, said) = watch::channel(body("one"));
    let options = LeaseKeeperOptions::new(vec![server.url()], Caller::default(), identity, said);
    let keeper = LeaseKeeper::start(options).unwrap();
    soon(keeper.registered()).await;
    until(|| lookup.inner().renewed > 0).await;
    drop(server);
    until(|| !keeper.state()[0].registered).await;
    let error = keeper.state()[0].last_error.clone().unwrap();
    assert!(error.contains(&address.to_string()) && error.contains("check that it runs"), "{error}");
    lookup.inner().held.clear();
    let _server = lookup.serve(address);
    until(|| keeper.state()[0].registered).await;
    assert_eq!(lookup.inner().held.len(), 1);
    let before = lookup.inner().renewed;
    until(|| lookup.inner().renewed > before + 2).await;
    assert_eq!(lookup.inner().streams, 2, "renewals go on, on a stream of the new connection");
}

#[tokio::test]
async fn a_lookup_of_another_mesh_is_refused_naming_both() {
    let (ours, other) = (FakeLookup::new(1), FakeLookup::new(2));
    other.inner().mesh = Mesh { name: "other".into(), id: Id([8; 16]) };
    let servers = [ours.serve(anywhere()), other.serve(anywhere())];
    let (_folder, identity) = identity();
    let (_say, said) = watch::channel(body("one"));
    let urls: Vec<String> = servers.iter().map(crate::fakes::Server::url).collect();
    let caller = Caller::new(None, Some(mesh()));
    let keeper = LeaseKeeper::start(LeaseKeeperOptions::new(urls, caller, identity, said)).unwrap();
    soon(keeper.registered()).await;
    until(|| keeper.state()[1].last_error.is_some()).await;
    let error = keeper.state()[1].last_error.clone().unwrap();
    assert!(error.contains("mesh other (0808") && error.contains("test (0909"), "{error}");
    assert!(other.inner().registered.is_empty());
}

#[tokio::test]
async fn many_are_registered_side_by_side_within_a_bound_and_renewed_in_batches() {
    const MANY: usize = 300;
    let lookup = FakeLookup::new(1);
    lookup.inner().granted = Duration::from_secs(3);
    lookup.inner().registering = Duration::from_millis(10);
    let server = lookup.serve(anywhere());
    let folder = tempfile::tempdir().unwrap();
    let (_say, said) = watch::channel(body("one"));
    let registrations = (0..MANY).map(|n| {
        let path = folder.path().join(n.to_string());
        std::fs::create_dir(&path).unwrap();
        (Identity::open(&path).unwrap(), said.clone())
    });
    let options = LeaseKeeperOptions {
        registrations: registrations.collect(),
        ..LeaseKeeperOptions::new(vec![server.url()], Caller::default(), identity().1, said.clone())
    };
    let keeper = LeaseKeeper::start(options).unwrap();
    soon(keeper.registered()).await;
    assert_eq!(lookup.inner().held.len(), MANY);
    let most = lookup.inner().side_by_side;
    assert!((2..=32).contains(&most), "{most} at once");
    until(|| lookup.inner().renewed >= MANY).await;
    let (messages, renewed) = {
        let inner = lookup.inner();
        (inner.messages, inner.renewed)
    };
    assert!(messages < renewed / 2, "{messages} messages for {renewed}");
    let errors = keeper.cancel_all(Instant::now() + Duration::from_secs(20)).await;
    assert!(errors.is_empty() && lookup.inner().held.is_empty(), "{errors:?}");
}

#[tokio::test]
async fn a_cloned_identity_is_said_naming_both_and_it_is_seen_when_the_other_goes() {
    let lookup = FakeLookup::new(1);
    lookup.inner().granted = Duration::from_millis(300);
    let server = lookup.serve(anywhere());
    let (_folder, identity) = identity();
    let (_say, said) = watch::channel(body("one"));
    let options = LeaseKeeperOptions::new(vec![server.url()], Caller::default(), identity, said);
    let keeper = LeaseKeeper::start(options).unwrap();
    soon(keeper.registered()).await;
    let both = "two have this identity, at 10.0.0.1:7403 and 10.0.0.2:7403";
    lookup.inner().disputed = Some((RenewState::Replaced, both.into()));
    until(|| keeper.state()[0].last_error.is_some()).await;
    let state = keeper.state();
    assert_eq!((state[0].last_error.as_deref(), state[0].registered), (Some(both), false));
    let before = lookup.inner().messages;
    let registered = lookup.inner().registered.len();
    until(|| lookup.inner().messages > before + 5).await;
    assert_eq!(lookup.inner().registered.len(), registered, "it goes on asking, and takes nothing back");
    lookup.inner().disputed = None;
    until(|| keeper.state()[0].registered && keeper.state()[0].last_error.is_none()).await;
}
