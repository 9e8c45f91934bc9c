//! The directory as it was last known, for when no lookup answers: in memory, and in a file where one was given. What is
//! kept are the registrations as their services signed them, and they are verified again before they are used.
//!
//! It must never be used for another mesh than the one it was told by, and never while a lookup answers.

mod file;

pub use self::file::KeptError;

use super::merge::Merge;
use crate::private_file;
use bytes::Bytes;
use hedgerow_model::registration::{Id, Mesh, Registration};
use hedgerow_model::{Template, UnixMillis};
use hedgerow_proto::lookup::Signed;
use hedgerow_proto::signed;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Most services that are kept; of more, those with the greatest ids are left out.
const MAX_KEPT: usize = 50_000;
/// Most addresses of lookups that are kept; more are left out.
const MAX_LOOKUPS: usize = 64;
/// A service of which nothing was heard for so long is no longer kept.
const KEPT_FOR: Duration = Duration::from_hours(30 * 24);
/// The file is written at most this often while a program goes on.
const WRITE_EVERY: Duration = Duration::from_secs(5);

/// The directory as it was last known. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Kept(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    path: Option<PathBuf>,
    /// Whose lookups these are; a file that says another belongs to somebody else.
    key: String,
    mesh: Option<Mesh>,
    services: BTreeMap<Id, KeptService>,
    lookups: BTreeSet<String>,
    written: Option<Instant>,
    /// The file could not be read or written; said once.
    problem: Option<KeptError>,
}

#[derive(Debug, Clone)]
struct KeptService {
    signed: Signed,
    /// The longest lease it had.
    term: Duration,
    /// When a lookup last vouched for it.
    seen: UnixMillis,
}

/// What is known of some services without any lookup.
#[derive(Debug, Default)]
pub(super) struct Recalled {
    pub services: Vec<(Arc<Registration>, Signed, Duration)>,
    /// How long ago a lookup last confirmed what is known.
    pub age: Duration,
}

