//! The threads on which filters run: a few, apart from those of the runtime, and with less right to the processor than the rest
//! of the farm. What waits is taken in the order in which it came; each deployment has at most one piece of work here, so
//! that all have their turn.
//!
//! Nothing here knows what runs. A piece of work that panics costs its caller an error, and no thread.

use hedgerow_filter_host::guest::Fault;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::io;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use tokio::sync::oneshot;

/// Fewest threads: one filter that takes all the time it may have does not hold up the others.
const MIN_THREADS: usize = 2;
/// Most threads.
const MAX_THREADS: usize = 8;
/// Pieces of work that wait. One more is refused: as many deployments there cannot be.
const MAX_WAITING: usize = 16_384;
/// How much nicer than the rest of the farm the threads are.
const NICER: i32 = 5;

type Work = Box<dyn FnOnce() + Send>;

/// The threads. Cheap to clone; they end with the last of them.
#[derive(Clone)]
pub struct Workers(Arc<Owner>);

struct Owner(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    come: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Work>,
    ended: bool,
}

impl Workers {
    /// Starts the threads.
    ///
    /// # Errors
    /// Where the system gives none.
    pub fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(MIN_THREADS, NonZero::get);
        // The owner first: where a thread is not to be had, those before it end with it.
        let owner = Owner(Arc::new(Shared::default()));
        for _ in 0..cores.clamp(MIN_THREADS, MAX_THREADS) {
            let shared = Arc::clone(&owner.0);
            thread::Builder::new().name("filter".to_owned()).spawn(move || work(&shared))?;
        }
        Ok(Self(Arc::new(owner)))
    }

    /// Does a piece of work, after those that came before. It is done to its end, whoever still waits for it.
    ///
    /// # Errors
    /// Where it panicked, or too much waits.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let (done, answer) = oneshot::channel();
        {
            let mut queue = self.0.0.queue.lock();
            if queue.waiting.len() >= MAX_WAITING {
                return Err(Fault::Host(format!("{MAX_WAITING} filters wait for their turn")));
            }
            queue.waiting.push_back(Box::new(move || drop(done.send(work()))));
        }
        self.0.0.come.notify_one();
        answer.await.map_err(|_| Fault::Host("the farm failed while it ran: see the farm's log".to_owned()))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.queue.lock().ended = true;
        self.0.come.notify_all();
    }
}

fn work(shared: &Shared) {
    use rustix::process::{getpriority_process, setpriority_process};
    // Of this thread only. Where it is not allowed, they are as nice as the rest.
    let _ = getpriority_process(None).and_then(|now| setpriority_process(None, now.saturating_add(NICER)));
    loop {
        let mut queue = shared.queue.lock();
        let next = loop {
            match queue.waiting.pop_front() {
                Some(next) => break next,
                None if queue.ended => return,
                None => shared.come.wait(&mut queue),
            }
        };
        drop(queue);
        // The panic hook has told of it.
        let _ = catch_unwind(AssertUnwindSafe(next));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[tokio::test]
    async fn what_panics_costs_no_thread_and_what_waits_comes_in_its_order() {
        let workers = Workers::start().unwrap();
        for _ in 0..2 * MAX_THREADS {
            let failed = workers.run(|| panic!("on purpose")).await;
            assert!(matches!(failed, Err::<(), _>(Fault::Host(_))));
        }
        let order = Arc::new(Mutex::new(Vec::new()));
        let all: Vec<_> = (0..100)
            .map(|at| {
                let (workers, order) = (workers.clone(), Arc::clone(&order));
                tokio::spawn(async move { workers.run(move || order.lock().push(at)).await.unwrap() })
            })
            .collect();
        for one in all {
            one.await.unwrap();
        }
        assert_eq!(order.lock().len(), 100);
    }

    #[tokio::test]
    async fn one_that_takes_long_holds_up_nobody() {
        let workers = Workers::start().unwrap();
        let (end, ended) = std::sync::mpsc::sync_channel::<()>(1);
        let long = workers.clone();
        let long = tokio::spawn(async move { long.run(move || ended.recv()).await });
        for at in 0..10 {
            assert_eq!(workers.run(move || at).await.unwrap(), at);
        }
        end.send(()).unwrap();
        long.await.unwrap().unwrap().unwrap();
    }
}
