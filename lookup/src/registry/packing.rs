//! Registrations packed for keeping: the signed bytes verbatim, the body compressed against what the first bodies said,
//! because those of one mesh say nearly the same.
//!
//! What was packed comes back byte for byte, or not at all; nothing here judges what it packs.

use crate::admission::Entry;
use bytes::Bytes;
use hedgerow_model::registration::{Id, Registration};
use hedgerow_proto::convert::registration;
use hedgerow_proto::lookup::{Registration as WireRegistration, Signed};
use prost::Message;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// Most bytes of the dictionary. It grows by bodies that it does not help with, until it is full; what is unlike all of
/// it later is kept at about its own size.
const MAX_DICTIONARY_BYTES: usize = 4096;
/// Before the key, the signature and the compressed rest: length of the dictionary then, length of the body, length of
/// the key, length of the signature, id.
const HEAD: usize = 2 + 2 + 1 + 1 + 16;
/// In the length of the body: it begins with the id, in the usual way, which is not packed again.
const ID_FIRST: u16 = 1 << 15;
/// How an id as field 1 begins.
const ID_TAG: [u8; 2] = [0x0a, 16];

/// One packed registration. Cheap to share, so that a snapshot can keep what the registry lets go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed(Arc<[u8]>);

/// A registration that is shown: read, or packed until somebody looks. So a snapshot takes no more than the directory.
#[derive(Debug, Clone)]
pub struct Shown {
    packed: Option<(Packed, Arc<Packing>)>,
    read: OnceLock<Arc<Entry>>,
}

/// What bodies have in common.
#[derive(Debug, Clone, Default)]
pub struct Packing {
    /// Only ever appended to: what was packed remembers how long it was.
    dictionary: Vec<u8>,
}

impl Packed {
    /// The service's id.
    pub fn id(&self) -> Id {
        Id::from_slice(&self.0[HEAD - 16..HEAD]).expect("invariant: an id has 16 bytes")
    }

    /// Bytes of its memory: the counts of an `Arc`, and what is packed.
    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        crate::testing::allocation(2 * size_of::<usize>() + self.0.len())
    }

    /// Its length.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Length of the body, unpacked.
    pub fn body_len(&self) -> usize {
        usize::from(self.number(2) & !ID_FIRST)
    }

    fn number(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }
}

impl Shown {
    /// The service's id, without reading the rest.
    pub fn id(&self) -> Id {
        self.packed.as_ref().map_or_else(|| self.registration.id, |(packed, _)| packed.id())
    }

    /// The whole, read.
    pub fn read(&self) -> &Arc<Entry> {
        self.read.get_or_init(|| {
            let (packed, packing) = self.packed.as_ref().expect("invariant: what is not read is packed");
            packing.entry(packed)
        })
    }

    /// The bytes as they came, without reading them.
    pub fn signed(&self) -> Signed {
        match (&self.packed, self.read.get()) {
            (Some((packed, packing)), None) => packing.signed(packed),
            _ => self.signed.clone(),
        }
    }
}

impl From<Arc<Entry>> for Shown {
    fn from(entry: Arc<Entry>) -> Self {
        Self { packed: None, read: entry.into() }
    }
}

impl Deref for Shown {
    type Target = Entry;
    fn deref(&self) -> &Entry {
        self.read()
    }
}

impl Packing {
    /// Packs a registration. Its body is admitted: at most [`crate::admission::MAX_BODY_BYTES`].
    pub fn pack(packing: &mut Arc<Self>, entry: &Entry) -> Packed {
        let Signed { body, public_key, signature } = &entry.signed;
        let id = entry.registration.id.0;
        let rest = body.strip_prefix(&ID_TAG).and_then(|body| body.strip_prefix(&id));
        let id_first = if rest.is_some() { ID_FIRST } else { 0 };
        let rest = rest.unwrap_or(body);
        let compressed = lz4_flex::block::compress_with_dict(rest, &packing.dictionary);
        let small = |length: usize| u16::try_from(length).expect("invariant: a body is bounded");
        let short =
            |length: usize| u8::try_from(length).expect("invariant: a key has 32 bytes, a signature 64");
        let mut all = Vec::with_capacity(HEAD + public_key.len() + signature.len() + compressed.len());
        all.extend(small(packing.dictionary.len()).to_le_bytes());
        all.extend((small(body.len()) | id_first).to_le_bytes());
        all.extend([short(public_key.len()), short(signature.len())]);
        for part in [&id, &**public_key, &**signature, &*compressed] {
            all.extend_from_slice(part);
        }
        let helps_little = compressed.len() * 2 > rest.len();
        if helps_little && packing.dictionary.len() + rest.len() <= MAX_DICTIONARY_BYTES {
            Arc::make_mut(packing).dictionary.extend_from_slice(rest);
        }
        Packed(all.into())
    }

    /// To be read when somebody looks.
    pub fn shown(self: &Arc<Self>, packed: &Packed) -> Shown {
        Shown { packed: Some((packed.clone(), Arc::clone(self))), read: OnceLock::new() }
    }

    /// The bytes as they came.
    pub fn signed(&self, packed: &Packed) -> Signed {
        let key_end = HEAD + usize::from(packed.0[4]);
        let signature_end = key_end + usize::from(packed.0[5]);
        let id_first = packed.number(2) & ID_FIRST != 0;
        let rest_at = if id_first { ID_TAG.len() + 16 } else { 0 };
        let body_len = packed.body_len();
        let mut all = vec![0; body_len + signature_end - HEAD];
        if id_first {
            all[..ID_TAG.len()].copy_from_slice(&ID_TAG);
            all[ID_TAG.len()..rest_at].copy_from_slice(&packed.id().0);
        }
        let dictionary = &self.dictionary[..usize::from(packed.number(0))];
        let rest = &mut all[rest_at..body_len];
        let written =
            lz4_flex::block::decompress_into_with_dict(&packed.0[signature_end..], rest, dictionary);
        debug_assert_eq!(written.ok(), Some(body_len - rest_at));
        all[body_len..].copy_from_slice(&packed.0[HEAD..signature_end]);
        let mut all = Bytes::from(all);
        let body = all.split_to(body_len);
        let public_key = all.split_to(key_end - HEAD);
        Signed { body, public_key, signature: all }
    }

    /// The registration as it came, and what it says.
    pub fn entry(&self, packed: &Packed) -> Arc<Entry> {
        let signed = self.signed(packed);
        Arc::new(Entry { registration: parse(&signed.body).expect(READABLE), signed })
    }

    /// What it says.
    pub fn registration(&self, packed: &Packed) -> Registration {
        parse(&self.signed(packed).body).expect(READABLE)
    }

    /// Bytes of the dictionary.
    #[cfg(test)]
    pub fn dictionary_bytes(&self) -> usize {
        self.dictionary.len()
    }
}

const READABLE: &str = "invariant: what was packed could be read";

/// What a body says that was admitted once; its signature is not looked at.
pub fn parse(body: &Bytes) -> Option<Registration> {
    registration::from_wire(WireRegistration::decode(body.clone()).ok()?).ok()
}
