//! The list of all series, kept for a short while: Grafana asks for labels and their values many times while a query is typed, and
//! each takes the list from every farm. Only the list without `match[]`, and only while it is not too long.

use super::fetch::Listed;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// How long a list is given again.
pub const FRESH: Duration = Duration::from_secs(10);
/// Series of a list that is kept, at some hundred bytes each; a longer one is asked for each time.
pub const MAX_KEPT: usize = 200_000;

type Cell = Arc<OnceCell<Arc<Listed>>>;

/// The list, where there is one.
#[derive(Default, Clone)]
pub struct Kept(Arc<Mutex<Option<Cell>>>);

impl Kept {
    /// The list: that which is kept, or the one that is made now, for all who ask meanwhile.
    pub async fn or(&self, make: impl Future<Output = Listed>) -> Arc<Listed> {
        let cell = Arc::clone(self.slot().get_or_insert_with(Cell::default));
        let made = async {
            let list = Arc::new(make.await);
            let (kept, cell) = (self.clone(), Arc::clone(&cell));
            let fresh = if list.series.len() > MAX_KEPT { Duration::ZERO } else { FRESH };
            tokio::spawn(async move {
                tokio::time::sleep(fresh).await;
                kept.forget(&cell);
            });
            list
        };
        Arc::clone(cell.get_or_init(|| made).await)
    }

    fn forget(&self, cell: &Cell) {
        let mut slot = self.slot();
        if slot.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, cell)) {
            *slot = None;
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Cell>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    #[tokio::test(start_paused = true)]
    async fn a_list_is_made_once_for_all_who_ask_within_its_time_and_then_anew() {
        let (kept, made) = (Kept::default(), AtomicUsize::new(0));
        let make = || async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            made.fetch_add(1, Relaxed);
            Listed::default()
        };
        tokio::join!(kept.or(make()), kept.or(make()));
        tokio::time::sleep(FRESH / 2).await;
        kept.or(make()).await;
        assert_eq!(made.load(Relaxed), 1);
        tokio::time::sleep(FRESH).await;
        assert!(kept.slot().is_none(), "nothing is held for nobody");
        kept.or(make()).await;
        assert_eq!(made.load(Relaxed), 2);
    }
}
