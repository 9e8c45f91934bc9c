//! Carries alarms from the farms to the book: streams all the time, lists now and then.

use super::AlarmBook;
use crate::clock;
use crate::views::{Tally, Task, lock};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hedgerow_client::alarms::MeshAlarms;
use hedgerow_client::{Mesh, Predicate, SubscribeOptions, Template};
use hedgerow_model::predicate::{Comparison, Constraint, PathPattern};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

/// How often farms are asked for their lists.
const LIST_EVERY: Duration = Duration::from_secs(15);
/// How soon after a stream began, so that many streams cost one question.
const LIST_SOON: Duration = Duration::from_millis(300);

/// The alarms of all farms, for as long as it is held.
pub(crate) struct AlarmSource {
    book: Arc<Mutex<AlarmBook>>,
    _task: Option<Task>,
}

impl std::fmt::Debug for AlarmSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AlarmSource").finish_non_exhaustive()
    }
}

impl AlarmSource {
    /// Begins to listen; to cleared ones, too, where `cleared`.
    pub fn start(mesh: &Mesh, tally: &Arc<Tally>, cleared: bool) -> Self {
        let book = Arc::new(Mutex::new(AlarmBook::new(cleared)));
        let (mesh, upstream, told) = (mesh.clone(), tally.upstream(), Arc::clone(&book));
        let task = Task::spawn(async move {
            let _upstream = upstream;
            listen(&mesh, &told, cleared).await;
        });
        Self { book, _task: Some(task) }
    }

    /// One that nothing feeds.
    #[cfg(test)]
    pub fn of(book: AlarmBook) -> Self {
        Self { book: Arc::new(Mutex::new(book)), _task: None }
    }

    /// What is known.
    pub fn book(&self) -> MutexGuard<'_, AlarmBook> {
        lock(&self.book)
    }
}

/// All series of all farms, and none of their samples: alarms are told by patterns.
fn no_samples() -> Predicate {
    let never = Constraint::Compare(Comparison::Less, f64::NEG_INFINITY);
    Predicate { constraint: Some(never), ..Predicate::live(vec![PathPattern::any()]) }
}

async fn listen(mesh: &Mesh, book: &Mutex<AlarmBook>, cleared: bool) {
    let options = SubscribeOptions { alarms: true, back_fill: false, ..SubscribeOptions::default() };
    let mut stream = mesh.subscribe_with(&no_samples(), options);
    let mut listing: Option<BoxFuture<'static, (MeshAlarms, u64)>> = None;
    let mut next = Instant::now();
    loop {
        let is_listing = listing.is_some();
        let lists = async {
            match &mut listing {
                Some(listing) => listing.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            update = stream.next() => {
                let Some(update) = update else { return };
                if lock(book).hear(&update, clock::now()) {
                    next = next.min(Instant::now() + LIST_SOON);
                }
            }
            (lists, asked_at) = lists => {
                listing = None;
                lock(book).listed(lists, asked_at);
            }
            () = tokio::time::sleep_until(next), if !is_listing => {
                next = Instant::now() + LIST_EVERY;
                let asked_at = lock(book).revision();
                let mesh = mesh.clone();
                let ask = async move { (mesh.alarms(&Template::default(), cleared, "").await, asked_at) };
                listing = Some(ask.boxed());
            }
        }
    }
}
