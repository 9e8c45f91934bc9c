//! What several lookups say, made one truth per service. Time comes in, transitions go out; it never waits or calls.
//!
//! The law: one *appeared* per service; cancelled (or unmatched) anywhere at the same or a newer serial is gone; expired
//! somewhere is gone only when no other lookup still shows an unexpired lease; what only a lost lookup vouched for is
//! unconfirmed until its lease has run out. While no lookup answers nothing is gone: it is stale, and stays so for a term
//! (at least [`RETURN`]) after a lookup answers again, so that services have the time to register anew.

mod entry;
mod names;
mod shown;

use self::entry::{Entry, Voucher};
use self::names::Names;
use super::{Gone, MAX_SERVICES, Service, ServiceState, Transition};
use bytes::Bytes;
use hedgerow_model::registration::{Id, Instance, Mesh, Registration};
use hedgerow_proto::lookup::{Held, LeaseState, Signed};
use hedgerow_proto::signed;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long at least it is remembered that a service went, against lookups that have not heard of it.
const REMEMBERED: Duration = Duration::from_secs(60);
/// The longest lease that is believed; lookups grant no longer ones.
const LONGEST_LEASE: Duration = hedgerow_model::lease::CEILING;
/// How long services have at least to register again, once a lookup answers after none did.
const RETURN: Duration = Duration::from_secs(20);
/// Most addresses of a copy that are taken; lookups tell no more.
const MAX_COPY_URLS: usize = 4;
/// What runs out is looked for at most this often: looking costs as much as there are services.
const LOOKS: Duration = Duration::from_millis(200);

type Order = (Instance, u64);
/// One of the lookups; a number is never given to another one.
pub(super) type Which = usize;

/// What a lookup tells, or what is heard of it.
#[derive(Debug, Clone)]
pub(super) enum Heard {
    /// Its id.
    Is(Option<Id>),
    /// It answers. Afresh: a snapshot follows; otherwise it goes on where it was.
    Reached { afresh: bool },
    /// It answers afresh, and was started again since: what it was told in its last half second it may not know.
    Restarted,
    /// It answers no more.
    Lost,
    /// Nobody asks it any more.
    Removed,
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
    lookups: BTreeMap<Which, Lookup>,
    services: BTreeMap<Id, Entry>,
    names: Names,
    refused: u64,
    /// The keys under which services were known before.
    pins: BTreeMap<Id, Bytes>,
    silence: Silence,
    /// No voucher and no memory runs out before.
    next: Option<Instant>,
}

#[derive(Debug, Default)]
struct Lookup {
    id: Option<Id>,
    /// All that it holds has been told, and its changes come.
    answers: bool,
    removed: bool,
    /// What the snapshot under way has told so far.
    snapshot: Option<BTreeSet<Id>>,
    /// Something that it vouched for has run out since it was lost: its changes alone do not say what it holds.
    incomplete: bool,
    /// The snapshot under way is of a lookup that was started again.
    restarted: bool,
}

/// Whether there was a time when no lookup answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// Never since the first answer.
    None,
    /// It lasts.
    Now,
    /// It ended then.
    Ended(Instant),
}

impl Merge {
    pub(super) fn new(mesh: Option<Id>) -> Self {
        Self {
            mesh,
            lookups: BTreeMap::new(),
            services: BTreeMap::new(),
            names: Names::default(),
            refused: 0,
            pins: BTreeMap::new(),
            silence: Silence::None,
            next: None,
        }
    }

    /// What is of another mesh is not believed, from the moment on when the mesh is known.
    pub(super) fn of_mesh(&mut self, mesh: Option<&Mesh>) {
        self.mesh = self.mesh.or(mesh.map(|mesh| mesh.id));
    }

