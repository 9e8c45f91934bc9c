//! How long to wait for an agent before asking again: RFC 6298 over the times that its answers took. Knows no clock.
//!
//! Each sending has an id of its own, so that it is always known which of them an answer answers: what Karn's rule
//! guards against cannot happen, and every answer is a sample, also one to a repetition.

use std::time::Duration;

/// Never asks again sooner: agents answer from slow processors, and are polled while they have other work.
pub(crate) const SHORTEST: Duration = Duration::from_millis(200);
/// A question is sent no more often, unless patience calls for more: waits double, so that eight take 255 times the first.
/// An agent that fell silent is not flooded, least of all one whose patience is long.
pub(crate) const MOST_SENDINGS: u32 = 8;

/// What is known of the times of one agent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rtt {
    /// Smoothed time and its variation; nothing before the first sample.
    smoothed: Option<(Duration, Duration)>,
}

impl Rtt {
    /// An answer took so long.
    pub fn sample(&mut self, took: Duration) {
        self.smoothed = Some(match self.smoothed {
            None => (took, took / 2),
            Some((mean, variation)) => {
                let off = mean.abs_diff(took);
                ((mean * 7 + took) / 8, (variation * 3 + off) / 4)
            }
        });
    }

    /// The agent fell silent: what was known of it may be no longer so.
    pub fn forget(&mut self) {
        self.smoothed = None;
    }

    /// How long to wait for an answer to sending number `sending` (from 0); `first` where nothing is known, and the
    /// longest for the first sending. Doubles with each.
    pub fn timeout(&self, first: Duration, sending: u32) -> Duration {
        let base = match self.smoothed {
            None => first,
            Some((mean, variation)) => (mean + variation * 4).max(SHORTEST).min(first),
        };
        base.saturating_mul(1_u32.checked_shl(sending).unwrap_or(u32::MAX))
    }
}

/// When a question is sent again, and when it is given up: as long after its beginning as if nothing were known of the
/// agent's times. What is known makes repetitions come sooner, and so more of them, but nobody give up sooner.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    /// The wait for the first answer of an agent of which nothing is known.
    pub first: Duration,
    /// So many sendings there are at least.
    pub least: u32,
    /// From the beginning to the end; sooner only where there is a deadline.
    pub whole: Duration,
}

impl Schedule {
    /// Of a patience, for a question that may take so long.
    pub fn new(first: Duration, least: u32, longest: Duration) -> Self {
        let least = least.max(1);
        let factor = 1_u32.checked_shl(least).unwrap_or(u32::MAX).saturating_sub(1);
        Self { first, least, whole: first.saturating_mul(factor).min(longest) }
    }

