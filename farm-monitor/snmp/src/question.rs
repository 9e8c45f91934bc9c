//! One question to one agent, from its first sending to its end: what an answer is held against, and what was heard.

use crate::agent::Security;
use crate::ask::{AskError, Reply, Request, TOO_BIG};
use crate::counts::Counts;
use crate::target::Target;
use crate::usm::Seal;
use crate::wire::{self, Body, Opened};
use crate::wrong::Wrong;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::time::Instant;

/// To GETBULK an agent leaves out what does not fit its reply (RFC 3416), which may be all of it. As a reply that would look
/// as if there were no more.
const EMPTY: &str = "an empty reply, as if it were tooBig";

/// What is asked, of whom, and what was heard of it.
pub(crate) struct Question {
    pub request: Request,
    pub security: Arc<Security>,
    pub target: Arc<Target>,
    pub inbox: Mutex<Inbox>,
    /// Rings when there is something in the inbox.
    pub bell: Notify,
}

/// What was heard. Only the first answer counts.
#[derive(Default)]
pub(crate) struct Inbox {
    pub answer: Option<Result<Reply, AskError>>,
    pub answered: bool,
    /// v3: something was learned without which it could not be answered; it is worth to send it again at once.
    pub again: bool,
    /// How many sendings were met with a no, and the last one. It is the verdict only where no answer comes.
    pub refusals: u32,
    pub refusal: Option<AskError>,
    /// The last sending that was met so; each counts once.
    refused_id: i32,
    /// The last sending that taught something; likewise.
    taught_id: i32,
}

/// One sending of a question.
#[derive(Clone)]
pub(crate) struct Flight {
    pub question: Arc<Question>,
    pub sent: Instant,
    pub seal: Seal,
}

/// What a datagram, found to be a reply to a sending, means.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The end of the question.
    Answer(Body),
    /// Send it again: more is known now.
    Again,
    /// A no that anybody could have sent.
    No(AskError),
}

impl Question {
    /// A no to the sending with `id` (0: to any).
    pub fn refuse(&self, id: i32, why: AskError) {
        let mut inbox = self.inbox.lock();
        if id == 0 || inbox.refused_id != id {
            inbox.refused_id = id;
            inbox.refusals += 1;
            inbox.refusal = Some(why);
        }
        drop(inbox);
        self.bell.notify_one();
    }
}

impl Flight {
    /// Holds a message that carries this flight's `id`, and comes from the agent, against what was asked. What is not
    /// `Err` has been heard.
    pub fn hear(
        &self,
        id: i32,
        message: Opened,
        datagram: &Bytes,
        counts: &Counts,
        now: Instant,
    ) -> Result<(), Wrong> {
        let question = &self.question;
        let heard = match message {
            Opened::Community(message) => heard_openly(&question.security, message)?,
            Opened::V3(message) => self.seal.heard(question, id, &message, datagram, now)?,
        };
        match heard {
            Heard::Answer(body) => self.answer(body, datagram.len(), counts, now)?,
            Heard::Again => {
                let mut inbox = question.inbox.lock();
                if inbox.taught_id == id {
                    return Err(Wrong::Double);
                }
                inbox.taught_id = id;
                inbox.again = true;
                drop(inbox);
                counts.reports.add_one();
                question.target.rtt.lock().sample(now.saturating_duration_since(self.sent));
                question.bell.notify_one();
            }
            Heard::No(why) => {
                counts.reports.add_one();
                question.refuse(id, why);
            }
        }
        Ok(())
    }

    fn answer(&self, body: Body, bytes: usize, counts: &Counts, now: Instant) -> Result<(), Wrong> {
        let took = now.saturating_duration_since(self.sent);
        let answer = answer_of(&self.question.request, body)?;
        let mut inbox = self.question.inbox.lock();
        if inbox.answered {
            return Err(Wrong::Double);
        }
        inbox.answered = true;
        inbox.answer = Some(answer.map(|varbinds| Reply { varbinds, bytes, took }));
        drop(inbox);
        counts.answered.add_one();
        self.question.target.rtt.lock().sample(took);
        self.question.bell.notify_one();
        Ok(())
    }
}

/// What an agent answers, if it has the shape that the request allows.
pub(crate) fn answer_of(
    request: &Request,
    body: Body,
) -> Result<Result<Vec<async_snmp::VarBind>, AskError>, Wrong> {
    if body.status != 0 {
        let index = usize::try_from(body.index).unwrap_or(0);
        let index = if index <= request.oids().len() { index } else { 0 };
        return Ok(Err(AskError::of_status(body.status, index)));
    }
    if !wire::shape_fits(request, &body.varbinds) {
        return Err(Wrong::Shape);
    }
    if body.varbinds.is_empty() && wire::most(request) > 0 {
        return Ok(Err(AskError::Status { status: TOO_BIG, word: EMPTY, index: 0 }));
    }
    Ok(Ok(body.varbinds))
}

/// A message of v1 or v2c: version and community must be those of the request.
pub(crate) fn heard_openly(security: &Security, message: wire::Community) -> Result<Heard, Wrong> {
    let (version, community) = match security {
        Security::V1 { community } => (wire::V1, community),
        Security::V2c { community } => (wire::V2C, community),
        Security::V3(_) => return Err(Wrong::Security),
    };
    if message.version != version || message.community != community.reveal().as_bytes() {
        return Err(Wrong::Security);
    }
    Ok(Heard::Answer(message.pdu.body().map_err(|_| Wrong::Malformed)?))
}
