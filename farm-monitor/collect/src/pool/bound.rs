//! One bound of the pool (global, a module's, an address's), the shares of the lanes in it and the part that goes by
//! age. Only counts, and keeps one time.

use crate::schedule::Moment;
use std::time::Duration;

/// Where a target stands; the better lane is served first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// It answered last time.
    Trusted = 0,
    /// It was never asked.
    Fresh = 1,
    /// Its last run was cut: it may be slow, it may be hung.
    Doubtful = 2,
    /// It timed out and has not answered since.
    Probation = 3,
}

impl Lane {
    /// All lanes, best first.
    pub const ALL: [Self; 4] = [Self::Trusted, Self::Fresh, Self::Doubtful, Self::Probation];
}

/// Why a bound admits no more of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    /// The lane's share is used up.
    Share,
    /// What is left is kept for trusted targets.
    Reserve,
    /// All slots are taken.
    Full,
}

/// One part in so many of a bound is for who is on probation, one is kept for the trusted, and one goes by age.
const PARTS: usize = 8;

/// Slots taken of a limit, by lane.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    limit: usize,
    running: [usize; 4],
    cutting: usize,
    /// Runs that were started for their age.
    aged: usize,
    /// No other is before then.
    next_aged: Moment,
}

impl Bound {
    /// A limit below 1 is taken as 1: a pool that runs nothing is no pool.
    pub fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), running: [0; 4], cutting: 0, aged: 0, next_aged: Moment::ZERO }
    }

    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(1);
    }

    pub fn busy(&self) -> usize {
        self.running.iter().sum()
    }

    /// Most runs of `lane` at once, at least 1.
    pub fn share(&self, lane: Lane) -> usize {
        let part = match lane {
            Lane::Trusted => 1,
            Lane::Fresh | Lane::Doubtful => 2,
            Lane::Probation => PARTS,
        };
        (self.limit / part).max(1)
    }

    /// What all but the trusted together leave free.
    fn reserve(&self) -> usize {
        (self.limit / PARTS).max(1)
    }

    /// Why no run of `lane` can start now; `None` if one can.
    pub fn blocked(&self, lane: Lane) -> Option<Block> {
        let others = self.busy() - self.running[Lane::Trusted as usize];
        if self.running[lane as usize] >= self.share(lane) {
            Some(Block::Share)
        } else if lane != Lane::Trusted && others >= (self.limit - self.reserve()).max(1) {
            Some(Block::Reserve)
        } else if self.busy() >= self.limit {
            Some(Block::Full)
        } else {
            None
        }
    }

    /// Whether the end of a run of lane `running` would let one of lane `waiting` start.
    pub fn cut_helps(&self, waiting: Lane, running: Lane) -> bool {
        let same = waiting == running;
        match self.blocked(waiting) {
            None => false,
            Some(Block::Share) => same,
            // Who is on probation disturbs nobody but its like.
            Some(_) if waiting == Lane::Probation => same,
            Some(Block::Reserve) => running != Lane::Trusted,
            Some(Block::Full) => true,
        }
    }

    /// Whether a start of `lane` would take the last slot that one of lane `elder` could have.
    pub fn would_bar(&self, lane: Lane, elder: Lane) -> bool {
        let mut after = self.clone();
        after.take(lane, false);
        self.blocked(elder).is_none() && after.blocked(elder).is_some()
    }

    /// Whether one may start for its age: an eighth of the slots, or of the time where there are fewer than eight.
    pub fn admits_aged(&self, now: Moment) -> bool {
        self.aged < self.share(Lane::Probation) && now >= self.next_aged
    }

    /// A run started for its age has ended at `end`.
    pub fn release_aged(&mut self, end: Moment, took: Duration) {
        self.aged -= 1;
        let rests = u32::try_from(PARTS.div_ceil(self.limit) - 1).unwrap_or(0);
        self.next_aged = self.next_aged.max(end + took * rests);
    }

    /// How many of the runs are being cut.
    pub fn cutting(&self) -> usize {
        self.cutting
    }

    pub fn begin_cut(&mut self) {
        self.cutting += 1;
    }

    pub fn take(&mut self, lane: Lane, aged: bool) {
        self.running[lane as usize] += 1;
        self.aged += usize::from(aged);
    }

    pub fn release(&mut self, lane: Lane, cutting: bool) {
        self.running[lane as usize] -= 1;
        self.cutting -= usize::from(cutting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_leave_room_for_the_trusted_in_every_bound_above_one() {
        for limit in 1..200 {
            let mut bound = Bound::new(limit);
            for lane in [Lane::Probation, Lane::Doubtful, Lane::Fresh] {
                while bound.blocked(lane).is_none() {
                    bound.take(lane, false);
                }
                assert!(bound.running[lane as usize] <= bound.share(lane));
            }
            assert!(bound.busy() <= limit);
            assert_eq!(bound.blocked(Lane::Trusted).is_none(), limit > 1, "limit {limit}");
        }
    }
}