/// Where this user's programs keep directories: `$XDG_CACHE_HOME/hedgerow`, else `~/.cache/hedgerow`; `None`: the environment
/// names no place.
pub fn default_folder() -> Option<PathBuf> {
    folder_in(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"))
}

fn folder_in(cache: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |folder: OsString| Some(PathBuf::from(folder)).filter(|folder| folder.is_absolute());
    let cache = cache.and_then(absolute).or_else(|| Some(home.and_then(absolute)?.join(".cache")))?;
    Some(cache.join("hedgerow"))
}

impl Kept {
    /// What a file in `folder` holds, and what is known from now on, which is written there. `asked` says whose lookups these
    /// are, in any words: each such text has a file of its own. One that is damaged or belongs to others is as good as none,
    /// and written anew; [`Kept::problem`] says what is wrong.
    pub fn open(folder: &Path, asked: &str) -> Self {
        let path = folder.join(format!("directory-{:016x}", file::checksum(asked.as_bytes())));
        let mut inner = match file::read(&path, asked) {
            Ok(read) => read.unwrap_or_default(),
            Err(error) => Inner { problem: Some(error), ..Inner::default() },
        };
        (inner.path, inner.key) = (Some(path), asked.to_owned());
        Self(Arc::new(Mutex::new(inner)))
    }

    /// The addresses of lookups that were known.
    pub fn lookups(&self) -> Vec<String> {
        self.inner().lookups.iter().cloned().collect()
    }

    /// The mesh that this is the directory of.
    pub fn mesh(&self) -> Option<Mesh> {
        self.inner().mesh.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what lookups vouch for now. `complete`: all lookups answered, so of what matches `template` nothing else is
    /// there.
    pub(super) fn refresh(
        &self,
        merge: &Merge,
        template: &Template,
        complete: bool,
        mesh: &Mesh,
        lookups: impl IntoIterator<Item = String>,
    ) {
        let now = now();
        let inner = &mut *self.inner();
        if inner.mesh.as_ref().is_none_or(|before| before.id != mesh.id) {
            (inner.services, inner.lookups) = (BTreeMap::new(), BTreeSet::new());
        }
        inner.mesh = Some(mesh.clone());
        inner.lookups.extend(lookups);
        while inner.lookups.len() > MAX_LOOKUPS {
            inner.lookups.pop_last();
        }
        let mut there = BTreeSet::new();
        for (registration, signed, term) in merge.vouched_for() {
            there.insert(registration.id);
            let service = KeptService { signed: signed.clone(), term, seen: now };
            inner.services.insert(registration.id, service);
        }
        let oldest = now.saturating_sub(millis(KEPT_FOR));
        // Signatures are verified when something is recalled: here it is only forgotten.
        inner.services.retain(|id, service| {
            there.contains(id)
                || (service.seen > oldest
                    && !(complete
                        && signed::read_registration(&service.signed)
                            .is_ok_and(|registration| template.matches(&registration))))
        });
        while inner.services.len() > MAX_KEPT {
            inner.services.pop_last();
        }
    }

    /// Under which keys services are known.
    pub(super) fn keys(&self) -> BTreeMap<Id, Bytes> {
        self.inner().services.iter().map(|(id, service)| (*id, service.signed.public_key.clone())).collect()
    }

    /// A service went by itself.
    pub(super) fn forget(&self, id: Id) {
        self.inner().services.remove(&id);
    }

    /// The services that match, where this is the directory of `mesh`; `None`: nothing is known of that mesh.
    pub(super) fn recall(&self, template: &Template, mesh: Option<&Mesh>) -> Option<Recalled> {
        let now = now();
        let (services, confirmed) = {
            let inner = self.inner();
            let ours = inner.mesh.as_ref()?;
            if mesh.is_some_and(|mesh| mesh.id != ours.id) {
                return None;
            }
            (inner.services.clone(), inner.services.values().map(|service| service.seen).max()?)
        };
        let open = |(id, service): (Id, KeptService)| {
            let registration = signed::open_registration(&service.signed).ok()?;
            let asked = registration.id == id && template.matches(&registration);
            asked.then(|| (Arc::new(registration), service.signed, service.term))
        };
        let services: Vec<_> = services.into_iter().filter_map(open).collect();
        let age = Duration::from_millis(u64::try_from(now.saturating_sub(confirmed)).unwrap_or(0));
        Some(Recalled { services, age })
    }

    /// The same, on a thread for what takes its time: the signatures of thousands of services are verified.
    pub(super) async fn recalled(&self, template: &Template, mesh: Option<&Mesh>) -> Option<Recalled> {
        let (kept, template, mesh) = (self.clone(), template.clone(), mesh.cloned());
        tokio::task::spawn_blocking(move || kept.recall(&template, mesh.as_ref())).await.ok()?
    }

    /// Writes the file, where there is one and it was not written just now.
    pub(super) async fn write_if_due(&self) {
        let due = |inner: &Inner| inner.written.is_none_or(|at| at.elapsed() >= WRITE_EVERY);
        if due(&self.inner()) {
            self.write().await;
        }
    }

    /// Writes the file, where there is one. Where that fails, [`Kept::problem`] says so.
    pub async fn write(&self) {
        let (path, bytes) = {
            let inner = &mut *self.inner();
            let (Some(path), Some(_)) = (inner.path.clone(), &inner.mesh) else { return };
            inner.written = Some(Instant::now());
            (path, file::bytes_of(inner))
        };
        let at = path.clone();
        let written = tokio::task::spawn_blocking(move || {
            private_file::make_folder_of(&path)?;
            private_file::replace(&path, &bytes)
        });
        if let Ok(Err(source)) = written.await {
            self.inner().problem = Some(KeptError::Io { what: "write", path: at, source: Arc::new(source) });
        }
    }

    /// Why the file could not be read or written the last time; told once.
    pub fn problem(&self) -> Option<KeptError> {
        self.inner().problem.take()
    }
}

/// Now, by the wall clock: what is kept is older than this process.
#[expect(clippy::disallowed_methods, reason = "the one place where this crate reads the wall clock")]
fn now() -> UnixMillis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

fn millis(time: Duration) -> UnixMillis {
    UnixMillis::try_from(time.as_millis()).unwrap_or(UnixMillis::MAX)
}

#[cfg(test)]
mod tests;
