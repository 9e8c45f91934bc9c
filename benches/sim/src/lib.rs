//! Simulated SNMP agents, for tests and measurements: honest ones by the hundred, and each misbehaviour we know of.
//!
//! Versions 1 and 2c. Its encoding is its own, written from the standards alone, so that what it proves is not proved
//! against ourselves; net-snmp's tools are what it is tested with. It never sends but in answer to who asked it, and listens
//! on loopback addresses only.

mod agent;
mod ber;
pub mod cli;
mod device;
mod fault;
mod message;
mod mib;
mod respond;
mod sim;
mod value;

pub use agent::{Agent, AgentConfig, Counts, Motion, Versions};
pub use device::{Device, DeviceConfig};
pub use fault::{Fault, Misbehaviour};
pub use sim::{Place, Sim, SimError};
pub use value::{Oid, Value};
