//! The farm monitor: everything a site needs to be seen.
//!
//! The folders read like the way of a sample: [`collect`](hedgerow_collect) asks, the [`hub`] accepts and numbers, the
//! [`cache`](hedgerow_cache) keeps, [`filter`] computes beside it, [`subscribe`] gives on. [`register`] makes the farm known, [`config`] is what its
//! owner wrote, [`api`] is what clients call, and [`farm`] puts it all together.

pub mod api;
pub mod config;
mod door;
pub mod farm;
pub mod filter;
pub mod hub;
mod metrics;
pub mod register;
pub mod self_measure;
pub mod snmp;
pub mod state_file;
pub mod subscribe;
