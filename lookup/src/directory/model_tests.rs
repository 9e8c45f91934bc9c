//! Random interleavings against a model that a person can check by eye.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::lease_time::TICK;
use crate::testing::{mesh, template};
use crate::transitions::Seen;
use crate::watchers::{Event, Told, WatcherId};
use hedgerow_model::registration::{Instance, Registration};
use hedgerow_proto::convert::registration::to_wire;
use hedgerow_proto::lookup::Signed;
use model::{Answer, Model, RENEWALS_PER_SECOND, Refused, Said, What};
use proptest::prelude::*;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

mod model;

const TEMPLATES: [&str; 3] = ["", "group=a", "name=service-1"];
/// Services 0 to 2 do whatever they like; these renew, or fall silent, together.
const HERD: std::ops::Range<u8> = 10..34;

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
    /// Who was replaced renews.
    RenewFormer(prop::sample::Index),
    /// So many of the herd are registered, or renewed; one says whether it is of the group, perhaps otherwise than before.
    Herd {
        count: u8,
        group: bool,
    },
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
    let read = prop_oneof![Just(usize::MAX), 0..4usize];
    let count = prop_oneof![2 => Just(24), 1 => 0..24u8];
    prop_oneof![
        6 => register,
        6 => any::<prop::sample::Index>().prop_map(Op::Renew),
        4 => any::<prop::sample::Index>().prop_map(Op::RenewFormer),
        3 => (count, any::<bool>()).prop_map(|(count, group)| Op::Herd { count, group }),
        1 => any::<prop::sample::Index>().prop_map(Op::Cancel),
        6 => prop_oneof![2 => 1..20u32, 1 => 20..160u32].prop_map(|ticks| Op::Run { ticks }),
        1 => (2..200u64).prop_map(|seconds| Op::Stall { seconds }),
        1 => Just(Op::Restart),
        3 => (0..3usize, read).prop_map(|(client, read)| Op::Watch { client, read }),
        6 => (0..3usize, 1..30usize).prop_map(|(client, most)| Op::Drain { client, most }),
        1 => (0..3usize).prop_map(|client| Op::Leave { client }),
    ]
}

/// A client that believes what it is told.
#[derive(Default)]
struct Client {
    watcher: Option<WatcherId>,
    revision: Option<Revision>,
    view: BTreeMap<u8, ((Instance, u64), LeaseState)>,
    suspicion: bool,
}

struct World {
    directory: Directory,
    bounds: Bounds,
    model: Model,
    now: Duration,
    epoch: u64,
    fresh: u64,
    given: Vec<LeaseId>,
    disk: BTreeMap<u32, Kept>,
    clients: [Client; 3],
    awake: BTreeSet<WatcherId>,
    suspicions: usize,
}

/// Narrow ones, so that watchers are reset, and wide ones, so that they are not.
fn bounds(narrow: bool) -> Bounds {
    let (transitions, pending) = if narrow { (6, 3) } else { (1000, 1000) };
    Bounds {
        renewals_per_second: RENEWALS_PER_SECOND,
        log: LogBounds { transitions, ..LogBounds::default() },
        pending,
        ..Bounds::default()
    }
}

fn entry(service: u8, said: Said) -> Entry {
    let registration = Registration {
        id: Id([service; 16]),
        mesh: mesh(),
        name: format!("service-{service}"),
        kind: "farm".into(),
        groups: if said.group { vec!["a".into()] } else { vec![] },
        attributes: BTreeMap::new(),
        endpoints: vec![],
        apis: vec![],
        version: String::new(),
        description: String::new(),
        instance: said.order.0,
        serial: said.order.1,
    };
    let signed = Signed {
        body: to_wire(&registration).encode_to_vec().into(),
        public_key: vec![said.key].into(),
        signature: vec![].into(),
    };
    Entry::new(&signed, registration)
}

fn said(entry: &Entry) -> Said {
    let group = !entry.registration.groups.is_empty();
    Said { key: entry.signed.public_key[0], order: entry.registration.order(), group }
}

