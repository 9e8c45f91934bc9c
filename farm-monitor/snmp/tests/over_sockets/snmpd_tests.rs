//! Against the real `snmpd`: every version, every protocol, refusals, and a restart.

use crate::snmpd::{Left, Snmpd};
use crate::{ask, engine, oids, v2c};
use hedgerow_snmp::{
    Agent, AskError, AuthProtocol, PrivacyProtocol, Request, Secret, Security, V3User, Value,
};
use std::sync::Arc;

const CONF: &str = "rocommunity public\nsysDescr a test\nsysName here\n";
const SYS_DESCR: &str = "1.3.6.1.2.1.1.1.0";
const SYS_NAME: &str = "1.3.6.1.2.1.1.5.0";

#[tokio::test]
async fn v2c_get_getnext_and_getbulk() {
    let snmpd = Snmpd::start(CONF);
    let (engine, agent) = (engine(), v2c(snmpd.address));
    let reply =
        ask(&engine, &agent, Request::Get(oids(&[SYS_NAME, SYS_DESCR, "1.3.6.1.2.1.1.99.0"]))).await.unwrap();
    assert_eq!(reply.varbinds[0].value, Value::OctetString("here".into()));
    assert_eq!(reply.varbinds[1].value, Value::OctetString("a test".into()));
    assert_eq!(reply.varbinds[2].value, Value::NoSuchObject);
    let reply =
        ask(&engine, &agent, Request::GetNext(oids(&["1.3.6.1.2.1.1.1", "1.3.6.1.2.1.1.4"]))).await.unwrap();
    assert_eq!(reply.varbinds[0].oid, oids(&[SYS_DESCR])[0]);
    let request = Request::GetBulk {
        non_repeaters: 1,
        max_repetitions: 5,
        oids: oids(&["1.3.6.1.2.1.1.5", "1.3.6.1.2.1.1"]),
    };
    let reply = ask(&engine, &agent, request).await.unwrap();
    assert_eq!(reply.varbinds.len(), 6);
    assert_eq!(reply.varbinds[0].value, Value::OctetString("here".into()));
}

#[tokio::test]
async fn v1_gets_and_says_no_such_name_and_refuses_bulk() {
    let snmpd = Snmpd::start(CONF);
    let security = Arc::new(Security::V1 { community: Secret::new("public") });
    let (engine, agent) = (engine(), Agent { address: snmpd.address, security });
    let reply = ask(&engine, &agent, Request::Get(oids(&[SYS_NAME]))).await.unwrap();
    assert_eq!(reply.varbinds[0].value, Value::OctetString("here".into()));
    let error =
        ask(&engine, &agent, Request::Get(oids(&[SYS_NAME, "1.3.6.1.2.1.1.99.0"]))).await.unwrap_err();
    assert_eq!(error, AskError::Status { status: 2, word: "noSuchName", index: 2 });
    let bulk = Request::GetBulk { non_repeaters: 0, max_repetitions: 5, oids: oids(&[SYS_NAME]) };
    assert!(matches!(ask(&engine, &agent, bulk).await, Err(AskError::NotAskable(_))));
}

#[tokio::test]
async fn a_wrong_community_is_a_time_out() {
    let snmpd = Snmpd::start(CONF);
    let security = Arc::new(Security::V2c { community: Secret::new("privat") });
    let error = ask(&engine(), &Agent { address: snmpd.address, security }, Request::Get(oids(&[SYS_NAME])))
        .await
        .unwrap_err();
    assert!(matches!(error, AskError::TimedOut { attempts: 2, .. }), "{error}");
}

const AUTHS: [(AuthProtocol, &str); 6] = [
    (AuthProtocol::Md5, "MD5"),
    (AuthProtocol::Sha1, "SHA"),
    (AuthProtocol::Sha224, "SHA-224"),
    (AuthProtocol::Sha256, "SHA-256"),
    (AuthProtocol::Sha384, "SHA-384"),
    (AuthProtocol::Sha512, "SHA-512"),
];
const PRIVACIES: [(PrivacyProtocol, &str); 4] = [
    (PrivacyProtocol::Des, "DES"),
    (PrivacyProtocol::Aes128, "AES"),
    (PrivacyProtocol::Aes192, "AES-192"),
    (PrivacyProtocol::Aes256, "AES-256"),
];

/// A name for each combination, with its line of configuration.
fn users() -> (Vec<V3User>, String) {
    let mut conf = format!("{CONF}createUser open\nrouser open noauth\n");
    let named =
        |name: &str| V3User { name: name.to_owned(), auth: None, privacy: None, context: String::new() };
    let mut users = vec![named("open")];
    for (auth, auth_word) in AUTHS {
        let name = format!("a-{auth_word}");
        conf += &format!("createUser {name} {auth_word} \"the signing one\"\nrouser {name} auth\n");
        let signs = V3User { auth: Some((auth, Secret::new("the signing one"))), ..named(&name) };
        for (privacy, privacy_word) in PRIVACIES {
            let name = format!("{auth_word}-{privacy_word}");
            conf += &format!(
                "createUser {name} {auth_word} \"the signing one\" {privacy_word} \"the hiding one\"\nrouser {name} priv\n"
            );
            users.push(V3User {
                name,
                privacy: Some((privacy, Secret::new("the hiding one"))),
                ..signs.clone()
            });
        }
        users.push(signs);
    }
    (users, conf)
}

