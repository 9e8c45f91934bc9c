//! The decision on one datagram, without sockets: what arrives, held against one request in flight. For fuzzing and for
//! tests; it runs the very code that replies run through.

use crate::agent::{Security, V3User};
use crate::ask::{AskError, Reply, Request};
use crate::counts::Counts;
use crate::question::{Flight, Inbox, Question};
use crate::target::Targets;
use crate::usm::{Engine, KeyStore, Keys, Salts, Seal, Sending};
use crate::wire;
use crate::wrong::Wrong;
use async_snmp::VarBind;
use async_snmp::ber::{EncodeBuf, tag};
use async_snmp::varbind::encode_varbind_list;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::time::Instant;

/// One request in flight.
pub struct Judge {
    flight: Flight,
    id: i32,
    counts: Counts,
    salts: Salts,
}

/// What a datagram came to that is not wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The answer.
    Answer(Result<Reply, AskError>),
    /// A report: something to learn from, or a no. No value.
    Report,
}

impl Judge {
    /// With this id. A user of v3 has sent it under an engine id and time that are the same each time.
    ///
    /// # Errors
    /// A secret that makes no key, or no randomness.
    pub fn new(request: Request, security: Security, id: i32) -> Result<Self, AskError> {
        let target = Targets::new(1).asked(([10, 0, 0, 1], 161).into());
        let security = Arc::new(security);
        let sent = Instant::now();
        let mut seal = Seal::Open;
        if let Security::V3(user) = &*security {
            let mut engine = Engine::known(Bytes::from_static(b"\x80\x00\x1f\x88\x04judge"), 3, 1_000, sent);
            let keys = engine.keys(&security, |id| keys_of(user, id))?;
            seal = Seal::Usm { engine: engine.id().clone(), keys };
            *target.engine.lock() = Some(engine);
        }
        let inbox = Mutex::new(Inbox::default());
        let question = Arc::new(Question { request, security, target, inbox, bell: Notify::new() });
        let salts = Salts::new().map_err(AskError::NotAskable)?;
        Ok(Self { flight: Flight { question, sent, seal }, id, counts: Counts::default(), salts })
    }

    /// What this datagram is to the request, if it comes from the agent.
    ///
    /// # Errors
    /// Why it is no answer.
    pub fn hear(&self, datagram: Bytes) -> Result<Verdict, Wrong> {
        *self.flight.question.inbox.lock() = Inbox::default();
        let message = wire::open(datagram.clone()).map_err(|_| Wrong::Malformed)?;
        if message.answers()? != self.id {
            return Err(Wrong::RequestId);
        }
        self.flight.hear(self.id, message, &datagram, &self.counts, self.flight.sent)?;
        let answer = self.flight.question.inbox.lock().answer.take();
        Ok(answer.map_or(Verdict::Report, Verdict::Answer))
    }

    /// What an agent would answer: these, in the version and under the security of the request.
    ///
    /// # Errors
    /// What cannot be put into a message.
    pub fn reply(&self, varbinds: &[VarBind]) -> Result<Vec<u8>, AskError> {
        let push_pdu = |buf: &mut EncodeBuf| {
            buf.push_constructed(tag::pdu::RESPONSE, |buf| {
                encode_varbind_list(buf, varbinds)?;
                buf.push_integer(0);
                buf.push_integer(0);
                buf.push_integer(self.id);
                Ok(())
            })
        };
        let (version, community) = match (&*self.flight.question.security, &self.flight.seal) {
            (Security::V1 { community }, _) => (wire::V1, community),
            (Security::V2c { community }, _) => (wire::V2C, community),
            (Security::V3(user), Seal::Usm { keys, .. }) => {
                let engine = self.flight.question.target.engine.lock();
                let engine = engine.as_ref().ok_or_else(|| AskError::NotAskable("no engine".to_owned()))?;
                let scoped = engine.scoped(user, push_pdu)?;
                let sending = Sending { id: self.id, longest: wire::LONGEST, now: self.flight.sent };
                return engine.sealed(user, keys, &self.salts, &scoped, &sending);
            }
            (Security::V3(_), _) => return Err(AskError::NotAskable("no keys".to_owned())),
        };
        let mut buf = EncodeBuf::new();
        buf.push_sequence(|buf| {
            push_pdu(buf)?;
            buf.push_octet_string(community.reveal().as_bytes())?;
            buf.push_integer(version);
            Ok(())
        })
        .map_err(crate::usm::unspeakable)?;
        Ok(buf.finish_vec())
    }
}

fn keys_of(user: &V3User, engine: &[u8]) -> Result<Keys, AskError> {
    KeyStore::masters_now(user)?.localized(engine)
}

#[cfg(test)]
mod tests;
