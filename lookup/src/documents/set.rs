//! The set of documents, and which bytes there are: what is taken, what is refused, what is dropped. No IO, no clock.
//!
//! Of each key the document of the highest rank is held, whatever came before or after it: a join, so that all lookups
//! that were told the same hold the same. It never shows a document whose bytes are not here.

use super::bounds::{Bounds, LOOSE_FOR, MAX_AHEAD_MS, MAX_LOOSE, OWNERS};
use super::refusal::Refusal;
use hashbrown::HashMap;
use hedgerow_model::UnixMillis;
use hedgerow_model::document::{Blob, DocumentKey, Hash, MAX_BLOB_BYTES, MAX_BODY_BYTES, Owner};
use hedgerow_model::registration::Mesh;
use hedgerow_proto::signed::SignedDocument;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What happened since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DocumentCounters {
    /// Documents that came to stand.
    pub taken: u64,
    /// Those that stood already.
    pub equal: u64,
    /// Those a newer one of which stood.
    pub older: u64,
    /// Documents and bytes that were refused.
    pub refused: u64,
    /// Documents dropped after their 90 days.
    pub dropped: u64,
    /// Blobs dropped that no document named for an hour.
    pub blobs_dropped: u64,
    /// Blobs that were not on the disk what they had been.
    pub blobs_broken: u64,
    /// Groups that could not be committed.
    pub write_failures: u64,
}

/// What became of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// It stands now; what stood before.
    New(Option<Arc<SignedDocument>>),
    /// It stood already.
    Equal,
    /// This newer one stands.
    Older(Arc<SignedDocument>),
}

