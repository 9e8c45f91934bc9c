//! v3 with the user-based security model (RFC 3414), from the side that asks: discovery of an agent's engine, its time,
//! messages signed and encrypted, and which replies may be believed. The cryptography is the library's.
//!
//! What is not signed is never believed beyond this: where an engine has another id, it is asked under that id; what the
//! agent then answers must be signed all the same. Replays cannot pass: a reply must carry the unguessable id of a message
//! in flight.

mod keys;
mod message;
mod time;

pub(crate) use keys::{KeyStore, Keys, Masters};
pub(crate) use message::{Salts, Sending, unspeakable};

use crate::agent::{Security, V3User};
use crate::ask::AskError;
use crate::question::{Heard, Question};
use crate::wire::{self, PduStart};
use crate::wrong::Wrong;
use async_snmp::message::{RawMsgData, RawV3Message, SecurityLevel};
use async_snmp::v3::auth::verify_message;
use async_snmp::v3::{UsmSecurityParams, validate_engine_id};
use async_snmp::{DecodeConfig, VarBind};
use bytes::Bytes;
use std::sync::Arc;
use time::Clock;
use tokio::time::Instant;

/// So many users are remembered per agent; when another comes, the others' keys are made anew, which takes microseconds.
const USERS_PER_AGENT: usize = 8;
/// Padding that DES leaves behind a message.
const DES_PADDING: usize = 7;

/// What is known of an agent's engine.
pub(crate) struct Engine {
    id: Bytes,
    clock: Clock,
    keys: Vec<(Arc<Security>, Arc<Keys>)>,
}

impl Engine {
    /// One whose id and time are known, for a request that stands by itself.
    #[cfg(any(test, feature = "judge"))]
    pub fn known(id: Bytes, boots: u32, time: u32, now: Instant) -> Self {
        let mut clock = Clock::guessed(boots, time, now);
        clock.believes(boots, time, now);
        Self { id, clock, keys: Vec::new() }
    }

    /// Its id.
    #[cfg(any(test, feature = "judge"))]
    pub fn id(&self) -> &Bytes {
        &self.id
    }

    fn discovered(usm: &UsmSecurityParams, now: Instant) -> Self {
        let clock = Clock::guessed(usm.engine_boots(), usm.engine_time(), now);
        Self { id: usm.engine_id().clone(), clock, keys: Vec::new() }
    }

    /// The keys of a user with this engine; made where they are not known.
    pub fn keys(
        &mut self,
        security: &Arc<Security>,
        make: impl FnOnce(&[u8]) -> Result<Keys, AskError>,
    ) -> Result<Arc<Keys>, AskError> {
        if let Some((_, keys)) =
            self.keys.iter().find(|(known, _)| Arc::ptr_eq(known, security) || known == security)
        {
            return Ok(Arc::clone(keys));
        }
        let keys = Arc::new(make(&self.id)?);
        if self.keys.len() >= USERS_PER_AGENT {
            self.keys.clear();
        }
        self.keys.push((Arc::clone(security), Arc::clone(&keys)));
        Ok(keys)
    }
}

/// How a message was secured that is in flight: what its reply must fit.
#[derive(Clone)]
pub(crate) enum Seal {
    /// v1 or v2c.
    Open,
    /// v3: asks for the engine's id only.
    Discovery,
    /// v3: under this engine with these keys.
    Usm { engine: Bytes, keys: Arc<Keys> },
}

/// A message whose security was looked at.
struct Unsealed {
    signed: bool,
    encrypted: bool,
    usm: UsmSecurityParams,
    context_engine: Bytes,
    context: Bytes,
    pdu: PduStart,
}

