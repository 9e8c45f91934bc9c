//! The module `script`: programs that print measurements.
//!
//! From below: [`wire`] (what processes say to each other), `sys` (all that is unsafe), `descendants` (killing everything),
//! `warden` (watches one run), [`keeper`] (the process that has the wardens), [`client`] (the farm's end of it), [`output`]
//! (the formats), `probe` (the module). Scripts are never started by the farm itself, never by a shell, and nothing
//! of a run outlives its end, its deadline, or the farm.

pub mod client;
mod descendants;
pub mod keeper;
pub mod output;
mod probe;
mod sys;
mod warden;
pub mod wire;

pub use client::{Keeper, KeeperCommand, KeeperCounters, Running, ScriptRun};
pub use probe::{ScriptModule, base_environment};
pub use wire::{Ending, ScriptOutcome, Stage};
