//! The merge in a small world: services that renew and change, lookups that restart and forget, a client, and links between
//! them that fail one way or both. Whatever happens, what the client is told must fit what is.
#![allow(clippy::unwrap_used)]
use super::tests::held_with;
use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

const SERVICES: u8 = 3;
const LOOKUPS: usize = 3;
/// Seconds.
const TERM: u64 = 30;
/// Seconds from the loss of a link until the client notices.
const NOTICED: u64 = 15;

#[derive(Debug, Clone, PartialEq)]
enum Told {
    Held(u8, u64),
    Gone(u8, u64, Gone),
}

/// A lookup: leases, and a log of what changed.
#[derive(Debug, Default)]
struct At {
    up: bool,
    /// Stands still: neither answers nor lets anything run out.
    stalled: bool,
    epoch: u64,
    /// By service: serial, end of its lease.
    leases: BTreeMap<u8, (u64, u64)>,
    log: Vec<Told>,
}

impl At {
    fn register(&mut self, who: u8, serial: u64, now: u64) {
        let before = self.leases.insert(who, (serial, now + TERM));
        if before.is_none_or(|(before, _)| before != serial) {
            self.log.push(Told::Held(who, serial));
        }
    }

    fn end(&mut self, who: u8, gone: Gone) {
        if let Some((serial, _)) = self.leases.remove(&who) {
            self.log.push(Told::Gone(who, serial, gone));
        }
    }

    fn tick(&mut self, now: u64) {
        let out: Vec<u8> =
            self.leases.iter().filter(|(_, (_, end))| *end <= now).map(|(who, _)| *who).collect();
        out.into_iter().for_each(|who| self.end(who, Gone::Expired));
    }
}

/// What the client has of one lookup.
#[derive(Debug, Default)]
struct Line {
    connected: bool,
    /// The epoch and the place in the log after which to go on.
    after: Option<(u64, usize)>,
    /// The link has been down for so long.
    dead_for: u64,
    /// On its way: from when it can arrive.
    pending: VecDeque<(u64, Told)>,
}

#[derive(Debug, Clone)]
enum Fault {
    /// Between a service and a lookup, to and fro.
    ServiceLink(u8, usize, bool, bool),
    ClientLink(usize, bool, bool),
    /// Kills a lookup; it comes back with what it kept, or with nothing.
    Down(usize),
    Up(usize, bool),
    Stall(usize, bool),
    Delay(usize, u64),
    /// The service changes, dies silently, goes by itself, or starts.
    Change(u8),
    Kill(u8),
    Cancel(u8),
    Start(u8),
    Pass(u64),
}

fn fault() -> impl Strategy<Value = Fault> {
    let (l, s) = (0..LOOKUPS, 1..=SERVICES);
    let b = any::<bool>;
    prop_oneof![
        3 => (s.clone(), l.clone(), b(), b()).prop_map(|(s, l, to, fro)| Fault::ServiceLink(s, l, to, fro)),
        3 => (l.clone(), b(), b()).prop_map(|(l, to, fro)| Fault::ClientLink(l, to, fro)),
        2 => l.clone().prop_map(Fault::Down),
        3 => (l.clone(), b()).prop_map(|(l, keeps)| Fault::Up(l, keeps)),
        1 => (l.clone(), b()).prop_map(|(l, on)| Fault::Stall(l, on)),
        1 => (l, 0..4_u64).prop_map(|(l, by)| Fault::Delay(l, by)),
        1 => s.clone().prop_map(Fault::Change),
        1 => s.clone().prop_map(Fault::Kill),
        1 => s.clone().prop_map(Fault::Cancel),
        2 => s.prop_map(Fault::Start),
        6 => (1..45_u64).prop_map(Fault::Pass),
    ]
}

struct World {
    now: u64,
    begin: Instant,
    lookups: Vec<At>,
    /// By service: its serial while it runs, and how far it got.
    running: BTreeMap<u8, Option<u64>>,
    serials: BTreeMap<u8, u64>,
    service_links: BTreeMap<(u8, usize), (bool, bool)>,
    client_links: Vec<(bool, bool)>,
    delays: Vec<u64>,
    lines: Vec<Line>,
    merge: Merge,
    shown: BTreeMap<u8, u64>,
    /// When last no lookup was connected.
    silent: Option<u64>,
}

impl World {
    fn new() -> Self {
        let up = || At { up: true, ..At::default() };
        Self {
            now: 0,
            begin: Instant::now(),
            lookups: (0..LOOKUPS).map(|_| up()).collect(),
            running: (1..=SERVICES).map(|who| (who, Some(1))).collect(),
            serials: (1..=SERVICES).map(|who| (who, 1)).collect(),
            service_links: BTreeMap::new(),
            client_links: vec![(true, true); LOOKUPS],
            delays: vec![0; LOOKUPS],
            lines: (0..LOOKUPS).map(|_| Line::default()).collect(),
            merge: Merge::new(None),
            shown: BTreeMap::new(),
            silent: None,
        }
    }

    fn instant(&self) -> Instant {
        self.begin + Duration::from_secs(self.now)
    }

