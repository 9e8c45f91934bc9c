//! What was sent and received, and each way in which a datagram was no answer, under its own name.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counts {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// Counters since the start of the process; read them with [`Counts::all`].
        #[derive(Debug, Default)]
        pub struct Counts {
            $($(#[doc = $doc])+ pub $name: Count,)+
        }

        impl Counts {
            /// Name, value, and what it means, in a fixed order.
            pub fn all(&self) -> Vec<(&'static str, u64, &'static str)> {
                vec![$((stringify!($name), self.$name.get(), concat!($($doc),+).trim_ascii())),+]
            }
        }
    };
}

counts! {
    /// Requests sent, repetitions included.
    sent,
    /// Requests sent again because no answer came.
    repeated,
    /// Datagrams received.
    received,
    /// Answers given to who asked.
    answered,
    /// Requests given up without an answer.
    timed_out,
    /// Replies to a request that was given up before.
    late,
    /// Replies to a request that had its answer.
    double,
    /// Replies that carry the id of a request in flight, from another address than was asked.
    wrong_address,
    /// Replies from an agent that was asked, with an id that no request has.
    wrong_request_id,
    /// Datagrams from addresses that nobody asked.
    stranger,
    /// Replies in another version, or with another community or user, than the request.
    wrong_security,
    /// Datagrams that are no SNMP message, or not well-formed.
    malformed,
    /// Replies longer than are read.
    huge,
    /// Replies whose names are not of the shape that the request allows.
    wrong_shape,
    /// Well-formed messages that are no reply (requests, traps).
    not_a_reply,
    /// v3 replies whose signature is wrong, or that are not signed though they must be.
    wrong_digest,
    /// v3 replies outside the time window.
    not_in_time_window,
    /// v3 replies that cannot be decrypted.
    not_decrypted,
    /// Reports of v3 agents that were heard: discovery, time, refusals.
    reports,
    /// Errors of the network (ICMP) about agents that were asked.
    unreachable,
    /// Datagrams that the system dropped because the receive buffers were full.
    buffer_dropped,
    /// Walks that were stopped because a name did not increase.
    not_increasing,
    /// Walks that were stopped because they had more rows than are taken.
    endless,
    /// Values of a type that their object cannot have.
    wrong_type,
}

/// One counter.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn add_one(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, many: u64) {
        self.0.fetch_add(many, Ordering::Relaxed);
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