    /// When to send again if nothing answers what was sent at `now`, as number `sending` (from 1); both times are since the
    /// beginning. `None`: this was the last, for there were [`MOST_SENDINGS`], or an answer to another would hardly come in
    /// time.
    pub fn again(&self, sending: u32, now: Duration, rtt: &Rtt) -> Option<Duration> {
        let at = now.saturating_add(rtt.timeout(self.first, sending.saturating_sub(1)));
        let answer = at.saturating_add(SHORTEST.min(self.first));
        (sending < self.least.max(MOST_SENDINGS) && answer <= self.whole).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIRST: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn nothing_known_waits_the_first_time_and_doubles() {
        let rtt = Rtt::default();
        assert_eq!([0, 1, 2].map(|sending| rtt.timeout(FIRST, sending).as_secs()), [1, 2, 4]);
        let schedule = Schedule::new(FIRST, 3, HOUR);
        assert_eq!(sendings(&schedule, &rtt), [0, 1_000, 3_000]);
        assert_eq!(schedule.whole, Duration::from_secs(7));
    }

    #[test]
    fn a_known_agent_is_asked_again_until_patience_ends_and_never_more_often_than_is_good() {
        let known = answered_after(2, 20);
        assert_eq!(sendings(&Schedule::new(FIRST, 3, HOUR), &known), [0, 200, 600, 1_400, 3_000, 6_200]);
        assert_eq!(sendings(&Schedule::new(FIRST, 1, HOUR), &known), [0, 200, 600]);
        let most = sendings(&Schedule::new(Duration::from_secs(60), 3, HOUR), &known);
        assert_eq!((most.len(), most.last()), (MOST_SENDINGS as usize, Some(&25_400)));
        let slow = answered_after(990, 20);
        assert_eq!(
            sendings(&Schedule::new(FIRST, 3, HOUR), &slow).len(),
            3,
            "no answer to a fourth could come in time"
        );
    }

    #[test]
    fn a_deadline_ends_it_sooner() {
        let (known, unknown) = (answered_after(2, 20), Rtt::default());
        let schedule = Schedule::new(FIRST, 3, Duration::from_millis(1_500));
        assert_eq!(schedule.whole, Duration::from_millis(1_500));
        assert_eq!(sendings(&schedule, &known), [0, 200, 600]);
        assert_eq!(sendings(&schedule, &unknown), [0, 1_000]);
    }

    /// Of datagrams, 5 in 100 are lost in each direction, so that about one exchange in ten fails.
    #[test]
    fn lost_datagrams_cost_tenths_of_seconds_and_hardly_ever_the_answer() {
        const QUESTIONS: usize = 1_000_000;
        let round_trip = 2;
        let sent = sendings(&Schedule::new(FIRST, 3, HOUR), &answered_after(round_trip, 20));
        let mut random = Random(1);
        let mut took: Vec<u64> = (0..QUESTIONS)
            .map(|_| {
                let mut arrives = || random.below(100) >= 5 && random.below(100) >= 5;
                sent.iter().find(|_| arrives()).map_or(u64::MAX, |sent| sent + round_trip)
            })
            .collect();
        took.sort_unstable();
        let at = |share: f64| took[(QUESTIONS as f64 * share) as usize];
        assert_eq!([at(0.5), at(0.99), at(0.999)], [2, 202, 602]);
        let unanswered = took.iter().filter(|took| **took == u64::MAX).count();
        assert!(unanswered <= 5, "{unanswered} of a million had no answer");
    }

    /// Numbers that are the same each time (splitmix64).
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ mixed >> 31) % end
        }
    }

    /// When a question is sent that nobody answers, in ms.
    fn sendings(schedule: &Schedule, rtt: &Rtt) -> Vec<u64> {
        let mut sent = vec![Duration::ZERO];
        while let Some(at) = schedule.again(sent.len() as u32, *sent.last().unwrap(), rtt) {
            sent.push(at);
        }
        sent.iter().map(|at| at.as_millis() as u64).collect()
    }

    fn answered_after(millis: u64, times: u32) -> Rtt {
        let mut rtt = Rtt::default();
        (0..times).for_each(|_| rtt.sample(Duration::from_millis(millis)));
        rtt
    }

    #[test]
    fn a_quick_agent_is_asked_again_sooner_and_a_slow_one_later() {
        let mut rtt = answered_after(2, 20);
        assert_eq!(rtt.timeout(FIRST, 0), SHORTEST);
        for _ in 0..20 {
            rtt.sample(Duration::from_millis(600));
        }
        assert!(rtt.timeout(FIRST, 0) > Duration::from_millis(600));
        rtt.forget();
        assert_eq!(rtt.timeout(FIRST, 0), FIRST);
    }

    proptest! {
        #[test]
        fn the_timeout_is_within_its_bounds(
            samples in prop::collection::vec(0_u64..100_000, 0..50),
            first in 1_u64..10_000,
            sending in 0_u32..40,
        ) {
            let first = Duration::from_millis(first);
            let mut rtt = Rtt::default();
            for sample in samples {
                rtt.sample(Duration::from_millis(sample));
            }
            let base = rtt.timeout(first, 0);
            prop_assert!(base <= first && base >= first.min(SHORTEST));
            prop_assert!(rtt.timeout(first, sending) >= base);
        }

        /// However long patience, deadline and times are, and however late each sending leaves.
        #[test]
        fn sendings_are_bounded_never_after_the_end_and_at_least_as_many_as_asked_for(
            samples in prop::collection::vec(0_u64..5_000, 0..20),
            first in 1_u64..60_000,
            least in 0_u32..=10,
            longest in prop::option::of(0_u64..100_000),
            late in prop::collection::vec(0_u64..50, 16),
        ) {
            let first = Duration::from_millis(first);
            let mut rtt = Rtt::default();
            for sample in samples {
                rtt.sample(Duration::from_millis(sample));
            }
            let schedule = Schedule::new(first, least, longest.map_or(Duration::MAX, Duration::from_millis));
            let whole = first * (2_u32.pow(least.max(1)) - 1);
            prop_assert_eq!(schedule.whole, longest.map_or(whole, |longest| whole.min(Duration::from_millis(longest))));
            let (mut sent, mut now, mut wait) = (1, Duration::ZERO, Duration::ZERO);
            while let Some(at) = schedule.again(sent, now, &rtt) {
                prop_assert!(at < schedule.whole);
                prop_assert!(at - now >= wait.max(SHORTEST.min(first)), "an agent that is silent is asked in haste");
                wait = at - now;
                sent += 1;
                now = at + Duration::from_millis(late[sent as usize]).min(first / 100);
            }
            prop_assert!(sent <= least.max(MOST_SENDINGS));
            prop_assert!(longest.is_some() || sent >= least);
        }
    }
}
