//! What several lookups say, made one truth per service. Time comes in, transitions go out; it never waits or calls.
//!
//! The law: one *appeared* per service; cancelled (or unmatched) anywhere at the same or a newer serial is gone; expired
//! somewhere is gone only when no other lookup still shows an unexpired lease; what only a lost lookup vouched for is
//! unconfirmed until its lease has run out.

use super::{Gone, MAX_SERVICES, Service, ServiceState, Transition};
use bytes::Bytes;
use hedgerow_model::registration::{Id, Instance, Registration};
use hedgerow_proto::lookup::{Held, LeaseState};
use hedgerow_proto::signed;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long at least it is remembered that a service went, against lookups that have not heard of it.
const REMEMBERED: Duration = Duration::from_secs(60);
/// The longest lease that is believed; lookups grant no longer ones.
const LONGEST_LEASE: Duration = hedgerow_model::lease::CEILING;

type Order = (Instance, u64);

/// What a lookup tells.
#[derive(Debug, Clone)]
pub(super) enum Heard {
    /// It answers. Afresh: a snapshot follows; otherwise it goes on where it was.
    Reached { afresh: bool },
    /// It answers no more.
    Lost,
    /// This is what it holds.
    Held(Held),
    /// The snapshot is complete.
    SnapshotEnd(Option<Id>),
    /// This is gone.
    Disappeared { id: Id, order: Order, gone: Gone },
}

/// The services of several lookups.
#[derive(Debug)]
pub(super) struct Merge {
    mesh: Option<Id>,
    lookups: Vec<Lookup>,
    services: BTreeMap<Id, Entry>,
    /// Who is shown under each name.
    names: HashMap<String, BTreeSet<Id>>,
    refused: u64,
    /// No voucher and no memory runs out before.
    next: Option<Instant>,
}

#[derive(Debug, Default)]
struct Lookup {
    id: Option<Id>,
    reached: bool,
    /// What the snapshot under way has told so far.
    snapshot: Option<BTreeSet<Id>>,
}

#[derive(Debug)]
struct Entry {
    /// The first key seen with this id; another one is a forgery.
    key: Bytes,
    /// By lookup.
    vouchers: Vec<Option<Voucher>>,
    /// It went: nothing at or below this order counts, until then.
    went: Option<(Order, Instant)>,
    shown: Option<Service>,
}

#[derive(Debug, Clone)]
struct Voucher {
    registration: Arc<Registration>,
    state: ServiceState,
    remaining: Duration,
    granted: Duration,
    /// Set when the lookup was lost: its lease cannot run longer.
    until: Option<Instant>,
}

impl Merge {
    pub(super) fn new(lookups: usize, mesh: Option<Id>) -> Self {
        Self {
            mesh,
            lookups: (0..lookups).map(|_| Lookup::default()).collect(),
            services: BTreeMap::new(),
            names: HashMap::new(),
            refused: 0,
            next: None,
        }
    }

    /// How many registrations were not believed, or too many.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// When [`Merge::tick`] has something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// What is shown now.
    pub(super) fn services(&self, now: Instant) -> Vec<Service> {
        self.services.values().filter_map(|entry| self.seen(entry, now)).collect()
    }

    pub(super) fn hear(&mut self, which: usize, now: Instant, heard: Heard, out: &mut Vec<Transition>) {
        let Some(lookup) = self.lookups.get_mut(which) else { return };
        match heard {
            Heard::Reached { afresh } => {
                lookup.reached = true;
                lookup.snapshot = afresh.then(BTreeSet::new);
                self.for_all_of(which, now, out, |voucher| voucher.until = None);
            }
            Heard::Lost => {
                lookup.reached = false;
                lookup.snapshot = None;
                self.for_all_of(which, now, out, |voucher| {
                    let _ = voucher.until.get_or_insert(now + voucher.granted);
                });
                self.look_again_at(now);
            }
            Heard::Held(held) => {
                if let Some(id) = self.take(which, held) {
                    self.settle(id, now, Gone::Expired, out);
                }
            }
            Heard::SnapshotEnd(id) => {
                lookup.id = id.or(lookup.id);
                let told = lookup.snapshot.take().unwrap_or_default();
                let untold = |(id, entry): (&Id, &Entry)| {
                    (entry.voucher(which).is_some() && !told.contains(id)).then_some(*id)
                };
                let untold: Vec<Id> = self.services.iter().filter_map(untold).collect();
                for id in untold {
                    self.drop_voucher(id, which);
                    self.settle(id, now, Gone::Expired, out);
                }
            }
            Heard::Disappeared { id, order, gone } => self.disappeared(which, id, order, gone, now, out),
        }
    }