impl Seal {
    /// What a v3 message says to a question whose sending has this seal and `id`.
    pub fn heard(
        &self,
        question: &Question,
        id: i32,
        raw: &RawV3Message,
        datagram: &Bytes,
        now: Instant,
    ) -> Result<Heard, Wrong> {
        let Security::V3(user) = &*question.security else { return Err(Wrong::Security) };
        let usm = UsmSecurityParams::decode(raw.security_params().clone(), DecodeConfig::STRICT)
            .map_err(|_| Wrong::Malformed)?
            .value;
        match self {
            Self::Open => Err(Wrong::Security),
            Self::Discovery => heard_of_engine(question, raw, &usm, now),
            Self::Usm { engine, keys } => {
                let message = self.unsealed(user, engine, keys, raw, usm, datagram)?;
                if message.signed {
                    in_time(question, engine, &message.usm, now)?;
                }
                if message.pdu.is_report() {
                    return heard_report(question, engine, user, message, now);
                }
                if !message.pdu.is_response() {
                    return Err(Wrong::NotAReply);
                }
                believable(user, engine, &message)?;
                if message.pdu.id != Some(id) {
                    return Err(Wrong::RequestId);
                }
                Ok(Heard::Answer(message.pdu.body().map_err(|_| Wrong::Malformed)?))
            }
        }
    }

    fn unsealed(
        &self,
        user: &V3User,
        engine: &Bytes,
        keys: &Keys,
        raw: &RawV3Message,
        usm: UsmSecurityParams,
        datagram: &Bytes,
    ) -> Result<Unsealed, Wrong> {
        let level = raw.security_level();
        let signed = level.requires_auth();
        if signed {
            let Some(key) = &keys.auth else { return Err(Wrong::Security) };
            if usm.engine_id() != engine || usm.username() != user.name.as_bytes() {
                return Err(Wrong::Security);
            }
            let (at, length) =
                UsmSecurityParams::find_auth_params_offset(datagram).ok_or(Wrong::Malformed)?;
            if length != key.mac_len() || !verify_message(key, datagram, at, length).unwrap_or(false) {
                return Err(Wrong::Digest);
            }
        }
        let (scoped, padding, encrypted) = match raw.msg_data() {
            RawMsgData::Plaintext { data, .. } => (data.clone(), 0, false),
            RawMsgData::Encrypted(data) => {
                let Some(key) = &keys.privacy else { return Err(Wrong::Security) };
                let plain = key
                    .decrypt(data, usm.engine_boots(), usm.engine_time(), usm.priv_params())
                    .map_err(|_| Wrong::NotDecrypted)?;
                (plain, if key.protocol().is_des_family() { DES_PADDING } else { 0 }, true)
            }
        };
        let broken = if encrypted { Wrong::NotDecrypted } else { Wrong::Malformed };
        let (context_engine, context, pdu) = scoped_pdu(scoped, padding).map_err(|_| broken)?;
        Ok(Unsealed { signed, encrypted, usm, context_engine, context, pdu })
    }
}

fn scoped_pdu(data: Bytes, padding: usize) -> Result<(Bytes, Bytes, PduStart), wire::Malformed> {
    let mut outer = wire::strict(data);
    let mut scoped = outer.read_sequence()?;
    let context_engine = scoped.read_octet_string()?;
    let context = scoped.read_octet_string()?;
    let pdu = PduStart::read(&mut scoped)?;
    if !scoped.is_empty() || outer.remaining() > padding {
        return Err(wire::Malformed);
    }
    Ok((context_engine, context, pdu))
}

/// A response is believed only at the level it was asked at, from the engine and the context that were asked.
fn believable(user: &V3User, engine: &Bytes, message: &Unsealed) -> Result<(), Wrong> {
    if user.auth.is_some() && !message.signed {
        return Err(Wrong::Digest);
    }
    let fits = message.encrypted == user.privacy.is_some()
        && message.usm.engine_id() == engine
        && message.usm.username() == user.name.as_bytes()
        && message.context_engine == engine
        && message.context == user.context.as_bytes();
    if fits { Ok(()) } else { Err(Wrong::Security) }
}

