//! What every long-running role shares: who may call ([`access`]), where it listens ([`listener`]), what tools read there
//! ([`http`]), where it keeps what it keeps ([`folder`], [`sqlite_file`], [`blob_files`]), what it says ([`telemetry`]), and how it
//! ends ([`drain`]).
//!
//! No role's own logic lives here.

pub mod access;
pub mod blob_files;
pub mod clock;
pub mod drain;
pub mod folder;
pub mod http;
pub mod listener;
pub mod sqlite_file;
pub mod telemetry;
