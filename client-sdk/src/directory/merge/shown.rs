//! What is shown of a service: the one truth that all its vouchers make, and the transition when that changes. It takes in
//! nothing that is heard.

use super::RETURN;
use super::entry::{Entry, Voucher};
use super::{Gone, Id, Instant, Merge, Service, ServiceState, Silence, Transition, Which};
use crate::directory::Rival;
use bytes::Bytes;
use hedgerow_model::registration::Registration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

impl Merge {
    /// Tells the difference between what is shown of a service and what is true, if any.
    pub(super) fn settle(&mut self, id: Id, now: Instant, gone: Gone, out: &mut Vec<Transition>) {
        let Some(entry) = self.services.get_mut(&id) else { return };
        entry.choose_key();
        let Some(entry) = self.services.get(&id) else { return };
        let after = self.seen(entry, now);
        let forgotten = after.is_none() && entry.went.is_none() && entry.vouchers.is_empty();
        let is_stale = after.as_ref().is_some_and(|after| after.state == ServiceState::Stale);
        let runs_out = self.stale_until(entry).filter(|_| is_stale);
        runs_out.into_iter().for_each(|at| self.look_again_at(at));
        let Some(entry) = self.services.get_mut(&id) else { return };
        let before = std::mem::replace(&mut entry.shown, after.clone());
        if forgotten {
            self.services.remove(&id);
        }
        let name = |service: &Option<Service>| service.as_ref().map(|s| s.registration.name.clone());
        let (name_before, name_after) = (name(&before), name(&after));
        let mut twins = Vec::new();
        if name_before != name_after {
            twins.extend(name_before.and_then(|name| self.names.strike(&name, id)));
            twins.extend(name_after.and_then(|name| self.names.enter(&name, id)));
        }
        let after = self.refresh_name(id);
        match (before, after) {
            (None, None) => {}
            (None, Some(service)) => out.push(Transition::Appeared(service)),
            (Some(service), None) => out.push(Transition::Disappeared(service, gone)),
            (Some(before), Some(service)) => {
                if before.registration != service.registration {
                    out.push(Transition::Changed(service, before.registration));
                } else if before.shown != service.shown {
                    out.push(Transition::Renamed(service));
                } else if before.state != service.state
                    || before.rivals != service.rivals
                    || before.copy != service.copy
                {
                    out.push(Transition::State(service));
                }
            }
        }
        for twin in twins {
            out.extend(self.refresh_name(twin).map(Transition::Renamed));
        }
    }

    fn refresh_name(&mut self, id: Id) -> Option<Service> {
        let shown = self.services.get_mut(&id)?.shown.as_mut()?;
        shown.shown = self.names.shown(&shown.registration);
        Some(shown.clone())
    }

    /// What is true of a service now; `None`: it is not there.
    pub(super) fn seen(&self, entry: &Entry, now: Instant) -> Option<Service> {
        let mut best: Option<(&Voucher, ServiceState)> = None;
        let (mut lookups, mut remaining, mut rivals) = (Vec::new(), Duration::ZERO, Vec::new());
        let mut copied = Vec::new();
        for (which, voucher) in &entry.vouchers {
            let runs = voucher.until.is_none_or(|until| until > now);
            if !runs || !entry.is_current(voucher.registration.order()) || self.is_superseded(*which) {
                continue;
            }
            if *voucher.key() != entry.key {
                rivals.push((*which, voucher));
                continue;
            }
            let (state, left) = match voucher.until {
                Some(until) => (ServiceState::Unconfirmed, until.saturating_duration_since(now)),
                None => (voucher.state, voucher.remaining),
            };
            remaining = remaining.max(left);
            copied.extend(voucher.copy.as_ref().map(|urls| (voucher, urls)));
            let id = self.lookups.get(which).and_then(|lookup| lookup.id);
            lookups.extend(id.filter(|id| !lookups.contains(id)));
            best = Some(match best {
                None => (voucher, state),
                Some((before, sure)) => {
                    let newer = voucher.registration.order() > before.registration.order();
                    (if newer { voucher } else { before }, sure.min(state))
                }
            });
        }
        let Some((voucher, state)) = best else { return self.stale(entry, now) };
        let registration = Arc::clone(&voucher.registration);
        let shown = self.names.shown(&registration);
        lookups.sort();
        let (rivals, copy) = (self.rivals(&rivals), copy_of(&registration, &copied));
        Some(Service { registration, shown, state, remaining, lookups, rivals, copy })
    }

    /// Who is held under keys that are not believed, one for each key.
    fn rivals(&self, held: &[(Which, &Voucher)]) -> Vec<Rival> {
        let mut rivals: BTreeMap<&Bytes, Rival> = BTreeMap::new();
        for (which, voucher) in held {
            let registration = Arc::clone(&voucher.registration);
            let rival = rivals.entry(voucher.key()).or_insert(Rival { registration, lookups: Vec::new() });
            rival.lookups.extend(self.lookups.get(which).and_then(|lookup| lookup.id));
        }
        rivals.into_values().collect()
    }

    /// What was shown before, where nobody could have told that it is gone.
    fn stale(&self, entry: &Entry, now: Instant) -> Option<Service> {
        let before = entry.shown.as_ref().filter(|before| entry.is_current(before.registration.order()))?;
        let kept = match self.silence {
            Silence::None => false,
            Silence::Now => true,
            Silence::Ended(_) => self.stale_until(entry).is_some_and(|until| until > now),
        };
        kept.then(|| Service {
            state: ServiceState::Stale,
            remaining: Duration::ZERO,
            lookups: Vec::new(),
            rivals: Vec::new(),
            copy: None,
            ..before.clone()
        })
    }

    /// Until when a service that nobody vouches for is stale; `None`: there is no such time.
    pub(super) fn stale_until(&self, entry: &Entry) -> Option<Instant> {
        match self.silence {
            Silence::Ended(at) => Some(at + entry.term.max(RETURN)),
            Silence::None | Silence::Now => None,
        }
    }
}

/// Where the copy of a service is, of which these lookups tell, each beside the run that it holds. Until all of them have
/// proof, one may still hold the copy itself: then the other run is meant.
fn copy_of(shown: &Registration, told: &[(&Voucher, &Vec<String>)]) -> Option<Vec<String>> {
    let elsewhere = |(voucher, urls): &(&Voucher, &Vec<String>)| match &voucher.registration {
        held if held.instance == shown.instance => (*urls).clone(),
        held => held.endpoints.iter().map(|endpoint| endpoint.url.clone()).collect(),
    };
    let urls: BTreeSet<String> = told.iter().flat_map(elsewhere).collect();
    (!told.is_empty()).then(|| urls.into_iter().collect())
}