/// Holds the time of a signed message against what is known of the engine's, and learns from it.
fn in_time(question: &Question, engine: &Bytes, usm: &UsmSecurityParams, now: Instant) -> Result<(), Wrong> {
    let mut known = question.target.engine.lock();
    // Forgotten or replaced meanwhile: there is no time to hold it against, and nothing to learn for.
    let Some(known) = known.as_mut().filter(|known| known.id == engine) else { return Ok(()) };
    if known.clock.believes(usm.engine_boots(), usm.engine_time(), now) {
        Ok(())
    } else {
        Err(Wrong::TimeWindow)
    }
}

fn heard_of_engine(
    question: &Question,
    raw: &RawV3Message,
    usm: &UsmSecurityParams,
    now: Instant,
) -> Result<Heard, Wrong> {
    let RawMsgData::Plaintext { data, .. } = raw.msg_data() else { return Err(Wrong::Security) };
    if raw.security_level() != SecurityLevel::NoAuthNoPriv {
        return Err(Wrong::Security);
    }
    let (.., pdu) = scoped_pdu(data.clone(), 0).map_err(|_| Wrong::Malformed)?;
    if !pdu.is_report() {
        return Err(Wrong::NotAReply);
    }
    pdu.body().map_err(|_| Wrong::Malformed)?;
    validate_engine_id(usm.engine_id()).map_err(|_| Wrong::Malformed)?;
    question.target.engine.lock().get_or_insert_with(|| Engine::discovered(usm, now));
    Ok(Heard::Again)
}

fn heard_report(
    question: &Question,
    engine: &Bytes,
    user: &V3User,
    message: Unsealed,
    now: Instant,
) -> Result<Heard, Wrong> {
    let body = message.pdu.body().map_err(|_| Wrong::Malformed)?;
    let [reason] = body.varbinds.as_slice() else { return Err(Wrong::Malformed) };
    let number = usm_number(reason);
    match number {
        Some(NOT_IN_TIME_WINDOW) if message.signed => Ok(Heard::Again),
        Some(NOT_IN_TIME_WINDOW) if user.auth.is_some() => Err(Wrong::Digest),
        Some(UNKNOWN_ENGINE_ID)
            if message.usm.engine_id() != engine && validate_engine_id(message.usm.engine_id()).is_ok() =>
        {
            let mut known = question.target.engine.lock();
            if known.as_ref().is_none_or(|known| known.id == engine) {
                *known = Some(Engine::discovered(&message.usm, now));
            }
            Ok(Heard::Again)
        }
        _ => {
            let word = number.and_then(|number| REFUSALS.iter().find(|(known, _)| *known == number));
            let said =
                word.map_or_else(|| format!("the report {}", reason.oid), |(_, word)| (*word).to_owned());
            Ok(Heard::No(AskError::Refused(format!(
                "{} refuses the user {:?}: {said}",
                question.target.address, user.name
            ))))
        }
    }
}

const NOT_IN_TIME_WINDOW: u32 = 2;
const UNKNOWN_ENGINE_ID: u32 = 4;
/// What the reports of RFC 3414 mean to who configured the user.
const REFUSALS: [(u32, &str); 6] = [
    (1, "usmStatsUnsupportedSecLevels, it may not be used at this level of security"),
    (NOT_IN_TIME_WINDOW, "usmStatsNotInTimeWindows"),
    (3, "usmStatsUnknownUserNames, it is not known there"),
    (UNKNOWN_ENGINE_ID, "usmStatsUnknownEngineIDs"),
    (5, "usmStatsWrongDigests, the authentication secret or protocol is another"),
    (6, "usmStatsDecryptionErrors, the privacy secret or protocol is another"),
];

/// Which of the counters 1.3.6.1.6.3.15.1.1.N.0 it is.
fn usm_number(reason: &VarBind) -> Option<u32> {
    match reason.oid.arcs() {
        [1, 3, 6, 1, 6, 3, 15, 1, 1, number, 0] => Some(*number),
        _ => None,
    }
}
