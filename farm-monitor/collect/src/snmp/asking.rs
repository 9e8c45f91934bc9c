//! Carries a sweep's requests to the agent and the answers back, many at once, until all is read or time is up.
//!
//! Each request asks for sysUpTime, too, in front of its own names. That costs some bytes and no exchange, and tells for
//! each reply in which life of the agent it was made: an agent that restarts in the middle of a sweep never gives half a
//! table from before and half from after.

use super::sweep::{Known, Limits, Sweep, Swept, Ticket, Wanted};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hedgerow_snmp::ask::{NO_SUCH_NAME, TOO_BIG};
use hedgerow_snmp::{Agent, Ask, AskError, Oid, Reply, Request, Value};
use std::sync::Arc;
use tokio::time::Instant;

/// sysUpTime, without the 0.
pub(super) const UP_TIME: [u32; 8] = [1, 3, 6, 1, 2, 1, 1, 3];
/// An agent whose sysUpTime is below this after one above the upper bound has counted past 2^32, and not restarted.
const WRAP: (u32, u32) = (360_000, u32::MAX - 8_640_000);

/// Who asks whom, and until when.
pub(super) struct Asking<'a> {
    pub ask: &'a dyn Ask,
    pub agent: &'a Agent,
    pub until: Instant,
    /// What the agent's sysUpTime was, as far as this run has seen.
    pub life: Life,
    /// Whether it is asked at all: an agent may hide it.
    pub tells_up_time: bool,
    /// Whether the agent has answered anything in this run.
    pub heard: bool,
}

/// What a run has seen of sysUpTime.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Life {
    /// The last one.
    pub up_time: Option<u32>,
    /// It went back though the reply was made later.
    pub restarted: bool,
}

/// What came of a sweep.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub swept: Swept,
    pub known: Known,
    /// The agent restarted meanwhile: nothing of it may be used.
    pub restarted: bool,
    /// The deadline came before its end.
    pub late: bool,
}

impl Life {
    /// Takes the sysUpTime of a reply to a request that was sent when `before` had been seen.
    fn see(&mut self, before: Option<u32>, now: u32) {
        if before.is_some_and(|before| now < before && !wraps(before, now)) {
            self.restarted = true;
        }
        let newer = self.up_time.is_none_or(|seen| self.restarted || seen < now || wraps(seen, now));
        if newer {
            self.up_time = Some(now);
        }
    }
}

/// Whether sysUpTime went past 2^32 in between.
fn wraps(before: u32, now: u32) -> bool {
    now < WRAP.0 && before > WRAP.1
}

impl Asking<'_> {
    /// Asks for nothing but a sign of life.
    ///
    /// # Errors
    /// There is none.
    pub async fn hello(&mut self) -> Result<(), AskError> {
        let request = Request::Get(vec![Oid::from_slice(&UP_TIME).child(0)]);
        match self.ask.ask(self.agent, request, self.until).await {
            Ok(_) | Err(AskError::Status { .. }) => {
                self.heard = true;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Reads what is wanted.
    pub async fn sweep(&mut self, wanted: Arc<Wanted>, known: Known, limits: Limits) -> Read {
        let mut sweep = Sweep::new(wanted, known, limits);
        let mut read = Read::default();
        let mut in_flight = FuturesUnordered::new();
        self.life.restarted = false;
        if self.heard {
            sweep.is_there();
        }
        while !sweep.is_done() && !self.life.restarted {
            while Instant::now() < self.until
                && let Some((ticket, request)) = sweep.next_request()
            {
                let whom = (self.ask, self.agent, self.until);
                in_flight.push(one(whom, self.tells_up_time, self.life.up_time, (ticket, request)));
            }
            let next = tokio::select! {
                biased;
                next = in_flight.next() => next,
                () = tokio::time::sleep_until(self.until), if !in_flight.is_empty() => None,
            };
            let Some(one) = next else { break };
            self.tells_up_time &= !one.hidden;
            if let Some(up_time) = one.up_time {
                self.life.see(one.before, up_time);
            }
            self.heard |= matches!(one.answer, Ok(_) | Err(AskError::Status { .. }));
            // What ends with the time that is left is no silence of the agent.
            if one.answer.is_err() && Instant::now() >= self.until {
                continue;
            }
            sweep.answered(one.ticket, one.answer);
        }
        drop(in_flight);
        read.restarted = self.life.restarted;
        read.late = !sweep.is_done() && !read.restarted;
        (read.swept, read.known) = sweep.finish();
        read
    }
}

/// What came of one request.
struct One {
    ticket: Ticket,
    /// The sysUpTime seen before it was sent.
    before: Option<u32>,
    /// That of the reply.
    up_time: Option<u32>,
    /// The agent does not tell it.
    hidden: bool,
    answer: Result<Reply, AskError>,
}

/// One request, with sysUpTime in front where the agent `tells` it.
async fn one(
    (ask, agent, until): (&dyn Ask, &Agent, Instant),
    tells: bool,
    before: Option<u32>,
    (ticket, request): (Ticket, Request),
) -> One {
    let mut hidden = false;
    if tells {
        let answer = ask.ask(agent, with_up_time(&request), until).await;
        match &answer {
            Err(AskError::Status { status: NO_SUCH_NAME, index: 1, .. }) => hidden = true,
            // There is no room for both.
            Err(AskError::Status { status: TOO_BIG, .. }) if request.oids().len() == 1 => {}
            _ => {
                let (up_time, answer) = without_up_time(answer);
                return One { ticket, before, up_time, hidden, answer };
            }
        }
    }
    let answer = ask.ask(agent, request, until).await;
    One { ticket, before, up_time: None, hidden, answer }
}

fn with_up_time(request: &Request) -> Request {
    let in_front = |first: Oid, oids: &[Oid]| std::iter::once(first).chain(oids.iter().cloned()).collect();
    let object = Oid::from_slice(&UP_TIME);
    match request {
        Request::Get(oids) => Request::Get(in_front(object.child(0), oids)),
        Request::GetNext(oids) => Request::GetNext(in_front(object, oids)),
        Request::GetBulk { non_repeaters, max_repetitions, oids } => Request::GetBulk {
            non_repeaters: non_repeaters + 1,
            max_repetitions: *max_repetitions,
            oids: in_front(object, oids),
        },
    }
}

/// The answer to the request as it was before [`with_up_time`].
fn without_up_time(answer: Result<Reply, AskError>) -> (Option<u32>, Result<Reply, AskError>) {
    match answer {
        Ok(mut reply) if !reply.varbinds.is_empty() => {
            let first = reply.varbinds.remove(0);
            let is_it = first.oid.arcs().split_last() == Some((&0, &UP_TIME));
            let up_time = match first.value {
                Value::TimeTicks(ticks) if is_it => Some(ticks),
                _ => None,
            };
            (up_time, Ok(reply))
        }
        Err(AskError::Status { status, word, index }) => {
            (None, Err(AskError::Status { status, word, index: index.saturating_sub(1) }))
        }
        other => (None, other),
    }
}
