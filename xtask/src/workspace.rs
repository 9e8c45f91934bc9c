//! Where the project is and which files are its own. Reads only; never follows symbolic links.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders whose content is made, not written; everything else in the checkout counts as the project's.
const MADE: &[&str] = &[".git", ".tools", "target", "node_modules", "__pycache__"];

/// A larger file is data, not something written by hand.
const LARGEST_TEXT: u64 = 2 * 1024 * 1024;

/// One text file of the project.
pub struct Source {
    /// Relative to the root, with `/`.
    pub path: String,
    /// The whole file.
    pub text: String,
}

impl Source {
    /// The part after the last dot of the file name, or nothing.
    pub fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(|extension| extension.to_str()).unwrap_or_default()
    }
}

/// The root of the checkout.
pub fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("invariant: xtask is a folder of the workspace").to_path_buf()
}

/// Where `setup` puts tools that belong to this checkout; kept between runs, never committed.
pub fn tools() -> PathBuf {
    root().join(".tools")
}

/// Where cargo builds, as cargo started at the root sees it.
pub fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// All text files of the project, sorted by path.
pub fn sources() -> Result<Vec<Source>, String> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let cannot = |error| format!("cannot list {}: {error}", folder.display());
        for entry in fs::read_dir(&folder).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let kind = entry.file_type().map_err(cannot)?;
            if MADE.iter().any(|made| entry.file_name() == *made) {
                // `.git` is a file where several work trees share one repository.
            } else if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.extend(text_of(&root, &entry.path()));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The file, if it is text of a size that somebody wrote.
fn text_of(root: &Path, file: &Path) -> Option<Source> {
    if fs::metadata(file).ok()?.len() > LARGEST_TEXT {
        return None;
    }
    let text = String::from_utf8(fs::read(file).ok()?).ok()?;
    let path = file.strip_prefix(root).ok()?.to_str()?.to_owned();
    Some(Source { path, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_found_without_what_is_made() {
        let sources = sources().unwrap();
        assert!(sources.iter().any(|source| source.path == "xtask/src/workspace.rs"));
        assert!(sources.iter().any(|source| source.path == ".ci/run"));
        assert!(!sources.iter().any(|source| source.path.starts_with("target/")));
        assert!(sources.is_sorted_by_key(|source| &source.path));
    }
}
