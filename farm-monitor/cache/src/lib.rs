//! The cache: recent history of every series in SQLite, counted and bounded.
//!
//! One file, one writer thread, group commit. [`Cache::append`] takes the hub's batches without waiting for the disk,
//! [`Cache::committed`] tells what is safe, [`Reader`] reads sealed blocks, journal and head as one. Whatever is lost
//! leaves a gap record, so that the file alone accounts for every number: [`verify`] proves it.
//!
//! This crate never decides what is accepted (the hub does), and never lets its file stop the farm.
//! The format is described in `docs/reference/cache-format.md`.

mod batches;
mod blocks;
mod bytes;
mod cache;
mod checkpoint;
mod codec;
mod error;
mod groups;
mod head;
mod journal;
mod open;
mod options;
mod reader;
mod rows;
mod schema;
mod seal;
mod stats;
mod times;
mod verify;
mod writer;

pub use bytes::Damaged;
pub use cache::{Cache, Opened};
pub use checkpoint::Checkpoint;
pub use error::{AppendRefused, CacheError};
pub use open::{KnownSeries, Recovered};
pub use options::{Bounds, CacheOptions, Clock};
pub use reader::{Bin, LastSample, OrderedAnswer, ReadAnswer, ReadRequest, Reader, Summary, SummaryRequest};
pub use rows::{EpochEnd, EpochInfo};
pub use stats::CacheStats;
pub use times::MAX_MEMBERS;
pub use verify::{EpochProof, verify};