    /// Lets run out what has run out.
    pub(super) fn tick(&mut self, now: Instant, out: &mut Vec<Transition>) {
        let ids: Vec<Id> = self.services.keys().copied().collect();
        for id in ids {
            if let Some(entry) = self.services.get_mut(&id) {
                entry.went = entry.went.filter(|(_, until)| *until > now);
                for voucher in &mut entry.vouchers {
                    let runs = |voucher: &Voucher| voucher.until.is_none_or(|until| until > now);
                    *voucher = voucher.take().filter(runs);
                }
            }
            self.settle(id, now, Gone::Expired, out);
        }
        let until = |entry: &Entry| {
            let vouchers = entry.vouchers.iter().flatten().filter_map(|voucher| voucher.until);
            vouchers.chain(entry.went.map(|(_, until)| until)).min()
        };
        self.next = self.services.values().filter_map(until).min();
    }

    /// Takes what a lookup holds, where it can be believed.
    fn take(&mut self, which: usize, held: Held) -> Option<Id> {
        let taken = self.believed(which, &held);
        if taken.is_none() {
            self.refused += 1;
        }
        taken
    }

    fn believed(&mut self, which: usize, held: &Held) -> Option<Id> {
        let signed = held.registration.as_ref()?;
        let registration = signed::open_registration(signed).ok()?;
        let id = registration.id;
        if self.mesh.is_some_and(|mesh| mesh != registration.mesh.id) {
            return None;
        }
        if !self.services.contains_key(&id) && self.services.len() >= MAX_SERVICES {
            return None;
        }
        let lookups = self.lookups.len();
        let entry = self.services.entry(id).or_insert_with(|| Entry {
            key: signed.public_key.clone(),
            vouchers: vec![None; lookups],
            went: None,
            shown: None,
        });
        if entry.key != signed.public_key {
            return None;
        }
        let millis = |millis| Duration::from_millis(millis).min(LONGEST_LEASE);
        *entry.vouchers.get_mut(which)? = Some(Voucher {
            registration: Arc::new(registration),
            state: match held.state() {
                LeaseState::Live | LeaseState::Unspecified => ServiceState::Live,
                LeaseState::Unconfirmed => ServiceState::Unconfirmed,
                LeaseState::Suspect => ServiceState::Suspect,
            },
            remaining: millis(held.lease_remaining_ms),
            granted: millis(held.granted_ms),
            until: None,
        });
        if let Some(told) = &mut self.lookups.get_mut(which)?.snapshot {
            told.insert(id);
        }
        Some(id)
    }

    fn disappeared(
        &mut self,
        which: usize,
        id: Id,
        order: Order,
        gone: Gone,
        now: Instant,
        out: &mut Vec<Transition>,
    ) {
        let Some(entry) = self.services.get_mut(&id) else { return };
        if gone != Gone::Expired {
            let terms = entry.vouchers.iter().flatten().map(|voucher| voucher.granted);
            let until = now + terms.max().unwrap_or_default().max(REMEMBERED);
            let order = entry.went.map_or(order, |(before, _)| before.max(order));
            entry.went = Some((order, until));
            self.look_again_at(until);
        }
        self.drop_voucher(id, which);
        self.settle(id, now, gone, out);
    }

    fn drop_voucher(&mut self, id: Id, which: usize) {
        if let Some(voucher) = self.services.get_mut(&id).and_then(|entry| entry.vouchers.get_mut(which)) {
            *voucher = None;
        }
    }

    fn for_all_of(
        &mut self,
        which: usize,
        now: Instant,
        out: &mut Vec<Transition>,
        change: impl Fn(&mut Voucher),
    ) {
        let mut ids = Vec::new();
        for (id, entry) in &mut self.services {
            if let Some(voucher) = entry.vouchers.get_mut(which).and_then(Option::as_mut) {
                change(voucher);
                ids.push(*id);
            }
        }
        for id in ids {
            self.settle(id, now, Gone::Expired, out);
        }
    }

    fn look_again_at(&mut self, at: Instant) {
        self.next = Some(self.next.map_or(at, |before| before.min(at)));
    }

