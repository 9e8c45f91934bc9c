//! Notifications of v3 (RFC 3412 §7.2, RFC 3414 §3.2): signature before time, time before content. Nothing of a message is
//! believed, or decrypted, before its signature is checked.

use super::{Acceptor, Ack, Incoming, Notification, Reason, Refused, UnusableCredentials, parted};
use crate::agent::{AuthProtocol, PrivacyProtocol, V3User};
use async_snmp::ber::Decoder;
use async_snmp::message::{
    MsgFlags, MsgGlobalData, RawMsgData, RawV3Message, ScopedPdu, SecurityLevel, V3Message,
};
use async_snmp::pdu::{PduType, ResponsePdu};
use async_snmp::v3::auth::{authenticate_message, verify_message};
use async_snmp::v3::{
    self, LocalizedKey, MasterKeys, PrivKey, PrivProtocol, UsmSecurityParams, report_oids, validate_engine_id,
};
use async_snmp::{DecodeConfig, MessageSize, Value, VarBind, Version};
use bytes::Bytes;
use std::time::Instant;

/// Most bytes behind a decrypted message: DES fills up its last block.
const MAX_DES_PADDING: usize = 7;

/// A user, with the keys that its passwords make. They are localised for each engine when they are needed: that is one hash.
pub(super) struct User {
    settings: V3User,
    keys: Option<MasterKeys>,
    level: SecurityLevel,
}

/// Keys for one engine.
struct Keys {
    auth: LocalizedKey,
    privacy: Option<PrivKey>,
}

impl User {
    pub fn new(user: &V3User) -> Result<Self, UnusableCredentials> {
        let unusable = |why: String| UnusableCredentials::User { user: user.name.clone(), why };
        let keys = match (&user.auth, &user.privacy) {
            (None, None) => None,
            (None, Some(_)) => return Err(unusable("encrypted, but not signed".to_owned())),
            (Some((protocol, password)), privacy) => {
                let keys = MasterKeys::new(auth_protocol(*protocol), password.reveal().as_bytes());
                let keys = keys.map_err(|error| unusable(error.to_string()))?;
                Some(match privacy {
                    None => keys,
                    Some((protocol, password)) => keys
                        .with_privacy(privacy_protocol(*protocol), password.reveal().as_bytes())
                        .map_err(|error| unusable(error.to_string()))?,
                })
            }
        };
        let level = match (&user.auth, &user.privacy) {
            (None, _) => SecurityLevel::NoAuthNoPriv,
            (Some(_), None) => SecurityLevel::AuthNoPriv,
            (Some(_), Some(_)) => SecurityLevel::AuthPriv,
        };
        Ok(Self { settings: user.clone(), keys, level })
    }

    pub fn settings(&self) -> &V3User {
        &self.settings
    }

    /// `None`: has none, or they cannot be made.
    fn keys_for(&self, engine: &[u8]) -> Option<Keys> {
        let (auth, privacy) = self.keys.as_ref()?.localize(engine).ok()?;
        Some(Keys { auth, privacy })
    }
}

fn auth_protocol(protocol: AuthProtocol) -> v3::AuthProtocol {
    match protocol {
        AuthProtocol::Md5 => v3::AuthProtocol::Md5,
        AuthProtocol::Sha1 => v3::AuthProtocol::Sha1,
        AuthProtocol::Sha224 => v3::AuthProtocol::Sha224,
        AuthProtocol::Sha256 => v3::AuthProtocol::Sha256,
        AuthProtocol::Sha384 => v3::AuthProtocol::Sha384,
        AuthProtocol::Sha512 => v3::AuthProtocol::Sha512,
    }
}

/// AES with longer keys in the way that net-snmp takes by these names.
fn privacy_protocol(protocol: PrivacyProtocol) -> PrivProtocol {
    match protocol {
        PrivacyProtocol::Des => PrivProtocol::Des,
        PrivacyProtocol::Aes128 => PrivProtocol::Aes128,
        PrivacyProtocol::Aes192 => PrivProtocol::Aes192Blumenthal,
        PrivacyProtocol::Aes256 => PrivProtocol::Aes256Blumenthal,
    }
}

/// What an inform of v3 is answered with.
#[derive(Debug)]
pub struct V3Ack {
    msg_id: i32,
    user: Bytes,
    scoped: ScopedPdu,
}

/// The head of a message.
struct Head {
    msg_id: i32,
    reportable: bool,
    level: SecurityLevel,
    usm: UsmSecurityParams,
}

impl Acceptor {
    /// Judges a message of v3.
    pub(super) fn take_v3(&mut self, datagram: &Bytes, now: Instant) -> Result<Incoming, Refused> {
        let malformed = |_| Reason::Malformed;
        let raw = RawV3Message::decode(datagram.clone(), DecodeConfig::STRICT).map_err(malformed)?.value;
        let usm = UsmSecurityParams::decode(raw.security_params().clone(), DecodeConfig::STRICT);
        let usm = usm.map_err(malformed)?.value;
        let (msg_id, level) = (raw.msg_id(), raw.security_level());
        let head = Head { msg_id, level, usm, reportable: raw.global_data().msg_flags().reportable };
        match self.open(&head, datagram, raw.msg_data(), now) {
            Ok(content) => self.read(&head, &content),
            Err(reason) => Err(self.refused(reason, &head, now)),
        }
    }

