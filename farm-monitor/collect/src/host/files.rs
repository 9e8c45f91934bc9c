//! Reading small files of `/proc` and `/sys` under a root, into one buffer that is used again.
//! Bounded by [`MAX_FILE_BYTES`]; must never be used for files of a mount or a sensor, which may hang.

use crate::module::CollectError;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Longest file that is read; a longer one is an error of that file.
pub(super) const MAX_FILE_BYTES: usize = 16 << 20;
/// How much the buffer grows at a time.
const STEP: usize = 16 << 10;

/// Reads files under a root.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    buffer: Vec<u8>,
    lossy: String,
    /// The directory of the process whose mounts and network are shown.
    process: &'static str,
}

impl Files {
    pub fn new(root: &Path) -> Self {
        // Under another root it is the host that is meant, not the container we run in.
        let process = if root == Path::new("/") { "proc/self" } else { "proc/1" };
        Self { root: root.to_owned(), buffer: vec![0; STEP], lossy: String::new(), process }
    }

    /// Where a path of the host is found.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The whole text of a file; bytes that are no UTF-8 are replaced.
    pub fn text(&mut self, path: &str) -> io::Result<&str> {
        let path = self.path(path);
        let length = self.fill(&path)?;
        let bytes = self.buffer.get(..length).unwrap_or_default();
        // Checked twice only where it is not UTF-8.
        if std::str::from_utf8(bytes).is_err() {
            self.lossy = String::from_utf8_lossy(bytes).into_owned();
            return Ok(&self.lossy);
        }
        Ok(std::str::from_utf8(bytes).unwrap_or_default())
    }

    /// As [`Files::text`], of a file of the process whose mounts and network are meant (`net/dev`).
    pub fn process_text(&mut self, path: &str) -> io::Result<&str> {
        let own = format!("{}/{path}", self.process);
        if self.process != "proc/self" && File::open(self.path(&own)).is_err() {
            return self.text(&format!("proc/self/{path}"));
        }
        self.text(&own)
    }

    /// The first word of a small file; `None` where it cannot be read, which for attributes of devices is ordinary.
    pub fn word(&mut self, path: &Path) -> Option<&str> {
        let length = self.fill(path).ok()?;
        std::str::from_utf8(self.buffer.get(..length)?).ok().map(str::trim)
    }

    fn fill(&mut self, path: &Path) -> io::Result<usize> {
        let mut file = File::open(path)?;
        let mut length = 0;
        loop {
            if self.buffer.len() - length < STEP / 2 {
                if self.buffer.len() >= MAX_FILE_BYTES {
                    return Err(io::Error::other(format!("longer than {MAX_FILE_BYTES} bytes")));
                }
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
            match file.read(self.buffer.get_mut(length..).unwrap_or_default()) {
                Ok(0) => return Ok(length),
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The failure of a part, from an error of the system.
pub(super) fn failure(what: &str, error: &io::Error) -> CollectError {
    let text = format!("{what}: {error}");
    match error.kind() {
        io::ErrorKind::NotFound => CollectError::NoSuchObject(text),
        io::ErrorKind::PermissionDenied => CollectError::RefusedCredentials(text),
        io::ErrorKind::TimedOut => CollectError::TimedOut(text),
        _ => CollectError::Failed(text),
    }
}

/// Counts the lines of one file that were not understood, and shows the first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Skipped {
    /// How many.
    pub lines: usize,
    first: String,
}

impl Skipped {
    /// Takes note of a line.
    pub fn line(&mut self, line: &str) {
        if self.lines == 0 {
            self.first = line.chars().take(80).collect();
        }
        self.lines += 1;
    }

    /// What to tell, if lines were skipped.
    pub fn failure(&self, file: &str) -> Option<CollectError> {
        (self.lines > 0).then(|| {
            CollectError::BadAnswer(format!(
                "{file}: {} line(s) not understood, first `{}`",
                self.lines, self.first
            ))
        })
    }
}
