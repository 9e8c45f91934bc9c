//! What the directory wants done outside: it does no IO itself.

use crate::admission::Entry;
use crate::leases::LeaseId;
use crate::watchers::WatcherId;
use hedgerow_model::registration::Id;
use std::sync::Arc;
use std::time::Duration;

/// What is kept of a registration over a restart of the lookup.
#[derive(Debug, Clone)]
pub struct Kept {
    /// What is registered.
    pub entry: Arc<Entry>,
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

/// What is to stand in the file of a service.
#[derive(Debug, Clone)]
pub enum Write {
    /// This, in the place of what is there.
    Keep(Kept),
    /// Nothing any more.
    Forget(Id),
}

/// What the last calls make necessary outside.
#[derive(Debug, Default)]
pub struct Effects {
    /// Services of which something else is to be written than is; [`super::Directory::take_write`] says what.
    pub unwritten: Vec<Id>,
    /// Watchers for whom something waits now.
    pub woken: Vec<WatcherId>,
}
