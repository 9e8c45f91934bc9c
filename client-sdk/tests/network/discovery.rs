//! Lookups found by one another and by DNS, and services that follow them.

use crate::fakes::{FakeLookup, Server, anywhere, mesh, registration, soon, until};
use hedgerow_client::directory::Transition;
use hedgerow_client::discovery::{Lookups, SRV_SERVICE, Source, Sources};
use hedgerow_client::lease::{Body, LeaseKeeper, LeaseKeeperOptions};
use hedgerow_client::model::registration::{Id, Mesh, Registration};
use hedgerow_client::proto::lookup::watch_response::disappeared::Cause;
use hedgerow_client::proto::signed;
use hedgerow_client::{Caller, Identity};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;
use tokio::sync::watch;

/// A lookup as it registers with others.
fn of_lookup(who: u8, server: &Server) -> Registration {
    Registration { kind: "lookup".into(), ..registration(who, "lookup", &server.url(), 1) }
}

fn sources(configured: &[&Server]) -> Sources {
    Sources { configured: configured.iter().map(|server| server.url()).collect(), ..Sources::default() }
}

fn urls(lookups: &Lookups) -> Vec<String> {
    lookups.known().iter().map(|at| at.url.clone()).collect()
}

#[tokio::test]
async fn a_service_that_knows_one_lookup_registers_with_all_those_that_appear_and_leaves_those_gone() {
    let [a, b, c] = [1, 2, 3].map(FakeLookup::new);
    let [at_a, at_b, at_c] = [&a, &b, &c].map(|lookup| lookup.serve(anywhere()));
    a.hold(&of_lookup(2, &at_b));
    // Only the second knows the third.
    b.hold(&of_lookup(3, &at_c));
    let caller = Caller::default();
    let lookups = Lookups::start(sources(&[&at_a]), caller.clone()).unwrap();
    soon(lookups.settled()).await;
    assert_eq!(urls(&lookups)[0], at_a.url());
    until(|| lookups.known().len() == 3).await;
    let ids: Vec<_> = lookups.known().iter().map(|at| at.id.unwrap().0[0]).collect();
    assert_eq!((ids[0], ids.iter().sum::<u8>()), (1, 6));

    let folder = tempfile::tempdir().unwrap();
    let (_say, said) = watch::channel(Body { name: "one".into(), kind: "farm".into(), ..Body::default() });
    let identity = Identity::open(folder.path()).unwrap();
    let keeper =
        LeaseKeeper::start(LeaseKeeperOptions::new(lookups.clone(), caller, identity, said)).unwrap();
    for lookup in [&a, &b, &c] {
        lookup.inner().granted = std::time::Duration::from_millis(600);
        until(|| !lookup.inner().registered.is_empty()).await;
    }
    // A fourth appears at the first, which says so with the next renewal; nobody waits for the next minute.
    let d = FakeLookup::new(4);
    let at_d = d.serve(anywhere());
    a.hold(&of_lookup(4, &at_d));
    a.inner().lookups_version += 1;
    until(|| !d.inner().registered.is_empty()).await;
    assert_eq!(d.inner().registered[0].name, "one");
    assert_eq!(keeper.state().len(), 4);

    // The third goes for good: the one that knew it says so, and it is silent.
    b.end(&of_lookup(3, &at_c), Cause::Cancelled);
    b.inner().lookups_version += 1;
    drop(at_c);
    until(|| lookups.known().len() == 3 && keeper.state().len() == 3).await;
    // The first dies, and is configured: it stays.
    drop(at_a);
    until(|| keeper.state().iter().any(|state| state.last_error.is_some())).await;
    assert_eq!(urls(&lookups).len(), 3);
}

#[tokio::test]
async fn whoever_only_watches_asks_the_others_when_a_lookup_is_lost() {
    let [a, b] = [1, 2].map(FakeLookup::new);
    let servers = [a.serve(anywhere()), b.serve(anywhere())];
    let caller = Caller::new(None, Some(mesh()));
    let lookups = Lookups::start(sources(&[&servers[0], &servers[1]]), caller.clone()).unwrap();
    soon(lookups.settled()).await;
    let directory = hedgerow_client::Directory::of(lookups, caller, Default::default());
    let mut watch = directory.watch(&Default::default());
    soon(async {
        while !matches!(watch.next().await, Transition::LookupReached { url } if url == servers[0].url()) {}
    })
    .await;
    let [server, _other] = servers;
    let found = b.inner().found;
    drop(server);
    let watching = async {
        loop {
            watch.next().await;
        }
    };
    tokio::select! {
        () = watching => {}
        () = soon(until(|| b.inner().found > found)) => {}
    }
}

#[tokio::test]
async fn pages_without_end_do_come_to_an_end() {
    let lookup = FakeLookup::new(1);
    lookup.inner().endless = true;
    let server = lookup.serve(anywhere());
    let lookups = Lookups::start(sources(&[&server]), Caller::new(None, Some(mesh()))).unwrap();
    soon(lookups.settled()).await;
    assert!(lookups.problems()[0].to_string().contains("find the other lookups"));
    let directory = hedgerow_client::Directory::new([server.url()], Caller::new(None, Some(mesh()))).unwrap();
    let found = soon(directory.find(&Default::default())).await;
    assert_eq!((found.asked, found.answered, found.missing.len()), (1, 0, 1));
}

