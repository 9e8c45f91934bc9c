//! Judges the readings of one counter: whether the increase since the last one is known.
//!
//! A mark stands at the first reading after what it tells of. Readers make rates of all increases without a mark, so that
//! a wrong guess becomes a spike in somebody's chart: where two stories fit, the increase is unknown. That holds for a
//! counter of 32 bits on a link so fast that it may wrap more than once between two readings: even when its value went up,
//! nobody knows how often it went round. (RFC 2863 gives such links counters of 64 bits.)
//!
//! Makes no rates, and never changes a value.

#[cfg(test)]
mod tests;

use hedgerow_model::Mark;

/// Agents gather counters in batches, and answer from the last batch: two readings may be this much further apart than
/// they were asked for.
const BATCH_MS: i64 = 15_000;
/// The same where a second round is considered: an agent's batch would have to be late on a link that is full all the
/// time. With more slack, no port of 1 Gbit/s with counters of 32 bits would ever have a rate; so those that are read each
/// half minute have one.
const LATE_MS: i64 = 2_000;
/// A link counts a little more than its speed says: headers, rounded speeds.
const OVER_SPEED: f64 = 1.1;
/// No counter counts faster, units a second: octets at 800 Gbit/s.
const ANY_SPEED: f64 = 1e11;
/// Traffic that is this much more than it was lately is believed on the way up, but not as the proof of a wrap.
const SURGE: f64 = 8.0;
/// How much of the fastest increase seen is left at the next reading.
const FADES: f64 = 0.8;
/// After so many increases in a row that were too much, all much the same, it is the speed that is wrong. (A tunnel says
/// what somebody once wrote down as its bandwidth.)
const DOUBTS: u8 = 3;
/// Two such increases are much the same if they differ by less than this.
const ALIKE: f64 = 8.0;
/// sysUpTime counts hundredths of a second.
const TICK_MS: i64 = 10;
/// How far sysUpTime may be from where it is expected, in ticks: what a reply takes, and agents that update it seldom.
const TICKS_OFF: u64 = 500;
/// How far it may be off beside that: one tick in so many, for an agent's bad clock.
const DRIFT: u64 = 200;
const WRAP32: u64 = 1 << 32;

/// One reading of a counter, with what the same sweep says about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// As the agent counts, unscaled.
    pub value: u64,
    /// It has 64 bits, not 32.
    pub wide: bool,
    /// When it was read, in milliseconds of a clock that does not jump.
    pub at_ms: i64,
    /// The agent's sysUpTime; none: not known this time.
    pub up_time: Option<u32>,
    /// When the row's counters last jumped, in sysUpTime (`ifCounterDiscontinuityTime`); none: the agent does not say.
    pub jumped: Option<u32>,
    /// By how much it can grow in a second; none: not known.
    pub fastest: Option<f64>,
    /// It comes from another row, or another column, than the last one.
    pub moved: bool,
}

/// What is kept of a counter from reading to reading.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counter {
    last: Option<Last>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Last {
    value: u64,
    wide: bool,
    at_ms: i64,
    /// With when it was read: a reading without it leaves the one before.
    up_time: Option<(u32, i64)>,
    jumped: Option<u32>,
    /// The fastest known increase a second, lately.
    pace: Option<f64>,
    fastest: Option<f64>,
    /// How many increases in a row were too much for `fastest`, and the last of them a second.
    too_much: (u8, f64),
}

impl Counter {
    /// Takes a reading; gives what is to be said of the increase that leads to it. Nothing of the first.
    pub fn judge(&mut self, now: &Reading) -> Option<Mark> {
        let up_time = now.up_time.map(|ticks| (ticks, now.at_ms));
        let mut next = Last {
            value: now.value,
            wide: now.wide,
            at_ms: now.at_ms,
            up_time,
            jumped: now.jumped,
            fastest: now.fastest,
            pace: None,
            too_much: (0, 0.0),
        };
        let Some(last) = self.last else {
            self.last = Some(next);
            return None;
        };
        next.up_time = up_time.or(last.up_time);
        next.jumped = now.jumped.or(last.jumped);
        next.pace = last.pace.map(|pace| pace * FADES);
        if now.fastest == last.fastest {
            next.too_much = last.too_much;
        }
        let mark = last.outside(now).or_else(|| next.step(&last, now));
        if matches!(mark, Some(Mark::Reset)) || now.moved {
            // What was known of the old one says nothing of the new one.
            (next.jumped, next.pace, next.too_much) = (now.jumped, None, (0, 0.0));
        }
        self.last = Some(next);
        mark
    }
}

