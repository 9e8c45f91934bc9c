//! How fast this machine is while a test runs: what is promised to be done within a time of a process's own is not to be
//! had sooner than the machine gives it.

use crate::patience::{Stopwatch, pause};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(50);

/// Someone who does, again and again, what a process does that keeps something: waits, wakes, writes a little, and syncs.
#[derive(Debug)]
pub struct Witness {
    seen: Arc<Mutex<Seen>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Seen {
    /// Since this round began.
    round: Stopwatch,
    slowest: Duration,
}

impl Witness {
    /// Begins, on the disk of this folder.
    pub fn new(folder: &Path) -> Self {
        let mut file = File::create(folder.join("witness")).unwrap();
        let seen = Arc::new(Mutex::new(Seen { round: Stopwatch::new(), slowest: Duration::ZERO }));
        let (noted, ended) = (Arc::clone(&seen), Arc::new(AtomicBool::new(false)));
        let end = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                pause(EVERY);
                file.write_all(&[0; 512]).unwrap();
                file.sync_data().unwrap();
                let mut seen = noted.lock().unwrap();
                seen.slowest = seen.slowest();
                seen.round = Stopwatch::new();
            }
        });
        Self { seen, ended, thread: Some(thread) }
    }

    /// By how much the slowest round since this was asked last took longer than it has to.
    pub fn stood_still(&self) -> Duration {
        let mut seen = self.seen.lock().unwrap();
        let slowest = seen.slowest();
        seen.slowest = Duration::ZERO;
        slowest.saturating_sub(EVERY)
    }
}

impl Seen {
    fn slowest(&self) -> Duration {
        self.slowest.max(self.round.elapsed())
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
