//! From what the directory says to the wire.

use crate::directory::Revision;
use crate::leases::{LeaseState, Suspicion};
use crate::lookup::Inner;
use crate::transitions::Seen;
use crate::watchers::{Event, Sight, Told};
use hedgerow_model::registration::Id;
use hedgerow_proto::convert::registration::{id_to_wire, instance_to_wire};
use hedgerow_proto::lookup as wire;
use hedgerow_proto::lookup::status_response;
use hedgerow_proto::lookup::watch_response::{self, appeared, changed, disappeared, event};
use std::time::Duration;

pub fn revision(revision: Revision) -> wire::Revision {
    wire::Revision { epoch: revision.epoch, number: revision.number }
}

pub fn millis(term: Duration) -> u64 {
    u64::try_from(term.as_millis()).unwrap_or(u64::MAX)
}

const fn lease_state(state: LeaseState) -> wire::LeaseState {
    match state {
        LeaseState::Live => wire::LeaseState::Live,
        LeaseState::Unconfirmed => wire::LeaseState::Unconfirmed,
        LeaseState::Suspect => wire::LeaseState::Suspect,
    }
}

/// A registration that was looked at `age` ago.
pub fn held(sight: &Sight, epoch: u64, age: Duration) -> wire::Held {
    wire::Held {
        registration: Some(sight.entry.signed.clone()),
        state: lease_state(sight.state).into(),
        lease_remaining_ms: millis(sight.remaining.saturating_sub(age)),
        granted_ms: millis(sight.granted),
        revision: Some(wire::Revision { epoch, number: sight.number }),
        clone: sight.clone.as_ref().map(|newer| wire::held::Clone { urls: newer.urls.clone() }),
    }
}

/// An event that came about `age` ago.
pub fn event(event: &Event, lookup: &Inner, age: Duration) -> watch_response::Event {
    let epoch = lookup.epoch;
    let told = match &event.told {
        Told::Reset(reason) => event::Event::Reset(watch_response::Reset { reason: (*reason).to_owned() }),
        Told::Present(sight) => event::Event::Present(held(sight, epoch, age)),
        Told::SnapshotEnd => {
            event::Event::SnapshotEnd(watch_response::SnapshotEnd { lookup_id: id_to_wire(lookup.id) })
        }
        Told::Idle => event::Event::Idle(watch_response::Idle {}),
        Told::Seen(seen, sight) => transition(*seen, sight, epoch, age),
        Told::Suspicion(said) => suspicion(*said),
    };
    watch_response::Event {
        revision: Some(wire::Revision { epoch, number: event.number }),
        event: Some(told),
    }
}

fn suspicion(said: Suspicion) -> event::Event {
    event::Event::Suspicion(watch_response::Suspicion {
        begun: said.begun,
        overdue: said.overdue as u64,
        leases: said.leases as u64,
    })
}

fn transition(seen: Seen, sight: &Sight, epoch: u64, age: Duration) -> event::Event {
    let appeared = |cause: appeared::Cause| {
        let held = Some(held(sight, epoch, age));
        event::Event::Appeared(watch_response::Appeared { held, cause: cause.into() })
    };
    let changed = |what: changed::What| {
        let held = Some(held(sight, epoch, age));
        event::Event::Changed(watch_response::Changed { held, what: what.into() })
    };
    let disappeared = |cause: disappeared::Cause| {
        let registration = &sight.entry.registration;
        event::Event::Disappeared(watch_response::Disappeared {
            id: id_to_wire(registration.id),
            instance: Some(instance_to_wire(registration.instance)),
            serial: registration.serial,
            cause: cause.into(),
        })
    };
    match seen {
        Seen::Registered => appeared(appeared::Cause::Registered),
        Seen::Matched => appeared(appeared::Cause::Matched),
        Seen::Body => changed(changed::What::Body),
        Seen::State => changed(changed::What::State),
        Seen::Cancelled => disappeared(disappeared::Cause::Cancelled),
        Seen::Expired => disappeared(disappeared::Cause::Expired),
        Seen::Unmatched => disappeared(disappeared::Cause::Unmatched),
        Seen::Suspicion(said) => suspicion(said),
    }
}

fn peer(sight: &Sight) -> status_response::Peer {
    let registration = &sight.entry.registration;
    status_response::Peer {
        id: id_to_wire(registration.id),
        name: registration.name.clone(),
        urls: registration.endpoints.iter().map(|endpoint| endpoint.url.clone()).collect(),
        state: lease_state(sight.state).into(),
    }
}

fn clone(
    (id, name, older_urls, newer_urls): (Id, String, Vec<String>, Vec<String>),
) -> status_response::Clone {
    status_response::Clone { id: id_to_wire(id), name, older_urls, newer_urls }
}

pub fn status(lookup: &Inner) -> wire::StatusResponse {
    let status = lookup.status();
    let mesh = &lookup.rules.mesh;
    wire::StatusResponse {
        lookup_id: id_to_wire(lookup.id),
        mesh_name: mesh.name.clone(),
        mesh_id: id_to_wire(mesh.id),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        revision: Some(revision(status.revision)),
        leases: status.leases.leases as u64,
        unconfirmed: status.leases.unconfirmed as u64,
        suspect: status.leases.suspect as u64,
        overdue: status.leases.overdue as u64,
        suspects: status.leases.suspects,
        renewals_per_second: status.leases.renewals_per_second,
        max_renewals_per_second: status.leases.max_renewals_per_second,
        watchers: status.watchers as u64,
        registrations: status.counters.registrations,
        renewals: status.counters.renewals,
        cancelled: status.counters.cancelled,
        expired: status.counters.expired,
        refused: status.counters.refused,
        cloned: status.counters.cloned,
        resets: status.counters.resets,
        stalls: status.counters.stalls,
        uptime_ms: millis(status.uptime),
        documents: status.documents.documents as u64,
        document_bytes: status.documents.bytes,
        peers: lookup.peers().iter().map(peer).collect(),
        clones: status.cloned.into_iter().map(clone).collect(),
    }
}
