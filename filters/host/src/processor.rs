//! Processor time of this thread: what filters cost, and are bounded by. An input of nothing that a filter does.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// What this thread has used so far.
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Does a piece of work of a filter's, and says what it took of this thread, in nanoseconds.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = thread_cpu();
    let done = work();
    (done, u64::try_from(thread_cpu().saturating_sub(before).as_nanos()).unwrap_or(u64::MAX))
}
