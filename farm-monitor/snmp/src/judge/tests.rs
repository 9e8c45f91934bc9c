use super::*;
use crate::agent::{AuthProtocol, PrivacyProtocol, Secret};
use crate::ask::TOO_BIG;
use async_snmp::varbind::decode_varbind_list;
use async_snmp::{Oid, Value};
use proptest::prelude::*;

const ID: i32 = 0x1234_5678;

fn v2c() -> Security {
    Security::V2c { community: Secret::new("public") }
}

fn ann() -> V3User {
    V3User {
        name: "ann".to_owned(),
        auth: Some((AuthProtocol::Sha1, Secret::new("the signing one"))),
        privacy: Some((PrivacyProtocol::Aes128, Secret::new("the hiding one"))),
        context: String::new(),
    }
}

/// One value of each kind, and some that are long, large or negative.
fn values() -> Vec<VarBind> {
    let long: Vec<u8> = (0..=255).collect();
    [
        Value::Integer(-42),
        Value::Integer(i32::MAX),
        Value::OctetString("a switch".into()),
        Value::OctetString(long.into()),
        Value::OctetString(Bytes::new()),
        Value::ObjectIdentifier(Oid::new([1, 3, 6, 1, 4, 1, 8072, u32::MAX])),
        Value::IpAddress([10, 0, 0, 1]),
        Value::Counter32(u32::MAX),
        Value::Gauge32(1_000_000_000),
        Value::TimeTicks(123_456),
        Value::Opaque(Bytes::from_static(&[0x9f, 0x78, 4, 0x42, 0xf6, 0, 0])),
        Value::Counter64(u64::MAX),
        Value::NoSuchObject,
        Value::NoSuchInstance,
    ]
    .into_iter()
    .enumerate()
    .map(|(i, value)| VarBind::new(Oid::new([1, 3, 6, 1, 2, 1, 2, 2, 1, 10, i as u32 * 1_000]), value))
    .collect()
}

fn get() -> Request {
    Request::Get(values().into_iter().map(|varbind| varbind.oid).collect())
}

fn heard(judge: &Judge, datagram: &[u8]) -> Result<Verdict, Wrong> {
    judge.hear(Bytes::copy_from_slice(datagram))
}

fn is_answer(verdict: &Result<Verdict, Wrong>, varbinds: &[VarBind]) -> bool {
    matches!(verdict, Ok(Verdict::Answer(Ok(reply))) if reply.varbinds == varbinds)
}

#[test]
fn the_right_reply_is_the_answer_at_every_level() {
    let signs = V3User { privacy: None, ..ann() };
    let open = V3User { auth: None, ..signs.clone() };
    let hidden_by_des =
        V3User { privacy: Some((PrivacyProtocol::Des, Secret::new("the hiding one"))), ..ann() };
    let elsewhere = V3User { context: "vlan-7".to_owned(), ..ann() };
    for security in [
        Security::V1 { community: Secret::new("public") },
        v2c(),
        Security::V3(open),
        Security::V3(signs),
        Security::V3(ann()),
        Security::V3(hidden_by_des),
        Security::V3(elsewhere),
    ] {
        let judge = Judge::new(get(), security, ID).unwrap();
        let varbinds = if matches!(*judge.flight.question.security, Security::V1 { .. }) {
            values().into_iter().map(|varbind| VarBind { value: Value::Integer(1), ..varbind }).collect()
        } else {
            values()
        };
        assert!(is_answer(&heard(&judge, &judge.reply(&varbinds).unwrap()), &varbinds));
    }
}

/// What an agent says to `says` is heard by who asked with `asks`.
fn crossed(asks: Security, says: Security) -> Result<Verdict, Wrong> {
    let reply = Judge::new(get(), says, ID).unwrap().reply(&values()).unwrap();
    heard(&Judge::new(get(), asks, ID).unwrap(), &reply)
}

