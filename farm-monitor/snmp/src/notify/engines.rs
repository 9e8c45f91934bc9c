//! The clocks of the engines that sign their traps (RFC 3414 §3.2, 7b): learned from what proves itself, and only forward.

use super::{LearnedEngine, Reason};
use async_snmp::v3::{MAX_ENGINE_TIME, TIME_WINDOW};
use bytes::Bytes;
use std::collections::HashMap;
use std::time::Instant;

/// Most engines that are remembered. One more is refused: to forget one would let in what it sent before. Each of them
/// has proven that it knows a password.
pub const MAX_ENGINES: usize = 65_536;

/// The newest time that an engine has proven, and when that was.
#[derive(Debug, Clone, Copy)]
struct Clock {
    boots: u32,
    time: u32,
    heard: Instant,
}

impl Clock {
    /// What it shows at `now`.
    fn shows(&self, now: Instant) -> u32 {
        let passed = now.saturating_duration_since(self.heard).as_secs();
        u32::try_from(u64::from(self.time) + passed).unwrap_or(u32::MAX).min(MAX_ENGINE_TIME)
    }
}

/// All of them, by engine id, and how often anything was learned.
#[derive(Debug, Default)]
pub(super) struct Engines {
    clocks: HashMap<Bytes, Clock>,
    pub learned: u64,
}

impl Engines {
    /// Judges a message whose signature is right, and learns from it.
    pub fn judge(&mut self, id: &Bytes, boots: u32, time: u32, now: Instant) -> Result<(), Reason> {
        let full = self.clocks.len() >= MAX_ENGINES;
        let Some(clock) = self.clocks.get_mut(id) else {
            if full {
                return Err(Reason::TooManyEngines);
            }
            if boots == MAX_ENGINE_TIME {
                return Err(Reason::NotInTimeWindow);
            }
            self.clocks.insert(id.clone(), Clock { boots, time, heard: now });
            self.learned += 1;
            return Ok(());
        };
        if boots > clock.boots || (boots == clock.boots && time > clock.time) {
            *clock = Clock { boots, time, heard: now };
            self.learned += 1;
        }
        let timely = boots != MAX_ENGINE_TIME
            && boots == clock.boots
            && time >= clock.shows(now).saturating_sub(TIME_WINDOW);
        timely.then_some(()).ok_or(Reason::NotInTimeWindow)
    }

    /// What they show at `now`.
    pub fn all(&self, now: Instant) -> Vec<LearnedEngine> {
        let engine = |(id, clock): (&Bytes, &Clock)| LearnedEngine {
            id: id.clone(),
            boots: clock.boots,
            time: clock.shows(now),
        };
        self.clocks.iter().map(engine).collect()
    }

    /// Takes over what was known before, unless newer is known.
    pub fn recall(&mut self, engines: impl IntoIterator<Item = LearnedEngine>, now: Instant) {
        for engine in engines.into_iter().take(MAX_ENGINES.saturating_sub(self.clocks.len())) {
            let clock = Clock { boots: engine.boots, time: engine.time, heard: now };
            self.clocks.entry(engine.id).or_insert(clock);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a point to count from")]
    fn clocks_go_forward_only_and_old_messages_are_refused() {
        let (mut engines, start) = (Engines::default(), Instant::now());
        let id = Bytes::from_static(b"engine");
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut judge = |boots, time, now| engines.judge(&id, boots, time, at(now));
        // The first is believed.
        assert_eq!(judge(3, 1000, 0), Ok(()));
        // Late by less than the window, and by more.
        assert_eq!(judge(3, 900, 0), Ok(()));
        assert_eq!(judge(3, 849, 0), Err(Reason::NotInTimeWindow));
        // The same message again, when time has passed here.
        assert_eq!(judge(3, 1000, 150), Ok(()));
        assert_eq!(judge(3, 1000, 151), Err(Reason::NotInTimeWindow));
        // A clock that runs ahead is followed; an earlier start never comes back.
        assert_eq!(judge(3, 9000, 151), Ok(()));
        assert_eq!(judge(4, 1, 152), Ok(()));
        assert_eq!(judge(3, 9000, 152), Err(Reason::NotInTimeWindow));
        assert_eq!(judge(MAX_ENGINE_TIME, 1, 153), Err(Reason::NotInTimeWindow));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a point to count from")]
    fn what_an_earlier_run_learned_keeps_out_what_is_old() {
        let (mut engines, start) = (Engines::default(), Instant::now());
        let id = Bytes::from_static(b"engine");
        engines.recall([LearnedEngine { id: id.clone(), boots: 7, time: 5000 }], start);
        assert_eq!(engines.judge(&id, 7, 4000, start), Err(Reason::NotInTimeWindow));
        assert_eq!(engines.judge(&id, 7, 5001, start), Ok(()));
        let later = start + Duration::from_secs(9);
        assert_eq!(engines.all(later), [LearnedEngine { id, boots: 7, time: 5010 }]);
    }
}
