//! Write filters for Hedgerow: programs that you upload, and that run beside the data.
//!
//! A filter is told of series, gets their samples batch by batch, and emits series of its own:
//!
//! ```
//! use hedgerow_filter::{Batch, Description, Filter, Load, Out, Parameters, Save};
//!
//! /// The mean of everything that comes at once.
//! struct Mean;
//!
//! impl Filter for Mean {
//!     type Settings = Vec<String>;
//!
//!     fn settings(parameters: &mut Parameters) -> Vec<String> {
//!         parameters.texts("on", "Which series.").or(&["*/hosts/*/cpu_busy"])
//!     }
//!
//!     fn describe(on: &Vec<String>) -> Result<Description, String> {
//!         Ok(Description::new("mean", "1.0.0", "The mean of everything that comes at once.").on(on))
//!     }
//!
//!     fn configure(_: Vec<String>, _: Option<&mut Load>) -> Result<Self, String> {
//!         Ok(Mean)
//!     }
//!
//!     fn on_batch(&mut self, batch: &Batch, out: &mut Out) {
//!         let values: Vec<f64> = batch.numeric().map(|sample| sample.value).collect();
//!         let Some(time) = batch.newest() else { return };
//!         let mean = out.gauge("all", "mean").unit("1").declare();
//!         out.number(mean, time, values.iter().sum::<f64>() / values.len() as f64);
//!     }
//!
//!     fn save(&self, _: &mut Save) {}
//! }
//!
//! hedgerow_filter::export!(Mean);
//!
//! // The same code runs natively, in your tests:
//! let mut bench = hedgerow_filter::Bench::<Mean>::new("{}").unwrap();
//! let a = bench.series("hosts", "a", "cpu_busy");
//! let b = bench.series("hosts", "b", "cpu_busy");
//! let seen = bench.batch(1_000, &[(a, 0.2), (b, 0.4)]);
//! assert_eq!(seen.value("all", "mean"), Some(0.30000000000000004));
//! ```
//!
//! # The laws
//!
//! A filter is a **function of its input**: it has no clock, no files, no network, no randomness. Time is what samples and
//! [ticks](Filter::on_tick) say. The farm stops it now and then, and goes on with what [`save`](Filter::save) gave: what is not
//! in there is forgotten, and the output afterwards must be the same as if it had never been stopped.
//! [`Bench::restart`] tests that.
//!
//! The farm bounds memory, time per call, samples emitted and size of state. A filter that goes past a bound, or panics, is
//! stopped, and goes on later from its last state; the message of a panic is in `hedgerow filter logs`.

#[doc(hidden)]
pub mod abi;
mod actions;
mod alarms;
#[cfg(all(target_arch = "wasm32", feature = "small"))]
mod allocator;
#[cfg(not(target_arch = "wasm32"))]
mod bench;
#[doc(hidden)]
#[allow(missing_docs, unused_qualifications, clippy::all, clippy::pedantic, clippy::restriction)]
#[rustfmt::skip]
pub mod bindings;
mod filter;
#[doc(hidden)]
pub mod guest;
mod host;
mod input;
mod json;
mod log;
mod number;
mod out;
mod parameters;
mod per_series;
mod state;

pub use actions::ActionSettings;
pub use alarms::{AlarmSettings, alarm_key};
#[cfg(not(target_arch = "wasm32"))]
pub use bench::{Bench, Emitted, Seen};
pub use filter::{Capability, Description, Filter, Reading};
pub use host::{Alarm, Level, Severity};
pub use input::{
    Batch, Column, Gap, GapReason, Kind, Life, LifeChange, Mark, Millis, Sample, Series, SeriesHandle,
};
pub use log::write as log_line;
pub use number::{decimal, short, whole};
pub use out::{Declare, Out, Output};
pub use parameters::Parameters;
pub use per_series::PerSeries;
pub use state::{Load, Save, Saved};