#[tokio::test]
async fn another_mesh_is_never_followed_and_named_and_a_registration_that_was_altered_is_not_believed() {
    let [a, b, other] = [1, 2, 3].map(FakeLookup::new);
    other.inner().mesh = Mesh { name: "other".into(), id: Id([8; 16]) };
    let [at_a, at_b, at_other] = [&a, &b, &other].map(|lookup| lookup.serve(anywhere()));
    a.hold(&of_lookup(3, &at_other));
    // Altered on its way.
    let mut altered =
        signed::sign_registration(&of_lookup(2, &at_b), &ed25519_dalek::SigningKey::from_bytes(&[2; 32]));
    altered.public_key = vec![7; 32].into();
    a.hold_signed(altered);
    let lookups = Lookups::start(sources(&[&at_a]), Caller::new(None, Some(mesh()))).unwrap();
    until(|| lookups.problems().iter().any(|problem| problem.to_string().contains("other (08"))).await;
    let said = lookups.problems()[0].to_string();
    assert!(said.contains(&at_other.url()) && said.contains("test (09"), "{said}");
    assert_eq!(urls(&lookups), [at_a.url()]);
    assert!(other.inner().found == 0 && b.inner().found == 0, "nothing is asked of strangers");
}

#[tokio::test]
async fn one_lookup_at_two_addresses_is_one_and_a_remembered_one_is_a_way_back() {
    let a = FakeLookup::new(1);
    let [one, two] = [a.serve(anywhere()), a.serve(anywhere())];
    let gone = a.serve(anywhere());
    let dead = gone.url();
    drop(gone);
    let all = Sources {
        configured: vec![dead.clone()],
        remembered: vec![one.url(), two.url()],
        ..Sources::default()
    };
    let lookups = Lookups::start(all, Caller::new(None, Some(mesh()))).unwrap();
    soon(lookups.settled()).await;
    let known = lookups.known();
    assert_eq!((known.len(), known[0].url.as_str(), known[1].source), (2, dead.as_str(), Source::Remembered));
    assert!(lookups.problems()[0].to_string().contains(&dead), "{:?}", lookups.problems());
}

/// What a DNS server answers: targets (priority, weight, port), or none for a failure.
type Targets = Arc<Mutex<Option<Vec<(u16, u16, u16)>>>>;

/// A DNS server as small as can be: each question is answered with these targets. Gives its address, and the names it was asked for.
async fn dns(answer: Targets) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (socket.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
    let names = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut question = [0; 1500];
        loop {
            let (length, from) = socket.recv_from(&mut question).await.unwrap();
            let (mut at, mut labels) = (12, Vec::new());
            while question[at] != 0 {
                let end = at + 1 + usize::from(question[at]);
                labels.push(String::from_utf8_lossy(&question[at + 1..end]).into_owned());
                at = end;
            }
            assert!(at + 5 <= length);
            names.lock().unwrap().push(labels.join("."));
            let answer = answer.lock().unwrap().clone();
            let (failed, targets) = (answer.is_none(), answer.unwrap_or_default());
            let mut reply = question[..2].to_vec();
            reply.extend([0x81, if failed { 0x82 } else { 0x80 }, 0, 1, 0, targets.len() as u8, 0, 0, 0, 0]);
            reply.extend(&question[12..at + 5]);
            for (priority, weight, port) in targets {
                reply.extend([0xC0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, 17]);
                for number in [priority, weight, port] {
                    reply.extend(number.to_be_bytes());
                }
                reply.extend(b"\x09localhost\0");
            }
            socket.send_to(&reply, from).await.unwrap();
        }
    });
    (address, asked)
}

#[tokio::test]
async fn a_domain_names_lookups_in_the_order_of_its_priorities() {
    let [a, b] = [1, 2].map(FakeLookup::new);
    let [at_a, at_b] = [&a, &b].map(|lookup| lookup.serve(anywhere()));
    let (port_a, port_b) = (at_a.address.port(), at_b.address.port());
    let targets = vec![(20, 9, port_a), (10, 1, port_b), (10, 5, 0)];
    let (server, asked) = dns(Arc::new(Mutex::new(Some(targets)))).await;
    let domain = Some("mesh.example".to_owned());
    let sources = Sources { domain, nameserver: Some(server), ..Sources::default() };
    let lookups = Lookups::start(sources, Caller::default()).unwrap();
    soon(lookups.settled()).await;
    let named = [port_b, port_a].map(|port| format!("http://localhost:{port}"));
    assert_eq!(urls(&lookups), named, "{:?}", lookups.problems());
    assert!(lookups.known().iter().all(|at| at.source == Source::Domain && at.id.is_some()));
    assert_eq!(asked.lock().unwrap()[0], format!("{SRV_SERVICE}.mesh.example"));
}

#[tokio::test]
async fn a_dns_server_that_fails_is_said_and_keeps_nobody_from_the_others() {
    let a = FakeLookup::new(1);
    let at_a = a.serve(anywhere());
    let answer = Arc::new(Mutex::new(None));
    let (server, asked) = dns(Arc::clone(&answer)).await;
    let domain = Some("mesh.example".to_owned());
    let sources = Sources { domain, nameserver: Some(server), ..sources(&[&at_a]) };
    let lookups = Lookups::start(sources, Caller::default()).unwrap();
    until(|| lookups.known()[0].id.is_some()).await;
    until(|| !lookups.problems().is_empty()).await;
    let said = lookups.problems()[0].to_string();
    assert!(said.contains("mesh.example") && said.contains("DNS"), "{said}");
    let before = asked.lock().unwrap().len();
    // It is asked again, and what it then says is taken.
    *answer.lock().unwrap() = Some(Vec::new());
    until(|| lookups.problems().is_empty()).await;
    assert!(asked.lock().unwrap().len() > before);
    assert_eq!(urls(&lookups), [at_a.url()]);
}
