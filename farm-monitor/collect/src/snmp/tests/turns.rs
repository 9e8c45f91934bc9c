//! A large agent holds up nobody else.

use super::*;
use crate::module::Run;
use hedgerow_model::{SeriesDef, SeriesId, SeriesKey, UnixMillis};
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A run that counts what it is given.
struct Counted {
    known: HashMap<SeriesKey, SeriesId>,
    values: Arc<AtomicUsize>,
    deadline: Instant,
}

impl Run for Counted {
    fn started(&self) -> UnixMillis {
        0
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn series(&mut self, def: &SeriesDef) -> Option<SeriesId> {
        let next = SeriesId(u32::try_from(self.known.len()).ok()?);
        Some(*self.known.entry(def.key.clone()).or_insert(next))
    }

    fn push(&mut self, _: SeriesId, _: UnixMillis, _: Shown, _: Option<Mark>) {
        self.values.fetch_add(1, Ordering::Relaxed);
    }

    fn part_failed(&mut self, part: &str, error: CollectError) {
        panic!("{part}: {error}");
    }

    fn set_life(&mut self, _: &[SeriesId], _: Life, _: &str) {}
}

#[tokio::test(start_paused = true)]
async fn the_values_of_a_large_table_are_not_handed_in_all_at_once() {
    let mut bench = Bench::switch();
    for index in 4..=1000 {
        bench.agent.lock().interface(index, &format!("Gi0/{index}"), 1);
    }
    let values = Arc::new(AtomicUsize::new(0));
    let deadline = Instant::now() + Duration::from_secs(48);
    let mut counted = Counted { known: HashMap::new(), values: values.clone(), deadline };
    let mut run = bench.probe.run(&mut counted);
    let mut most = 0;
    let turn = poll_fn(|context| {
        let before = values.load(Ordering::Relaxed);
        let done = run.as_mut().poll(context);
        most = most.max(values.load(Ordering::Relaxed) - before);
        done
    });
    turn.await.unwrap();
    let all = values.load(Ordering::Relaxed);
    assert!(all >= 1000 && most < all / 3, "{most} of {all} in one turn");
}
