//! Random interleavings against a model that a person can check by eye.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::lease_time::TICK;
use crate::testing::{mesh, template};
use crate::transitions::Seen;
use crate::watchers::WatcherId;
use crate::watchers::{Event, Told};
use hedgerow_model::lease;
use hedgerow_model::registration::{Instance, Registration};
use hedgerow_proto::convert::registration::to_wire;
use hedgerow_proto::lookup::Signed;
use proptest::prelude::*;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

const RENEWALS_PER_SECOND: f64 = 0.25;
const TEMPLATES: [&str; 3] = ["", "group=a", "name=service-1"];

#[derive(Debug, Clone)]
enum Op {
    Register {
        service: u8,
        key: u8,
        start: u64,
        serial: u64,
        group: bool,
        asked: u64,
    },
    Renew(prop::sample::Index),
    Cancel(prop::sample::Index),
    Run {
        ticks: u32,
    },
    Stall {
        seconds: u64,
    },
    Restart,
    /// Comes, or comes again, and reads only this many of what it is told first.
    Watch {
        client: usize,
        read: usize,
    },
    Drain {
        client: usize,
        most: usize,
    },
    Leave {
        client: usize,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let register =
        (0..3u8, prop::sample::select(vec![0, 0, 0, 1]), 1..4u64, 0..3u64, any::<bool>(), 0..4usize)
            .prop_map(|(service, key, start, serial, group, asked)| {
                let asked = [5, 30, 60, 60][asked];
                Op::Register { service, key, start, serial, group, asked }
            });
    prop_oneof![
        6 => register,
        6 => any::<prop::sample::Index>().prop_map(Op::Renew),
        1 => any::<prop::sample::Index>().prop_map(Op::Cancel),
        4 => (1..100u32).prop_map(|ticks| Op::Run { ticks }),
        1 => (2..200u64).prop_map(|seconds| Op::Stall { seconds }),
        1 => Just(Op::Restart),
        3 => (0..3usize, prop_oneof![Just(usize::MAX), 0..4usize]).prop_map(|(client, read)| Op::Watch { client, read }),
        6 => (0..3usize, 1..6usize).prop_map(|(client, most)| Op::Drain { client, most }),
        1 => (0..3usize).prop_map(|client| Op::Leave { client }),
    ]
}

/// What the directory should hold of a service. Time: that in which the lookup ran.
#[derive(Debug, Clone)]
struct Held {
    key: u8,
    order: (Instance, u64),
    group: bool,
    lease: LeaseId,
    asked: Duration,
    granted: Duration,
    expires: Duration,
    state: LeaseState,
}

/// A client that believes what it is told.
#[derive(Default)]
struct Client {
    watcher: Option<WatcherId>,
    revision: Option<Revision>,
    view: BTreeMap<u8, ((Instance, u64), LeaseState)>,
}

struct World {
    directory: Directory,
    now: Duration,
    running: Duration,
    epoch: u64,
    fresh: u64,
    held: BTreeMap<u8, Held>,
    given: Vec<LeaseId>,
    replaced: BTreeSet<LeaseId>,
    disk: BTreeMap<Id, Kept>,
    clients: [Client; 3],
    awake: BTreeSet<WatcherId>,
}

fn bounds() -> Bounds {
    Bounds {
        renewals_per_second: RENEWALS_PER_SECOND,
        registrations: 3,
        log: LogBounds { transitions: 6, ..LogBounds::default() },
        pending: 3,
    }
}

fn entry(service: u8, key: u8, order: (Instance, u64), group: bool) -> Entry {
    let registration = Registration {
        id: Id([service; 16]),
        mesh: mesh(),
        name: format!("service-{service}"),
        kind: "farm".into(),
        groups: if group { vec!["a".into()] } else { vec![] },
        attributes: BTreeMap::new(),
        endpoints: vec![],
        apis: vec![],
        version: String::new(),
        description: String::new(),
        instance: order.0,
        serial: order.1,
    };
    let signed = Signed {
        body: to_wire(&registration).encode_to_vec().into(),
        public_key: vec![key].into(),
        signature: vec![].into(),
    };
    Entry::new(&signed, registration)
}

impl World {
    fn new() -> Self {
        let now = Duration::from_secs(1000);
        Self {
            directory: Directory::new(1, &bounds(), now),
            now,
            running: Duration::ZERO,
            epoch: 1,
            fresh: 0,
            held: BTreeMap::new(),
            given: Vec::new(),
            replaced: BTreeSet::new(),
            disk: BTreeMap::new(),
            clients: Default::default(),
            awake: BTreeSet::new(),
        }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Register { service, key, start, serial, group, asked } => {
                let order = (Instance { start, random: 9 }, serial);
                self.register(service, key, order, group, Duration::from_secs(asked));
            }
            Op::Renew(index) if !self.given.is_empty() => self.renew(*index.get(&self.given)),
            Op::Cancel(index) if !self.given.is_empty() => {
                let lease = *index.get(&self.given);
                let before = self.held.len();
                self.held.retain(|_, held| held.lease != lease);
                assert_eq!(self.directory.cancel(self.now, lease), self.held.len() < before);
            }
            Op::Renew(_) | Op::Cancel(_) => {}
            Op::Run { ticks } => (0..ticks).for_each(|_| self.pass(TICK, TICK)),
            Op::Stall { seconds } => self.pass(Duration::from_secs(seconds), TICK),
            Op::Restart => self.restart(),
            Op::Watch { client, read } => self.watch(client, read),
            Op::Drain { client, most } => self.drain(client, most),
            Op::Leave { client } => {
                if let Some(watcher) = self.clients[client].watcher.take() {
                    self.directory.unwatch(watcher);
                }
            }
        }
        self.settle_effects();
    }