#[test]
fn a_reply_under_other_security_is_none() {
    let v3 = |change: &dyn Fn(&mut V3User)| {
        let mut user = ann();
        change(&mut user);
        Security::V3(user)
    };
    let same = v3(&|_| ());
    let signs = v3(&|user| user.privacy = None);
    let open = v3(&|user| (user.auth, user.privacy) = (None, None));
    let cases = [
        (same.clone(), signs.clone(), Wrong::Security),
        (same.clone(), open.clone(), Wrong::Digest),
        (signs.clone(), open.clone(), Wrong::Digest),
        (signs, same.clone(), Wrong::Security),
        (open, same.clone(), Wrong::Security),
        (same.clone(), v3(&|user| user.name = "bob".to_owned()), Wrong::Security),
        (same.clone(), v3(&|user| user.context = "other".to_owned()), Wrong::Security),
        (
            same.clone(),
            v3(&|user| user.auth = Some((AuthProtocol::Sha1, Secret::new("another one")))),
            Wrong::Digest,
        ),
        (
            same.clone(),
            v3(&|user| user.auth = Some((AuthProtocol::Sha256, Secret::new("the signing one")))),
            Wrong::Digest,
        ),
        (
            same.clone(),
            v3(&|user| user.privacy = Some((PrivacyProtocol::Aes128, Secret::new("another one")))),
            Wrong::NotDecrypted,
        ),
        (
            same.clone(),
            v3(&|user| user.privacy = Some((PrivacyProtocol::Des, Secret::new("the hiding one")))),
            Wrong::NotDecrypted,
        ),
        (same.clone(), v2c(), Wrong::Security),
        (v2c(), same, Wrong::Security),
        (v2c(), Security::V2c { community: Secret::new("private") }, Wrong::Security),
    ];
    for (asks, says, wrong) in cases {
        let case = format!("{asks:?} hears {says:?}");
        assert_eq!(crossed(asks, says), Err(wrong), "{case}");
    }
}

#[test]
fn a_signed_reply_with_another_id_inside_engine_or_time_is_none() {
    let judge = Judge::new(get(), Security::V3(ann()), ID).unwrap();
    let right = judge.reply(&values()).unwrap();
    // Signed with the right key, and of the right message id, but the answer to another request.
    let inside = {
        let Seal::Usm { keys, .. } = &judge.flight.seal else { panic!("no keys") };
        let engine = judge.flight.question.target.engine.lock();
        let engine = engine.as_ref().unwrap();
        let other = Request::Get(vec![]);
        let scoped = engine.scoped(&ann(), |buf| wire::push_pdu(buf, &other, ID + 1)).unwrap();
        let mut scoped = scoped;
        let at = scoped.iter().position(|byte| *byte == tag::pdu::GET_REQUEST).unwrap();
        scoped[at] = tag::pdu::RESPONSE;
        let sending = Sending { id: ID, longest: wire::LONGEST, now: judge.flight.sent };
        engine.sealed(&ann(), keys, &judge.salts, &scoped, &sending).unwrap()
    };
    assert_eq!(heard(&judge, &inside), Err(Wrong::RequestId));
    for (boots, time, wrong) in
        [(2, 5_000, true), (3, 849, true), (3, 850, false), (3, 2_000, false), (4, 0, false)]
    {
        let says = Judge::new(get(), Security::V3(ann()), ID).unwrap();
        *says.flight.question.target.engine.lock() =
            Some(Engine::known(engine_id(&judge), boots, time, says.flight.sent));
        let reply = says.reply(&values()).unwrap();
        let hears = Judge::new(get(), Security::V3(ann()), ID).unwrap();
        let verdict = heard(&hears, &reply);
        if wrong {
            assert_eq!(verdict, Err(Wrong::TimeWindow), "{boots} {time}");
        } else {
            assert!(is_answer(&verdict, &values()), "{boots} {time}: {verdict:?}");
        }
    }
    let says = Judge::new(get(), Security::V3(ann()), ID).unwrap();
    *says.flight.question.target.engine.lock() =
        Some(Engine::known(Bytes::from_static(b"another engine"), 3, 1_000, says.flight.sent));
    assert_eq!(heard(&judge, &says.reply(&values()).unwrap()), Err(Wrong::Security));
    assert!(is_answer(&heard(&judge, &right), &values()));
}

fn engine_id(judge: &Judge) -> Bytes {
    judge.flight.question.target.engine.lock().as_ref().unwrap().id().clone()
}

#[test]
fn shapes() {
    let names = |many: u32| (0..many).map(|i| Oid::new([1, 3, 6, 1, i])).collect::<Vec<_>>();
    let found = |many: u32| -> Vec<VarBind> {
        (0..many).map(|i| VarBind::new(Oid::new([1, 3, 6, 1, 9, i]), Value::Integer(1))).collect()
    };
    let bulk =
        |non_repeaters, max_repetitions| Request::GetBulk { non_repeaters, max_repetitions, oids: names(3) };
    for (request, many, fits) in [
        (Request::GetNext(names(3)), 3, true),
        (Request::GetNext(names(3)), 2, false),
        (Request::GetNext(names(3)), 4, false),
        (bulk(1, 10), 21, true),
        (bulk(1, 10), 22, false),
        (bulk(0, 0), 0, true),
        (bulk(7, 10), 3, true),
        (bulk(7, 10), 4, false),
        (bulk(0, 0), 1, false),
        (bulk(0, u32::MAX), 1_000, true),
        (bulk(u32::MAX, u32::MAX), 3, true),
    ] {
        let judge = Judge::new(request.clone(), v2c(), ID).unwrap();
        let verdict = heard(&judge, &judge.reply(&found(many)).unwrap());
        assert_eq!(is_answer(&verdict, &found(many)), fits, "{request:?} with {many}: {verdict:?}");
        assert!(fits || verdict == Err(Wrong::Shape));
    }
}

