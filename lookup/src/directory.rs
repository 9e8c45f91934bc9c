//! The directory: registrations under leases, and who watches them. All that a lookup decides is decided here.
//!
//! It does no IO and reads no clock: every call takes `now` (monotonic), lets the leases that ran out until then end
//! first, and leaves behind in [`Effects`] what is to be written and who is to be woken.

use crate::admission::Entry;
use crate::leases::{Due, LeaseId, LeaseState, LeaseTable, Renewal, Suspicion};
use crate::rate::Rate;
use crate::refusal::Refusal;
use crate::registry::{Listed, Packed, Registry, Standing};
use crate::replaced::Replaced;
use crate::transitions::{Happened, Log, LogBounds, Transition};
use crate::watchers::{MAX_PENDING, Watchers};
use hedgerow_model::registration::Id;
use std::sync::Arc;
use std::time::Duration;

mod answers;
mod clones;
mod effects;
mod views;

pub use answers::{Census, Counters, Granted, Renewed, Revision};
pub use effects::{Effects, Kept, KeptFormer, Write};

/// What bounds a directory.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Renewals a second that the lookup will bear: the more leases, the longer their terms.
    pub renewals_per_second: f64,
    /// Most registrations; more are refused.
    pub registrations: usize,
    /// Most bytes of their bodies together; what needs more is refused. Packed and indexed they take up to about twice
    /// as much memory, mostly less than half.
    pub bytes: usize,
    /// Of the log of transitions.
    pub log: LogBounds,
    /// Most transitions that wait for one watcher; with more it is reset.
    pub pending: usize,
    /// Most registrations in snapshots that are being sent, over all watchers (4 million: about 400 MB); a watcher that would
    /// exceed them takes the place of one who hardly reads, or is told to come again.
    pub snapshots: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            renewals_per_second: 10_000.0,
            registrations: 200_000,
            bytes: 1 << 30,
            log: LogBounds::default(),
            pending: MAX_PENDING,
            snapshots: 4_000_000,
        }
    }
}

/// The directory.
#[derive(Debug)]
pub struct Directory {
    epoch: u64,
    max_registrations: usize,
    max_bytes: usize,
    leases: LeaseTable,
    registry: Registry,
    replaced: Replaced,
    log: Log,
    watchers: Watchers,
    effects: Effects,
    renewal_rate: Rate,
    /// How often the lookups that are registered here changed.
    lookups_changed: u64,
    /// What happened since the start. Who refuses before the directory is asked counts it here, too.
    pub counters: Counters,
}

impl Directory {
    /// An empty directory whose epoch this is.
    pub fn new(epoch: u64, bounds: &Bounds, now: Duration) -> Self {
        Self {
            epoch,
            max_registrations: bounds.registrations,
            max_bytes: bounds.bytes,
            leases: LeaseTable::new(bounds.renewals_per_second, now),
            registry: Registry::default(),
            replaced: Replaced::default(),
            log: Log::new(bounds.log),
            watchers: Watchers::new(bounds.pending),
            effects: Effects::default(),
            renewal_rate: Rate::new(now),
            lookups_changed: 0,
            counters: Counters::default(),
        }
    }

    /// Takes back what was kept over a restart: it runs one full term, unconfirmed. Only before anybody calls. Gives the
    /// slot in which it is now; none, where the service or the lease is there already.
    pub fn restore(&mut self, kept: Kept) -> Option<u32> {
        let entry = Arc::clone(kept.entry.read());
        let id = entry.registration.id;
        if self.registry.contains(id) || self.leases.get(kept.lease).is_some() {
            return None;
        }
        kept.former.into_iter().for_each(|former| self.restore_former(former, entry.registration.instance));
        let slot = self.registry.slot(id);
        self.leases.restore(kept.lease, slot, kept.asked, kept.granted);
        self.registry.put(slot, Listed { entry, lease: kept.lease, number: 0 });
        Some(slot)
    }

    /// Where the log stands.
    pub const fn revision(&self) -> Revision {
        Revision { epoch: self.epoch, number: self.log.head() }
    }

    /// Another number than before, and than before a restart: the lookups that are registered here changed.
    pub const fn lookups_version(&self) -> u64 {
        self.epoch.wrapping_add(self.lookups_changed)
    }

    /// How its leases are.
    pub fn census(&mut self, now: Duration) -> Census {
        self.settle(now);
        Census {
            leases: self.registry.count(),
            unconfirmed: self.leases.unconfirmed(),
            suspect: self.leases.suspect(),
            overdue: self.leases.overdue(),
            suspects: self.leases.suspicion().is_some(),
            renewals_per_second: self.renewal_rate.per_second(now),
            max_renewals_per_second: self.leases.renewals_per_second(),
        }
    }

