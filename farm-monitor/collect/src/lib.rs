//! Collection: a fixed-rate schedule, a bounded pool, and the modules that ask hosts and scripts.
//!
//! Order of reading: [`spec`] (what is configured), [`module`] (what a kind of collecting implements), the engine that
//! runs probes, [`front_door`] (where samples leave for the hub). Nothing here knows the cache, the wire or a client.

pub mod front_door;
pub mod module;
pub mod spec;
