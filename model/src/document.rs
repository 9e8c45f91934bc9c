//! A signed document: what its owner says to a mesh, kept by every lookup (design, §9.2).
//!
//! The order in which documents of one [`DocumentKey`] replace each other is a total one, so whoever is told the same
//! documents, in whatever order and however often, comes to hold the same.

use crate::UnixMillis;
use crate::name::{self, NameError};
use crate::registration::Id;
use std::fmt;

/// Most bytes of a document's body.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// Most bytes in one blob.
pub const MAX_BLOB_BYTES: u64 = 16 * 1024 * 1024;
/// Most blobs that one document names.
pub const MAX_BLOBS: usize = 16;
/// Most bytes of a kind.
pub const MAX_KIND_BYTES: usize = 64;
/// For how long a tombstone is kept after it was signed, and a document with an end after its end: 90 days. Whoever was
/// away for less learns of it.
pub const KEPT_MS: i64 = 90 * 24 * 3_600_000;

/// SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Reads 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Reads what is printed: 64 hex digits, in lower case.
    pub fn parse(text: &str) -> Option<Self> {
        unhex(text).map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Who signs: an Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(pub [u8; 32]);

impl Owner {
    /// Reads what is printed: 64 hex digits, in lower case.
    pub fn parse(text: &str) -> Option<Self> {
        unhex(text).map(Self)
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Bytes that belong to a document, kept beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob {
    /// What they hash to.
    pub hash: Hash,
    /// How many they are.
    pub size: u64,
}

/// The body of a document, as read from the signed bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The mesh it is meant for.
    pub mesh: Id,
    /// `deployment`, `rollout`, …: 1–64 of `a-z 0-9 _ .`
    pub kind: String,
    /// Of the owner's choice, a [name](crate::name).
    pub name: String,
    /// Rises with each change, from 1.
    pub serial: u64,
    /// Taken back: payload and blobs are empty.
    pub tombstone: bool,
    /// When it was signed. Orders nothing.
    pub signed_ms: UnixMillis,
    /// After this it stands no more.
    pub ends_ms: Option<UnixMillis>,
    /// What it says, as its kind has it.
    pub payload: Vec<u8>,
    /// Bytes that belong to it.
    pub blobs: Vec<Blob>,
}

/// Why a document is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Its kind.
    #[error("kind: `{0}`: expected 1 to {MAX_KIND_BYTES} of a-z 0-9 _ .")]
    Kind(String),
    /// Its name.
    #[error("name: {0}")]
    Name(#[from] NameError),
    /// Its serial.
    #[error("serial: 0: expected 1 or more")]
    Serial,
    /// One of its times.
    #[error("{0}: {1}: expected Unix milliseconds")]
    Time(&'static str, i64),
    /// A tombstone that says something.
    #[error("tombstone: holds a payload or blobs: expected none")]
    Tombstone,
    /// Too many blobs.
    #[error("blobs: {0}: at most {MAX_BLOBS}")]
    Blobs(usize),
    /// A blob twice.
    #[error("blobs: {0} stands twice")]
    Twice(Hash),
    /// A blob that nobody would keep.
    #[error("blobs: {} has {} bytes: expected 1 to {MAX_BLOB_BYTES}", .0.hash, .0.size)]
    BlobSize(Blob),
}

impl Document {
    /// Whether it is of the form that others take.
    ///
    /// # Errors
    /// Which part is not, and what was expected.
    pub fn check(&self) -> Result<(), DocumentError> {
        let in_kind = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.');
        if !(1..=MAX_KIND_BYTES).contains(&self.kind.len()) || !self.kind.bytes().all(in_kind) {
            return Err(DocumentError::Kind(self.kind.chars().take(MAX_KIND_BYTES).collect()));
        }
        name::check(&self.name)?;
        if self.serial == 0 {
            return Err(DocumentError::Serial);
        }
        for (field, time) in [("signed_ms", self.signed_ms), ("ends_ms", self.ends_ms.unwrap_or(1))] {
            // Room to add what is added to it.
            if !(1..=i64::MAX / 2).contains(&time) {
                return Err(DocumentError::Time(field, time));
            }
        }
        if self.tombstone && !(self.payload.is_empty() && self.blobs.is_empty()) {
            return Err(DocumentError::Tombstone);
        }
        if self.blobs.len() > MAX_BLOBS {
            return Err(DocumentError::Blobs(self.blobs.len()));
        }
        for (at, blob) in self.blobs.iter().enumerate() {
            if !(1..=MAX_BLOB_BYTES).contains(&blob.size) {
                return Err(DocumentError::BlobSize(*blob));
            }
            if self.blobs.iter().take(at).any(|other| other.hash == blob.hash) {
                return Err(DocumentError::Twice(blob.hash));
            }
        }
        Ok(())
    }

    /// Whether it stands at `now`: neither taken back nor past its end.
    pub fn stands(&self, now: UnixMillis) -> bool {
        !self.tombstone && self.ends_ms.is_none_or(|end| now < end)
    }

    /// Until when it is kept and carried, [`KEPT_MS`] after it stopped to stand; `None`: for ever.
    pub fn kept_until(&self) -> Option<UnixMillis> {
        if self.tombstone { Some(self.signed_ms + KEPT_MS) } else { self.ends_ms.map(|end| end + KEPT_MS) }
    }

    /// Whether nobody keeps it any more at `now`.
    pub fn is_over(&self, now: UnixMillis) -> bool {
        self.kept_until().is_some_and(|until| until <= now)
    }
}

/// What a document is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentKey {
    /// Its kind.
    pub kind: String,
    /// Who signs it.
    pub owner: Owner,
    /// Its name.
    pub name: String,
}

impl fmt::Display for DocumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {}", self.kind, self.name, self.owner)
    }
}

