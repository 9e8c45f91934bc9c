use super::*;
use async_snmp::message::{CommunityMessage, Message, ScopedPdu, SecurityLevel};
use async_snmp::oid;
use async_snmp::pdu::{
    GenericTrap, NotificationPdu, Pdu, PduType, RequestPdu, TrapV1Notification, TrapV1Pdu,
};
use async_snmp::v3::{ReportStatus, classify_report};
use proptest::prelude::*;
use std::time::Duration;

use crate::agent::{AuthProtocol, PrivacyProtocol};

#[expect(clippy::disallowed_methods, reason = "a point to count from")]
fn start() -> Instant {
    Instant::now()
}

fn user(name: &str, auth: Option<AuthProtocol>, privacy: Option<PrivacyProtocol>) -> Security {
    Security::V3(V3User {
        name: name.to_owned(),
        auth: auth.map(|protocol| (protocol, Secret::new("correct horse"))),
        privacy: privacy.map(|protocol| (protocol, Secret::new("battery staple"))),
        context: String::new(),
    })
}

fn credentials() -> Vec<Security> {
    vec![
        Security::V2c { community: Secret::new("traps") },
        user("plain", None, None),
        user("signed", Some(AuthProtocol::Sha256), None),
        user("secret", Some(AuthProtocol::Sha256), Some(PrivacyProtocol::Aes128)),
        user("old", Some(AuthProtocol::Md5), Some(PrivacyProtocol::Des)),
        user("long", Some(AuthProtocol::Sha1), Some(PrivacyProtocol::Aes256)),
    ]
}

/// An engine: a farm, or a device that signs with its own clock.
fn acceptor(id: &'static [u8], boots: u32, started: Instant) -> Acceptor {
    let mut acceptor = Acceptor::new(OwnEngine::new(Bytes::from_static(id), boots, started).unwrap());
    acceptor.set_keyring(Keyring::new(&credentials()).unwrap());
    acceptor
}

const FARM: &[u8] = b"\x80\x00\x00\x00\x01farm";
const DEVICE: &[u8] = b"\x80\x00\x00\x00\x01device";

fn link_down() -> Oid {
    oid!(1, 3, 6, 1, 6, 3, 1, 1, 5, 3)
}

fn if_index() -> VarBind {
    VarBind::new(oid!(1, 3, 6, 1, 2, 1, 2, 2, 1, 1, 7), Value::Integer(7))
}

fn trap(version: Version) -> Pdu {
    NotificationPdu::trap_v2(version, 42, 12_345, &link_down(), vec![if_index()]).unwrap().into_raw()
}

fn inform(version: Version) -> Pdu {
    NotificationPdu::inform(version, 43, 12_345, &link_down(), vec![if_index()]).unwrap().into_raw()
}

fn v2c(community: &'static str, pdu: Pdu) -> Bytes {
    CommunityMessage::v2c(Bytes::from_static(community.as_bytes()), pdu).unwrap().encode().unwrap()
}

fn v3(from: &Acceptor, user: &'static str, pdu: Pdu, now: Instant) -> Bytes {
    let user = Bytes::from_static(user.as_bytes());
    let level = from.keyring.users[&user].level();
    let scoped = ScopedPdu::new(from.own.id().clone(), Bytes::new(), pdu);
    from.sealed(&user, level, 1, scoped, now).unwrap().into()
}

fn reason(result: Result<Incoming, Refused>) -> Reason {
    result.map(|incoming| incoming.notification).unwrap_err().reason
}

#[test]
fn a_trap_of_v1_is_translated() {
    let mut farm = acceptor(FARM, 1, start());
    let send = |generic, specific| {
        let enterprise = oid!(1, 3, 6, 1, 4, 1, 9999);
        let trap =
            TrapV1Pdu::from_raw_parts(enterprise, [10, 0, 0, 7], generic, specific, 99, vec![if_index()]);
        let trap = TrapV1Notification::try_from_raw(trap).unwrap().into_raw();
        CommunityMessage::v1_trap("traps", trap).unwrap().encode().unwrap()
    };
    let taken = farm.take(&send(GenericTrap::LinkDown, 0), start()).unwrap();
    let expected = Notification {
        version: Version::V1,
        oid: link_down(),
        uptime: 99,
        varbinds: vec![if_index()],
        agent: Some([10, 0, 0, 7].into()),
    };
    assert_eq!(taken.notification, expected);
    assert!(taken.ack.is_none() && taken.engine.is_none());
    let taken = farm.take(&send(GenericTrap::EnterpriseSpecific, 17), start()).unwrap();
    assert_eq!(taken.notification.oid, oid!(1, 3, 6, 1, 4, 1, 9999, 0, 17));
    // Generic trap 7 is none: the byte behind the address of the agent, by hand.
    let bytes = send(GenericTrap::LinkDown, 0).to_vec();
    let at = bytes.windows(3).position(|window| window == [2, 1, 2]).unwrap();
    let mut strange = bytes.clone();
    strange[at + 2] = 7;
    assert_eq!(reason(farm.take(&strange.into(), start())), Reason::Malformed);
    assert!(farm.take(&bytes.into(), start()).is_ok());
}

