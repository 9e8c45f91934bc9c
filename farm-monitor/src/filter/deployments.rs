//! The deployments of a farm at work: reads what stands in the mesh, fetches components, keeps both, tells what is to run.
//! What is decided stands in [`super::roster`]; here is only what waits, reads and writes.

mod follow;

pub use follow::Follow;

use super::kept::Kept;
use super::logs::{Place, Read};
#[cfg(test)]
use super::policy::Here;
use super::policy::off;
use super::roster::{Key, RetryError, Roster};
use super::{Desired, Faults, Report};
use crate::config::FilterSettings;
use crate::state_file::{StateError, StateFile};
use bytes::Bytes;
use hedgerow_model::UnixMillis;
use hedgerow_model::document::{Blob, Hash};
use hedgerow_proto::filter::{DeploymentStatus, LogLevel};
#[cfg(test)]
use hedgerow_proto::signed::SignedDocument;
use hedgerow_proto::signed::hash;
use hedgerow_service::blob_files::BlobFiles;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Notify, watch};

/// The folder of components in the farm's, for its owner only.
const FOLDER: &str = "filters";
/// The folder in it with the components as they came, by SHA-256.
const COMPONENTS: &str = "components";

/// The deployments. Cheap to clone.
#[derive(Clone)]
pub struct Deployments(Arc<Shared>);

struct Shared {
    roster: Mutex<Roster>,
    /// What is on the disk.
    kept: Mutex<Kept>,
    state: Arc<StateFile>,
    components: BlobFiles,
    desired: watch::Sender<Arc<[Desired]>>,
    /// Rises with each line of a log.
    lines: watch::Sender<u64>,
    /// A retry: fetches may be due.
    wake: Notify,
    settings: Mutex<FilterSettings>,
    heard_all: AtomicBool,
    now: fn() -> UnixMillis,
}

impl Deployments {
    /// What was kept in the farm's folder. Blocks.
    ///
    /// # Errors
    /// Where the folder or the file cannot be used.
    pub fn open(
        folder: &Path,
        state: Arc<StateFile>,
        settings: FilterSettings,
        now: fn() -> UnixMillis,
    ) -> Result<Self, StateError> {
        let path = folder.join(FOLDER).join(COMPONENTS);
        let io = |source| StateError::Io { path: path.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(io)?;
        let (components, held) = BlobFiles::open(path.clone()).map_err(io)?;
        let sqlite = |error| StateError::Open { path: folder.to_owned(), problem: error };
        let kept = Kept::load(&state, now()).map_err(|error| sqlite(error.into()))?;
        let roster = Roster::new(&kept, held.into_iter().map(|(hash, _)| hash).collect::<BTreeSet<Hash>>());
        Ok(Self(Arc::new(Shared {
            roster: Mutex::new(roster),
            kept: Mutex::new(kept),
            state,
            components,
            desired: watch::channel(Arc::from([])).0,
            lines: watch::channel(0).0,
            wake: Notify::new(),
            settings: Mutex::new(settings),
            heard_all: AtomicBool::new(false),
            now,
        })))
    }

    /// From now on this stands, and all is heard; without lookups.
    #[cfg(test)]
    pub(in crate::filter) fn stand(&self, standing: &[Arc<SignedDocument>], here: &Here<'_>) {
        self.0.settings.lock().clone_from(here.settings);
        let mut roster = self.0.roster.lock();
        roster.plan(standing, here, (self.0.now)());
        roster.heard_all();
        drop(roster);
        self.0.changed();
    }

    /// A component, as if it had been fetched.
    #[cfg(test)]
    pub(in crate::filter) fn have(&self, blob: Blob, bytes: &[u8]) {
        self.0.put(blob, bytes).expect("a folder that can be written");
        self.0.roster.lock().fetched(blob.hash, Ok(()), (self.0.now)());
    }

    /// What is to run, from now on, all of it with each change.
    pub fn desired(&self) -> watch::Receiver<Arc<[Desired]>> {
        self.0.desired.subscribe()
    }

    /// The bytes of a component, verified. Blocks. Where they are damaged they are fetched anew, and what needs them is not
    /// desired until then.
    ///
    /// # Errors
    /// Why they are not to be had.
    pub fn component(&self, component: Blob) -> io::Result<Bytes> {
        let read = self.0.read(component);
        if read.is_err() {
            self.0.components.set_aside(component.hash);
            self.0.roster.lock().lost(component.hash, (self.0.now)());
            self.0.publish();
            self.0.wake.notify_one();
        }
        read
    }

    /// How one goes. Blocks where that changes what is to be kept.
    pub fn report(&self, key: &Key, report: Report) {
        let changes = self.0.roster.lock().report(key, report, (self.0.now)());
        if changes {
            self.0.changed();
        }
    }

    /// What is known of the faults of a serial, of this process or one before.
    pub fn faults(&self, key: &Key, serial: u64) -> Option<Faults> {
        self.0.roster.lock().faults(key, serial).cloned()
    }

    /// Whether all that stands was heard of, and none of this name is among it.
    pub fn is_gone(&self, name: &str) -> bool {
        self.0.roster.lock().is_gone(name)
    }

    /// A line that a filter logged.
    pub fn said(&self, key: &Key, level: LogLevel, text: &str) {
        let rate = self.0.settings.lock().log_rate;
        if let Some(log) = self.0.roster.lock().log_mut(key) {
            log.said((self.0.now)(), level, text, rate);
        }
        self.0.told();
    }

    /// Lines that a filter logged and that were left out.
    pub fn not_said(&self, key: &Key, lines: u64) {
        if let Some(log) = self.0.roster.lock().log_mut(key) {
            log.dropped_before(lines);
        }
        self.0.told();
    }

    /// A line of the farm's about a deployment.
    pub fn note(&self, key: &Key, level: LogLevel, text: &str) {
        if let Some(log) = self.0.roster.lock().log_mut(key) {
            log.of_farm((self.0.now)(), level, text);
        }
        self.0.told();
    }

    /// The statuses of those with these names; with none: of all.
    pub fn statuses(&self, names: &[String]) -> Vec<DeploymentStatus> {
        self.0.roster.lock().statuses(names)
    }

    /// Whether some lookup has told all that stands: what is not known now does not stand.
    pub fn has_heard_all(&self) -> bool {
        self.0.heard_all.load(Ordering::Acquire)
    }

    /// Why the farm runs no filters at all.
    pub fn off(&self) -> Option<&'static str> {
        off(&self.0.settings.lock())
    }

