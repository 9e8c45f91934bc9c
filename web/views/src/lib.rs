//! What people look at: a chart, a table, the map, the alarms. Each distinct view is made once from the mesh, however many look.
//!
//! Knows no HTTP and no page: it takes a [`hedgerow_client::Mesh`] and what is wanted ([`ViewSpec`]), and gives frames as JSON
//! text. The first frame a [`Look`] gives is full; those that follow say what changed since the one before, or are full again
//! where the reader was slow. Frames that several readers take are written once.
//!
//! ```no_run
//! # async fn example(mesh: hedgerow_client::Mesh) -> Result<(), hedgerow_views::Refused> {
//! use hedgerow_views::{Told, ViewSpec, Views, ViewsOptions};
//!
//! let views = Views::new(mesh, ViewsOptions::default());
//! let spec = ViewSpec::parse(r#"{"kind":"latest","predicate":"*/*/*/load1"}"#)?;
//! let mut look = views.open(spec)?;
//! while let Some(Told::Frame(json)) = look.next().await {
//!     println!("{json}");
//! }
//! # Ok(()) }
//! ```
//!
//! In each kind's file: what is asked, what a frame says, and the core that makes frames, which takes the time as an argument and
//! does no IO. The shells around the cores only carry updates to them.

pub mod alarms;
pub mod chart;
mod clock;
mod column;
mod content;
mod coverage;
mod farms;
pub mod latest;
mod look;
pub mod lookups;
pub mod mesh;
mod newest;
mod series;
mod spec;
pub mod spread;
#[cfg(test)]
mod testing;
pub mod top;
mod views;
mod world;

pub use column::{Cell, Column};
pub use coverage::{Coverage, Missing, MissingLookup};
pub use look::{Look, Told};
pub use series::SeriesHead;
pub use spec::{Refused, ViewSpec};
pub use views::{Counts, Views, ViewsOptions};
pub use world::{LogLine, SeenLookup};