    /// What the last calls make necessary outside; the caller has to do it.
    pub fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// What is to stand in the file of a slot now. Taken for written: whoever fails to write it asks again.
    pub fn take_write(&mut self, slot: u32) -> Write {
        let Some(Listed { entry, lease, .. }) = self.registry.shown(slot) else { return Write::Forget(slot) };
        let (asked, granted) = self.leases.keep(lease).expect(LISTED_HAS_LEASE);
        let former = self.keep_former(&entry);
        Write::Keep(slot, Kept { entry, lease, asked, granted, former })
    }

    /// Has everything written anew.
    pub fn write_all(&mut self) {
        self.effects.unwritten.extend(self.registry.slots());
    }

    /// Lets time pass; to be called every [`crate::lease_time::TICK`]. Gives the stall, where the lookup stood still.
    pub fn tick(&mut self, now: Duration) -> Option<Duration> {
        let stall = self.settle(now);
        self.replaced.forget_old(self.leases.running());
        stall
    }

    /// Registers a service, or changes its registration (law 1). A new lease is named `fresh`, unless that is taken.
    ///
    /// # Errors
    /// Another key, something newer is held, too short an ask, no room.
    pub fn register(
        &mut self,
        now: Duration,
        entry: Entry,
        asked: Duration,
        fresh: LeaseId,
    ) -> Result<Granted, Refusal> {
        self.settle(now);
        let slot = self.registry.slot(entry.registration.id);
        let standing = self.registry.judge(slot, &entry)?;
        self.refuse_clone(standing, &entry)?;
        let growth = self.registry.growth(slot, &entry);
        if growth > 0 && self.registry.body_bytes() + growth > self.max_bytes {
            return Err(Refusal::FullBytes(self.max_bytes));
        }
        let granted = match standing {
            Standing::New => self.add(slot, Arc::new(entry), asked, fresh)?,
            Standing::Equal => self.confirm(entry.registration.id, asked)?,
            Standing::NewSerial => self.change(slot, Arc::new(entry), asked, fresh)?,
            Standing::NewInstance => self.replace(slot, Arc::new(entry), asked, fresh)?,
        };
        self.counters.registrations += 1;
        Ok(granted)
    }

    /// Renews leases; one answer for each, in their order.
    pub fn renew(&mut self, now: Duration, leases: &[LeaseId]) -> Vec<Renewed> {
        self.settle(now);
        let before = self.counters.renewals;
        let renewed = leases.iter().map(|lease| self.renew_one(*lease)).collect();
        self.renewal_rate.count(now, self.counters.renewals - before);
        renewed
    }

    /// Ends a lease at once. False: there was none.
    pub fn cancel(&mut self, now: Duration, lease: LeaseId) -> bool {
        self.settle(now);
        let Some(held) = self.leases.remove(lease) else { return false };
        self.counters.cancelled += 1;
        self.end(held.holder, lease, held.state, Happened::Cancelled);
        true
    }

    fn settle(&mut self, now: Duration) -> Option<Duration> {
        let stall = self.leases.advance(now);
        self.counters.stalls += u64::from(stall.is_some());
        while let Some(due) = self.leases.next_due() {
            match due {
                Due::Suspicion(suspicion) => self.tell_suspicion(suspicion),
                Due::Suspect(lease) => self.restate(lease),
                Due::Expired(lease, held) => {
                    self.counters.expired += 1;
                    self.end(held.holder, lease, held.state, Happened::Expired);
                }
            }
        }
        stall
    }

    fn add(
        &mut self,
        slot: u32,
        entry: Arc<Entry>,
        asked: Duration,
        fresh: LeaseId,
    ) -> Result<Granted, Refusal> {
        if self.registry.count() >= self.max_registrations {
            return Err(Refusal::Full(self.max_registrations));
        }
        let (lease, term) = self.leases.grant(fresh, slot, asked)?;
        self.list(Happened::Registered, slot, entry, lease);
        Ok(Granted { lease, term })
    }

    /// An equal registration: nothing new, but its sender lives and wants its lease.
    fn confirm(&mut self, id: Id, asked: Duration) -> Result<Granted, Refusal> {
        let lease = self.lease_of(id);
        let renewal = self.leases.ask_again(lease, asked)?.expect(LISTED_HAS_LEASE);
        self.after_renewal(lease, renewal);
        Ok(Granted { lease, term: renewal.granted })
    }

    /// The same run of the service says something new, under a new lease. Should this lookup die before that is on disk, it
    /// comes back with the old words under the old lease: whoever renews the new one is told to register again.
    fn change(
        &mut self,
        slot: u32,
        entry: Arc<Entry>,
        asked: Duration,
        fresh: LeaseId,
    ) -> Result<Granted, Refusal> {
        let id = entry.registration.id;
        self.leases.terms(asked, self.leases.count())?;
        self.leases.remove(self.lease_of(id));
        let (lease, term) = self.leases.grant(fresh, slot, asked)?;
        self.list(Happened::Body, slot, entry, lease);
        Ok(Granted { lease, term })
    }