#[test]
fn v2c_needs_its_community_and_the_right_first_names() {
    let mut farm = acceptor(FARM, 1, start());
    let now = start();
    let taken = farm.take(&v2c("traps", trap(Version::V2c)), now).unwrap();
    assert_eq!((taken.notification.uptime, &taken.notification.oid), (12_345, &link_down()));
    assert_eq!(taken.notification.varbinds, [if_index()]);
    assert_eq!(reason(farm.take(&v2c("public", trap(Version::V2c)), now)), Reason::WrongCommunity);
    let get = RequestPdu::get(Version::V2c, 1, &[link_down()]).unwrap().into_raw();
    assert_eq!(reason(farm.take(&v2c("traps", get), now)), Reason::NotANotification);
    let whole = v2c("traps", trap(Version::V2c));
    let (id, body, mut varbinds) = trap(Version::V2c).into_raw_parts();
    varbinds.swap(0, 1);
    let swapped = Pdu::from_raw_parts(id, body, varbinds);
    // Not made by the codec, which is as strict: the two leading varbinds change places in the bytes.
    assert!(CommunityMessage::v2c("traps", swapped).is_err());
    let mut longer = whole.to_vec();
    longer.push(0);
    assert_eq!(reason(farm.take(&longer.into(), now)), Reason::Malformed);
    assert_eq!(reason(farm.take(&whole.slice(..whole.len() - 1), now)), Reason::Malformed);
    assert_eq!(
        reason(farm.take(&Bytes::from(vec![0x30; MAX_NOTIFICATION_BYTES + 1]), now)),
        Reason::Malformed
    );
}

#[test]
fn an_inform_of_v2c_is_answered_with_its_own_varbinds() {
    let mut farm = acceptor(FARM, 1, start());
    let taken = farm.take(&v2c("traps", inform(Version::V2c)), start()).unwrap();
    let ack = farm.acknowledgement(&taken.ack.unwrap(), start()).unwrap();
    let answer = Message::decode(ack.into(), DecodeConfig::STRICT).unwrap().value.into_pdu().unwrap();
    assert_eq!((answer.pdu_type(), answer.request_id()), (PduType::Response, 43));
    assert_eq!(answer.error_status(), 0);
    assert_eq!(answer.varbinds(), inform(Version::V2c).varbinds());
}

#[test]
fn traps_of_v3_are_let_in_with_every_protection_and_their_engine_is_named() {
    let now = start();
    let (mut farm, device) = (acceptor(FARM, 1, now), acceptor(DEVICE, 5, now));
    for name in ["plain", "signed", "secret", "old", "long"] {
        let datagram = v3(&device, name, trap(Version::V3), now);
        let taken = farm.take(&datagram, now).unwrap_or_else(|refused| panic!("{name}: {refused:?}"));
        assert_eq!(taken.notification.oid, link_down());
        assert_eq!(taken.engine, (name != "plain").then(|| Bytes::from_static(DEVICE)), "{name}");
    }
    assert_eq!(farm.learned(now), [LearnedEngine { id: Bytes::from_static(DEVICE), boots: 5, time: 0 }]);
}

#[test]
fn a_trap_that_is_sent_again_later_or_from_an_earlier_start_is_refused() {
    let now = start();
    let later = now + Duration::from_secs(151);
    let (mut farm, device) = (acceptor(FARM, 1, now), acceptor(DEVICE, 5, now));
    let datagram = v3(&device, "secret", trap(Version::V3), now);
    let first = farm.take(&datagram, now).unwrap();
    // Within the window it is the same notification, and shows it.
    assert_eq!(farm.take(&datagram, now).unwrap().fingerprint, first.fingerprint);
    assert_eq!(reason(farm.take(&datagram, later)), Reason::NotInTimeWindow);
    let restarted = acceptor(DEVICE, 6, later);
    farm.take(&v3(&restarted, "signed", trap(Version::V3), later), later).unwrap();
    assert_eq!(
        reason(farm.take(&v3(&device, "signed", trap(Version::V3), later), later)),
        Reason::NotInTimeWindow
    );
    // Also after a restart of the farm, if it recalls.
    let mut again = acceptor(FARM, 2, later);
    again.recall(farm.learned(later), later);
    assert_eq!(reason(again.take(&datagram, later)), Reason::NotInTimeWindow);
}