    /// Checks who it is from and when it was made; gives its content in clear.
    fn open(
        &mut self,
        head: &Head,
        datagram: &Bytes,
        data: &RawMsgData,
        now: Instant,
    ) -> Result<Bytes, Reason> {
        let Head { usm, .. } = head;
        let ours = usm.engine_id() == self.own.id();
        // What wants an answer is meant for an authority, which here can be this side only: a trap wants none.
        if !ours && head.reportable {
            return Err(Reason::Discovery);
        }
        if validate_engine_id(usm.engine_id()).is_err() {
            return Err(Reason::Malformed);
        }
        let user = self.keyring.users.get(usm.username()).ok_or(Reason::UnknownUser)?;
        if user.level != head.level {
            return Err(Reason::WrongLevel);
        }
        let Some(keys) = user.keys_for(usm.engine_id()) else {
            return match (user.level, data) {
                (SecurityLevel::NoAuthNoPriv, RawMsgData::Plaintext { data, .. }) => Ok(data.clone()),
                _ => Err(Reason::WrongLevel),
            };
        };
        let signed = UsmSecurityParams::find_auth_params_offset(datagram)
            .filter(|(_, length)| *length == keys.auth.mac_len())
            .is_some_and(|(at, length)| verify_message(&keys.auth, datagram, at, length).unwrap_or(false));
        if !signed {
            return Err(Reason::WrongDigest);
        }
        let (boots, time) = (usm.engine_boots(), usm.engine_time());
        if !ours {
            self.engines.judge(usm.engine_id(), boots, time, now)?;
        } else if !self.own.is_timely(boots, time, now) {
            return Err(Reason::NotInTimeWindow);
        }
        match (data, keys.privacy) {
            (RawMsgData::Plaintext { data, .. }, None) => Ok(data.clone()),
            (RawMsgData::Encrypted(data), Some(key)) => {
                let clear = key.decrypt(data, boots, time, usm.priv_params());
                clear.map_err(|_| Reason::NotDecrypted)
            }
            _ => Err(Reason::WrongLevel),
        }
    }

    /// Reads what was let in.
    fn read(&self, head: &Head, content: &Bytes) -> Result<Incoming, Refused> {
        let user = self.keyring.users.get(head.usm.username());
        let privacy = user.and_then(|user| user.settings.privacy.as_ref()).map(|(protocol, _)| *protocol);
        // With a wrong key AES gives bytes that are no message: this is how that shows.
        let garbled = if privacy.is_some() { Reason::NotDecrypted } else { Reason::Malformed };
        let mut decoder = Decoder::new(content.clone()).with_decode_config(DecodeConfig::STRICT);
        let scoped = ScopedPdu::decode(&mut decoder).map_err(|_| garbled)?;
        let padding = if privacy == Some(PrivacyProtocol::Des) { MAX_DES_PADDING } else { 0 };
        if decoder.remaining() > padding {
            return Err(garbled.into());
        }
        let ours = head.usm.engine_id() == self.own.id();
        let inform = match scoped.pdu.pdu_type() {
            PduType::TrapV2 if !ours => false,
            PduType::InformRequest if ours => true,
            _ => return Err(Reason::NotANotification.into()),
        };
        let who = [head.usm.username().as_ref(), head.usm.engine_id().as_ref()].join(&0);
        let fingerprint = self.fingerprint(Version::V3, &who, content);
        let signed = head.level.requires_auth();
        let ack = if inform { Some(acknowledgement(head, &scoped).ok_or(Reason::Malformed)?) } else { None };
        let notification: Option<Notification> = parted(Version::V3, scoped.pdu.into_varbinds());
        Ok(Incoming {
            notification: notification.ok_or(Reason::Malformed)?,
            fingerprint,
            engine: (signed && !inform).then(|| head.usm.engine_id().clone()),
            ack,
        })
    }

    /// With the Report that the sender is to get, if it wants one.
    fn refused(&mut self, reason: Reason, head: &Head, now: Instant) -> Refused {
        let oid = match reason {
            Reason::Discovery => report_oids::unknown_engine_ids(),
            Reason::UnknownUser => report_oids::unknown_user_names(),
            Reason::WrongLevel => report_oids::unsupported_sec_levels(),
            Reason::WrongDigest => report_oids::wrong_digests(),
            Reason::NotInTimeWindow => report_oids::not_in_time_windows(),
            Reason::NotDecrypted => report_oids::decryption_errors(),
            _ => return reason.into(),
        };
        let count = self.reported.entry(reason).or_default();
        *count = count.wrapping_add(1);
        let varbind = VarBind::new(oid, Value::Counter32(*count));
        if !head.reportable {
            return reason.into();
        }
        // The clock is told under signature, so that it can be believed; everything else to who has no key yet.
        let level = match reason {
            Reason::NotInTimeWindow => SecurityLevel::AuthNoPriv,
            _ => SecurityLevel::NoAuthNoPriv,
        };
        let report = ResponsePdu::report(0, vec![varbind]).ok().and_then(|report| {
            let scoped = ScopedPdu::new(self.own.id().clone(), Bytes::new(), report.as_raw().clone());
            self.sealed(head.usm.username(), level, head.msg_id, scoped, now)
        });
        Refused { reason, report }
    }