    /// Tells the difference between what is shown of a service and what is true, if any.
    fn settle(&mut self, id: Id, now: Instant, gone: Gone, out: &mut Vec<Transition>) {
        let Some(entry) = self.services.get(&id) else { return };
        let after = self.seen(entry, now);
        let forgotten = after.is_none() && entry.went.is_none() && entry.vouchers.iter().all(Option::is_none);
        let Some(entry) = self.services.get_mut(&id) else { return };
        let before = std::mem::replace(&mut entry.shown, after.clone());
        if forgotten {
            self.services.remove(&id);
        }
        let name = |service: &Option<Service>| service.as_ref().map(|s| s.registration.name.clone());
        let (name_before, name_after) = (name(&before), name(&after));
        let mut twins = Vec::new();
        if name_before != name_after {
            twins.extend(name_before.and_then(|name| self.rename(&name, id, false)));
            twins.extend(name_after.and_then(|name| self.rename(&name, id, true)));
        }
        let after = self.refresh_name(id);
        match (before, after) {
            (None, None) => {}
            (None, Some(service)) => out.push(Transition::Appeared(service)),
            (Some(service), None) => out.push(Transition::Disappeared(service, gone)),
            (Some(before), Some(service)) => {
                if before.registration != service.registration || before.shown != service.shown {
                    out.push(Transition::Changed(service));
                } else if before.state != service.state {
                    out.push(Transition::State(service));
                }
            }
        }
        for twin in twins {
            out.extend(self.refresh_name(twin).map(Transition::Changed));
        }
    }

    /// Enters or strikes a name; gives the one other service that is therefore shown under another name.
    fn rename(&mut self, name: &str, id: Id, enter: bool) -> Option<Id> {
        let ids = self.names.entry(name.to_owned()).or_default();
        let before = ids.len();
        if enter {
            ids.insert(id)
        } else {
            ids.remove(&id)
        };
        let twin = match (before, ids.len()) {
            (1, 2) => ids.iter().find(|other| **other != id).copied(),
            (2, 1) => ids.first().copied(),
            _ => None,
        };
        if ids.is_empty() {
            self.names.remove(name);
        }
        twin
    }

    fn refresh_name(&mut self, id: Id) -> Option<Service> {
        let shown = self.services.get_mut(&id)?.shown.as_mut()?;
        shown.shown = shown_name(&self.names, &shown.registration);
        Some(shown.clone())
    }

    /// What is true of a service now; `None`: it is not there.
    fn seen(&self, entry: &Entry, now: Instant) -> Option<Service> {
        let counts = |voucher: &Voucher| {
            voucher.until.is_none_or(|until| until > now)
                && entry.went.is_none_or(|(order, _)| voucher.registration.order() > order)
        };
        let mut best: Option<(&Voucher, ServiceState)> = None;
        let (mut lookups, mut remaining) = (Vec::new(), Duration::ZERO);
        for (which, voucher) in entry.vouchers.iter().enumerate() {
            let Some(voucher) = voucher.as_ref().filter(|voucher| counts(voucher)) else { continue };
            let (state, left) = match voucher.until {
                Some(until) => (ServiceState::Unconfirmed, until.saturating_duration_since(now)),
                None => (voucher.state, voucher.remaining),
            };
            remaining = remaining.max(left);
            lookups.extend(self.lookups.get(which).and_then(|lookup| lookup.id));
            best = Some(match best {
                None => (voucher, state),
                Some((before, sure)) => {
                    let newer = voucher.registration.order() > before.registration.order();
                    (if newer { voucher } else { before }, sure.min(state))
                }
            });
        }
        let (voucher, state) = best?;
        let registration = Arc::clone(&voucher.registration);
        let shown = shown_name(&self.names, &registration);
        Some(Service { registration, shown, state, remaining, lookups })
    }
}

impl Entry {
    fn voucher(&self, which: usize) -> Option<&Voucher> {
        self.vouchers.get(which)?.as_ref()
    }
}

fn shown_name(names: &HashMap<String, BTreeSet<Id>>, registration: &Registration) -> Arc<str> {
    let twins = names.get(&registration.name).is_some_and(|ids| ids.len() > 1);
    if twins {
        format!("{}~{}", registration.name, registration.id.short()).into()
    } else {
        registration.name.as_str().into()
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
