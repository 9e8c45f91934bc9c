//! Finding services through several lookups at once, none of which is needed for itself.
//!
//! Answers of different lookups are merged into one truth per service; every registration is verified
//! here, so a lookup can withhold but never alter. The lookups may change all the time; and when none answers, what they
//! said last is used, and marked stale.

mod facets;
mod find;
pub mod kept;
mod merge;
mod status;
mod watch;

pub use facets::{Facet, Facets};
pub use kept::Kept;
pub use status::LookupStatus;
pub use watch::Watch;

use crate::channel::{Caller, Connection};
use crate::discovery::{LookupAt, Lookups};
use crate::error::ClientError;
use hedgerow_model::Template;
use hedgerow_model::registration::{Id, Mesh, Registration};
use hedgerow_model::template::{Operation, Term};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long [`Directory::find`] waits for lookups that do not answer.
pub const FIND_PATIENCE: Duration = Duration::from_secs(2);
/// How long a lookup of another mesh is left alone; then it is asked again, as it may have been made anew.
pub const STRANGER_FOR: Duration = Duration::from_secs(60);
/// Most services that are held of one question; more are refused and counted.
pub const MAX_SERVICES: usize = 100_000;

/// The kind of lookups in the directory.
pub const LOOKUP_KIND: &str = "lookup";

/// How sure the lookups are of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceState {
    /// Its lease runs and is renewed.
    Live,
    /// A lookup suspects itself or the network: many leases are overdue at once.
    Suspect,
    /// Kept over a restart of the lookup and not renewed since, or known only from lookups that do not answer now.
    Unconfirmed,
    /// No lookup answers, or has not for long, and its lease has run out: whether it is there nobody can say.
    Stale,
}

impl ServiceState {
    /// The word of JSON and of the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Suspect => "suspect",
            Self::Unconfirmed => "unconfirmed",
            Self::Stale => "stale",
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
    /// What other lookups hold under its id, signed with other keys. A service has one key for life: either this or what is
    /// shown is a forgery. Mostly empty.
    pub rivals: Vec<Rival>,
    /// Another process runs with its identity, as some lookup has proof: a copied folder, perhaps. Where that one says that it
    /// is, if it does. One of the two is to be stopped.
    pub copy: Option<Vec<String>>,
}

/// What some lookups hold under the id of a service, signed with another key than what is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Rival {
    /// What it says of itself.
    pub registration: Arc<Registration>,
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
    /// No lookup answered, and this is what was known so long ago; what changed since nobody can say. All its services are
    /// [`ServiceState::Stale`].
    pub stale_since: Option<Duration>,
}

impl Found {
    /// Whether this says anything at all: some lookup answered, or did so once.
    pub fn is_known(&self) -> bool {
        self.answered > 0 || self.stale_since.is_some()
    }
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
    /// It says something else of itself; and what it said before.
    Changed(Service, Arc<Registration>),
    /// It is as it was, and shown under another name, since another service has its name, too, or no longer does.
    Renamed(Service),
    /// It is as it was, and the lookups are more, or less, sure of it, or hold something else under its id.
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
    /// A lookup suspects itself or the network: more than half of its leases are overdue. Or it no longer does.
    LookupSuspects {
        /// Its address.
        url: String,
        /// False: it is over.
        begun: bool,
        /// Leases past half their term.
        overdue: u64,
        /// All its leases.
        leases: u64,
    },
}

/// The lookups of a mesh, asked as one. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Directory {
    caller: Caller,
    lookups: Lookups,
    shared: Arc<Mutex<Shared>>,
    kept: Kept,
}

/// What all copies of a directory share.
#[derive(Debug, Default)]
struct Shared {
    /// By address, so that a lookup is not connected to for each question.
    connections: BTreeMap<String, Connection>,
    /// Lookups of another mesh, and when they last said so: not asked for [`STRANGER_FOR`].
    strangers: BTreeMap<String, Instant>,
}

