//! Why a document, or bytes, are refused: in words for their owner.

use crate::refusal::RETRY_AFTER_METADATA;
use hedgerow_model::document::{Blob, Hash, MAX_BLOB_BYTES, MAX_BODY_BYTES};
use hedgerow_model::registration::{Id, Mesh};
use hedgerow_proto::signed::SignedError;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// What `retry-after` says where there is no room, or no disk.
const RETRY_AFTER_SECONDS: u64 = 60;

/// Why something is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not signed, or not of its form.
    #[error("document refused: {0}")]
    Signed(#[from] SignedError),
    /// Too large.
    #[error(
        "document refused: its body has {0} bytes, at most {MAX_BODY_BYTES} are taken: put what is large into blobs"
    )]
    BodySize(usize),
    /// Of another mesh.
    #[error(
        "document refused: this lookup serves the mesh {ours}, the document is signed for the mesh {theirs}"
    )]
    OtherMesh {
        /// Ours.
        ours: Box<Mesh>,
        /// That of the document.
        theirs: Id,
    },
    /// Signed in the future.
    #[error(
        "document refused: it was signed {} minutes in the future: set the clock of its owner, or of this lookup", .0 / 60_000
    )]
    Ahead(i64),
    /// Nobody keeps it any more.
    #[error("document refused: it was taken back, or ended, more than 90 days ago, and is kept no longer")]
    Over,
    /// Its bytes are not here.
    #[error("bytes are missing, give them first: {}", join(.0))]
    Missing(Vec<Hash>),
    /// A blob that has another size.
    #[error("document refused: it says that {} has {} bytes, it has {here}", .blob.hash, .blob.size)]
    Size {
        /// As the document has it.
        blob: Blob,
        /// As it is.
        here: u64,
    },
    /// A blob that is too large.
    #[error("bytes refused: {0} of them, expected 1 to {MAX_BLOB_BYTES}")]
    BlobSize(u64),
    /// Bytes that are not what was said.
    #[error("bytes refused: they are not what was said: expected {expected}, got {got}")]
    Altered {
        /// What was said.
        expected: String,
        /// What came.
        got: String,
    },
    /// No room.
    #[error("this lookup has no room: it holds at most {most} {what}")]
    Full {
        /// Of what.
        what: &'static str,
        /// The bound.
        most: u64,
    },
    /// One owner has his share.
    #[error("this lookup holds at most {most} {what} of one owner: take some back first")]
    Share {
        /// Of what.
        what: &'static str,
        /// The bound.
        most: u64,
    },
    /// The disk does not take it; nothing has changed.
    #[error(
        "this lookup cannot write to its disk ({0}): nothing was changed; make room there, or use another lookup"
    )]
    Disk(String),
    /// The lookup closes.
    #[error("this lookup is closing")]
    Closing,
}

fn join(hashes: &[Hash]) -> String {
    hashes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Refusal {
    const fn code(&self) -> Code {
        match self {
            Self::Signed(_) | Self::BodySize(_) | Self::Size { .. } => Code::InvalidArgument,
            Self::BlobSize(_) | Self::Altered { .. } => Code::InvalidArgument,
            Self::OtherMesh { .. } | Self::Missing(_) => Code::FailedPrecondition,
            Self::Ahead(_) | Self::Over => Code::OutOfRange,
            Self::Full { .. } | Self::Share { .. } | Self::Disk(_) => Code::ResourceExhausted,
            Self::Closing => Code::Unavailable,
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let mut status = Self::new(refusal.code(), refusal.to_string());
        if refusal.code() == Code::ResourceExhausted {
            status.metadata_mut().insert(RETRY_AFTER_METADATA, MetadataValue::from(RETRY_AFTER_SECONDS));
        }
        status
    }
}