fn matches(client: usize, service: u8, said: Said) -> bool {
    [true, said.group, service == 1][client]
}

impl World {
    fn new(narrow: bool) -> Self {
        let now = Duration::from_secs(1000);
        let bounds = bounds(narrow);
        Self {
            directory: Directory::new(1, &bounds, now),
            bounds,
            model: Model::default(),
            now,
            epoch: 1,
            fresh: 0,
            given: Vec::new(),
            disk: BTreeMap::new(),
            clients: Default::default(),
            awake: BTreeSet::new(),
            suspicions: 0,
        }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Register { service, key, start, serial, group, asked } => {
                let said = Said { key, order: (Instance { start, random: 9 }, serial), group };
                self.register(service, said, Duration::from_secs(asked));
            }
            Op::Renew(index) if !self.given.is_empty() => self.renew(*index.get(&self.given)),
            Op::RenewFormer(index) if !self.model.former.is_empty() => {
                let former: Vec<_> = self.model.former.keys().copied().collect();
                self.renew(*index.get(&former));
            }
            Op::Herd { count, group } => self.herd(count, group),
            Op::Cancel(index) if !self.given.is_empty() => {
                let lease = *index.get(&self.given);
                assert_eq!(self.directory.cancel(self.now, lease), self.model.cancel(lease));
            }
            Op::Renew(_) | Op::RenewFormer(_) | Op::Cancel(_) => {}
            Op::Run { ticks } => (0..ticks).for_each(|_| self.pass(TICK)),
            Op::Stall { seconds } => self.pass(Duration::from_secs(seconds)),
            Op::Restart => self.restart(),
            Op::Watch { client, read } => self.watch(client, read),
            Op::Drain { client, most } => self.drain(client, most),
            Op::Leave { client } => {
                if let Some(watcher) = self.clients[client].watcher.take() {
                    self.directory.unwatch(watcher);
                }
            }
        }
        self.settle();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.directory.tick(self.now);
        self.model.pass(TICK);
    }

    fn settle(&mut self) {
        self.directory.census(self.now);
        self.model.settle();
        self.settle_effects();
    }

    fn herd(&mut self, count: u8, group: bool) {
        for service in HERD.take(count.into()) {
            match self.model.held.get(&service) {
                Some(held) => self.renew(held.lease),
                None => {
                    let said = Said { key: 0, order: (Instance { start: 1, random: 9 }, 0), group: false };
                    self.register(service, said, Duration::from_secs(60));
                }
            }
            self.settle();
        }
        if let Some(held) = self.model.held.get(&HERD.start).filter(|held| held.said.group != group) {
            let (instance, serial) = held.said.order;
            let said = Said { group, order: (instance, serial + 1), ..held.said };
            self.register(HERD.start, said, Duration::from_secs(60));
        }
    }

    fn register(&mut self, service: u8, said: Said, asked: Duration) {
        self.fresh += 1;
        let fresh = LeaseId(self.fresh);
        let answer = self.directory.register(self.now, entry(service, said), asked, fresh);
        let answer = answer.map(|granted| (granted.lease, granted.term)).map_err(|refusal| match refusal {
            Refusal::OtherKey(_) => Refused::OtherKey,
            Refusal::Older { .. } => Refused::Older,
            Refusal::Cloned(_) => Refused::Cloned,
            Refusal::TooShort(_) => Refused::TooShort,
            other => panic!("{other}"),
        });
        assert_eq!(answer, self.model.register(service, said, asked, fresh));
        if service < HERD.start {
            self.given.extend(answer.map(|(lease, _)| lease).ok());
        }
    }

    fn renew(&mut self, lease: LeaseId) {
        let answer = match self.directory.renew(self.now, &[lease])[..] {
            [Renewed::For(term)] => Answer::For(term),
            [Renewed::Unknown] => Answer::Unknown,
            [Renewed::Replaced] => Answer::Replaced,
            [Renewed::Cloned] => Answer::Cloned,
            ref other => panic!("{other:?}"),
        };
        assert_eq!(answer, self.model.renew(lease));
    }

    fn restart(&mut self) {
        self.epoch += 1;
        self.directory = Directory::new(self.epoch, &self.bounds, self.now);
        for (at, kept) in std::mem::take(&mut self.disk) {
            let slot = self.directory.restore(kept.clone()).expect("each is there once");
            assert!(slot <= at, "rows move down");
            self.disk.insert(slot, kept);
        }
        self.model.restart(|service| {
            let is_it = |kept: &&Kept| kept.entry.registration.id == Id([service; 16]);
            let kept = self.disk.values().find(is_it).expect("what is listed is on disk");
            let former = kept.former.as_ref().map(|former| (former.lease, said(&former.entry), former.asked));
            (kept.granted, former)
        });
        self.clients.iter_mut().for_each(|client| client.watcher = None);
    }

    fn watch(&mut self, client: usize, read: usize) {
        let matcher = template(TEMPLATES[client]);
        if let Some(watcher) = self.clients[client].watcher.take() {
            self.directory.unwatch(watcher);
        }
        let known = self.clients[client].revision;
        if known.is_none() {
            self.clients[client].view.clear();
            self.clients[client].suspicion = false;
        }
        let (watcher, first) = self.directory.watch(self.now, matcher, known);
        let resumes = known.is_some_and(|known| {
            let missed = self.model.log.len().checked_sub(usize::try_from(known.number).unwrap());
            let in_log = missed.is_some_and(|missed| missed <= self.bounds.log.transitions);
            known.epoch == self.epoch && known.number > 0 && in_log
        });
        let reset = matches!(first.first(), Some(Event { told: Told::Reset(_), .. }));
        assert_eq!(reset, known.is_some() && !resumes, "reset where it cannot resume, and only there");
        first.iter().take(read).for_each(|event| self.believe(client, event));
        if read < first.len() {
            self.directory.unwatch(watcher);
        } else {
            self.clients[client].watcher = Some(watcher);
        }
    }

    fn drain(&mut self, client: usize, most: usize) {
        let Some(watcher) = self.clients[client].watcher else { return };
        let events = self.directory.drain(self.now, watcher, most);
        if events.is_empty() {
            self.awake.remove(&watcher);
        } else {
            assert!(self.awake.contains(&watcher), "something waited, and nobody was woken");
        }
        events.iter().for_each(|event| self.believe(client, event));
    }

    /// What a client is told is the next of what happened that concerns it: nothing is left out, nothing comes twice.
    fn believe(&mut self, client: usize, event: &Event) {
        let Self { model, clients, epoch, .. } = self;
        let Client { revision, view, suspicion, .. } = &mut clients[client];
        let number = event.number;
        let known = revision.filter(|known| known.epoch == *epoch).map_or(0, |known| known.number);
        *revision = Some(Revision { epoch: *epoch, number });
        let concerns = |noted: &&(u64, &model::Noted)| {
            let (_, noted) = noted;
            matches!(noted.what, What::Suspicion(_))
                || noted.seen_by(|s, said| matches(client, s, said)).is_some()
        };
        let all: Vec<_> = (1..).zip(&model.log).collect();
        let next = all[usize::try_from(known).unwrap().min(all.len())..].iter().find(concerns);
        match &event.told {
            Told::Reset(_) => {
                view.clear();
                *suspicion = false;
            }
            Told::Present(sight) => {
                let registration = &sight.entry.registration;
                let before = view.insert(registration.id.0[0], (registration.order(), sight.state));
                assert_eq!(before, None, "present twice");
            }
            Told::Suspicion(said) if number == 0 => *suspicion = said.begun,
            Told::SnapshotEnd => assert_eq!(number, all.len() as u64),
            Told::Idle => assert!(number >= known && next.is_none_or(|(next, _)| *next > number)),
            Told::Suspicion(said) => {
                let (next, noted) = next.expect("something happened");
                assert_eq!((number, What::Suspicion(said.begun)), (*next, noted.what));
                assert_ne!(std::mem::replace(suspicion, said.begun), said.begun);
            }
            Told::Seen(seen, sight) => {
                let (next, noted) = next.expect("something happened");
                let expected = noted.seen_by(|s, said| matches(client, s, said));
                assert_eq!((number, Some(*seen)), (*next, expected));
                let service = sight.entry.registration.id.0[0];
                let said = noted.after.or(noted.before).unwrap();
                let now = (sight.entry.registration.order(), sight.state);
                assert_eq!((service, now), (noted.service, (said.order, noted.state)));
                view.remove(&service);
                if !matches!(seen, Seen::Cancelled | Seen::Expired | Seen::Unmatched) {
                    view.insert(service, now);
                }
            }
        }
    }

    fn settle_effects(&mut self) {
        let effects = self.directory.take_effects();
        self.awake.extend(effects.woken);
        for slot in effects.unwritten {
            match self.directory.take_write(slot) {
                Write::Keep(slot, kept) => drop(self.disk.insert(slot, kept)),
                Write::Forget(slot) => drop(self.disk.remove(&slot)),
            }
        }
    }

    fn check(&mut self) {
        let page = self.directory.find(self.now, &template(""), None, 100, usize::MAX);
        let found: Vec<_> = page
            .sights
            .iter()
            .map(|s| {
                (s.entry.registration.id.0[0], s.entry.registration.order(), s.state, s.remaining, s.granted)
            })
            .collect();
        let model = &self.model;
        let expected: Vec<_> = model
            .held
            .iter()
            .map(|(service, held)| {
                let remaining = model.ends(held) - model.running;
                (*service, held.said.order, held.state, remaining, held.granted)
            })
            .collect();
        assert_eq!(found, expected);
        let census = self.directory.census(self.now);
        assert_eq!((census.overdue, census.suspects), (model.overdue(), model.suspects));
        let of_state = |state| model.held.values().filter(|held| held.state == state).count();
        assert_eq!(census.unconfirmed, of_state(LeaseState::Unconfirmed));
        assert_eq!(census.suspect, of_state(LeaseState::Suspect));
        self.suspicions += usize::from(model.suspects);
        let disk: BTreeMap<_, _> =
            self.disk.values().map(|kept| (kept.entry.registration.id.0[0], kept)).collect();
        assert!(disk.keys().eq(model.held.keys()), "the disk knows who is there");
        assert_eq!(disk.len(), self.disk.len(), "each once");
        for (kept, held) in disk.values().zip(model.held.values()) {
            assert_eq!(kept.asked, held.asked);
            assert_eq!((kept.lease, kept.entry.registration.order()), (held.lease, held.said.order));
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
            let held = self.model.held.iter().filter(|(service, held)| matches(client, **service, held.said));
            let expected: BTreeMap<_, _> =
                held.map(|(service, held)| (*service, (held.said.order, held.state))).collect();
            assert_eq!(self.clients[client].view, expected, "client {client}");
            assert_eq!(self.clients[client].suspicion, self.model.suspects, "client {client}");
        }
    }
}

fn run(narrow: bool, ops: Vec<Op>) -> World {
    let mut world = World::new(narrow);
    for op in ops {
        world.apply(op);
        world.check();
    }
    world.check_clients();
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]
    #[test]
    fn the_directory_and_all_who_watch_it_agree_with_the_model(
        narrow in any::<bool>(),
        ops in prop::collection::vec(op(), 1..120),
    ) {
        run(narrow, ops);
    }
}

/// What is never reached is never tested.
#[test]
fn the_interleavings_reach_suspicions_and_proofs_of_clones() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let ops = prop::collection::vec(op(), 60..120);
    let (mut suspicions, mut proofs) = (0, 0);
    for _ in 0..48 {
        let world = run(false, ops.new_tree(&mut runner).unwrap().current());
        suspicions += usize::from(world.suspicions > 0);
        proofs += usize::from(world.model.proofs > 0);
    }
    assert!(suspicions >= 5 && proofs >= 5, "{suspicions} suspicions, {proofs} proofs of 48");
}
