//! Why a lookup refuses a registration, in words for the person who runs the service.

use crate::leases::TooShort;
use hedgerow_model::duration;
use hedgerow_model::registration::{Id, Instance, Mesh, Registration};
use hedgerow_proto::signed::SignedError;
use std::fmt;
use std::time::Duration;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// Metadata of a refusal that may pass: after how many seconds to try again.
pub const RETRY_AFTER_METADATA: &str = "retry-after";
/// What [`RETRY_AFTER_METADATA`] says where the directory is full.
const FULL_RETRY_AFTER_SECONDS: u64 = 60;

/// Most addresses of a service that are named to people.
const MAX_URLS: usize = 4;

/// Why a registration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not signed, or not of its form.
    #[error("registration refused: {0}")]
    Signed(#[from] SignedError),
    /// Too large.
    #[error("registration refused: its body has {0} bytes, at most {max} are taken", max = crate::admission::MAX_BODY_BYTES)]
    BodySize(usize),
    /// Of another mesh.
    #[error("this lookup serves the mesh {ours}, the caller belongs to {theirs}")]
    OtherMesh {
        /// Ours.
        ours: Box<Mesh>,
        /// That of the caller.
        theirs: Box<Mesh>,
    },
    /// An endpoint that nobody could use.
    #[error("endpoint `{url}` refused: {problem}")]
    Endpoint {
        /// As it was sent.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Somebody else holds this id.
    #[error("id {0} is held under another key: a service keeps its id and its key together, for life")]
    OtherKey(Id),
    /// Something newer is held.
    #[error(
        "{id}: a newer registration is held, of start {} serial {}; offered was start {} serial {}",
        .held.0.start, .held.1, .offered.0.start, .offered.1
    )]
    Older {
        /// Of which service.
        id: Id,
        /// What is held.
        held: (Instance, u64),
        /// What was offered.
        offered: (Instance, u64),
    },
    /// Two live holders of one id are proven, and the older one holds it.
    #[error("{0}")]
    Cloned(Box<Clones>),
    /// A lease this short would cost too many renewals.
    #[error(
        "a lease of {} is too short: the shortest here and now is {}",
        duration::print(.0.asked), duration::print(.0.needed)
    )]
    TooShort(TooShort),
    /// No room.
    #[error("this lookup holds {0} registrations, its bound: use another lookup, or raise the bound")]
    Full(usize),
    /// No room, by bytes.
    #[error("this lookup holds {0} bytes of registrations, its bound: register less, or use another lookup")]
    FullBytes(usize),
}

/// Two holders of one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clones {
    /// Their id.
    pub id: Id,
    /// Who has it.
    pub older: Holder,
    /// Who is refused.
    pub newer: Holder,
    /// How long the older one's lease will still run.
    pub remaining: Duration,
}

/// One of several runs of a service, as people tell it from the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    start: u64,
    /// Where it says that it is, in part where those are many.
    pub urls: Vec<String>,
}

impl Holder {
    /// The run that says this.
    pub fn of(registration: &Registration) -> Self {
        let urls = registration.endpoints.iter().take(MAX_URLS).map(|endpoint| endpoint.url.clone());
        Self { start: registration.instance.start, urls: urls.collect() }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.urls.is_empty() {
            "an address it does not tell".to_owned()
        } else {
            self.urls.join(", ")
        };
        write!(f, "start {} at {at}", self.start)
    }
}

impl fmt::Display for Clones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, older, newer, .. } = self;
        write!(
            f,
            "cloned_id: two services run with the id {id}: the older ({older}) keeps it, the newer ({newer}) is refused. \
             Stop one of them; to keep both, move the file `identity` out of the data folder of the copy while it is \
             stopped: it gets an id of its own at its next start"
        )
    }
}

impl From<TooShort> for Refusal {
    fn from(short: TooShort) -> Self {
        Self::TooShort(short)
    }
}

impl Refusal {
    const fn code(&self) -> Code {
        match self {
            Self::Signed(_) | Self::BodySize(_) | Self::Endpoint { .. } => Code::InvalidArgument,
            Self::OtherMesh { .. } | Self::Older { .. } => Code::FailedPrecondition,
            Self::OtherKey(_) => Code::PermissionDenied,
            Self::Cloned(_) => Code::AlreadyExists,
            Self::TooShort(_) | Self::Full(_) | Self::FullBytes(_) => Code::ResourceExhausted,
        }
    }

    fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::Cloned(clones) => Some(clones.remaining.as_millis().div_ceil(1000).max(1) as u64),
            Self::TooShort(short) => Some(short.needed.as_secs()),
            Self::Full(_) | Self::FullBytes(_) => Some(FULL_RETRY_AFTER_SECONDS),
            _ => None,
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let mut status = Self::new(refusal.code(), refusal.to_string());
        if let Some(seconds) = refusal.retry_after_seconds() {
            status.metadata_mut().insert(RETRY_AFTER_METADATA, MetadataValue::from(seconds));
        }
        status
    }
}
