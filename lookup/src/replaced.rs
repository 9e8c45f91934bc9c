//! Leases whose holder was replaced by another run of its service, and the proof that two live holders share one id
//! (law 1). Remembered for a while, with what their holder said, so that the older of two can be restored.
//!
//! Times are those of the lookup's own running: what piled up while it stood still proves nothing.

use crate::admission::Entry;
use crate::leases::LeaseId;
use crate::refusal::Holder;
use hashbrown::HashMap;
use hedgerow_model::registration::Id;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// For how long a replaced lease is remembered, or for its term where that is longer. Whoever still renews it does so at a
/// third of its term.
pub const REPLACED_KEPT: Duration = Duration::from_secs(3600);
/// How many are remembered; with more the oldest is forgotten, and its holder told that its lease is unknown.
pub const MAX_REPLACED: usize = 65_536;
/// How many bytes they may take, about; with more the oldest is forgotten.
pub const MAX_REPLACED_BYTES: usize = 64 << 20;
/// How far apart two renewals of a replaced lease prove that its holder lives. One may have been under way when its process
/// died; what else a dead process left in the lookup's sockets is read within this time.
pub const PROOF_APART: Duration = Duration::from_secs(2);

/// A lease that was taken from its holder.
#[derive(Debug)]
pub struct Former {
    /// What its holder said of itself.
    pub entry: Arc<Entry>,
    /// The term asked for.
    pub asked: Duration,
    /// When its holder first renewed it after that.
    renewed: Option<Duration>,
    until: Duration,
}

/// The newer of two live holders of an id.
#[derive(Debug)]
pub struct Refused {
    /// Who it is.
    pub newer: Holder,
    /// When it was refused last.
    pub at: Duration,
}

/// Leases that were taken from their holders, and the ids over which two holders contend.
#[derive(Debug, Default)]
pub struct Replaced {
    order: VecDeque<(Duration, LeaseId)>,
    known: HashMap<LeaseId, Former>,
    /// The lease that was last taken from a holder of an id, while it is known.
    last: HashMap<Id, LeaseId>,
    bytes: usize,
    contested: HashMap<Id, Refused>,
}

impl Replaced {
    /// Remembers a lease of this term.
    pub fn remember(
        &mut self,
        now: Duration,
        lease: LeaseId,
        entry: Arc<Entry>,
        asked: Duration,
        granted: Duration,
    ) {
        let until = now + REPLACED_KEPT.max(granted);
        self.bytes += entry.held_bytes();
        self.order.push_back((until, lease));
        self.last.insert(entry.registration.id, lease);
        if let Some(before) = self.known.insert(lease, Former { entry, asked, renewed: None, until }) {
            self.bytes -= before.entry.held_bytes();
        }
        self.forget_old(now);
    }

    /// A lease that was taken from its holder.
    pub fn get(&self, lease: LeaseId) -> Option<&Former> {
        self.known.get(&lease)
    }

    /// The lease that was last taken from a holder of this id.
    pub fn last(&self, id: Id) -> Option<(LeaseId, &Former)> {
        let lease = *self.last.get(&id)?;
        Some((lease, self.known.get(&lease)?))
    }

    /// Its holder renews it. Whether that proves that it lives.
    pub fn proves(&mut self, now: Duration, lease: LeaseId) -> bool {
        self.known
            .get_mut(&lease)
            .is_some_and(|former| now.saturating_sub(*former.renewed.get_or_insert(now)) >= PROOF_APART)
    }

    /// Gives a lease back to its holder.
    pub fn take(&mut self, lease: LeaseId) -> Option<Former> {
        let former = self.known.remove(&lease)?;
        self.bytes -= former.entry.held_bytes();
        let id = former.entry.registration.id;
        if self.last.get(&id) == Some(&lease) {
            self.last.remove(&id);
        }
        Some(former)
    }

    /// Two live holders of this id are proven, and the older one holds it: the newer is refused, now.
    pub fn contest(&mut self, id: Id, newer: Holder, at: Duration) {
        self.contested.insert(id, Refused { newer, at });
    }

    /// Ids of which two live holders were proven.
    pub fn contested(&self) -> impl Iterator<Item = (Id, &Refused)> {
        self.contested.iter().map(|(id, refused)| (*id, refused))
    }

    /// The newer of two live holders of this id, where that was proven and the older one holds it.
    pub fn refused(&self, id: Id) -> Option<&Refused> {
        self.contested.get(&id)
    }

    /// Nobody holds this id any more, or somebody else.
    pub fn settle(&mut self, id: Id) {
        self.contested.remove(&id);
    }

    /// Forgets what is too old or too much.
    pub fn forget_old(&mut self, now: Duration) {
        while let Some((until, lease)) = self.order.front().copied() {
            let too_much = self.order.len() > MAX_REPLACED || self.bytes > MAX_REPLACED_BYTES;
            if until > now && !too_much {
                return;
            }
            self.order.pop_front();
            // Given back and taken again since, it stands further behind, too.
            if self.known.get(&lease).is_some_and(|former| former.until == until) {
                self.take(lease);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::Author;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn they_are_forgotten_after_a_while_and_beyond_a_bound() {
        let mut replaced = Replaced::default();
        let entry = Arc::new(Author::new(1).entry(1, 0));
        let remember = |replaced: &mut Replaced, now, n, granted| {
            replaced.remember(now, LeaseId(n), Arc::clone(&entry), S(60), granted);
        };
        remember(&mut replaced, S(0), 1, S(10));
        replaced.forget_old(REPLACED_KEPT - S(1));
        assert!(replaced.get(LeaseId(1)).is_some());
        replaced.forget_old(REPLACED_KEPT);
        assert!(replaced.get(LeaseId(1)).is_none());
        remember(&mut replaced, S(0), 2, S(7200));
        replaced.forget_old(S(7199));
        assert!(replaced.get(LeaseId(2)).is_some(), "its holder renews every 40 minutes");
        for n in 10..=MAX_REPLACED as u64 + 10 {
            remember(&mut replaced, S(7199), n, S(10));
        }
        assert!(replaced.get(LeaseId(2)).is_none() && replaced.get(LeaseId(10)).is_none());
        assert!(replaced.get(LeaseId(MAX_REPLACED as u64 + 10)).is_some());
        assert!(replaced.bytes <= MAX_REPLACED_BYTES && replaced.known.len() == replaced.order.len());
        replaced.forget_old(S(20_000));
        assert_eq!((replaced.known.len(), replaced.last.len(), replaced.bytes), (0, 0, 0));
    }

    #[test]
    fn renewals_prove_a_holder_alive_once_they_are_far_enough_apart() {
        let mut replaced = Replaced::default();
        let entry = Arc::new(Author::new(1).entry(1, 0));
        replaced.remember(S(0), LeaseId(1), Arc::clone(&entry), S(60), S(10));
        assert!(!replaced.proves(S(5), LeaseId(1)), "it may have been under way when its process died");
        assert!(!replaced.proves(S(6), LeaseId(1)), "so may what a dead process left in the sockets");
        assert!(replaced.proves(S(7), LeaseId(1)));
        assert!(replaced.take(LeaseId(1)).is_some());
        replaced.remember(S(8), LeaseId(1), entry, S(60), S(10));
        assert!(!replaced.proves(S(10), LeaseId(1)), "replaced again, it begins anew");
        replaced.forget_old(S(3600));
        assert!(replaced.get(LeaseId(1)).is_some(), "remembered since it was replaced the last time");
    }
}
