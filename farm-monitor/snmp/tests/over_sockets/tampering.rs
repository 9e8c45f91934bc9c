//! Somebody between the engine and a real `snmpd` who changes, repeats or holds back signed messages.

use crate::scripted::Scripted;
use crate::snmpd::Snmpd;
use crate::{ask, engine, oids};
use hedgerow_snmp::{
    Agent, AskError, AuthProtocol, PrivacyProtocol, Request, Secret, Security, V3User, Value,
};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

const SYS_NAME: &str = "1.3.6.1.2.1.1.5.0";
const CONF: &str =
    "sysName here\ncreateUser ann SHA \"the signing one\" AES \"the hiding one\"\nrouser ann auth\n";

fn agent(address: SocketAddr, privacy: bool) -> Agent {
    let user = V3User {
        name: "ann".to_owned(),
        auth: Some((AuthProtocol::Sha1, Secret::new("the signing one"))),
        privacy: privacy.then(|| (PrivacyProtocol::Aes128, Secret::new("the hiding one"))),
        context: String::new(),
    };
    Agent { address, security: Arc::new(Security::V3(user)) }
}

/// Stands before `snmpd`: passes on what is sent to it, and sends back what `tamper` makes of each reply.
fn between(snmpd: SocketAddr, mut tamper: impl FnMut(Vec<u8>) -> Vec<Vec<u8>> + Send + 'static) -> Scripted {
    let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
    upstream.set_read_timeout(Some(crate::PATIENCE)).unwrap();
    Scripted::raw(move |socket, bytes, from| {
        upstream.send_to(bytes, snmpd).unwrap();
        let mut buffer = vec![0; 65_536];
        let length = upstream.recv(&mut buffer).unwrap();
        for message in tamper(buffer[..length].to_vec()) {
            socket.send_to(&message, from).unwrap();
        }
    })
}

/// Where the bytes of a response's message are: everything but the discovery, whose reply nobody signs.
fn is_signed(message: &[u8]) -> bool {
    let raw =
        async_snmp::message::RawV3Message::decode(message.to_vec().into(), async_snmp::DecodeConfig::STRICT);
    raw.unwrap().value.security_level() != async_snmp::message::SecurityLevel::NoAuthNoPriv
}

#[tokio::test]
async fn no_changed_bit_of_a_signed_message_is_believed_and_the_real_one_is_heard() {
    let snmpd = Snmpd::start(CONF);
    for privacy in [false, true] {
        let between = between(snmpd.address, |reply| {
            let mut all = Vec::new();
            if is_signed(&reply) {
                for bit in 0..reply.len() * 8 {
                    let mut changed = reply.clone();
                    changed[bit / 8] ^= 1 << (bit % 8);
                    all.push(changed);
                }
            }
            all.push(reply);
            all
        });
        let engine = engine();
        let reply =
            ask(&engine, &agent(between.address, privacy), Request::Get(oids(&[SYS_NAME]))).await.unwrap();
        assert_eq!(reply.varbinds[0].value, Value::OctetString("here".into()));
        let counts = engine.counts();
        assert!(counts.wrong_digest.get() > 100, "{counts:?}");
        assert_eq!(counts.answered.get(), 1, "{counts:?}");
        assert_eq!(counts.double.get(), 0, "a changed message was believed: {counts:?}");
    }
}

#[tokio::test]
async fn an_old_reply_is_not_believed_whatever_id_it_is_given() {
    let snmpd = Snmpd::start(CONF);
    let mut old: Option<(i32, Vec<u8>)> = None;
    let between = between(snmpd.address, move |reply| {
        let raw =
            async_snmp::message::RawV3Message::decode(reply.clone().into(), async_snmp::DecodeConfig::STRICT);
        let id = raw.unwrap().value.msg_id();
        let mut all = Vec::new();
        if let Some((old_id, old)) = &old {
            all.push(old.clone());
            let mut renamed = old.clone();
            let at = renamed.windows(4).position(|bytes| bytes == old_id.to_be_bytes()).unwrap();
            renamed[at..at + 4].copy_from_slice(&id.to_be_bytes());
            all.push(renamed);
        } else if is_signed(&reply) && id > 0x0100_0000 {
            old = Some((id, reply.clone()));
        }
        all.push(reply);
        all
    });
    let engine = engine();
    let agent = agent(between.address, false);
    for _ in 0..20 {
        ask(&engine, &agent, Request::Get(oids(&[SYS_NAME]))).await.unwrap();
    }
    let counts = engine.counts();
    assert!(counts.wrong_digest.get() >= 15, "{counts:?}");
    assert_eq!(counts.wrong_digest.get(), counts.double.get(), "{counts:?}");
    assert_eq!(counts.answered.get(), 20);
}

#[tokio::test]
async fn unsigned_reports_do_not_end_a_question_that_is_answered_after_them() {
    let snmpd = Snmpd::start(CONF);
    let engine_id: Arc<std::sync::Mutex<Option<Vec<u8>>>> = Arc::default();
    let between = between(snmpd.address, {
        let engine_id = Arc::clone(&engine_id);
        move |reply| {
            if !is_signed(&reply) {
                *engine_id.lock().unwrap() = Some(reply.clone());
                return vec![reply];
            }
            // The agent's own unsigned report, under the id of this message: as if its engine were unknown, or the user.
            let forged = [1, 2, 3, 4, 5, 6].map(|number| {
                let report = engine_id.lock().unwrap().clone().unwrap();
                forged_report(&report, &reply, number)
            });
            forged.into_iter().chain([reply]).collect()
        }
    });
    let engine = engine();
    for _ in 0..3 {
        let reply =
            ask(&engine, &agent(between.address, true), Request::Get(oids(&[SYS_NAME]))).await.unwrap();
        assert_eq!(reply.varbinds[0].value, Value::OctetString("here".into()));
    }
}

fn forged_report(report: &[u8], reply: &[u8], number: u32) -> Vec<u8> {
    use async_snmp::message::{MsgFlags, MsgGlobalData, RawV3Message, ScopedPdu, SecurityLevel, V3Message};
    let strict = async_snmp::DecodeConfig::STRICT;
    let of_reply = RawV3Message::decode(reply.to_vec().into(), strict).unwrap().value;
    let of_report = V3Message::decode(report.to_vec().into(), strict).unwrap().value;
    let name = async_snmp::Oid::new([1, 3, 6, 1, 6, 3, 15, 1, 1, number, 0]);
    let varbind = async_snmp::VarBind::new(name, Value::Counter32(7));
    let pdu = async_snmp::pdu::ResponsePdu::report(0, vec![varbind]).unwrap();
    let header = MsgGlobalData::new(
        of_reply.msg_id(),
        of_reply.global_data().msg_max_size(),
        MsgFlags::new(SecurityLevel::NoAuthNoPriv, false),
    )
    .unwrap();
    let scoped = ScopedPdu::with_empty_context(pdu.into_raw());
    V3Message::new(header, of_report.security_params().clone(), scoped).unwrap().encode().unwrap().to_vec()
}

#[tokio::test]
async fn a_time_out_says_that_signatures_were_wrong() {
    let snmpd = Snmpd::start(CONF);
    let between = between(snmpd.address, |mut reply| {
        if is_signed(&reply) {
            *reply.last_mut().unwrap() ^= 1;
        }
        vec![reply]
    });
    let error =
        ask(&engine(), &agent(between.address, false), Request::Get(oids(&[SYS_NAME]))).await.unwrap_err();
    assert!(matches!(error, AskError::TimedOut { .. }), "{error}");
    assert!(error.to_string().contains("2 replies were wrongly signed"), "{error}");
}
