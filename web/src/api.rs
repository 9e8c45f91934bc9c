//! `/api/v1`: what programs, and the page, ask. A file for each subject.
#![expect(unused_qualifications, reason = "utoipa writes whole paths")]

pub mod alarms;
pub mod complete;
mod coverage;
pub mod desk;
pub mod farms;
pub mod filters;
mod index;
pub mod live;
pub mod logs;
pub mod mesh;
pub mod query;
mod series;
pub mod series_list;
pub mod silences;
pub mod sockets;
pub mod tree;
pub mod views;

pub use coverage::{CoverageLine, MissingFarm, MissingLookup};
pub use desk::Desk;
pub use index::Index;
pub use series::SeriesLine;
