//! What the directory wants done outside: it does no IO itself.

use crate::admission::Entry;
use crate::leases::LeaseId;
use crate::registry::Shown;
use crate::watchers::WatcherId;
use std::sync::Arc;
use std::time::Duration;

/// What is kept of a registration over a restart of the lookup.
#[derive(Debug, Clone)]
pub struct Kept {
    /// What is registered.
    pub entry: Shown,
    /// Under which lease.
    pub lease: LeaseId,
    /// The term asked for.
    pub asked: Duration,
    /// The term granted.
    pub granted: Duration,
    /// From which other run of the service the id was taken last, where that is still remembered: so that a proof of two
    /// live holders needs no lookup that never restarts.
    pub former: Option<KeptFormer>,
}

/// What is kept of a lease that was taken from its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFormer {
    /// What its holder said of itself.
    pub entry: Arc<Entry>,
    /// The lease, which nobody else can name.
    pub lease: LeaseId,
    /// The term asked for.
    pub asked: Duration,
}

/// What is to stand in a row of the file: one for each slot of the registry, so that who comes after the other stands
/// beside him.
#[derive(Debug, Clone)]
pub enum Write {
    /// This, in the place of what is there.
    Keep(u32, Kept),
    /// Nothing any more.
    Forget(u32),
}

/// What the last calls make necessary outside.
#[derive(Debug, Default)]
pub struct Effects {
    /// Slots of which something else is to be written than is; [`super::Directory::take_write`] says what.
    pub unwritten: Vec<u32>,
    /// Watchers for whom something waits now.
    pub woken: Vec<WatcherId>,
}
