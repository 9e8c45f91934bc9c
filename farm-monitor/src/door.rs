//! The doors of a farm: what comes in by itself, at ports of its own. So far one, for SNMP traps and informs. A door can only
//! add samples, and nothing of it keeps a farm from running.

use hedgerow_collect::engine::WallClock;
use hedgerow_collect::front_door::FrontDoor;
use hedgerow_traps::{Counted, Door, DoorHandle, DoorOptions, TrapSettings};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long informs that wait for their commit may keep a farm from ending.
const GRACE: Duration = Duration::from_secs(1);

/// The door for traps.
#[derive(Clone)]
pub struct TrapDoor(DoorHandle);

impl TrapDoor {
    /// A shut one; its task is among `tasks`.
    pub fn start(
        front: Arc<dyn FrontDoor>,
        folder: PathBuf,
        wall: WallClock,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let (door, handle) = Door::new(DoorOptions { front, folder, wall });
        tasks.spawn(door.run());
        Self(handle)
    }

    /// Applies its settings. That it cannot listen is no error here, see [`TrapDoor::trouble`].
    ///
    /// # Errors
    /// Why it stays as it was.
    pub async fn apply(&self, settings: TrapSettings) -> Result<(), String> {
        self.0.apply(settings).await.map_err(|error| format!("door.traps: {error}"))
    }

    /// Why it does not listen where it should; empty: it does.
    pub fn trouble(&self) -> String {
        let trouble = self.0.state().borrow().trouble.clone();
        if trouble.is_empty() { trouble } else { format!("door.traps: {trouble}") }
    }

    /// What became of what came; nothing while it was never open.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = self.0.counts();
        if self.0.state().borrow().bound.is_empty() && counts.get(Counted::Received) == 0 {
            return Vec::new();
        }
        Counted::ALL.iter().map(|what| (what.as_str(), counts.get(*what))).collect()
    }

    /// Shuts it; what waits for its commit is answered if that comes soon.
    pub async fn close(&self) {
        self.0.close(GRACE).await;
    }
}