#[derive(Debug)]
struct Held {
    document: Arc<SignedDocument>,
    /// Its number among what is shown; `None`: bytes of it are missing.
    shown: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Bytes {
    size: u64,
    /// Since when no document names them; counts only while none does.
    loose_since: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
struct Share {
    documents: u64,
    bytes: u64,
}

/// The set.
#[derive(Debug)]
pub struct DocumentSet {
    mesh: Mesh,
    bounds: Bounds,
    held: HashMap<DocumentKey, Held>,
    /// What is shown, in the order it came to be: who has seen all up to a number goes on there.
    shown: BTreeMap<u64, Arc<SignedDocument>>,
    last: u64,
    committed: u64,
    /// How often something was hidden that had been shown.
    hidden: u64,
    blobs: HashMap<Hash, Bytes>,
    /// How many documents name a blob, here or not.
    named: HashMap<Hash, u32>,
    owners: HashMap<Owner, Share>,
    body_bytes: u64,
    blob_bytes: u64,
    pub counters: DocumentCounters,
}

impl DocumentSet {
    /// An empty one.
    pub fn new(mesh: Mesh, bounds: Bounds) -> Self {
        Self {
            mesh,
            bounds,
            held: HashMap::new(),
            shown: BTreeMap::new(),
            last: 0,
            committed: 0,
            hidden: 0,
            blobs: HashMap::new(),
            named: HashMap::new(),
            owners: HashMap::new(),
            body_bytes: 0,
            blob_bytes: 0,
            counters: DocumentCounters::default(),
        }
    }

    /// Takes a document whose signature was verified. What is new is shown after [`Self::commit`].
    ///
    /// # Errors
    /// Why not.
    pub fn take(
        &mut self,
        document: &Arc<SignedDocument>,
        wall: UnixMillis,
        now: Duration,
    ) -> Result<Taken, Refusal> {
        let taken = self.judge(document, wall);
        match &taken {
            Ok(Taken::New(_)) => {
                self.remove(&document.key(), now);
                self.insert(Arc::clone(document), now);
                self.counters.taken += 1;
            }
            Ok(Taken::Equal) => self.counters.equal += 1,
            Ok(Taken::Older(_)) => self.counters.older += 1,
            Err(_) => self.counters.refused += 1,
        }
        taken
    }

    fn judge(&self, offered: &Arc<SignedDocument>, wall: UnixMillis) -> Result<Taken, Refusal> {
        let SignedDocument { signed, document, .. } = &**offered;
        if signed.body.len() > MAX_BODY_BYTES {
            return Err(Refusal::BodySize(signed.body.len()));
        }
        if document.mesh != self.mesh.id {
            return Err(Refusal::OtherMesh { ours: Box::new(self.mesh.clone()), theirs: document.mesh });
        }
        let held = self.held.get(&offered.key()).map(|held| &held.document);
        if let Some(held) = held {
            match offered.rank().cmp(&held.rank()) {
                std::cmp::Ordering::Less => return Ok(Taken::Older(Arc::clone(held))),
                std::cmp::Ordering::Equal if self.missing(held).is_empty() => return Ok(Taken::Equal),
                _ => {}
            }
        }
        if document.signed_ms > wall.saturating_add(MAX_AHEAD_MS) {
            return Err(Refusal::Ahead(document.signed_ms.saturating_sub(wall)));
        }
        if document.is_over(wall) {
            return Err(Refusal::Over);
        }
        let missing = self.missing(offered);
        if !missing.is_empty() {
            return Err(Refusal::Missing(missing));
        }
        for blob in &document.blobs {
            let here = self.blobs.get(&blob.hash).map_or(0, |bytes| bytes.size);
            if here != blob.size {
                return Err(Refusal::Size { blob: *blob, here });
            }
        }
        self.room(offered, held)?;
        Ok(Taken::New(held.cloned()))
    }

    /// Whether there is room for `offered` in place of `held`. What needs no more than what it replaces always has.
    fn room(&self, offered: &SignedDocument, held: Option<&Arc<SignedDocument>>) -> Result<(), Refusal> {
        let Bounds { documents, body_bytes, bytes } = self.bounds;
        let body = |document: &SignedDocument| document.signed.body.len() as u64;
        let (new, old) = (weight(offered), held.map_or(0, |held| weight(held)));
        let (new_body, old_body) = (body(offered), held.map_or(0, |held| body(held)));
        let share = self.owners.get(&offered.owner).copied().unwrap_or_default();
        let full = |what, most| Err(Refusal::Full { what, most });
        let owned = |what, most| Err(Refusal::Share { what, most });
        if held.is_none() && self.held.len() as u64 >= documents {
            return full("documents", documents);
        }
        if held.is_none() && share.documents >= documents / OWNERS {
            return owned("documents", documents / OWNERS);
        }
        if new_body > old_body {
            let more = new_body - old_body;
            if self.body_bytes + more > body_bytes {
                return full("bytes of bodies", body_bytes);
            }
            if self.bytes() + more > bytes {
                return full("bytes", bytes);
            }
        }
        if new > old && share.bytes + (new - old) > bytes / OWNERS {
            return owned("bytes", bytes / OWNERS);
        }
        Ok(())
    }

    /// Puts a document in that was taken before this start.
    pub fn restore(&mut self, document: Arc<SignedDocument>, now: Duration) {
        self.insert(document, now);
    }

    /// Undoes a [`Taken::New`] that could not be committed.
    pub fn undo(&mut self, taken: &SignedDocument, before: Option<Arc<SignedDocument>>, now: Duration) {
        self.remove(&taken.key(), now);
        if let Some(before) = before {
            self.insert(before, now);
        }
        self.counters.taken -= 1;
    }

    /// Shows what was taken so far.
    pub fn commit(&mut self) {
        self.committed = self.last;
    }

    /// Drops what nobody keeps any more.
    pub fn drop_over(&mut self, wall: UnixMillis, now: Duration) -> Vec<Arc<SignedDocument>> {
        let over: Vec<_> = self
            .held
            .values()
            .map(|held| &held.document)
            .filter(|held| held.document.is_over(wall))
            .cloned()
            .collect();
        over.iter().for_each(|document| self.remove(&document.key(), now));
        self.counters.dropped += over.len() as u64;
        over
    }

    /// Drops the bytes that no document has named for [`LOOSE_FOR`].
    pub fn drop_loose(&mut self, now: Duration) -> Vec<Hash> {
        let old = |bytes: &Bytes| now.saturating_sub(bytes.loose_since) >= LOOSE_FOR;
        let loose = self.blobs.iter().filter(|(hash, bytes)| !self.named.contains_key(*hash) && old(bytes));
        let loose: Vec<Hash> = loose.map(|(hash, _)| *hash).collect();
        for hash in &loose {
            self.forget(*hash);
        }
        self.counters.blobs_dropped += loose.len() as u64;
        loose
    }

    /// Whether bytes are here.
    pub fn size(&self, hash: Hash) -> Option<u64> {
        self.blobs.get(&hash).map(|bytes| bytes.size)
    }

    /// Whether there is room for `size` bytes that no document names yet.
    ///
    /// # Errors
    /// Which bound is reached.
    pub fn room_for_bytes(&self, hash: Hash, size: u64) -> Result<(), Refusal> {
        if !(1..=MAX_BLOB_BYTES).contains(&size) {
            return Err(Refusal::BlobSize(size));
        }
        let most = self.bounds.bytes / OWNERS;
        let loose = self.blobs.iter().filter(|(hash, _)| !self.named.contains_key(*hash));
        let (blobs, loose) = loose.fold((0, 0), |(blobs, sum), (_, bytes)| (blobs + 1, sum + bytes.size));
        if !self.named.contains_key(&hash) {
            if loose + size > most {
                return Err(Refusal::Full { what: "bytes that no document names", most });
            }
            if blobs >= MAX_LOOSE {
                return Err(Refusal::Full { what: "blobs that no document names", most: MAX_LOOSE as u64 });
            }
        }
        if self.bytes() + size > self.bounds.bytes {
            return Err(Refusal::Full { what: "bytes", most: self.bounds.bytes });
        }
        Ok(())
    }

    /// These bytes are here now. Documents that lacked them are shown again.
    pub fn add_bytes(&mut self, hash: Hash, size: u64, now: Duration) {
        if self.blobs.insert(hash, Bytes { size, loose_since: now }).is_none() {
            self.blob_bytes += size;
        }
        if self.named.contains_key(&hash) {
            let whole = |held: &Held| held.shown.is_none() && names(&held.document, hash);
            let whole: Vec<_> =
                self.held.values().filter(|held| whole(held)).map(|held| held.document.key()).collect();
            whole.iter().for_each(|key| self.show(key));
        }
    }

    /// These bytes are not what they were. Documents that name them are hidden, and may come again with their bytes.
    pub fn lose_bytes(&mut self, hash: Hash) {
        self.counters.blobs_broken += 1;
        self.forget(hash);
        for held in self.held.values_mut().filter(|held| names(&held.document, hash)) {
            if let Some(number) = held.shown.take() {
                self.shown.remove(&number);
                self.hidden += 1;
            }
        }
    }

    /// How often something was hidden that had been shown; who watches must begin again when this changes.
    pub const fn hidden(&self) -> u64 {
        self.hidden
    }

    /// The number of the last that is shown.
    pub const fn head(&self) -> u64 {
        self.committed
    }

    /// What is shown behind the number `after`, in order, each with its number.
    pub fn after(&self, after: u64) -> impl Iterator<Item = (u64, &Arc<SignedDocument>)> {
        let from = after.saturating_add(1);
        let committed = move |(number, _): &(&u64, _)| **number <= self.committed;
        self.shown.range(from..).take_while(committed).map(|(number, document)| (*number, document))
    }

    /// How many documents.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// How many bytes, of bodies and blobs.
    pub const fn bytes(&self) -> u64 {
        self.body_bytes + self.blob_bytes
    }

    fn missing(&self, document: &SignedDocument) -> Vec<Hash> {
        let hashes = document.document.blobs.iter().map(|blob| blob.hash);
        hashes.filter(|hash| !self.blobs.contains_key(hash)).collect()
    }

    fn insert(&mut self, document: Arc<SignedDocument>, now: Duration) {
        let key = document.key();
        let share = self.owners.entry(document.owner).or_default();
        share.documents += 1;
        share.bytes += weight(&document);
        self.body_bytes += document.signed.body.len() as u64;
        for blob in &document.document.blobs {
            *self.named.entry(blob.hash).or_default() += 1;
        }
        debug_assert!(!self.held.contains_key(&key), "removed before, at {now:?}");
        self.held.insert(key.clone(), Held { document, shown: None });
        self.show(&key);
    }

    /// Shows a document if all its bytes are here.
    fn show(&mut self, key: &DocumentKey) {
        let Some(document) = self.held.get(key).map(|held| Arc::clone(&held.document)) else { return };
        if !self.missing(&document).is_empty() {
            return;
        }
        self.last += 1;
        self.shown.insert(self.last, document);
        if let Some(held) = self.held.get_mut(key) {
            held.shown = Some(self.last);
        }
    }

    fn remove(&mut self, key: &DocumentKey, now: Duration) {
        let Some(Held { document, shown }) = self.held.remove(key) else { return };
        if let Some(number) = shown {
            self.shown.remove(&number);
        }
        self.body_bytes -= document.signed.body.len() as u64;
        if let Some(share) = self.owners.get_mut(&document.owner) {
            share.documents -= 1;
            share.bytes -= weight(&document);
            if share.documents == 0 {
                self.owners.remove(&document.owner);
            }
        }
        for Blob { hash, .. } in &document.document.blobs {
            let Some(count) = self.named.get_mut(hash) else { continue };
            *count -= 1;
            if *count == 0 {
                self.named.remove(hash);
                if let Some(bytes) = self.blobs.get_mut(hash) {
                    bytes.loose_since = now;
                }
            }
        }
    }

    fn forget(&mut self, hash: Hash) {
        if let Some(bytes) = self.blobs.remove(&hash) {
            self.blob_bytes -= bytes.size;
        }
    }
}

fn names(document: &SignedDocument, hash: Hash) -> bool {
    document.document.blobs.iter().any(|blob| blob.hash == hash)
}

/// What a document costs its owner: its body, and all bytes that it names, whoever else does.
fn weight(document: &SignedDocument) -> u64 {
    document.signed.body.len() as u64 + document.document.blobs.iter().map(|blob| blob.size).sum::<u64>()
}

#[cfg(test)]
mod tests;
