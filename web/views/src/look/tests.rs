#![allow(clippy::unwrap_used)]

use super::*;
use hedgerow_model::UnixMillis;

/// Counts what is asked of it.
#[derive(Default)]
struct Counted {
    fulls: usize,
    news: usize,
    told: usize,
}

impl Content for Counted {
    fn full(&mut self, _now: UnixMillis) -> String {
        self.fulls += 1;
        format!("full {}", self.news)
    }

    fn difference(&mut self, _now: UnixMillis) -> Option<String> {
        let new = self.news > self.told;
        self.told = self.news;
        new.then(|| format!("to {}", self.news))
    }

    fn weight(&self) -> usize {
        1
    }
}

fn shared() -> (Arc<Shared>, Arc<Mutex<Counted>>) {
    let core = Arc::new(Mutex::new(Counted::default()));
    let content: Arc<Mutex<dyn Content>> = core.clone();
    (Arc::new(Shared::new(content, Arc::default())), core)
}

fn news(shared: &Shared, core: &Mutex<Counted>) {
    core.lock().unwrap().news += 1;
    shared.publish();
}

async fn frame(look: &mut Look) -> Arc<str> {
    let told = tokio::time::timeout(std::time::Duration::from_secs(20), look.next()).await;
    match told.expect("it should have come by now") {
        Some(Told::Frame(frame)) => frame,
        other => panic!("{other:?}"),
    }
}

/// A lamp: told only where it is not as it was told last.
#[derive(Default)]
struct Lamp {
    is_on: bool,
    told: bool,
}

impl Content for Lamp {
    fn full(&mut self, _now: UnixMillis) -> String {
        format!("full {}", self.is_on)
    }

    fn difference(&mut self, _now: UnixMillis) -> Option<String> {
        let changed = self.told != self.is_on;
        self.told = self.is_on;
        changed.then(|| self.is_on.to_string())
    }

    fn weight(&self) -> usize {
        1
    }
}

#[tokio::test]
async fn what_came_and_went_while_nobody_looked_does_not_stand_for_ever() {
    let core = Arc::new(Mutex::new(Lamp::default()));
    let shared = Arc::new(Shared::new(core.clone() as Arc<Mutex<dyn Content>>, Arc::default()));
    core.lock().unwrap().is_on = true;
    // It looks for less than the time between two differences.
    let mut short = shared.look();
    assert_eq!(&*frame(&mut short).await, "full true");
    drop(short);
    core.lock().unwrap().is_on = false;
    let mut next = shared.look();
    let mut last = frame(&mut next).await;
    shared.publish();
    if &*last == "full true" {
        last = frame(&mut next).await;
    }
    assert!(last.ends_with("false"), "{last}");
}

#[tokio::test]
async fn a_hundred_readers_cost_as_one() {
    let (shared, core) = shared();
    let mut looks: Vec<Look> = (0..100).map(|_| shared.look()).collect();
    for look in &mut looks {
        assert_eq!(&*frame(look).await, "full 0");
    }
    for _ in 0..3 {
        news(&shared, &core);
    }
    let mut first = Vec::new();
    for look in &mut looks {
        let taken = [frame(look).await, frame(look).await, frame(look).await];
        if first.is_empty() {
            first = taken.to_vec();
        }
        assert!(taken.iter().zip(&first).all(|(a, b)| Arc::ptr_eq(a, b)), "one text for all");
    }
    assert_eq!(first.iter().map(|text| &**text).collect::<Vec<_>>(), ["to 1", "to 2", "to 3"]);
    assert_eq!(core.lock().unwrap().fulls, 1);
}

#[tokio::test]
async fn a_slow_reader_gets_a_full_frame_and_then_what_follows_it() {
    let (shared, core) = shared();
    let mut slow = shared.look();
    frame(&mut slow).await;
    for _ in 0..=KEPT_DIFFERENCES {
        news(&shared, &core);
    }
    assert_eq!(&*frame(&mut slow).await, "full 9");
    news(&shared, &core);
    assert_eq!(&*frame(&mut slow).await, "to 10");
}

#[tokio::test]
async fn nothing_is_written_for_nobody() {
    let (shared, core) = shared();
    news(&shared, &core);
    assert_eq!(core.lock().unwrap().told, 0);
    let mut look = shared.look();
    assert_eq!(&*frame(&mut look).await, "full 1");
    news(&shared, &core);
    assert_eq!(&*frame(&mut look).await, "to 2");
}

#[tokio::test]
async fn a_view_that_is_over_says_why_once() {
    let (shared, _) = shared();
    let mut look = shared.look();
    frame(&mut look).await;
    shared.end("enough");
    assert_eq!(look.next().await, Some(Told::Over("enough".into())));
    assert_eq!(look.next().await, None);
}
