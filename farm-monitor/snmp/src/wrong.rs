//! The ways in which a datagram is no answer: each with its counter, and with its words for who waits.

use crate::counts::{Count, Counts};
use parking_lot::Mutex;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

/// Why a datagram is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// To a request that was given up.
    Late,
    /// To a request that had its answer.
    Double,
    /// From another address than was asked.
    Address,
    /// With an id that no request has.
    RequestId,
    /// From an address that nobody asked.
    Stranger,
    /// In another version, community, user, engine, context or level of security.
    Security,
    /// No SNMP message, or not well-formed.
    Malformed,
    /// Longer than is read.
    Huge,
    /// Names that the request does not allow.
    Shape,
    /// A request or a trap.
    NotAReply,
    /// v3: wrongly signed, or not signed though it must be.
    Digest,
    /// v3: of another time.
    TimeWindow,
    /// v3: cannot be decrypted.
    NotDecrypted,
}

/// All of them, with what is said of `{n}` such datagrams.
const WORDS: [(Wrong, &str); 13] = [
    (Wrong::Late, "came late"),
    (Wrong::Double, "came twice"),
    (Wrong::Address, "came from another address"),
    (Wrong::RequestId, "had an id that no request has"),
    (Wrong::Stranger, "came from a stranger"),
    (Wrong::Security, "had another version, community, user, engine, context or security level"),
    (Wrong::Malformed, "were malformed"),
    (Wrong::Huge, "were too long"),
    (Wrong::Shape, "had other names than the request allows"),
    (Wrong::NotAReply, "were no replies but requests or traps"),
    (Wrong::Digest, "were wrongly signed"),
    (Wrong::TimeWindow, "were outside the time window"),
    (Wrong::NotDecrypted, "could not be decrypted"),
];

impl Wrong {
    /// Its counter.
    pub fn count(self, counts: &Counts) -> &Count {
        match self {
            Self::Late => &counts.late,
            Self::Double => &counts.double,
            Self::Address => &counts.wrong_address,
            Self::RequestId => &counts.wrong_request_id,
            Self::Stranger => &counts.stranger,
            Self::Security => &counts.wrong_security,
            Self::Malformed => &counts.malformed,
            Self::Huge => &counts.huge,
            Self::Shape => &counts.wrong_shape,
            Self::NotAReply => &counts.not_a_reply,
            Self::Digest => &counts.wrong_digest,
            Self::TimeWindow => &counts.not_in_time_window,
            Self::NotDecrypted => &counts.not_decrypted,
        }
    }
}

/// What came from, or instead of, one agent. Asks read it before and after: the difference is what they saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    numbers: [AtomicU32; WORDS.len()],
    other_address: Mutex<Option<SocketAddr>>,
}

/// [`Seen`] at one moment.
pub(crate) type SeenAt = [u32; WORDS.len()];

impl Seen {
    /// One more; `from` where it came from another address.
    pub fn add(&self, wrong: Wrong, from: Option<SocketAddr>) {
        self.numbers[wrong as usize].fetch_add(1, Ordering::Relaxed);
        if from.is_some() {
            *self.other_address.lock() = from;
        }
    }

    /// As it is now.
    pub fn now(&self) -> SeenAt {
        std::array::from_fn(|i| self.numbers[i].load(Ordering::Relaxed))
    }

    /// What came since `before`, in words: `1 reply came from another address (10.0.0.2:161)`.
    pub fn since(&self, before: &SeenAt) -> String {
        let now = self.now();
        let mut said = String::new();
        for (i, (wrong, words)) in WORDS.iter().enumerate() {
            let many = now[i].wrapping_sub(before[i]);
            if many == 0 {
                continue;
            }
            let comma = if said.is_empty() { "" } else { ", " };
            let (noun, words) = if many == 1 {
                ("reply", words.replacen("were", "was", 1))
            } else {
                ("replies", (*words).to_owned())
            };
            let words =
                words.replace("was no replies but requests or traps", "was no reply but a request or trap");
            let _ = write!(said, "{comma}{many} {noun} {words}");
            if let (Wrong::Address, Some(address)) = (wrong, *self.other_address.lock()) {
                let _ = write!(said, " ({address})");
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_has_its_place_its_counter_and_its_words() {
        let counts = Counts::default();
        for (i, (wrong, _)) in WORDS.iter().enumerate() {
            assert_eq!(*wrong as usize, i);
            wrong.count(&counts).add_one();
        }
        assert_eq!(counts.all().iter().map(|(_, value, _)| value).sum::<u64>(), WORDS.len() as u64);
        assert!(counts.all().iter().all(|(_, value, _)| *value <= 1), "two share a counter");
    }

    #[test]
    fn what_was_seen_since_is_said_and_nothing_else() {
        let seen = Seen::default();
        seen.add(Wrong::Malformed, None);
        let before = seen.now();
        assert_eq!(seen.since(&before), "");
        seen.add(Wrong::Malformed, None);
        assert_eq!(seen.since(&before), "1 reply was malformed");
        seen.add(Wrong::Malformed, None);
        seen.add(Wrong::Address, Some(([10, 0, 0, 2], 161).into()));
        assert_eq!(
            seen.since(&before),
            "1 reply came from another address (10.0.0.2:161), 2 replies were malformed"
        );
    }
}
