#![allow(clippy::unwrap_used)]
use super::*;
use crate::admission::MAX_BODY_BYTES;
use crate::testing::{Author, template};
use bytes::Bytes;
use hedgerow_proto::lookup::Signed;

fn put(registry: &mut Registry, entry: Entry, lease: u64) {
    let slot = registry.slot(entry.registration.id);
    registry.put(slot, Listed { entry: Arc::new(entry), lease: LeaseId(lease), number: lease });
}

#[test]
fn bytes_come_back_as_they_came_whatever_the_dictionary_learned_meanwhile() {
    let mut registry = Registry::default();
    let author = |n: u8| {
        let mut author = Author::new(n);
        // Texts that nothing else says, of lengths around what a name and a dictionary take.
        author.registration.description =
            (0..u32::from(n) * 4).map(|at| format!("{:x}", at * 77 + u32::from(n))).collect();
        author.registration.description.truncate(1024);
        author
    };
    for n in 0..=255 {
        put(&mut registry, author(n).entry(1, 0), n.into());
    }
    for n in 0..=255 {
        let listed = registry.get(Id([n; 16])).unwrap();
        assert_eq!(*listed.entry, author(n).entry(1, 0), "farm-{n}");
        assert_eq!((listed.lease, listed.number), (LeaseId(n.into()), n.into()));
    }
    assert!((1000..=4096).contains(&registry.records.dictionary_bytes()));
    let all = registry.matching(&template(""));
    let ids: Vec<_> =
        registry.page(&all, None, 1000).map(|listed| listed.entry.registration.id.0[0]).collect();
    assert_eq!(ids, (0..=255).collect::<Vec<_>>());
}

#[test]
fn unusual_encodings_and_the_largest_body_come_back_as_they_came() {
    let mut registry = Registry::default();
    let usual = Author::new(1).signed(1, 0);
    let registration = parse(&usual.body).unwrap();
    // Of a field that is given twice the last counts; unknown fields are skipped.
    let twice: Vec<u8> = [&[0x0a, 16][..], &[9; 16], &usual.body].concat();
    let filler = vec![0x5a; MAX_BODY_BYTES - usual.body.len() - 6];
    let mut length = Vec::new();
    prost::encoding::encode_varint(filler.len() as u64, &mut length);
    let large: Vec<u8> = [&usual.body[..], &[0x82, 0x06], &length, &filler].concat();
    for body in [twice, large] {
        assert_eq!(parse(&Bytes::from(body.clone())).unwrap(), registration);
        let signed = Signed { body: body.into(), ..usual.clone() };
        put(&mut registry, Entry::new(&signed, registration.clone()), 1);
        assert_eq!(registry.get(Id([1; 16])).unwrap().entry.signed, signed);
    }
}

#[test]
fn a_change_takes_the_place_and_what_is_removed_is_given() {
    let mut registry = Registry::default();
    put(&mut registry, Author::new(1).entry(1, 0), 1);
    put(&mut registry, Author::new(1).entry(1, 1), 2);
    assert_eq!((registry.count(), registry.lease(Id([1; 16]))), (1, Some(LeaseId(2))));
    let judge = |registry: &Registry, entry: Entry| registry.judge(registry.slot(Id([1; 16])), &entry);
    assert_eq!(judge(&registry, Author::new(1).entry(1, 1)), Ok(Standing::Equal));
    assert_eq!(*registry.remove(0).entry, Author::new(1).entry(1, 1));
    assert!(!registry.contains(Id([1; 16])) && registry.shown(0).is_none());
    assert_eq!(judge(&registry, Author::new(1).entry(1, 0)), Ok(Standing::New));
}