    fn act(&mut self, fault: &Fault) -> Result<(), TestCaseError> {
        match *fault {
            Fault::ServiceLink(s, l, to, fro) => drop(self.service_links.insert((s, l), (to, fro))),
            Fault::ClientLink(l, to, fro) => self.client_links[l] = (to, fro),
            Fault::Down(l) => self.lookups[l].up = false,
            Fault::Up(l, keeps) => self.start_lookup(l, keeps),
            Fault::Stall(l, on) => {
                // Its own stall is added.
                self.lookups[l].stalled = on;
            }
            Fault::Delay(l, by) => self.delays[l] = by,
            Fault::Change(who) => {
                if let Some(Some(serial)) = self.running.get_mut(&who) {
                    *serial += 1;
                    self.serials.insert(who, *serial);
                }
            }
            Fault::Kill(who) => drop(self.running.insert(who, None)),
            Fault::Cancel(who) => {
                if self.running.insert(who, None).flatten().is_some() {
                    for l in 0..LOOKUPS {
                        if self.reaches(who, l).0 {
                            self.lookups[l].end(who, Gone::Cancelled);
                        }
                    }
                }
            }
            Fault::Start(who) => self.start_service(who),
            Fault::Pass(seconds) => {
                for _ in 0..seconds {
                    self.second()?;
                }
            }
        }
        Ok(())
    }

    fn start_service(&mut self, who: u8) {
        if self.running[&who].is_none() {
            let serial = self.serials[&who] + 1;
            self.serials.insert(who, serial);
            self.running.insert(who, Some(serial));
        }
    }

    fn start_lookup(&mut self, l: usize, keeps: bool) {
        let now = self.now;
        let at = &mut self.lookups[l];
        if !at.up {
            (at.up, at.epoch, at.log) = (true, at.epoch + 1, Vec::new());
            // One full term each.
            at.leases.values_mut().for_each(|(_, end)| *end = now + TERM);
            if !keeps {
                at.leases.clear();
            }
        }
    }

    /// Whether what a service sends arrives, and the answer.
    fn reaches(&self, who: u8, l: usize) -> (bool, bool) {
        let (to, fro) = self.service_links.get(&(who, l)).copied().unwrap_or((true, true));
        let answers = self.lookups[l].up && !self.lookups[l].stalled;
        (to && answers, to && fro && answers)
    }

    fn second(&mut self) -> Result<(), TestCaseError> {
        self.now += 1;
        for l in 0..LOOKUPS {
            let now = self.now;
            let at = &mut self.lookups[l];
            if at.stalled {
                at.leases.values_mut().for_each(|(_, end)| *end += 1);
            }
            for who in 1..=SERVICES {
                // Renewed at a third of the term; each at a second of its own.
                let due = (self.now + u64::from(who)).is_multiple_of(TERM / 3);
                if let Some(serial) = self.running[&who].filter(|serial| {
                    due || self.lookups[l].leases.get(&who).is_none_or(|(held, _)| held != serial)
                }) && self.reaches(who, l).0
                {
                    self.lookups[l].register(who, serial, now);
                }
            }
            if self.lookups[l].up && !self.lookups[l].stalled {
                self.lookups[l].tick(now);
            }
            self.listen(l)?;
        }
        if self.lines.iter().all(|line| !line.connected) {
            self.silent = Some(self.now);
        }
        while let Some(at) = self.merge.next().filter(|at| *at <= self.instant()) {
            let mut out = Vec::new();
            let at = at.max(self.begin);
            self.merge.tick(at, &mut out);
            self.told(&out)?;
        }
        Ok(())
    }

    /// One second of the client at one lookup.
    fn listen(&mut self, l: usize) -> Result<(), TestCaseError> {
        let (to, fro) = self.client_links[l];
        let at = &self.lookups[l];
        let alive = to && fro && at.up && !at.stalled;
        let restarted = self.lines[l].after.is_some_and(|(epoch, _)| epoch != at.epoch);
        self.lines[l].dead_for = if alive && !restarted { 0 } else { self.lines[l].dead_for + 1 };
        // A crash is seen at once; a cut only after a while, and within it nothing may be lost.
        let noticed = self.lines[l].dead_for >= if at.up && !restarted { NOTICED } else { 1 };
        if self.lines[l].connected && noticed {
            let line = &mut self.lines[l];
            (line.connected, line.dead_for) = (false, 0);
            line.pending.clear();
            self.hear(l, Heard::Lost)?;
        }
        if !alive {
            return Ok(());
        }
        if !self.lines[l].connected {
            return self.connect(l);
        }
        let (epoch, from) = self.lines[l].after.unwrap();
        let at = &self.lookups[l];
        if epoch == at.epoch {
            let due = self.now + self.delays[l];
            let fresh: Vec<Told> = at.log[(from + self.lines[l].pending.len()).min(at.log.len())..].to_vec();
            self.lines[l].pending.extend(fresh.into_iter().map(|told| (due, told)));
        }
        while self.lines[l].pending.front().is_some_and(|(due, _)| *due <= self.now) {
            let (_, told) = self.lines[l].pending.pop_front().unwrap();
            self.lines[l].after.as_mut().unwrap().1 += 1;
            self.hear(l, told.heard())?;
        }
        Ok(())
    }