/// It must not look as if a table had ended.
#[test]
fn an_empty_reply_to_bulk_means_that_one_name_would_be_too_big() {
    let oids = vec![Oid::new([1, 3, 6, 1])];
    for (non_repeaters, max_repetitions) in [(0, 10), (1, 0)] {
        let bulk = Request::GetBulk { non_repeaters, max_repetitions, oids: oids.clone() };
        for security in [v2c(), Security::V3(ann())] {
            let judge = Judge::new(bulk.clone(), security, ID).unwrap();
            let verdict = heard(&judge, &judge.reply(&[]).unwrap());
            let Ok(Verdict::Answer(Err(AskError::Status { status: TOO_BIG, index: 0, .. }))) = verdict else {
                panic!("{verdict:?}")
            };
        }
    }
}

// ---- Mutations --------------------------------------------------------------------------------------------------------

/// A small generator with a seed (SplitMix64), so that what failed can be had again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % below.max(1) as u64) as usize
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.roll(3) {
            let at = self.roll(bytes.len());
            match self.roll(9) {
                0 | 1 if !bytes.is_empty() => bytes[at] ^= 1 << self.roll(8),
                2 if !bytes.is_empty() => bytes[at] = self.roll(256) as u8,
                3 if !bytes.is_empty() => {
                    bytes[at] = [0, 1, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff, 0x30][self.roll(9)]
                }
                4 => bytes.insert(at, self.roll(256) as u8),
                5 if !bytes.is_empty() => drop(bytes.remove(at)),
                6 => bytes.truncate(at),
                7 => {
                    let to = (at + self.roll(40)).min(bytes.len());
                    let piece = bytes[at..to].to_vec();
                    let into = self.roll(bytes.len());
                    bytes.splice(into..into, piece);
                }
                _ => {
                    let from = self.roll(other.len());
                    let piece = &other[from..(from + self.roll(60)).min(other.len())];
                    let to = (at + piece.len()).min(bytes.len());
                    bytes.splice(at..to, piece.iter().copied());
                }
            }
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    /// Refused.
    refused: usize,
    /// Byte for byte what a right encoder makes of the values: a valid message, as it might have been sent.
    valid: usize,
    /// Says the same values in a roundabout way (long lengths, leading zeros).
    roundabout: usize,
    /// Has a value of no known type, or of one that no agent sends any more, and says so.
    unknown: usize,
}

/// v2c has no signature: a changed value in a message that stays well-formed cannot be told. What must hold: no crash; what
/// is accepted is well-formed, of the right version, community, id and names; its values are those that are in the bytes,
/// by the word of a second decoder.
fn mutated_open_replies(many: usize, seed: u64) -> Tally {
    let judge = Judge::new(get(), v2c(), ID).unwrap();
    let bulk = Request::GetBulk { non_repeaters: 0, max_repetitions: 50, oids: vec![Oid::new([1, 3, 6, 1])] };
    let judge_of_bulk = Judge::new(bulk, v2c(), ID).unwrap();
    let right = judge.reply(&values()).unwrap();
    let small = judge.reply(&values()[..2]).unwrap();
    let (mut dice, mut tally) = (Dice(seed), Tally::default());
    for round in 0..many {
        let judge = if round % 2 == 0 { &judge } else { &judge_of_bulk };
        let mut bytes = if round % 3 == 0 { small.clone() } else { right.clone() };
        dice.mutate(&mut bytes, if round % 5 == 0 { &small } else { &right });
        match heard(judge, &bytes) {
            Err(_) => tally.refused += 1,
            Ok(Verdict::Report) => panic!("v2c has no reports: {bytes:02x?}"),
            Ok(Verdict::Answer(Err(_))) => tally.refused += 1,
            Ok(Verdict::Answer(Ok(reply))) => {
                assert!(wire::shape_fits(&judge.flight.question.request, &reply.varbinds));
                let is_historic = |value: &Value| {
                    matches!(value, Value::Unknown { .. } | Value::Nsap(_) | Value::UInteger32(_))
                };
                if reply.varbinds.iter().any(|varbind| is_historic(&varbind.value)) {
                    tally.unknown += 1;
                    continue;
                }
                // What a right encoder makes of the values must mean the same, or be the same.
                let fresh = judge.reply(&reply.varbinds).unwrap();
                assert!(is_answer(&heard(judge, &fresh), &reply.varbinds), "{bytes:02x?}");
                if without_error_index(fresh) == without_error_index(bytes.clone()) {
                    agrees_with_the_old_decoder(&bytes, &reply.varbinds);
                    tally.valid += 1;
                } else {
                    tally.roundabout += 1;
                }
            }
        }
    }
    tally
}

