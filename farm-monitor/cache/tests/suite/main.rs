//! The cache from outside: what is promised of reading, of crashes, of damage, of bounds.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod bench;
mod bounds;
mod damage;
mod golden;
mod order;
mod reading;
mod together;
