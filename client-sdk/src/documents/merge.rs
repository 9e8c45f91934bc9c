//! What all lookups together say: of each key the document of the highest rank, wherever it was heard; and what each of
//! them lacks. No IO, no clock.

use super::DocumentEvent;
use hedgerow_model::UnixMillis;
use hedgerow_model::document::{DocumentKey, Hash, Rank};
use hedgerow_model::registration::Id;
use hedgerow_proto::lookup::Signed;
use hedgerow_proto::signed::{SignedDocument, open_document, read_document};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Most documents that a reader holds; what else comes is counted as refused. Twice what a lookup holds.
pub const MAX_DOCUMENTS: usize = 20_000;

#[derive(Debug)]
struct Held {
    document: Arc<SignedDocument>,
    stands: bool,
    /// Its place among what is to be told; `None`: the program knows it as it is.
    untold: Option<u64>,
    /// Whether the program knows it as standing.
    told: bool,
}

/// What one lookup has.
#[derive(Debug, Default)]
struct There {
    /// All that stands there was heard.
    complete: bool,
    ranks: HashMap<DocumentKey, Rank>,
    /// What it refused, and until when it is not offered again.
    refused: HashMap<DocumentKey, (Rank, Duration)>,
}

/// The merge.
#[derive(Debug, Default)]
pub struct Merge {
    mesh: Option<Id>,
    held: HashMap<DocumentKey, Held>,
    untold: BTreeMap<u64, DocumentKey>,
    last: u64,
    there: HashMap<String, There>,
    /// Documents that were altered, of another mesh, or too many.
    pub refused: u64,
}

impl Merge {
    /// From now on documents of another mesh are refused.
    pub fn of_mesh(&mut self, mesh: Id) {
        self.mesh = Some(mesh);
    }

    /// A lookup begins to tell all that it has.
    pub fn began(&mut self, lookup: &str) {
        let there = self.there.entry(lookup.to_owned()).or_default();
        there.complete = false;
        there.ranks.clear();
    }

    /// It has told all.
    pub fn completed(&mut self, lookup: &str) {
        self.there.entry(lookup.to_owned()).or_default().complete = true;
    }

    /// It does not answer: what it has is not known any more. What it said stays.
    pub fn lost(&mut self, lookup: &str) {
        if let Some(there) = self.there.get_mut(lookup) {
            there.complete = false;
            there.ranks.clear();
        }
    }

    /// It is no lookup of ours any more.
    pub fn forget(&mut self, lookup: &str) {
        self.there.remove(lookup);
    }

    /// A lookup says that it has this document.
    pub fn hear(&mut self, lookup: &str, signed: &Signed, wall: UnixMillis) {
        let Some(document) = self.open(signed) else {
            self.refused += 1;
            return;
        };
        // It will be dropped there, too, and is not to come back from here.
        if document.document.is_over(wall) {
            return;
        }
        let (key, rank) = (document.key(), document.rank());
        if self.held.get(&key).is_none_or(|held| held.document.rank() < rank) {
            if !self.held.contains_key(&key) && self.held.len() >= MAX_DOCUMENTS {
                self.refused += 1;
                return;
            }
            self.hold(key.clone(), document, wall);
        }
        self.has(lookup, key, rank);
    }

    /// A lookup has, or has taken, a document of this rank.
    pub fn has(&mut self, lookup: &str, key: DocumentKey, rank: Rank) {
        if let Some(there) = self.there.get_mut(lookup) {
            let known = there.ranks.entry(key).or_insert(rank);
            *known = (*known).max(rank);
        }
    }

    /// A lookup refused a document: it is not offered there again before `until`.
    pub fn refused_there(&mut self, lookup: &str, document: &SignedDocument, until: Duration) {
        if let Some(there) = self.there.get_mut(lookup) {
            there.refused.insert(document.key(), (document.rank(), until));
        }
    }