    pub(super) fn sealed_ack(&self, ack: &V3Ack, now: Instant) -> Option<Vec<u8>> {
        let level = self.keyring.users.get(&ack.user)?.level;
        self.sealed(&ack.user, level, ack.msg_id, ack.scoped.clone(), now)
    }

    /// A message from this side's engine: encrypted and signed as its level says.
    pub(super) fn sealed(
        &self,
        user: &Bytes,
        level: SecurityLevel,
        msg_id: i32,
        scoped: ScopedPdu,
        now: Instant,
    ) -> Option<Vec<u8>> {
        let (boots, time) = (self.own.boots(), self.own.time(now));
        let size = MessageSize::new(super::MAX_NOTIFICATION_BYTES).ok()?;
        let global = MsgGlobalData::new(msg_id, size, MsgFlags::new(level, false)).ok()?;
        let params = UsmSecurityParams::new(self.own.id().clone(), boots, time, user.clone()).ok()?;
        if !level.requires_auth() {
            let message = V3Message::new(global, params.encode().ok()?, scoped).ok()?;
            return Some(message.encode().ok()?.to_vec());
        }
        let keys = self.keyring.users.get(user)?.keys_for(self.own.id())?;
        let params = params.with_auth_placeholder(keys.auth.mac_len()).ok()?;
        let message = if level.requires_priv() {
            let key = keys.privacy?;
            let clear = scoped.encode_to_bytes().ok()?;
            let (data, salt) = if key.protocol().is_des_family() {
                key.encrypt_des_family(&clear, &self.own.des_salts).ok()?
            } else {
                key.encrypt_aes(&clear, boots, time, &self.own.salts).ok()?
            };
            let params = params.with_priv_params(salt).ok()?.encode().ok()?;
            V3Message::new_with_opaque_encrypted_scoped_pdu(global, params, data).ok()?
        } else {
            V3Message::new(global, params.encode().ok()?, scoped).ok()?
        };
        let mut bytes = message.encode().ok()?.to_vec();
        let (at, length) = UsmSecurityParams::find_auth_params_offset(&bytes)?;
        authenticate_message(&keys.auth, &mut bytes, at, length).ok()?;
        Some(bytes)
    }
}

fn acknowledgement(head: &Head, scoped: &ScopedPdu) -> Option<Ack> {
    let ScopedPdu { context_engine_id, context_name, pdu } = scoped;
    let response = ResponsePdu::success(Version::V3, pdu.request_id(), pdu.varbinds().to_vec()).ok()?;
    let scoped = ScopedPdu::new(context_engine_id.clone(), context_name.clone(), response.as_raw().clone());
    Some(Ack::V3(Box::new(V3Ack { msg_id: head.msg_id, user: head.usm.username().clone(), scoped })))
}

/// What only tests need: the other side of the conversation.
#[cfg(test)]
mod other_side {
    use super::*;
    use async_snmp::pdu::Pdu;

    impl User {
        pub(in crate::notify) fn level(&self) -> SecurityLevel {
            self.level
        }

        pub(in crate::notify) fn signing_key(&self, engine: &[u8]) -> Option<LocalizedKey> {
            self.keys_for(engine).map(|keys| keys.auth)
        }
    }

    impl Acceptor {
        /// The content of a message from the engine of this id, its signature checked.
        pub(in crate::notify) fn opened(&self, datagram: &Bytes) -> Pdu {
            let raw = RawV3Message::decode(datagram.clone(), DecodeConfig::STRICT).unwrap().value;
            let usm =
                UsmSecurityParams::decode(raw.security_params().clone(), DecodeConfig::STRICT).unwrap().value;
            let head = Head { msg_id: raw.msg_id(), level: raw.security_level(), usm, reportable: false };
            let boots = head.usm.engine_boots();
            assert_eq!(boots, self.own.boots());
            let user = &self.keyring.users[head.usm.username()];
            let clear = match (user.keys_for(head.usm.engine_id()), raw.msg_data()) {
                (None, RawMsgData::Plaintext { data, .. }) => data.clone(),
                (Some(keys), data) => {
                    let (at, length) = UsmSecurityParams::find_auth_params_offset(datagram).unwrap();
                    assert!(verify_message(&keys.auth, datagram, at, length).unwrap());
                    match (data, keys.privacy) {
                        (RawMsgData::Plaintext { data, .. }, None) => data.clone(),
                        (RawMsgData::Encrypted(data), Some(key)) => {
                            key.decrypt(data, boots, head.usm.engine_time(), head.usm.priv_params()).unwrap()
                        }
                        _ => panic!("not as well protected as its user"),
                    }
                }
                _ => panic!("encrypted without keys"),
            };
            ScopedPdu::decode(&mut Decoder::new(clear)).unwrap().pdu
        }
    }
}
