//! The set's laws: what is told in any order gives the same; and its bounds.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::testing::mesh;
use ed25519_dalek::SigningKey;
use hedgerow_model::document::{Document, KEPT_MS};
use hedgerow_model::registration::Id;
use hedgerow_proto::signed::{hash, open_document, sign_document};
use proptest::prelude::*;

const NOW: UnixMillis = 1_800_000_000_000;
const ZERO: Duration = Duration::ZERO;

fn document(owner: u8, name: &str, serial: u64, change: impl FnOnce(&mut Document)) -> Arc<SignedDocument> {
    let mut document = Document {
        mesh: mesh().id,
        kind: "deployment".into(),
        name: name.into(),
        serial,
        tombstone: false,
        signed_ms: NOW,
        ends_ms: None,
        payload: vec![owner],
        blobs: Vec::new(),
    };
    change(&mut document);
    Arc::new(open_document(&sign_document(&document, &SigningKey::from_bytes(&[owner; 32]))).unwrap())
}

fn naming(bytes: &[u8]) -> Blob {
    Blob { hash: hash(bytes), size: bytes.len() as u64 }
}

fn set() -> DocumentSet {
    DocumentSet::new(mesh(), Bounds::default())
}

fn take(set: &mut DocumentSet, document: &Arc<SignedDocument>) -> Result<Taken, Refusal> {
    let taken = set.take(document, NOW, ZERO);
    set.commit();
    taken
}

fn shown(set: &DocumentSet) -> Vec<Arc<SignedDocument>> {
    set.after(0).map(|(_, document)| Arc::clone(document)).collect()
}

/// What it holds, as it can be compared.
fn contents(set: &DocumentSet) -> BTreeMap<DocumentKey, hedgerow_model::document::Rank> {
    let all: BTreeMap<_, _> =
        set.held.values().map(|held| (held.document.key(), held.document.rank())).collect();
    assert_eq!(all.len(), shown(set).len(), "all of it is shown");
    all
}

#[derive(Debug, Clone)]
struct Said {
    owner: u8,
    name: u8,
    serial: u64,
    tombstone: bool,
    variant: u8,
}

impl Said {
    fn document(&self) -> Arc<SignedDocument> {
        document(self.owner, &format!("n{}", self.name), self.serial, |document| {
            document.tombstone = self.tombstone;
            document.payload = if self.tombstone { Vec::new() } else { vec![self.variant] };
        })
    }
}