/// Our reading of names and values against the library's, on the same bytes: both refuse, or both see the same.
fn mutated_lists_are_read_as_the_library_reads_them(many: usize, seed: u64) -> usize {
    let mut buf = EncodeBuf::new();
    encode_varbind_list(&mut buf, &values()).unwrap();
    let right = buf.finish_vec();
    let header = right.len() - wire::strict(right.clone().into()).read_sequence().unwrap().remaining();
    let (mut dice, mut read) = (Dice(seed), 0);
    for _ in 0..many {
        let mut content = right[header..].to_vec();
        dice.mutate(&mut content, &right);
        let content = Bytes::from(content);
        let mut whole = EncodeBuf::new();
        whole.push_bytes(&content);
        whole.push_length(content.len()).unwrap();
        whole.push_tag(tag::universal::SEQUENCE);
        let theirs = decode_varbind_list(&mut wire::strict(whole.finish())).ok();
        let ours = crate::varbinds::read(&content).ok();
        assert_eq!(ours, theirs, "{content:02x?}");
        read += usize::from(ours.is_some());
    }
    read
}

/// An error index without an error says nothing.
fn without_error_index(mut message: Vec<u8>) -> Vec<u8> {
    let id = ID.to_be_bytes();
    if let Some(at) = message.windows(4).position(|bytes| bytes == id)
        && message.get(at + 4..at + 9) == Some(&[2, 1, 0, 2, 1])
    {
        message[at + 9] = 0;
    }
    message
}

fn agrees_with_the_old_decoder(bytes: &[u8], varbinds: &[VarBind]) {
    let told = snmp::SnmpPdu::from_bytes(bytes).unwrap_or_else(|error| panic!("{error:?}: {bytes:02x?}"));
    assert_eq!((told.req_id, told.error_status), (ID, 0));
    let mut told = told.varbinds;
    for ours in varbinds {
        let Some((name, value)) = told.next() else {
            // What it cannot read is where its list ends, without a word.
            let beyond_it = match &ours.value {
                Value::NoSuchObject | Value::NoSuchInstance | Value::EndOfMibView => true,
                Value::Counter64(number) => *number > i64::MAX as u64,
                _ => false,
            };
            assert!(beyond_it, "it has no {ours:?}: {bytes:02x?}");
            return;
        };
        assert!(same_name(&name, &ours.oid), "{name:?} and {}", ours.oid);
        let same = match (&value, &ours.value) {
            (snmp::Value::Null, Value::Null) => true,
            (snmp::Value::Integer(a), Value::Integer(b)) => *a == i64::from(*b),
            (snmp::Value::OctetString(a), Value::OctetString(b))
            | (snmp::Value::Opaque(a), Value::Opaque(b)) => a == b,
            (snmp::Value::ObjectIdentifier(a), Value::ObjectIdentifier(b)) => same_name(a, b),
            (snmp::Value::IpAddress(a), Value::IpAddress(b)) => a == b,
            (snmp::Value::Counter32(a), Value::Counter32(b))
            | (snmp::Value::Unsigned32(a), Value::Gauge32(b))
            | (snmp::Value::Timeticks(a), Value::TimeTicks(b)) => a == b,
            (snmp::Value::Counter64(a), Value::Counter64(b)) => a == b,
            _ => false,
        };
        assert!(same, "{value:?} and {ours:?}: {bytes:02x?}");
    }
}

/// It cannot read names that begin with anything but 0.x, 1.x or 2.x for small x, nor arcs past 28 bits.
fn same_name(theirs: &snmp::ObjectIdentifier<'_>, ours: &Oid) -> bool {
    let arcs = ours.arcs();
    let first_fits_a_byte = matches!(arcs, [0 | 1, ..]) || matches!(arcs, [2, second, ..] if *second < 40);
    let mut room = [0; 128];
    match theirs.read_name(&mut room) {
        Ok(name) => name == arcs || !first_fits_a_byte,
        Err(_) => arcs.len() >= 128 || theirs.raw().len() < 2,
    }
}

