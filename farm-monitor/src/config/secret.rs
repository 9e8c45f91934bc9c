//! Secrets by reference: the configuration names a file, the file holds the secret. Its content appears in no message.

use super::read::read_noted;
use hedgerow_toml_tree::{Entry, Findings, Got, KeyPath, Place, Section, Table, Wrong};
use std::os::unix::fs::PermissionsExt;

/// Longest secret; a longer file is refused.
pub const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Reads `{ file = "…" }`: the content of that file without its last line end. It must be for its owner's eyes only.
pub(super) fn secret(table: &Table, entry: &Entry, path: KeyPath, findings: &Findings<'_>) -> Option<String> {
    let mut section = Section::new(table, entry.node.at, path, findings);
    let named = section.text("file", "the name of a file in quotes");
    if named == Got::Absent {
        section.missing("file", "{ file = \"…\" }, a file that holds the value");
    }
    let path = section.path.child("file");
    section.finish();
    let Got::Is(named, at) = named else { return None };
    match read(&named, at, findings) {
        Ok(secret) => Some(secret),
        Err(wrong) => {
            findings.error(at, &path, wrong);
            None
        }
    }
}

fn read(named: &str, at: Place, findings: &Findings<'_>) -> Result<String, Wrong> {
    let path = findings.folder(at).join(named);
    let expected = "a file that only its owner may read";
    let content = read_noted(findings, &path, MAX_SECRET_BYTES);
    let content =
        content.map_err(|why| Wrong::new(format!("{} cannot be read: {why}", path.display()), expected))?;
    let mode = path.metadata().map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        let problem = format!("{} may be read or written by others (its mode is {mode:04o})", path.display());
        return Err(Wrong::new(problem, expected).note(format!("chmod 600 {}", path.display())));
    }
    let secret = content.strip_suffix('\n').unwrap_or(&content);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.contains('\0') {
        return Err(Wrong::new(format!("{} holds a NUL character", path.display()), "text"));
    }
    Ok(secret.to_owned())
}
