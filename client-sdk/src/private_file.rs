//! Small files for their owner's eyes only, written so that a crash leaves the old one or the new one, never half of one.
//! It must never follow what it finds: a file that is not there is made, one that is there is replaced as a whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What may be read of a file that should be small; a larger one is broken.
const MAX_BYTES: u64 = 4096;

/// Reads the file at `path`, at most 4 KiB; `None` where there is none.
pub(crate) fn read(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("more than {MAX_BYTES} bytes")));
    }
    Ok(Some(text))
}

/// Puts `text`, of any length, in the place of whatever is at `path`, durably.
pub(crate) fn replace(path: &Path, text: impl AsRef<[u8]>) -> io::Result<()> {
    let written = write_beside(path, text.as_ref())?;
    fs::rename(&written, path).inspect_err(|_| drop(fs::remove_file(&written)))?;
    sync_folder(path)
}

/// Makes the file at `path`, durably. `false`: another process was first, and its file stays.
pub(crate) fn create(path: &Path, text: &str) -> io::Result<bool> {
    let written = write_beside(path, text.as_bytes())?;
    // A link, unlike a rename, never replaces, and shows the file only when it is complete.
    let linked = fs::hard_link(&written, path);
    fs::remove_file(&written)?;
    match linked {
        Ok(()) => sync_folder(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes the folder of the file at `path`, for its owner only where it was not there.
pub(crate) fn make_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => DirBuilder::new().recursive(true).mode(0o700).create(folder),
        None => Ok(()),
    }
}

fn write_beside(path: &Path, text: &[u8]) -> io::Result<PathBuf> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.{:016x}", std::process::id(), getrandom::u64()?));
    let beside = path.with_file_name(name);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = file.write_all(text).and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(fs::remove_file(&beside)))?;
    Ok(beside)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
