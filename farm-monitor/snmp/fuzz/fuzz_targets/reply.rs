//! Any datagram, held against a GET and a GETBULK of v2c and against a signed GET of v3 in flight. What is accepted must be
//! what a right encoder would say of it, and no datagram passes the signature of v3: nobody here has the key.
#![no_main]

use bytes::Bytes;
use hedgerow_snmp::judge::{Judge, Verdict};
use hedgerow_snmp::{AuthProtocol, Oid, Request, Secret, Security, V3User, Value};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const ID: i32 = 0x1234_5678;

static JUDGES: LazyLock<[Judge; 3]> = LazyLock::new(|| {
    let v2c = || Security::V2c { community: Secret::new("public") };
    let names = |many: u32| (0..many).map(|i| Oid::new([1, 3, 6, 1, 2, 1, 2, 2, 1, 10, i * 1_000])).collect();
    let bulk = Request::GetBulk { non_repeaters: 1, max_repetitions: 50, oids: names(3) };
    let user = V3User {
        name: "ann".to_owned(),
        auth: Some((AuthProtocol::Sha1, Secret::new(format!("{:?}", std::time::SystemTime::now())))),
        privacy: None,
        context: String::new(),
    };
    [(Request::Get(names(2)), v2c()), (bulk, v2c()), (Request::Get(names(2)), Security::V3(user))]
        .map(|(request, security)| Judge::new(request, security, ID).expect("a judge"))
});

fuzz_target!(|data: &[u8]| {
    let [get, bulk, signed] = &*JUDGES;
    for judge in [get, bulk] {
        if let Ok(Verdict::Answer(Ok(reply))) = judge.hear(Bytes::copy_from_slice(data)) {
            let is_historic = |value: &Value| {
                matches!(value, Value::Unknown { .. } | Value::Nsap(_) | Value::UInteger32(_))
            };
            if reply.varbinds.iter().any(|varbind| is_historic(&varbind.value)) {
                continue;
            }
            let fresh = judge.reply(&reply.varbinds).expect("what was read can be said");
            match judge.hear(fresh.into()) {
                Ok(Verdict::Answer(Ok(again))) => assert_eq!(again.varbinds, reply.varbinds),
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(!matches!(signed.hear(Bytes::copy_from_slice(data)), Ok(Verdict::Answer(_))));
});