    /// Time has passed: what is past its end stands no more, what is over is dropped. Whether there is something to tell.
    pub fn tick(&mut self, wall: UnixMillis) -> bool {
        let over = self.held.iter().filter(|(_, held)| held.document.document.is_over(wall));
        for key in over.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            if let Some(number) = self.held.remove(&key).and_then(|held| held.untold) {
                self.untold.remove(&number);
            }
            for there in self.there.values_mut() {
                there.ranks.remove(&key);
                there.refused.remove(&key);
            }
        }
        // Both ways: a clock that jumped ahead and back makes it stand again.
        let changed = self.held.iter().filter(|(_, held)| held.stands != held.document.document.stands(wall));
        let changed: Vec<_> = changed.map(|(key, held)| (key.clone(), Arc::clone(&held.document))).collect();
        let any = !changed.is_empty();
        changed.into_iter().for_each(|(key, document)| self.hold(key, document, wall));
        any
    }

    /// What is to be told next.
    pub fn next_event(&mut self) -> Option<DocumentEvent> {
        while let Some((_, key)) = self.untold.pop_first() {
            let Some(held) = self.held.get_mut(&key) else { continue };
            held.untold = None;
            let told = std::mem::replace(&mut held.told, held.stands);
            if held.stands {
                return Some(DocumentEvent::Changed(Arc::clone(&held.document)));
            } else if told {
                return Some(DocumentEvent::Withdrawn(Arc::clone(&held.document)));
            }
        }
        None
    }

    /// What stands.
    pub fn standing(&self) -> Vec<Arc<SignedDocument>> {
        let standing = self.held.values().filter(|held| held.stands);
        let mut standing: Vec<_> = standing.map(|held| Arc::clone(&held.document)).collect();
        standing.sort_by_cached_key(|document| document.key());
        standing
    }

    /// Whether some lookup has told all that it has.
    pub fn is_complete(&self) -> bool {
        self.there.values().any(|there| there.complete)
    }

    /// What a lookup lacks, or has an older one of, and has not refused.
    pub fn owed(&self, lookup: &str, wall: UnixMillis, now: Duration) -> Vec<Arc<SignedDocument>> {
        let Some(there) = self.there.get(lookup).filter(|there| there.complete) else { return Vec::new() };
        let owed = self.held.iter().filter(|(key, held)| {
            let rank = held.document.rank();
            let less = there.ranks.get(*key).is_none_or(|has| *has < rank);
            let refused =
                there.refused.get(*key).is_some_and(|(which, until)| *which == rank && now < *until);
            less && !refused && !held.document.document.is_over(wall)
        });
        owed.map(|(_, held)| Arc::clone(&held.document)).collect()
    }

    /// Whether a lookup still lacks this document, and nothing newer is known.
    pub fn still_owed(&self, lookup: &str, document: &SignedDocument) -> bool {
        let key = document.key();
        let there = self.there.get(lookup).filter(|there| there.complete);
        there.is_some_and(|there| there.ranks.get(&key).is_none_or(|has| *has < document.rank()))
            && self.held.get(&key).is_some_and(|held| held.document.rank() == document.rank())
    }

    /// Whether a lookup is known to have all.
    #[cfg(test)]
    pub fn has_all(&self, lookup: &str) -> bool {
        self.there.get(lookup).is_some_and(|there| {
            there.complete
                && self.held.iter().all(|(key, held)| there.ranks.get(key) == Some(&held.document.rank()))
        })
    }

    /// The lookups that are known to have these bytes, because they have a document that names them.
    pub fn holders(&self, hash: Hash) -> Vec<String> {
        let names = |held: &&Held| held.document.document.blobs.iter().any(|blob| blob.hash == hash);
        let naming: Vec<_> = self.held.values().filter(names).map(|held| &held.document).collect();
        let has = |there: &There| {
            naming.iter().any(|document| there.ranks.get(&document.key()) == Some(&document.rank()))
        };
        self.there.iter().filter(|(_, there)| has(there)).map(|(lookup, _)| lookup.clone()).collect()
    }

    fn hold(&mut self, key: DocumentKey, document: Arc<SignedDocument>, wall: UnixMillis) {
        self.last += 1;
        let before = self.held.remove(&key);
        if let Some(number) = before.as_ref().and_then(|held| held.untold) {
            self.untold.remove(&number);
        }
        self.untold.insert(self.last, key.clone());
        let held = Held {
            stands: document.document.stands(wall),
            document,
            untold: Some(self.last),
            told: before.is_some_and(|held| held.told),
        };
        self.held.insert(key, held);
    }

    /// Verifies a document; one that is held already, to the last byte, was verified before.
    fn open(&self, signed: &Signed) -> Option<Arc<SignedDocument>> {
        let read = read_document(signed).ok()?;
        if let Some(held) = self.held.get(&read.key()).filter(|held| held.document.signed == *signed) {
            return Some(Arc::clone(&held.document));
        }
        let opened = open_document(signed).ok()?;
        self.mesh.is_none_or(|mesh| mesh == opened.document.mesh).then(|| Arc::new(opened))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ed25519_dalek::SigningKey;
    use hedgerow_model::document::{Document, KEPT_MS};
    use hedgerow_proto::signed::sign_document;
    use proptest::prelude::*;

    const WALL: UnixMillis = 1_800_000_000_000;
    const ZERO: Duration = Duration::ZERO;

    fn document(name: &str, serial: u64, change: impl FnOnce(&mut Document)) -> Signed {
        let mut document = Document {
            mesh: Id([1; 16]),
            kind: "deployment".into(),
            name: name.into(),
            serial,
            tombstone: false,
            signed_ms: WALL,
            ends_ms: None,
            payload: b"x".to_vec(),
            blobs: Vec::new(),
        };
        change(&mut document);
        sign_document(&document, &SigningKey::from_bytes(&[1; 32]))
    }

    fn gone(document: &mut Document) {
        (document.tombstone, document.payload) = (true, Vec::new());
    }

    fn told(merge: &mut Merge) -> Vec<String> {
        let word = |event| match event {
            DocumentEvent::Changed(d) => format!("{} {}", d.document.name, d.document.serial),
            DocumentEvent::Withdrawn(d) => format!("{} gone", d.document.name),
        };
        std::iter::from_fn(|| merge.next_event()).map(word).collect()
    }

    fn owed(merge: &Merge, lookup: &str) -> Vec<String> {
        let owed = merge.owed(lookup, WALL, ZERO);
        let mut owed: Vec<_> =
            owed.iter().map(|d| format!("{} {}", d.document.name, d.document.serial)).collect();
        owed.sort();
        owed
    }

    fn at_both() -> Merge {
        let mut merge = Merge::default();
        merge.of_mesh(Id([1; 16]));
        for lookup in ["x", "y"] {
            merge.began(lookup);
            merge.completed(lookup);
        }
        merge
    }

    #[test]
    fn the_highest_is_told_once_and_owed_to_those_that_have_less() {
        let mut merge = at_both();
        merge.hear("x", &document("a", 1, |_| ()), WALL);
        merge.hear("y", &document("a", 2, |_| ()), WALL);
        merge.hear("x", &document("b", 1, |_| ()), WALL);
        assert_eq!(told(&mut merge), ["a 2", "b 1"], "what was replaced before it was told is not");
        merge.hear("x", &document("a", 1, |_| ()), WALL);
        assert!(told(&mut merge).is_empty());
        assert_eq!((owed(&merge, "x"), owed(&merge, "y")), (vec!["a 2".into()], vec!["b 1".into()]));
        merge.hear("x", &document("a", 2, |_| ()), WALL);
        assert!(owed(&merge, "x").is_empty(), "another reader carried it");
        merge.lost("y");
        assert!(owed(&merge, "y").is_empty(), "nobody knows what it lacks");
        merge.began("y");
        merge.completed("y");
        assert_eq!(owed(&merge, "y"), ["a 2", "b 1"], "it has come back with nothing");
        merge.refused_there("y", &open_document(&document("a", 2, |_| ())).unwrap(), Duration::from_secs(1));
        assert_eq!(owed(&merge, "y"), ["b 1"]);
        assert_eq!(merge.owed("y", WALL, Duration::from_secs(1)).len(), 2);
    }

    #[test]
    fn a_tombstone_and_an_end_withdraw_and_what_was_never_told_is_not_withdrawn() {
        let mut merge = at_both();
        merge.hear("x", &document("a", 1, |_| ()), WALL);
        merge.hear("x", &document("b", 1, gone), WALL);
        merge.hear("x", &document("c", 1, |d| d.ends_ms = Some(WALL + 10)), WALL);
        assert_eq!(told(&mut merge), ["a 1", "c 1"]);
        merge.hear("y", &document("a", 2, gone), WALL);
        assert!(merge.tick(WALL + 10));
        assert_eq!(told(&mut merge), ["a gone", "c gone"]);
        assert!(merge.tick(WALL) && told(&mut merge) == ["c 1"], "the clock was wrong, and is right again");
        assert_eq!(owed(&merge, "x"), ["a 2"], "tombstones are carried");
        merge.tick(WALL + KEPT_MS);
        assert!(merge.owed("x", WALL + KEPT_MS, ZERO).is_empty());
        merge.hear("x", &document("a", 2, gone), WALL + KEPT_MS);
        assert!(owed(&merge, "y").iter().all(|owed| owed != "a 2"), "not after its 90 days");
    }

    #[test]
    fn what_is_altered_or_of_another_mesh_is_not_believed() {
        let mut merge = at_both();
        let mut altered = document("a", 1, |_| ());
        altered.body = document("a", 2, |_| ()).body;
        merge.hear("x", &altered, WALL);
        merge.hear("x", &document("a", 1, |d| d.mesh = Id([2; 16])), WALL);
        assert!(told(&mut merge).is_empty() && merge.refused == 2 && merge.standing().is_empty());
        // A held one under another signature is verified anew.
        merge.hear("x", &document("a", 1, |_| ()), WALL);
        let forged = Signed { signature: vec![7; 64].into(), ..document("a", 1, |_| ()) };
        merge.hear("y", &forged, WALL);
        assert_eq!((merge.refused, owed(&merge, "y")), (3, vec!["a 1".into()]));
    }

    proptest! {
        #[test]
        fn whatever_is_heard_in_whatever_order_the_same_stands(
            heard in proptest::collection::vec((0..2_usize, 0..3_u8, 1..5_u64, any::<bool>()), 0..30),
        ) {
            let says = |(_, name, serial, tombstone): &(usize, u8, u64, bool)| {
                document(&name.to_string(), *serial, |d| if *tombstone { gone(d) })
            };
            let stands = |order: &mut dyn Iterator<Item = &(usize, u8, u64, bool)>| {
                let mut merge = at_both();
                order.for_each(|said| merge.hear(["x", "y"][said.0], &says(said), WALL));
                merge.standing()
            };
            prop_assert_eq!(stands(&mut heard.iter()), stands(&mut heard.iter().rev().chain(&heard)));
        }
    }
}
