//! Signed documents: `Signed{body, public_key, signature}`, Ed25519 over `"hedgerow/TYPE/v1\0"` ‖ body.
//!
//! Bodies are kept and forwarded as the bytes they came in: nobody but their author encodes them.

use crate::convert::{WireError, document, registration};
use crate::lookup::{Document as WireDocument, Registration as WireRegistration, Signed};
use bytes::Bytes;
use ed25519_dalek::ed25519::signature::MultipartVerifier;
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
    // What `verify_strict` asks for, a tenth cheaper: the plain check compares R, as bytes, with what it computes, so that an R
    // of small order is one of those few encodings and need not be made a point.
    if key.is_weak() || is_of_small_order(signature) {
        return Err(SignedError::Mismatch);
    }
    let message = [b"hedgerow/", kind.as_bytes(), b"/v1\0", &signed.body];
    key.multipart_verify(&message, &Signature::from_bytes(signature)).map_err(|_| SignedError::Mismatch)
}

/// The y of the eight points of small order, in 32 bytes, the lowest first, without the sign of x.
const SMALL_ORDER: [[u8; 32]; 5] = {
    let (mut one, mut minus_one) = ([0; 32], [0xff; 32]);
    one[0] = 1;
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    [
        [0; 32],
        one,
        minus_one,
        *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
        *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
    ]
};

/// Whether a signature's R, which it begins with, is the canonical encoding of a point of small order.
fn is_of_small_order(signature: &[u8; 64]) -> bool {
    SMALL_ORDER.iter().any(|y| signature[..31] == y[..31] && signature[31] & 0x7f == y[31])
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
    read_registration(signed)
}

/// Reads a signed registration whose signature was verified before these same bytes were put away.
///
/// # Errors
/// What is not of its form.
pub fn read_registration(signed: &Signed) -> Result<Registration, SignedError> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_key_of_small_order_for_which_one_signature_fits_all_is_refused() {
        let mut key = [0; 32];
        key[0] = 1;
        // R is the base point, s is 1: R = s·B - k·A for every k, where A is the neutral point.
        let mut signature = [0x66; 64];
        signature[0] = 0x58;
        signature[32..].fill(0);
        signature[32] = 1;
        let body = b"anything";
        let plain = VerifyingKey::from_bytes(&key).unwrap();
        assert!(plain.multipart_verify(&[body], &Signature::from_bytes(&signature)).is_ok());
        let [public_key, signature] = [&key[..], &signature[..]].map(Bytes::copy_from_slice);
        let signed = Signed { body: Bytes::from_static(body), public_key, signature };
        assert_eq!(verify("test", &signed), Err(SignedError::Mismatch));
    }

    #[test]
    fn all_eight_points_of_small_order_are_known() {
        let mut points = BTreeSet::new();
        for sign in [0, 0x80] {
            for mut y in SMALL_ORDER {
                y[31] |= sign;
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(&y);
                assert!(is_of_small_order(&signature));
                if let Ok(point) = VerifyingKey::from_bytes(&y) {
                    assert!(point.is_weak());
                    points.insert(point.to_edwards().compress().to_bytes());
                }
            }
        }
        assert_eq!(points.len(), 8);
    }
}
