//! A thread with a runtime of its own, for rigs that speak the protocol themselves; where asked, within a network namespace.
//!
//! What it runs ends with it. The tests around it stay plain threads.

use crate::net::Node;
use std::future::Future;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The runtime.
#[derive(Debug)]
pub struct Reactor {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Reactor {
    /// In the network of the test.
    #[expect(clippy::new_without_default, reason = "it starts a thread")]
    pub fn new() -> Self {
        Self::start(|| {})
    }

    /// In a network namespace.
    pub fn within(node: &Node) -> Self {
        let door = node.door();
        // For this thread only, and before it opens anything.
        Self::start(move || door.enter())
    }

    fn start(prepare: impl FnOnce() + Send + 'static) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (handle_to, handle) = sync_channel(1);
        let thread = std::thread::spawn(move || {
            prepare();
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            handle_to.send(runtime.handle().clone()).unwrap();
            let _ = runtime.block_on(stopped);
        });
        let handle = handle.recv().expect("the thread of a reactor cannot start");
        Self { handle, stop: Some(stop), thread: Some(thread) }
    }

    /// Runs it beside everything else.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.handle.spawn(work));
    }

    /// Runs it there and waits for the result.
    pub fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let (result_to, result) = sync_channel(1);
        self.spawn(async move {
            let _ = result_to.send(work.await);
        });
        result.recv().expect("what ran in a reactor panicked; it says so above")
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
