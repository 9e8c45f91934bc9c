//! Promise: a lookup waits for nobody, and nobody who watches is silently short: one who did not read is told `reset`, and then
//! everything there is.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_client::channel::{Caller, Connection};
use hedgerow_client::{Identity, UserToken};
use hedgerow_e2e::{PATIENCE, RawWatch, Reactor, Sandbox, held_of, wait_until};
use hedgerow_model::registration::{Id, Mesh, Registration};
use hedgerow_proto::lookup::lookup_client::LookupClient;
use hedgerow_proto::lookup::watch_response::event::Event;
use hedgerow_proto::lookup::{
    FindRequest, Held, RegisterRequest, StatusRequest, WatchRequest, WatchResponse,
};
use hedgerow_proto::signed::open_registration;
use std::collections::BTreeMap;
use tonic::transport::Endpoint;

const SERVICES: usize = 20;
/// Each says so often something else: more, in all, than waits for one watcher, which is 16,384 and what is on its way.
const CHANGES: u64 = 900;

/// Bytes of the smallest window that there is.
const SMALLEST: u32 = 65_535;

/// What services say, by id: the serial.
type Said = BTreeMap<Id, u64>;

fn service(identity: &Identity, mesh: &Mesh, serial: u64) -> Registration {
    Registration {
        id: identity.id(),
        mesh: mesh.clone(),
        name: "one-of-many".to_owned(),
        kind: "other".to_owned(),
        groups: Vec::new(),
        attributes: BTreeMap::new(),
        endpoints: Vec::new(),
        apis: Vec::new(),
        version: "0".to_owned(),
        description: "says much ".repeat(90),
        instance: identity.instance(),
        serial,
    }
}

async fn register(lookup: Connection, identity: Identity, mesh: Mesh, serial: u64) {
    let registration = Some(identity.sign(&service(&identity, &mesh, serial)));
    lookup.lookup().register(RegisterRequest { registration, asked_ms: 600_000 }).await.unwrap();
}

/// All there is, as the lookup answers it.
async fn found(lookup: &Connection) -> Said {
    let answer = lookup.lookup().find(FindRequest::default()).await.unwrap().into_inner();
    answer.held.iter().filter_map(said).collect()
}

/// Those of this test; a lookup is itself a service.
fn said(held: &Held) -> Option<(Id, u64)> {
    let registration = open_registration(held.registration.as_ref().unwrap()).unwrap();
    (registration.kind == "other").then_some((registration.id, registration.serial))
}

/// Believes each event of a lookup, and checks that none is missing.
#[derive(Default)]
struct Believer {
    said: Said,
    number: u64,
    resets: u64,
    /// Within a snapshot.
    loading: bool,
}

impl Believer {
    fn hears(&mut self, event: &Event, number: u64) {
        match event {
            Event::Reset(_) => {
                self.resets += 1;
                (self.said, self.loading) = (Said::new(), true);
            }
            Event::SnapshotEnd(_) => (self.loading, self.number) = (false, number),
            Event::Present(held) => self.said.extend(said(held)),
            event => {
                assert!(number >= self.number, "{number} after {}: {event:?}", self.number);
                self.number = number;
                let Some((id, serial)) = held_of(event).and_then(said) else { return };
                let before = self.said.insert(id, serial).unwrap_or_default();
                let next = before + 1;
                assert!(serial == next || before == serial, "{serial} after {before}: {next} was not told");
            }
        }
    }
}

#[test]
fn who_did_not_read_is_reset_and_then_knows_everything() {
    let sandbox = Sandbox::new();
    let _lookup = sandbox.first_lookup();
    let url = sandbox.url(1);
    let reactor = Reactor::new();
    let token = UserToken::load_or_create(&sandbox.path("state/hedgerow/token")).unwrap();
    let at = url.clone();
    let lookup = reactor.run(async move { Caller::new(Some(token), None).connect(&at).unwrap() });
    let identities: Vec<Identity> = (0..SERVICES)
        .map(|number| Identity::open(&sandbox.path(&format!("service-{number}"))).unwrap())
        .collect();

    // One who has the snapshot, and then does not read; with windows as small as they come.
    let at = url.clone();
    let mut slow = reactor.run(async move {
        let endpoint = Endpoint::from_shared(at).unwrap();
        let endpoint = endpoint.initial_stream_window_size(SMALLEST).initial_connection_window_size(SMALLEST);
        let channel = endpoint.connect().await.unwrap();
        let mut responses =
            LookupClient::new(channel).watch(WatchRequest::default()).await.unwrap().into_inner();
        let first: WatchResponse = responses.message().await.unwrap().unwrap();
        assert!(first.events.iter().any(|event| matches!(event.event, Some(Event::SnapshotEnd(_)))));
        responses
    });
    let reader = RawWatch::new(&url);

    let (calls, services) = (lookup.clone(), identities.clone());
    reactor.run(async move {
        let status = calls.lookup().status(StatusRequest {}).await.unwrap().into_inner();
        let mesh = Mesh { name: status.mesh_name, id: Id::from_slice(&status.mesh_id).unwrap() };
        for serial in 1..=CHANGES {
            let all = services.iter().map(|identity| {
                tokio::spawn(register(calls.clone(), identity.clone(), mesh.clone(), serial))
            });
            for one in all.collect::<Vec<_>>() {
                one.await.unwrap();
            }
        }
    });

    // Who reads has everything, while the other stands still.
    let believe = |reader: &RawWatch| {
        let mut believer = Believer::default();
        reader.heard().iter().for_each(|heard| believer.hears(&heard.event, heard.number));
        believer
    };
    let all: Said = identities.iter().map(|identity| (identity.id(), CHANGES)).collect();
    wait_until("everything told to who reads", PATIENCE, || believe(&reader).said == all);

    // Now the other reads, too.
    let (end, truth) = reactor.run(async move {
        let mut believer = Believer::default();
        let truth = found(&lookup).await;
        while believer.said != truth || believer.loading {
            let response = slow.message().await.unwrap().expect("the stream goes on");
            for envelope in response.events {
                let number = envelope.revision.unwrap().number;
                believer.hears(&envelope.event.unwrap(), number);
            }
        }
        (believer, truth)
    });
    assert_eq!(truth, all);
    println!("the reader was reset {} times, the other {}", believe(&reader).resets, end.resets);
    assert_eq!(end.resets, 1, "it did not read {} changes", SERVICES as u64 * CHANGES);
}
