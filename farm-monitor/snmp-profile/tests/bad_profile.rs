//! Profiles that people write by mistake, each beside the exact message it gets. After a change of the words:
//! `UPDATE_EXPECTED=1 cargo nextest run -p hedgerow-snmp-profile --test bad_profile`, and read the difference.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::fs;
use std::path::Path;

#[test]
fn each_mistake_gets_its_exact_message() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad-profile");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 25, "only {} files were found", files.len());
    let mut different = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let message = match hedgerow_snmp_profile::read(name, &fs::read_to_string(file).unwrap()) {
            Ok(profile) => panic!("{name} is accepted: {profile:?}"),
            Err(errors) => format!("{errors}\n"),
        };
        let expected = file.with_extension("expected");
        if update {
            fs::write(&expected, &message).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != message {
            eprintln!("{name}:\n{message}");
            different.push(name.to_owned());
        }
    }
    assert!(different.is_empty(), "other messages than expected: {different:?}");
}
