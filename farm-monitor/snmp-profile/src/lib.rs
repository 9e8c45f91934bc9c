//! Profiles: which objects an SNMP agent has, what they are called here, what they mean, and how rows get their names.
//! Files of TOML; some are shipped in the binary, a site adds its own.
//!
//! Reads text that is handed in; asks no agent.

pub mod library;
pub mod profile;
