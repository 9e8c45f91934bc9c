//! The lookup service: registrations under leases, found and watched by template.
//!
//! What it decides stands in cores without IO, time passed in: [`directory`] over leases, registry, log and watchers.
//! Around them the shell: the file that outlives a restart, the ticker, the gRPC service.
//!
//! **Soft state.** Registrations, cancels and changed terms are acknowledged at once and are in the file within
//! [`store::LINGER`]. Nobody is worse off for it: what a crash takes, its service registers again when its next renewal
//! is answered "unknown", within a third of its term; what a crash brings back ends unconfirmed after one term.
//! It must never trust what it forwards beyond its signature, wait for a watcher, or put absolute times on the wire.

mod admission;
mod directory;
mod lease_time;
mod leases;
mod refusal;
mod registry;
mod replaced;
mod transitions;
mod watchers;

#[cfg(test)]
mod testing;
