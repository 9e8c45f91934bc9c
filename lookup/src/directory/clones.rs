//! Law 1, two live holders of one id: the holder that was replaced and still renews is restored, the newer one refused.

use super::{Directory, Happened, KeptFormer, LEASE_IS_LISTED, LISTED_HAS_LEASE, Renewed};
use crate::admission::Entry;
use crate::leases::{Lease, LeaseId, LeaseState};
use crate::refusal::{Clones, Holder, Refusal};
use crate::registry::{Shown, Standing};
use crate::replaced::Refused;
use hedgerow_model::registration::{Id, Instance};
use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

/// A clone that was not refused for two terms of the older one's lease and so long is shown no more: it has stopped.
const CLONE_SHOWN: Duration = Duration::from_secs(60);
/// Most clones that are shown; more are refused and counted all the same.
const MAX_CLONES: usize = 16;

impl Directory {
    /// Refuses a newer run while the older of two live holders keeps the id. A suspect lease keeps nobody out: a restart
    /// after a crash waits for one term of the old lease at most.
    pub(super) fn refuse_clone(&mut self, standing: Standing, entry: &Entry) -> Result<(), Refusal> {
        let id = entry.registration.id;
        if standing != Standing::NewInstance || self.replaced.refused(id).is_none() {
            return Ok(());
        }
        let lease = self.leases.get(self.lease_of(id)).expect(LISTED_HAS_LEASE);
        if lease.state == LeaseState::Suspect {
            return Ok(());
        }
        let clones = self.clones(id, entry);
        self.replaced.contest(id, clones.newer.clone(), self.leases.running());
        Err(Refusal::Cloned(Box::new(clones)))
    }

    /// Takes the lease of an id from its holder, and remembers it.
    pub(super) fn displace(&mut self, id: Id) {
        let listed = self.registry.get(id).expect(LEASE_IS_LISTED);
        let (entry, lease) = (Arc::clone(&listed.entry), listed.lease);
        let held = self.leases.remove(lease).expect(LISTED_HAS_LEASE);
        self.replaced.remember(self.leases.running(), lease, entry, held.asked(), held.granted());
    }

    /// What is to be kept of the run from which this one has its id.
    pub(super) fn keep_former(&self, held: &Shown) -> Option<KeptFormer> {
        let (lease, former) = self.replaced.last(held.id())?;
        let same_key = former.entry.signed.public_key == held.signed().public_key;
        same_key.then(|| KeptFormer { entry: Arc::clone(&former.entry), lease, asked: former.asked })
    }

    /// Remembers over a restart from which run this instance has the id: from a newer one only by proof.
    pub(super) fn restore_former(&mut self, former: KeptFormer, held: Instance) {
        let KeptFormer { entry, lease, asked } = former;
        if entry.registration.instance > held {
            let newer = Holder::of(&entry.registration);
            self.replaced.contest(entry.registration.id, newer, self.leases.running());
        }
        self.replaced.remember(self.leases.running(), lease, entry, asked, asked);
    }

    /// Answers who renews a lease that is none: one that was taken from him, perhaps.
    pub(super) fn renew_former(&mut self, lease: LeaseId) -> Renewed {
        match self.standing_of_former(lease) {
            None | Some(Ordering::Equal) => Renewed::Unknown,
            Some(Ordering::Less) => Renewed::Cloned,
            Some(Ordering::Greater) if self.replaced.proves(self.leases.running(), lease) => {
                self.restore_older(lease)
            }
            Some(Ordering::Greater) => Renewed::Replaced,
        }
    }

    /// For people: why a lease is answered [`Renewed::Replaced`] or [`Renewed::Cloned`], naming both holders.
    pub fn problem(&self, lease: LeaseId) -> Option<String> {
        let standing = self.standing_of_former(lease)?;
        let former = &self.replaced.get(lease)?.entry;
        let id = former.registration.id;
        let held = &self.registry.get(id)?.entry;
        match standing {
            Ordering::Equal => None,
            Ordering::Less => Some(self.clones(id, former).to_string()),
            Ordering::Greater => Some(format!(
                "{id} was registered by a newer run of this service ({}), which took the place of this one ({}): if you \
                 did not start it again, somebody has a copy of its identity",
                Holder::of(&held.registration),
                Holder::of(&former.registration),
            )),
        }
    }

    /// What the run that holds the id now is to the one that held it under this lease; `None`: nobody does, or with
    /// another key, or nothing is known of such a lease.
    fn standing_of_former(&self, lease: LeaseId) -> Option<Ordering> {
        let former = &self.replaced.get(lease)?.entry;
        let held = &self.registry.get(former.registration.id)?.entry;
        let same_key = held.signed.public_key == former.signed.public_key;
        same_key.then(|| held.registration.instance.cmp(&former.registration.instance))
    }

    fn restore_older(&mut self, lease: LeaseId) -> Renewed {
        let Some(former) = self.replaced.take(lease) else { return Renewed::Unknown };
        let id = former.entry.registration.id;
        let newer = Holder::of(&self.registry.get(id).expect(LEASE_IS_LISTED).entry.registration);
        self.displace(id);
        self.replaced.contest(id, newer, self.leases.running());
        let slot = self.registry.slot(id);
        let (lease, term) = self.leases.reinstate(lease, slot, former.asked);
        self.counters.cloned += 1;
        self.counters.refused += 1;
        self.counters.renewals += 1;
        self.list(Happened::Body, slot, former.entry, lease);
        Renewed::For(term)
    }

    /// Ids that two live services claim, each with the name of the older, its addresses and those of the newer. Who was not
    /// refused for long does not try any more.
    pub fn cloned(&self) -> Vec<(Id, String, Vec<String>, Vec<String>)> {
        let clone = |(id, _): (Id, &Refused)| {
            let listed = self.registry.get(id)?;
            let newer = self.clone_of(id, self.leases.get(listed.lease)?)?;
            let older = &listed.entry.registration;
            Some((id, older.name.clone(), Holder::of(older).urls, newer.urls.clone()))
        };
        let mut cloned: Vec<_> = self.replaced.contested().filter_map(clone).take(MAX_CLONES).collect();
        cloned.sort();
        cloned
    }

    /// The newer of two live holders of this id, while it goes on trying; `older` is the lease of the one who keeps it.
    pub(super) fn clone_of(&self, id: Id, older: &Lease) -> Option<&Holder> {
        let Refused { newer, at } = self.replaced.refused(id)?;
        (self.leases.running() <= *at + 2 * older.granted() + CLONE_SHOWN).then_some(newer)
    }

    fn clones(&self, id: Id, newer: &Entry) -> Clones {
        let older = self.registry.get(id).expect(LEASE_IS_LISTED);
        let lease = self.leases.get(older.lease).expect(LISTED_HAS_LEASE);
        Clones {
            id,
            older: Holder::of(&older.entry.registration),
            newer: Holder::of(&newer.registration),
            remaining: self.leases.remaining(lease),
        }
    }
}
