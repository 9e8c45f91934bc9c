//! Questions that may never be answered: asked on threads of their own, given up after a while.
//!
//! One thread asks everything that answers at once. Only while a question hangs does another take over the rest. A
//! question that was given up is not asked again until its thread comes back, so each costs one thread at most, and all
//! together [`MAX_THREADS`]. When as many hang, the rest is not asked, and the caller is told so.
//! Must never be waited for beyond the moment the caller named.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Most threads of one [`Asks`], nearly all of which may hang.
pub(super) const MAX_THREADS: usize = 32;
/// How long the questions in the queue wait for the threads at work, before more threads take over.
const HURRY: Duration = Duration::from_millis(50);
/// Stack of a thread; the system uses of it what is touched.
const STACK_BYTES: usize = 256 << 10;

/// What became of a question in this round.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome<A> {
    /// The answer.
    Answered(A),
    /// No answer in time; its thread waits on.
    Silent,
    /// Not asked, for it was given up in an earlier round and still hangs.
    Hangs,
    /// Not asked, for all threads hang with other questions.
    Unasked,
}

enum Asked<A> {
    /// In the queue or at a thread since this round.
    Since(u64),
    Answered(A),
    LeftOver,
}

struct State<Q, A> {
    queue: VecDeque<Q>,
    answers: Vec<(Q, A)>,
    threads: usize,
    /// Threads that wait for questions.
    idle: usize,
    closed: bool,
}

struct Shared<Q, A> {
    state: Mutex<State<Q, A>>,
    /// There are questions, or an end to them.
    work: Condvar,
    /// Nothing is in the queue any more, and one more answer is there.
    answered: Notify,
    ask: Box<dyn Fn(&Q) -> A + Send + Sync>,
}

impl<Q, A> Shared<Q, A> {
    fn state(&self) -> MutexGuard<'_, State<Q, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks questions on threads.
pub(super) struct Asks<Q, A> {
    shared: Arc<Shared<Q, A>>,
    asked: HashMap<Q, Asked<A>>,
    round: u64,
    name: &'static str,
}

impl<Q, A> fmt::Debug for Asks<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asks")
            .field("name", &self.name)
            .field("asked", &self.asked.len())
            .finish_non_exhaustive()
    }
}

impl<Q: Clone + Eq + Hash + Send + 'static, A: Send + 'static> Asks<Q, A> {
    /// Makes no thread yet. `name` is the threads'.
    pub fn new(name: &'static str, ask: impl Fn(&Q) -> A + Send + Sync + 'static) -> Self {
        let state = State { queue: VecDeque::new(), answers: Vec::new(), threads: 0, idle: 0, closed: false };
        let shared = Shared {
            state: Mutex::new(state),
            work: Condvar::new(),
            answered: Notify::new(),
            ask: Box::new(ask),
        };
        Self { shared: Arc::new(shared), asked: HashMap::new(), round: 0, name }
    }

    /// Begins a round: answers of earlier ones that came too late are dropped, their questions free to be asked again.
    pub fn begin(&mut self) {
        self.take_answers();
        let mut state = self.shared.state();
        // Left over where the round before was cut short.
        for question in state.queue.drain(..) {
            self.asked.remove(&question);
        }
        drop(state);
        self.asked.retain(|_, asked| matches!(asked, Asked::Since(_)));
        self.round += 1;
    }

    /// Asks, unless the same question still hangs.
    pub fn ask(&mut self, question: &Q) {
        if !self.asked.contains_key(question) {
            self.asked.insert(question.clone(), Asked::Since(self.round));
            self.shared.state().queue.push_back(question.clone());
        }
    }

    /// Waits until all questions of this round are answered, but not beyond `until`.
    ///
    /// # Errors
    /// No thread could be started.
    pub async fn gather(&mut self, until: Instant) -> io::Result<()> {
        let hanging = self.waiting(|since| since < self.round);
        {
            let state = self.shared.state();
            let free = state.threads.saturating_sub(hanging);
            if !state.queue.is_empty() && free == 0 {
                drop(state);
                self.hire(1)?;
            } else if !state.queue.is_empty() {
                self.shared.work.notify_one();
            }
        }
        let mut more = 1;
        loop {
            self.take_answers();
            if self.waiting(|since| since == self.round) == 0 {
                return Ok(());
            }
            let next = until.min(Instant::now() + HURRY);
            if timeout_at(next, self.shared.answered.notified()).await.is_ok() {
                continue;
            }
            self.take_answers();
            if Instant::now() >= until {
                break;
            }
            if !self.shared.state().queue.is_empty() {
                self.hire(more)?;
                more *= 2;
            }
        }
        for question in self.shared.state().queue.drain(..) {
            self.asked.insert(question, Asked::LeftOver);
        }
        Ok(())
    }

    /// What became of a question.
    pub fn outcome(&mut self, question: &Q) -> Outcome<A> {
        match self.asked.get(question) {
            Some(Asked::Since(round)) if *round < self.round => return Outcome::Hangs,
            Some(Asked::Since(_)) => return Outcome::Silent,
            Some(Asked::Answered(_) | Asked::LeftOver) | None => {}
        }
        match self.asked.remove(question) {
            Some(Asked::Answered(answer)) => Outcome::Answered(answer),
            _ => Outcome::Unasked,
        }
    }

    fn waiting(&self, which: impl Fn(u64) -> bool) -> usize {
        self.asked.values().filter(|asked| matches!(asked, Asked::Since(round) if which(*round))).count()
    }

