//! The door for SNMP traps and informs. What is let in becomes an event in the farm's history, and a state where a profile
//! says which; an inform is acknowledged once that is committed, and not before.
//!
//! A door can only add samples, to one cluster of its own. What it does not let in it counts, each kind under its own name;
//! a flood from one source costs that source's notifications and nobody else's.

mod actor;
mod core;
pub mod counts;
mod learned;
mod line;
pub mod network;
mod nodes;
mod remembered;
mod samples;
mod settings;
mod sockets;
mod storm;

pub use actor::{ApplyError, Door, DoorHandle, DoorOptions, DoorState};
pub use counts::{Counted, Counts};
pub use network::Network;
pub use settings::TrapSettings;
