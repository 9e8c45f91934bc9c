//! Finding services through several lookups at once, none of which is needed for itself.
//!
//! Answers of different lookups are merged into one truth per service; every registration is verified
//! here, so a lookup can withhold but never alter.

mod find;
mod merge;
mod watch;

pub use watch::Watch;

use crate::channel::{Caller, Connection};
use crate::error::ClientError;
use hedgerow_model::Template;
use hedgerow_model::registration::{Id, Mesh, Registration};
use hedgerow_model::template::{Operation, Term};
use std::sync::Arc;
use std::time::Duration;

/// How long [`Directory::find`] waits for lookups that do not answer.
pub const FIND_PATIENCE: Duration = Duration::from_secs(2);
/// Most services that are held of one question; more are refused and counted.
pub const MAX_SERVICES: usize = 100_000;

/// How sure the lookups are of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceState {
    /// Its lease runs and is renewed.
    Live,
    /// A lookup suspects itself or the network: many leases are overdue at once.
    Suspect,
    /// Kept over a restart of the lookup and not renewed since, or known only from lookups that do not answer now.
    Unconfirmed,
}

impl ServiceState {
    /// The word of JSON and of the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Suspect => "suspect",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

/// A service, as all lookups together know it.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// What it says of itself; its signature was verified.
    pub registration: Arc<Registration>,
    /// Its name; `name~id8` while several services have that name.
    pub shown: Arc<str>,
    /// How sure that is.
    pub state: ServiceState,
    /// How long its lease ran on when this was told. It is renewed all the time: of use right after a find.
    pub remaining: Duration,
    /// The ids of the lookups that hold it.
    pub lookups: Vec<Id>,
}

impl Service {
    /// The first address that needs no relay.
    pub fn url(&self) -> Option<&str> {
        let direct = self.registration.endpoints.iter().find(|endpoint| endpoint.via_relay.is_none());
        direct.map(|endpoint| endpoint.url.as_str())
    }
}

/// What [`Directory::find`] found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Ordered by name, then id.
    pub services: Vec<Service>,
    /// How many lookups were asked.
    pub asked: usize,
    /// How many answered.
    pub answered: usize,
    /// Those that did not, and why: what only they know is missing.
    pub missing: Vec<(String, ClientError)>,
    /// Registrations that were altered on their way, belong to another mesh, or were too many.
    pub refused: u64,
}

/// Why a service is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// It went by itself, in good order.
    Cancelled,
    /// Its lease ran out.
    Expired,
    /// It changed, and does not match any more.
    Unmatched,
}

impl Gone {
    /// The word of JSON and of the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Unmatched => "unmatched",
        }
    }
}

/// What changed in the directory.
#[derive(Debug, Clone)]
pub enum Transition {
    /// A service that was not there; told once, however many lookups tell of it.
    Appeared(Service),
    /// It says something else of itself, or is shown under another name.
    Changed(Service),
    /// It is as it was, and the lookups are more, or less, sure of it.
    State(Service),
    /// It is gone.
    Disappeared(Service, Gone),
    /// A lookup answers (again): its whole directory has been told.
    LookupReached {
        /// Its address.
        url: String,
    },
    /// A lookup does not answer, and is asked again and again.
    LookupLost {
        /// Its address.
        url: String,
        /// Why.
        error: ClientError,
    },
}

/// The lookups of a mesh, asked as one.
#[derive(Debug, Clone)]
pub struct Directory {
    caller: Caller,
    lookups: Vec<Connection>,
}

impl Directory {
    /// The directory that these lookups make together. Nothing is asked yet.
    ///
    /// # Errors
    /// Where an address is none.
    pub fn new<U: AsRef<str>>(
        lookups: impl IntoIterator<Item = U>,
        caller: Caller,
    ) -> Result<Self, ClientError> {
        let lookups =
            lookups.into_iter().map(|url| caller.connect(url.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { caller, lookups })
    }

    /// Asks all lookups for their mesh and takes that of the first that answers. Those of another mesh are left out from
    /// here on; what is wrong with the others is told.
    ///
    /// # Errors
    /// Where none answers.
    pub async fn join_mesh(&mut self) -> Result<(Mesh, Vec<ClientError>), ClientError> {
        use futures_util::StreamExt as _;
        let mut asking: futures_util::stream::FuturesUnordered<_> = (0..)
            .zip(&self.lookups)
            .map(|(at, lookup)| {
                let caller = &self.caller;
                async move { (at, lookup.greet(caller, FIND_PATIENCE).await) }
            })
            .collect();
        let (mut errors, mut others) = (Vec::new(), Vec::new());
        while let Some((at, answer)) = asking.next().await {
            if let Err(error) = answer {
                if matches!(error, ClientError::OtherMesh { .. }) {
                    others.push(at);
                }
                errors.push(error);
            }
        }
        drop(asking);
        let mut at = 0..;
        self.lookups.retain(|_| at.next().is_some_and(|at| !others.contains(&at)));
        match self.caller.mesh() {
            Some(mesh) if errors.len() < self.lookups.len() + others.len() => Ok((mesh.clone(), errors)),
            _ => Err(ClientError::NoLookup(errors.iter().map(ToString::to_string).collect())),
        }
    }

    /// How many lookups there are.
    pub(crate) fn len(&self) -> usize {
        self.lookups.len()
    }

    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The services that match, as all lookups together know them now. Answers as soon as all lookups have, or after
    /// [`FIND_PATIENCE`], and says which did not.
    pub async fn find(&self, template: &Template) -> Found {
        find::find(self, template).await
    }

    /// The services that match, and each change from here on, for as long as the stream is held. Lookups that go are
    /// asked again and again; the watch itself never ends.
    pub fn watch(&self, template: &Template) -> Watch {
        Watch::new(self, template)
    }
}

/// `template`, and of this kind.
pub(crate) fn of_kind(kind: &str, template: &Template) -> Template {
    let mut template = template.clone();
    template.terms.push(Term { key: "kind".to_owned(), operation: Operation::Is(vec![kind.to_owned()]) });
    template
}
