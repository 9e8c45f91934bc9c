//! What is known of one service: who vouches for it, and whether it is known to have gone.

use super::{Order, REMEMBERED, Which};
use crate::directory::{Service, ServiceState};
use bytes::Bytes;
use hedgerow_model::registration::Registration;
use hedgerow_proto::lookup::Signed;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct Entry {
    /// The key that is believed: a service has one for life, so of two one is a forgery.
    pub key: Bytes,
    /// The key under which it was known before, if it was.
    pub pin: Option<Bytes>,
    /// One of each lookup at most.
    pub vouchers: Vec<(Which, Voucher)>,
    /// It went: nothing at or below that order counts.
    pub went: Option<Went>,
    /// The longest lease it had.
    pub term: Duration,
    pub shown: Option<Service>,
}

/// What a lookup says of a service.
#[derive(Debug)]
pub(super) struct Voucher {
    pub registration: Arc<Registration>,
    /// As it came, to be kept.
    pub signed: Signed,
    pub state: ServiceState,
    pub remaining: Duration,
    pub granted: Duration,
    /// Set when the lookup was lost: its lease cannot run longer.
    pub until: Option<Instant>,
    /// Where another process with its identity is, which the lookup refuses.
    pub copy: Option<Vec<String>>,
}

/// That a service went by itself, or matches no more.
#[derive(Debug)]
pub(super) struct Went {
    pub order: Order,
    /// So long it is remembered.
    pub until: Instant,
    /// Those who know of it: what they say afterwards is news.
    pub told_by: Vec<Which>,
}

impl Voucher {
    pub(super) fn key(&self) -> &Bytes {
        &self.signed.public_key
    }

    /// What the lookup showed before it was started again may be newer than what was on its disk, and was signed, too.
    pub(super) fn keep_newer(&mut self, before: &Self) {
        if self.state == ServiceState::Unconfirmed && before.registration.order() > self.registration.order()
        {
            self.registration = Arc::clone(&before.registration);
            self.signed = before.signed.clone();
        }
    }
}

impl Entry {
    pub(super) fn new(key: Bytes, pin: Option<Bytes>) -> Self {
        Self { key, pin, vouchers: Vec::new(), went: None, term: Duration::ZERO, shown: None }
    }

    pub(super) fn is_vouched_for_by(&self, which: Which) -> bool {
        self.vouchers.iter().any(|(by, _)| *by == which)
    }

    pub(super) fn voucher_mut(&mut self, which: Which) -> Option<&mut Voucher> {
        self.vouchers.iter_mut().find_map(|(by, voucher)| (*by == which).then_some(voucher))
    }

    pub(super) fn vouch(&mut self, which: Which, voucher: Voucher) {
        // A lookup that knows that it went and shows a lease that is renewed has taken it anew: an instance whose copy was
        // refused may be older than the copy.
        let order = voucher.registration.order();
        if voucher.state == ServiceState::Live && *voucher.key() == self.key {
            self.went.take_if(|went| order <= went.order && went.told_by.contains(&which));
        }
        self.term = self.term.max(voucher.granted);
        match self.voucher_mut(which) {
            Some(before) => *before = voucher,
            None => self.vouchers.push((which, voucher)),
        }
    }

    pub(super) fn drop_voucher(&mut self, which: Which) {
        self.vouchers.retain(|(by, _)| *by != which);
    }

    /// Where lookups hold it under several keys, the one under which it was known before is believed, else that of most
    /// lookups, else that which was seen first. Never counted on its own: whoever runs one lookup can run many.
    pub(super) fn choose_key(&mut self) {
        let votes = |key: &Bytes| {
            let held = self.vouchers.iter().filter(|(_, voucher)| voucher.key() == key).count();
            (held > 0 && self.pin.as_ref() == Some(key), held)
        };
        let most = self.vouchers.iter().map(|(_, voucher)| voucher.key()).max_by_key(|key| votes(key));
        if let Some(most) = most.filter(|most| votes(most) > votes(&self.key)).cloned() {
            self.key = most;
        }
    }

    /// It went, by the word of `which`.
    pub(super) fn go(&mut self, which: Which, order: Order, until: Instant) {
        let went = self.went.get_or_insert_with(|| Went { order, until, told_by: Vec::new() });
        if order > went.order {
            went.told_by.clear();
        }
        went.order = went.order.max(order);
        went.until = went.until.max(until);
        if order == went.order && !went.told_by.contains(&which) {
            went.told_by.push(which);
        }
    }

    /// Forgets in time that it went; not while a lookup still shows it that was started again before it heard of it, and may
    /// be so again and again.
    pub(super) fn forget(&mut self, now: Instant) {
        let Some(went) = self.went.as_mut().filter(|went| went.until <= now) else { return };
        let unheard = |voucher: &Voucher| {
            voucher.state == ServiceState::Unconfirmed && voucher.registration.order() <= went.order
        };
        if self.vouchers.iter().any(|(_, voucher)| unheard(voucher)) {
            went.until = now + REMEMBERED;
        } else {
            self.went = None;
        }
    }

    /// Whether a registration of this order is not known to have gone.
    pub(super) fn is_current(&self, order: Order) -> bool {
        self.went.as_ref().is_none_or(|went| order > went.order)
    }
}
