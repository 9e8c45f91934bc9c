//! One question from its first sending to its end: when it is sent again, and when it is given up.
//!
//! Refusals that anybody could forge (ICMP, unsigned reports of v3) never end a question while a sending is left. They
//! are its end where every sending was met with one, and there were as many as patience asks for: a restarting agent is
//! asked again, and a dead one is not waited for.

use crate::agent::Security;
use crate::ask::{AskError, Reply, Request};
use crate::engine::{Patience, Shared};
use crate::line::Line;
use crate::question::{Flight, Question};
use crate::rtt::Schedule;
use crate::usm::{Masters, Seal, Sending, unspeakable};
use crate::wire;
use crate::wrong::SeenAt;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// So often a v3 question is sent again because more was learned (the engine's id, its time, a new id), without that
/// counting as an attempt.
const LESSONS: u32 = 4;

/// A question on its way, from the first sending to the end. Ends its flights when dropped.
pub(crate) struct Course<'a> {
    line: &'a Line,
    shared: &'a Shared,
    question: Arc<Question>,
    schedule: Schedule,
    deadline: Instant,
    began: Instant,
    seen: SeenAt,
    ids: Vec<i32>,
    attempts: u32,
    lessons: u32,
}

/// What became of a sending.
enum Event {
    Answer(Result<Reply, AskError>),
    /// More was learned.
    Again,
    /// Nothing came, and there is time for another sending.
    Silence,
    End,
}

impl<'a> Course<'a> {
    /// Its beginning; who calls holds a place in the agent's window.
    pub fn begin(
        line: &'a Line,
        question: Arc<Question>,
        shared: &'a Shared,
        patience: Patience,
        deadline: Instant,
    ) -> Self {
        let seen = question.target.seen.now();
        question.target.asking.lock().push(Arc::clone(&question));
        let began = Instant::now();
        let longest = deadline.saturating_duration_since(began);
        Self {
            line,
            shared,
            question,
            schedule: Schedule::new(patience.first_timeout, patience.attempts, longest),
            deadline,
            began,
            seen,
            ids: Vec::new(),
            attempts: 0,
            lessons: 0,
        }
    }

    /// Sends until there is an answer, or none can be hoped for.
    pub async fn run(&mut self, masters: Option<&Masters>) -> Result<Reply, AskError> {
        loop {
            self.send(masters).await?;
            match self.wait().await {
                Event::Answer(answer) => return answer,
                Event::Again => {
                    self.lessons += 1;
                    self.attempts -= 1;
                }
                Event::Silence => self.shared.counts.repeated.add_one(),
                Event::End => return Err(self.no_answer()),
            }
        }
    }

    async fn send(&mut self, masters: Option<&Masters>) -> Result<(), AskError> {
        let Question { request, security, target, .. } = &*self.question;
        let id = self.line.id();
        let now = Instant::now();
        let (message, seal) = match (&**security, masters) {
            (Security::V1 { community }, _) => {
                (openly(wire::V1, community.reveal(), request, id)?, Seal::Open)
            }
            (Security::V2c { community }, _) => {
                (openly(wire::V2C, community.reveal(), request, id)?, Seal::Open)
            }
            (Security::V3(user), Some(masters)) => {
                let sending = Sending { id, longest: self.shared.options.longest_datagram, now };
                self.question.message(user, masters, &self.shared.salts, &sending)?
            }
            (Security::V3(_), None) => return Err(AskError::NotAskable("a v3 user without keys".to_owned())),
        };
        if message.len() > wire::LONGEST {
            return Err(AskError::NotAskable(format!(
                "a request of {} bytes fits no datagram",
                message.len()
            )));
        }
        let address = target.address;
        self.line.depart(id, Flight { question: Arc::clone(&self.question), sent: now, seal });
        self.ids.push(id);
        self.attempts += 1;
        let cannot = |why: String| AskError::Unreachable(format!("nothing can be sent to {address}: {why}"));
        match timeout_at(self.deadline, self.line.send(&message, address)).await {
            Ok(sent) => sent.map_err(|error| cannot(error.to_string())),
            Err(_) => Err(cannot("the socket takes nothing".to_owned())),
        }
    }

    async fn wait(&self) -> Event {
        let rtt = *self.question.target.rtt.lock();
        let again = self.schedule.again(self.attempts, self.began.elapsed(), &rtt);
        let end = self.began + self.schedule.whole;
        let until = again.map_or(end, |again| self.began + again);
        loop {
            if let Some(event) = self.event() {
                return event;
            }
            if timeout_at(until, self.question.bell.notified()).await.is_err() {
                self.line.catch_up();
                let is_over = again.is_none() || Instant::now() >= end;
                return self.event().unwrap_or(if is_over { Event::End } else { Event::Silence });
            }
        }
    }

    fn event(&self) -> Option<Event> {
        let mut inbox = self.question.inbox.lock();
        if let Some(answer) = inbox.answer.take() {
            return Some(Event::Answer(answer));
        }
        if std::mem::take(&mut inbox.again) && self.lessons < LESSONS {
            return Some(Event::Again);
        }
        let is_refused = self.attempts >= self.schedule.least && inbox.refusals >= self.attempts;
        is_refused.then_some(Event::End)
    }

    /// The question's end without an answer. Of an agent that is silent, what was known is forgotten: it may be another
    /// by now. A deadline that left no time for more sendings says nothing of it.
    fn no_answer(&self) -> AskError {
        let target = &self.question.target;
        self.shared.counts.timed_out.add_one();
        let refusal = self.question.inbox.lock().refusal.take();
        refusal.unwrap_or_else(|| {
            if self.attempts >= self.schedule.least {
                target.rtt.lock().forget();
                *target.engine.lock() = None;
            }
            AskError::TimedOut {
                address: target.address,
                attempts: self.attempts,
                waited: self.began.elapsed(),
                seen: target.seen.since(&self.seen),
            }
        })
    }
}

impl Drop for Course<'_> {
    fn drop(&mut self) {
        let answered = self.question.inbox.lock().answered;
        self.line.land(&self.ids, answered);
        self.question.target.asking.lock().retain(|asking| !Arc::ptr_eq(asking, &self.question));
    }
}

fn openly(version: i32, community: &str, request: &Request, id: i32) -> Result<Vec<u8>, AskError> {
    wire::community_message(version, community, request, id).map_err(unspeakable)
}