/// What orders the documents of one key: of two the greater stands, everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank {
    /// First its serial.
    pub serial: u64,
    /// Between two of one serial, which an owner should not sign: what the body hashes to.
    pub body: Hash,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn document() -> Document {
        Document {
            mesh: Id([1; 16]),
            kind: "deployment".into(),
            name: "load".into(),
            serial: 1,
            tombstone: false,
            signed_ms: 1000,
            ends_ms: None,
            payload: b"p".to_vec(),
            blobs: vec![Blob { hash: Hash([1; 32]), size: 5 }],
        }
    }

    #[test]
    fn bad_parts_are_named() {
        assert_eq!(document().check(), Ok(()));
        let refused = |change: &dyn Fn(&mut Document)| {
            let mut document = document();
            change(&mut document);
            document.check().unwrap_err().to_string()
        };
        assert!(refused(&|d| d.kind = "Deployment".into()).starts_with("kind: `Deployment`: expected"));
        assert!(refused(&|d| d.kind = "k".repeat(65)).starts_with("kind: "));
        assert!(refused(&|d| d.name.clear()).starts_with("name: is empty"));
        assert!(refused(&|d| d.serial = 0).starts_with("serial: 0"));
        assert!(refused(&|d| d.signed_ms = 0).starts_with("signed_ms: 0"));
        assert!(refused(&|d| d.ends_ms = Some(i64::MAX)).starts_with("ends_ms: "));
        assert!(refused(&|d| d.tombstone = true).starts_with("tombstone: "));
        assert!(refused(&|d| d.blobs.push(d.blobs[0])).ends_with("stands twice"));
        assert!(refused(&|d| d.blobs[0].size = MAX_BLOB_BYTES + 1).contains("16777217 bytes"));
        assert!(refused(&|d| d.blobs = vec![d.blobs[0]; 17]).starts_with("blobs: 17"));
    }

    #[test]
    fn what_is_printed_is_read_back_and_nothing_else() {
        let owner = Owner([0xa7; 32]);
        assert_eq!(Owner::parse(&owner.to_string()), Some(owner));
        assert_eq!(Hash::parse(&Hash([9; 32]).to_string()), Some(Hash([9; 32])));
        let upper = owner.to_string().to_uppercase();
        for text in ["", "a7", &upper, &format!("{owner}0"), &"é".repeat(32), &"+1".repeat(32)] {
            assert_eq!(Owner::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_stands_no_more_is_kept_for_ninety_days() {
        let ending = Document { ends_ms: Some(5000), ..document() };
        assert!(ending.stands(4999) && !ending.stands(5000));
        assert!(!ending.is_over(4999 + KEPT_MS) && ending.is_over(5000 + KEPT_MS));
        let tombstone = Document { tombstone: true, ..ending };
        assert!(!tombstone.stands(0));
        assert_eq!(tombstone.kept_until(), Some(1000 + KEPT_MS), "its end does not matter");
        assert!(!document().is_over(i64::MAX));
    }
}
