//! The bounds of a guest that wasmtime asks for while it runs: memory, and processor time.

use super::size;
use crate::engine::TICK;
use crate::processor::thread_cpu;
use hedgerow_model::duration;
use std::time::{Duration, Instant};
use wasmtime::{ResourceLimiter, UpdateDeadline};

/// Bytes of an entry of a table in the host.
const TABLE_ENTRY_BYTES: u64 = 8;

/// Why a guest is stopped from the host's side. Goes through wasmtime as an error and comes out as a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stop {
    /// It wanted more than it may have.
    #[error("more {what} than it may have: the bound is {bound}")]
    Overrun {
        /// Of what.
        what: &'static str,
        /// With its unit.
        bound: String,
    },
    /// It broke the contract.
    #[error("{0}")]
    Breach(String),
}

/// Linear memories and tables together.
pub(super) struct Memory {
    used: u64,
    bound: u64,
}

impl Memory {
    pub(super) fn new(bound: u64) -> Self {
        Self { used: 0, bound }
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    fn grow(&mut self, by: u64) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(by);
        if used > self.bound {
            return Err(self.overrun());
        }
        self.used = used;
        Ok(true)
    }

    fn overrun(&self) -> wasmtime::Error {
        let bound = format!("{}, as filters.memory says", size(self.bound));
        Stop::Overrun { what: "memory", bound }.into()
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current) as u64)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.grow((desired.saturating_sub(current) as u64).saturating_mul(TABLE_ENTRY_BYTES))
    }

    // A guest that could go on after a failed growth would do so differently on a machine with more memory.
    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        Err(self.overrun())
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        Err(self.overrun())
    }
}

/// Processor time of a call. It is looked at only when the ticker ticks, since asking costs as much as a small call: the time before the
/// first tick is that on the clock, a tick at most, and what follows is that of this thread. So a busy machine fails no filter.
pub(super) struct Meter {
    bound: Duration,
    began: Option<Instant>,
    /// At the first tick: on the clock, and of the thread.
    first: Option<(Duration, Duration)>,
}

impl Meter {
    pub(super) fn new(bound: Duration) -> Self {
        Self { bound, began: None, first: None }
    }

    pub(super) fn begin(&mut self) {
        self.began = Some(now());
        self.first = None;
    }

    /// Called at a tick: whether it may go on.
    pub(super) fn look(&mut self) -> wasmtime::Result<UpdateDeadline> {
        let cpu = thread_cpu();
        let used = match self.first {
            None => {
                let wall = self.began.map_or(Duration::ZERO, |began| now().saturating_duration_since(began));
                self.first = Some((wall.min(TICK), cpu));
                return Ok(UpdateDeadline::Continue(1));
            }
            Some((before, first)) => before + cpu.saturating_sub(first),
        };
        if used > self.bound {
            let bound = format!("{}, as filters.call_time says", duration::print(self.bound));
            return Err(Stop::Overrun { what: "processor time", bound }.into());
        }
        Ok(UpdateDeadline::Continue(1))
    }

    /// What the call took, in nanoseconds.
    pub(super) fn end(&mut self) -> u64 {
        let used = match (self.first, self.began) {
            (Some((before, first)), _) => before + thread_cpu().saturating_sub(first),
            (None, Some(began)) => now().saturating_duration_since(began),
            (None, None) => Duration::ZERO,
        };
        u64::try_from(used.as_nanos()).unwrap_or(u64::MAX)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what a call costs is not an input of anything that a filter does"
)]
fn now() -> Instant {
    Instant::now()
}
