//! The service as a client sees it, in this process, on virtual time.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::directory::Bounds;
use crate::lookup::{Lookup, LookupOptions};
use crate::testing::{Author, mesh};
use futures_util::stream;
use hedgerow_proto::lookup::lookup_client::LookupClient;
use hedgerow_proto::lookup::lookup_server::LookupServer;
use hedgerow_proto::lookup::watch_response::{appeared, changed, disappeared, event::Event};
use hedgerow_proto::lookup::{LeaseState, RenewState, Revision as WireRevision, Signed};
use std::path::Path;
use tonic::Code;

type Client = LookupClient<LookupServer<LookupService>>;

struct Served {
    folder: tempfile::TempDir,
    lookup: Lookup,
    client: Client,
}

fn open(folder: &Path, change: impl FnOnce(&mut LookupOptions)) -> Lookup {
    let mut options = LookupOptions::new(folder.to_owned(), Id([0x77; 16]));
    options.mesh = Some(mesh());
    change(&mut options);
    Lookup::open(options).unwrap()
}

impl Served {
    fn with(change: impl FnOnce(&mut LookupOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lookup = open(folder.path(), change);
        Self { client: LookupClient::new(lookup.service()), folder, lookup }
    }

    fn new() -> Self {
        Self::with(|_| {})
    }

    async fn restart(&mut self) {
        self.lookup.close().await;
        self.lookup = open(self.folder.path(), |_| {});
        self.client = LookupClient::new(self.lookup.service());
    }

    async fn register(&mut self, registration: Signed) -> Result<RegisterResponse, Status> {
        let request = RegisterRequest { registration: Some(registration), asked_ms: 60_000 };
        self.client.register(request).await.map(Response::into_inner)
    }

    async fn lease(&mut self, registration: Signed) -> u64 {
        self.register(registration).await.unwrap().lease
    }

    async fn renew(&mut self, leases: Vec<u64>) -> Result<Vec<(RenewState, u64)>, Status> {
        let requests = stream::iter([RenewRequest { leases }]);
        let mut answers = self.client.renew(requests).await?.into_inner();
        let answer = answers.message().await?.unwrap();
        Ok(answer.renewed.iter().map(|renewed| (renewed.state(), renewed.granted_ms)).collect())
    }

    async fn watch(&mut self, template: &str, after: Option<WireRevision>) -> Watch {
        let template = Some(template::to_wire(&template.parse().unwrap()));
        let stream = self.client.watch(WatchRequest { template, after }).await.unwrap().into_inner();
        Watch { stream, revision: None }
    }

    async fn find(&mut self, template: &str, limit: u32, cursor: bytes::Bytes) -> FindResponse {
        let template = Some(template::to_wire(&template.parse().unwrap()));
        self.client.find(FindRequest { template, limit, cursor }).await.unwrap().into_inner()
    }
}

struct Watch {
    stream: Streaming<WatchResponse>,
    revision: Option<WireRevision>,
}

impl Watch {
    /// The events of the next message, in short.
    async fn told(&mut self) -> Vec<String> {
        let message = self.stream.message().await.unwrap().expect("the stream goes on");
        let word = |event: &hedgerow_proto::lookup::watch_response::Event| {
            let held = |held: &Option<hedgerow_proto::lookup::Held>| {
                let held = held.as_ref().unwrap();
                let registration =
                    hedgerow_proto::signed::open_registration(held.registration.as_ref().unwrap());
                let state = if held.state() == LeaseState::Live { "" } else { "?" };
                format!("{}{state}", registration.unwrap().name)
            };
            match event.event.as_ref().unwrap() {
                Event::Reset(reset) => format!("reset: {}", reset.reason),
                Event::Present(present) => format!("present {}", held(&Some(present.clone()))),
                Event::SnapshotEnd(_) => "end".into(),
                Event::Appeared(a) if a.cause() == appeared::Cause::Registered => {
                    format!("new {}", held(&a.held))
                }
                Event::Appeared(a) => format!("matches {}", held(&a.held)),
                Event::Changed(c) if c.what() == changed::What::Body => format!("body {}", held(&c.held)),
                Event::Changed(c) => format!("state {}", held(&c.held)),
                Event::Disappeared(d) => match d.cause() {
                    disappeared::Cause::Cancelled => format!("cancelled {:?}", d.id[0]),
                    disappeared::Cause::Expired => format!("expired {:?}", d.id[0]),
                    _ => format!("unmatched {:?}", d.id[0]),
                },
                Event::Idle(_) => "idle".into(),
                Event::Suspicion(s) => format!("suspicion {}", s.begun),
            }
        };
        self.revision = message.events.last().unwrap().revision;
        message.events.iter().map(word).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn what_registers_is_found_and_told_and_gone_when_it_cancels() {
    let mut served = Served::new();
    let mut watch = served.watch("kind=farm", None).await;
    assert_eq!(watch.told().await, ["end"]);
    let signed = Author::new(1).signed(1, 0);
    let registered = served.register(signed.clone()).await.unwrap();
    assert_eq!(registered.granted_ms, 10_000);
    assert_eq!(watch.told().await, ["new farm-1"]);
    assert_eq!(watch.revision, registered.revision);
    let found = served.find("name=farm-*", 0, bytes::Bytes::new()).await;
    assert_eq!((found.total, found.held.len()), (1, 1));
    let held = &found.held[0];
    assert_eq!(held.registration, Some(signed), "verbatim");
    assert_eq!((held.lease_remaining_ms, held.granted_ms, held.state()), (10_000, 10_000, LeaseState::Live));
    assert_eq!(served.find("kind=lookup", 0, bytes::Bytes::new()).await.total, 0);
    let mut cancel = async || {
        let request = CancelRequest { lease: registered.lease };
        served.client.cancel(request).await.unwrap().into_inner().cancelled
    };
    assert!(cancel().await);
    assert!(!cancel().await);
    assert_eq!(watch.told().await, ["cancelled 1"]);
    let status = served.client.status(StatusRequest {}).await.unwrap().into_inner();
    assert_eq!((status.leases, status.registrations, status.cancelled, status.watchers), (0, 1, 1, 1));
    drop(watch);
    assert_eq!(served.lookup.status().watchers, 0);
}

#[tokio::test(start_paused = true)]
async fn a_renewed_lease_stays_and_one_that_is_not_renewed_is_gone_within_a_second() {
    let mut served = Served::new();
    let start = tokio::time::Instant::now();
    let lease = served.lease(Author::new(1).signed(1, 0)).await;
    served.lease(Author::new(2).signed(1, 0)).await;
    let mut watch = served.watch("", None).await;
    assert_eq!(watch.told().await, ["present farm-1", "present farm-2", "end"]);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(served.renew(vec![lease]).await.unwrap(), [(RenewState::Renewed, 10_000)]);
    assert_eq!(watch.told().await, ["expired 2"]);
    let late = start.elapsed() - Duration::from_secs(10);
    assert!(late < Duration::from_secs(1), "{late:?}");
    assert_eq!(watch.told().await, ["expired 1"]);
    assert_eq!(start.elapsed().as_secs(), 16);
    assert_eq!(served.renew(vec![lease]).await.unwrap(), [(RenewState::Unknown, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_lookup_keeps_its_directory_unconfirmed_until_renewed() {
    let mut served = Served::new();
    let lease = served.lease(Author::new(1).signed(1, 0)).await;
    served.lease(Author::new(2).signed(1, 0)).await;
    let mut before = served.watch("", None).await;
    before.told().await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    served.restart().await;
    assert_eq!(before.stream.message().await.unwrap_err().code(), Code::Unavailable);
    let mut watch = served.watch("", before.revision).await;
    let snapshot = ["reset: the lookup has restarted", "present farm-1?", "present farm-2?", "end"];
    assert_eq!(watch.told().await, snapshot);
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(served.renew(vec![lease]).await.unwrap(), [(RenewState::Renewed, 10_000)]);
    assert_eq!(watch.told().await, ["state farm-1"]);
    assert_eq!(watch.told().await, ["expired 2"], "one full term after the restart");
    served.restart().await;
    assert_eq!(served.lookup.status().leases.leases, 1, "what expired does not come back");
    assert_eq!(served.lookup.mesh(), &mesh());
}

#[tokio::test(start_paused = true)]
async fn a_replaced_holder_is_told_so_when_it_renews() {
    let mut served = Served::new();
    let author = Author::new(1);
    let old = served.lease(author.signed(1, 0)).await;
    let new = served.lease(author.signed(2, 0)).await;
    assert_ne!(old, new);
    let states = [(RenewState::Replaced, 0), (RenewState::Renewed, 10_000)];
    assert_eq!(served.renew(vec![old, new]).await.unwrap(), states);
    let refused = served.register(author.signed(1, 1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("start 2 serial 0") && refused.message().contains("start 1 serial 1"));
    let mut thief = Author::new(2);
    thief.registration = author.registration;
    assert_eq!(served.register(thief.signed(3, 0)).await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(served.lookup.status().counters.refused, 2);
}

#[tokio::test(start_paused = true)]
async fn an_altered_body_is_refused() {
    let mut served = Served::new();
    let mut signed = Author::new(1).signed(1, 0);
    let mut body = signed.body.to_vec();
    *body.last_mut().unwrap() ^= 1;
    signed.body = body.into();
    let refused = served.register(signed).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("signature"), "{refused}");
    let nothing = RegisterRequest { registration: None, asked_ms: 60_000 };
    assert_eq!(served.client.register(nothing).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(served.lookup.status().counters.refused, 2);
}

#[tokio::test(start_paused = true)]
async fn another_mesh_is_refused_on_every_call_naming_both_and_answers_name_ours() {
    let mut served =
        Served::with(|options| options.mesh = Some(Mesh { name: "Küche".into(), id: mesh().id }));
    let theirs = Id([9; 16]).to_string();
    let mut call = async |mesh: Option<&str>| {
        let mut request = Request::new(StatusRequest {});
        if let Some(mesh) = mesh {
            request.metadata_mut().insert(MESH_ID_METADATA, mesh.parse().unwrap());
            request.metadata_mut().insert(MESH_NAME_METADATA, "Garten%20Süd".parse().unwrap());
        }
        served.client.status(request).await
    };
    let ours = mesh().id.to_string();
    for mesh in [None, Some(ours.as_str())] {
        let answer = call(mesh).await.unwrap();
        assert_eq!(answer.metadata().get(MESH_ID_METADATA).unwrap(), &ours);
        assert_eq!(answer.metadata().get(MESH_NAME_METADATA).unwrap(), "K%C3%BCche");
    }
    let refused = call(Some(&theirs)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    for part in ["Küche", &ours, "Garten", &theirs] {
        assert!(refused.message().contains(part), "{part} in {}", refused.message());
    }
    assert_eq!(refused.metadata().get(MESH_ID_METADATA).unwrap(), &ours);
    assert_eq!(call(Some("mesh")).await.unwrap_err().code(), Code::InvalidArgument);
    let mut request = Request::new(WatchRequest::default());
    request.metadata_mut().insert(MESH_ID_METADATA, theirs.parse().unwrap());
    assert_eq!(served.client.watch(request).await.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_leases_are_renewed_in_one_message_and_no_more() {
    let mut served = Served::new();
    let mut leases = Vec::new();
    for n in 0..=1000_u16 {
        let mut author = Author::new(1);
        author.registration.id.0[..2].copy_from_slice(&n.to_le_bytes());
        leases.push(served.lease(author.signed(1, 0)).await);
    }
    assert_eq!(served.renew(leases.clone()).await.unwrap_err().code(), Code::InvalidArgument);
    leases.pop();
    assert_eq!(served.renew(leases).await.unwrap(), [(RenewState::Renewed, 10_000); 1000]);
    assert_eq!(served.lookup.status().counters.renewals, 1000);
    let mut names = 0;
    let mut cursor = bytes::Bytes::new();
    for count in [400, 400, 201] {
        let page = served.find("kind=farm", 400, cursor).await;
        assert_eq!((page.total, page.held.len()), (1001, count));
        names += count;
        cursor = page.cursor;
    }
    assert!(cursor.is_empty() && names == 1001);
    let mut watch = served.watch("", None).await;
    assert_eq!([watch.told().await.len(), watch.told().await.len()], [512, 490], "in several messages");
}

#[tokio::test(start_paused = true)]
async fn who_resumes_after_the_log_was_trimmed_is_reset() {
    let mut served = Served::with(|options| options.bounds.log.transitions = 2);
    served.lease(Author::new(1).signed(1, 0)).await;
    let mut watch = served.watch("", None).await;
    watch.told().await;
    let known = watch.revision;
    drop(watch);
    served.lease(Author::new(2).signed(1, 0)).await;
    assert_eq!(served.watch("", known).await.told().await, ["new farm-2"], "still in the log");
    assert_eq!(served.watch("name=farm-1", known).await.told().await, ["idle"], "nothing missed");
    for n in 3..=4 {
        served.lease(Author::new(n).signed(1, 0)).await;
    }
    let reset = served.watch("name=farm-3", known).await.told().await;
    assert_eq!(reset, ["reset: what happened since is no longer in the log", "present farm-3", "end"]);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_reset_and_costs_the_others_nothing() {
    let mut served = Served::with(|options| options.bounds.pending = 3);
    let mut slow = served.watch("", None).await;
    let mut quick = served.watch("", None).await;
    assert_eq!((slow.told().await, quick.told().await), (vec!["end".into()], vec!["end".into()]));
    for n in 1..=5 {
        served.lease(Author::new(n).signed(1, 0)).await;
        assert_eq!(quick.told().await, [format!("new farm-{n}")]);
    }
    let told = slow.told().await;
    assert!(told[0].starts_with("reset") && told.len() == 7, "{told:?}");
    assert_eq!(served.lookup.status().counters.resets, 1);
}

#[tokio::test(start_paused = true)]
async fn several_changes_come_in_one_message() {
    let mut served = Served::new();
    let mut watch = served.watch("", None).await;
    watch.told().await;
    for n in 1..=3 {
        served.lease(Author::new(n).signed(1, 0)).await;
    }
    assert_eq!(watch.told().await, ["new farm-1", "new farm-2", "new farm-3"]);
}

#[tokio::test(start_paused = true)]
async fn who_sees_nothing_happen_is_told_up_to_where() {
    let mut served = Served::new();
    let mut watch = served.watch("kind=lookup", None).await;
    assert_eq!(watch.told().await, ["end"]);
    let registered = served.register(Author::new(1).signed(1, 0)).await.unwrap();
    assert_eq!(watch.told().await, ["idle"]);
    assert!(watch.revision.unwrap().number >= registered.revision.unwrap().number);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_closes_ends_its_streams_and_refuses_calls() {
    let mut served = Served::new();
    let mut watch = served.watch("", None).await;
    watch.told().await;
    let open = stream::pending::<RenewRequest>();
    let mut renewals = served.client.renew(open).await.unwrap().into_inner();
    let lookup = served.lookup;
    let ends = tokio::join!(lookup.close(), watch.stream.message(), renewals.message());
    assert_eq!(ends.1.unwrap_err().code(), Code::Unavailable);
    assert_eq!(ends.2.unwrap_err().code(), Code::Unavailable);
    assert_eq!(served.client.status(StatusRequest {}).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn too_many_too_short_and_unreachable_are_refused_with_what_to_do() {
    let bounds = Bounds { renewals_per_second: 0.05, registrations: 1, ..Bounds::default() };
    let mut served = Served::with(|options| (options.bounds, options.loopback_only) = (bounds, false));
    let mut author = Author::new(1);
    let refused = served.register(author.signed(1, 0)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("127.0.0.1") && refused.message().contains("advertise"), "{refused}");
    author.registration.endpoints.clear();
    served.lease(author.signed(1, 0)).await;
    author.registration.serial = 1;
    let short = RegisterRequest { registration: Some(author.signed(1, 1)), asked_ms: 20_000 };
    let refused = served.client.register(short).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.metadata().get("retry-after").unwrap(), "60");
    let mut second = Author::new(2);
    second.registration.endpoints.clear();
    let refused = served.register(second.signed(1, 0)).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let bad = FindRequest { cursor: vec![1].into(), ..FindRequest::default() };
    assert_eq!(served.client.find(bad).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(start_paused = true)]
async fn two_live_holders_of_one_id_are_told_of_each_other_and_the_newer_is_refused() {
    let mut served = Served::new();
    let (mut one, mut copy) = (Author::new(1), Author::new(1));
    one.registration.endpoints[0].url = "http://127.0.0.1:1111".into();
    copy.registration.endpoints[0].url = "http://127.0.0.1:2222".into();
    let old = served.lease(one.signed(1, 0)).await;
    let mut watch = served.watch("", None).await;
    watch.told().await;
    let new = served.lease(copy.signed(2, 0)).await;
    let mut renew = async || {
        let requests = stream::iter([RenewRequest { leases: vec![old, new] }]);
        let mut answers = served.client.renew(requests).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap();
        let states: Vec<_> = answer.renewed.iter().map(|renewed| renewed.state()).collect();
        assert!(answer.problem.contains("http://127.0.0.1:1111"), "{}", answer.problem);
        assert!(answer.problem.contains("http://127.0.0.1:2222"), "{}", answer.problem);
        (states, answer.problem)
    };
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(renew().await.0, [RenewState::Replaced, RenewState::Renewed]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (states, problem) = renew().await;
    assert_eq!(states, [RenewState::Renewed, RenewState::Cloned]);
    assert!(problem.starts_with("cloned_id"), "{problem}");
    assert_eq!(watch.told().await, ["body farm-1", "body farm-1"]);
    let held = served.find("", 0, bytes::Bytes::new()).await.held;
    assert_eq!(held[0].registration, Some(one.signed(1, 0)));
    let refused = served.register(copy.signed(2, 1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert_eq!(refused.message(), problem);
    assert_eq!(refused.metadata().get("retry-after").unwrap(), "10");
    tokio::time::sleep(Duration::from_secs(11)).await;
    served.lease(copy.signed(2, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn the_status_and_every_watcher_say_that_the_lookup_suspects_itself() {
    let mut served = Served::new();
    for n in 1..=30 {
        served.lease(Author::new(n).signed(1, 0)).await;
    }
    let mut peer = Author::new(99);
    peer.registration.kind = "lookup".into();
    let registered = served.register(peer.signed(1, 0)).await.unwrap();
    let mut myself = Author::new(0x77);
    myself.registration.kind = "lookup".into();
    let version = served.register(myself.signed(1, 0)).await.unwrap().lookups_version;
    assert_ne!(registered.lookups_version, version);
    let mut watch = served.watch("name=farm-3", None).await;
    assert_eq!(watch.told().await, ["present farm-3", "end"]);
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(3)).await;
        served.renew(vec![registered.lease]).await.unwrap();
    }
    assert_eq!(watch.told().await, ["suspicion true", "state farm-3?"]);
    let status = served.client.status(StatusRequest {}).await.unwrap().into_inner();
    assert_eq!((status.leases, status.overdue, status.suspect, status.suspects), (32, 31, 31, true));
    assert_eq!(status.max_renewals_per_second, 10_000.0);
    assert!(status.renewals_per_second > 0.0);
    let [peer] = &status.peers[..] else { panic!("{:?}", status.peers) };
    assert_eq!((peer.name.as_str(), peer.state()), ("farm-99", LeaseState::Live));
    assert_eq!(peer.urls, ["http://127.0.0.1:7403"]);
}

#[tokio::test(start_paused = true)]
async fn a_template_whose_patterns_would_hold_everybody_up_is_refused_and_a_usual_one_is_not() {
    let mut served = Served::new();
    let globs = |globs: Vec<String>| {
        let operation = Operation::Is(globs);
        let term = hedgerow_model::template::Term { key: "name".into(), operation };
        Some(template::to_wire(&hedgerow_model::Template { terms: vec![term] }))
    };
    let sites = globs((0..64).map(|n| format!("site-number-{n}-*")).collect());
    let hosts = (0..16).map(|n| format!("n{n}")).collect::<Vec<_>>().join(",");
    let hosts = globs(vec![format!("host-{{{hosts}}}.example.org"), "x".repeat(255)]);
    for template in [sites, hosts] {
        let asked = FindRequest { template, ..FindRequest::default() };
        served.client.find(asked).await.unwrap();
    }
    let wild = globs((0..64).map(|n| format!("*{n}*{}", "a*".repeat(100))).collect());
    let braces = globs(vec![format!("{{{}}}*x", vec!["0123456789"; 64].join(","))]);
    for template in [wild, braces] {
        let asked = FindRequest { template: template.clone(), ..FindRequest::default() };
        let refused = served.client.find(asked).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains("at most 2048"), "{refused}");
        let asked = WatchRequest { template, after: None };
        assert_eq!(served.client.watch(asked).await.unwrap_err().code(), Code::InvalidArgument);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_directory_ends_everything_and_is_told_to_the_process() {
    let mut served = Served::new();
    let mut watch = served.watch("", None).await;
    assert_eq!(watch.told().await, ["end"]);
    let broken = served.lookup.broken();
    let inner = Arc::clone(&served.lookup.0);
    let panicked = tokio::spawn(async move { inner.act(|_, _| panic!("for this test")) });
    assert!(panicked.await.unwrap_err().is_panic());
    broken.await;
    assert_eq!(watch.stream.message().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(served.register(Author::new(1).signed(1, 0)).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_his_snapshot_loses_it_when_others_need_the_room() {
    let (many, room) = (600, 100);
    let mut served = Served::with(|options| options.bounds.snapshots = room);
    served.lookup.0.act(|directory, now| {
        for number in 0..many {
            let mut author = Author::new(1);
            author.registration.id = Id(u128::from(number + 1).to_be_bytes());
            let entry = Arc::into_inner(author.unsigned()).unwrap();
            directory.register(now, entry, Duration::from_secs(600), LeaseId(number + 1)).unwrap();
        }
    });
    let mut stalls = served.watch("", None).await;
    let asked = WatchRequest::default();
    assert_eq!(served.client.watch(asked.clone()).await.unwrap_err().code(), Code::ResourceExhausted);
    tokio::time::sleep(crate::snapshots::SNAPSHOT_PATIENCE * 2).await;
    served.client.watch(asked).await.unwrap();
    let sent = stalls.stream.message().await.unwrap().unwrap();
    assert_eq!(sent.events.len(), 512, "was on its way already");
    assert_eq!(stalls.stream.message().await.unwrap_err().code(), Code::DeadlineExceeded);
}
