//! Subscriptions: history up to a watermark, then live, no sample twice and none missing (design §8).
//!
//! A request becomes a [`Plan`] and the plan a [`Feed`](feed::Feed), which reads the cache up to the watermark, then its live
//! channel, and sends items as the subscriber takes them. It never makes the hub wait.

mod alarms;
mod announced;
mod bins;
mod condense;
mod feed;
mod give;
mod history;
mod newest;
mod outbox;
mod rates;
mod seeds;
mod tail;
mod texts;

pub use alarms::AlarmFeed;
pub use feed::{Feed, StreamOutput};

use crate::hub::{Hub, LiveCursor};
use hedgerow_model::predicate::{Every, Predicate, Reading, When};
use hedgerow_model::registration::Id;
use hedgerow_model::{NumberRange, Position, UnixMillis};
use hedgerow_proto::token::{Token, predicate_hash};
use tonic::Status;

/// The most number ranges in one query.
pub const MAX_RANGES: usize = 64;

/// What a subscription or a query came to be, once admitted.
#[derive(Debug)]
pub struct Plan {
    /// What is asked for.
    pub predicate: Predicate,
    /// The farm's id, for tokens.
    pub farm_id: Id,
    /// Hash of the predicate, for tokens.
    pub hash: u64,
    /// Start of the window, made absolute.
    pub since: Option<UnixMillis>,
    /// End of the window, made absolute.
    pub until: Option<UnixMillis>,
    /// What separates history from live.
    pub watermark: Position,
    /// Everything up to here was sent; `None`: begin with the oldest epoch there is.
    pub position: Option<Position>,
    /// Bins up to here were given.
    pub bins: Option<UnixMillis>,
    /// The newest values were given, or nobody asked for them.
    pub newest_sent: bool,
    /// Goes on from a token.
    pub resumed: bool,
    /// Ends with the watermark: a query.
    pub finite: bool,
    /// Only these numbers; empty: all.
    pub ranges: Vec<NumberRange>,
    /// What has been accepted up to the admission.
    pub admitted: Position,
    /// The farm's clock at the admission.
    pub now: UnixMillis,
}

impl Plan {
    /// Admits a subscription.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, saying what does not fit.
    pub fn subscribe(
        hub: &Hub,
        farm_id: Id,
        predicate: Predicate,
        token: &[u8],
    ) -> Result<(Self, LiveCursor), Status> {
        check(&predicate)?;
        let hash = predicate_hash(&predicate.canonical());
        let token = match token {
            [] => None,
            bytes => {
                let token = Token::decode(bytes, farm_id, hash)
                    .map_err(|e| Status::invalid_argument(e.to_string()))?;
                Some(token)
            }
        };
        let (now, cursor, admitted) = admit(hub, &predicate);
        let mut plan = Self::fresh(predicate, farm_id, hash, now, admitted);
        if let Some(token) = token {
            plan.since = token.since;
            plan.until = token.until;
            plan.watermark = token.watermark;
            plan.position = Some(token.position);
            plan.bins = token.bins;
            plan.newest_sent = token.last_sent;
            plan.resumed = true;
        } else if plan.since.is_none() {
            plan.position = Some(admitted);
        }
        Ok((plan, cursor))
    }

    /// Admits a query: what is there now.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, saying what does not fit.
    pub fn query(
        hub: &Hub,
        farm_id: Id,
        predicate: Predicate,
        ranges: Vec<NumberRange>,
    ) -> Result<(Self, LiveCursor), Status> {
        check(&predicate)?;
        if ranges.len() > MAX_RANGES {
            return Err(Status::invalid_argument(format!(
                "{} number ranges: at most {MAX_RANGES}",
                ranges.len()
            )));
        }
        if !ranges.is_empty() && (predicate.window.every.is_some() || predicate.window.last) {
            return Err(Status::invalid_argument("number ranges go with neither `every` nor `last`"));
        }
        if predicate.window.since.is_none() && !predicate.window.last && ranges.is_empty() {
            let text =
                "a query needs `since`, `last` or number ranges: without them there is nothing to answer";
            return Err(Status::invalid_argument(text));
        }
        let hash = predicate_hash(&predicate.canonical());
        let (number, cursor) = hub.look(&predicate.patterns, predicate.constraint.as_ref());
        let (now, admitted) = (hub.now(), Position { epoch: hub.epoch(), number });
        let mut plan = Self::fresh(predicate, farm_id, hash, now, admitted);
        plan.finite = true;
        if plan.since.is_none() && ranges.is_empty() {
            plan.position = Some(admitted);
        }
        plan.ranges = ranges;
        Ok((plan, cursor))
    }

    fn fresh(predicate: Predicate, farm_id: Id, hash: u64, now: UnixMillis, admitted: Position) -> Self {
        let absolute = |when: Option<When>| {
            when.map(|when| match when {
                When::At(time) => time,
                When::Ago(ago) => {
                    now.saturating_sub_unsigned(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX))
                }
            })
        };
        Self {
            since: absolute(predicate.window.since),
            until: absolute(predicate.window.until),
            newest_sent: !predicate.window.last,
            predicate,
            farm_id,
            hash,
            watermark: admitted,
            position: None,
            bins: None,
            resumed: false,
            finite: false,
            ranges: Vec::new(),
            admitted,
            now,
        }
    }

    /// The bins asked for.
    pub fn every(&self) -> Option<&Every> {
        self.predicate.window.every.as_ref()
    }

    /// Whether samples go on as they are stored.
    pub fn is_raw(&self) -> bool {
        self.predicate.reading == Reading::Raw && self.every().is_none()
    }

    /// Whether a sample of this time, accepted at this position, lies in the window: history has a start, live has not.
    pub fn wants_time(&self, history: bool, time: UnixMillis) -> bool {
        self.until.is_none_or(|until| time < until)
            && !(history && self.ranges.is_empty() && self.since.is_some_and(|since| time < since))
    }

    /// The token for `position`.
    pub fn token(&self, position: Position) -> Token {
        Token {
            farm: self.farm_id,
            predicate: self.hash,
            position,
            watermark: self.watermark,
            since: self.since,
            until: self.until,
            bins: self.bins,
            last_sent: self.newest_sent,
        }
    }
}

/// Now, a cursor behind everything accepted, and up to where that is.
fn admit(hub: &Hub, predicate: &Predicate) -> (UnixMillis, LiveCursor, Position) {
    // The constraint is on what is sent: where that is made from the samples, it cannot sort them out before.
    let shared = predicate.reading == Reading::Raw && predicate.window.every.is_none();
    let constraint = predicate.constraint.as_ref().filter(|_| shared);
    let (number, cursor) = hub.admit(&predicate.patterns, constraint);
    (hub.now(), cursor, Position { epoch: hub.epoch(), number })
}

fn check(predicate: &Predicate) -> Result<(), Status> {
    predicate.check().map_err(|fault| Status::invalid_argument(format!("predicate: {fault}")))
}