    /// A new run of the service: it gets a lease of its own, and whoever renews the old one is told.
    fn replace(
        &mut self,
        slot: u32,
        entry: Arc<Entry>,
        asked: Duration,
        fresh: LeaseId,
    ) -> Result<Granted, Refusal> {
        let id = entry.registration.id;
        self.leases.terms(asked, self.leases.count())?;
        self.displace(id);
        self.replaced.settle(id);
        let (lease, term) = self.leases.grant(fresh, slot, asked)?;
        self.list(Happened::Body, slot, entry, lease);
        Ok(Granted { lease, term })
    }

    fn renew_one(&mut self, lease: LeaseId) -> Renewed {
        let Some(renewal) = self.leases.renew(lease) else {
            return self.renew_former(lease);
        };
        self.counters.renewals += 1;
        self.after_renewal(lease, renewal);
        Renewed::For(renewal.granted)
    }

    fn after_renewal(&mut self, lease: LeaseId, renewal: Renewal) {
        if !renewal.confirmed && !renewal.rewrite {
            return;
        }
        if renewal.rewrite {
            let slot = self.leases.get(lease).expect(LISTED_HAS_LEASE).holder;
            self.effects.unwritten.push(slot);
        }
        if renewal.confirmed {
            self.restate(lease);
        }
    }

    /// Tells that a lease is more, or less, certain.
    fn restate(&mut self, lease: LeaseId) {
        let held = self.leases.get(lease).expect(LISTED_HAS_LEASE);
        let (slot, state) = (held.holder, held.state);
        let entry = Arc::clone(self.registry.shown(slot).expect(LEASE_IS_LISTED).entry.read());
        let packed = self.registry.packed(slot);
        let said = [Some(Arc::clone(&entry)), Some(entry)];
        let number = self.tell(Happened::State, said, [packed.clone(), packed], lease, state);
        self.registry.mark(slot, number);
    }

    fn tell_suspicion(&mut self, suspicion: Suspicion) {
        self.tell(Happened::Suspicion(suspicion), [None, None], [None, None], LeaseId(0), LeaseState::Live);
    }

    /// Lists what was registered under a lease just granted or renewed, in the place of what was there.
    fn list(&mut self, happened: Happened, slot: u32, entry: Arc<Entry>, lease: LeaseId) {
        self.effects.unwritten.push(slot);
        let before = self.registry.shown(slot).map(|listed| Arc::clone(listed.entry.read()));
        let packed_before = self.registry.packed(slot);
        let number = self.log.head() + 1;
        self.registry.put(slot, Listed { entry: Arc::clone(&entry), lease, number });
        let packed = [packed_before, self.registry.packed(slot)];
        self.tell(happened, [before, Some(entry)], packed, lease, LeaseState::Live);
    }

    fn end(&mut self, slot: u32, lease: LeaseId, state: LeaseState, happened: Happened) {
        let packed = self.registry.packed(slot);
        let listed = self.registry.remove(slot);
        self.replaced.settle(listed.entry.registration.id);
        self.effects.unwritten.push(slot);
        self.tell(happened, [Some(listed.entry), None], [packed, None], lease, state);
    }

    /// Tells what was said before and after, and keeps it as it is packed.
    fn tell(
        &mut self,
        happened: Happened,
        [before, after]: [Option<Arc<Entry>>; 2],
        packed: [Option<Packed>; 2],
        lease: LeaseId,
        state: LeaseState,
    ) -> u64 {
        let number = self.log.head() + 1;
        let is_lookup = |entry: &Arc<Entry>| entry.registration.kind == LOOKUP_KIND;
        if happened != Happened::State && [&before, &after].into_iter().flatten().any(is_lookup) {
            self.lookups_changed += 1;
        }
        let transition = Arc::new(Transition { number, happened, before, after, lease, state });
        self.watchers.offer(&transition, &mut self.effects.woken);
        self.log.push(transition, packed, self.registry.packing());
        number
    }

    fn lease_of(&self, id: Id) -> LeaseId {
        self.registry.lease(id).expect("invariant: what was judged is listed")
    }
}

const LISTED_HAS_LEASE: &str = "invariant: what is listed has a lease";
const LEASE_IS_LISTED: &str = "invariant: a lease has its registration";
/// The kind as which lookups are registered.
pub const LOOKUP_KIND: &str = "lookup";

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod size_tests;
#[cfg(test)]
mod tests;
