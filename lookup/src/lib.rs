//! The lookup service: registrations under leases, found and watched by template.
//!
//! What it decides stands in cores without IO, time passed in: the directory over leases, registry, log and watchers.
//! Around them the shell: the file that outlives a restart, the ticker, the gRPC service.
//!
//! **Soft state.** Registrations, cancels and changed terms are acknowledged at once and are in the file within a second.
//! Nobody is worse off for it: what a crash takes, its service registers again when its next renewal is answered
//! "unknown", within a third of its term; what a crash brings back ends unconfirmed after one term.
//!
//! It must never vouch for what it forwards beyond its signature, wait for a watcher, or put absolute times on the wire.

mod admission;
mod announcement;
mod clock;
mod dense_map;
mod directory;
mod documents;
mod index;
mod lease_time;
mod leases;
mod lookup;
mod mesh_file;
mod overdue;
mod pages;
mod rate;
mod refusal;
mod registry;
mod replaced;
mod service;
mod slab;
mod snapshots;
mod store;
mod transitions;
mod watchers;

pub use admission::MAX_BODY_BYTES;
pub use announcement::{AnnounceError, Announcement};
pub use clock::{Clock, RuntimeClock};
pub use directory::{Bounds, Census, Counters, Revision};
pub use documents::{
    DocumentBounds, DocumentCounters, DocumentStatus, DocumentsError, DocumentsService, LOOSE_FOR,
    MAX_AHEAD_MS, MAX_DOCUMENT_WATCHERS, MAX_UPLOADS,
};
pub use lookup::{Lookup, LookupError, LookupOptions, LookupStatus};
pub use mesh_file::MeshError;
pub use refusal::RETRY_AFTER_METADATA;
pub use service::{LookupService, MAX_PAGE, MAX_RENEWALS};
pub use store::{StoreCounters, StoreError};
pub use transitions::LogBounds;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod testing;
