//! The ticker: a thread that moves wasmtime's epoch on, so that every running call is looked at now and then. It must cost nothing
//! while nothing runs, and nothing worth naming at each call.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often a running call is looked at: the grain of the bound on processor time.
pub const TICK: Duration = Duration::from_millis(5);
/// Ticks without a call after which the thread lies down: waking it costs a call some microseconds.
const QUIET_TICKS: u32 = 20;

/// Runs while calls run. Ends with its owner.
pub struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    asleep: AtomicBool,
    stop: AtomicBool,
}

/// A call that runs.
pub struct Running<'a>(&'a Shared);

impl Ticker {
    /// Starts the thread; it sleeps until the first call.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(engine: wasmtime::Engine) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        let thread =
            thread::Builder::new().name("filter-ticker".into()).spawn(move || tick(&engine, &seen))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Ticks until what it gives is dropped.
    pub fn begin(&self) -> Running<'_> {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
        Running(&self.shared)
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn tick(engine: &wasmtime::Engine, shared: &Shared) {
    let mut quiet = QUIET_TICKS;
    while !shared.stop.load(Ordering::SeqCst) {
        quiet = if shared.running.load(Ordering::SeqCst) == 0 { quiet + 1 } else { 0 };
        if quiet <= QUIET_TICKS {
            thread::park_timeout(TICK);
            engine.increment_epoch();
            continue;
        }
        // First said, then looked: a call that begins now either sees it asleep, or is seen here.
        shared.asleep.store(true, Ordering::SeqCst);
        if shared.running.load(Ordering::SeqCst) == 0 && !shared.stop.load(Ordering::SeqCst) {
            thread::park();
        }
        shared.asleep.store(false, Ordering::SeqCst);
        quiet = 0;
    }
}
