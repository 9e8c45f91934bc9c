//! Several lookups as one directory.

use crate::fakes::{FakeLookup, anywhere, registration, soon, until};
use hedgerow_client::directory::{Gone, Transition, Watch};
use hedgerow_client::model::registration::Registration;
use hedgerow_client::proto::lookup::watch_response::disappeared::Cause;
use hedgerow_client::{Caller, Directory, Template};

#[tokio::test]
async fn find_merges_what_answers_and_names_what_does_not() {
    let lookups = [FakeLookup::new(1), FakeLookup::new(2)];
    let servers = lookups.each_ref().map(|lookup| lookup.serve(anywhere()));
    for who in 1..=5 {
        lookups[0].hold(&registration(who, &format!("f{who}"), "http://127.0.0.1:1", 1));
    }
    lookups[1].hold(&registration(5, "f5", "http://127.0.0.1:1", 2));
    lookups[1].hold(&registration(6, "f1", "http://127.0.0.1:1", 1));
    // One altered on its way.
    {
        let mut inner = lookups[1].inner();
        let mut altered = inner.held.values().next().unwrap().clone();
        altered.signature = vec![1; 64].into();
        inner.held.insert(999, altered);
    }
    let dead = { lookups[0].serve(anywhere()).url() };
    let urls = [servers[0].url(), servers[1].url(), dead.clone()];
    let directory = Directory::new(&urls, Caller::default()).unwrap();
    let found = soon(directory.find(&Template::default())).await;
    let shown: Vec<_> = found.services.iter().map(|service| &*service.shown).collect();
    assert_eq!(shown, ["f1~01010101", "f1~06060606", "f2", "f3", "f4", "f5"]);
    let five = &found.services[5];
    assert_eq!((five.registration.serial, five.lookups.len()), (2, 2));
    assert_eq!((found.asked, found.answered, found.refused), (3, 2, 1));
    assert_eq!(found.missing[0].0, dead);
    assert!(found.missing[0].1.to_string().contains(&dead), "{}", found.missing[0].1);
}

async fn next(watch: &mut Watch) -> String {
    match soon(watch.next()).await {
        Transition::Appeared(service) => format!("+{}", service.shown),
        Transition::Renamed(service) => format!("~{}", service.shown),
        Transition::Changed(service, _) => format!("={} {}", service.shown, service.registration.serial),
        Transition::State(service) => format!("?{} {}", service.shown, service.state.as_str()),
        Transition::Disappeared(service, gone) => format!("-{} {}", service.shown, gone.as_str()),
        Transition::LookupReached { .. } => "reached".to_owned(),
        Transition::LookupLost { .. } => "lost".to_owned(),
        Transition::LookupSuspects { begun, .. } => format!("suspects {begun}"),
    }
}

#[tokio::test]
async fn a_watch_resumes_over_a_cut_and_a_reset_is_one_transition_per_change() {
    let lookup = FakeLookup::new(1);
    let server = lookup.serve(anywhere());
    let address = server.address;
    let service = |who: u8, serial| registration(who, &format!("f{who}"), "http://127.0.0.1:1", serial);
    lookup.hold(&service(1, 1));
    let directory = Directory::new([server.url()], Caller::default()).unwrap();
    let mut watch = directory.watch(&Template::default());
    assert_eq!(next(&mut watch).await, "+f1");
    assert_eq!(next(&mut watch).await, "reached");
    lookup.hold(&service(2, 1));
    assert_eq!(next(&mut watch).await, "+f2");

    // Cut: what happened meanwhile comes from the log, the rest is not told again.
    drop(server);
    assert_eq!(next(&mut watch).await, "?f1 unconfirmed");
    assert_eq!(next(&mut watch).await, "?f2 unconfirmed");
    assert_eq!(next(&mut watch).await, "lost", "told once, however often it is tried");
    lookup.end(&service(2, 1), Cause::Cancelled);
    let server = lookup.serve(address);
    assert_eq!(next(&mut watch).await, "?f1 live");
    assert_eq!(next(&mut watch).await, "?f2 live");
    assert_eq!(next(&mut watch).await, "reached");
    assert_eq!(next(&mut watch).await, format!("-f2 {}", Gone::Cancelled.as_str()));

    // Restarted: the snapshot says what changed, and nothing twice.
    drop(server);
    assert_eq!(next(&mut watch).await, "?f1 unconfirmed");
    assert_eq!(next(&mut watch).await, "lost");
    lookup.restarted();
    lookup.hold(&service(1, 2));
    lookup.hold(&service(3, 1));
    let _server = lookup.serve(address);
    let mut told = Vec::new();
    while told.last().is_none_or(|last| last != "+f3") {
        told.push(next(&mut watch).await);
    }
    told.retain(|word| word != "reached" && word != "?f1 live");
    assert_eq!(told, ["=f1 2", "+f3"]);
    assert_eq!(watch.refused(), 0);
}

#[tokio::test]
async fn with_one_lookup_dead_nothing_changes_for_what_the_other_holds() {
    let lookups = [FakeLookup::new(1), FakeLookup::new(2)];
    let mut servers = Vec::from(lookups.each_ref().map(|lookup| lookup.serve(anywhere())));
    let one = registration(1, "f1", "http://127.0.0.1:1", 1);
    for lookup in &lookups {
        lookup.hold(&one);
    }
    let urls: Vec<_> = servers.iter().map(crate::fakes::Server::url).collect();
    let directory = Directory::new(&urls, Caller::default()).unwrap();
    let mut watch = directory.watch(&Template::default());
    let mut reached = 0;
    let mut appeared = 0;
    while reached < 2 {
        match next(&mut watch).await.as_str() {
            "reached" => reached += 1,
            "+f1" => appeared += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!(appeared, 1);
    drop(servers.remove(0));
    assert_eq!(next(&mut watch).await, "lost");
    lookups[1].end(&one, Cause::Expired);
    // The dead one showed a lease that still runs.
    let told = next(&mut watch).await;
    assert_eq!(told, "?f1 unconfirmed");
    until(|| lookups[1].inner().held.is_empty()).await;
}

#[tokio::test]
async fn a_dead_lookup_has_its_name_in_the_status_as_it_was_known_last() {
    let lookups = [FakeLookup::new(1), FakeLookup::new(2)];
    let [alive, dead] = lookups.each_ref().map(|lookup| lookup.serve(anywhere()));
    let second = Registration { kind: "lookup".into(), ..registration(2, "second", &dead.url(), 1) };
    lookups[0].hold(&second);
    let directory = Directory::new([alive.url(), dead.url()], Caller::default()).unwrap();
    assert_eq!(soon(directory.find(&Template::default())).await.answered, 2);
    lookups[0].end(&second, Cause::Expired);
    let dead = { dead }.url();
    let status = soon(directory.lookup_status()).await;
    let silent = status.iter().find(|one| one.status.is_err()).unwrap();
    assert_eq!((silent.url.as_str(), silent.name.as_deref()), (dead.as_str(), Some("second")));
}
