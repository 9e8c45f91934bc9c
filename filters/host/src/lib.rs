//! Running filters: WASM components that users upload (`hedgerow:filter@1.0.0`, see `filters/wit/filter.wit`).
//!
//! What is here decides whether a component is taken, compiles it apart from everybody else, runs it within bounds, and says
//! what it did. It knows no hub, no cache, no network and no clock: whoever runs it gives it its input in the order of the
//! numbers, and takes its effects. The same code runs a filter live, in a backtest, and at its author's desk.
//!
//! The only crate that knows wasmtime.

pub mod admission;
pub mod alarms;
mod artefacts;
mod bindings;
pub mod compile;
mod engine;
pub mod guest;
mod instance;
mod processor;
mod program;
pub mod run;
pub mod shipped;
pub mod taken;

pub use artefacts::Digest;
pub use engine::{Engine, EngineError, EngineOptions, GUEST_STACK_BYTES, LoadError, MAX_INSTANCES};
pub use instance::Instance;
pub use processor::timed;
pub use program::{Program, Start};
