//! Signed documents: what an owner says to a mesh, kept by all its lookups.
//!
//! - [`DocumentAuthor`] signs a [`Draft`] and gives it, with its bytes, to every lookup that is reached.
//! - [`DocumentReader`] follows all lookups, believes nothing that is not signed, tells what changes, and **carries**: what
//!   one lookup holds it offers to those that hold less. Lookups do not talk to each other; their readers see to it that
//!   all come to hold the same.

mod at_lookup;
mod author;
mod carry;
mod merge;
mod reader;

pub use at_lookup::Taken;
pub(crate) use at_lookup::{fetch, standing_at};
pub use author::{DocumentAuthor, Draft, Published};
pub use hedgerow_model::document::{Blob, Document, DocumentKey, Hash, Owner, Rank};
pub use hedgerow_proto::signed::SignedDocument;
pub use merge::MAX_DOCUMENTS;
pub use reader::{AtHand, DocumentReader, DocumentReaderOptions, ReaderCounters};

use std::sync::Arc;

/// What happened to a document.
#[derive(Debug, Clone, PartialEq)]
pub enum DocumentEvent {
    /// It stands, in this form.
    Changed(Arc<SignedDocument>),
    /// It was told as standing, and stands no more: taken back (this is its tombstone), or past its end.
    Withdrawn(Arc<SignedDocument>),
}

#[cfg(test)]
mod tests;