/// Nothing that was signed can be changed.
fn mutated_signed_replies(many: usize, seed: u64, user: V3User) -> usize {
    let judge = Judge::new(get(), Security::V3(user.clone()), ID).unwrap();
    let right = judge.reply(&values()).unwrap();
    let other = Judge::new(get(), Security::V3(user), ID ^ 1).unwrap().reply(&values()).unwrap();
    let mut dice = Dice(seed);
    let mut changed = 0;
    for _ in 0..many {
        let mut bytes = right.clone();
        dice.mutate(&mut bytes, &other);
        if bytes == right {
            continue;
        }
        changed += 1;
        let verdict = heard(&judge, &bytes);
        assert!(!matches!(verdict, Ok(Verdict::Answer(_))), "believed: {bytes:02x?}");
    }
    assert!(is_answer(&heard(&judge, &right), &values()));
    changed
}

fn all_mutations(many: usize, seed: u64) {
    let tally = mutated_open_replies(many, seed);
    println!("v2c: {tally:?}");
    assert!(tally.refused > many / 2 && tally.valid > many / 100 && tally.roundabout > 0, "{tally:?}");
    let read = mutated_lists_are_read_as_the_library_reads_them(many, seed);
    println!("lists: {read} of {many} read, as the library reads them");
    assert!(read > many / 20 && read < many / 2);
    let signs = V3User { privacy: None, ..ann() };
    let changed = [signs, ann()].map(|user| mutated_signed_replies(many / 4, seed, user));
    println!("v3: {changed:?} changed, none believed");
    assert!(changed.iter().all(|changed| *changed > many / 5), "{changed:?}");
}

#[test]
fn mutated_replies_neither_crash_nor_become_wrong_values() {
    all_mutations(20_000, 1);
}

#[test]
#[ignore = "10^6 of them: in a release build, a minute"]
fn a_million_mutated_replies_neither_crash_nor_become_wrong_values() {
    all_mutations(1_000_000, 2);
}

proptest! {
    /// Whatever an agent may say, both decoders read the same.
    #[test]
    fn well_formed_replies_are_read_as_the_old_decoder_reads_them(
        varbinds in prop::collection::vec((any_oid(), any_value()), 0..40)
    ) {
        let varbinds: Vec<VarBind> = varbinds.into_iter().map(|(oid, value)| VarBind::new(oid, value)).collect();
        let request = Request::Get(varbinds.iter().map(|varbind| varbind.oid.clone()).collect());
        let judge = Judge::new(request, v2c(), ID).unwrap();
        let bytes = judge.reply(&varbinds).unwrap();
        prop_assert!(is_answer(&heard(&judge, &bytes), &varbinds));
        agrees_with_the_old_decoder(&bytes, &varbinds);
    }

    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let judge = Judge::new(get(), v2c(), ID).unwrap();
        prop_assert!(heard(&judge, &bytes).is_err());
    }
}

fn any_oid() -> impl Strategy<Value = Oid> {
    let arc = prop_oneof![0_u32..128, any::<u32>().prop_map(|arc| arc & 0x0fff_ffff)];
    (0_u32..3, 0_u32..40, prop::collection::vec(arc, 1..30))
        .prop_map(|(first, second, rest)| Oid::new([first, second].into_iter().chain(rest)))
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i32>().prop_map(Value::Integer),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| Value::OctetString(bytes.into())),
        Just(Value::Null),
        any_oid().prop_map(Value::ObjectIdentifier),
        any::<[u8; 4]>().prop_map(Value::IpAddress),
        any::<u32>().prop_map(Value::Counter32),
        any::<u32>().prop_map(Value::Gauge32),
        any::<u32>().prop_map(Value::TimeTicks),
        prop::collection::vec(any::<u8>(), 0..30).prop_map(|bytes| Value::Opaque(bytes.into())),
        any::<u64>().prop_map(Value::Counter64),
        Just(Value::NoSuchObject),
        Just(Value::EndOfMibView),
    ]
}

/// What the fuzz target begins with: replies of each kind, and what was found since.
#[test]
fn the_kept_corpus_neither_crashes_nor_becomes_wrong_values() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/reply");
    let judges = [v2c(), Security::V3(ann())].map(|security| Judge::new(get(), security, ID).unwrap());
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        seen += 1;
        for judge in &judges {
            assert!(!matches!(heard(judge, &bytes), Ok(Verdict::Answer(Ok(_)))), "{bytes:02x?}");
        }
    }
    assert!(seen >= 10, "the corpus is gone");
}