#[test]
fn whoever_is_not_known_or_cannot_prove_it_is_refused() {
    let now = start();
    let (mut farm, mut device) = (acceptor(FARM, 1, now), acceptor(DEVICE, 5, now));
    let Security::V3(mut other) = user("signed", Some(AuthProtocol::Sha256), None) else { panic!() };
    other.auth = Some((AuthProtocol::Sha256, Secret::new("wrong password")));
    let Security::V3(mut wrong_privacy) = credentials()[3].clone() else { panic!() };
    wrong_privacy.privacy = Some((PrivacyProtocol::Aes128, Secret::new("wrong password")));
    let unknown = user("nobody", Some(AuthProtocol::Sha256), None);
    device.set_keyring(Keyring::new(&[Security::V3(other), Security::V3(wrong_privacy), unknown]).unwrap());
    let mut judged = |name| reason(farm.take(&v3(&device, name, trap(Version::V3), now), now));
    assert_eq!(judged("signed"), Reason::WrongDigest);
    assert_eq!(judged("secret"), Reason::NotDecrypted);
    assert_eq!(judged("nobody"), Reason::UnknownUser);
    // In clear, with the name of a user who always signs; and signed, by one who always encrypts.
    device.set_keyring(
        Keyring::new(&[user("signed", None, None), user("secret", Some(AuthProtocol::Sha256), None)])
            .unwrap(),
    );
    let mut judged = |name| reason(farm.take(&v3(&device, name, trap(Version::V3), now), now));
    assert_eq!(judged("signed"), Reason::WrongLevel);
    assert_eq!(judged("secret"), Reason::WrongLevel);
}

/// A message as a sender of informs makes it: signed for the engine and the time that it believes the farm to have.
fn asked(sender: &Acceptor, user: &'static str, now: Instant) -> Bytes {
    let datagram = v3(sender, user, inform(Version::V3), now).to_vec();
    // The flag that wants an answer is under the signature: it is set before it.
    let user = Bytes::from_static(user.as_bytes());
    let key = sender.keyring.users[&user].signing_key(sender.own.id());
    let mut datagram = datagram;
    let at = datagram.windows(3).position(|bytes| bytes[0] == 4 && bytes[1] == 1 && bytes[2] < 4).unwrap();
    datagram[at + 2] |= 4;
    if let Some(key) = key {
        let (at, length) = async_snmp::v3::UsmSecurityParams::find_auth_params_offset(&datagram).unwrap();
        datagram[at..at + length].fill(0);
        async_snmp::v3::auth::authenticate_message(&key, &mut datagram, at, length).unwrap();
    }
    datagram.into()
}

fn report(refused: Refused) -> (Reason, ReportStatus) {
    let message = Message::decode(refused.report.unwrap().into(), DecodeConfig::STRICT).unwrap().value;
    (refused.reason, classify_report(message.pdu().unwrap()).unwrap())
}

#[test]
fn who_asks_for_the_engine_is_told_it_and_who_has_its_time_wrong_is_told_that() {
    let now = start();
    let mut farm = acceptor(FARM, 3, now);
    let stranger = acceptor(DEVICE, 1, now);
    let discovery = farm.take(&asked(&stranger, "plain", now), now).unwrap_err();
    assert_eq!(report(discovery), (Reason::Discovery, ReportStatus::UnknownEngineId { counter: 1 }));
    let late = now + Duration::from_secs(1000);
    let sender = acceptor(FARM, 3, now);
    let out_of_time = farm.take(&asked(&sender, "secret", now), late).unwrap_err();
    let Message::V3(told) =
        Message::decode(out_of_time.report.clone().unwrap().into(), DecodeConfig::STRICT).unwrap().value
    else {
        panic!()
    };
    assert_eq!(told.security_level(), SecurityLevel::AuthNoPriv);
    assert_eq!(report(out_of_time), (Reason::NotInTimeWindow, ReportStatus::NotInTimeWindow { counter: 1 }));
    let earlier = acceptor(FARM, 2, now);
    assert_eq!(reason(farm.take(&asked(&earlier, "signed", now), now)), Reason::NotInTimeWindow);
    assert_eq!(
        reason(farm.take(&asked(&sender, "signed", late + Duration::from_secs(1000)), late)),
        Reason::NotInTimeWindow
    );
}