    fn take_answers(&mut self) {
        let mut state = self.shared.state();
        for (question, answer) in state.answers.drain(..) {
            match self.asked.get(&question) {
                Some(Asked::Since(round)) if *round == self.round => {
                    self.asked.insert(question, Asked::Answered(answer));
                }
                _ => {
                    self.asked.remove(&question);
                }
            }
        }
    }

    /// Starts up to `count` threads.
    fn hire(&self, count: usize) -> io::Result<()> {
        for _ in 0..count {
            {
                let mut state = self.shared.state();
                if state.threads >= MAX_THREADS {
                    return Ok(());
                }
                state.threads += 1;
            }
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name(self.name.to_owned()).stack_size(STACK_BYTES);
            if let Err(error) = thread.spawn(move || work(&shared)) {
                self.shared.state().threads -= 1;
                return Err(error);
            }
        }
        Ok(())
    }
}

impl<Q, A> Drop for Asks<Q, A> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.closed = true;
        state.queue.clear();
        drop(state);
        self.shared.work.notify_all();
    }
}

/// A thread: asks what is in the queue, then waits for more if no other does.
fn work<Q, A>(shared: &Shared<Q, A>) {
    let mut state = shared.state();
    loop {
        if let Some(question) = state.queue.pop_front() {
            drop(state);
            let answer = (shared.ask)(&question);
            state = shared.state();
            state.answers.push((question, answer));
            if state.queue.is_empty() {
                shared.answered.notify_one();
            }
        } else if state.closed || state.idle > 0 {
            state.threads -= 1;
            return;
        } else {
            state.idle += 1;
            state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::sync::mpsc;

    /// Far enough that only a broken machine gets there; nothing here waits so long.
    fn patience() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    /// How often an odd number was asked, on all threads of a test.
    type Hung = Arc<Mutex<u32>>;

    /// Odd numbers hang until told to go on; even ones are answered with their double.
    fn asks() -> (Asks<u32, u32>, mpsc::SyncSender<()>, Hung) {
        let (go, gate) = mpsc::sync_channel::<()>(1);
        let gate = Mutex::new(gate);
        let hung = Hung::default();
        let count = Arc::clone(&hung);
        let asks = Asks::new("test", move |number: &u32| {
            if number % 2 == 1 {
                *count.lock().unwrap() += 1;
                let _ = gate.lock().unwrap().recv();
            }
            number * 2
        });
        (asks, go, hung)
    }

    fn threads(asks: &Asks<u32, u32>) -> usize {
        asks.shared.state().threads
    }

    async fn until(mut condition: impl FnMut() -> bool) {
        let end = patience();
        while !condition() {
            assert!(Instant::now() < end, "waited in vain");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn what_answers_is_asked_by_one_thread() {
        let (mut asks, ..) = asks();
        for _ in 0..50 {
            asks.begin();
            (0..20).for_each(|n| asks.ask(&(n * 2)));
            asks.gather(patience()).await.unwrap();
            for n in 0..20 {
                assert_eq!(asks.outcome(&(n * 2)), Outcome::Answered(n * 4));
            }
        }
        until(|| threads(&asks) <= 1).await;
    }

    #[tokio::test]
    async fn a_question_that_hangs_costs_only_itself_and_one_thread_and_recovers() {
        let (mut asks, go, hung) = asks();
        // The deadline of a round is short, so it is run until the healthy ones have been answered beside the hung one.
        let mut answered = false;
        while !answered {
            asks.begin();
            [1, 2, 4].iter().for_each(|n| asks.ask(n));
            asks.gather(Instant::now() + HURRY * 4).await.unwrap();
            let outcome = asks.outcome(&1);
            assert!(matches!(outcome, Outcome::Silent | Outcome::Hangs), "{outcome:?}");
            answered = [2, 4].iter().all(|n| asks.outcome(n) == Outcome::Answered(n * 2));
        }
        for _ in 0..20 {
            asks.begin();
            [1, 2].iter().for_each(|n| asks.ask(n));
            // Does not wait for what is known to hang.
            asks.gather(patience()).await.unwrap();
            assert_eq!((asks.outcome(&1), asks.outcome(&2)), (Outcome::Hangs, Outcome::Answered(4)));
            assert_eq!(*hung.lock().unwrap(), 1, "it holds one thread only");
        }
        go.send(()).unwrap();
        let shared = Arc::clone(&asks.shared);
        until(|| !shared.state().answers.is_empty()).await;
        asks.begin();
        asks.ask(&1);
        go.send(()).unwrap();
        asks.gather(patience()).await.unwrap();
        assert_eq!(asks.outcome(&1), Outcome::Answered(2), "the late answer is not taken, a new one is");
    }

    #[tokio::test]
    async fn threads_are_bounded_and_what_was_not_asked_is_told() {
        let (mut asks, go, _) = asks();
        let bound = u32::try_from(MAX_THREADS).unwrap();
        let mut not_asked = 0;
        // Rounds until all threads hang.
        while threads(&asks) < MAX_THREADS || not_asked == 0 {
            asks.begin();
            (0..bound + 8).for_each(|n| asks.ask(&(2 * n + 1)));
            asks.gather(Instant::now() + HURRY * 8).await.unwrap();
            not_asked = (0..bound + 8).filter(|n| asks.outcome(&(2 * n + 1)) == Outcome::Unasked).count();
            assert!(threads(&asks) <= MAX_THREADS);
        }
        assert_eq!(not_asked, 8);
        drop(go);
        let shared = Arc::clone(&asks.shared);
        drop(asks);
        until(|| shared.state().threads == 0).await;
    }
}
