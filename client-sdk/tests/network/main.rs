//! The client against small servers of its own, over real connections on this machine.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod directory;
mod discovery;
mod fakes;
mod farm;
mod leases;
mod mesh;
mod meshes;
mod named_are_dead;
