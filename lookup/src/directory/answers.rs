//! What the directory answers.

use crate::leases::LeaseId;
use std::time::Duration;

/// Orders everything a lookup tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision {
    /// Random, new at each start.
    pub epoch: u64,
    /// Of the last transition.
    pub number: u64,
}

/// How the leases are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Census {
    /// How many there are.
    pub leases: usize,
    /// How many of them are unconfirmed.
    pub unconfirmed: usize,
    /// How many are suspect.
    pub suspect: usize,
    /// How many are past half their term.
    pub overdue: usize,
    /// Whether the lookup suspects itself or the network.
    pub suspects: bool,
    /// Renewals a second, over the last ten.
    pub renewals_per_second: f64,
    /// What the lookup will bear.
    pub max_renewals_per_second: f64,
}

/// What happened since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Registrations taken, no-ops included.
    pub registrations: u64,
    /// Leases renewed.
    pub renewals: u64,
    /// Leases cancelled.
    pub cancelled: u64,
    /// Leases that ran out.
    pub expired: u64,
    /// Registrations refused.
    pub refused: u64,
    /// Services refused as `cloned_id`.
    pub cloned: u64,
    /// Watchers who fell behind, or could not resume, and were reset.
    pub resets: u64,
    /// Times the lookup stood still.
    pub stalls: u64,
}

/// What a service gets for its registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// Its lease.
    pub lease: LeaseId,
    /// The term, from now.
    pub term: Duration,
}

/// What came of renewing a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewed {
    /// It runs this long from now.
    For(Duration),
    /// There is no such lease.
    Unknown,
    /// A newer instance of the same service took its place.
    Replaced,
    /// An older instance of the same service was proven to live, and was given its place again.
    Cloned,
}