#[tokio::test]
async fn v3_with_every_protocol() {
    let (users, conf) = users();
    assert_eq!(users.len(), 1 + 6 + 24);
    let snmpd = Snmpd::start(&conf);
    let engine = engine();
    for user in users {
        let agent = Agent { address: snmpd.address, security: Arc::new(Security::V3(user.clone())) };
        let reply = ask(&engine, &agent, Request::Get(oids(&[SYS_NAME]))).await;
        let reply = reply.unwrap_or_else(|error| panic!("{user:?}: {error}"));
        assert_eq!(reply.varbinds[0].value, Value::OctetString("here".into()), "{user:?}");
        let bulk = Request::GetBulk { non_repeaters: 0, max_repetitions: 20, oids: oids(&["1.3.6.1.2.1.1"]) };
        assert_eq!(ask(&engine, &agent, bulk).await.unwrap().varbinds.len(), 20, "{user:?}");
    }
    let counts = engine.counts();
    assert_eq!(counts.received.get(), counts.answered.get() + counts.reports.get());
    assert_eq!(counts.timed_out.get(), 0);
}

#[tokio::test]
async fn v3_finds_its_way_after_a_reboot_a_lost_boot_count_and_a_new_engine_id() {
    let user = "createUser ann SHA \"the signing one\" AES \"the hiding one\"\nrouser ann priv\n";
    let mut snmpd = Snmpd::start(&format!("{CONF}{user}"));
    let engine = engine();
    let agent = Agent { address: snmpd.address, security: Arc::new(Security::V3(ann())) };
    let get = || Request::Get(oids(&[SYS_NAME]));
    ask(&engine, &agent, get()).await.unwrap();
    for _ in 0..3 {
        snmpd.restart(Left::All);
        ask(&engine, &agent, get()).await.expect("boots is one more");
    }
    // Another engine id: the default one of `snmpd` is random, and kept with its state.
    snmpd.restart(Left::Nothing);
    ask(&engine, &agent, get()).await.expect("another engine");
    assert_eq!(engine.counts().timed_out.get(), 0);
}

#[tokio::test]
async fn v3_misses_one_question_where_an_engine_forgot_its_boots_and_goes_on() {
    let user = "createUser ann SHA \"the signing one\" AES \"the hiding one\"\nrouser ann priv\n";
    let mut snmpd = Snmpd::start(&format!("{CONF}{user}"));
    let engine = engine();
    let agent = Agent { address: snmpd.address, security: Arc::new(Security::V3(ann())) };
    let get = || Request::Get(oids(&[SYS_NAME]));
    snmpd.restart(Left::All);
    ask(&engine, &agent, get()).await.unwrap();
    // The same engine with fewer boots than before: what it says could be from the past.
    snmpd.restart(Left::AllButBoots);
    let error = ask(&engine, &agent, get()).await.unwrap_err();
    assert!(error.to_string().contains("outside the time window"), "{error}");
    ask(&engine, &agent, get()).await.expect("it is met anew");
}

#[tokio::test]
async fn v3_refusals_say_why() {
    let user = "createUser ann SHA \"the signing one\" AES \"the hiding one\"\nrouser ann auth\n\
                createUser signs SHA \"the signing one\"\nrouser signs auth\n";
    let snmpd = Snmpd::start(&format!("{CONF}{user}"));
    let engine = engine();
    let unknown = V3User { name: "bob".to_owned(), ..ann() };
    let wrong_secret = V3User { auth: Some((AuthProtocol::Sha1, Secret::new("another one"))), ..ann() };
    let wrong_protocol =
        V3User { auth: Some((AuthProtocol::Sha256, Secret::new("the signing one"))), ..ann() };
    let no_privacy = V3User { name: "signs".to_owned(), ..ann() };
    let too_open = V3User { auth: None, privacy: None, ..ann() };
    for (user, word) in [
        (unknown, "usmStatsUnknownUserNames"),
        (wrong_secret, "usmStatsWrongDigests"),
        (wrong_protocol, "usmStatsWrongDigests"),
        (no_privacy, "usmStatsUnsupportedSecLevels"),
        (too_open, "authorizationError"),
    ] {
        let agent = Agent { address: snmpd.address, security: Arc::new(Security::V3(user.clone())) };
        match ask(&engine, &agent, Request::Get(oids(&[SYS_NAME]))).await {
            Err(AskError::Refused(why)) => assert!(why.contains(word), "{user:?}: {why}"),
            other => panic!("{user:?}: {other:?}"),
        }
    }
}

fn ann() -> V3User {
    V3User {
        name: "ann".to_owned(),
        auth: Some((AuthProtocol::Sha1, Secret::new("the signing one"))),
        privacy: Some((PrivacyProtocol::Aes128, Secret::new("the hiding one"))),
        context: String::new(),
    }
}
