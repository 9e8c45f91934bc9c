//! How many leases are overdue: past half their term since they were last renewed. Counted by the whole second in which
//! each becomes so, so that a renewal costs two small sums, the passing of a second one, and nobody ever scans the leases.

use std::collections::VecDeque;

/// The seconds ahead in which leases will be overdue, unless renewed, and how many are.
#[derive(Debug, Default)]
pub struct Overdue {
    /// The second that it is.
    second: u64,
    /// How many will be in each of the seconds after this one: at most half of the longest term, 43,200.
    ahead: VecDeque<u32>,
    count: usize,
}

/// The second, rounded up, in which a lease renewed at this millisecond for this term is overdue.
pub const fn second(renewed_ms: u64, granted_ms: u32) -> u64 {
    (renewed_ms + (granted_ms / 2) as u64).div_ceil(1000)
}

impl Overdue {
    /// How many are.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Whether one is that becomes so in this second.
    pub const fn is(&self, second: u64) -> bool {
        second <= self.second
    }

    /// Lets time pass.
    pub fn advance(&mut self, now_ms: u64) {
        while self.second < now_ms / 1000 {
            self.second += 1;
            self.count += self.ahead.pop_front().unwrap_or_default() as usize;
        }
    }

    /// Counts one that becomes overdue in this second.
    pub fn add(&mut self, second: u64) {
        match self.place(second) {
            None => self.count += 1,
            Some(place) => {
                if self.ahead.len() <= place {
                    self.ahead.resize(place + 1, 0);
                }
                self.ahead[place] += 1;
            }
        }
    }

    /// Counts it no more.
    pub fn remove(&mut self, second: u64) {
        match self.place(second) {
            None => self.count -= 1,
            Some(place) => self.ahead[place] -= 1,
        }
    }

    fn place(&self, second: u64) -> Option<usize> {
        usize::try_from(second.checked_sub(self.second + 1)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_overdue_from_the_first_whole_second_past_half_its_term() {
        let mut overdue = Overdue::default();
        let first = second(1, 10_000);
        overdue.add(first);
        overdue.add(second(0, 10_000));
        for (now_ms, count) in [(4999, 0), (5000, 1), (5999, 1), (6000, 2), (60_000, 2)] {
            overdue.advance(now_ms);
            assert_eq!((overdue.count(), overdue.is(first)), (count, now_ms >= 6000), "{now_ms}");
        }
        overdue.remove(first);
        overdue.add(second(60_000, 10_000));
        assert_eq!(overdue.count(), 1);
        overdue.remove(second(60_000, 10_000));
        overdue.advance(600_000);
        assert_eq!((overdue.count(), overdue.ahead.len()), (1, 0));
    }
}
