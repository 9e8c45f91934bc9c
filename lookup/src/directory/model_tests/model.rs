//! The laws of a lookup in a few plain sentences, to be checked by eye: what the directory is held to. Slow on purpose.

use crate::leases::{LeaseId, LeaseState};
use crate::transitions::Seen;
use hedgerow_model::lease;
use hedgerow_model::registration::Instance;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub const RENEWALS_PER_SECOND: f64 = 2.5;

/// What a service said of itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Said {
    pub key: u8,
    pub order: (Instance, u64),
    pub group: bool,
}

#[derive(Debug, Clone)]
pub struct Held {
    pub said: Said,
    pub lease: LeaseId,
    pub asked: Duration,
    pub granted: Duration,
    pub renewed: Duration,
    pub state: LeaseState,
}

/// A lease that was taken from its holder.
#[derive(Debug)]
pub struct Former {
    service: u8,
    said: Said,
    asked: Duration,
    first_renewal: Option<Duration>,
    until: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum What {
    Registered,
    Body,
    State,
    Cancelled,
    Expired,
    Suspicion(bool),
}

/// Something that happened.
#[derive(Debug, Clone)]
pub struct Noted {
    pub service: u8,
    pub what: What,
    pub before: Option<Said>,
    pub after: Option<Said>,
    pub state: LeaseState,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Refused {
    OtherKey,
    Older,
    Cloned,
    TooShort,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answer {
    For(Duration),
    Unknown,
    Replaced,
    Cloned,
}

#[derive(Debug, Default)]
pub struct Model {
    /// For how long the lookup ran since it started; what it stood still is not in it.
    pub running: Duration,
    pub held: BTreeMap<u8, Held>,
    pub former: BTreeMap<LeaseId, Former>,
    contested: BTreeSet<u8>,
    pub suspects: bool,
    trusted_since: Duration,
    /// What happened since the start; the first has number 1.
    pub log: Vec<Noted>,
    pub proofs: usize,
}

impl Model {
    /// Law 2: clamp(3·N/R, 10 s, asked).
    fn grant(asked: Duration, leases: usize) -> Option<Duration> {
        lease::grant(asked, leases, RENEWALS_PER_SECOND).ok()
    }

    /// Law 4: past half its term, in whole seconds.
    fn is_overdue(&self, held: &Held) -> bool {
        let past_half = held.renewed + held.granted / 2;
        past_half.as_millis().div_ceil(1000) <= u128::from(self.running.as_secs())
    }

    pub fn overdue(&self) -> usize {
        self.held.values().filter(|held| self.is_overdue(held)).count()
    }

    fn most_are_overdue(&self) -> bool {
        self.held.len() >= 20 && self.overdue() * 2 > self.held.len()
    }

    /// A lease runs out a term after its last renewal; a suspect one five terms after it, and once nothing is suspected
    /// any more a term after that, where that is earlier.
    pub fn ends(&self, held: &Held) -> Duration {
        match held.state {
            LeaseState::Suspect if self.suspects => held.renewed + held.granted * 5,
            LeaseState::Suspect => (held.renewed + held.granted * 5).min(self.trusted_since + held.granted),
            _ => held.renewed + held.granted,
        }
    }

    pub fn pass(&mut self, running: Duration) {
        self.running += running;
        self.settle();
        self.former.retain(|_, former| former.until > self.running);
    }

    /// What has to happen by now.
    pub fn settle(&mut self) {
        loop {
            if self.suspects && !self.most_are_overdue() {
                self.suspects = false;
                self.trusted_since = self.running;
                self.note_suspicion();
            }
            let due = self.held.iter().map(|(service, held)| (self.ends(held), held.lease, *service)).min();
            let Some((_, _, service)) = due.filter(|(ends, ..)| *ends <= self.running) else { return };
            if self.suspects && self.held[&service].state != LeaseState::Suspect {
                self.restate(service, LeaseState::Suspect);
            } else if !self.suspects && self.most_are_overdue() {
                self.suspects = true;
                self.note_suspicion();
                let overdue = self.held.iter().filter(|(_, held)| self.is_overdue(held));
                let mut overdue: Vec<_> = overdue.map(|(service, held)| (held.lease, *service)).collect();
                overdue.sort();
                overdue.into_iter().for_each(|(_, service)| self.restate(service, LeaseState::Suspect));
            } else {
                self.end(service, What::Expired);
            }
        }
    }

    fn note_suspicion(&mut self) {
        let what = What::Suspicion(self.suspects);
        self.log.push(Noted { service: 0, what, before: None, after: None, state: LeaseState::Live });
    }

    /// A change of state is one where the state changes.
    fn restate(&mut self, service: u8, state: LeaseState) {
        let held = self.held.get_mut(&service).unwrap();
        if std::mem::replace(&mut held.state, state) != state {
            let said = Some(held.said);
            self.log.push(Noted { service, what: What::State, before: said, after: said, state });
        }
    }

    fn end(&mut self, service: u8, what: What) {
        let held = self.held.remove(&service).unwrap();
        self.contested.remove(&service);
        self.log.push(Noted { service, what, before: Some(held.said), after: None, state: held.state });
    }

    fn hold(&mut self, service: u8, said: Said, lease: LeaseId, asked: Duration, granted: Duration) {
        let held = Held { said, lease, asked, granted, renewed: self.running, state: LeaseState::Live };
        let before = self.held.insert(service, held).map(|held| held.said);
        let what = if before.is_some() { What::Body } else { What::Registered };
        self.log.push(Noted { service, what, before, after: Some(said), state: LeaseState::Live });
    }

    fn displace(&mut self, service: u8) {
        let Held { said, lease, asked, granted, .. } = self.held[&service].clone();
        let until = self.running + granted.max(Duration::from_secs(3600));
        self.former.insert(lease, Former { service, said, asked, first_renewal: None, until });
    }

    /// Law 1: same key and higher (instance, serial) replaces under a new lease, equal is nothing new, another key and lower
    /// are refused, and so is a new run while an older one is proven to live.
    pub fn register(
        &mut self,
        service: u8,
        said: Said,
        asked: Duration,
        fresh: LeaseId,
    ) -> Result<(LeaseId, Duration), Refused> {
        let held = self.held.get(&service).cloned();
        let granted = Self::grant(asked, self.held.len() + usize::from(held.is_none()));
        let Some(held) = held else {
            let granted = granted.ok_or(Refused::TooShort)?;
            self.hold(service, said, fresh, asked, granted);
            return Ok((fresh, granted));
        };
        let new_run = said.order.0 > held.said.order.0;
        if held.said.key != said.key {
            return Err(Refused::OtherKey);
        } else if held.said.order > said.order {
            return Err(Refused::Older);
        } else if new_run && self.contested.contains(&service) && held.state != LeaseState::Suspect {
            return Err(Refused::Cloned);
        }
        let granted = granted.ok_or(Refused::TooShort)?;
        if held.said.order == said.order {
            let held = self.held.get_mut(&service).unwrap();
            (held.asked, held.granted, held.renewed) = (asked, granted, self.running);
            self.restate(service, LeaseState::Live);
        } else if new_run {
            self.displace(service);
            self.contested.remove(&service);
            self.hold(service, said, fresh, asked, granted);
        } else {
            self.hold(service, said, fresh, asked, granted);
        }
        Ok((self.held[&service].lease, granted))
    }

    /// A renewal counts from now. Who was replaced and renews twice, two seconds apart, lives: it has its place again,
    /// and the newer run is the copy.
    pub fn renew(&mut self, lease: LeaseId) -> Answer {
        let count = self.held.len();
        if let Some((service, held)) = self.held.iter_mut().find(|(_, held)| held.lease == lease) {
            held.granted = Self::grant(held.asked, count).unwrap_or(held.asked);
            held.renewed = self.running;
            let (service, granted) = (*service, held.granted);
            self.restate(service, LeaseState::Live);
            return Answer::For(granted);
        }
        let Some(former) = self.former.get_mut(&lease) else { return Answer::Unknown };
        let Former { service, said, asked, .. } = *former;
        let Some(held) = self.held.get(&service) else { return Answer::Unknown };
        if held.said.key != said.key || held.said.order.0 == said.order.0 {
            return Answer::Unknown;
        } else if held.said.order.0 < said.order.0 {
            return Answer::Cloned;
        } else if self.running - *former.first_renewal.get_or_insert(self.running) < Duration::from_secs(2) {
            return Answer::Replaced;
        }
        self.former.remove(&lease);
        self.displace(service);
        self.contested.insert(service);
        let granted = Self::grant(asked, count).unwrap_or(asked);
        self.hold(service, said, lease, asked, granted);
        self.proofs += 1;
        Answer::For(granted)
    }

    /// Cancel is immediate expiry, whatever is suspected.
    pub fn cancel(&mut self, lease: LeaseId) -> bool {
        let service = self.held.iter().find(|(_, held)| held.lease == lease).map(|(service, _)| *service);
        service.inspect(|service| self.end(*service, What::Cancelled)).is_some()
    }

    /// Law 3: each lease runs one full granted duration, as it was kept, unconfirmed. Beside it is remembered who was
    /// replaced last.
    pub fn restart(&mut self, kept: impl Fn(u8) -> (Duration, Option<(LeaseId, Said, Duration)>)) {
        let mut held = std::mem::take(self).held;
        for (service, held) in &mut held {
            let (granted, former) = kept(*service);
            (held.granted, held.renewed, held.state) = (granted, Duration::ZERO, LeaseState::Unconfirmed);
            if let Some((lease, said, asked)) = former {
                self.contested.extend((said.order.0 > held.said.order.0).then_some(*service));
                let until = asked.max(Duration::from_secs(3600));
                self.former
                    .insert(lease, Former { service: *service, said, asked, first_renewal: None, until });
            }
        }
        self.held = held;
    }
}

impl Noted {
    /// Law 5: what this is to a watcher.
    pub fn seen_by(&self, matches: impl Fn(u8, Said) -> bool) -> Option<Seen> {
        let before = self.before.is_some_and(|said| matches(self.service, said));
        let after = self.after.is_some_and(|said| matches(self.service, said));
        Some(match (self.what, before, after) {
            (What::Suspicion(_), ..) => return None,
            (What::Registered, _, true) => Seen::Registered,
            (What::Body, false, true) => Seen::Matched,
            (What::Body, true, true) => Seen::Body,
            (What::Body, true, false) => Seen::Unmatched,
            (What::State, true, _) => Seen::State,
            (What::Cancelled, true, _) => Seen::Cancelled,
            (What::Expired, true, _) => Seen::Expired,
            _ => return None,
        })
    }
}