#[test]
fn an_inform_of_v3_is_acknowledged_under_the_time_of_the_acknowledgement() {
    let now = start();
    let (mut farm, sender) = (acceptor(FARM, 3, now), acceptor(FARM, 3, now));
    for name in ["plain", "signed", "secret", "old", "long"] {
        let taken = farm
            .take(&asked(&sender, name, now), now)
            .unwrap_or_else(|refused| panic!("{name}: {refused:?}"));
        assert!(taken.engine.is_none());
        let ack = taken.ack.unwrap();
        let later = now + Duration::from_secs(30);
        let bytes = Bytes::from(farm.acknowledgement(&ack, later).unwrap());
        let raw =
            async_snmp::message::RawV3Message::decode(bytes.clone(), DecodeConfig::STRICT).unwrap().value;
        assert!(!raw.global_data().msg_flags().reportable);
        let usm =
            async_snmp::v3::UsmSecurityParams::decode(raw.security_params().clone(), DecodeConfig::STRICT);
        assert_eq!(usm.unwrap().value.engine_time(), 30, "{name}");
        // As a sender of informs reads it: rightly signed, and a response to what it asked.
        let answer = sender.opened(&bytes);
        assert_eq!((answer.pdu_type(), answer.request_id()), (PduType::Response, 43), "{name}");
        assert_eq!(answer.varbinds(), inform(Version::V3).varbinds());
    }
}

#[test]
fn a_notification_in_the_role_of_the_other_is_none() {
    let now = start();
    let (mut farm, device) = (acceptor(FARM, 1, now), acceptor(DEVICE, 1, now));
    assert_eq!(
        reason(farm.take(&v3(&device, "signed", inform(Version::V3), now), now)),
        Reason::NotANotification
    );
    let own = acceptor(FARM, 1, now);
    assert_eq!(reason(farm.take(&v3(&own, "signed", trap(Version::V3), now), now)), Reason::NotANotification);
}

#[test]
fn the_same_user_twice_is_refused_unless_it_is_the_same_in_all() {
    let twice = [user("a", None, None), user("a", Some(AuthProtocol::Md5), None)];
    assert!(matches!(Keyring::new(&twice), Err(UnusableCredentials::Twice(name)) if name == "a"));
    assert!(Keyring::new(&[user("a", None, None), user("a", None, None)]).is_ok());
    let Security::V3(mut short) = user("a", Some(AuthProtocol::Md5), None) else { panic!() };
    short.auth = Some((AuthProtocol::Md5, Secret::new("short")));
    let error = Keyring::new(&[Security::V3(short)]).err().unwrap().to_string();
    assert!(error.starts_with("the user `a` cannot be used"), "{error}");
}

/// Who judges, messages that are let in (whether signed), and when.
type Samples = (Acceptor, Vec<(bool, Bytes)>, Instant);

/// One of everything that is let in.
fn samples() -> Samples {
    let now = start();
    let (farm, device) = (acceptor(FARM, 3, now), acceptor(DEVICE, 5, now));
    let sender = acceptor(FARM, 3, now);
    let v1 = TrapV1Pdu::from_raw_parts(
        link_down(),
        [10, 0, 0, 7],
        GenericTrap::ColdStart,
        0,
        99,
        vec![if_index()],
    );
    let v1 = TrapV1Notification::try_from_raw(v1).unwrap().into_raw();
    let mut samples = vec![
        (false, CommunityMessage::v1_trap("traps", v1).unwrap().encode().unwrap()),
        (false, v2c("traps", trap(Version::V2c))),
        (false, v2c("traps", inform(Version::V2c))),
        (false, v3(&device, "plain", trap(Version::V3), now)),
    ];
    for name in ["signed", "secret", "old", "long"] {
        samples.push((true, v3(&device, name, trap(Version::V3), now)));
        samples.push((true, asked(&sender, name, now)));
    }
    (farm, samples, now)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_mutation_is_judged_without_a_crash_and_none_passes_a_signature(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 1..4),
        which in any::<prop::sample::Index>(),
    ) {
        thread_local! {
            static SAMPLES: std::cell::RefCell<Samples> = samples().into();
        }
        SAMPLES.with_borrow_mut(|(farm, samples, now)| {
            let (signed, sample) = which.get(samples);
            let mut bytes = sample.to_vec();
            for (at, what, value) in &changes {
                let at = at.index(bytes.len().max(1));
                match what {
                    0 if at < bytes.len() => bytes[at] = *value,
                    1 if at < bytes.len() => bytes[at] ^= 1 << (value % 8),
                    2 if at < bytes.len() => drop(bytes.remove(at)),
                    _ => bytes.insert(at, *value),
                }
            }
            let changed = bytes != sample.as_ref();
            let taken = farm.take(&bytes.into(), *now);
            if *signed && changed {
                prop_assert!(taken.is_err(), "a message was changed, and was let in");
            }
            Ok(())
        })?;
    }

    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        thread_local! {
            static FARM_SIDE: std::cell::RefCell<Acceptor> = acceptor(FARM, 1, start()).into();
        }
        FARM_SIDE.with_borrow_mut(|farm| drop(farm.take(&bytes.into(), start())));
    }
}
