//! Says when the configuration on disk has become another one.
//!
//! Looks at the files once a second instead of asking the kernel to tell: that survives every way in which editors and
//! tools replace files, network file systems too, and costs a few `stat`. A change is read when the files have stood
//! still from one look to the next, so half-written ones are not read. Never applies anything: who is told of errors
//! keeps the configuration it has.

use super::read::{self, Loaded};
use super::{FarmConfig, Refused};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often the files are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Watches one configuration.
#[derive(Debug)]
pub struct ConfigWatch {
    /// Shared with the look that goes on on a thread of its own; only ever one.
    files: Arc<Mutex<WatchedFiles>>,
    ticks: Option<Interval>,
}

impl ConfigWatch {
    /// Reads a configuration ([`super::load`]) and watches it from then on.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn open(path: &Path, host: &str) -> Result<(FarmConfig, Self), Refused> {
        let (config, files) = WatchedFiles::open(path, host)?;
        Ok((config, Self { files: Arc::new(Mutex::new(files)), ticks: None }))
    }

    /// Waits for another configuration, as [`WatchedFiles::check`] tells it. May be dropped at any time.
    ///
    /// # Errors
    /// What is wrong with the files now.
    pub async fn changed(&mut self) -> Result<FarmConfig, Refused> {
        loop {
            let ticks = self.ticks.get_or_insert_with(|| {
                let mut ticks = interval(LOOK_EVERY);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                ticks
            });
            ticks.tick().await;
            let files = Arc::clone(&self.files);
            // A disk that hangs must not hold a worker of the runtime. A panic in there was told already.
            if let Ok(Some(told)) = tokio::task::spawn_blocking(move || files.lock().check()).await {
                return told;
            }
        }
    }
}

/// The core of [`ConfigWatch`]: looks when it is told to.
#[derive(Debug)]
pub struct WatchedFiles {
    path: PathBuf,
    host: String,
    /// What the caller has.
    config: FarmConfig,
    /// What the caller was told is wrong with the files as they are.
    told: Option<Refused>,
    /// The files that were read last, and how they looked before that.
    files: BTreeSet<PathBuf>,
    read: Stamps,
    /// How they looked last time, where that was not as read.
    moving: Option<Stamps>,
}

type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

/// What changes when a file is written, replaced, or made readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    mode: u32,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl WatchedFiles {
    /// Reads a configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn open(path: &Path, host: &str) -> Result<(FarmConfig, Self), Refused> {
        // Only a read that began after the stamps were taken can be trusted to be as they say, so it is done twice:
        // the first to learn which files there are.
        let Loaded { files, .. } = read::read(path, host);
        let stamps = look(path, &files);
        let Loaded { outcome, files } = read::read(path, host);
        let config = outcome?;
        let (path, host) = (path.to_owned(), host.to_owned());
        Ok((config.clone(), Self { path, host, config, told: None, files, read: stamps, moving: None }))
    }

    /// Looks once. `Some` is a configuration that asks for something else than the last one, or what is wrong now: once for
    /// each change. After errors the files' next good state is told even where it is the old one.
    pub fn check(&mut self) -> Option<Result<FarmConfig, Refused>> {
        let now = look(&self.path, &self.files);
        if now == self.read {
            self.moving = None;
            return None;
        }
        if self.moving.as_ref() != Some(&now) {
            self.moving = Some(now);
            return None;
        }
        let Loaded { outcome, files } = read::read(&self.path, &self.host);
        self.moving = None;
        // Files that are new to us are stamped at the next look; then this is a change, and all is read once more.
        self.read = now;
        self.files = files;
        match outcome {
            Ok(config) => {
                let news = self.told.take().is_some() || !config.same_effect(&self.config);
                self.config = config;
                news.then(|| Ok(self.config.clone()))
            }
            Err(errors) if self.told.as_ref() == Some(&errors) => None,
            Err(errors) => Some(Err(self.told.insert(errors).clone())),
        }
    }
}

/// How all the files look that could change the configuration: those known, and those its folders have now.
fn look(path: &Path, files: &BTreeSet<PathBuf>) -> Stamps {
    let main = read::main_file(path);
    // Where a folder cannot be read, the files known from it cannot either, and that is seen.
    let folders = [read::CONF_FOLDER, read::PROFILE_FOLDER];
    let listed = folders.into_iter().flat_map(|folder| read::files_of(&main, folder).unwrap_or_default());
    let all = files.iter().cloned().chain([main.clone()]).chain(listed);
    all.map(|path| {
        let stamp = stamp(&path);
        (path, stamp)
    })
    .collect()
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = path.metadata().ok()?;
    Some(Stamp {
        file: (metadata.dev(), metadata.ino()),
        size: metadata.size(),
        mode: metadata.mode(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests;