fn said() -> impl Strategy<Value = Said> {
    (1..4_u8, 0..3_u8, 1..5_u64, any::<bool>(), 0..3_u8).prop_map(
        |(owner, name, serial, tombstone, variant)| Said { owner, name, serial, tombstone, variant },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Lookups are told parts of it, in any order and with doubles; then it is carried round until nothing changes.
    #[test]
    fn whatever_is_told_to_whom_in_whatever_order_all_come_to_hold_the_same(
        (said, told) in proptest::collection::vec(said(), 1..24).prop_flat_map(|said| {
            let told = proptest::collection::vec((0..3_usize, any::<prop::sample::Index>()), 0..60);
            (Just(said), told)
        }),
        first in proptest::collection::vec(0..3_usize, 24),
    ) {
        let documents: Vec<_> = said.iter().map(Said::document).collect();
        let mut lookups = [set(), set(), set()];
        // Each document reaches some lookup; what else is told to whom is by chance.
        let told: Vec<_> = told.iter().map(|(at, which)| (*at, which.get(&documents))).collect();
        for (at, document) in told.into_iter().chain(first.iter().copied().zip(&documents)) {
            take(&mut lookups[at], document).unwrap();
        }
        let mut rounds = 0;
        loop {
            let mut changed = false;
            for from in 0..3 {
                for document in shown(&lookups[from]) {
                    for to in (0..3).filter(|to| *to != from) {
                        changed |= matches!(take(&mut lookups[to], &document), Ok(Taken::New(_)));
                    }
                }
            }
            if !changed { break }
            rounds += 1;
            prop_assert!(rounds < 3, "carried round for ever");
        }
        // The model: the greatest of each key.
        let mut model = BTreeMap::new();
        for document in &documents {
            let rank = model.entry(document.key()).or_insert_with(|| document.rank());
            *rank = (*rank).max(document.rank());
        }
        for lookup in &lookups {
            prop_assert_eq!(&contents(lookup), &model);
            let bodies: u64 = lookup.held.values().map(|held| held.document.signed.body.len() as u64).sum();
            prop_assert_eq!(lookup.bytes(), bodies, "and its sums fit");
        }
    }
}

#[test]
fn a_tombstone_wins_over_all_older_serials_whenever_they_come() {
    let mut set = set();
    let tombstone = document(1, "a", 2, |d| (d.tombstone, d.payload) = (true, Vec::new()));
    assert_eq!(take(&mut set, &tombstone), Ok(Taken::New(None)));
    assert_eq!(take(&mut set, &document(1, "a", 1, |_| ())), Ok(Taken::Older(Arc::clone(&tombstone))));
    assert_eq!(take(&mut set, &tombstone), Ok(Taken::Equal));
    assert_eq!(take(&mut set, &document(1, "a", 3, |_| ())), Ok(Taken::New(Some(tombstone))), "made again");
    assert_eq!(
        take(&mut set, &document(2, "a", 1, |_| ())),
        Ok(Taken::New(None)),
        "somebody else's is another"
    );
}

#[test]
fn what_is_over_is_dropped_and_never_comes_back() {
    let mut set = set();
    let tombstone = document(1, "a", 2, |d| (d.tombstone, d.payload) = (true, Vec::new()));
    let ending = document(1, "b", 1, |d| d.ends_ms = Some(NOW + 5));
    let staying = document(1, "c", 1, |_| ());
    for document in [&tombstone, &ending, &staying] {
        take(&mut set, document).unwrap();
    }
    assert!(set.drop_over(NOW + KEPT_MS - 1, ZERO).is_empty());
    assert_eq!(set.drop_over(NOW + KEPT_MS, ZERO), [Arc::clone(&tombstone)]);
    assert_eq!(set.take(&tombstone, NOW + KEPT_MS, ZERO), Err(Refusal::Over));
    assert_eq!(set.drop_over(NOW + KEPT_MS + 5, ZERO), [ending]);
    assert_eq!(shown(&set), [staying]);
    assert_eq!(set.counters.dropped, 2);
}

#[test]
fn a_clock_that_jumps_by_an_hour_or_a_day_drops_and_refuses_nothing() {
    const HOUR: i64 = 3_600_000;
    for jump in [HOUR, -24 * HOUR, 24 * HOUR] {
        let mut set = set();
        let fresh = document(1, "a", 1, |d| d.ends_ms = Some(NOW + 10 * HOUR));
        let tombstone = document(1, "b", 1, |d| (d.tombstone, d.payload) = (true, Vec::new()));
        for document in [&fresh, &tombstone] {
            assert_eq!(set.take(document, NOW + jump, ZERO), Ok(Taken::New(None)), "{jump}");
        }
        assert!(set.drop_over(NOW + jump, ZERO).is_empty());
        assert_eq!(set.take(&document(1, "a", 2, |_| ()), NOW, ZERO), Ok(Taken::New(Some(fresh))));
    }
    let ahead = document(1, "c", 1, |d| d.signed_ms = NOW + MAX_AHEAD_MS + 1);
    let refused = set().take(&ahead, NOW, ZERO).unwrap_err().to_string();
    assert!(refused.contains("2880 minutes in the future"), "{refused}");
}

#[test]
fn a_document_is_taken_once_its_bytes_are_here_and_hidden_when_they_are_lost() {
    let mut set = set();
    let (one, two) = (naming(b"one"), naming(b"two!"));
    let named = document(1, "a", 1, |d| d.blobs = vec![one, two]);
    assert_eq!(take(&mut set, &named), Err(Refusal::Missing(vec![one.hash, two.hash])));
    set.add_bytes(one.hash, one.size, ZERO);
    assert_eq!(take(&mut set, &named), Err(Refusal::Missing(vec![two.hash])));
    set.add_bytes(two.hash, two.size, ZERO);
    let lying = document(1, "a", 1, |d| d.blobs = vec![Blob { size: 9, ..one }]);
    assert!(matches!(take(&mut set, &lying), Err(Refusal::Size { here: 3, .. })));
    assert_eq!(take(&mut set, &named), Ok(Taken::New(None)));

    set.lose_bytes(one.hash);
    assert!(shown(&set).is_empty() && set.hidden() == 1);
    assert_eq!(
        take(&mut set, &named),
        Err(Refusal::Missing(vec![one.hash])),
        "its carrier learns what is missing"
    );
    set.add_bytes(one.hash, one.size, ZERO);
    set.commit();
    assert_eq!(shown(&set), [Arc::clone(&named)]);
    assert_eq!(take(&mut set, &named), Ok(Taken::Equal));
}

#[test]
fn bytes_live_for_an_hour_and_for_as_long_as_a_document_names_them() {
    let mut set = set();
    let (kept, loose) = (naming(b"kept"), naming(b"loose"));
    set.add_bytes(kept.hash, kept.size, ZERO);
    set.add_bytes(loose.hash, loose.size, ZERO);
    take(&mut set, &document(1, "a", 1, |d| d.blobs = vec![kept])).unwrap();
    assert!(set.drop_loose(LOOSE_FOR - Duration::from_millis(1)).is_empty());
    assert_eq!(set.drop_loose(LOOSE_FOR), [loose.hash]);
    let later = LOOSE_FOR * 5;
    assert!(set.drop_loose(later).is_empty());
    set.take(&document(1, "a", 2, |d| (d.tombstone, d.payload) = (true, Vec::new())), NOW, later).unwrap();
    assert!(set.drop_loose(later + LOOSE_FOR / 2).is_empty(), "an hour from when the last named them");
    assert_eq!(set.drop_loose(later + LOOSE_FOR), [kept.hash]);
    assert_eq!(set.counters.blobs_dropped, 2);
}

#[test]
fn what_has_no_room_is_refused_and_a_tombstone_has_room() {
    let mut small = DocumentSet::new(mesh(), Bounds { documents: 8, ..Bounds::default() });
    for name in ["a", "b"] {
        take(&mut small, &document(1, name, 1, |_| ())).unwrap();
    }
    let refused = take(&mut small, &document(1, "c", 1, |_| ())).unwrap_err();
    assert_eq!(refused, Refusal::Share { what: "documents", most: 2 }, "one owner's share");
    for owner in 2..5 {
        for name in ["a", "b"] {
            take(&mut small, &document(owner, name, 1, |_| ())).unwrap();
        }
    }
    assert_eq!(
        take(&mut small, &document(9, "a", 1, |_| ())),
        Err(Refusal::Full { what: "documents", most: 8 })
    );
    let tombstone = document(1, "a", 2, |d| (d.tombstone, d.payload) = (true, Vec::new()));
    assert!(matches!(take(&mut small, &tombstone), Ok(Taken::New(Some(_)))));

    let bounds = Bounds { body_bytes: 500, ..Bounds::default() };
    let mut small = DocumentSet::new(mesh(), bounds);
    take(&mut small, &document(1, "a", 1, |d| d.payload = vec![0; 300])).unwrap();
    let refused = take(&mut small, &document(2, "a", 1, |d| d.payload = vec![0; 300])).unwrap_err();
    assert_eq!(refused, Refusal::Full { what: "bytes of bodies", most: 500 });

    let mut small = DocumentSet::new(mesh(), Bounds { bytes: 4000, ..Bounds::default() });
    let loose = naming(&[1; 900]);
    small.room_for_bytes(loose.hash, loose.size).unwrap();
    small.add_bytes(loose.hash, loose.size, ZERO);
    let refused = small.room_for_bytes(Hash([9; 32]), 200).unwrap_err();
    assert!(refused.to_string().contains("at most 1000 bytes that no document names"), "{refused}");
    let refused =
        take(&mut small, &document(1, "a", 1, |d| (d.blobs, d.payload) = (vec![loose], vec![0; 200])));
    assert_eq!(refused, Err(Refusal::Share { what: "bytes", most: 1000 }));
    assert_eq!(
        small.room_for_bytes(loose.hash, MAX_BLOB_BYTES + 1),
        Err(Refusal::BlobSize(MAX_BLOB_BYTES + 1))
    );
    let large = document(1, "a", 1, |d| d.payload = vec![0; MAX_BODY_BYTES]);
    assert!(matches!(take(&mut small, &large), Err(Refusal::BodySize(_))));
    assert_eq!(small.len(), 0);
}

#[test]
fn another_mesh_is_refused_naming_both() {
    let theirs = Id([0xbb; 16]);
    let refused = take(&mut set(), &document(1, "a", 1, |d| d.mesh = theirs)).unwrap_err().to_string();
    assert!(refused.contains(&mesh().to_string()) && refused.contains(&theirs.to_string()), "{refused}");
}

#[test]
fn what_is_undone_was_never_shown_and_what_it_replaced_is_back() {
    let mut set = set();
    let (first, second) = (document(1, "a", 1, |_| ()), document(1, "a", 2, |_| ()));
    take(&mut set, &first).unwrap();
    let seen = set.head();
    let Ok(Taken::New(before)) = set.take(&second, NOW, ZERO) else { panic!() };
    assert!(set.after(seen).next().is_none(), "not before it is committed");
    set.undo(&second, before, ZERO);
    set.commit();
    assert_eq!(shown(&set), [first]);
}

#[test]
fn bytes_that_no_document_names_are_bounded_by_their_number_too() {
    let mut set = set();
    let blobs: Vec<_> = (0..=MAX_LOOSE as u64).map(|n| naming(&n.to_le_bytes())).collect();
    for blob in &blobs[..MAX_LOOSE] {
        assert_eq!(set.room_for_bytes(blob.hash, blob.size), Ok(()));
        set.add_bytes(blob.hash, blob.size, ZERO);
    }
    let last = blobs[MAX_LOOSE];
    let full = Refusal::Full { what: "blobs that no document names", most: MAX_LOOSE as u64 };
    assert_eq!(set.room_for_bytes(last.hash, last.size), Err(full));
    take(&mut set, &document(1, "a", 1, |document| document.blobs = vec![blobs[0]])).unwrap();
    assert_eq!(set.room_for_bytes(last.hash, last.size), Ok(()));
}