    fn pass(&mut self, time: Duration, running: Duration) {
        self.now += time;
        self.running += running;
        self.directory.tick(self.now);
        self.held.retain(|_, held| held.expires > self.running);
    }

    fn register(&mut self, service: u8, key: u8, order: (Instance, u64), group: bool, asked: Duration) {
        self.fresh += 1;
        let fresh = LeaseId(self.fresh);
        let answer = self.directory.register(self.now, entry(service, key, order, group), asked, fresh);
        let held = self.held.get(&service).cloned();
        let count = self.held.len() + usize::from(held.is_none());
        let granted = lease::grant(asked, count, RENEWALS_PER_SECOND);
        let (lease, group) = match (&held, granted) {
            (Some(held), _) if held.key != key => {
                return assert!(matches!(answer, Err(Refusal::OtherKey(_))));
            }
            (Some(held), _) if held.order > order => {
                return assert!(matches!(answer, Err(Refusal::Older { .. })));
            }
            (_, Err(_)) => return assert!(matches!(answer, Err(Refusal::TooShort(_)))),
            (Some(held), _) if held.order == order => (held.lease, held.group),
            (Some(held), _) if held.order.0 == order.0 => (held.lease, group),
            (Some(held), _) => {
                self.replaced.insert(held.lease);
                (fresh, group)
            }
            (None, _) => (fresh, group),
        };
        let granted = granted.unwrap();
        assert_eq!(answer, Ok(Granted { lease, term: granted }));
        let expires = self.running + granted;
        self.held.insert(
            service,
            Held { key, order, group, lease, asked, granted, expires, state: LeaseState::Live },
        );
        self.given.push(lease);
    }

    fn renew(&mut self, lease: LeaseId) {
        let count = self.held.len();
        let answer = self.directory.renew(self.now, &[lease]);
        let Some(held) = self.held.values_mut().find(|held| held.lease == lease) else {
            let replaced = self.replaced.contains(&lease);
            return assert_eq!(answer, [if replaced { Renewed::Replaced } else { Renewed::Unknown }]);
        };
        held.granted = lease::grant(held.asked, count, RENEWALS_PER_SECOND).unwrap_or(held.asked);
        held.expires = self.running + held.granted;
        held.state = LeaseState::Live;
        assert_eq!(answer, [Renewed::For(held.granted)]);
    }

    fn restart(&mut self) {
        self.epoch += 1;
        self.directory = Directory::new(self.epoch, &bounds(), self.now);
        for kept in self.disk.values() {
            self.directory.restore(kept.clone());
        }
        for (service, held) in &mut self.held {
            held.granted = self.disk[&Id([*service; 16])].granted;
            held.expires = self.running + held.granted;
            held.state = LeaseState::Unconfirmed;
        }
        self.replaced.clear();
        self.clients.iter_mut().for_each(|client| client.watcher = None);
    }

    fn watch(&mut self, client: usize, read: usize) {
        let matcher = template(TEMPLATES[client]);
        let client = &mut self.clients[client];
        if let Some(watcher) = client.watcher.take() {
            self.directory.unwatch(watcher);
        }
        if client.revision.is_none() {
            client.view.clear();
        }
        let (watcher, first) = self.directory.watch(self.now, matcher, client.revision);
        first.iter().take(read).for_each(|event| client.believe(event, self.epoch));
        if read < first.len() {
            self.directory.unwatch(watcher);
        } else {
            client.watcher = Some(watcher);
        }
    }

