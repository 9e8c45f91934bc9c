//! Leases whose holder was replaced by a newer instance of itself: remembered for a while, so that a holder that still
//! renews is told so, and does not take the lookup for forgetful.

use crate::leases::LeaseId;
use hashbrown::HashSet;
use std::collections::VecDeque;
use std::time::Duration;

/// How long a replaced lease is remembered. Whoever still renews it does so at a third of its term.
pub const REPLACED_KEPT: Duration = Duration::from_secs(3600);
/// How many are remembered; with more the oldest is forgotten, and its holder told that its lease is unknown.
pub const MAX_REPLACED: usize = 65_536;

/// Leases whose holder was replaced.
#[derive(Debug, Default)]
pub struct Replaced {
    order: VecDeque<(Duration, LeaseId)>,
    known: HashSet<LeaseId>,
}

impl Replaced {
    /// Remembers a lease.
    pub fn remember(&mut self, now: Duration, lease: LeaseId) {
        self.forget_old(now);
        if self.known.insert(lease) {
            self.order.push_back((now + REPLACED_KEPT, lease));
        }
    }

    /// Whether the holder of this lease was replaced.
    pub fn contains(&self, lease: LeaseId) -> bool {
        self.known.contains(&lease)
    }

    /// Forgets what is too old or too much.
    pub fn forget_old(&mut self, now: Duration) {
        while let Some((until, lease)) = self.order.front().copied() {
            if until > now && self.order.len() < MAX_REPLACED {
                return;
            }
            self.order.pop_front();
            self.known.remove(&lease);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_forgotten_after_a_while_and_beyond_a_bound() {
        let mut replaced = Replaced::default();
        replaced.remember(Duration::ZERO, LeaseId(1));
        replaced.forget_old(REPLACED_KEPT - Duration::from_secs(1));
        assert!(replaced.contains(LeaseId(1)));
        replaced.forget_old(REPLACED_KEPT);
        assert!(!replaced.contains(LeaseId(1)));
        for n in 0..=MAX_REPLACED as u64 {
            replaced.remember(REPLACED_KEPT, LeaseId(n));
        }
        assert!(!replaced.contains(LeaseId(0)));
        assert!(replaced.contains(LeaseId(MAX_REPLACED as u64)));
        assert_eq!(replaced.known.len(), replaced.order.len());
    }
}
