//! What a client of the mesh needs: discovery, leases, subscriptions, identity.

mod backoff;
pub mod channel;
pub mod directory;
pub mod error;
pub mod identity;
pub mod lease;
mod private_file;
pub mod sample;
pub mod series_table;
pub mod subscription;
pub mod token;
