//! What tests of this crate share: services that sign.
#![allow(clippy::unwrap_used)]

use crate::admission::Entry;
use ed25519_dalek::SigningKey;
use hedgerow_model::Template;
use hedgerow_model::registration::{Endpoint, Id, Instance, Mesh, Registration};
use hedgerow_model::template::Matcher;
use hedgerow_proto::convert::registration::to_wire;
use hedgerow_proto::lookup::Signed;
use hedgerow_proto::signed::sign_registration;
use prost::Message;
use std::sync::Arc;

/// The mesh of the tests.
pub fn mesh() -> Mesh {
    Mesh { name: "test".into(), id: Id([0xaa; 16]) }
}

/// A service with its key.
pub struct Author {
    pub registration: Registration,
    pub key: SigningKey,
}

impl Author {
    /// The farm `farm-N`.
    pub fn new(n: u8) -> Self {
        let registration = Registration {
            id: Id([n; 16]),
            mesh: mesh(),
            name: format!("farm-{n}"),
            kind: "farm".into(),
            groups: vec!["alice".into()],
            attributes: [("country".to_owned(), "CH".to_owned())].into(),
            endpoints: vec![Endpoint { url: "http://127.0.0.1:7403".into(), via_relay: None }],
            apis: vec!["hedgerow.farm.v1".into()],
            version: "0.1.0".into(),
            description: String::new(),
            instance: Instance { start: 1, random: 1 },
            serial: 0,
        };
        Self { registration, key: SigningKey::from_bytes(&[n; 32]) }
    }

    /// What it says at this start and serial, signed.
    pub fn signed(&self, start: u64, serial: u64) -> Signed {
        let instance = Instance { start, random: start };
        sign_registration(&Registration { instance, serial, ..self.registration.clone() }, &self.key)
    }

    /// What it says at its first start, with no signature: for thousands.
    pub fn unsigned(&self) -> Arc<Entry> {
        let body = to_wire(&self.registration).encode_to_vec().into();
        Arc::new(Entry::new(&Signed { body, ..Signed::default() }, self.registration.clone()))
    }

    /// The same, as a lookup keeps it.
    pub fn entry(&self, start: u64, serial: u64) -> Entry {
        let signed = self.signed(start, serial);
        let registration = hedgerow_proto::signed::open_registration(&signed).unwrap();
        Entry::new(&signed, registration)
    }
}

/// Compiles a template from its text.
pub fn template(text: &str) -> Matcher {
    text.parse::<Template>().unwrap().compile().unwrap()
}

/// About what the allocator takes for this many bytes.
pub fn allocation(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16).max(32) }
}
