//! The folder of compiled filters: native code that this process will run, so it is read only from a folder that nobody else can
//! write to, and only where its checksum holds. A cache: whatever is wrong with it, filters are compiled anew.

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, utimensat};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const EXTENSION: &str = "artefact";
/// Before the artefact: what it is, and the checksum of the rest.
const MAGIC: &[u8; 16] = b"hedgerow filter\x01";
const HEADER_BYTES: usize = MAGIC.len() + 32;

/// SHA-256 of a component's bytes as they were uploaded: what a deployment names it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// When last used, bytes, where.
type Kept = ((i64, i64), u64, PathBuf);

pub(crate) struct Artefacts {
    folder: PathBuf,
    bound: u64,
    damaged: AtomicU64,
}

impl Artefacts {
    /// Makes the folder where it is missing. One that others could have written to is emptied first.
    pub(crate) fn open(folder: &Path, bound: u64) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let about = fs::symlink_metadata(folder)?;
        if !about.is_dir() || about.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("it is not a folder of this user's"));
        }
        let artefacts = Self { folder: folder.to_owned(), bound, damaged: AtomicU64::new(0) };
        if about.mode() & 0o077 != 0 {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
            artefacts.list()?.iter().try_for_each(|(_, _, path)| fs::remove_file(path))?;
        }
        Ok(artefacts)
    }

    /// How many were found damaged.
    pub(crate) fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// What was kept under this name, and is whole. It counts as used.
    pub(crate) fn read(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.path(name);
        let mut bytes = Vec::new();
        File::open(&path).ok()?.take(self.bound.saturating_add(1)).read_to_end(&mut bytes).ok()?;
        let whole = bytes.split_at_checked(HEADER_BYTES).is_some_and(|(header, artefact)| {
            header.strip_prefix(MAGIC).is_some_and(|sum| sum == Digest::of(artefact).0)
        });
        if !whole {
            self.damaged.fetch_add(1, Ordering::Relaxed);
            let _ = fs::remove_file(&path);
            return None;
        }
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let times =
            Timestamps { last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }, last_modification: now };
        let _ = utimensat(CWD, &path, &times, AtFlags::empty());
        bytes.drain(..HEADER_BYTES);
        Some(bytes)
    }

    /// Keeps it, and lets the longest unused go where there is too much.
    pub(crate) fn write(&self, name: &str, artefact: &[u8]) -> io::Result<()> {
        let fresh = self.folder.join(format!("{name}.{}.new", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(MAGIC)?;
        file.write_all(&Digest::of(artefact).0)?;
        file.write_all(artefact)?;
        file.sync_all()?;
        fs::rename(&fresh, self.path(name))?;
        self.shed(name)
    }

    fn shed(&self, keep: &str) -> io::Result<()> {
        let mut files = self.list()?;
        files.sort();
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in files {
            if total <= self.bound {
                break;
            }
            if path != self.path(keep) {
                fs::remove_file(&path)?;
                total -= bytes;
            }
        }
        Ok(())
    }

    /// What was begun and never finished is among them.
    fn list(&self) -> io::Result<Vec<Kept>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            let ours = entry.path().extension().is_some_and(|found| found == EXTENSION || found == "new");
            if about.is_file() && ours {
                files.push(((about.mtime(), about.mtime_nsec()), about.len(), entry.path()));
            }
        }
        Ok(files)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name).with_extension(EXTENSION)
    }
}
