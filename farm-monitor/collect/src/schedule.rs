//! When targets are asked: a fixed rate on a grid, never a fixed delay.
//!
//! Tick k of a target stands at phase + k × period on the monotonic clock of the engine. The phase comes from a stable
//! hash of collector and target, so load spreads and a restart or a reload finds the same grid again. Whatever happens
//! between ticks, the grid does not move: a tick that could not be given in time is skipped and counted. The first tick
//! alone stands off the grid, at most [`FIRST_TICK_WITHIN`] after the target was added, so that nobody waits for
//! first data. This module reads no clock and starts nothing.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// A point on the engine's monotonic clock: the time since its start.
pub type Moment = Duration;

/// A target's first tick comes within this time (or its period, if shorter), spread by its hash.
pub const FIRST_TICK_WITHIN: Duration = Duration::from_secs(2);

/// Shorter periods are taken as this one.
pub const SHORTEST_PERIOD: Duration = Duration::from_millis(10);

/// One target of one collector, as long as the engine keeps it. Never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetKey(pub u64);

/// A target's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Whose.
    pub key: TargetKey,
    /// When it stood on the grid: at or before the `now` it is given at.
    pub at: Moment,
    /// How many ticks before this one were never given, because nobody asked in time.
    pub missed: u64,
}

/// The ticks of all targets.
#[derive(Debug, Default)]
pub struct Schedule {
    grids: HashMap<TargetKey, Grid>,
    due: BTreeSet<(Moment, TargetKey)>,
}

#[derive(Debug, Clone, Copy)]
struct Grid {
    phase: Duration,
    period: Duration,
    next: Moment,
}

impl Schedule {
    /// Adds a target; `spread` is its [`spread`] hash. A key that is there already begins again.
    pub fn add(&mut self, key: TargetKey, spread: u64, period: Duration, now: Moment) {
        self.remove(key);
        let period = period.max(SHORTEST_PERIOD);
        let next = now + fraction(period.min(FIRST_TICK_WITHIN), spread);
        self.grids.insert(key, Grid { phase: fraction(period, spread), period, next });
        self.due.insert((next, key));
    }

    /// Forgets a target.
    pub fn remove(&mut self, key: TargetKey) {
        if let Some(grid) = self.grids.remove(&key) {
            self.due.remove(&(grid.next, key));
        }
    }

    /// The turns that have come by `now`, each target at most once, in the order of their ticks.
    pub fn due(&mut self, now: Moment) -> Vec<Tick> {
        let mut ticks = Vec::new();
        while let Some(&(at, key)) = self.due.first()
            && at <= now
        {
            self.due.pop_first();
            if let Some(grid) = self.grids.get_mut(&key) {
                let (at, missed) = grid.take(now);
                ticks.push(Tick { key, at, missed });
                self.due.insert((grid.next, key));
            }
        }
        ticks
    }

    /// When the next turn comes.
    pub fn next(&self) -> Option<Moment> {
        self.due.first().map(|(at, _)| *at)
    }
}

impl Grid {
    /// Takes the latest turn at or before `now`: when it stood, and how many it overtook.
    fn take(&mut self, now: Moment) -> (Moment, u64) {
        // Half a period: the first tick stands off the grid, and the grid's next may be right behind it.
        let following = self.first_after(self.next + self.period / 2);
        let (at, missed) = if following > now {
            (self.next, 0)
        } else {
            let more = nanos(now - following) / nanos(self.period);
            (following + times(self.period, more), more + 1)
        };
        self.next = if missed == 0 { following } else { at + self.period };
        (at, missed)
    }

    /// The first point of the grid after `moment`.
    fn first_after(&self, moment: Moment) -> Moment {
        match moment.checked_sub(self.phase) {
            None => self.phase,
            Some(since) => self.phase + times(self.period, nanos(since) / nanos(self.period) + 1),
        }
    }
}

/// The hash that spreads phases: equal for equal names in every build and on every machine.
pub fn spread(collector: &str, node: &str, address: &str) -> u64 {
    let parts = [collector, node, address];
    // FNV-1a with a separator no name holds, then the finaliser of splitmix64: FNV's high bits alone are poor.
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(hash)
}