    fn drain(&mut self, client: usize, most: usize) {
        let client = &mut self.clients[client];
        let Some(watcher) = client.watcher else { return };
        let events = self.directory.drain(self.now, watcher, most);
        if events.is_empty() {
            self.awake.remove(&watcher);
        } else {
            assert!(self.awake.contains(&watcher), "something waited, and nobody was woken");
        }
        events.iter().for_each(|event| client.believe(event, self.epoch));
    }

    fn settle_effects(&mut self) {
        let effects = self.directory.take_effects();
        self.awake.extend(effects.woken);
        for id in effects.unwritten {
            match self.directory.take_write(id) {
                Write::Keep(kept) => drop(self.disk.insert(kept.entry.registration.id, kept)),
                Write::Forget(id) => drop(self.disk.remove(&id)),
            }
        }
    }

    fn check(&mut self) {
        let page = self.directory.find(self.now, &template(""), None, 10, usize::MAX);
        let found: Vec<_> = page
            .sights
            .iter()
            .map(|s| {
                (s.entry.registration.id.0[0], s.entry.registration.order(), s.state, s.remaining, s.granted)
            })
            .collect();
        let expected: Vec<_> = self
            .held
            .iter()
            .map(|(service, held)| {
                (*service, held.order, held.state, held.expires - self.running, held.granted)
            })
            .collect();
        assert_eq!(found, expected);
        assert!(
            self.disk.keys().map(|id| id.0[0]).eq(self.held.keys().copied()),
            "the disk knows who is there"
        );
        for (kept, held) in self.disk.values().zip(self.held.values()) {
            assert_eq!(kept.asked, held.asked);
            assert_eq!((kept.lease, kept.entry.registration.order()), (held.lease, held.order));
            assert!(kept.granted.abs_diff(held.granted) <= kept.granted / 4, "{kept:?} {held:?}");
        }
    }

    /// In the end everybody comes, reads all, and knows what is there.
    fn check_clients(&mut self) {
        for client in 0..TEMPLATES.len() {
            if self.clients[client].watcher.is_none() {
                self.watch(client, usize::MAX);
            }
            while {
                self.drain(client, 2);
                self.clients[client].watcher.is_some_and(|watcher| self.awake.contains(&watcher))
            } {}
            let expected: BTreeMap<_, _> = self
                .held
                .iter()
                .filter(|(service, held)| [true, held.group, **service == 1][client])
                .map(|(service, held)| (*service, (held.order, held.state)))
                .collect();
            assert_eq!(self.clients[client].view, expected, "client {client}");
        }
    }
}

impl Client {
    fn believe(&mut self, event: &Event, epoch: u64) {
        let number = event.number;
        if let Some(known) = self.revision.filter(|known| known.epoch == epoch && number > 0) {
            let idle = matches!(event.told, Told::Idle);
            assert!(
                number > known.number || idle && number == known.number || known.number == 0,
                "strict order"
            );
        }
        self.revision = Some(Revision { epoch, number });
        let (seen, sight) = match &event.told {
            Told::Reset(_) => return self.view.clear(),
            Told::SnapshotEnd | Told::Idle => return,
            Told::Present(sight) => (Seen::Registered, sight),
            Told::Seen(seen, sight) => (*seen, sight),
        };
        let service = sight.entry.registration.id.0[0];
        let now = (sight.entry.registration.order(), sight.state);
        let before = self.view.remove(&service);
        match seen {
            Seen::Registered | Seen::Matched => assert_eq!(before, None, "appeared twice"),
            Seen::Body => assert!(before.unwrap().0 < now.0),
            Seen::State => assert_eq!(before, Some((now.0, LeaseState::Unconfirmed))),
            Seen::Cancelled | Seen::Expired => assert_eq!(before, Some(now)),
            Seen::Unmatched => assert!(before.unwrap().0 < now.0),
        }
        if !matches!(seen, Seen::Cancelled | Seen::Expired | Seen::Unmatched) {
            self.view.insert(service, now);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn the_directory_and_all_who_watch_it_agree_with_the_model(ops in prop::collection::vec(op(), 1..120)) {
        let mut world = World::new();
        for op in ops {
            world.apply(op);
            world.check();
        }
        world.settle_effects();
        world.check_clients();
    }
}
