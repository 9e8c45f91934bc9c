//! Messages of v3, signed and encrypted as their user asks.

use super::keys::{Keys, Masters};
use super::{Engine, Seal};
use crate::agent::V3User;
use crate::ask::AskError;
use crate::question::Question;
use crate::wire;
use async_snmp::ber::EncodeBuf;
use async_snmp::message::{MsgFlags, MsgGlobalData, SecurityLevel, V3Message};
use async_snmp::v3::auth::authenticate_message;
use async_snmp::v3::{
    DesSaltState, PersistedDesSaltState, PrivKey, PrivacyError, SaltCounter, UsmSecurityParams,
};
use async_snmp::{Error, MessageSize};
use bytes::Bytes;
use parking_lot::Mutex;
use std::convert::Infallible;
use tokio::time::Instant;

/// What makes each encryption differ from every other.
pub(crate) struct Salts {
    aes: SaltCounter,
    des: Mutex<DesSaltState>,
}

impl Salts {
    /// Both begin anywhere: no two processes use the same, with no state on disk.
    pub fn new() -> Result<Self, String> {
        let aes = SaltCounter::new().map_err(|error| error.to_string())?;
        Ok(Self { aes, des: Mutex::new(des_epoch()?) })
    }

    /// The ciphertext, and what the other side needs to know beside the key.
    fn encrypt(
        &self,
        key: &PrivKey,
        plain: &[u8],
        (boots, time): (u32, u32),
    ) -> Result<(Bytes, Bytes), AskError> {
        let made = if key.protocol().is_des_family() {
            let mut des = self.des.lock();
            match key.encrypt_des_family(plain, &des) {
                Err(PrivacyError::DesSaltExhausted { .. }) => {
                    *des = des_epoch().map_err(AskError::NotAskable)?;
                    key.encrypt_des_family(plain, &des)
                }
                made => made,
            }
        } else {
            key.encrypt_aes(plain, boots, time, &self.aes)
        };
        made.map_err(|error| AskError::NotAskable(format!("cannot be encrypted: {error}")))
    }
}

/// 2^32 salts of DES that no earlier process is likely to have used.
fn des_epoch() -> Result<DesSaltState, String> {
    let mut epoch = [0; 4];
    getrandom::fill(&mut epoch).map_err(|error| error.to_string())?;
    PersistedDesSaltState::new(u32::from_ne_bytes(epoch) >> 2)
        .and_then(|epoch| DesSaltState::restart(epoch, |_| Ok::<_, Infallible>(())))
        .map_err(|error| error.to_string())
}

/// One sending of a question.
pub(crate) struct Sending {
    /// Of the message, and of the request in it.
    pub id: i32,
    /// The longest reply that is read.
    pub longest: usize,
    pub now: Instant,
}

impl Question {
    /// The next message to send for it: to find the engine where it is not known, else the request itself.
    pub fn message(
        &self,
        user: &V3User,
        masters: &Masters,
        salts: &Salts,
        sending: &Sending,
    ) -> Result<(Vec<u8>, Seal), AskError> {
        let mut engine = self.target.engine.lock();
        let Some(engine) = engine.as_mut() else {
            let message = V3Message::discovery_request(sending.id, announced(sending)?)
                .and_then(|message| message.encode());
            return Ok((message.map_err(unspeakable)?.to_vec(), Seal::Discovery));
        };
        let keys = engine.keys(&self.security, |id| masters.localized(id))?;
        let scoped = engine.scoped(user, |buf| wire::push_pdu(buf, &self.request, sending.id))?;
        let message = engine.sealed(user, &keys, salts, &scoped, sending)?;
        Ok((message, Seal::Usm { engine: engine.id.clone(), keys }))
    }
}

fn announced(sending: &Sending) -> Result<MessageSize, AskError> {
    MessageSize::new(sending.longest.min(wire::LONGEST))
        .map_err(|error| AskError::NotAskable(format!("the longest datagram: {error}")))
}

impl Engine {
    /// A PDU in the user's context.
    pub fn scoped(
        &self,
        user: &V3User,
        push_pdu: impl FnOnce(&mut EncodeBuf) -> async_snmp::Result<()>,
    ) -> Result<Vec<u8>, AskError> {
        let mut buf = EncodeBuf::new();
        buf.push_sequence(|buf| {
            push_pdu(buf)?;
            buf.push_octet_string(user.context.as_bytes())?;
            buf.push_octet_string(&self.id)
        })
        .map_err(unspeakable)?;
        Ok(buf.finish_vec())
    }

    /// A message with it, at the level of the keys.
    pub fn sealed(
        &self,
        user: &V3User,
        keys: &Keys,
        salts: &Salts,
        scoped: &[u8],
        sending: &Sending,
    ) -> Result<Vec<u8>, AskError> {
        let announced = announced(sending)?;
        let (boots, time) = self.clock.read(sending.now);
        let mut usm =
            UsmSecurityParams::new(self.id.clone(), boots, time, user.name.clone()).map_err(unspeakable)?;
        if let Some(key) = &keys.auth {
            usm = usm.with_auth_placeholder(key.mac_len()).map_err(unspeakable)?;
        }
        let encrypted = match &keys.privacy {
            None => None,
            Some(key) => {
                let (data, salt) = salts.encrypt(key, scoped, (boots, time))?;
                usm = usm.with_priv_params(salt).map_err(unspeakable)?;
                Some(data)
            }
        };
        let level = match (&keys.auth, &keys.privacy) {
            (None, _) => SecurityLevel::NoAuthNoPriv,
            (Some(_), None) => SecurityLevel::AuthNoPriv,
            (Some(_), Some(_)) => SecurityLevel::AuthPriv,
        };
        let mut buf = EncodeBuf::with_capacity(128 + scoped.len());
        buf.push_sequence(|buf| {
            match &encrypted {
                Some(data) => buf.push_octet_string(data)?,
                None => buf.push_bytes(scoped),
            }
            buf.push_octet_string(&usm.encode()?)?;
            MsgGlobalData::new(sending.id, announced, MsgFlags::new(level, true))?.encode(buf)?;
            buf.push_integer(wire::V3);
            Ok(())
        })
        .map_err(unspeakable)?;
        let mut message = buf.finish_vec();
        if let Some(key) = &keys.auth {
            UsmSecurityParams::find_auth_params_offset(&message)
                .ok_or_else(|| AskError::NotAskable("cannot be signed".to_owned()))
                .and_then(|(at, length)| {
                    authenticate_message(key, &mut message, at, length)
                        .map_err(|error| AskError::NotAskable(format!("cannot be signed: {error}")))
                })?;
        }
        Ok(message)
    }
}

/// What cannot be put into a message.
pub(crate) fn unspeakable(error: Box<Error>) -> AskError {
    AskError::NotAskable(format!("the request cannot be put into a message: {error}"))
}
