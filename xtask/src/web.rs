//! `web`: the page, from its sources in `web/ui` to what the binary embeds (`web/ui/dist/app`). Nothing is done where nothing
//! changed since the last time.

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

use crate::{Outcome, process, workspace};

const UI: &str = "web/ui";
/// Not sources: what npm and Vite make, and what only tests and developers use.
const NOT_SOURCES: [&str; 4] = ["node_modules", "dist", "e2e", "dev"];
/// What decides which packages are installed.
const PACKAGES: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];

/// `web`: builds the page where its sources changed.
pub fn run(args: &[String]) -> Outcome {
    if let Some(arg) = args.first() {
        return Err(format!("expected nothing, found `{arg}`"));
    }
    let ui = workspace::root().join(UI);
    if !ui.join("package.json").is_file() {
        return Err(format!("{UI} has no package.json: there is no front end to build in this checkout"));
    }
    let npm = npm().ok_or("node and npm are not installed: the page takes them (Debian: nodejs npm)")?;
    let sources = fingerprint(&files(&ui)?)?;
    let built = ui.join("dist/app/index.html");
    if built.is_file() && says(&stamp("built"), &sources) {
        eprintln!("web: the page is built, nothing changed");
        return Ok(());
    }
    packages(&npm, &ui)?;
    process::run(process::at_root(&npm).current_dir(&ui).args(["run", "--silent", "build"]))?;
    if !built.is_file() {
        return Err(format!("the build of {UI} made no dist/app/index.html"));
    }
    write(&stamp("built"), &sources)
}

/// What the page's own tools say of it: its types, and its unit tests.
pub fn test() -> Outcome {
    let ui = workspace::root().join(UI);
    let npm = npm().ok_or("node and npm are not installed")?;
    packages(&npm, &ui)?;
    process::run(process::at_root(&npm).current_dir(&ui).args(["run", "--silent", "check"]))?;
    process::run(process::at_root(&npm).current_dir(&ui).args(["run", "--silent", "test"]))
}

/// Whether the page can be built here at all.
pub fn can_be_built() -> bool {
    npm().is_some() && workspace::root().join(UI).join("package.json").is_file()
}

/// Installs the packages that the lock file names, where they are not installed.
pub fn packages(npm: &Path, ui: &Path) -> Outcome {
    let wanted = fingerprint(&PACKAGES.map(|name| ui.join(name)))?;
    if ui.join("node_modules").is_dir() && says(&stamp("packages"), &wanted) {
        return Ok(());
    }
    let quiet = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
    process::run(process::at_root(npm).current_dir(ui).args(quiet))?;
    write(&stamp("packages"), &wanted)
}

fn npm() -> Option<PathBuf> {
    process::find("node").and_then(|_| process::find("npm"))
}

/// What was done last is remembered beside the tools: it is true of this checkout only.
fn stamp(what: &str) -> PathBuf {
    workspace::tools().join(format!("web-{what}"))
}

fn says(stamp: &Path, text: &str) -> bool {
    fs::read_to_string(stamp).is_ok_and(|said| said == text)
}

fn write(stamp: &Path, text: &str) -> Outcome {
    let folder = stamp.parent().map_or(Ok(()), fs::create_dir_all);
    folder
        .and_then(|()| fs::write(stamp, text))
        .map_err(|error| format!("cannot write {}: {error}", stamp.display()))
}

/// All sources, in a fixed order.
fn files(ui: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut folders = vec![ui.to_owned()];
    while let Some(folder) = folders.pop() {
        let cannot = |error| format!("cannot list {}: {error}", folder.display());
        for entry in fs::read_dir(&folder).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let made = folder == ui && NOT_SOURCES.iter().any(|name| entry.file_name() == *name);
            if made {
                continue;
            }
            if entry.file_type().map_err(cannot)?.is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Of the names and contents of files: equal where nothing changed.
fn fingerprint(files: &[PathBuf]) -> Result<String, String> {
    let mut hasher = DefaultHasher::new();
    for file in files {
        let bytes = match fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(format!("cannot read {}: {error}", file.display())),
        };
        hasher.write(file.to_string_lossy().as_bytes());
        hasher.write_usize(bytes.len());
        hasher.write(&bytes);
    }
    Ok(format!("{:016x} of {} files", hasher.finish(), files.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_source_is_another_fingerprint_and_what_is_made_does_not_count() {
        let folder = std::env::temp_dir().join(format!("hedgerow-xtask-web-{}", std::process::id()));
        fs::create_dir_all(folder.join("src/dist")).unwrap();
        fs::create_dir_all(folder.join("dist/app")).unwrap();
        fs::write(folder.join("src/dist/a.ts"), "1").unwrap();
        fs::write(folder.join("dist/app/index.html"), "1").unwrap();
        let now = || fingerprint(&files(&folder).unwrap()).unwrap();
        let before = now();
        fs::write(folder.join("dist/app/index.html"), "2").unwrap();
        assert_eq!(now(), before);
        fs::write(folder.join("src/dist/a.ts"), "2").unwrap();
        assert_ne!(now(), before);
        fs::write(folder.join("src/dist/a.ts"), "1").unwrap();
        fs::write(folder.join("src/b.ts"), "").unwrap();
        assert_ne!(now(), before);
        fs::remove_dir_all(&folder).unwrap();
    }
}
