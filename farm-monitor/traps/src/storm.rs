//! How much one source may send. What is above is dropped, and said: when a storm begins, once a minute, and when it is over.
//!
//! A bucket a source (GCRA: kept as the time at which it would be full again). Knows no clock.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Most sources that have a bucket of their own. All others share one: who forges addresses gets no more for it.
pub const MAX_SOURCES: usize = 10_000;
/// A storm is over when nothing was dropped for so long.
pub const QUIET: Duration = Duration::from_secs(10);
/// How often a storm that goes on is told of.
pub const TELL_EVERY: Duration = Duration::from_secs(60);

/// The buckets.
#[derive(Debug)]
pub struct Storms {
    interval: Duration,
    burst: u32,
    sources: HashMap<Source, Bucket>,
}

/// A source, or all those that have no bucket of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// One.
    Address(IpAddr),
    /// The rest.
    Others,
}

#[derive(Debug)]
struct Bucket {
    full_at: Instant,
    storm: Option<Storm>,
}

#[derive(Debug, Clone, Copy)]
struct Storm {
    began: Instant,
    last: Instant,
    told: Instant,
    dropped: u64,
}

/// What is to be done with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Judge it.
    Admit,
    /// Drop it.
    Drop,
    /// Drop it, and say that a storm begins.
    Begins(Source),
}

/// What is to be said of a storm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// Whose.
    pub source: Source,
    /// How much was dropped since it began.
    pub dropped: u64,
    /// How long it has lasted, to the last one dropped.
    pub lasted: Duration,
    /// Whether it is over.
    pub over: bool,
}

impl Storms {
    /// So many a second on average, and so many at once.
    pub fn new(rate: u32, burst: u32) -> Self {
        let mut storms = Self { interval: Duration::ZERO, burst: 0, sources: HashMap::new() };
        storms.set(rate, burst);
        storms
    }

    /// Changes the bounds.
    pub fn set(&mut self, rate: u32, burst: u32) {
        self.interval = Duration::from_secs(1) / rate.max(1);
        self.burst = burst.max(1);
    }

    /// Judges one from `address`.
    pub fn judge(&mut self, address: IpAddr, now: Instant) -> Verdict {
        let own = Source::Address(address);
        let source = if self.sources.len() < MAX_SOURCES || self.sources.contains_key(&own) {
            own
        } else {
            Source::Others
        };
        let bucket = self.sources.entry(source).or_insert(Bucket { full_at: now, storm: None });
        let full_at = bucket.full_at.max(now) + self.interval;
        if full_at.saturating_duration_since(now) <= self.interval * self.burst {
            bucket.full_at = full_at;
            return Verdict::Admit;
        }
        match &mut bucket.storm {
            Some(storm) => {
                storm.dropped += 1;
                storm.last = now;
                Verdict::Drop
            }
            none => {
                *none = Some(Storm { began: now, last: now, told: now, dropped: 1 });
                Verdict::Begins(source)
            }
        }
    }

    /// What is to be said by now; forgets sources that could send a whole burst again. Called about once a second.
    pub fn tick(&mut self, now: Instant) -> Vec<News> {
        let mut news = Vec::new();
        for (source, bucket) in &mut self.sources {
            let Some(storm) = &mut bucket.storm else { continue };
            let over = now.saturating_duration_since(storm.last) >= QUIET;
            if over || now.saturating_duration_since(storm.told) >= TELL_EVERY {
                storm.told = now;
                let lasted = storm.last.saturating_duration_since(storm.began);
                news.push(News { source: *source, dropped: storm.dropped, lasted, over });
            }
            if over {
                bucket.storm = None;
            }
        }
        self.sources.retain(|_, bucket| bucket.storm.is_some() || bucket.full_at > now);
        news.sort_by_key(|news| news.source);
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[expect(clippy::disallowed_methods, reason = "a point to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    fn address(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(n).into()
    }

    #[test]
    fn a_storm_is_told_when_it_begins_every_minute_and_when_it_is_over() {
        let (mut storms, begin) = (Storms::new(50, 200), start());
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let source = Source::Address(address(7));
        for _ in 0..200 {
            assert_eq!(storms.judge(address(7), begin), Verdict::Admit);
        }
        assert_eq!(storms.judge(address(7), begin), Verdict::Begins(source));
        assert_eq!(storms.judge(address(7), begin), Verdict::Drop);
        // Another source is not touched by it.
        assert_eq!(storms.judge(address(8), begin), Verdict::Admit);
        for second in 1..=60 {
            for place in 0..60 {
                let verdict = storms.judge(address(7), at(second));
                assert_eq!(verdict, if place < 50 { Verdict::Admit } else { Verdict::Drop });
            }
            let news = storms.tick(at(second));
            let dropped = 2 + 10 * second;
            let lasted = Duration::from_secs(60);
            let expected =
                if second == 60 { vec![News { source, dropped, lasted, over: false }] } else { vec![] };
            assert_eq!(news, expected);
        }
        assert_eq!(storms.tick(at(69)), []);
        let over = News { source, dropped: 602, lasted: Duration::from_secs(60), over: true };
        assert_eq!(storms.tick(at(70)), [over]);
        assert_eq!(storms.tick(at(71)), []);
        assert_eq!(storms.sources.len(), 0);
    }

    #[test]
    fn forged_addresses_share_what_is_left() {
        let (mut storms, now) = (Storms::new(1, 2), start());
        let admitted = (0..30_000).filter(|n| storms.judge(address(*n), now) == Verdict::Admit).count();
        assert_eq!(admitted, MAX_SOURCES + 2);
        assert!(storms.sources.len() <= MAX_SOURCES + 1);
        assert_eq!(storms.tick(now + Duration::from_secs(3)).len(), 0);
        assert_eq!(storms.judge(address(60_000), now + Duration::from_secs(3)), Verdict::Admit);
    }

    proptest! {
        #[test]
        fn no_more_than_a_burst_and_the_rate_gets_through_in_any_span(
            rate in 1_u32..200,
            burst in 1_u32..50,
            gaps in proptest::collection::vec(0_u64..40, 1..400),
        ) {
            let (mut storms, begin) = (Storms::new(rate, burst), start());
            let (mut now, mut admitted, mut in_burst) = (begin, Vec::new(), 0_u32);
            for gap in gaps {
                now += Duration::from_millis(gap);
                if storms.judge(address(1), now) == Verdict::Admit {
                    admitted.push(now);
                }
                in_burst += 1;
                prop_assert!(in_burst > burst || admitted.len() == in_burst as usize, "a burst was not let through");
            }
            for (from, first) in admitted.iter().enumerate() {
                for (to, last) in admitted.iter().enumerate().skip(from) {
                    let span = last.duration_since(*first).as_secs_f64();
                    let most = f64::from(burst) + span * f64::from(rate) + 1e-6 * span + 1e-6;
                    prop_assert!((to - from + 1) as f64 <= most, "{} in {span} s", to - from + 1);
                }
            }
        }
    }
}