    /// Tries a quarantined deployment again, or what waits now.
    ///
    /// # Errors
    /// Why there is nothing to try again.
    pub fn retry(&self, name: &str) -> Result<DeploymentStatus, RetryError> {
        let retried = self.0.roster.lock().retry(name, (self.0.now)())?;
        self.0.changed();
        self.0.wake.notify_one();
        Ok(retried)
    }

    /// Where to begin to read a log for its `last` lines; 0: all that is kept. `None`: no such deployment means this farm.
    pub fn log_begin(&self, name: &str, last: u32) -> Option<Place> {
        self.0.roster.lock().log(name).map(|log| log.begin(last))
    }

    /// At most `most` lines of a log from a place on; `None`: the deployment is gone.
    pub fn log_read(&self, name: &str, from: Place, most: usize) -> Option<Read> {
        self.0.roster.lock().log(name).map(|log| log.read(from, most))
    }

    /// Tells that some log has a new line.
    pub fn log_changes(&self) -> watch::Receiver<u64> {
        self.0.lines.subscribe()
    }
}

impl Shared {
    fn read(&self, component: Blob) -> io::Result<Bytes> {
        let mut bytes = Vec::new();
        loop {
            let chunk = self.components.read(component.hash, bytes.len() as u64)?;
            if chunk.is_empty() {
                break;
            }
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > component.size {
                break;
            }
        }
        if bytes.len() as u64 == component.size && hash(&bytes) == component.hash {
            return Ok(bytes.into());
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the component is damaged on the disk; it is fetched anew",
        ))
    }

    /// Writes a component that came. Blocks.
    fn put(&self, component: Blob, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.components.write(bytes)?;
        self.components.keep(&unfinished, component.hash)
    }

    /// Keeps what changed, then tells what is to run. Blocks. What the disk does not take runs all the same, and is tried
    /// again with the next change.
    fn changed(&self) {
        let mut on_disk = self.kept.lock();
        let kept = self.roster.lock().kept();
        match kept.write(&on_disk, &self.state) {
            Ok(()) => *on_disk = kept,
            Err(error) => tracing::warn!(event = "deployments_not_kept", %error),
        }
        drop(on_disk);
        self.publish();
    }

    fn publish(&self) {
        let desired: Arc<[Desired]> = self.roster.lock().desired().into();
        self.desired.send_if_modified(|before| {
            let changed = *before != desired;
            *before = Arc::clone(&desired);
            changed
        });
        self.told();
    }

    fn told(&self) {
        self.lines.send_modify(|lines| *lines += 1);
    }
}
