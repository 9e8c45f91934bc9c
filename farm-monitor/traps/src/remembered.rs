//! What was said before: so that a trap that came twice over two ways is one, and a repeated inform is acknowledged again and
//! not stored again. Knows no clock.

use bytes::Bytes;
use hedgerow_snmp::notify::Ack;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Most traps that are remembered; past that a repetition is taken for another trap.
pub const MAX_TRAPS: usize = 65_536;
/// Most informs that are remembered, those that wait for their commit among them; past that informs are refused, and come
/// again.
pub const MAX_INFORMS: usize = 16_384;
/// How long a committed inform is known: longer than senders go on repeating it.
pub const INFORM_MEMORY: Duration = Duration::from_secs(300);

/// One notification of one sender.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Who sent it.
    pub sender: Sender,
    /// The same for what is the same in request id, uptime and content.
    pub fingerprint: u64,
}

/// Who a notification is from, as far as it is proven.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The engine that signed it.
    Engine(Bytes),
    /// The address that it came from.
    Address(IpAddr),
}

/// Where an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The address of the door's socket that it came to.
    pub socket: SocketAddr,
    /// Where from.
    pub address: SocketAddr,
}

/// What is to be done with an inform.
#[derive(Debug)]
pub enum Judged {
    /// Store it, then wait.
    New,
    /// It waits already; the answer goes to this repetition.
    Waiting,
    /// It is committed: this is its acknowledgement.
    Committed(Ack),
    /// Nothing: there are too many.
    Overload,
}

#[derive(Debug)]
enum Inform {
    Waiting(Ack, Peer),
    Committed { until: Instant },
}

/// See the module.
#[derive(Debug, Default)]
pub struct Remembered {
    /// Until when.
    traps: HashMap<Key, Instant>,
    informs: HashMap<Key, Inform>,
}

impl Remembered {
    /// Whether this trap is new; it is known for `window` from now on.
    pub fn is_new(&mut self, key: Key, window: Duration, now: Instant) -> bool {
        if self.traps.get(&key).is_some_and(|until| now < *until) {
            return false;
        }
        if self.traps.len() < MAX_TRAPS {
            self.traps.insert(key, now + window);
        }
        true
    }

    /// An inform, with what its sender waits for.
    pub fn inform(&mut self, key: &Key, ack: Ack, peer: Peer, now: Instant) -> Judged {
        let full = self.informs.len() >= MAX_INFORMS;
        match self.informs.get_mut(key) {
            Some(Inform::Waiting(before, to)) => {
                // Of v3 only the newest repetition is still waited for: each has a message id of its own.
                (*before, *to) = (ack, peer);
                Judged::Waiting
            }
            Some(Inform::Committed { until }) if now < *until => Judged::Committed(ack),
            None if full => Judged::Overload,
            _ => {
                self.informs.insert(key.clone(), Inform::Waiting(ack, peer));
                Judged::New
            }
        }
    }

    /// An inform is committed: what is to be sent, and where to.
    pub fn committed(&mut self, key: &Key, now: Instant) -> Option<(Ack, Peer)> {
        let known = self.informs.get_mut(key)?;
        match std::mem::replace(known, Inform::Committed { until: now + INFORM_MEMORY }) {
            Inform::Waiting(ack, peer) => Some((ack, peer)),
            Inform::Committed { .. } => None,
        }
    }

    /// An inform was not stored, or not kept: its repetition is to be stored.
    pub fn forget(&mut self, key: &Key) {
        self.informs.remove(key);
    }

    /// Forgets what is past its time.
    pub fn tick(&mut self, now: Instant) {
        self.traps.retain(|_, until| now < *until);
        self.informs.retain(|_, inform| match inform {
            Inform::Waiting(..) => true,
            Inform::Committed { until } => now < *until,
        });
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

    fn key(fingerprint: u64) -> Key {
        Key { sender: Sender::Address([10, 0, 0, 7].into()), fingerprint }
    }

    fn peer(port: u16) -> Peer {
        Peer { socket: ([0, 0, 0, 0], 162).into(), address: ([10, 0, 0, 7], port).into() }
    }

    fn ack(byte: u8) -> Ack {
        Ack::Community(vec![byte])
    }

    #[test]
    fn an_inform_waits_is_committed_and_is_known_until_its_sender_has_given_up() {
        let (mut remembered, now) = (Remembered::default(), start());
        assert!(matches!(remembered.inform(&key(1), ack(1), peer(1), now), Judged::New));
        assert!(matches!(remembered.inform(&key(1), ack(2), peer(2), now), Judged::Waiting));
        let Some((Ack::Community(sent), to)) = remembered.committed(&key(1), now) else { panic!() };
        assert_eq!((sent, to), (vec![2], peer(2)));
        let Judged::Committed(Ack::Community(again)) = remembered.inform(&key(1), ack(3), peer(1), now)
        else {
            panic!()
        };
        assert_eq!(again, [3]);
        let later = now + INFORM_MEMORY;
        assert!(matches!(remembered.inform(&key(1), ack(4), peer(1), later), Judged::New));
        remembered.forget(&key(1));
        assert!(matches!(remembered.inform(&key(1), ack(4), peer(1), later), Judged::New));
        // What waits is never forgotten by the clock.
        remembered.tick(later + 9 * INFORM_MEMORY);
        assert!(matches!(remembered.inform(&key(1), ack(4), peer(1), later), Judged::Waiting));
    }

    #[test]
    fn there_is_a_bound_to_what_waits() {
        let (mut remembered, now) = (Remembered::default(), start());
        for n in 0..MAX_INFORMS as u64 {
            assert!(matches!(remembered.inform(&key(n), ack(0), peer(1), now), Judged::New));
        }
        assert!(matches!(remembered.inform(&key(u64::MAX), ack(0), peer(1), now), Judged::Overload));
        assert!(matches!(remembered.inform(&key(3), ack(0), peer(1), now), Judged::Waiting));
        assert!((0..MAX_TRAPS as u64 + 9).all(|n| remembered.is_new(key(n), INFORM_MEMORY, now)));
        assert_eq!(remembered.traps.len(), MAX_TRAPS);
    }

    proptest! {
        /// Against a list of all that came.
        #[test]
        fn a_trap_is_new_exactly_once_in_its_window(
            steps in proptest::collection::vec((0_u64..3_000, 0_u64..5, any::<bool>()), 1..200),
        ) {
            let (mut remembered, mut now) = (Remembered::default(), start());
            let window = Duration::from_secs(2);
            let mut taken: Vec<(u64, Instant)> = Vec::new();
            for (gap, which, tick) in steps {
                now += Duration::from_millis(gap);
                if tick {
                    remembered.tick(now);
                }
                let expected = !taken.iter().any(|(was, at)| *was == which && now < *at + window);
                prop_assert_eq!(remembered.is_new(key(which), window, now), expected);
                if expected {
                    taken.push((which, now));
                }
            }
        }
    }
}
