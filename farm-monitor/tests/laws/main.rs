//! The laws of the hub and of subscriptions, held on a real hub over a real cache.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation, clippy::cast_possible_wrap)]

mod feed;
mod ground;
mod held;
mod hub;
mod interleaving;
mod seam;
