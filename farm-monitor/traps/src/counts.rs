//! What became of each datagram: of every one that was received exactly one fate is counted.

use hedgerow_snmp::notify::Reason;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counted {
    ($($variant:ident $name:literal $doc:literal),+ $(,)?) => {
        /// What is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(usize)]
        pub enum Counted {
            $(#[doc = $doc] $variant,)+
        }

        impl Counted {
            /// All, in the order of the reference.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name in the farm's measurements.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What it means.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $doc),+ }
            }
        }
    };
}

counted! {
    Received "received" "datagrams received; the sum of `stored` and of what was refused",
    Stored "stored" "notifications that became samples",
    Acknowledged "acknowledged" "informs acknowledged, after their commit",
    AcknowledgedAgain "acknowledged_again" "repetitions of a committed inform, acknowledged once more and not stored again",
    Discovery "discovery" "questions for the engine of this door, with which senders of v3 informs begin; answered",
    Duplicate "duplicate" "repetitions of a trap, or of an inform that waits for its commit",
    NotAllowed "not_allowed" "from an address outside `allow`",
    Storm "storm" "more than one source may send",
    TooLong "too_long" "longer than 16 KiB",
    Malformed "malformed" "no SNMP message, or not well-formed",
    NotANotification "not_a_notification" "well-formed, and neither trap nor inform",
    WrongCommunity "wrong_community" "v1 and v2c with a community that is not configured",
    UnknownUser "unknown_user" "v3 with a user that is not configured",
    WrongLevel "wrong_level" "v3, not signed or encrypted as the user's credentials ask",
    WrongDigest "wrong_digest" "v3 with a wrong signature: a wrong password, or forged",
    NotInTimeWindow "not_in_time_window" "v3, rightly signed, and old or repeated",
    NotDecrypted "not_decrypted" "v3 that cannot be decrypted: a wrong password",
    TooManyEngines "too_many_engines" "v3 from more senders than are remembered",
    Overload "overload" "informs refused because too many wait for their commit",
    NotStored "not_stored" "notifications that the hub refused; the ledger of `source:door traps` says why",
    NotKept "not_kept" "informs that were lost before their commit, and not acknowledged",
    NotAnswered "not_answered" "answers that could not be sent",
    Storms "storms" "storms that began",
    BufferDropped "buffer_dropped" "datagrams that the system dropped because the receive buffer was full; not in `received`",
}

impl Counted {
    /// Beside the fates of datagrams there is what else happened to them.
    pub const fn is_fate(self) -> bool {
        !matches!(
            self,
            Self::Received
                | Self::Acknowledged
                | Self::NotKept
                | Self::NotAnswered
                | Self::Storms
                | Self::BufferDropped
        )
    }
}

impl From<Reason> for Counted {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Malformed => Self::Malformed,
            Reason::NotANotification => Self::NotANotification,
            Reason::WrongCommunity => Self::WrongCommunity,
            Reason::UnknownUser => Self::UnknownUser,
            Reason::WrongLevel => Self::WrongLevel,
            Reason::WrongDigest => Self::WrongDigest,
            Reason::NotInTimeWindow => Self::NotInTimeWindow,
            Reason::NotDecrypted => Self::NotDecrypted,
            Reason::Discovery => Self::Discovery,
            Reason::TooManyEngines => Self::TooManyEngines,
        }
    }
}

/// Counters since the start of the farm.
#[derive(Debug, Default)]
pub struct Counts([AtomicU64; Counted::ALL.len()]);

impl Counts {
    /// One more.
    pub fn add(&self, what: Counted) {
        self.add_many(what, 1);
    }

    /// So many more.
    pub fn add_many(&self, what: Counted, many: u64) {
        if let Some(count) = self.0.get(what as usize) {
            count.fetch_add(many, Ordering::Relaxed);
        }
    }

    /// How many.
    pub fn get(&self, what: Counted) -> u64 {
        self.0.get(what as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}