impl Last {
    /// What is to be said whatever the value is.
    fn outside(&self, now: &Reading) -> Option<Mark> {
        if let (Some((before, at_ms)), Some(ticks)) = (self.up_time, now.up_time)
            && restarted(before, ticks, now.at_ms.saturating_sub(at_ms))
        {
            return Some(Mark::Reset);
        }
        let jumped = match (self.jumped, now.jumped) {
            (Some(before), Some(now)) => before != now,
            // Heard for the first time: it may have been since the last reading.
            (None, Some(jumped)) => match (self.up_time, now.up_time) {
                (Some((before, _)), Some(ticks)) => jumped > before && jumped <= ticks,
                _ => false,
            },
            _ => false,
        };
        (jumped || now.moved || self.wide != now.wide).then_some(Mark::Discontinuity)
    }

    /// What the two values say. `self` is what will be kept.
    fn step(&mut self, last: &Self, now: &Reading) -> Option<Mark> {
        let millis = now.at_ms.saturating_sub(last.at_ms).max(0);
        let (seconds, at_least) = (seconds(millis, BATCH_MS), seconds(millis, LATE_MS));
        let wrong_speed = self.too_much.0 >= DOUBTS;
        let speed = now.fastest.filter(|speed| *speed > 0.0 && speed.is_finite() && !wrong_speed);
        let most = speed.map(|speed| speed * OVER_SPEED * seconds);
        let round = if now.wide { u64::MAX } else { WRAP32 - 1 };
        if now.value > round || last.value > round {
            return Some(Mark::Discontinuity);
        }
        let wraps = now.value < last.value;
        let by = if wraps { round - last.value + now.value + 1 } else { now.value - last.value };
        let by = float(by);
        let again = !now.wide && speed.is_some_and(|speed| by + float(WRAP32) <= speed * at_least);
        let known = match (wraps, most) {
            // More than a link can carry, or perhaps once more round than it looks.
            (_, Some(most)) if by > most || again => false,
            (false, _) => true,
            (true, most) => by <= last.wrap_bound(now, most, seconds),
        };
        let too_fast = !wraps && most.is_some_and(|most| by > most);
        if too_fast {
            let pace = by / seconds;
            let (before, pace_before) = self.too_much;
            let alike = pace < pace_before * ALIKE && pace * ALIKE > pace_before;
            self.too_much = (if alike { before + 1 } else { 1 }, pace);
        } else if known && !wrong_speed {
            self.too_much = (0, 0.0);
        }
        if known {
            self.pace = Some(self.pace.unwrap_or(0.0).max(by / seconds));
        }
        match (known, wraps) {
            (true, false) => None,
            (true, true) if now.wide => Some(Mark::Wrap64),
            (true, true) => Some(Mark::Wrap32),
            (false, true) if now.up_time.is_none() => Some(Mark::Reset),
            (false, _) => Some(Mark::Discontinuity),
        }
    }

    /// Up to which increase a value that went down is taken to have gone round. Somebody may have set it back to 0 with
    /// sysUpTime running on; an agent that says when its counters jump would have said so.
    fn wrap_bound(&self, now: &Reading, most: Option<f64>, seconds: f64) -> f64 {
        let any = most.unwrap_or(if now.wide { ANY_SPEED * seconds } else { float(WRAP32 / 2) });
        let tells = self.jumped.is_some() && now.jumped.is_some();
        match self.pace {
            _ if now.wide || (tells && most.is_some()) => any,
            Some(pace) => any.min(pace * SURGE * seconds),
            None => any.min(float(WRAP32 / 4)),
        }
    }
}

/// Whether an agent began again between two readings of its sysUpTime. That it passed 2^32 (after 497 days) is no restart;
/// that it went up is no proof of none, where it is up for no longer than has passed. An agent that had been up for a few
/// seconds only cannot be told from one that began again at once.
pub fn restarted(before: u32, now: u32, elapsed_ms: i64) -> bool {
    let ticks = u64::try_from(elapsed_ms / TICK_MS).unwrap_or(0);
    let off = TICKS_OFF + ticks / DRIFT;
    let expected = u64::from(before) + ticks;
    if expected + off < WRAP32 {
        let now = u64::from(now);
        return now < u64::from(before) || (now <= ticks + off && now + off < expected);
    }
    let distance = (expected % WRAP32).abs_diff(u64::from(now));
    distance.min(WRAP32 - distance) > off
}

#[expect(clippy::cast_precision_loss, reason = "a bound, with slack")]
fn seconds(millis: i64, slack: i64) -> f64 {
    millis.saturating_add(slack) as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "compared to bounds with slack")]
fn float(value: u64) -> f64 {
    value as f64
}
