//! One reader of a view, and what all readers of one share: the last differences, written once, and the last full frame.
//!
//! A reader takes frames when it has room. One that is a little behind takes the differences one by one; one that is further
//! behind takes a full frame. So nothing queues for anybody.

use crate::clock;
use crate::content::Content;
use crate::views::Tally;
use hedgerow_model::UnixMillis;
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Differences that are kept for readers that are a little behind. One that is further behind gets a full frame.
pub const KEPT_DIFFERENCES: usize = 8;

/// What a reader takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A frame, as JSON text.
    Frame(Arc<str>),
    /// The view is over, for this reason; nothing comes after it.
    Over(Arc<str>),
}

/// What all readers of a view share.
pub(crate) struct Shared {
    content: Arc<Mutex<dyn Content>>,
    given: Mutex<Given>,
    revision: watch::Sender<u64>,
    /// How many look.
    looks: watch::Sender<usize>,
    tally: Arc<Tally>,
}

#[derive(Default)]
struct Given {
    /// How many differences there were.
    revision: u64,
    /// The last ones, that of `revision` at the end.
    differences: VecDeque<Arc<str>>,
    /// The last full frame, and of which revision.
    full: Option<(u64, Arc<str>)>,
    over: Option<Arc<str>>,
}

impl Shared {
    pub fn new(content: Arc<Mutex<dyn Content>>, tally: Arc<Tally>) -> Self {
        let (given, revision, looks) = (Mutex::default(), watch::Sender::new(0), watch::Sender::new(0));
        Self { content, given, revision, looks, tally }
    }

    /// Another reader.
    pub fn look(self: &Arc<Self>) -> Look {
        self.looks.send_modify(|looks| *looks += 1);
        self.tally.looks.fetch_add(1, Relaxed);
        Look { shared: Arc::clone(self), at: None, revisions: self.revision.subscribe(), over: false }
    }

    /// How many look, and each change of it.
    pub fn looks(&self) -> watch::Receiver<usize> {
        self.looks.subscribe()
    }

    /// Writes what changed since the last time, for all readers. Without readers nothing is written.
    pub fn publish(&self) {
        if *self.looks.borrow() == 0 {
            return;
        }
        self.tell_difference(&mut self.given(), clock::now());
    }

    fn tell_difference(&self, given: &mut Given, now: UnixMillis) {
        let Some(text) = self.content().difference(now) else { return };
        self.tally.frame(&text);
        given.revision += 1;
        given.differences.push_back(text.into());
        if given.differences.len() > KEPT_DIFFERENCES {
            given.differences.pop_front();
        }
        given.full = None;
        self.revision.send_replace(given.revision);
    }

    /// The view is over.
    pub fn end(&self, why: &str) {
        let mut given = self.given();
        given.over = Some(why.into());
        given.revision += 1;
        self.revision.send_replace(given.revision);
    }

    /// About how much the view holds.
    pub fn weight(&self) -> usize {
        self.content().weight()
    }

    /// What a reader that took everything up to `at` takes next, if there is anything.
    fn next(&self, at: &mut Option<u64>) -> Option<Told> {
        let mut given = self.given();
        if let Some(why) = &given.over {
            return Some(Told::Over(Arc::clone(why)));
        }
        let revision = given.revision;
        let behind = at.map(|at| revision - at);
        if behind == Some(0) {
            return None;
        }
        let place =
            behind.and_then(|behind| given.differences.len().checked_sub(usize::try_from(behind).ok()?));
        if let (Some(at), Some(difference)) =
            (at.as_mut(), place.and_then(|place| given.differences.get(place)))
        {
            *at += 1;
            return Some(Told::Frame(Arc::clone(difference)));
        }
        let full = match &given.full {
            Some((of, text)) if *of == revision => Arc::clone(text),
            _ => {
                let now = clock::now();
                // What a full frame holds has been told to the others before. Else what comes and goes between two differences, as
                // while nobody looks, would stand for ever where it was seen: no difference would ever take it back.
                self.tell_difference(&mut given, now);
                let text: Arc<str> = self.content().full(now).into();
                self.tally.full.fetch_add(1, Relaxed);
                self.tally.frame(&text);
                given.full = Some((given.revision, Arc::clone(&text)));
                text
            }
        };
        *at = Some(given.revision);
        Some(Told::Frame(full))
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Taken after [`Self::given`], never before it.
    fn content(&self) -> MutexGuard<'_, dyn Content + 'static> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One reader of a view. Dropped, it looks no more; the view lingers for a while after its last reader.
pub struct Look {
    shared: Arc<Shared>,
    /// Up to which revision it has taken; `None`: nothing yet.
    at: Option<u64>,
    revisions: watch::Receiver<u64>,
    over: bool,
}

impl Look {
    /// The next frame: the first is full, later ones are what changed, or full where this reader was slow. `None`: the view is
    /// over, and that was told. May be dropped while it waits.
    pub async fn next(&mut self) -> Option<Told> {
        while !self.over {
            self.revisions.borrow_and_update();
            match self.shared.next(&mut self.at) {
                Some(told) => {
                    self.over = matches!(told, Told::Over(_));
                    self.shared.tally.given.fetch_add(1, Relaxed);
                    return Some(told);
                }
                // The sender lives as long as this does.
                None => drop(self.revisions.changed().await),
            }
        }
        None
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.shared.looks.send_modify(|looks| *looks -= 1);
        self.shared.tally.looks.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests;
