//! Filters that others deploy here: code that comes to the data.
//!
//! [`deployments`] follows what stands in the mesh, decides what of it this farm takes ([`plan`], [`policy`]), has the
//! components at hand, keeps all that over restarts ([`kept`]), and says what is to run: [`Desired`]. Whoever runs it says
//! how it goes: [`Report`]. [`feed`] is the input of one deployment, in number order; [`host`] the engine that
//! runs them all, and [`runner`] what brings the two together. [`alarms`] keeps what filters raise, and [`actions`] runs what
//! they ask for, where the site has named it.

pub mod actions;
pub mod alarms;
pub mod deployments;
pub mod feed;
pub mod held;
pub mod host;
mod kept;
mod logs;
mod plan;
mod policy;
mod roster;
pub mod runner;
mod workers;

pub use deployments::Deployments;
pub use logs::{MAX_LINE_BYTES, MAX_LINES};
pub use roster::{Key, RetryError, word as state_word};

use hedgerow_model::UnixMillis;
use hedgerow_model::deployment::Deployment;
use hedgerow_model::document::Blob;
use hedgerow_proto::filter::{Cost, DeploymentState};
use hedgerow_proto::signed::SignedDocument;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A deployment that this farm takes, and whose component it has.
#[derive(Debug, Clone, PartialEq)]
pub struct Ready {
    /// Name, owner, serial, end.
    pub document: Arc<SignedDocument>,
    /// Parameters, grants, what becomes of the state.
    pub deployment: Arc<Deployment>,
    /// [`Deployments::component`] gives its bytes.
    pub component: Blob,
}

impl Ready {
    /// What it is known by here.
    pub fn key(&self) -> Key {
        (self.document.document.name.clone(), self.document.owner)
    }

    /// Rises with each change by its owner.
    pub fn serial(&self) -> u64 {
        self.document.document.serial
    }
}

/// What is to run under one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// This.
    pub run: Arc<Ready>,
    /// An earlier serial, that ran: it runs on until the new one does, and where the new one cannot.
    pub fallback: Option<Arc<Ready>>,
    /// Rises when somebody asks to try it again.
    pub retries: u64,
}

/// How it goes, as whoever runs it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Of which serial.
    pub serial: u64,
    /// How it is. `Running`: from now on an earlier serial is not needed any more.
    pub state: DeploymentState,
    /// Why; empty where the state says all.
    pub reason: String,
    /// When it is tried again, Unix milliseconds; 0: it is not.
    pub retry_ms: i64,
    /// What the component says of itself here; empty: not known yet.
    pub component_name: String,
    /// As `component_name`.
    pub component_version: String,
    /// What it has cost.
    pub cost: Option<Cost>,
    /// What failed, by serial: of this one, and of an earlier one that runs on.
    pub faults: BTreeMap<u64, Faults>,
}

/// What outlives the farm's process of the faults of one serial.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Faults {
    /// Since when it is quarantined, and why; `None`: it is not.
    pub quarantined: Option<(UnixMillis, String)>,
    /// When it failed, oldest first; those that count.
    pub failed_ms: Vec<UnixMillis>,
    /// How often it was begun again.
    pub restarts: u64,
    /// Processor time that went with what was stopped, in microseconds.
    pub lost_us: u64,
}

#[cfg(test)]
mod tests;
