//! How often something happens: counted by the second, over the last ten that are over.

use std::collections::VecDeque;
use std::time::Duration;

/// Over how many seconds.
const SECONDS: u64 = 10;

/// Counts what happens.
#[derive(Debug)]
pub struct Rate {
    began: u64,
    /// Seconds in which something happened, and how much: at most ten, and the one that runs.
    counted: VecDeque<(u64, u64)>,
}

impl Rate {
    /// Nothing has happened yet.
    pub const fn new(now: Duration) -> Self {
        Self { began: now.as_secs(), counted: VecDeque::new() }
    }

    /// It happened this often now.
    pub fn count(&mut self, now: Duration, times: u64) {
        let second = now.as_secs();
        match self.counted.back_mut() {
            Some((last, counted)) if *last == second => *counted += times,
            _ => {
                self.counted.push_back((second, times));
                self.counted.retain(|(counted, _)| counted + SECONDS >= second);
            }
        }
    }

    /// How often a second.
    #[expect(clippy::cast_precision_loss, reason = "less than 2^52 in ten seconds")]
    pub fn per_second(&self, now: Duration) -> f64 {
        let second = now.as_secs();
        let over = |counted: &u64| *counted < second && counted + SECONDS >= second;
        let times: u64 = self.counted.iter().filter(|(at, _)| over(at)).map(|(_, times)| times).sum();
        times as f64 / (second - self.began).clamp(1, SECONDS) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_mean_over_the_last_ten_whole_seconds_or_since_the_start() {
        let at = |seconds: f64| Duration::from_secs_f64(1000.0 + seconds);
        let mut rate = Rate::new(at(0.0));
        for quarter in 0..20 {
            rate.count(at(f64::from(quarter) / 4.0), 5);
        }
        assert_eq!(rate.per_second(at(0.0)), 0.0);
        assert_eq!(rate.per_second(at(4.9)), 20.0, "four seconds are over");
        assert_eq!(rate.per_second(at(10.0)), 10.0);
        assert_eq!(rate.per_second(at(14.0)), 2.0);
        assert_eq!(rate.per_second(at(15.0)), 0.0);
        rate.count(at(99.0), 1);
        assert_eq!(rate.counted.len(), 1);
    }
}
