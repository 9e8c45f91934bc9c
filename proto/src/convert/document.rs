//! Bodies of signed documents.

use super::WireError;
use super::registration::{id_from_wire, id_to_wire};
use crate::lookup as wire;
use bytes::Bytes;
use hedgerow_model::document::{Blob, Document, Hash};

/// A document, for the wire.
pub fn to_wire(document: &Document) -> wire::Document {
    wire::Document {
        mesh_id: id_to_wire(document.mesh),
        kind: document.kind.clone(),
        name: document.name.clone(),
        serial: document.serial,
        tombstone: document.tombstone,
        signed_ms: document.signed_ms,
        ends_ms: document.ends_ms.unwrap_or(0),
        payload: Bytes::copy_from_slice(&document.payload),
        blobs: document.blobs.iter().copied().map(blob_to_wire).collect(),
    }
}

/// A document from the wire.
///
/// # Errors
/// Which of its parts is not of its form.
pub fn from_wire(wire: wire::Document) -> Result<Document, WireError> {
    let document = Document {
        mesh: id_from_wire("mesh_id", &wire.mesh_id)?,
        kind: wire.kind,
        name: wire.name,
        serial: wire.serial,
        tombstone: wire.tombstone,
        signed_ms: wire.signed_ms,
        ends_ms: Some(wire.ends_ms).filter(|end| *end != 0),
        payload: wire.payload.into(),
        blobs: wire.blobs.iter().map(blob_from_wire).collect::<Result<_, _>>()?,
    };
    document.check().map_err(|error| WireError::new("document", error.to_string()))?;
    Ok(document)
}

/// A hash, for the wire.
pub fn hash_to_wire(hash: Hash) -> Bytes {
    Bytes::copy_from_slice(&hash.0)
}

/// A hash from the wire.
///
/// # Errors
/// Where it has not 32 bytes.
pub fn hash_from_wire(field: &str, bytes: &[u8]) -> Result<Hash, WireError> {
    Hash::from_slice(bytes)
        .ok_or_else(|| WireError::new(field, format!("{} bytes: a SHA-256 has 32", bytes.len())))
}

fn blob_to_wire(blob: Blob) -> wire::document::Blob {
    wire::document::Blob { sha256: hash_to_wire(blob.hash), size: blob.size }
}

fn blob_from_wire(wire: &wire::document::Blob) -> Result<Blob, WireError> {
    Ok(Blob { hash: hash_from_wire("blobs.sha256", &wire.sha256)?, size: wire.size })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::signed::{self, SignedError, open_document, sign_document};
    use ed25519_dalek::SigningKey;
    use hedgerow_model::registration::Id;

    #[test]
    fn a_signed_document_comes_back_and_no_byte_can_be_altered() {
        let key = SigningKey::from_bytes(&[9; 32]);
        let document = Document {
            mesh: Id([2; 16]),
            kind: "deployment".into(),
            name: "load/ä".into(),
            serial: 7,
            tombstone: false,
            signed_ms: 5,
            ends_ms: Some(9),
            payload: vec![0, 1],
            blobs: vec![Blob { hash: Hash([3; 32]), size: 4 }],
        };
        let signed = sign_document(&document, &key);
        let opened = open_document(&signed).unwrap();
        assert_eq!(opened.document, document);
        assert_eq!(opened.owner.0, *key.verifying_key().as_bytes());
        assert_eq!(opened.rank().body, signed::hash(&signed.body));
        for at in 0..signed.body.len() {
            let mut body = signed.body.to_vec();
            body[at] ^= 1;
            let altered = wire::Signed { body: body.into(), ..signed.clone() };
            assert_eq!(open_document(&altered).unwrap_err(), SignedError::Mismatch, "byte {at}");
        }
        let as_registration = signed::sign(signed::REGISTRATION, signed.body.to_vec(), &key);
        assert_eq!(open_document(&as_registration).unwrap_err(), SignedError::Mismatch);
        let unfit = sign_document(&Document { serial: 0, ..document }, &key);
        assert_eq!(
            open_document(&unfit).unwrap_err().to_string(),
            "the signed body: document: serial: 0: expected 1 or more"
        );
    }
}
