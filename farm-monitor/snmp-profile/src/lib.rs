//! Profiles: which objects an SNMP agent has, what they are called here, what they mean, and how rows get their names.
//! Files of TOML; some are shipped in the binary, a site adds its own.
//!
//! Reads text that is handed in; asks no agent.

pub mod import;
pub mod index;
pub mod library;
pub mod names;
pub mod number;
mod print;
pub mod profile;
mod read;
pub mod row;
pub mod text;
mod yaml;

pub use hedgerow_toml_tree::{Complaint, Refused, Spot};
pub use library::Library;
pub use names::Names;
pub use number::{NoValue, Number};
pub use print::print;
pub use read::read;
pub use row::Row;
