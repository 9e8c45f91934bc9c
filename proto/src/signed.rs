//! Signed documents: `Signed{body, public_key, signature}`, Ed25519 over `"hedgerow/TYPE/v1\0"` ‖ body.
//!
//! Bodies are kept and forwarded as the bytes they came in: nobody but their author encodes them.

use crate::convert::{WireError, document, registration};
use crate::lookup::{Document as WireDocument, Registration as WireRegistration, Signed};
use bytes::Bytes;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use hedgerow_model::document::{Document, DocumentKey, Hash, Owner, Rank};
use hedgerow_model::registration::Registration;
use prost::Message;
use sha2::{Digest, Sha256};

/// The type of a signed registration.
pub const REGISTRATION: &str = "registration";

/// The type of a signed document of the lookups' store.
pub const DOCUMENT: &str = "document";

/// Why a signed document is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignedError {
    /// The key is not one.
    #[error("the public key is not an Ed25519 key: expected 32 bytes of a point, got {0} bytes")]
    Key(usize),
    /// The signature has the wrong length.
    #[error("the signature has {0} bytes: an Ed25519 signature has 64")]
    Length(usize),
    /// The signature does not fit.
    #[error("the signature does not fit the body and the key: altered on its way, or made for another type")]
    Mismatch,
    /// The body is not what its type says.
    #[error("the signed body: {0}")]
    Body(WireError),
}

fn message(kind: &str, body: &[u8]) -> Vec<u8> {
    let mut message = format!("hedgerow/{kind}/v1\0").into_bytes();
    message.extend_from_slice(body);
    message
}

/// Signs `body` as a document of type `kind`.
pub fn sign(kind: &str, body: Vec<u8>, key: &SigningKey) -> Signed {
    let signature = key.sign(&message(kind, &body));
    Signed {
        body: body.into(),
        public_key: Bytes::copy_from_slice(key.verifying_key().as_bytes()),
        signature: Bytes::copy_from_slice(&signature.to_bytes()),
    }
}

/// Checks that the holder of `signed.public_key` signed the body as a document of type `kind`.
///
/// # Errors
/// What does not fit.
pub fn verify(kind: &str, signed: &Signed) -> Result<(), SignedError> {
    let key: &[u8; 32] =
        (&signed.public_key[..]).try_into().map_err(|_| SignedError::Key(signed.public_key.len()))?;
    let key = VerifyingKey::from_bytes(key).map_err(|_| SignedError::Key(32))?;
    let signature: &[u8; 64] =
        (&signed.signature[..]).try_into().map_err(|_| SignedError::Length(signed.signature.len()))?;
    key.verify_strict(&message(kind, &signed.body), &Signature::from_bytes(signature))
        .map_err(|_| SignedError::Mismatch)
}

/// Signs a registration.
pub fn sign_registration(registration: &Registration, key: &SigningKey) -> Signed {
    sign(REGISTRATION, registration::to_wire(registration).encode_to_vec(), key)
}

/// Verifies a signed registration and reads its body.
///
/// # Errors
/// What does not fit, or what is not of its form.
pub fn open_registration(signed: &Signed) -> Result<Registration, SignedError> {
    verify(REGISTRATION, signed)?;
    let wire = WireRegistration::decode(signed.body.clone())
        .map_err(|e| SignedError::Body(WireError::new("registration", e.to_string())))?;
    registration::from_wire(wire).map_err(SignedError::Body)
}

/// A document with its signature, its body read.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedDocument {
    /// The bytes as they came.
    pub signed: Signed,
    /// What they say.
    pub document: Document,
    /// Whose they are.
    pub owner: Owner,
    /// What the body hashes to.
    pub body: Hash,
}

impl SignedDocument {
    /// What it is known by.
    pub fn key(&self) -> DocumentKey {
        let Document { kind, name, .. } = &self.document;
        DocumentKey { kind: kind.clone(), owner: self.owner, name: name.clone() }
    }

    /// Its place among the documents of its key.
    pub fn rank(&self) -> Rank {
        Rank { serial: self.document.serial, body: self.body }
    }
}

/// SHA-256 of `bytes`.
pub fn hash(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// SHA-256 of bytes that come in pieces.
#[derive(Debug, Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all of them.
    pub fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

/// Signs a document.
pub fn sign_document(document: &Document, key: &SigningKey) -> Signed {
    sign(DOCUMENT, document::to_wire(document).encode_to_vec(), key)
}

/// Verifies a signed document and reads its body.
///
/// # Errors
/// What does not fit, or what is not of its form.
pub fn open_document(signed: &Signed) -> Result<SignedDocument, SignedError> {
    verify(DOCUMENT, signed)?;
    read_document(signed)
}

/// Reads a signed document whose signature was verified before these same bytes were put away.
///
/// # Errors
/// What is not of its form.
pub fn read_document(signed: &Signed) -> Result<SignedDocument, SignedError> {
    let wire = WireDocument::decode(signed.body.clone())
        .map_err(|e| SignedError::Body(WireError::new("document", e.to_string())))?;
    let document = document::from_wire(wire).map_err(SignedError::Body)?;
    let owner = (&signed.public_key[..]).try_into().map_err(|_| SignedError::Key(signed.public_key.len()))?;
    Ok(SignedDocument { signed: signed.clone(), document, owner: Owner(owner), body: hash(&signed.body) })
}
