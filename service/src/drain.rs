//! Ending in good order: one signal that everything listens to.

use tokio::sync::watch;

/// Tells that the process is to end. Cheap to clone; every copy sees the same.
#[derive(Debug, Clone)]
pub struct Drain(watch::Receiver<bool>);

/// What starts a drain.
#[derive(Debug)]
pub struct DrainStart(watch::Sender<bool>);

/// A drain that has not begun.
pub fn drain() -> (DrainStart, Drain) {
    let (start, seen) = watch::channel(false);
    (DrainStart(start), Drain(seen))
}

impl DrainStart {
    /// Begins it. Once begun it stays so.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }
}

impl Drain {
    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it begins (or nobody is left who could begin it).
    pub async fn begun(mut self) {
        let _ = self.0.wait_for(|begun| *begun).await;
    }
}

/// Waits for Ctrl-C or SIGTERM, and names it.
///
/// # Errors
/// Where the system lets nobody listen to signals.
pub async fn termination() -> std::io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok("SIGTERM"),
            _ = interrupt.recv() => return Ok("Ctrl-C"),
            // Configuration is reloaded as its files change: a hang-up must only not kill.
            _ = hangup.recv() => {}
        }
    }
}