    fn connect(&mut self, l: usize) -> Result<(), TestCaseError> {
        let (epoch, end) = (self.lookups[l].epoch, self.lookups[l].log.len());
        self.lines[l].connected = true;
        if self.lines[l].after.is_some_and(|(before, _)| before == epoch) && self.merge.may_resume(l) {
            return self.hear(l, Heard::Reached { afresh: false });
        }
        self.hear(l, Heard::Reached { afresh: true })?;
        for (who, (serial, _)) in self.lookups[l].leases.clone() {
            self.hear(l, Told::Held(who, serial).heard())?;
        }
        self.lines[l].after = Some((epoch, end));
        self.hear(l, Heard::SnapshotEnd(Some(Id([100 + u8::try_from(l).unwrap(); 16]))))
    }

    fn hear(&mut self, l: usize, heard: Heard) -> Result<(), TestCaseError> {
        let mut out = Vec::new();
        let now = self.instant();
        self.merge.hear(l, now, heard, &mut out);
        self.told(&out)
    }

    fn told(&mut self, out: &[Transition]) -> Result<(), TestCaseError> {
        for transition in out {
            match transition {
                Transition::Appeared(service) => {
                    let (who, serial) = (service.registration.id.0[0], service.registration.serial);
                    prop_assert!(self.shown.insert(who, serial).is_none(), "{} appeared twice", who);
                }
                Transition::Changed(service, _) => {
                    let (who, serial) = (service.registration.id.0[0], service.registration.serial);
                    let before = self.shown.insert(who, serial).unwrap_or(serial);
                    prop_assert!(before != serial, "{} changed to what it was", who);
                    // Back to an older one only when nobody who is heard shows the newer any more.
                    let newer = (0..LOOKUPS).find(|l| self.hears(*l, who).is_some_and(|held| held >= before));
                    prop_assert!(before < serial || newer.is_none(), "{} went back, not so {:?}", who, newer);
                }
                Transition::Disappeared(service, gone) => {
                    let who = service.registration.id.0[0];
                    prop_assert!(self.shown.remove(&who).is_some(), "{} disappeared twice", who);
                    self.may_go(who, *gone)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What of a service a lookup holds that the client has heard out.
    fn hears(&self, l: usize, who: u8) -> Option<u64> {
        let (line, at) = (&self.lines[l], &self.lookups[l]);
        let all = line.after == Some((at.epoch, at.log.len()));
        let heard = line.connected && line.dead_for == 0 && all;
        at.leases.get(&who).map(|(serial, _)| *serial).filter(|_| heard)
    }

    /// One that runs never looks gone while the client could learn of its lease, nor while no lookup answers, nor before it
    /// has had the time to register again.
    fn may_go(&self, who: u8, gone: Gone) -> Result<(), TestCaseError> {
        let Some(serial) = self.running[&who] else { return Ok(()) };
        if gone == Gone::Cancelled {
            // The one before; this one is not known yet.
            return Ok(());
        }
        let shows = (0..LOOKUPS).find(|l| self.hears(*l, who) == Some(serial));
        prop_assert!(shows.is_none(), "{} {:?}, but lookup {:?} shows its lease", who, gone, shows);
        let silent = self.silent.is_some_and(|at| self.now < at + RETURN.as_secs());
        prop_assert!(!silent, "{} {:?} at {}, silent until {:?}", who, gone, self.now, self.silent);
        Ok(())
    }

    fn heal(&mut self) -> Result<(), TestCaseError> {
        self.service_links.clear();
        for l in 0..LOOKUPS {
            self.client_links[l] = (true, true);
            (self.delays[l], self.lookups[l].stalled) = (0, false);
            self.start_lookup(l, true);
        }
        for _ in 0..4 * TERM {
            self.second()?;
        }
        let truth: BTreeMap<u8, u64> =
            self.running.iter().filter_map(|(who, serial)| Some((*who, (*serial)?))).collect();
        prop_assert_eq!(&self.shown, &truth);
        for service in self.merge.services(self.instant()) {
            prop_assert_eq!(service.state, ServiceState::Live);
            prop_assert_eq!(service.lookups.len(), LOOKUPS);
        }
        prop_assert_eq!(self.merge.refused(), 0);
        Ok(())
    }
}

impl Told {
    fn heard(&self) -> Heard {
        let order = |serial: &u64| (Instance { start: 1, random: 1 }, *serial);
        match self {
            Self::Held(who, serial) => Heard::Held(held_with(*who, *serial, Duration::from_secs(TERM))),
            Self::Gone(who, serial, gone) => {
                Heard::Disappeared { id: Id([*who; 16]), order: order(serial), gone: *gone }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    #[test]
    fn whatever_fails_no_running_service_looks_gone_and_all_is_told_in_the_end(
        faults in proptest::collection::vec(fault(), 1..40)
    ) {
        let mut world = World::new();
        world.act(&Fault::Pass(3))?;
        for fault in &faults {
            world.act(fault)?;
        }
        world.heal()?;
    }
}
