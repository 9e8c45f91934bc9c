//! The runtimes: a small one for clients, one with two workers for roles.

use crate::outcome::CommandError;
use std::future::Future;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Threads that run a role's tasks. Streams and leases take little; what blocks has threads of its own.
const WORKERS: usize = 2;
/// Threads for what blocks (the cache's readers, configuration); more work waits for one of them.
const BLOCKING_THREADS: usize = 32;
/// How long a thread for what blocks stays idle before it goes, and its stack with it.
const IDLE_THREAD: Duration = Duration::from_secs(3);
/// How long the end of a role waits for threads that still block.
const END_PATIENCE: Duration = Duration::from_millis(200);

/// Runs a client's work to its end, in this thread.
///
/// # Errors
/// As the work, or where the system gives no runtime.
pub fn client<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| no_runtime(&error))?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

/// Runs a role's work to its end.
///
/// # Errors
/// As the work, or where the system gives no runtime.
pub fn role<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    few_arenas();
    let runtime: Runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(IDLE_THREAD)
        .thread_name("hedgerow")
        .enable_all()
        .build()
        .map_err(|error| no_runtime(&error))?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(END_PATIENCE);
    result
}

fn no_runtime(error: &std::io::Error) -> CommandError {
    CommandError::Failed(format!(
        "cannot start threads: {error}; check the limits of processes and open files"
    ))
}

/// Keeps the allocator from making a heap for each thread: a monitor should weigh little.
#[cfg(target_env = "gnu")]
fn few_arenas() {
    const ARENAS: i32 = 2;
    #[expect(unsafe_code, reason = "mallopt has no safe form")]
    // SAFETY: called before other threads are started; it only sets a number of the allocator.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
    }
}

#[cfg(not(target_env = "gnu"))]
fn few_arenas() {}
