//! Promise: one connection is enough for ten thousand services: over it they register and renew, all are held and found, and who
//! watches is told of each.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use futures_util::{StreamExt as _, stream};
use hedgerow_client::channel::{Caller, Connection};
use hedgerow_client::{Identity, UserToken};
use hedgerow_e2e::{PATIENCE, Process, RawWatch, Reactor, Sandbox, Stopwatch, held_of, wait_until};
use hedgerow_model::registration::{Id, Mesh, Registration};
use hedgerow_proto::lookup::{FindRequest, RegisterRequest, RenewRequest, RenewState, StatusRequest};
use std::collections::{BTreeMap, BTreeSet};

const SERVICES: u128 = 10_000;
/// Calls that wait for their answers at a time; a connection takes 256.
const AT_ONCE: usize = 128;
/// After so many registrations all leases are renewed.
const CHUNK: usize = 500;
/// Of one message of renewals.
const RENEWALS: usize = 1000;

/// Services of one process, on its only connection.
#[derive(Clone)]
struct Services {
    lookup: Connection,
    /// One key signs for all.
    identity: Identity,
    mesh: Mesh,
}

impl Services {
    /// Registers one; its lease.
    async fn register(self, id: Id) -> (Id, u64) {
        let registration = Registration {
            id,
            mesh: self.mesh.clone(),
            name: format!("service-{id}"),
            kind: "other".to_owned(),
            groups: vec!["many".to_owned()],
            attributes: BTreeMap::new(),
            endpoints: Vec::new(),
            apis: Vec::new(),
            version: "0".to_owned(),
            description: String::new(),
            instance: self.identity.instance(),
            serial: 0,
        };
        let registration = Some(self.identity.sign(&registration));
        let asked = RegisterRequest { registration, asked_ms: 3_600_000 };
        (id, self.lookup.lookup().register(asked).await.unwrap().into_inner().lease)
    }

    /// Renews all on one stream; those whose lease is not known (any more).
    async fn renew(&self, leases: &BTreeMap<Id, u64>) -> Vec<Id> {
        let all: Vec<(Id, u64)> = leases.iter().map(|(id, lease)| (*id, *lease)).collect();
        let request =
            |some: &[(Id, u64)]| RenewRequest { leases: some.iter().map(|(_, lease)| *lease).collect() };
        let requests: Vec<RenewRequest> = all.chunks(RENEWALS).map(request).collect();
        let mut answers = self.lookup.lookup().renew(stream::iter(requests)).await.unwrap().into_inner();
        let mut renewed = Vec::new();
        while let Some(answer) = answers.message().await.unwrap() {
            renewed.extend(answer.renewed);
        }
        assert_eq!(renewed.len(), all.len(), "one answer for each");
        let lost = renewed.iter().zip(&all).filter(|(renewed, _)| renewed.state() != RenewState::Renewed);
        lost.map(|(_, (id, _))| *id).collect()
    }

    /// Until each has a lease that was renewed. What ran out on a slow machine is registered again, as services do.
    async fn all_registered(&self) {
        let mut leases = BTreeMap::new();
        let mut missing: Vec<Id> = (1..=SERVICES).map(|number| Id(number.to_be_bytes())).collect();
        while !missing.is_empty() {
            for chunk in missing.chunks(CHUNK) {
                let one = |id: Id| self.clone().register(id);
                let registering = stream::iter(chunk.to_vec()).map(one).buffer_unordered(AT_ONCE);
                leases.extend(registering.collect::<Vec<_>>().await);
                self.renew(&leases).await;
            }
            missing = self.renew(&leases).await;
        }
    }

    /// All that are found, page by page.
    async fn found(&self) -> BTreeSet<Id> {
        let (mut found, mut cursor) = (BTreeSet::new(), Vec::new().into());
        loop {
            let asked = FindRequest { cursor, ..FindRequest::default() };
            let page = self.lookup.lookup().find(asked).await.unwrap().into_inner();
            found.extend(page.held.iter().filter_map(hedgerow_e2e::id_of));
            if page.cursor.is_empty() {
                assert_eq!(page.total, found.len() as u64);
                return found;
            }
            cursor = page.cursor;
        }
    }
}

#[test]
fn ten_thousand_services_live_on_one_connection() {
    let sandbox = Sandbox::new();
    let (data, address) = (sandbox.path("mesh"), format!("127.0.0.1:{}", sandbox.base_port() + 1));
    // With many leases it grants long ones: no renewal has to be in time on a busy machine.
    let words = ["lookup", "--data", data.to_str().unwrap(), "--listen", &address, "--max-renewals", "10"];
    let mut lookup: Process = sandbox.start("lookup", &words);
    lookup.prints("Ctrl-C stops", PATIENCE);
    let url = sandbox.url(1);
    let token = UserToken::load(&sandbox.path("state/hedgerow/token")).unwrap();
    let identity = Identity::open(&sandbox.path("services")).unwrap();
    let watcher = RawWatch::new(&url);
    let reactor = Reactor::new();
    let watch = Stopwatch::new();
    let found = reactor.run(async move {
        let lookup = Caller::new(token, None).connect(&url).unwrap();
        let status = lookup.lookup().status(StatusRequest {}).await.unwrap().into_inner();
        let mesh = Mesh { name: status.mesh_name, id: Id::from_slice(&status.mesh_id).unwrap() };
        let services = Services { lookup, identity, mesh };
        services.all_registered().await;
        services.found().await
    });
    println!("{SERVICES} registered, renewed and found after {:?}", watch.elapsed());
    let all: BTreeSet<Id> = (1..=SERVICES).map(|number| Id(number.to_be_bytes())).collect();
    assert!(found.is_superset(&all), "{} of them", found.intersection(&all).count());
    assert_eq!(found.len(), all.len() + 1, "and the lookup itself");
    wait_until("as many shown to who watches", PATIENCE, || {
        let shown = watcher.heard().iter().filter(|heard| held_of(&heard.event).is_some()).count();
        shown >= found.len()
    });
    wait_until("each shown to who watches", PATIENCE, || {
        let heard = watcher.heard();
        let shown: BTreeSet<Id> =
            heard.iter().filter_map(|heard| hedgerow_e2e::id_of(held_of(&heard.event)?)).collect();
        shown == found
    });
    assert!(lookup.is_running());
}
