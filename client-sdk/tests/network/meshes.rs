//! Lookups of two meshes in one list: one of them is chosen, always the same, and the others are refused by name.

use crate::fakes::{FakeLookup, Server, anywhere, mesh as ours, registration, soon};
use hedgerow_client::directory::STRANGER_FOR;
use hedgerow_client::model::registration::{Id, Mesh as Identity, Registration};
use hedgerow_client::{Caller, ClientError, Directory, Mesh, MeshOptions, Template, Transition};
use std::time::Duration;

fn theirs() -> Identity {
    Identity { name: "other".into(), id: Id([8; 16]) }
}

/// Our mesh, slow to say so, and another, at once; each holds a service.
fn two() -> ([FakeLookup; 2], [Server; 2]) {
    let lookups = [FakeLookup::new(1), FakeLookup::new(2)];
    lookups[0].inner().greeting = Duration::from_millis(100);
    lookups[1].inner().mesh = theirs();
    lookups[0].hold(&registration(1, "f1", "http://127.0.0.1:1", 1));
    let stranger = Registration { mesh: theirs(), ..registration(2, "f2", "http://127.0.0.1:1", 1) };
    lookups[1].hold(&stranger);
    let servers = lookups.each_ref().map(|lookup| lookup.serve(anywhere()));
    (lookups, servers)
}

fn names_both(error: &ClientError) -> bool {
    let said = error.to_string();
    [ours(), theirs()].iter().all(|mesh| said.contains(&format!("{} ({})", mesh.name, mesh.id)))
}

#[tokio::test]
async fn the_lookup_named_first_decides_the_mesh_however_slow_and_the_other_mesh_is_refused() {
    let (_lookups, servers) = two();
    let [first, second] = servers.each_ref().map(Server::url);
    let mesh = soon(Mesh::connect(MeshOptions::at([&first, &second]))).await.unwrap();
    assert_eq!(mesh.identity(), &ours());
    assert_eq!(mesh.directory().caller().mesh_decided_by(), Some(first.as_str()));
    assert_eq!(mesh.problems().len(), 1, "{:?}", mesh.problems());
    assert!(names_both(&mesh.problems()[0]), "{}", mesh.problems()[0]);

    let mesh = soon(Mesh::connect(MeshOptions::at([&second, &first]))).await.unwrap();
    assert_eq!(mesh.identity(), &theirs(), "named first");
}

#[tokio::test]
async fn where_the_first_does_not_answer_the_next_decides_and_that_can_be_told() {
    let (lookups, servers) = two();
    let [first, second] = servers.each_ref().map(Server::url);
    lookups[0].inner().greeting = Duration::from_hours(1);
    let mesh = soon(Mesh::connect(MeshOptions::at([&first, &second]))).await.unwrap();
    assert_eq!(mesh.identity(), &theirs());
    assert_eq!(mesh.directory().caller().mesh_decided_by(), Some(second.as_str()));
    assert!(matches!(mesh.problems(), [ClientError::TimedOut { at, .. }] if *at == first));
}

#[tokio::test]
async fn a_find_and_a_watch_that_begin_before_the_mesh_is_known_tell_of_one_mesh_only() {
    let (_lookups, servers) = two();
    let urls = servers.each_ref().map(Server::url);
    let found = soon(Directory::new(&urls, Caller::default()).unwrap().find(&Template::default())).await;
    let names: Vec<_> = found.services.iter().map(|service| &*service.shown).collect();
    assert_eq!(names, ["f1"]);
    assert!(
        found.missing.iter().any(|(at, error)| *at == urls[1] && names_both(error)),
        "{:?}",
        found.missing
    );

    let mut watch = Directory::new(&urls, Caller::default()).unwrap().watch(&Template::default());
    let (mut reached, mut refused) = (false, false);
    while !(reached && refused) {
        match soon(watch.next()).await {
            Transition::Appeared(service) => assert_eq!(&*service.shown, "f1"),
            Transition::LookupReached { url } => {
                assert_eq!(url, urls[0]);
                reached = true;
            }
            Transition::LookupLost { url, error } => {
                assert!(url == urls[1] && names_both(&error), "{error}");
                refused = true;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// As if so much time had passed for the client; the lookups have clocks of their own.
async fn later(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_lookup_of_another_mesh_that_was_made_anew_is_asked_again_after_a_while() {
    let (lookups, servers) = two();
    let urls = servers.each_ref().map(Server::url);
    let directory = Directory::new(&urls, Caller::default()).unwrap();
    let find = async || {
        let found = soon(directory.find(&Template::default())).await;
        let refused: Vec<_> = found.missing.into_iter().map(|(at, error)| (at, names_both(&error))).collect();
        (found.answered, refused)
    };
    let refused = vec![(urls[1].clone(), true)];
    assert_eq!(find().await, (1, refused.clone()));
    assert_eq!(find().await, (1, vec![]), "said once, and left alone");
    later(STRANGER_FOR).await;
    assert_eq!(find().await, (1, refused), "asked again, and still another");
    assert_eq!(find().await, (1, vec![]));

    let mut watch = directory.watch(&Template::default());
    let mut reached = async || loop {
        if let Transition::LookupReached { url } = soon(watch.next()).await {
            return url;
        }
    };
    assert_eq!(reached().await, urls[0]);
    {
        let mut made_anew = lookups[1].inner();
        made_anew.mesh = ours();
        made_anew.held.clear();
    }
    later(STRANGER_FOR).await;
    // By those who watch all the time, too. The other one may be reached anew: it said nothing for so long.
    while reached().await != urls[1] {}
    assert_eq!(find().await, (2, vec![]));
}