    /// Under which keys services were known before.
    pub(super) fn pin(&mut self, pins: BTreeMap<Id, Bytes>) {
        self.pins = pins;
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

    /// Whether the changes since it was lost are enough to know what this lookup holds.
    pub(super) fn may_resume(&self, which: Which) -> bool {
        self.lookups.get(&which).is_none_or(|lookup| !lookup.incomplete)
    }

    /// What lookups that answer vouch for: as it was signed, and the longest lease it had.
    pub(super) fn vouched_for(&self) -> impl Iterator<Item = (&Arc<Registration>, &Signed, Duration)> {
        self.services.values().filter_map(|entry| {
            let answers = |which| self.lookups.get(&which).is_some_and(|lookup| lookup.answers);
            let counts = |(which, voucher): &&(Which, Voucher)| {
                answers(*which)
                    && *voucher.key() == entry.key
                    && entry.is_current(voucher.registration.order())
            };
            let vouchers = entry.vouchers.iter().filter(counts);
            let (_, voucher) = vouchers.max_by_key(|(_, voucher)| voucher.registration.order())?;
            Some((&voucher.registration, &voucher.signed, entry.term))
        })
    }

    /// Takes what was known the last time, verified, while no lookup answers.
    pub(super) fn recall(
        &mut self,
        kept: impl IntoIterator<Item = (Arc<Registration>, Signed, Duration)>,
        now: Instant,
        out: &mut Vec<Transition>,
    ) {
        if self.any_answers() {
            return;
        }
        self.silence = Silence::Now;
        let mut recalled = Vec::new();
        for (registration, signed, term) in kept {
            let id = registration.id;
            // As if told by a lookup that is lost, and the lease has run out.
            let (state, remaining) = (ServiceState::Unconfirmed, Duration::ZERO);
            let (granted, until, copy) = (term, None, None);
            let voucher = Voucher { registration, signed, state, remaining, granted, until, copy };
            let nobody = Which::MAX;
            if self.services.contains_key(&id) || self.admit(nobody, voucher).is_none() {
                continue;
            }
            // What others are called is told below, when all have their names.
            let ignored = &mut Vec::new();
            self.settle(id, now, Gone::Expired, ignored);
            self.services.get_mut(&id).into_iter().for_each(|entry| entry.drop_voucher(nobody));
            self.settle(id, now, Gone::Expired, ignored);
            recalled.push(id);
        }
        let shown = |id| self.services.get(id).and_then(|entry| entry.shown.clone());
        out.extend(recalled.iter().filter_map(shown).map(Transition::Appeared));
    }

    pub(super) fn hear(&mut self, which: Which, now: Instant, heard: Heard, out: &mut Vec<Transition>) {
        let lookup = self.lookups.entry(which).or_default();
        match heard {
            Heard::Is(id) => lookup.id = id.or(lookup.id),
            Heard::Restarted => {
                self.hear(which, now, Heard::Reached { afresh: true }, out);
                self.lookups.entry(which).or_default().restarted = true;
            }
            Heard::Reached { afresh } => {
                lookup.restarted = false;
                lookup.snapshot = afresh.then(BTreeSet::new);
                lookup.incomplete &= !afresh;
                lookup.answers |= !afresh;
                if !afresh {
                    self.silence_may_end(now);
                    self.for_all_of(which, now, out, |voucher| voucher.until = None);
                    self.settle_twins(which, now, out);
                }
            }
            Heard::Lost => self.lost(which, now, out),
            Heard::Removed => {
                lookup.removed = true;
                self.lost(which, now, out);
            }
            Heard::Held(held) => {
                if let Some(id) = self.take(which, held) {
                    self.settle(id, now, Gone::Expired, out);
                }
            }
            Heard::SnapshotEnd(id) => self.snapshot_ended(which, id, now, out),
            Heard::Disappeared { id, order, gone } => self.disappeared(which, id, order, gone, now, out),
        }
    }

    /// Lets run out what has run out.
    pub(super) fn tick(&mut self, now: Instant, out: &mut Vec<Transition>) {
        let ids: Vec<Id> = self.services.keys().copied().collect();
        for id in ids {
            if let Some(entry) = self.services.get_mut(&id) {
                entry.vouchers.retain(|(which, voucher)| {
                    let runs = voucher.until.is_none_or(|until| until > now);
                    if let Some(lookup) = self.lookups.get_mut(which).filter(|_| !runs) {
                        lookup.incomplete = true;
                    }
                    runs
                });
                entry.forget(now);
            }
            self.settle(id, now, Gone::Expired, out);
        }
        let until = |entry: &Entry| {
            let vouchers = entry.vouchers.iter().filter_map(|(_, voucher)| voucher.until);
            let went = entry.went.as_ref().map(|went| went.until);
            let stale = entry.shown.as_ref().filter(|shown| shown.state == ServiceState::Stale);
            let stale = stale.and_then(|_| self.stale_until(entry));
            vouchers.chain(went).chain(stale).min()
        };
        let next = self.services.values().filter_map(until).min();
        self.next = next.map(|next| next.max(now + LOOKS));
        let services = &self.services;
        self.lookups.retain(|which, lookup| {
            !lookup.removed || services.values().any(|entry| entry.is_vouched_for_by(*which))
        });
    }

    fn lost(&mut self, which: Which, now: Instant, out: &mut Vec<Transition>) {
        if let Some(lookup) = self.lookups.get_mut(&which) {
            (lookup.answers, lookup.snapshot) = (false, None);
        }
        if self.silence != Silence::Now && !self.services.is_empty() && !self.any_answers() {
            self.silence = Silence::Now;
        }
        self.for_all_of(which, now, out, |voucher| {
            let _ = voucher.until.get_or_insert(now + voucher.granted);
        });
        // What it said before it was lost must not outlive the memory that the service went.
        for entry in self.services.values_mut().filter(|entry| entry.is_vouched_for_by(which)) {
            let (term, went) = (entry.term, entry.went.as_mut().filter(|went| went.until > now));
            went.into_iter().for_each(|went| went.until = went.until.max(now + term));
        }
        self.settle_twins(which, now, out);
        self.look_again_at(now);
    }

    fn snapshot_ended(&mut self, which: Which, id: Option<Id>, now: Instant, out: &mut Vec<Transition>) {
        let Some(lookup) = self.lookups.get_mut(&which) else { return };
        lookup.id = id.or(lookup.id);
        lookup.answers = true;
        let told = lookup.snapshot.take().unwrap_or_default();
        let restarted = std::mem::take(&mut lookup.restarted);
        self.silence_may_end(now);
        let untold = |(id, entry): (&Id, &Entry)| {
            (entry.is_vouched_for_by(which) && !told.contains(id)).then_some(*id)
        };
        let untold: Vec<Id> = self.services.iter().filter_map(untold).collect();
        // What runs out of them no change will tell.
        if let Some(lookup) = self.lookups.get_mut(&which) {
            lookup.incomplete |= restarted && !untold.is_empty();
        }
        for id in untold {
            let Some(entry) = self.services.get_mut(&id) else { continue };
            match entry.voucher_mut(which).filter(|_| restarted) {
                // It forgot, or it knows that the service went: that shows when the lease that was seen has run out.
                Some(voucher) => drop(voucher.until.get_or_insert(now + voucher.granted)),
                None => entry.drop_voucher(which),
            }
            self.settle(id, now, Gone::Expired, out);
        }
        self.look_again_at(now);
        self.settle_twins(which, now, out);
    }

    fn any_answers(&self) -> bool {
        self.lookups.values().any(|lookup| lookup.answers)
    }

    fn silence_may_end(&mut self, now: Instant) {
        if self.silence == Silence::Now && self.any_answers() {
            self.silence = Silence::Ended(now);
            self.look_again_at(now);
        }
    }

    /// Takes what a lookup holds, where it can be believed.
    fn take(&mut self, which: Which, held: Held) -> Option<Id> {
        let taken = self.believed(which, held);
        if taken.is_none() {
            self.refused += 1;
        }
        taken
    }

    fn believed(&mut self, which: Which, held: Held) -> Option<Id> {
        let state = match held.state() {
            LeaseState::Live | LeaseState::Unspecified => ServiceState::Live,
            LeaseState::Unconfirmed => ServiceState::Unconfirmed,
            LeaseState::Suspect => ServiceState::Suspect,
        };
        let signed = held.registration?;
        let registration = Arc::new(signed::open_registration(&signed).ok()?);
        let millis = |millis| Duration::from_millis(millis).min(LONGEST_LEASE);
        let (remaining, granted) = (millis(held.lease_remaining_ms), millis(held.granted_ms));
        let copy = held.clone.map(|clone| clone.urls.into_iter().take(MAX_COPY_URLS).collect());
        let mut voucher = Voucher { registration, signed, state, remaining, granted, until: None, copy };
        if self.lookups.get(&which).is_some_and(|lookup| lookup.restarted) {
            let entry = self.services.get_mut(&voucher.registration.id);
            if let Some(before) = entry.and_then(|entry| entry.voucher_mut(which)) {
                voucher.keep_newer(before);
            }
        }
        let id = self.admit(which, voucher)?;
        if let Some(told) = self.lookups.get_mut(&which).and_then(|lookup| lookup.snapshot.as_mut()) {
            told.insert(id);
        }
        Some(id)
    }

    /// Takes a verified registration, where there is room and it is of this mesh. One under a key that is not believed is
    /// only kept beside.
    fn admit(&mut self, which: Which, voucher: Voucher) -> Option<Id> {
        let id = voucher.registration.id;
        if self.mesh.is_some_and(|mesh| mesh != voucher.registration.mesh.id) {
            return None;
        }
        if !self.services.contains_key(&id) && self.services.len() >= MAX_SERVICES {
            return None;
        }
        let key = &voucher.signed.public_key;
        let key = key.clone();
        let entry =
            self.services.entry(id).or_insert_with(|| Entry::new(key.clone(), self.pins.get(&id).cloned()));
        if entry.voucher_mut(which).is_some_and(|before| *before.key() != key) {
            return None;
        }
        entry.vouch(which, voucher);
        entry.choose_key();
        self.refused += u64::from(entry.key != key);
        Some(id)
    }

    fn disappeared(
        &mut self,
        which: Which,
        id: Id,
        order: Order,
        gone: Gone,
        now: Instant,
        out: &mut Vec<Transition>,
    ) {
        let Some(entry) = self.services.get_mut(&id) else { return };
        if gone != Gone::Expired {
            let until = now + entry.term.max(REMEMBERED);
            entry.go(which, order, until);
            entry.drop_voucher(which);
            self.look_again_at(until);
        } else {
            entry.drop_voucher(which);
        }
        self.settle(id, now, gone, out);
    }

    fn for_all_of(
        &mut self,
        which: Which,
        now: Instant,
        out: &mut Vec<Transition>,
        change: impl Fn(&mut Voucher),
    ) {
        let mut ids = Vec::new();
        for (id, entry) in &mut self.services {
            if let Some(voucher) = entry.voucher_mut(which) {
                change(voucher);
                ids.push(*id);
            }
        }
        for id in ids {
            self.settle(id, now, Gone::Expired, out);
        }
    }

    /// The same lookup may be known by two addresses: when one begins or ceases to answer, what was said at the other counts
    /// differently.
    fn settle_twins(&mut self, which: Which, now: Instant, out: &mut Vec<Transition>) {
        let Some(id) = self.lookups.get(&which).and_then(|lookup| lookup.id) else { return };
        let twin =
            |(other, lookup): (&Which, &Lookup)| (*other != which && lookup.id == Some(id)).then_some(*other);
        let twins: Vec<Which> = self.lookups.iter().filter_map(twin).collect();
        twins.into_iter().for_each(|twin| self.for_all_of(twin, now, out, |_| ()));
    }

    /// Whether what was heard there is void: the same lookup answers at another address.
    fn is_superseded(&self, which: Which) -> bool {
        let Some(lookup) = self.lookups.get(&which).filter(|lookup| !lookup.answers) else { return false };
        lookup.id.is_some() && self.lookups.values().any(|other| other.answers && other.id == lookup.id)
    }

    fn look_again_at(&mut self, at: Instant) {
        self.next = Some(self.next.map_or(at, |before| before.min(at)));
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod world_tests;
