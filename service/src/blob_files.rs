//! Blobs as files named by their SHA-256, in a folder of their own. A file has its name once all of it is on the disk; what
//! a crash leaves under another name is removed at the next start.

use hedgerow_model::document::{Hash, MAX_BLOB_BYTES};
use hedgerow_proto::signed::Hasher;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const UNFINISHED: &str = "new-";
/// Bytes that are read at once.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// The folder.
#[derive(Debug)]
pub struct BlobFiles {
    folder: PathBuf,
    next: AtomicU64,
}

impl BlobFiles {
    /// Opens the folder and says which bytes it holds, by the files' names and sizes.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(folder: PathBuf) -> io::Result<(Self, Vec<(Hash, u64)>)> {
        fs::create_dir_all(&folder)?;
        let mut held = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with(UNFINISHED) {
                fs::remove_file(entry.path())?;
            } else if let Some(hash) = Hash::parse(name) {
                let size = entry.metadata()?.len();
                if (1..=MAX_BLOB_BYTES).contains(&size) {
                    held.push((hash, size));
                }
            }
        }
        Ok((Self { folder, next: AtomicU64::new(0) }, held))
    }

    /// Writes bytes under a name that says that they are not finished, to the disk. Blocks.
    ///
    /// # Errors
    /// What the system says; nothing is left then.
    pub fn write(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.folder.join(format!("{UNFINISHED}{}", self.next.fetch_add(1, Relaxed)));
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        if let Err(error) = written {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(path)
    }

    /// Gives what was written its name, for good.
    ///
    /// # Errors
    /// What the system says; nothing is left then.
    pub fn keep(&self, unfinished: &PathBuf, hash: Hash) -> io::Result<()> {
        let kept =
            fs::rename(unfinished, self.path(hash)).and_then(|()| File::open(&self.folder)?.sync_all());
        if kept.is_err() {
            let _ = fs::remove_file(unfinished);
        }
        kept
    }

    /// Removes bytes. What cannot be removed is found again at the next start.
    pub fn remove(&self, hash: Hash) {
        if let Err(error) = fs::remove_file(self.path(hash))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(event = "blob_not_removed", %hash, %error);
        }
    }

    /// Puts bytes that are not what they were under another name.
    pub fn set_aside(&self, hash: Hash) {
        if let Err(error) = fs::rename(self.path(hash), self.folder.join(format!("{hash}.broken"))) {
            tracing::warn!(event = "blob_not_set_aside", %hash, %error);
        }
    }

    /// Whether all bytes are there, and what they were. Blocks.
    ///
    /// # Errors
    /// Why they cannot be read.
    pub fn verify(&self, hash: Hash) -> io::Result<bool> {
        let mut file = File::open(self.path(hash))?;
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hasher.finish() == hash),
                read => hasher.update(buffer.get(..read).unwrap_or_default()),
            }
        }
    }

    /// Some of the bytes, from `offset` on; empty: there are no more. Blocks. Holds nothing open in between: who reads
    /// slowly costs nothing.
    ///
    /// # Errors
    /// Why they cannot be read.
    pub fn read(&self, hash: Hash, offset: u64) -> io::Result<Vec<u8>> {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = File::open(self.path(hash))?.read_at(&mut chunk, offset)?;
        chunk.truncate(read);
        Ok(chunk)
    }

    fn path(&self, hash: Hash) -> PathBuf {
        self.folder.join(hash.to_string())
    }
}
