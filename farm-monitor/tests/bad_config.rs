//! Configurations that people write by mistake, each beside the exact message it gets. After a change of the words:
//! `UPDATE_EXPECTED=1 cargo nextest run -p hedgerow-farm-monitor --test bad_config`, and read the difference.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use hedgerow_farm_monitor::config::load;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad-config")
}

/// Copies a folder's files, readable by all but for `*.secret`.
fn copy_all(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).unwrap();
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
            let mode = if target.extension().is_some_and(|e| e == "secret") { 0o600 } else { 0o644 };
            fs::set_permissions(&target, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

/// The message for `name.toml` as `farm.toml`, with what stands in the folder `name` beside it.
fn message(name: &str) -> String {
    let place = tempfile::tempdir().unwrap();
    fs::copy(folder().join(name).with_extension("toml"), place.path().join("farm.toml")).unwrap();
    if folder().join(name).is_dir() {
        copy_all(&folder().join(name), place.path());
    }
    let errors = match load(place.path(), "this-host") {
        Ok(config) => panic!("{name}.toml is accepted: {config:?}"),
        Err(errors) => errors,
    };
    errors.to_string().replace(&format!("{}/", place.path().display()), "") + "\n"
}

#[test]
fn each_mistake_gets_its_exact_message() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(names.len() >= 20, "only {} files were found", names.len());
    let mut different = Vec::new();
    for name in &names {
        let file = folder().join(name).with_extension("expected");
        let message = message(name);
        if update {
            fs::write(&file, &message).unwrap();
        } else if fs::read_to_string(&file).ok().as_deref() != Some(&message) {
            eprintln!("--- {name}: got\n{message}");
            different.push(name);
        }
    }
    assert!(
        different.is_empty(),
        "other messages than expected: {different:?}; UPDATE_EXPECTED=1 takes them"
    );
}

#[test]
fn no_message_holds_a_control_character_or_a_secret() {
    for name in ["names", "secrets", "bidi", "long-line", "credentials-passwords", "credentials-not-closed"] {
        let message = message(name);
        assert!(message.chars().all(|c| c == '\n' || !c.is_control()), "{name}: {message:?}");
        assert!(!message.contains("correct horse"), "{name}: {message}");
    }
}

#[test]
fn a_message_names_at_most_fifty_mistakes_and_counts_the_rest() {
    let place = tempfile::tempdir().unwrap();
    let keys: String = (0..60).map(|n| format!("unknown{n} = 1\n")).collect();
    fs::write(place.path().join("farm.toml"), keys).unwrap();
    let errors = load(place.path(), "this-host").unwrap_err();
    assert_eq!(errors.complaints.len(), 60);
    assert!(errors.to_string().ends_with("\n\nand 10 more errors"), "{errors}");
}
