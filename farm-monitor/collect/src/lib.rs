//! Collection: a fixed-rate schedule, a bounded pool, and the modules that ask hosts and scripts.
//!
//! Order of reading: [`spec`] (what is configured), [`targets`] (how many targets are written short), [`module`] (what a
//! kind of collecting implements), [`schedule`] and [`pool`] (the laws, without IO), [`engine`] (which runs probes by
//! them), [`front_door`] (where samples leave for the hub). Nothing here knows the cache, the wire or a client.

pub mod engine;
pub mod front_door;
pub mod host;
pub mod module;
pub mod pool;
pub mod schedule;
pub mod script;
pub mod snmp;
pub mod spec;
pub mod targets;