/// Scatters the bits of `x` (splitmix64).
pub(crate) const fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// `spread` as a fraction of 2^64, of `of`.
fn fraction(of: Duration, spread: u64) -> Duration {
    let part = (of.as_nanos() * u128::from(spread)) >> 64;
    Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
}

/// Nanoseconds in 64 bits: 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn times(period: Duration, count: u64) -> Duration {
    Duration::from_nanos(nanos(period).saturating_mul(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: TargetKey = TargetKey(1);

    fn on_grid(at: Moment, spread: u64, period: Duration) -> bool {
        at >= fraction(period, spread) && nanos(at - fraction(period, spread)).is_multiple_of(nanos(period))
    }

    proptest! {
        #[test]
        fn ticks_stay_on_the_grid_and_every_grid_point_is_given_or_counted(
            hash: u64,
            period_ms in 10_u64..100_000,
            added_ms in 0_u64..1_000_000,
            waits in prop::collection::vec(0_u64..400_000, 1..60),
        ) {
            let period = Duration::from_millis(period_ms);
            let mut schedule = Schedule::default();
            let added = Duration::from_millis(added_ms);
            schedule.add(KEY, hash, period, added);
            let first = schedule.next().unwrap();
            prop_assert!(first >= added && first <= added + FIRST_TICK_WITHIN.min(period));
            let (mut now, mut last, mut total, mut given) = (added, None, 0, 0);
            for wait in waits {
                now += Duration::from_millis(wait);
                for tick in schedule.due(now) {
                    prop_assert!(tick.at <= now);
                    prop_assert!(last.is_none_or(|last| tick.at >= last + period / 2));
                    prop_assert!(tick.at == first || on_grid(tick.at, hash, period));
                    prop_assert!(now - tick.at < period + period / 2, "only the latest turn is given");
                    last = Some(tick.at);
                    given += 1;
                    total += 1 + tick.missed;
                }
                prop_assert!(schedule.next().unwrap() > now, "what is due has been given");
            }
            // Points of the grid from the first tick's follower to the last one given, and the first tick itself.
            if let Some(last) = last.filter(|last| *last != first) {
                let grid = Grid { phase: fraction(period, hash), period, next: first };
                let expected = 2 + nanos(last - grid.first_after(first + period / 2)) / nanos(period);
                prop_assert_eq!(total, expected, "given {}", given);
            }
        }
    }

    #[test]
    fn a_late_turn_is_given_once_and_the_ones_it_overtook_are_counted() {
        let mut schedule = Schedule::default();
        let second = Duration::from_secs(1);
        schedule.add(KEY, 0, second, Duration::ZERO);
        assert_eq!(schedule.due(Duration::ZERO), [Tick { key: KEY, at: Duration::ZERO, missed: 0 }]);
        assert_eq!(schedule.due(Duration::from_millis(999)), []);
        let tick = Tick { key: KEY, at: Duration::from_secs(4), missed: 3 };
        assert_eq!(schedule.due(Duration::from_millis(4300)), [tick]);
        assert_eq!(schedule.next(), Some(Duration::from_secs(5)));
    }

    #[test]
    fn phases_spread_evenly_and_never_change() {
        assert_eq!(spread("a", "b", "c"), 4_331_825_373_491_396_692, "a phase that changes moves every grid");
        assert_ne!(spread("ab", "c", ""), spread("a", "bc", ""));
        let mut tenths = [0; 10];
        for n in 0..1000 {
            let node = format!("node{n:03}");
            let phase = fraction(Duration::from_secs(10), spread("snmp", &node, &node));
            tenths[usize::try_from(phase.as_secs()).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|n| (60..150).contains(n)), "{tenths:?}");
    }

    #[test]
    fn a_removed_target_has_no_more_turns() {
        let mut schedule = Schedule::default();
        schedule.add(KEY, 7, Duration::from_secs(1), Duration::ZERO);
        schedule.remove(KEY);
        assert_eq!(schedule.next(), None);
        assert_eq!(schedule.due(Duration::from_secs(9)), []);
    }
}
