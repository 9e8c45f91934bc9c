//! The words of Hedgerow, as types: what a series is, how samples travel, how a question about them is put.
//!
//! This crate does no IO, reads no clock and knows neither protobuf nor tokio, so that every other crate
//! can depend on it. What is written here is meant by the same word everywhere else.

pub mod batch;
pub mod bin;
pub mod counter;
pub mod deployment;
pub mod document;
pub mod duration;
pub mod epoch;
pub mod gap;
pub mod glob;
pub mod labels;
pub mod lease;
pub mod life;
pub mod moment;
pub mod name;
pub mod path;
pub mod predicate;
pub mod reason;
pub mod registration;
pub mod role;
pub mod series;
pub mod status;
mod syntax;
pub mod template;
pub mod unit;
pub mod value;

pub use batch::{Batch, BatchBuilder, Columns, Mark, Numbered, Numbers, Times};
pub use epoch::{Epoch, NumberRange, Position};
pub use gap::{Gap, GapReason, GapScope};
pub use glob::Glob;
pub use labels::Labels;
pub use life::{Life, LifeMark};
pub use name::Name;
pub use path::SeriesPath;
pub use predicate::Predicate;
pub use reason::Refusal;
pub use role::Role;
pub use series::{Kind, SeriesDef, SeriesId, SeriesKey};
pub use status::Status;
pub use syntax::SyntaxError;
pub use template::Template;
pub use value::{ColumnType, Value};

/// Unix time in milliseconds, UTC: the only form in which a point in time is kept or sent.
pub type UnixMillis = i64;
