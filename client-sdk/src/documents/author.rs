//! Publishing: a document and its bytes, to every lookup that is reached.

use super::at_lookup::{As, PATIENCE, Taken, give, give_bytes, greatest_serial};
use crate::channel::{Caller, Connection};
use crate::discovery::Lookups;
use crate::error::ClientError;
use crate::identity::Identity;
use bytes::Bytes;
use futures_util::future::join_all;
use hedgerow_model::UnixMillis;
use hedgerow_model::document::{Blob, Document, Owner};
use hedgerow_proto::WireError;
use hedgerow_proto::signed::{SignedDocument, hash, open_document};
use std::sync::Arc;

/// How often a serial is chosen anew because another process of the same owner took it.
const TRIES: usize = 8;

/// What is to be said. Serial, mesh and hashes are added.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// Its kind, as `deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// When it is signed: now.
    pub signed_ms: UnixMillis,
    /// After this it stands no more.
    pub ends_ms: Option<UnixMillis>,
    /// What it says.
    pub payload: Vec<u8>,
    /// Bytes that belong to it.
    pub blobs: Vec<Bytes>,
    /// It is taken back; payload and blobs are left out.
    pub tombstone: bool,
}

/// What became of a document that was published.
#[derive(Debug)]
pub struct Published {
    /// As it was signed.
    pub document: Arc<SignedDocument>,
    /// Each lookup by its address, and whether it has the document. Readers carry it to those that could not be reached.
    pub at: Vec<(String, Result<Taken, ClientError>)>,
}

impl Published {
    /// Lookups that do not have it, and why.
    pub fn missing(&self) -> impl Iterator<Item = (&str, &ClientError)> {
        self.at.iter().filter_map(|(url, result)| Some((url.as_str(), result.as_ref().err()?)))
    }
}

/// One who publishes under an identity's key.
#[derive(Debug, Clone)]
pub struct DocumentAuthor {
    identity: Identity,
    caller: Caller,
    lookups: Lookups,
}

impl DocumentAuthor {
    /// An author who publishes at these lookups.
    pub fn new(identity: Identity, caller: Caller, lookups: Lookups) -> Self {
        Self { identity, caller, lookups }
    }

    /// Under which key others know these documents.
    pub fn owner(&self) -> Owner {
        self.identity.owner()
    }

    /// Signs a document with the next serial and gives it to every lookup that answers. It is done when at least one has
    /// it, durably.
    ///
    /// # Errors
    /// Where no lookup is reached, none takes it, or the draft is not of its form.
    pub async fn publish(&self, draft: &Draft) -> Result<Published, ClientError> {
        let known = self.lookups.known();
        let reached = join_all(known.iter().map(|lookup| self.reach(&lookup.url, draft))).await;
        let mut serial = 0;
        let (mut lookups, mut unreached) = (Vec::new(), Vec::new());
        for (lookup, reached) in known.iter().zip(reached) {
            match reached {
                Ok((connection, stands)) => {
                    serial = serial.max(stands);
                    lookups.push(connection);
                }
                Err(error) => unreached.push((lookup.url.clone(), error)),
            }
        }
        if lookups.is_empty() {
            return Err(ClientError::NoLookup(
                unreached.iter().map(|(_, error)| error.to_string()).collect(),
            ));
        }
        for _ in 0..TRIES {
            let document = self.sign(draft, serial.saturating_add(1))?;
            let given = join_all(lookups.iter().map(|lookup| give_all(lookup, &document, draft))).await;
            let newer = given.iter().filter_map(|given| match given {
                Ok(Taken::Older(newer)) => Some(newer.document.serial),
                _ => None,
            });
            if let Some(newer) = newer.max() {
                serial = newer;
                continue;
            }
            if let Some(refused) =
                given.iter().all(Result::is_err).then(|| given.iter().find_map(|g| g.as_ref().err()))
            {
                return Err(refused.cloned().unwrap_or_else(no_lookup));
            }
            let at = lookups.iter().map(|lookup| lookup.url().to_owned()).zip(given);
            let at = at.chain(unreached.into_iter().map(|(url, error)| (url, Err(error)))).collect();
            return Ok(Published { document, at });
        }
        Err(ClientError::TooMuch {
            what: "serials taken by other authors under this key",
            at: draft.name.clone(),
            most: TRIES,
        })
    }

    /// Connects, checks the mesh, and reads which serial stands there.
    async fn reach(&self, url: &str, draft: &Draft) -> Result<(Connection, u64), ClientError> {
        let connection = self.caller.connect(url)?;
        connection.greet(&self.caller, PATIENCE).await?;
        let owner = self.owner();
        let ours = |d: &SignedDocument| d.owner == owner && d.document.name == draft.name;
        let serial = greatest_serial(&connection, &draft.kind, ours).await?;
        Ok((connection, serial))
    }

    fn sign(&self, draft: &Draft, serial: u64) -> Result<Arc<SignedDocument>, ClientError> {
        let mesh = self.caller.mesh().ok_or_else(no_lookup)?;
        let blob = |bytes: &Bytes| Blob { hash: hash(bytes), size: bytes.len() as u64 };
        let Draft { kind, name, signed_ms, ends_ms, payload, blobs, tombstone } = draft;
        let says = !tombstone;
        let document = Document {
            mesh: mesh.id,
            kind: kind.clone(),
            name: name.clone(),
            serial,
            tombstone: *tombstone,
            signed_ms: *signed_ms,
            ends_ms: *ends_ms,
            payload: if says { payload.clone() } else { Vec::new() },
            blobs: blobs.iter().filter(|_| says).map(blob).collect(),
        };
        // What a lookup would refuse is said before it is sent.
        let opened = open_document(&self.identity.sign_document(&document));
        opened.map(Arc::new).map_err(|error| ClientError::Wire {
            at: "the draft".to_owned(),
            error: WireError::new(format!("{kind} {name}"), error.to_string()),
        })
    }
}

async fn give_all(
    lookup: &Connection,
    document: &SignedDocument,
    draft: &Draft,
) -> Result<Taken, ClientError> {
    for (blob, bytes) in document.document.blobs.iter().zip(&draft.blobs) {
        give_bytes(lookup, As::Author, *blob, bytes.clone()).await?;
    }
    give(lookup, As::Author, document.signed.clone()).await
}

fn no_lookup() -> ClientError {
    ClientError::NoLookup(vec!["none is known".to_owned()])
}