impl Shared {
    /// These are of another mesh.
    fn stranger<'a>(&mut self, errors: impl IntoIterator<Item = &'a ClientError>) {
        let found = errors.into_iter().filter_map(ClientError::of_stranger);
        self.strangers.extend(found.map(|url| (url.to_owned(), Instant::now())));
    }
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
        let urls: Vec<String> = lookups.into_iter().map(|url| url.as_ref().to_owned()).collect();
        for url in &urls {
            caller.connect(url)?;
        }
        caller.names(urls.iter().cloned());
        Ok(Self::of(Lookups::fixed(urls), caller, Kept::default()))
    }

    /// The directory that these lookups make together, whichever they are at the time. What they say is kept in `kept`, for
    /// when none answers; [`Kept::default`] keeps it in memory only.
    pub fn of(lookups: Lookups, caller: Caller, kept: Kept) -> Self {
        Self { caller, lookups, shared: Arc::default(), kept }
    }

    /// The same, with what was known last.
    #[must_use]
    pub fn keeping(mut self, kept: Kept) -> Self {
        self.kept = kept;
        self
    }

    /// Asks all lookups for their mesh; where it is not known, it is that of the first that answers, in the order in which
    /// they were named. Those of another mesh are left out from here on; what is wrong with the others is told.
    ///
    /// # Errors
    /// Where none answers.
    pub async fn join_mesh(&self) -> Result<(Mesh, Vec<ClientError>), ClientError> {
        self.some_known().await;
        let (connections, mut errors) = self.connections();
        let asking = connections.iter().map(|lookup| lookup.greet(&self.caller, FIND_PATIENCE));
        let answers = futures_util::future::join_all(asking).await;
        let answered = answers.iter().any(Result::is_ok);
        errors.extend(answers.into_iter().filter_map(Result::err));
        // Those that were found to be strangers before they could be asked here.
        let asked = |at: &str| connections.iter().any(|lookup| lookup.url() == at);
        let found = |error: &&ClientError| {
            error.of_stranger().is_some_and(|at| self.caller.is_named(at) && !asked(at))
        };
        errors.extend(self.lookups.problems().iter().filter(found).cloned());
        self.shared().stranger(&errors);
        match self.caller.mesh() {
            Some(mesh) if answered => Ok((mesh.clone(), errors)),
            _ => Err(ClientError::NoLookup(errors.iter().map(ToString::to_string).collect())),
        }
    }

    /// Joins the mesh where that has not been done, and asks again those that were of another one some time ago; gives those that
    /// are. No answer is ever made of two meshes.
    async fn strangers(&self) -> Vec<(String, ClientError)> {
        let errors = if self.caller.mesh().is_none() {
            self.join_mesh().await.map(|(_, errors)| errors).unwrap_or_default()
        } else {
            self.strangers_asked_again().await
        };
        let stranger = |error: ClientError| Some((error.of_stranger()?.to_owned(), error));
        errors.into_iter().filter_map(stranger).collect()
    }

    /// Asks those again that were of another mesh some time ago; gives what is wrong with them still.
    async fn strangers_asked_again(&self) -> Vec<ClientError> {
        let before = self.shared().strangers.clone();
        let (connections, _) = self.connections();
        let again = connections.iter().filter(|lookup| before.contains_key(lookup.url()));
        let answers =
            futures_util::future::join_all(again.map(|lookup| lookup.greet(&self.caller, FIND_PATIENCE)));
        let errors: Vec<ClientError> = answers.await.into_iter().filter_map(Result::err).collect();
        let shared = &mut *self.shared();
        shared.strangers.retain(|_, since| since.elapsed() < STRANGER_FOR);
        shared.stranger(&errors);
        errors
    }

    /// Takes the mesh of the last known directory, where nothing is known of another one; how old it is.
    pub(crate) async fn join_kept_mesh(&self) -> Option<(Mesh, Duration)> {
        let known = self.kept.recalled(&Template::default(), self.caller.mesh()).await?;
        let mesh = self.kept.mesh()?;
        self.caller.join("the last known directory", mesh.clone()).ok()?;
        Some((mesh, known.age))
    }

    /// Waits until everybody was asked once who the lookups are.
    pub(crate) async fn found_all(&self) {
        self.lookups.settled().await;
    }

    /// Waits until some lookup is known, for as long as a find would.
    async fn some_known(&self) {
        let mut lookups = self.lookups.clone();
        let any = async {
            while lookups.known().is_empty() {
                lookups.changed().await;
            }
        };
        let _ = tokio::time::timeout(FIND_PATIENCE, any).await;
    }

    /// The lookups known now, and how they came to be known.
    pub fn lookups(&self) -> Arc<[LookupAt]> {
        self.lookups.known()
    }

    /// The lookups, whichever they are at the time.
    pub(crate) fn followed(&self) -> &Lookups {
        &self.lookups
    }

    /// The addresses of the lookups known now, but those of another mesh.
    pub fn urls(&self) -> Vec<String> {
        let strangers = self.shared().strangers.clone();
        // One with an id has answered since, as one of ours: else it would not be known.
        let is_stranger = |at: &LookupAt| {
            at.id.is_none() && strangers.get(&at.url).is_some_and(|since| since.elapsed() < STRANGER_FOR)
        };
        self.lookups.known().iter().filter(|at| !is_stranger(at)).map(|at| at.url.clone()).collect()
    }

    /// Connections to the lookups known now; and which addresses are none.
    fn connections(&self) -> (Vec<Connection>, Vec<ClientError>) {
        let urls = self.urls();
        let shared = &mut *self.shared();
        shared.connections.retain(|url, _| urls.contains(url));
        let (mut connections, mut errors) = (Vec::new(), Vec::new());
        for url in urls {
            match shared.connections.get(&url).cloned().map_or_else(|| self.caller.connect(&url), Ok) {
                Ok(connection) => {
                    connections.push(connection.clone());
                    shared.connections.insert(url, connection);
                }
                Err(error) => errors.push(error),
            }
        }
        (connections, errors)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept for when no lookup answers.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The services that match, as all lookups together know them now, those too that only other lookups know. Answers as soon as
    /// all have, and says which did not; each is waited for [`FIND_PATIENCE`] at most. Where none answers, it gives what was known last, and says how old that is.
    pub async fn find(&self, template: &Template) -> Found {
        find::find(self, template).await
    }

    /// The services that match, and each change from here on, for as long as the stream is held. Lookups that go are
    /// asked again and again; the watch itself never ends. Where none answers at first, it begins with what was known last.
    pub fn watch(&self, template: &Template) -> Watch {
        Watch::new(self, template)
    }

    /// Which values the services that match have, of these keys: `kind`, `group`, `version`, `api`, or attributes; with none,
    /// of all there are. At most `limit` values of each.
    pub async fn facets(&self, template: &Template, keys: &[String], limit: u32) -> Facets {
        facets::facets(self, template, keys, limit).await
    }

    /// How each lookup is, by its own account; those that do not answer with the reason.
    pub async fn lookup_status(&self) -> Vec<LookupStatus> {
        status::lookup_status(self).await
    }
}

/// `template`, and of this kind.
pub(crate) fn of_kind(kind: &str, template: &Template) -> Template {
    let mut template = template.clone();
    template.terms.push(Term { key: "kind".to_owned(), operation: Operation::Is(vec![kind.to_owned()]) });
    template
}
